"""When a compiled kernel may stand in for its torch statement."""

import torch
from torch import Tensor

FASTMATH = {"contract", "reassoc", "nsz", "arcp"}
"""Reordering is allowed, so that sums vectorise; NaN and infinity keep their meaning."""


def compiled(*tensors: Tensor) -> bool:
    """Whether the tensors lie on the CPU and need no gradient, so that numba may work on them."""
    if torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors):
        return False
    return all(tensor.device.type == "cpu" for tensor in tensors)
