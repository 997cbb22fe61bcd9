"""Interpolation between scattered directions: what it must give back, whatever the directions."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from arrayscene.response.kriging import Kriging


def scattered(seed: int, n: int, flat: bool) -> torch.Tensor:
    """(n, 3) unit vectors at least 3 degrees apart, on a ring where `flat`."""
    rng, kept = np.random.default_rng(seed), []
    while len(kept) < n:
        vector = rng.standard_normal(3) * [1, 1, 0 if flat else 1]
        vector /= np.linalg.norm(vector)
        if all(vector @ other < np.cos(np.deg2rad(3)) for other in kept):
            kept.append(vector)
    return torch.tensor(np.array(kept))


def between(known: torch.Tensor, seed: int) -> torch.Tensor:
    """A direction on the sphere in the midst of three of the known ones."""
    weights = torch.tensor(np.random.default_rng(seed + 1).uniform(0.1, 1, (1, 3)))
    mixed = weights @ known[:3]
    return mixed / mixed.norm()


cases = given(seed=st.integers(0, 10_000), n=st.integers(8, 24), flat=st.booleans())


@settings(max_examples=30, deadline=None)
@cases
def test_affine_functions_of_the_direction_are_reproduced(seed: int, n: int, flat: bool) -> None:
    known = scattered(seed, n, flat)
    toward, slope = between(known, seed), torch.tensor([0.3, -1.2, 0.7], dtype=torch.float64)
    weights = Kriging(known[None], toward).weights
    torch.testing.assert_close(weights.sum(), torch.tensor(1.0, dtype=torch.float64))
    torch.testing.assert_close(weights[0] @ (2 + known @ slope), 2 + toward[0] @ slope, rtol=1e-6, atol=1e-7)


@settings(max_examples=30, deadline=None)
@cases
def test_known_values_are_given_back_without_doubt(seed: int, n: int, flat: bool) -> None:
    known = scattered(seed, n, flat)
    found = Kriging(known[None].expand(n, n, 3), known)
    torch.testing.assert_close(found.weights, torch.eye(n, dtype=torch.float64), rtol=0, atol=1e-6)
    assert float(found.variance.max()) < 1e-9


def by_hand(known: np.ndarray, wanted: np.ndarray, length: float) -> np.ndarray:
    """Weights of universal kriging, from its system written out."""

    def matern(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        distance = np.sqrt(3) * np.linalg.norm(a[:, None] - b[None], axis=-1) / length
        return (1 + distance) * np.exp(-distance)

    trend = np.column_stack([np.ones(len(known)), known])
    system = np.block([[matern(known, known), trend], [trend.T, np.zeros((4, 4))]])
    right = np.concatenate([matern(known, wanted[None])[:, 0], [1], wanted])
    return np.linalg.lstsq(system, right, rcond=1e-13)[0][: len(known)]


@settings(max_examples=30, deadline=None)
@cases
def test_weights_and_leaving_one_out_against_the_system_written_out(seed: int, n: int, flat: bool) -> None:
    known = scattered(seed, n, flat)
    toward, values = between(known, seed), np.random.default_rng(seed).standard_normal(n)
    found, numbers = Kriging(known[None], toward), known.numpy()
    length = 3 * float((known - toward).norm(dim=-1).max())
    np.testing.assert_allclose(found.weights[0].numpy(), by_hand(numbers, toward[0].numpy(), length), atol=1e-6)
    without = by_hand(np.delete(numbers, 2, axis=0), numbers[2], length) @ np.delete(values, 2)
    np.testing.assert_allclose(found.leave_one_out(0, torch.tensor(values)[None])[0, 2].item(), without, rtol=1e-5, atol=1e-6)
