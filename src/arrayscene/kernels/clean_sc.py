"""CLEAN-SC: sources taken out of a map one by one, each with all that is coherent with it."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numba import njit
from numpy.typing import NDArray
from torch import Tensor

from arrayscene.kernels.dispatch import FASTMATH, compiled

N_INNER = 20
"""Rounds of the fixed point that finds a coherent component without its unknown diagonal."""


def clean_sc(dirty: Tensor, C: Tensor, W: Tensor, *, remove_diagonal: bool, damping: float, n_iter: int, patience: int) -> Tensor:
    """Sources out of a map, one by one.

    The highest point q of the map B has the power P and steering vector w. What is coherent with it has the covariance P h h^H
    with h = C w / P; where the diagonal is left out, h = (C w / P + |h|^2 w) / sqrt(1 + w^H diag(|h|^2) w), found by iteration.
    A share `damping` of both is taken out of B and C and put into the result at q, until P is higher than `patience` components
    ago, nothing is left, or `n_iter` were taken.

    Args:
        dirty: (item, point) real, B = w^H C w, without the diagonal where it is removed.
        C: (item, mic, mic) complex, Hermitian.
        W: (item, mic, point) complex steering vectors, such that B follows from them and C without another factor.
        remove_diagonal: whether the diagonal of C is left out.
        damping: 0 to 1.
        n_iter: components at most.
        patience: components.

    Returns: (item, point) float64, power taken out at each point.

    Cost: O(item n_iter (mic point + mic^2)): maps follow from rank-one updates, in the precision of W; C is kept in double.

    Reference: P. Sijtsma, "CLEAN based on spatial source coherence", International Journal of Aeroacoustics 2007.
    """
    if not compiled(dirty, C, W):
        return clean_sc_torch(dirty, C, W, remove_diagonal=remove_diagonal, damping=damping, n_iter=n_iter, patience=patience)
    result = torch.zeros(dirty.shape, dtype=torch.float64)
    W = W.resolve_conj()
    for item in range(len(W)):
        real, imag = W[item].real.contiguous(), W[item].imag.contiguous()
        _clean(
            dirty[item].to(torch.float64).clone().numpy(),
            C[item].resolve_conj().to(torch.complex128).clone(memory_format=torch.contiguous_format).numpy(),
            real.numpy(),
            imag.numpy(),
            (real.square() + imag.square() if remove_diagonal else real[:0]).numpy(),
            float(damping),
            int(n_iter),
            int(patience),
            result[item].numpy(),
        )
    return result


def clean_sc_torch(
    dirty: Tensor, C: Tensor, W: Tensor, *, remove_diagonal: bool, damping: float, n_iter: int, patience: int
) -> Tensor:
    """The same in plain torch, with every map from the matrix that is left: the readable statement the kernel is held to."""
    result = torch.zeros(dirty.shape, dtype=torch.float64, device=dirty.device)
    for item in range(len(W)):
        left, map_left = C[item].to(torch.complex128), dirty[item].to(torch.float64)
        weights = W[item].to(torch.complex128)
        powers: list[Tensor] = []
        for j in range(n_iter):
            q = int(map_left.argmax())
            P = map_left[q]
            if not P > 0:
                break
            powers.append(P)
            result[item, q] += damping * P
            if j > patience and P > powers[j - patience]:
                break
            w = weights[:, q]
            if remove_diagonal:
                seen = (left - torch.diag(left.diagonal())) @ w / P
                h = w
                for _ in range(N_INNER):
                    power = h.abs().square()
                    h = (seen + power * w) / (1 + (w.abs().square() * power).sum()).sqrt()
            else:
                h = left @ w / P
            left = left - damping * P * torch.outer(h, h.conj())
            offset = torch.diag(left.diagonal()) if remove_diagonal else 0.0
            map_left = (weights.conj() * ((left - offset) @ weights)).sum(0).real
    return result


@njit(cache=True, nogil=True, fastmath=FASTMATH)
def _clean(
    B: NDArray[Any],
    C: NDArray[Any],
    real: NDArray[Any],
    imag: NDArray[Any],
    squared: NDArray[Any],
    damping: float,
    n_iter: int,
    patience: int,
    result: NDArray[Any],
) -> None:
    n_mics, n_points = real.shape
    no_diagonal = len(squared) > 0
    powers = np.empty(n_iter)
    w, h = np.empty(n_mics, np.complex128), np.empty(n_mics, np.complex128)
    seen = np.empty(n_mics, np.complex128)
    scratch = np.empty((3, n_points), real.dtype)
    for j in range(n_iter):
        q, P = _highest(B)
        if not P > 0:
            break
        powers[j] = P
        result[q] += damping * P
        if j > patience and P > powers[j - patience]:
            break
        for m in range(n_mics):
            w[m] = complex(real[m, q], imag[m, q])
        _coherent(C, w, P, no_diagonal, seen, h)
        _take_out(B, real, imag, squared, h, damping * P, scratch)
        for m in range(n_mics):
            x = damping * P * h[m]
            for n in range(n_mics):
                C[m, n] -= x * h[n].conjugate()


@njit(cache=True, nogil=True, fastmath=FASTMATH)
def _highest(B: NDArray[Any]) -> tuple[int, float]:
    top = B[0]
    for value in B:
        top = max(top, value)
    for q in range(len(B)):
        if B[q] == top:
            return q, top
    return 0, top


@njit(cache=True, nogil=True, fastmath=FASTMATH)
def _coherent(C: NDArray[Any], w: NDArray[Any], P: float, no_diagonal: bool, seen: NDArray[Any], h: NDArray[Any]) -> None:
    """Put the component of C that is coherent with the source at w into h."""
    n_mics = len(w)
    for m in range(n_mics):
        total = 0j
        for n in range(n_mics):
            total += C[m, n] * w[n]
        if no_diagonal:
            total -= C[m, m] * w[m]
        seen[m] = total / P
        h[m] = w[m] if no_diagonal else seen[m]
    if not no_diagonal:
        return
    for _ in range(N_INNER):
        total_power = 1.0
        for m in range(n_mics):
            power = h[m].real * h[m].real + h[m].imag * h[m].imag
            total_power += power * (w[m].real * w[m].real + w[m].imag * w[m].imag)
        scale = 1.0 / np.sqrt(total_power)
        for m in range(n_mics):
            power = h[m].real * h[m].real + h[m].imag * h[m].imag
            h[m] = complex((seen[m].real + power * w[m].real) * scale, (seen[m].imag + power * w[m].imag) * scale)


@njit(cache=True, nogil=True, fastmath=FASTMATH)
def _take_out(
    B: NDArray[Any],
    real: NDArray[Any],
    imag: NDArray[Any],
    squared: NDArray[Any],
    h: NDArray[Any],
    power: float,
    scratch: NDArray[Any],
) -> None:
    """B <- B - power (|W^H h|^2 - sum_m |W_m|^2 |h_m|^2), the last term only where the diagonal is removed."""
    kind = real.dtype.type
    scratch[:] = 0
    a, b, own = scratch[0], scratch[1], scratch[2]
    for m in range(len(h)):
        c, d = kind(h[m].real), kind(h[m].imag)
        _add_product(real[m], imag[m], c, d, a, b)
        if len(squared):
            _add_scaled(squared[m], c * c + d * d, own)
    factor = kind(power)
    for q in range(len(B)):
        B[q] -= factor * (a[q] * a[q] + b[q] * b[q] - own[q])


@njit(cache=True, nogil=True, fastmath=FASTMATH)
def _add_product(x: NDArray[Any], y: NDArray[Any], c: Any, d: Any, a: NDArray[Any], b: NDArray[Any]) -> None:
    """Add (x - j y)(c + j d) to a + j b."""
    for q in range(len(a)):
        a[q] += x[q] * c + y[q] * d
        b[q] += x[q] * d - y[q] * c


@njit(cache=True, nogil=True, fastmath=FASTMATH)
def _add_scaled(x: NDArray[Any], c: Any, a: NDArray[Any]) -> None:
    for q in range(len(a)):
        a[q] += c * x[q]
