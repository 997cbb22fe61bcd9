"""Fixtures of the tests of imaging: a round array, a plane in front of it, and its transfer functions."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
import torch
from torch import Tensor

from arrayscene import MicrophoneArray
from arrayscene.imaging import MapGrid, grid_response


@pytest.fixture(scope="session")
def spiral() -> MicrophoneArray:
    """32 microphones in a disc of 0.6 m that looks along z, as acousticians put it."""
    return MicrophoneArray.resolve("spiral:32:0.3")


@pytest.fixture(scope="session")
def plane() -> MapGrid:
    """17 x 21 points, 5 cm apart, 0.6 m before the array."""
    return MapGrid.plane((-0.5, 0.5), (-0.4, 0.4), 0.6, 0.05)


@pytest.fixture(scope="session")
def transfer(spiral: MicrophoneArray, plane: MapGrid) -> Callable[[Sequence[float]], Tensor]:
    """Transfer functions (freq, mic, point) complex128 at some frequencies."""

    def at(frequencies: Sequence[float]) -> Tensor:
        hertz = torch.tensor(frequencies, dtype=torch.float64)
        return grid_response(spiral, plane, hertz).matrix()

    return at
