"""The inner loops of frame-wise localisation: phases of cross-spectra, and clusters of weighted votes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from arrayscene.kernels.dispatch import FASTMATH


@njit(cache=True, nogil=True, fastmath=FASTMATH)
def coherence_phases(
    y: NDArray[Any],
    length: int,
    step: int,
    pairs: NDArray[Any],
    phases: NDArray[Any],
    weights: NDArray[Any],
    levels: NDArray[Any],
) -> None:
    """Phases of the cross-spectra averaged over short stretches, how much one wavefront dominates, and how loud it is.

    With C the coherence of a pair over `length` frames and w the squared mean over the pairs of |C|: phases = C / |C|, weights
    = w, levels = mean power.

    Args:
        y: (frame, bin, mic) complex64.
        length: frames that are averaged.
        step: frames from one average to the next.
        pairs: (pair, 2) microphones.
        phases: (time, bin, 2, pair) float32, overwritten: real and imaginary parts.
        weights: (time, bin) float32, overwritten.
        levels: (time, bin) float32, overwritten.
    """
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


@njit(cache=True, nogil=True)
def cluster_votes(
    places: NDArray[Any],
    weights: NDArray[Any],
    narrow: float,
    wide: float,
    found: NDArray[Any],
    masses: NDArray[Any],
    spreads: NDArray[Any],
) -> None:
    """Take the densest heap of votes, its mean and mass, then the densest of what is left, and so on.

    Args:
        places: (vote, k).
        weights: (vote,), overwritten: what no heap took.
        narrow: standard deviation of the Gaussian that finds a heap and its mean, in the unit of `places`.
        wide: votes within this distance of the mean belong to the heap.
        found: (heap, k), overwritten: means.
        masses: (heap,), overwritten: weight that the heap took.
        spreads: (heap,), overwritten: mean squared distance of those votes from the mean.

    Cost: O(heap vote^2).
    """
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
                    distance = 0.0
                    for axis in range(k):
                        distance += (places[i, axis] - places[j, axis]) ** 2
                    density += weights[j] * math.exp(scale * distance)
            if density > best_density:
                best, best_density = i, density
        if best < 0:
            masses[heap:] = 0
            return
        best_mean[:] = places[best]
        # Two steps of mean shift: the densest vote is itself only one of the heap.
        for _ in range(2):
            mean[:] = 0
            total = 0.0
            for j in range(n):
                if weights[j] > 0:
                    distance = 0.0
                    for axis in range(k):
                        distance += (best_mean[axis] - places[j, axis]) ** 2
                    share = weights[j] * math.exp(scale * distance)
                    total += share
                    for axis in range(k):
                        mean[axis] += share * places[j, axis]
            for axis in range(k):
                best_mean[axis] = mean[axis] / max(total, 1e-300)
        mass, spread = 0.0, 0.0
        for j in range(n):
            if weights[j] > 0:
                distance = 0.0
                for axis in range(k):
                    distance += (best_mean[axis] - places[j, axis]) ** 2
                if distance <= wide * wide or j == best:
                    mass += weights[j]
                    spread += weights[j] * distance
                    weights[j] = 0
        found[heap] = best_mean
        masses[heap] = mass
        spreads[heap] = spread / max(mass, 1e-300)
