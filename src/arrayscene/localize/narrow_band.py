"""Tones: sounds in so few bins that nobody votes, or that directions repeat."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from arrayscene.array import MicrophoneArray
from arrayscene.localize.grid import Grid
from arrayscene.localize.look_alikes import effective_bins, look_alikes
from arrayscene.localize.srp import HIGHEST_HZ, LOWEST_HZ
from arrayscene.response import far_field

NARROW = 4.0
"""Bins over which a sound must spread at least not to be called narrow: a tone fills two or three."""

LOUD = 0.1
"""Share of the strongest bin's power from which on a bin is scanned."""


def is_narrow(spectrum: NDArray[Any]) -> bool:
    """Whether all sound lies in a few bins of a spectrum (freq,), a power."""
    return effective_bins(spectrum) < NARROW


def is_above_voting(array: MicrophoneArray, frequencies: Tensor, spectrum: NDArray[Any]) -> bool:
    """Whether all sound lies in a few bins (freq,) where directions repeat, or where nobody votes."""
    if not is_narrow(spectrum):
        return False
    loudest = _loudest(frequencies, spectrum)
    return loudest > min(array.aliasing_hz(), HIGHEST_HZ) or loudest < LOWEST_HZ


def beam_power(array: MicrophoneArray, grid: Grid, frequencies: Tensor, R: Tensor, spectrum: NDArray[Any]) -> NDArray[np.float64]:
    """(direction,) power of a delay-and-sum beam at the loudest bins.

    Args:
        array: microphones.
        grid: directions.
        frequencies: (freq,) hertz.
        R: (freq, mic, mic) covariances, complex64.
        spectrum: (freq,) power.
    """
    loud = np.flatnonzero(spectrum >= LOUD * spectrum.max())
    azimuth, elevation = torch.tensor(grid.azimuth), torch.tensor(grid.elevation)
    A = far_field(array, azimuth, elevation, frequencies=frequencies[loud]).matrix().to(torch.complex64)
    power = ((R[loud] @ A) * A.conj()).real.sum(1) / A.abs().square().sum(1)
    return np.asarray(power.sum(0).double().numpy())


def alternatives(
    array: MicrophoneArray, grid: Grid, azimuth: float, elevation: float, frequencies: Tensor, spectrum: NDArray[Any]
) -> list[tuple[float | None, float | None]]:
    """(azimuth, elevation) in radians of other directions in which a narrow sound is heard alike; None where not known."""
    if not is_narrow(spectrum):
        return []
    lobes = look_alikes(array, grid, (azimuth, elevation), frequencies, spectrum)
    return [known(grid, float(grid.azimuth[i]), float(grid.elevation[i])) for i in lobes]


def known(grid: Grid, azimuth: float, elevation: float) -> tuple[float | None, float | None]:
    """A direction, without what the data cannot tell."""
    return (azimuth if grid.azimuth_known else None), (elevation if grid.elevation_known else None)


def tone_remark(frequencies: Tensor, spectrum: NDArray[Any]) -> str:
    """A sentence on what a tone does not tell."""
    return (
        f"The sound is a tone at about {_loudest(frequencies, spectrum):.0f} Hz: in a room its reflections cannot be told from"
        " it, and directions of tones are doubtful."
    )


def _loudest(frequencies: Tensor, spectrum: NDArray[Any]) -> float:
    return float(frequencies[int(np.argmax(spectrum))])
