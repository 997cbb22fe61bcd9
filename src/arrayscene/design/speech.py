"""The spectrum of speech: how a signal-to-noise ratio spreads over frequency."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# Averages of twelve languages, women and men together, in third octaves from 63 Hz to 16 kHz: dB SPL of speech at 70.
_LEVELS = (
    38.6, 43.5, 54.4, 57.7, 56.8, 60.2, 60.3, 59.0, 62.1, 62.1, 60.5, 56.8, 53.7,
    53.0, 52.0, 48.7, 48.1, 46.8, 45.6, 44.5, 44.3, 43.7, 43.4, 41.3, 40.7,
)  # fmt: skip


def speech_density(frequencies: NDArray[np.float64]) -> NDArray[np.float64]:
    """Power of average speech per hertz at (freq,) hertz, in any unit; beyond 63 Hz to 16 kHz the nearest band's.

    Reference: D. Byrne et al., "An international comparison of long-term average speech spectra", JASA 1994.
    """
    centres = 1000.0 * 2.0 ** (np.arange(-12, 13) / 3)
    # A band of constant relative width holds more hertz the higher it is.
    density = np.asarray(_LEVELS) - 10 * np.log10(centres)
    return np.asarray(10 ** (np.interp(np.log(frequencies), np.log(centres), density) / 10))


def band_widths(frequencies: NDArray[np.float64]) -> NDArray[np.float64]:
    """Hertz for which each of (freq,) evenly spaced on a logarithmic axis stands."""
    step = np.log(frequencies[-1] / frequencies[0]) / (len(frequencies) - 1)
    return np.asarray(frequencies * 2 * np.sinh(step / 2))


def speech_snr(frequencies: NDArray[np.float64]) -> NDArray[np.float64]:
    """Density (freq,) of speech over that of white noise of the same power in the band of `frequencies`, a logarithmic axis."""
    widths, density = band_widths(frequencies), speech_density(frequencies)
    return np.asarray(density * widths.sum() / (density * widths).sum())
