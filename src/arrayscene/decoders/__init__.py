"""D: from what the microphones heard to what each source sounded like."""

from arrayscene.decoders.ambisonics import AmbisonicsEncoder
from arrayscene.decoders.auxiva import AuxIVA
from arrayscene.decoders.base import Decoder, Estimate
from arrayscene.decoders.below_speech import BelowSpeech
from arrayscene.decoders.blind_clustering import BlindClustering
from arrayscene.decoders.clustering import Clustering
from arrayscene.decoders.denoise import QuietNoiseWiener
from arrayscene.decoders.dereverberated import Dereverberated
from arrayscene.decoders.differential import Differential
from arrayscene.decoders.diffusion_posterior import DiffusionPosterior, DiffusionWarning
from arrayscene.decoders.directions import FromDirections
from arrayscene.decoders.fastica import FastICA, fast_ica
from arrayscene.decoders.fastmnmf import FastMNMF
from arrayscene.decoders.frequency_domain_ica import FrequencyDomainICA
from arrayscene.decoders.gev import GEV
from arrayscene.decoders.guided import guided
from arrayscene.decoders.guided_iva import GuidedIVA
from arrayscene.decoders.hybrid import AntiAliasing, Hybrid
from arrayscene.decoders.ilrma import ILRMA
from arrayscene.decoders.least_squares import DelayAndSum, MinimumNorm, PseudoInverse, Tikhonov, TruncatedSVD
from arrayscene.decoders.linear import LinearDecoder
from arrayscene.decoders.masking import Masking
from arrayscene.decoders.minimum_variance import LCMV, MPDR, MVDR
from arrayscene.decoders.mwf import SDWMWF, SoudenMVDR
from arrayscene.decoders.online_auxiva import OnlineAuxIVA
from arrayscene.decoders.online_refined import OnlineRefined
from arrayscene.decoders.online_wiener import OnlineWiener
from arrayscene.decoders.overiva import OverIVA
from arrayscene.decoders.recursive_wpe import RecursiveWPE
from arrayscene.decoders.refined import Refined
from arrayscene.decoders.sidelobe_canceller import GSC
from arrayscene.decoders.statistics import Masks, Recursive, Segments, Statistics, noise_covariance, rest_covariance
from arrayscene.decoders.superdirective import Superdirective
from arrayscene.decoders.tiss import TISS
from arrayscene.decoders.uncertainty import steering_uncertainty
from arrayscene.decoders.warm_start import WarmStart
from arrayscene.decoders.wiener import MultichannelWiener
from arrayscene.decoders.wmpdr import WMPDR
from arrayscene.decoders.wpe import WPE

__all__ = [
    "GEV",
    "GSC",
    "ILRMA",
    "LCMV",
    "MPDR",
    "MVDR",
    "SDWMWF",
    "TISS",
    "WMPDR",
    "WPE",
    "AmbisonicsEncoder",
    "AntiAliasing",
    "AuxIVA",
    "BelowSpeech",
    "BlindClustering",
    "Clustering",
    "Decoder",
    "DelayAndSum",
    "Dereverberated",
    "Differential",
    "DiffusionPosterior",
    "DiffusionWarning",
    "Estimate",
    "FastICA",
    "FastMNMF",
    "FrequencyDomainICA",
    "FromDirections",
    "GuidedIVA",
    "Hybrid",
    "LinearDecoder",
    "Masking",
    "Masks",
    "MinimumNorm",
    "MultichannelWiener",
    "OnlineAuxIVA",
    "OnlineRefined",
    "OnlineWiener",
    "OverIVA",
    "PseudoInverse",
    "QuietNoiseWiener",
    "Recursive",
    "RecursiveWPE",
    "Refined",
    "Segments",
    "SoudenMVDR",
    "Statistics",
    "Superdirective",
    "Tikhonov",
    "TruncatedSVD",
    "WarmStart",
    "fast_ica",
    "guided",
    "noise_covariance",
    "rest_covariance",
    "steering_uncertainty",
]
