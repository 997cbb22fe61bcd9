"""D: from what the microphones heard to what each source sounded like."""

from arrayscene.decoders.ambisonics import AmbisonicsEncoder
from arrayscene.decoders.auxiva import AuxIVA
from arrayscene.decoders.base import Decoder, Estimate
from arrayscene.decoders.clustering import Clustering
from arrayscene.decoders.denoise import QuietNoiseWiener
from arrayscene.decoders.differential import Differential
from arrayscene.decoders.directions import FromDirections
from arrayscene.decoders.gev import GEV
from arrayscene.decoders.hybrid import AntiAliasing, Hybrid
from arrayscene.decoders.least_squares import DelayAndSum, MinimumNorm, PseudoInverse, Tikhonov, TruncatedSVD
from arrayscene.decoders.linear import LinearDecoder
from arrayscene.decoders.masking import Masking
from arrayscene.decoders.minimum_variance import LCMV, MPDR, MVDR
from arrayscene.decoders.mwf import SDWMWF, SoudenMVDR
from arrayscene.decoders.sidelobe_canceller import GSC
from arrayscene.decoders.statistics import Masks, Recursive, Segments, Statistics, noise_covariance, rest_covariance
from arrayscene.decoders.superdirective import Superdirective
from arrayscene.decoders.uncertainty import steering_uncertainty
from arrayscene.decoders.warm_start import WarmStart
from arrayscene.decoders.wiener import MultichannelWiener
from arrayscene.decoders.wmpdr import WMPDR

__all__ = [
    "GEV",
    "GSC",
    "LCMV",
    "MPDR",
    "MVDR",
    "SDWMWF",
    "WMPDR",
    "AmbisonicsEncoder",
    "AntiAliasing",
    "AuxIVA",
    "Clustering",
    "Decoder",
    "DelayAndSum",
    "Differential",
    "Estimate",
    "FromDirections",
    "Hybrid",
    "LinearDecoder",
    "Masking",
    "Masks",
    "MinimumNorm",
    "MultichannelWiener",
    "PseudoInverse",
    "QuietNoiseWiener",
    "Recursive",
    "Segments",
    "SoudenMVDR",
    "Statistics",
    "Superdirective",
    "Tikhonov",
    "TruncatedSVD",
    "WarmStart",
    "noise_covariance",
    "rest_covariance",
    "steering_uncertainty",
]
