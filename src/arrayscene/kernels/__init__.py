"""The few hot loops, compiled for the CPU, each beside the plain torch statement of the same maths."""

from __future__ import annotations

import torch

from arrayscene.kernels.banded import banded_weights, banded_weights_torch
from arrayscene.kernels.iss import iss_sweep, iss_sweep_torch
from arrayscene.kernels.principal import Principal, principal, principal_torch
from arrayscene.kernels.solve import solve_positive, solve_positive_torch
from arrayscene.kernels.wiener import multichannel_wiener, multichannel_wiener_torch

__all__ = [
    "Principal",
    "banded_weights",
    "banded_weights_torch",
    "iss_sweep",
    "iss_sweep_torch",
    "multichannel_wiener",
    "multichannel_wiener_torch",
    "principal",
    "principal_torch",
    "self_test",
    "solve_positive",
    "solve_positive_torch",
]


def self_test() -> str:
    """Compile every kernel and hold it to its torch statement on a small case; the sentence says how it went.

    Raises: RuntimeError naming the kernel that disagrees.
    """
    generator = torch.Generator().manual_seed(0)
    y = torch.randn(5, 3, 40, dtype=torch.complex64, generator=generator)
    w = torch.rand(1, 3, 40, generator=generator) + 0.1
    edges = torch.tensor([[[0, 5]] * 5, [[max(f - 1, 0), min(f + 2, 5)] for f in range(5)]])
    v = torch.rand(5, 40, 2, generator=generator) + 0.1
    factor = torch.randn(5, 2, 3, 3, dtype=torch.complex64, generator=generator)
    wiener = (y.mT, v, factor @ factor.mH, torch.full((5,), 0.1), 0)
    pair = (wiener[2][:, 0], wiener[2][:, 1] + 0.1 * torch.eye(3))
    for name, found, wanted in (
        ("banded_weights", banded_weights(y, edges), banded_weights_torch(y, edges)),
        ("iss_sweep", iss_sweep(y, w), iss_sweep_torch(y, w)),
        ("multichannel_wiener", multichannel_wiener(*wiener), multichannel_wiener_torch(*wiener)),
        ("solve_positive", solve_positive(pair[1], pair[0]), solve_positive_torch(pair[1], pair[0])),
        ("principal", principal(*pair).filter, principal_torch(*pair).filter),
    ):
        error = float((found - wanted).abs().max() / wanted.abs().max())
        if not error < 1e-4:
            raise RuntimeError(f"kernel {name} differs from its torch statement by {error:.1e}; 1e-4 is allowed")
    return "5 kernels compiled and equal to their torch statements"
