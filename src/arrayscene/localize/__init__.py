"""Where the sources are, and how many."""

from arrayscene.localize.grid import Grid, direction_grid
from arrayscene.localize.omp import OMP
from arrayscene.localize.peaks import Directions, find_directions
from arrayscene.localize.srp import SRPPHAT, Survey, localization_stft

__all__ = ["OMP", "SRPPHAT", "Directions", "Grid", "Survey", "direction_grid", "find_directions", "localization_stft"]
