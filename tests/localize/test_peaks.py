"""Votes over directions become a count and places."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arrayscene.array import MicrophoneArray
from arrayscene.localize import direction_grid, find_directions

RING = direction_grid(MicrophoneArray.circular(6, 0.05))


def votes(talkers: Sequence[tuple[float, float]], background: float = 0.0, scatter_deg: float = 5.0) -> np.ndarray:
    """Votes for (azimuth in degrees, strength) scattered as in a room, over the same everywhere."""
    total = np.full(len(RING.azimuth), background)
    for azimuth, strength in talkers:
        away = np.degrees(np.angle(np.exp(1j * (RING.azimuth - np.radians(azimuth)))))
        total += strength * np.exp(-0.5 * (away / scatter_deg) ** 2)
    return total


def degrees(directions: Sequence[float]) -> list[float]:
    return np.degrees(directions).tolist()


def test_three_talkers_are_counted_and_ordered_by_strength() -> None:
    found = find_directions(votes([(-100, 0.5), (20.7, 1.0), (130, 0.3)], background=0.02), RING)
    assert degrees(found.azimuth) == pytest.approx([20.7, -100, 130], abs=0.5)
    assert found.support == pytest.approx(np.cbrt([1, 0.5, 0.3]), abs=0.03)
    assert not found.elevation.any()


@settings(deadline=None, max_examples=20)
@given(st.floats(-180, 180), st.floats(30, 180), st.floats(0.3, 0.95))
def test_two_talkers_thirty_degrees_apart_are_two(first: float, apart: float, weaker: float) -> None:
    found = find_directions(votes([(first, 1.0), (first + apart, weaker)], scatter_deg=4), RING)
    assert len(found.azimuth) == 2
    error = np.angle(np.exp(1j * (found.azimuth - np.radians([first, first + apart]))))
    assert np.degrees(np.abs(error)).max() < 3


def test_reflections_far_below_the_strongest_do_not_count() -> None:
    assert len(find_directions(votes([(0, 1.0), (90, 0.03), (180, 0.02)]), RING).azimuth) == 1


def test_noise_and_silence_hold_nobody() -> None:
    uneven = np.random.default_rng(0).uniform(0.5, 1.5, len(RING.azimuth))
    assert len(find_directions(uneven, RING).azimuth) == 0
    assert len(find_directions(np.zeros(len(RING.azimuth)), RING).azimuth) == 0


@settings(deadline=None, max_examples=12)
@given(st.integers(1, 8), st.integers(0, 3))
def test_a_given_count_is_kept_and_nobody_stands_on_another(wanted: int, n_peaks: int) -> None:
    found = find_directions(votes([(50.0 * n, 1.0 / (n + 1)) for n in range(n_peaks)]), RING, wanted)
    assert len(found.azimuth) == wanted
    apart = np.abs(np.angle(np.exp(1j * (found.azimuth[:, None] - found.azimuth[None]))))
    assert np.degrees(apart[~np.eye(wanted, dtype=bool)]).min(initial=180) > 5


def test_talkers_a_dozen_degrees_apart_are_two_only_when_the_user_says_so() -> None:
    close = votes([(0, 1.0), (14, 0.9)], scatter_deg=2)
    assert len(find_directions(close, RING).azimuth) == 1
    assert degrees(find_directions(close, RING, 2).azimuth) == pytest.approx([0, 14], abs=3)


def test_a_talker_at_the_end_of_a_line_counts_as_much_as_one_abreast() -> None:
    line = direction_grid(MicrophoneArray.linear(4, 0.03))
    for azimuth in (-90.0, 90.0, 0.0):
        away = line.embedding[:, 0] - line.embedding[np.abs(np.degrees(line.azimuth) - azimuth).argmin(), 0]
        found = find_directions(np.exp(-0.5 * (away / 0.05) ** 2), line)
        assert degrees(found.azimuth) == pytest.approx([azimuth], abs=12)


def test_a_peak_that_few_bands_see_does_not_count_unless_they_see_nothing_else() -> None:
    sources = votes([(0, 1.0), (60, 0.8)], background=0.5)
    between = votes([(30, 0.6)])
    bands = np.stack([sources + (between if band < 4 else 0) for band in range(12)])
    assert sorted(degrees(find_directions(bands, RING).azimuth)) == pytest.approx([0, 60], abs=2)
    tone = np.stack([sources if band != 5 else 16 * votes([(150, 1.0)]) for band in range(12)])
    assert sorted(degrees(find_directions(tone, RING).azimuth)) == pytest.approx([0, 60, 150], abs=2)


def test_a_peak_in_bands_that_alias_alone_is_a_copy() -> None:
    source, copy = votes([(0, 1.0)], background=0.05), votes([(0, 0.2), (100, 3.0)])
    bands = np.stack([source] * 6 + [source, copy, copy])
    low = np.arange(9) < 6
    assert degrees(find_directions(bands, RING, unaliased=low).azimuth) == pytest.approx([0], abs=2)
    assert len(find_directions(bands, RING).azimuth) == 2
    # What the user says is believed, and where there is nothing else, a copy is as good as any.
    assert len(find_directions(bands, RING, 2, unaliased=low).azimuth) == 2
    assert degrees(find_directions(bands[6:] - source, RING, unaliased=low[6:]).azimuth) == pytest.approx([100], abs=2)


def test_a_dozen_votes_are_not_a_dozen_sources() -> None:
    few = np.zeros(len(RING.azimuth))
    few[np.random.default_rng(3).integers(0, len(few), 8)] = 1.0
    few[10] = 12.0
    assert len(find_directions(few, RING).azimuth) > 1
    assert degrees(find_directions(few, RING, n_votes=few.sum()).azimuth) == pytest.approx([np.degrees(RING.azimuth[10])], abs=3)


def test_three_talkers_on_a_line_are_counted_to_its_ends() -> None:
    """Votes scatter alike in the sine of the angle, over which the grid's directions are not evenly spread."""
    line = direction_grid(MicrophoneArray.linear(4, 0.04))
    sine = np.random.default_rng(0).normal([[-0.85], [0.0], [0.6]], 0.07, (3, 4000)).clip(-1, 1)
    nearest = np.abs(np.sin(line.azimuth)[:, None, None] - sine).argmin(axis=0)
    found = find_directions(np.bincount(nearest.ravel(), minlength=len(line.azimuth)).astype(float), line)
    assert sorted(degrees(found.azimuth)) == pytest.approx([-58, 0, 37], abs=5)
    assert found.support.min() > 0.9
