"""Acoustic imaging: how loud it is at each point of a plane, a sphere or a box."""

from arrayscene.imaging.bands import Band, octave, third_octave, third_octaves
from arrayscene.imaging.clean_sc import CleanSC
from arrayscene.imaging.conventional import Conventional
from arrayscene.imaging.covariance_fitting import CovarianceFitting
from arrayscene.imaging.cross_spectra import CrossSpectra, cross_spectra
from arrayscene.imaging.damas import Damas
from arrayscene.imaging.functional import Functional
from arrayscene.imaging.grids import MapGrid
from arrayscene.imaging.map_folder import write_map
from arrayscene.imaging.mapping import Imager, sound_map
from arrayscene.imaging.method import ImagingMethod
from arrayscene.imaging.pictures import map_figure
from arrayscene.imaging.result import MapSource, SoundMap
from arrayscene.imaging.steering import FORMULATIONS, steering_vectors
from arrayscene.imaging.transfer import grid_response

__all__ = [
    "FORMULATIONS",
    "Band",
    "CleanSC",
    "Conventional",
    "CovarianceFitting",
    "CrossSpectra",
    "Damas",
    "Functional",
    "Imager",
    "ImagingMethod",
    "MapGrid",
    "MapSource",
    "SoundMap",
    "cross_spectra",
    "grid_response",
    "map_figure",
    "octave",
    "sound_map",
    "steering_vectors",
    "third_octave",
    "third_octaves",
    "write_map",
]
