"""Frames whose axes came in another order."""

import pytest
import torch

from arrayscene.decoders import DelayAndSum
from arrayscene.decoders.base import check_frames
from arrayscene.errors import ShapeError


@pytest.mark.parametrize("shape", [(513, 200, 3), (500, 1, 4), (2, 513, 200, 8)])
def test_microphones_last_are_told(shape: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError, match=r"the order is \(\.\.\., mic, freq, frame\)"):
        DelayAndSum()(torch.ones(shape, dtype=torch.complex64))


@pytest.mark.parametrize("shape", [(24, 65, 1), (1024, 65, 200), (3, 513, 200)])
def test_large_arrays_and_single_frames_are_taken(shape: tuple[int, ...]) -> None:
    check_frames(torch.ones(shape, dtype=torch.complex64), None, "test")
