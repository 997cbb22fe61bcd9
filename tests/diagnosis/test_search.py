"""The search for orders: its steps are exact, and it finds a shuffled line of many microphones."""

import numpy as np
import pytest
from fields import field, irregular

from arrayscene.array import MicrophoneArray
from arrayscene.diagnosis.field import FieldModel
from arrayscene.diagnosis.search import OrderSearch, _flip_changes
from arrayscene.diagnosis.symmetry import isometries, simplest
from arrayscene.diagnosis.tiles import Tiles, tiles_of


@pytest.mark.parametrize("directivity", [None, 0.5])
def test_changes_are_what_exchanges_and_inversions_change(directivity: float | None) -> None:
    positions = irregular(5).positions
    model = FieldModel(
        MicrophoneArray(positions=positions, directivity=directivity), (tiles := tiles_of(field(irregular(5)))).frequencies
    )
    search = OrderSearch(model, tiles)
    assert search.is_real == (directivity is None)
    order, signs = (0, 1, 2, 3, 4), [1, 1, 1, 1, 1]
    G, C = search.landscapes[-1], search.C
    swaps, flips = search._swap_changes(G, C), _flip_changes(G, C)
    base = search.cost(order, signs)
    for i, j in ((0, 1), (1, 4), (3, 2)):
        other = list(order)
        other[i], other[j] = other[j], other[i]
        assert search.cost(tuple(other), signs) - base == pytest.approx(swaps[i, j], rel=1e-6, abs=1e-6)
    for k in range(5):
        inverted = [-1 if k == row else 1 for row in range(5)]
        assert search.cost(order, inverted) - base == pytest.approx(flips[k], rel=1e-6, abs=1e-6)


def test_a_shuffled_line_of_24_microphones_is_put_in_order() -> None:
    line = MicrophoneArray.linear(24, 0.03)
    tiles = tiles_of(field(line, seconds=2.0), max_elements=1_500_000)
    order = np.random.default_rng(1).permutation(24)
    mixed = Tiles(tiles.coherence[:, :, order][..., order], tiles.power[..., order], tiles.audible, tiles.frequencies)
    search = OrderSearch(FieldModel(line, tiles.frequencies), mixed)
    symmetries = isometries(line)
    found, signs = search(symmetries, 1)[0]
    assert found == simplest(tuple(order.tolist()), symmetries)
    assert set(signs) == {1}
