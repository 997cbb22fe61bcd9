"""Frames whose axes came in another order."""

import pytest
import torch

from arrayscene.decoders import AuxIVA, DelayAndSum
from arrayscene.decoders.base import check_frames
from arrayscene.errors import ShapeError
from arrayscene.response import MatrixResponse


@pytest.mark.parametrize("shape", [(513, 200, 3), (500, 1, 4), (2, 513, 200, 8)])
def test_microphones_last_are_told(shape: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError, match=r"the order is \(\.\.\., mic, freq, frame\)"):
        DelayAndSum()(torch.ones(shape, dtype=torch.complex64))


@pytest.mark.parametrize("shape", [(513, 4, 253), (33, 4, 100)])
def test_frequencies_first_are_told(shape: tuple[int, ...]) -> None:
    # Without a response to compare with, each frequency would become a source.
    with pytest.raises(ShapeError, match=r"the order is \(\.\.\., mic, freq, frame\)"):
        AuxIVA()(torch.ones(shape, dtype=torch.complex64))


@pytest.mark.parametrize("shape", [(24, 65, 1), (1024, 65, 200), (3, 513, 200)])
def test_large_arrays_and_single_frames_are_taken(shape: tuple[int, ...]) -> None:
    n_mics, n_freqs, _ = shape
    known = MatrixResponse(torch.ones(n_freqs, n_mics, 1, dtype=torch.complex64), torch.arange(n_freqs))
    check_frames(torch.ones(shape, dtype=torch.complex64), known if n_mics > n_freqs else None, "test")
