"""What updates of demixing matrices share: their copies, putting rows in, and the pseudo-inverse."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor


def by_frequency(kernel: Callable[[NDArray[Any], NDArray[Any], int], None], W: Tensor, V: Tensor, n_sweeps: int) -> Tensor:
    """A compiled update on a copy of W (..., freq, source, mic), with V (..., freq, source, mic, mic), both complex128."""
    result = W.resolve_conj().clone(memory_format=torch.contiguous_format)
    flat = V.resolve_conj().reshape(-1, *V.shape[-3:]).contiguous()
    kernel(result.view(-1, *W.shape[-2:]).numpy(), flat.numpy(), n_sweeps)
    return result


def replace_row(W: Tensor, k: int, row: Tensor) -> Tensor:
    """W (..., source, mic) with row (..., 1, mic) in place of its row k."""
    return torch.cat([W[..., :k, :], row, W[..., k + 1 :, :]], dim=-2)


def pseudo_inverse(W: Tensor) -> Tensor:
    """W^+ = W^H (W W^H)^-1 (..., mic, source), of rows that are linearly independent."""
    inverse: Tensor = torch.linalg.solve(W @ W.mH, W).mH
    return inverse
