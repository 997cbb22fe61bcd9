"""Iterative source steering: independent-vector-analysis updates without a matrix inverse."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numba import njit
from numpy.typing import NDArray
from torch import Tensor

from arrayscene.kernels.dispatch import FASTMATH, compiled
from arrayscene.kernels.lanes import LANES, load, store
from arrayscene.kernels.rows import by_frequency
from arrayscene.kernels.vectors import fill, maximum, read, root, width, write


def iss_update(W: Tensor, V: Tensor, n_sweeps: int = 1) -> Tensor:
    """Sweeps of iterative source steering over all rows: w_m <- w_m - v_m w_k for every k.

    v_m = w_m V_m w_k^H / w_k V_m w_k^H for m != k and v_k = 1 - (w_k V_k w_k^H)^(-1/2). From weighted covariances instead of
    outputs: where microphones are few that is much faster, as no output is written.

    Args:
        W: (..., freq, source, mic) complex128.
        V: (..., freq, source, mic, mic) complex128 Hermitian, positive definite; see `source_covariances`.
        n_sweeps: over all rows, with the same V.

    Cost: O(n_sweeps freq source^2 mic^2). Differentiable through the torch statement.

    Reference: R. Scheibler and N. Ono, "Fast and stable blind source separation with rank-1 updates", ICASSP 2020.
    """
    if not compiled(W, V):
        return iss_update_torch(W, V, n_sweeps)
    return by_frequency(_update, W, V, n_sweeps)


def iss_update_torch(W: Tensor, V: Tensor, n_sweeps: int = 1) -> Tensor:
    """The same in plain torch: the readable statement that the kernel is held to."""
    tiny = torch.finfo(W.real.dtype).tiny
    for k in list(range(W.shape[-2])) * n_sweeps:
        heard = (V @ W[..., k, None, :, None].conj())[..., 0]
        power = (W[..., k : k + 1, :] * heard).sum(-1).real.clamp_min(tiny)
        v = (W * heard).sum(-1) / power
        own = (1 - power[..., k].rsqrt()).to(v.dtype)
        v = torch.cat([v[..., :k], own[..., None], v[..., k + 1 :]], dim=-1)
        W = W - v[..., None] * W[..., k : k + 1, :]
    return W


@njit(cache=True, nogil=True, fastmath=FASTMATH)
def _update(rows: NDArray[Any], covariances: NDArray[Any], n_sweeps: int) -> None:
    n_freqs, n_sources, n_mics = rows.shape
    W, V, row = room_to_steer(n_sources, n_mics)
    for start in range(0, n_freqs, LANES):
        steer(rows[start : start + LANES], covariances[start : start + LANES], n_sweeps, W, V, row)


@njit(cache=True, nogil=True, fastmath=FASTMATH)
def room_to_steer(n_sources: int, n_mics: int) -> Any:
    """Memory for `steer` to work in."""
    V = np.empty((n_sources, 2, n_mics, n_mics, LANES))
    return np.empty((2, n_sources, n_mics, LANES)), V, np.empty((2, n_mics, LANES))


@njit(cache=True, nogil=True, fastmath=FASTMATH)
def steer(
    rows: NDArray[Any], covariances: NDArray[Any], n_sweeps: int, W: NDArray[Any], V: NDArray[Any], row: NDArray[Any]
) -> None:
    """Sweeps over (freq, source, mic) of at most `LANES` frequencies, with covariances (freq, source, mic, mic)."""
    load(rows, W)
    for k in range(len(V)):
        load(covariances[:, k], V[k])
    for lane in range(0, LANES, width(W)):
        for update in range(n_sweeps * len(V)):
            _steer_by(W, V, update % len(V), lane, row)
    store(W, rows)


@njit(cache=True, nogil=True, fastmath=FASTMATH, error_model="numpy")
def _steer_by(W: NDArray[Any], V: NDArray[Any], k: int, lane: int, row: NDArray[Any]) -> None:
    """Take row k out of all rows, of the frequencies in one vector of lanes."""
    _, n_sources, n_mics, _ = W.shape
    none, one, tiny = fill(W, 0), fill(W, 1), fill(W, np.finfo(np.float64).tiny)
    own = one
    for i in range(n_mics):
        write(row, (0, i, lane), read(W, (0, k, i, lane)))
        write(row, (1, i, lane), read(W, (1, k, i, lane)))
    for m in range(n_sources):
        power, cross_real, cross_imag = none, none, none
        for i in range(n_mics):
            real, imag = none, none
            for j in range(n_mics):
                a, b, c, d = (
                    read(V, (m, 0, i, j, lane)),
                    read(V, (m, 1, i, j, lane)),
                    read(row, (0, j, lane)),
                    read(row, (1, j, lane)),
                )
                real, imag = real + a * c + b * d, imag + b * c - a * d
            a, b, c, d = read(row, (0, i, lane)), read(row, (1, i, lane)), read(W, (0, m, i, lane)), read(W, (1, m, i, lane))
            power += a * real - b * imag
            cross_real, cross_imag = cross_real + c * real - d * imag, cross_imag + c * imag + d * real
        inverse = one / maximum(power, tiny)
        if m == k:
            own = root(inverse)
        else:
            cross_real, cross_imag = cross_real * inverse, cross_imag * inverse
            for i in range(n_mics):
                a, b = read(row, (0, i, lane)), read(row, (1, i, lane))
                write(W, (0, m, i, lane), read(W, (0, m, i, lane)) - (cross_real * a - cross_imag * b))
                write(W, (1, m, i, lane), read(W, (1, m, i, lane)) - (cross_real * b + cross_imag * a))
    for i in range(n_mics):
        write(W, (0, k, i, lane), own * read(row, (0, i, lane)))
        write(W, (1, k, i, lane), own * read(row, (1, i, lane)))
