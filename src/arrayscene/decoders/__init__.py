"""D: from what the microphones heard to what each source sounded like."""

from arrayscene.decoders.auxiva import AuxIVA
from arrayscene.decoders.base import Decoder, Estimate
from arrayscene.decoders.denoise import QuietNoiseWiener
from arrayscene.decoders.linear import MVDR, DelayAndSum, LinearDecoder, PseudoInverse
from arrayscene.decoders.wiener import MultichannelWiener

__all__ = [
    "MVDR",
    "AuxIVA",
    "Decoder",
    "DelayAndSum",
    "Estimate",
    "LinearDecoder",
    "MultichannelWiener",
    "PseudoInverse",
    "QuietNoiseWiener",
]
