"""How good a result is; every metric says what its target is."""

from arrayscene.metrics.assignment import GOSPA, Accuracy, angular_distances, gospa, localization_accuracy, ospa
from arrayscene.metrics.levels import level_error
from arrayscene.metrics.localization import angular_error
from arrayscene.metrics.separation import match_sources, si_sdr
from arrayscene.metrics.tracks import TrackMeasures, track_measures

__all__ = [
    "GOSPA",
    "Accuracy",
    "TrackMeasures",
    "angular_distances",
    "angular_error",
    "gospa",
    "level_error",
    "localization_accuracy",
    "match_sources",
    "ospa",
    "si_sdr",
    "track_measures",
]
