"""Random numbers for tests, the same every time."""

import torch


def randn(*shape: int, seed: int = 0) -> torch.Tensor:
    """complex128 Gaussian numbers."""
    return torch.randn(shape, dtype=torch.complex128, generator=torch.Generator().manual_seed(seed))
