"""How good a result is; every metric says what its target is."""

from arrayscene.metrics.localization import angular_error
from arrayscene.metrics.separation import match_sources, si_sdr

__all__ = ["angular_error", "match_sources", "si_sdr"]
