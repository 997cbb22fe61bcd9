"""The largest generalised eigenvector of many small pairs of covariances: the best filter and the transfer function."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from numba import njit
from numpy.typing import NDArray
from torch import Tensor

from arrayscene.kernels.dispatch import FASTMATH, compiled

SQUARINGS = 12
"""Eigenvalues closer than one part in some thousands are not told apart; then as much of the largest is lost at most."""


class Principal(NamedTuple):
    """The direction in which one covariance stands out most from another.

    Attributes:
        value: (...) lambda, R_s w = lambda R_n w: the largest ratio of powers that a filter w^H can have.
        filter: (..., mic) w, with w^H R_n w = 1.
        vector: (..., mic) a = R_n w, with w^H a = 1: what R_s would be made of, lambda a a^H, were it of rank 1.
    """

    value: Tensor
    filter: Tensor
    vector: Tensor


def principal(R_s: Tensor, R_n: Tensor) -> Principal:
    """The generalised eigenvector of the largest eigenvalue of (R_s, R_n), without computing the others.

    C = L^-1 R_s L^-H with R_n = L L^H is squared until it is v v^H; then w = L^-H v and a = L v. Unlike an eigenvalue
    decomposition it is fast in batches on any device, and its gradient stays finite where eigenvalues coincide.

    Args:
        R_s: (..., mic, mic) complex Hermitian, positive semidefinite.
        R_n: (..., mic, mic) complex Hermitian, positive definite: load it.

    Cost: O(mic^3). Differentiable through the torch statement.

    Reference: G. H. Golub and C. F. Van Loan, "Matrix Computations", 4th ed. 2013, section 8.7 (the reduction by Cholesky).
    """
    if not compiled(R_s, R_n):
        return principal_torch(R_s, R_n)
    leading = torch.broadcast_shapes(R_s.shape[:-2], R_n.shape[:-2])  # type: ignore[no-untyped-call]
    n_mics = R_s.shape[-1]
    dtype = torch.promote_types(R_s.dtype, R_n.dtype)
    source, rest = (
        R.to(torch.complex128).expand(*leading, n_mics, n_mics).reshape(-1, n_mics, n_mics).resolve_conj().contiguous().numpy()
        for R in (R_s, R_n)
    )
    value = torch.empty(leading, dtype=torch.float64)
    w, a = (torch.empty((*leading, n_mics), dtype=torch.complex128) for _ in range(2))
    _principal(source, rest, value.view(-1).numpy(), w.view(-1, n_mics).numpy(), a.view(-1, n_mics).numpy())
    return Principal(value.to(dtype.to_real()), w.to(dtype), a.to(dtype))


def principal_torch(R_s: Tensor, R_n: Tensor) -> Principal:
    """The same in plain torch: the readable statement that the kernel is held to."""
    L = torch.linalg.cholesky(R_n)
    half = torch.linalg.solve_triangular(L, R_s, upper=False)
    C = torch.linalg.solve_triangular(L, half.mH, upper=False)
    tiny = torch.finfo(C.real.dtype).tiny
    power = C
    for _ in range(SQUARINGS):
        power = power / power.diagonal(dim1=-2, dim2=-1).real.sum(-1).clamp_min(tiny)[..., None, None]
        power = power @ power
    diagonal = power.diagonal(dim1=-2, dim2=-1).real
    largest = diagonal.argmax(-1)[..., None, None].expand(*power.shape[:-1], 1)
    v = power.gather(-1, largest)
    v = v / v.abs().square().sum(-2, keepdim=True).sqrt().clamp_min(tiny)
    value = (v.mH @ C @ v)[..., 0, 0].real
    return Principal(value, torch.linalg.solve_triangular(L.mH, v, upper=True)[..., 0], (L @ v)[..., 0])


@njit(cache=True, nogil=True, fastmath=FASTMATH, error_model="numpy")
def _principal(source: NDArray[Any], rest: NDArray[Any], value: NDArray[Any], w: NDArray[Any], a: NDArray[Any]) -> None:
    n_mics = source.shape[-1]
    tiny = np.finfo(np.float64).tiny
    L = np.zeros((n_mics, n_mics), np.complex128)
    C = np.zeros((n_mics, n_mics), np.complex128)
    power = np.zeros((n_mics, n_mics), np.complex128)
    square = np.zeros((n_mics, n_mics), np.complex128)
    v = np.zeros(n_mics, np.complex128)
    for item in range(len(source)):
        for i in range(n_mics):
            for j in range(i + 1):
                total = rest[item, i, j]
                for p in range(j):
                    total -= L[i, p] * np.conj(L[j, p])
                if i == j:
                    L[i, i] = np.sqrt(max(total.real, tiny))
                else:
                    L[i, j] = total / L[j, j].real
        # C = L^-1 R_s L^-H: forward substitution into the columns of R_s, then into the rows of what comes out.
        for j in range(n_mics):
            for i in range(n_mics):
                total = source[item, i, j]
                for p in range(i):
                    total -= L[i, p] * square[p, j]
                square[i, j] = total / L[i, i].real
        trace = 0.0
        for i in range(n_mics):
            for j in range(i + 1):
                total = square[i, j]
                for p in range(j):
                    total -= C[i, p] * np.conj(L[j, p])
                C[i, j] = total / L[j, j].real
            trace += C[i, i].real
        for i in range(n_mics):
            for j in range(i + 1):
                power[i, j] = C[i, j] / max(trace, tiny)
                power[j, i] = np.conj(power[i, j])
                C[j, i] = np.conj(C[i, j])
        for _ in range(SQUARINGS):
            trace = 0.0
            for i in range(n_mics):
                for j in range(i + 1):
                    total = 0j
                    for p in range(n_mics):
                        total += power[i, p] * np.conj(power[j, p])
                    square[i, j] = total
                trace += square[i, i].real
            for i in range(n_mics):
                for j in range(i + 1):
                    power[i, j] = square[i, j] / max(trace, tiny)
                    power[j, i] = np.conj(power[i, j])
            # Before the squaring the other eigenvalues held less than 1e-9 of the trace; now that is below rounding.
            if trace > 1 - 1e-9:
                break
        largest = 0
        for i in range(1, n_mics):
            if power[i, i].real > power[largest, largest].real:
                largest = i
        length = 0.0
        for i in range(n_mics):
            length += power[i, largest].real ** 2 + power[i, largest].imag ** 2
        for i in range(n_mics):
            v[i] = power[i, largest] / max(np.sqrt(length), tiny)
        total = 0j
        for i in range(n_mics):
            for j in range(n_mics):
                total += np.conj(v[i]) * C[i, j] * v[j]
        value[item] = total.real
        for i in range(n_mics):
            total = 0j
            for p in range(i + 1):
                total += L[i, p] * v[p]
            a[item, i] = total
        for i in range(n_mics - 1, -1, -1):
            total = v[i]
            for p in range(i + 1, n_mics):
                total -= np.conj(L[p, i]) * w[item, p]
            w[item, i] = total / L[i, i].real
