"""The mixture made white at every frequency: separations then start from well-conditioned numbers, whatever the array."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from numba import njit
from numpy.typing import NDArray
from torch import Tensor

from arrayscene.kernels.covariances import covariance_of_parts, split
from arrayscene.kernels.dispatch import FASTMATH, compiled
from arrayscene.kernels.factor import factorize


class Whitened(NamedTuple):
    """A mixture y = L z whose z is white, but for the noise that was added to its covariance.

    Attributes:
        parts: (..., freq, 2, mic, frame) real and imaginary parts of z, which sums over frames run over fastest.
        factor: (..., freq, mic, mic) complex128 L, lower triangular, <y y^H> + sigma^2 I = L L^H.
        noise: (..., freq, 1, mic, mic) complex128 covariance sigma^2 L^-1 L^-H of that noise in z, the same for every source.
    """

    parts: Tensor
    factor: Tensor
    noise: Tensor

    def demixing(self, D: Tensor) -> Tensor:
        """The W (..., freq, output, mic) of z, complex128, that does to z what D does to y."""
        return D.to(self.factor.dtype) @ self.factor

    def undone(self, W: Tensor) -> Tensor:
        """The D (..., freq, output, mic) of y that does to y what W does to z."""
        D: Tensor = torch.linalg.solve_triangular(self.factor, W, upper=False, left=False)
        return D


def whiten(mixture: Tensor, sigma2: Tensor) -> Whitened:
    """Whiten a mixture by the Cholesky factor of its covariance.

    Args:
        mixture: (..., freq, mic, frame) complex.
        sigma2: (..., freq) real, > 0: power of noise at each microphone; keeps L regular where channels are silent or alike, or
            there are fewer frames than microphones.

    Cost: O(freq mic^2 frame). Differentiable through the torch statement.

    Reference: G. H. Golub and C. F. Van Loan, "Matrix Computations", 4th ed. 2013, section 4.2 (the factor).
    """
    if not compiled(mixture, sigma2):
        return whiten_torch(mixture, sigma2)
    n_freqs, n_mics, n_frames = mixture.shape[-3:]
    parts = torch.empty((*mixture.shape[:-2], 2, n_mics, n_frames), dtype=mixture.real.dtype)
    L = torch.zeros((*mixture.shape[:-1], n_mics), dtype=torch.complex128)
    noise = torch.empty_like(L)
    items = zip(
        mixture.resolve_conj().reshape(-1, n_freqs, n_mics, n_frames).contiguous().numpy(),
        sigma2.double().reshape(-1, n_freqs).contiguous().numpy(),
        parts.view(-1, n_freqs, 2, n_mics, n_frames).numpy(),
        L.view(-1, n_freqs, n_mics, n_mics).numpy(),
        noise.view(-1, n_freqs, n_mics, n_mics).numpy(),
        strict=True,
    )
    for item in items:
        _whiten(*item)
    return Whitened(parts, L, noise[..., None, :, :])


def whiten_torch(mixture: Tensor, sigma2: Tensor) -> Whitened:
    """The same in plain torch: the readable statement that the kernel is held to."""
    y = mixture.to(torch.complex128)
    eye = torch.eye(y.shape[-2], dtype=y.dtype, device=y.device)
    variance = sigma2.to(y.dtype)[..., None, None]
    L = torch.linalg.cholesky(y @ y.mH / y.shape[-1] + variance * eye)
    inverse = torch.linalg.solve_triangular(L, eye.expand_as(L), upper=False)
    z = (inverse @ y).to(mixture.dtype)
    return Whitened(torch.stack([z.real, z.imag], dim=-3), L, (variance * inverse @ inverse.mH)[..., None, :, :])


@njit(cache=True, nogil=True, fastmath=FASTMATH, error_model="numpy")
def _whiten(mixture: NDArray[Any], sigma2: NDArray[Any], parts: NDArray[Any], factor: NDArray[Any], noise: NDArray[Any]) -> None:
    n_freqs, n_mics, n_frames = mixture.shape
    R = np.empty((n_mics, n_mics), np.complex128)
    inverse = np.zeros((n_mics, n_mics), np.complex128)
    real, imag = np.empty((n_mics, n_frames)), np.empty((n_mics, n_frames))
    white_real, white_imag = np.empty(n_frames), np.empty(n_frames)
    for f in range(n_freqs):
        split(mixture[f], real, imag)
        covariance_of_parts(real, imag, R)
        for i in range(n_mics):
            R[i, i] += sigma2[f]
        L = factor[f]
        factorize(R, L)
        for j in range(n_mics):
            inverse[j, j] = L[j, j]
            for i in range(j + 1, n_mics):
                value = 0j
                for p in range(j, i):
                    value -= L[i, p] * inverse[p, j]
                inverse[i, j] = value * L[i, i].real
            L[j, j] = 1 / L[j, j].real
        for i in range(n_mics):
            for j in range(n_mics):
                value = 0j
                for p in range(min(i, j) + 1):
                    value += inverse[i, p] * np.conj(inverse[j, p])
                noise[f, i, j] = sigma2[f] * value
            white_real[:], white_imag[:] = 0, 0
            for j in range(i + 1):
                x, z = inverse[i, j].real, inverse[i, j].imag
                c, d = real[j], imag[j]
                for t in range(n_frames):
                    white_real[t] += x * c[t] - z * d[t]
                    white_imag[t] += x * d[t] + z * c[t]
            for t in range(n_frames):
                parts[f, 0, i, t], parts[f, 1, i, t] = white_real[t], white_imag[t]
