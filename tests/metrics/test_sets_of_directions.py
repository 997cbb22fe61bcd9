"""GOSPA, OSPA, accuracy and track measures against closed forms, all pairings tried one by one, and what a metric must obey."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arrayscene.errors import ShapeError
from arrayscene.metrics import angular_distances, gospa, level_error, localization_accuracy, ospa, track_measures

DEGREES = np.radians
CUTOFF = math.radians(30.0)

azimuths = st.lists(st.floats(-math.pi, math.pi), max_size=4)
orders = st.sampled_from([1.0, 2.0, 3.5])


def between(first: list[float], second: list[float]) -> np.ndarray:
    return angular_distances(first, None, second, None)


def every_pairing(n: int, m: int):
    """All partial one-to-one pairings of n with m members."""
    for size in range(min(n, m) + 1):
        for rows in itertools.combinations(range(n), size):
            for columns in itertools.permutations(range(m), size):
                yield list(zip(rows, columns, strict=True))


def gospa_by_definition(distances: np.ndarray, cutoff: float, order: float) -> float:
    n, m = distances.shape
    sums = [
        sum(distances[pair] ** order for pair in pairs) + cutoff**order / 2 * (n + m - 2 * len(pairs))
        for pairs in every_pairing(n, m)
    ]
    return min(sums) ** (1 / order)


def ospa_by_definition(distances: np.ndarray, cutoff: float, order: float) -> float:
    if distances.shape[0] > distances.shape[1]:
        distances = distances.T
    few, many = distances.shape
    if not many:
        return 0.0
    sums = [
        sum(min(distances[row, column], cutoff) ** order for row, column in enumerate(columns))
        for columns in itertools.permutations(range(many), few)
    ]
    return ((min(sums) + cutoff**order * (many - few)) / many) ** (1 / order)


@settings(deadline=None)
@given(azimuths, azimuths, orders)
def test_gospa_and_ospa_are_what_they_are_defined_to_be(found: list[float], true: list[float], order: float) -> None:
    distances = between(found, true)
    assert gospa(distances, order=order).value == pytest.approx(gospa_by_definition(distances, CUTOFF, order), abs=1e-9)
    assert ospa(distances, order=order) == pytest.approx(ospa_by_definition(distances, CUTOFF, order), abs=1e-9)


@settings(deadline=None)
@given(azimuths, azimuths, azimuths, orders)
def test_they_are_metrics(a: list[float], b: list[float], c: list[float], order: float) -> None:
    for metric in (lambda d: gospa(d, order=order).value, lambda d: ospa(d, order=order)):
        assert metric(between(a, a)) == pytest.approx(0, abs=1e-6)
        assert metric(between(a, b)) == pytest.approx(metric(between(b, a)))
        assert metric(between(a, c)) <= metric(between(a, b)) + metric(between(b, c)) + 1e-9


@settings(deadline=None)
@given(azimuths, azimuths, orders)
def test_the_parts_of_gospa_make_up_the_whole(found: list[float], true: list[float], order: float) -> None:
    result = gospa(between(found, true), order=order)
    parts = result.localization**order + result.missed**order + result.false**order
    assert result.value**order == pytest.approx(parts, abs=1e-9)
    assert len(true) - result.n_missed == len(found) - result.n_false


def test_gospa_by_hand() -> None:
    """One of two is found 3 degrees off, one is missed and one made up: 3^2 + 30^2 / 2 + 30^2 / 2."""
    result = gospa(between(DEGREES([13.0, -120.0]), DEGREES([10.0, 90.0])))
    assert result.value == pytest.approx(math.radians(math.sqrt(9 + 450 + 450)))
    assert (result.n_missed, result.n_false) == (1, 1)
    assert result.localization == pytest.approx(math.radians(3.0))
    assert gospa(np.zeros((0, 3))).value == pytest.approx(math.radians(math.sqrt(3 * 450)))
    assert ospa(np.zeros((0, 3))) == pytest.approx(CUTOFF)


def test_accuracy_by_hand() -> None:
    result = localization_accuracy(between(DEGREES([1.0, 52.0, 97.0, -90.0]), DEGREES([0.0, 45.0, 90.0, 150.0, 180.0])))
    assert result.within_5_deg == pytest.approx(1 / 5)
    assert result.within_10_deg == pytest.approx(3 / 5)
    assert (result.missed_rate, result.false_rate) == (pytest.approx(2 / 5), pytest.approx(1 / 4))
    np.testing.assert_allclose(np.degrees(result.errors), [1, 7, 7])
    assert result.estimate_index.tolist() == [0, 1, 2]


def test_more_pairs_go_before_closer_ones() -> None:
    """Pairing the nearest first would leave the other two alone."""
    result = localization_accuracy(between(DEGREES([10.0, 0.0]), DEGREES([12.0, 29.0])), gate=math.radians(20.0))
    assert result.true_index.tolist() == [0, 1]
    assert result.estimate_index.tolist() == [1, 0]


@settings(deadline=None)
@given(azimuths, azimuths, st.floats(0.01, 1.0))
def test_no_pairing_within_the_gate_is_larger_or_closer(found: list[float], true: list[float], gate: float) -> None:
    distances = between(found, true)
    allowed = [pairs for pairs in every_pairing(*distances.shape) if all(distances[pair] <= gate for pair in pairs)]
    best = min(allowed, key=lambda pairs: (-len(pairs), sum(distances[pair] for pair in pairs)))
    result = localization_accuracy(distances, gate=gate)
    assert len(result.errors) == len(best)
    assert result.errors.sum() == pytest.approx(sum(distances[pair] for pair in best), abs=1e-9)


def test_nothing_true_and_nothing_found() -> None:
    result = localization_accuracy(np.zeros((2, 0)))
    assert math.isnan(result.within_5_deg)
    assert result.false_rate == 1
    assert localization_accuracy(np.zeros((0, 2))).missed_rate == 1


def test_azimuth_alone_or_the_whole_angle() -> None:
    assert angular_distances(0.3, None, 0.5, 1.0)[0, 0] == pytest.approx(0.2)
    assert angular_distances(0.3, 0.0, 0.3, 1.0)[0, 0] == pytest.approx(1.0)
    assert angular_distances([], None, [1.0, 2.0], None).shape == (0, 2)


@pytest.mark.parametrize("metric", [gospa, ospa, localization_accuracy])
@pytest.mark.parametrize("table", [np.zeros(3), [[math.nan]], [[-1.0]]])
def test_what_is_no_table_of_distances_is_refused(metric, table) -> None:
    with pytest.raises(ShapeError, match="estimate, truth"):
        metric(table)


@pytest.mark.parametrize("values", [{"cutoff": 0.0}, {"order": 0.5}, {"cutoff": math.inf}])
def test_a_metric_needs_a_cutoff_and_an_order(values: dict[str, float]) -> None:
    with pytest.raises(ShapeError, match="order"):
        gospa([[0.1]], **values)


def paths(*tracks: list[float | None]) -> tuple[np.ndarray, np.ndarray]:
    """(frame, path) radians and presence of paths in degrees; None: not there."""
    values = np.array([[math.nan if degrees is None else math.radians(degrees) for degrees in track] for track in tracks]).T
    return values, np.isfinite(values)


def measured(tracks: list[list[float | None]], truth: list[list[float | None]]):
    (found, found_there), (true, true_there) = paths(*tracks), paths(*truth)
    distances = np.abs(found[:, :, None] - true[:, None])
    return track_measures(distances, found_there, true_there)


CROSSING = [[0.0, 10, 20, 30, 40, 50], [50.0, 40, 30, 20, 10, 0]]


def test_tracks_that_cross_as_the_sources_do() -> None:
    result = measured(CROSSING, CROSSING)
    assert (result.n_switches, result.n_fragments, result.missed_rate, result.false_rate) == (0, 0, 0, 0)
    assert result.kept.tolist() == [1, 1]
    assert result.mean_error == pytest.approx(0)


def test_tracks_that_turn_back_where_the_sources_cross() -> None:
    bounced = [[0.0, 10, 20, 20, 10, 0], [50.0, 40, 30, 30, 40, 50]]
    result = measured(bounced, CROSSING)
    assert result.n_switches == 2
    # Within 20 degrees of its own source each track is before and just after the crossing.
    assert result.kept.tolist() == pytest.approx([4 / 6, 4 / 6])
    assert result.covered.tolist() == [1, 1]


def test_a_lost_source_that_is_found_again_under_its_name_is_a_fragment() -> None:
    result = measured([[0.0, 0, None, None, 0, 0]], [[0.0] * 6])
    assert (result.n_switches, result.n_fragments) == (0, 1)
    assert result.missed_rate == pytest.approx(2 / 6)
    assert result.kept.tolist() == pytest.approx([4 / 6])


def test_a_pause_of_the_source_is_nobodys_fault() -> None:
    result = measured([[0.0, 0, None, None, 0, 0]], [[0.0, 0, None, None, 0, 0]])
    assert (result.n_switches, result.n_fragments, result.missed_rate) == (0, 0, 0)


def test_another_name_after_a_pause_is_a_switch() -> None:
    result = measured([[0.0, 0, None, None, None], [None, None, None, 0, 0]], [[0.0, 0, None, 0, 0]])
    assert (result.n_switches, result.n_fragments) == (1, 0)
    assert result.kept.tolist() == [pytest.approx(0.5)]


def test_no_tracks_at_all() -> None:
    result = track_measures(np.zeros((3, 0, 1)), np.zeros((3, 0), bool), np.ones((3, 1), bool))
    assert result.missed_rate == 1
    assert result.track_index.tolist() == [-1]
    assert math.isnan(result.mean_error)


def test_tracks_of_nothing() -> None:
    assert measured([[0.0, 0]], [[None, None]]).false_rate == 1


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_names_of_tracks_do_not_matter(seed: int) -> None:
    generator = np.random.default_rng(seed)
    distances, tracks, truth = (
        generator.uniform(0, 0.8, (12, 3, 2)),
        generator.random((12, 3)) > 0.3,
        generator.random((12, 2)) > 0.2,
    )
    order = generator.permutation(3)
    one, other = track_measures(distances, tracks, truth), track_measures(distances[:, order], tracks[:, order], truth)
    assert one.n_switches == other.n_switches
    assert one.missed_rate == other.missed_rate
    assert one.kept.sum() == pytest.approx(other.kept.sum())


def test_shapes_of_tracks_must_fit() -> None:
    with pytest.raises(ShapeError, match="frame, track"):
        track_measures(np.zeros((3, 2, 1)), np.ones((3, 1), bool), np.ones((3, 1), bool))


def test_levels() -> None:
    np.testing.assert_allclose(level_error([-20.0, -math.inf], [-23.0, -20.0]), [3.0, math.nan])
