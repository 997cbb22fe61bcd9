"""The inner loops of frame-wise localisation: phases of cross-spectra, and clusters of weighted votes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from numba import njit
from numpy.typing import NDArray
from torch import Tensor

from arrayscene.kernels.dispatch import FASTMATH


def coherence_phases(
    y: NDArray[Any], length: int, step: int, pairs: NDArray[Any]
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Phases of the cross-spectra averaged over short stretches, how much one wavefront dominates, and how loud it is.

    With C the coherence of a pair over `length` frames: phases = C / |C|, weights = (mean over the pairs of |C|)^2.

    Args:
        y: (frame, bin, mic) complex64.
        length: frames that are averaged.
        step: frames from one average to the next.
        pairs: (pair, 2) microphones.

    Returns:
        phases (time, bin, 2, pair), real and imaginary parts; weights (time, bin); levels (time, bin), mean power.
    """
    n_times, n_bins = (len(y) - length) // step + 1, y.shape[1]
    phases = np.empty((n_times, n_bins, 2, len(pairs)), np.float32)
    weights, levels = np.empty((n_times, n_bins), np.float32), np.empty((n_times, n_bins), np.float32)
    _coherence_phases(y, length, step, pairs, phases, weights, levels)
    return phases, weights, levels


def coherence_phases_torch(y: Tensor, length: int, step: int, pairs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The plain statement of `coherence_phases`."""
    parts = y.unfold(0, length, step)
    own = parts.abs().square().mean(-1)
    first, second = pairs.T
    cross = (parts[:, :, first] * parts[:, :, second].conj()).mean(-1)
    size = cross.abs()
    coherence = size / (own[..., first] * own[..., second]).sqrt()
    phases = torch.view_as_real(cross / size).transpose(-1, -2)
    return phases, coherence.mean(-1).square(), own.mean(-1)


def vote_heaps(
    places: NDArray[Any], weights: NDArray[Any], n_heaps: int, *, narrow: float, wide: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The densest heap of votes, then the densest of what is left, and so on.

    Args:
        places: (vote, k) float64.
        weights: (vote,) float64.
        n_heaps: how many to look for.
        narrow: standard deviation of the Gaussian that finds a heap and its mean, in the unit of `places`.
        wide: votes within this distance of the mean belong to the heap.

    Returns:
        means (heap, k) and masses (heap,), 0 where no votes were left.

    Cost: O(heap vote^2).
    """
    means, masses = np.zeros((n_heaps, places.shape[1])), np.zeros(n_heaps)
    _vote_heaps(places, weights.copy(), narrow, wide, means, masses)
    return means, masses


def vote_heaps_torch(places: Tensor, weights: Tensor, n_heaps: int, *, narrow: float, wide: float) -> tuple[Tensor, Tensor]:
    """The plain statement of `vote_heaps`."""
    weights = weights.clone()
    means, masses = places.new_zeros(n_heaps, places.shape[1]), places.new_zeros(n_heaps)
    kernel = torch.exp(-0.5 * torch.cdist(places, places).square() / narrow**2)
    for heap in range(n_heaps):
        if not bool((weights > 0).any()):
            break
        best = int(torch.where(weights > 0, kernel @ weights, -1.0).argmax())
        mean = places[best]
        for _ in range(2):
            share = weights * torch.exp(-0.5 * (places - mean).square().sum(-1) / narrow**2)
            mean = share @ places / share.sum()
        own = (places - mean).norm(dim=-1) <= wide
        own[best] = True
        means[heap], masses[heap] = mean, weights[own].sum()
        weights[own] = 0
    return means, masses


@njit(cache=True, nogil=True, fastmath=FASTMATH, error_model="numpy")
def _coherence_phases(
    y: NDArray[Any],
    length: int,
    step: int,
    pairs: NDArray[Any],
    phases: NDArray[Any],
    weights: NDArray[Any],
    levels: NDArray[Any],
) -> None:
    n_times, n_bins, n_pairs = phases.shape[0], phases.shape[1], len(pairs)
    n_mics = y.shape[2]
    root = np.empty(n_mics, np.float32)
    tiny = np.float32(1e-30)
    for t in range(n_times):
        first = t * step
        for b in range(n_bins):
            total = np.float32(0)
            for m in range(n_mics):
                own = np.float32(0)
                for i in range(first, first + length):
                    value = y[i, b, m]
                    own += value.real * value.real + value.imag * value.imag
                # The root before the product: powers of near silence underflow when they are multiplied.
                root[m] = np.sqrt(own + tiny)
                total += own
            levels[t, b] = total / (n_mics * length)
            coherence = np.float32(0)
            for p in range(n_pairs):
                one, other = pairs[p, 0], pairs[p, 1]
                real, imag = np.float32(0), np.float32(0)
                for i in range(first, first + length):
                    u, v = y[i, b, one], y[i, b, other]
                    real += u.real * v.real + u.imag * v.imag
                    imag += u.imag * v.real - u.real * v.imag
                size = np.sqrt(real * real + imag * imag) + tiny
                coherence += size / (root[one] * root[other])
                phases[t, b, 0, p], phases[t, b, 1, p] = real / size, imag / size
            coherence /= n_pairs
            weights[t, b] = coherence * coherence


@njit(cache=True, nogil=True, error_model="numpy")
def _vote_heaps(
    places: NDArray[Any], weights: NDArray[Any], narrow: float, wide: float, found: NDArray[Any], masses: NDArray[Any]
) -> None:
    n, k = places.shape
    mean, best_mean = np.empty(k), np.empty(k)
    scale = -0.5 / narrow**2
    # Densities change only where votes were taken, but n is small.
    for heap in range(len(found)):
        best, best_density = -1, 0.0
        for i in range(n):
            if weights[i] <= 0:
                continue
            density = 0.0
            for j in range(n):
                if weights[j] > 0:
                    density += weights[j] * math.exp(scale * _squared_distance(places[i], places[j]))
            if density > best_density:
                best, best_density = i, density
        if best < 0:
            return
        best_mean[:] = places[best]
        # Two steps of mean shift: the densest vote is itself only one of the heap.
        for _ in range(2):
            mean[:] = 0
            total = 0.0
            for j in range(n):
                if weights[j] > 0:
                    share = weights[j] * math.exp(scale * _squared_distance(best_mean, places[j]))
                    total += share
                    for axis in range(k):
                        mean[axis] += share * places[j, axis]
            for axis in range(k):
                best_mean[axis] = mean[axis] / max(total, 1e-300)
        mass = 0.0
        for j in range(n):
            if weights[j] > 0 and (j == best or _squared_distance(best_mean, places[j]) <= wide * wide):
                mass += weights[j]
                weights[j] = 0
        found[heap] = best_mean
        masses[heap] = mass


@njit(cache=True, nogil=True, error_model="numpy")
def _squared_distance(one: NDArray[Any], other: NDArray[Any]) -> Any:
    total = 0.0
    for axis in range(len(one)):
        total += (one[axis] - other[axis]) ** 2
    return total
