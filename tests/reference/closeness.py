"""What is compared, and how closely."""

import numpy as np
import torch
from torch import Tensor

from arrayscene.decoders import Decoder


def assert_close(found: Tensor, wanted: Tensor, allowed: float) -> None:
    """Relative to the largest value; in the same precision."""
    assert found.dtype == wanted.dtype
    assert float((found - wanted).abs().max() / wanted.abs().max()) < allowed


def assert_equal(decoder: Decoder, y: Tensor, wanted: np.ndarray, allowed: float) -> None:
    """Sources of the compiled and of the plain statement, relative to the largest value."""
    compiled = decoder(y).x
    plain = decoder(y.requires_grad_()).x.detach()
    for found in (compiled, plain):
        assert float((found - torch.tensor(wanted)).abs().max() / np.abs(wanted).max()) < allowed
