"""Moving on the sphere, and the filter on it: against closed forms and a plain float64 Kalman filter on a line."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arrayscene.array import MicrophoneArray
from arrayscene.localize import direction_grid
from arrayscene.tracking.kalman import Directed, Motion, innovations, predicted, smoothed, started, updated
from arrayscene.tracking.space import Space, move, space_of, steps_to

SPHERE = Space(np.eye(3), None, 4 * math.pi)
CIRCLE = Space(np.eye(3)[:2], None, 2 * math.pi)
seeds = st.integers(0, 2**32 - 1)


def unit(*shape: int, seed: int = 0) -> np.ndarray:
    vectors = np.random.default_rng(seed).standard_normal((*shape, 3))
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def around(azimuth: np.ndarray) -> np.ndarray:
    return np.stack([np.cos(azimuth), np.sin(azimuth), np.zeros_like(azimuth)], axis=-1)


@settings(deadline=None)
@given(seeds, st.floats(0, 3.0))
def test_there_and_back(seed: int, length: float) -> None:
    generator = np.random.default_rng(seed)
    start = unit(4, seed=seed)
    basis = SPHERE.tangents(start)
    steps = generator.standard_normal((4, 2))
    steps *= length / np.linalg.norm(steps, axis=1, keepdims=True)
    end, carried = move(start, basis, steps)
    np.testing.assert_allclose(np.linalg.norm(end, axis=1), 1)
    np.testing.assert_allclose(np.arccos(np.clip(np.sum(start * end, axis=1), -1, 1)), length, atol=1e-6)
    np.testing.assert_allclose(steps_to(start, basis, end), steps, atol=1e-6)
    # The carried basis still stands upright, and leads straight back.
    np.testing.assert_allclose(carried @ carried.transpose(0, 2, 1), np.broadcast_to(np.eye(2), (4, 2, 2)), atol=1e-9)
    np.testing.assert_allclose(np.einsum("nx,ndx->nd", end, carried), 0, atol=1e-9)
    np.testing.assert_allclose(steps_to(end, carried, start), -steps, atol=1e-6)


def test_spaces_of_arrays() -> None:
    kinds = {
        "circular:4:0.05": (1, False, 2 * math.pi),
        "linear:4:0.05": (1, True, math.pi),
        "spherical:12:0.05": (2, False, 4 * math.pi),
    }
    for spec, (n_tangents, mirrors, measure) in kinds.items():
        space = space_of(direction_grid(MicrophoneArray.resolve(spec)))
        assert (space.n_tangents, space.side is not None, space.measure) == (n_tangents, mirrors, measure)
    upright = MicrophoneArray.from_positions([[0, 0, 0.0], [0, 0.1, 0], [0, 0, 0.1], [0, 0.1, 0.1]])
    space = space_of(direction_grid(upright))
    np.testing.assert_allclose(space.side, [1, 0, 0], atol=0.05)
    assert space.project(np.array([-0.6, 0.8, 0.0]))[0] > 0


def test_one_angle_on_a_circle_is_a_kalman_filter_on_a_line() -> None:
    """A slow float64 filter of (angle, velocity) beside it; and a smoother by solving all equations at once."""
    motion, seconds, deviation = Motion(0.3, 2.0, 0.05), 0.1, 0.08
    generator = np.random.default_rng(1)
    angles = 3.0 + np.cumsum(0.05 * generator.standard_normal(25))
    F, Q = motion.transition(seconds)
    R = deviation**2
    mean, P = np.array([angles[0], 0.0]), np.diag([R, motion.speed**2])
    state = started(around(angles[:1]), np.array([R]), CIRCLE, motion)
    means, filtered, forecasts = [mean], [state], [state]
    for angle in angles[1:]:
        mean, P = F @ mean, F @ P @ F.T + Q
        gain = P[:, 0] / (P[0, 0] + R)
        mean, P = mean + gain * (angle - mean[0]), P - np.outer(gain, P[0])
        forecast = predicted(state, seconds, CIRCLE, motion)
        steps = innovations(forecast, around(np.array([angle])), CIRCLE)[:, 0]
        state = updated(forecast, steps, np.array([R]), CIRCLE)
        means.append(mean), filtered.append(state), forecasts.append(forecast)
        np.testing.assert_allclose(state.vectors, around(mean[:1]), atol=1e-9)
        np.testing.assert_allclose(state.velocity[0, 0], mean[1], atol=1e-9)
        np.testing.assert_allclose(state.covariance[0], P, atol=1e-12)
    # All states at once: their prior precision from F and Q, plus what was measured.
    n = len(angles)
    precision, right = np.zeros((2 * n, 2 * n)), np.zeros(2 * n)
    first = np.diag([1 / R, 1 / motion.speed**2])
    precision[:2, :2] += first
    right[:2] += first @ [angles[0], 0.0]
    for t in range(1, n):
        block = np.concatenate([-F, np.eye(2)], axis=1)
        precision[2 * t - 2 : 2 * t + 2, 2 * t - 2 : 2 * t + 2] += block.T @ np.linalg.inv(Q) @ block
        precision[2 * t, 2 * t] += 1 / R
        right[2 * t] += angles[t] / R
    expected, covariance = np.linalg.solve(precision, right).reshape(n, 2), np.linalg.inv(precision)
    found = smoothed(filtered, forecasts, seconds, CIRCLE, motion)
    np.testing.assert_allclose(np.concatenate([state.vectors for state in found]), around(expected[:, 0]), atol=1e-8)
    np.testing.assert_allclose([state.velocity[0, 0] for state in found], expected[:, 1], atol=1e-8)
    np.testing.assert_allclose([state.covariance[0, 0, 0] for state in found], np.diag(covariance)[::2], atol=1e-10)


@settings(deadline=None, max_examples=25)
@given(seeds)
def test_turning_the_world_turns_the_filter(seed: int) -> None:
    """No direction of the sphere is special, the poles included."""
    generator = np.random.default_rng(seed)
    turn, _ = np.linalg.qr(generator.standard_normal((3, 3)))
    turn *= np.sign(np.linalg.det(turn))
    motion = Motion()
    measured = [unit(1, seed=seed)]
    for _ in range(5):
        nudged = measured[-1] + 0.1 * generator.standard_normal((1, 3))
        measured.append(nudged / np.linalg.norm(nudged))

    def run(turned: np.ndarray) -> Directed:
        state = started(measured[0] @ turned.T, np.array([0.01]), SPHERE, motion)
        for vector in measured[1:]:
            forecast = predicted(state, 0.064, SPHERE, motion)
            state = updated(forecast, innovations(forecast, vector @ turned.T, SPHERE)[:, 0], np.array([0.01]), SPHERE)
        return state

    plain, other = run(np.eye(3)), run(turn)
    np.testing.assert_allclose(other.vectors, plain.vectors @ turn.T, atol=1e-9)
    np.testing.assert_allclose(np.trace(other.covariance[0]), np.trace(plain.covariance[0]), rtol=1e-9)


def test_velocity_dies_out_in_a_pause_and_the_variance_stays_bounded() -> None:
    motion = Motion(speed=0.3, persistence=1.0, jitter=0.0)
    state = started(around(np.zeros(1)), np.array([0.001]), CIRCLE, motion)._replace(velocity=np.array([[0.5]]))
    for _ in range(200):
        state = predicted(state, 0.1, CIRCLE, motion)
    assert math.atan2(state.vectors[0, 1], state.vectors[0, 0]) == pytest.approx(0.5, abs=1e-6)
    assert state.covariance[0, 1, 1] == pytest.approx(0.09)


def test_steps_of_any_length_make_the_same_motion() -> None:
    motion = Motion(0.2, 1.5, 0.03)
    state = started(around(np.zeros(1)), np.array([0.01]), CIRCLE, motion)
    long, short = predicted(state, 1.0, CIRCLE, motion), state
    for _ in range(10):
        short = predicted(short, 0.1, CIRCLE, motion)
    np.testing.assert_allclose(short.covariance, long.covariance, rtol=1e-9)


def test_who_walks_over_the_edge_of_a_mirror_comes_back() -> None:
    space = Space(np.eye(3)[:2], np.array([1.0, 0.0, 0.0]), math.pi)
    state = started(around(np.array([1.5])), np.array([0.001]), space, Motion())._replace(velocity=np.array([[1.0]]))
    assert space.tangents(state.vectors)[0, 0] @ [0, 1, 0] > 0
    later = predicted(state, 0.3, space, Motion(persistence=1e6))
    assert math.atan2(later.vectors[0, 1], later.vectors[0, 0]) == pytest.approx(math.pi - 1.8, abs=1e-5)
    still = predicted(later, 0.3, space, Motion(persistence=1e6))
    assert math.atan2(still.vectors[0, 1], still.vectors[0, 0]) == pytest.approx(math.pi - 2.1, abs=1e-5)
