"""Where the sources are, and how many."""

from arrayscene.localize.grid import Grid, direction_grid
from arrayscene.localize.located import Located, LocatedSource
from arrayscene.localize.locating import locate
from arrayscene.localize.music import MUSIC, NormMUSIC
from arrayscene.localize.omp import OMP
from arrayscene.localize.peaks import Directions, find_directions
from arrayscene.localize.reliable_bins import reliable_bins
from arrayscene.localize.spectrum import Spectrum
from arrayscene.localize.srp import SRPPHAT, Survey, localization_stft
from arrayscene.localize.srp_map import SRPMap

__all__ = [
    "MUSIC",
    "OMP",
    "SRPPHAT",
    "Directions",
    "Grid",
    "Located",
    "LocatedSource",
    "NormMUSIC",
    "SRPMap",
    "Spectrum",
    "Survey",
    "direction_grid",
    "find_directions",
    "localization_stft",
    "locate",
    "reliable_bins",
]
