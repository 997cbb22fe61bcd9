"""SI-SDR, pairing and angles against what can be worked out by hand."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arrayscene.errors import RecordingError, ShapeError
from arrayscene.metrics import angular_error, match_sources, si_sdr


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape)


def test_orthogonal_noise_gives_the_power_ratio() -> None:
    target = np.array([1.0, 1.0, 1.0, 1.0])
    error = np.array([0.1, -0.1, 0.1, -0.1])
    assert si_sdr(target + error, target) == pytest.approx(20.0)


@given(scale=st.floats(1e-4, 1e4) | st.floats(-1e4, -1e-4), offset=st.floats(0.01, 2.0))
def test_scale_of_estimate_and_target_does_not_matter(scale: float, offset: float) -> None:
    target = noise(1000)
    estimate = target + offset * noise(1000, seed=1)
    expected = si_sdr(estimate, target)
    assert si_sdr(scale * estimate, target) == pytest.approx(expected)
    assert si_sdr(estimate, scale * target) == pytest.approx(expected)


def test_perfect_and_hopeless_estimates() -> None:
    target = noise(100)
    assert si_sdr(target, target) > 250
    assert si_sdr(np.zeros(100), target) == -math.inf
    assert si_sdr([1.0, -1.0], [1.0, 1.0]) == -math.inf


def test_leading_axes_broadcast() -> None:
    estimates, targets = noise(3, 1, 50), noise(2, 50, seed=1)
    scores = si_sdr(estimates, targets)
    assert scores.shape == (3, 2)
    assert scores[2, 1] == pytest.approx(si_sdr(estimates[2, 0], targets[1]))


def test_agrees_with_fast_bss_eval() -> None:
    fast_bss_eval = pytest.importorskip("fast_bss_eval")
    targets = noise(2, 8000)
    estimates = targets + 0.3 * noise(2, 8000, seed=1)
    theirs = [float(fast_bss_eval.si_sdr(t[None], e[None])[0]) for e, t in zip(estimates, targets, strict=True)]
    np.testing.assert_allclose(si_sdr(estimates, targets), theirs, atol=1e-4)


@pytest.mark.parametrize(
    ("estimate", "target", "error", "message"),
    [
        (np.ones(4), np.ones(5), ShapeError, "(4,)"),
        (np.ones(0), np.ones(0), ShapeError, "(0,)"),
        (1.0, 1.0, ShapeError, "()"),
        (np.ones(4), np.zeros(4), RecordingError, "silent"),
        (np.ones((2, 4)), np.stack([np.ones(4), np.zeros(4)]), RecordingError, "silent"),
        (np.array([1.0, math.nan]), np.ones(2), RecordingError, "estimate holds NaN"),
        (np.ones(2), np.array([1.0, math.inf]), RecordingError, "target holds NaN"),
    ],
)
def test_bad_signals_are_refused(estimate: np.ndarray, target: np.ndarray, error: type[Exception], message: str) -> None:
    with pytest.raises(error) as caught:
        si_sdr(estimate, target)
    assert message in str(caught.value)


@given(order=st.permutations(range(4)))
def test_matching_undoes_a_permutation(order: list[int]) -> None:
    targets = noise(4, 200)
    estimates = targets[order] + 0.1 * noise(4, 200, seed=1)
    estimate_index, target_index, scores = match_sources(estimates, targets)
    assert [order[index] for index in estimate_index] == list(target_index) == [0, 1, 2, 3]
    assert np.all(scores > 10)


@pytest.mark.parametrize(("n_estimates", "n_targets"), [(2, 3), (3, 2), (1, 1)])
def test_matching_of_unequal_counts_pairs_the_smaller_set(n_estimates: int, n_targets: int) -> None:
    signals = noise(3, 200)
    estimates, targets = signals[::-1][:n_estimates], signals[:n_targets]
    estimate_index, target_index, scores = match_sources(estimates, targets)
    assert len(scores) == min(n_estimates, n_targets)
    for estimate, target, score in zip(estimate_index, target_index, scores, strict=True):
        if 2 - estimate == target:
            assert score > 250


def test_matching_survives_a_silent_estimate() -> None:
    targets = noise(2, 100)
    estimate_index, _, scores = match_sources(np.stack([np.zeros(100), targets[0]]), targets)
    assert list(estimate_index) == [1, 0]
    assert scores[1] == -math.inf


def test_matching_wants_two_axes() -> None:
    with pytest.raises(ShapeError, match="source, sample"):
        match_sources(np.ones(4), np.ones((1, 4)))


ANGLE = st.floats(-math.pi, math.pi)
LATITUDE = st.floats(-math.pi / 2, math.pi / 2)


def test_angles_by_hand() -> None:
    degrees = np.radians
    assert angular_error(0, 0, degrees(90), 0) == pytest.approx(degrees(90))
    assert angular_error(degrees(170), 0, degrees(-170), 0) == pytest.approx(degrees(20))
    assert angular_error(0, degrees(90), 1.0, degrees(90)) == pytest.approx(0, abs=1e-12)
    assert angular_error(0, degrees(45), degrees(180), degrees(45)) == pytest.approx(degrees(90))


@given(ANGLE, LATITUDE, ANGLE, LATITUDE)
def test_angle_is_a_distance(az1: float, el1: float, az2: float, el2: float) -> None:
    there, back = angular_error(az1, el1, az2, el2), angular_error(az2, el2, az1, el1)
    assert there == pytest.approx(back)
    assert 0 <= there <= math.pi
    assert angular_error(az1, el1, az1, el1) == pytest.approx(0, abs=1e-12)


def test_tiny_angles_keep_their_digits() -> None:
    assert angular_error(1e-9, 0.0, 0.0, 0.0) == pytest.approx(1e-9)
