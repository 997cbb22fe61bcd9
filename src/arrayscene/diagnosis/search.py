"""Orders and polarities that fit an isotropic field: the first guesses, which `FieldModel` then judges."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from arrayscene.constants import SPEED_OF_SOUND
from arrayscene.diagnosis.field import FieldModel
from arrayscene.diagnosis.symmetry import Order, simplest
from arrayscene.diagnosis.tiles import Tiles

Array = NDArray[np.floating[Any]]
Signed = tuple[Order, tuple[int, ...]]

EXHAUSTIVE = 6
"""Microphones up to which every order is tried: 720."""

LEVELS = ((10.0, 1.6), (3.0, 2.7), (1.0, 5.4), (0.3, 11.0), (0.1, np.inf), (0.02, np.inf))
"""Noise, and highest frequency in wavelengths across the aperture, of the steps from a coarse landscape to the true one."""

MANY = 16
"""Microphones beyond which only every third frequency is used."""

STARTS = ((MANY, 12), (40, 5), (np.inf, 1))
"""Up to so many microphones, so many random orders are started from, besides the array's own."""


class OrderSearch:
    """Looks for the order and the polarities under which the coherences fit an isotropic field best.

    minimise J(order, s) = sum_f tr(G_order(f)^-1 S C(f) S), S = diag(s): minus the log-likelihood of an isotropic field, C the
    mean coherence. An assignment problem of quadratic cost. All orders are tried for few microphones; for more, exchanges of two
    rows and changes of a sign descend, first at low frequencies and with much noise, where only the rough layout counts and
    there are few minima, then step by step in the true landscape.

    Args:
        model: of the array.
        tiles: as recorded.

    Cost: O(freq mic^3) for each of some hundred steps.

    Reference: T. C. Koopmans and M. Beckmann, "Assignment problems and the location of economic activities", Econometrica 1957.
    """

    def __init__(self, model: FieldModel, tiles: Tiles, *, blind: bool = False) -> None:
        self.n_mics = model.array.n_mics
        step = 1 if self.n_mics <= MANY else 3
        hertz = tiles.frequencies[::step].numpy()
        C = tiles.mean_coherence()[::step]
        if blind:
            C = C.abs().to(C.dtype)
        gamma = model.diffuse[::step].to(torch.complex128)
        self.is_real = float(gamma.imag.abs().max()) < 1e-9
        self.C = self._stack(C)
        eye = torch.eye(self.n_mics)
        self.landscapes: list[Array] = []
        for noise, wavelengths in LEVELS:
            highest = max(wavelengths * SPEED_OF_SOUND / model.array.aperture, hertz[min(2, len(hertz) - 1)])
            precision = torch.linalg.inv(gamma + noise * eye)
            precision[torch.from_numpy(hertz > highest)] = 0
            self.landscapes.append(self._stack(precision))

    def __call__(self, symmetries: Sequence[Order], n: int) -> list[Signed]:
        """The `n` best orders with their signs, best first, no two of them alike up to `symmetries`."""
        signs = self.signs()
        if self.n_mics <= EXHAUSTIVE:
            candidates = sorted(self._all(signs))
        else:
            near = self._settle(tuple(range(self.n_mics)), signs, -1)
            candidates = sorted({(self.cost(*near), *near), *(self._descend(start, signs) for start in self._starts())})
        found: dict[Order, tuple[int, ...]] = {}
        for _, order, sign in candidates:
            if len(found) == n:
                break
            found.setdefault(simplest(order, symmetries), sign)
        return list(found.items())

    def cost(self, order: Order, signs: Sequence[int] | NDArray[Any], level: int = -1) -> float:
        """J, in one of the landscapes."""
        return float((self.landscapes[level][:, order][:, :, order] * self._signed(signs)).sum())

    def signs(self) -> tuple[int, ...]:
        """Polarities by the lowest frequencies, where all microphones of a compact array move alike."""
        lowest = self.C[:3].mean(axis=0)
        leading = np.linalg.eigh((lowest + lowest.T) / 2)[1][:, -1]
        if np.count_nonzero(leading < 0) > self.n_mics / 2:
            leading = -leading
        return tuple(-1 if value < 0 else 1 for value in leading)

    def _stack(self, matrices: torch.Tensor) -> Array:
        """Hermitian matrices as real ones, so that the real part of a trace of a product is a sum of products."""
        real = matrices.real.double().numpy()
        return real.copy() if self.is_real else np.concatenate([real, matrices.imag.double().numpy()])

    def _signed(self, signs: Sequence[int] | NDArray[Any]) -> Array:
        s = np.asarray(signs, dtype=float)
        return np.asarray(self.C * s[:, None] * s[None, :])

    def _all(self, signs: tuple[int, ...]) -> list[tuple[float, Order, tuple[int, ...]]]:
        orders = np.array(list(permutations(range(self.n_mics))))
        flat = self._signed(signs).transpose(1, 2, 0).reshape(-1)
        G = np.ascontiguousarray(self.landscapes[-1].transpose(1, 2, 0))
        costs = [float(G[order][:, order].reshape(-1) @ flat) for order in orders]
        return [(cost, tuple(map(int, order)), signs) for cost, order in zip(costs, orders, strict=True)]

    def _starts(self) -> list[Order]:
        generator = np.random.default_rng(0)
        n_random = next(n for most, n in STARTS if self.n_mics <= most)
        return [tuple(generator.permutation(self.n_mics).tolist()) for _ in range(n_random)]

    def _descend(self, order: Order, signs: tuple[int, ...]) -> tuple[float, Order, tuple[int, ...]]:
        """Through all landscapes, the coarse one first."""
        for level in range(len(LEVELS)):
            order, signs = self._settle(order, signs, level)
        return self.cost(order, signs), order, signs

    def _settle(self, order: Order, signs: tuple[int, ...], level: int) -> Signed:
        """The nearest minimum of one landscape: of all exchanges and sign changes the best, until none helps."""
        best, sign = np.array(order), np.array(signs)
        while True:
            G, C = self.landscapes[level][:, best][:, :, best], self._signed(sign)
            swap, flip = self._swap_changes(G, C), _flip_changes(G, C)
            i, j = np.unravel_index(int(np.argmin(swap)), swap.shape)
            k = int(np.argmin(flip))
            if min(swap[i, j], flip[k]) > -1e-9:
                return tuple(map(int, best)), tuple(map(int, sign))
            if flip[k] < swap[i, j]:
                sign[k] = -sign[k]
                continue
            together = best.copy()
            for first, second in _disjoint(swap):
                together[[first, second]] = together[[second, first]]
            now = float((G * C).sum())
            if self.cost(tuple(together), sign, level) < now + swap[i, j]:
                best = together
            else:
                best[[i, j]] = best[[j, i]]

    def _swap_changes(self, G: Array, C: Array) -> Array:
        """(mic, mic) by how much J changes where two rows change places."""
        product = np.matmul(C, G.transpose(0, 2, 1)).sum(axis=0)
        moved = product + product.T - product.diagonal()[:, None] - product.diagonal()[None, :]
        diagonal_g, diagonal_c = np.einsum("fii->fi", G), np.einsum("fii->fi", C)
        # The sums above also hold the terms between the two rows themselves, which change in another way.
        imaginary = np.zeros(len(G), bool) if self.is_real else np.repeat([False, True], len(G) // 2)
        side = np.where(imaginary, -1.0, 1.0)[:, None, None]
        own = (side * G - diagonal_g[:, :, None]) * (diagonal_c[:, :, None] - side * C)
        own += (diagonal_g[:, None, :] - G) * (C - diagonal_c[:, None, :])
        change = 2 * (moved - own.sum(axis=0)) - 4 * (G * C)[imaginary].sum(axis=0)
        np.fill_diagonal(change, 0.0)
        return np.asarray(change)


def _flip_changes(G: Array, C: Array) -> Array:
    """(mic,) by how much J changes where one row changes its sign."""
    return np.asarray(-4 * ((G * C).sum(axis=(0, 1)) - np.einsum("fii,fii->i", G, C)))


def _disjoint(change: Array) -> list[tuple[int, int]]:
    """The best exchanges of different rows."""
    chosen: list[tuple[int, int]] = []
    taken: set[int] = set()
    for i, j in zip(*np.unravel_index(np.argsort(change, axis=None), change.shape), strict=True):
        if change[i, j] > -1e-9:
            break
        if i not in taken and j not in taken:
            chosen.append((int(i), int(j)))
            taken |= {int(i), int(j)}
    return chosen
