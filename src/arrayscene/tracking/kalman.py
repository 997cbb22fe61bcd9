"""A Kalman filter whose states are directions that move: batches of them, and the smoother that looks back."""

from __future__ import annotations

import math
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from arrayscene.tracking.space import Space, move, steps_to

FloatArray = NDArray[np.floating[Any]]


class Motion(NamedTuple):
    """How sources move: their angular velocity forgets itself and is stirred anew (an Ornstein-Uhlenbeck process).

    Attributes:
        speed: rad/s, standard deviation of the angular velocity in each tangent.
        persistence: seconds over which a velocity lasts.
        jitter: rad per square root of a second, what else changes the direction.
    """

    speed: float = math.radians(10.0)
    persistence: float = 4.0
    jitter: float = math.radians(1.0)

    def transition(self, seconds: float) -> tuple[FloatArray, FloatArray]:
        """(2, 2) F and Q of direction and velocity along one tangent."""
        keep = math.exp(-seconds / self.persistence)
        reach = self.persistence * (1 - keep)
        stirred = 2 * self.speed**2 / self.persistence
        tau = self.persistence
        # Integrals of the noise that the velocity collects, and of what of it has become way.
        way = tau**2 * (seconds - 2 * tau * (1 - keep) + tau / 2 * (1 - keep**2))
        both = tau**2 / 2 * (1 - keep) ** 2
        velocity = tau / 2 * (1 - keep**2)
        Q = stirred * np.array([[way, both], [both, velocity]])
        Q[0, 0] += self.jitter**2 * seconds
        return np.array([[1.0, reach], [0.0, keep]]), Q


class Directed(NamedTuple):
    """Moving directions, one a row.

    Attributes:
        vectors: (n, 3) unit vectors.
        basis: (n, d, 3) tangents in which velocity and covariance are written.
        velocity: (n, d) rad/s.
        covariance: (n, 2 d, 2 d) of the steps (radians) and the velocity; steps first.
    """

    vectors: FloatArray
    basis: FloatArray
    velocity: FloatArray
    covariance: FloatArray

    def take(self, rows: NDArray[Any] | slice) -> Directed:
        """Some of them."""
        return Directed(*(part[rows] for part in self))


def started(vectors: FloatArray, variances: FloatArray, space: Space, motion: Motion) -> Directed:
    """Directions seen once.

    Args:
        vectors: (n, 3) measured unit vectors.
        variances: (n,) rad^2 of each in each tangent.
        space: where they live.
        motion: gives the variance of the velocity.
    """
    n, d = len(vectors), space.n_tangents
    vectors = space.project(vectors)
    covariance = np.zeros((n, 2 * d, 2 * d))
    tangents = np.arange(d)
    covariance[:, tangents, tangents] = np.asarray(variances)[:, None]
    covariance[:, d + tangents, d + tangents] = motion.speed**2
    return Directed(vectors, space.tangents(vectors), np.zeros((n, d)), covariance)


def predicted(state: Directed, seconds: float, space: Space, motion: Motion) -> Directed:
    """The same directions some seconds later."""
    d = space.n_tangents
    F, Q = _model(motion, seconds, d)
    vectors, basis = move(state.vectors, state.basis, F[0, d] * state.velocity)
    vectors, basis = _mirrored(vectors, basis, space)
    return Directed(vectors, basis, F[d, d] * state.velocity, F @ state.covariance @ F.T + Q)


def innovations(state: Directed, measured: FloatArray, space: Space) -> FloatArray:
    """(n, m, d) radians from each predicted direction to each measured one, (m, 3)."""
    return steps_to(state.vectors[:, None], state.basis[:, None], space.project(measured)[None])


def updated(state: Directed, steps: FloatArray, variances: FloatArray, space: Space) -> Directed:
    """The directions after one measurement each.

    Args:
        state: predicted.
        steps: (n, d) innovations.
        variances: (n,) rad^2 of the measurements.
        space: where they live.
    """
    d = space.n_tangents
    S = state.covariance[:, :d, :d] + np.asarray(variances)[:, None, None] * np.eye(d)
    gain = np.linalg.solve(S, state.covariance[:, :d]).transpose(0, 2, 1)
    change = np.einsum("nij,nj->ni", gain, steps)
    # Joseph's form keeps the covariance symmetric and positive whatever is rounded.
    left = np.eye(2 * d) - np.concatenate([gain, np.zeros((len(gain), 2 * d, d))], axis=2)
    covariance = left @ state.covariance @ left.transpose(0, 2, 1)
    covariance += np.asarray(variances)[:, None, None] * gain @ gain.transpose(0, 2, 1)
    vectors, basis = move(state.vectors, state.basis, change[:, :d])
    vectors, basis = _mirrored(vectors, basis, space)
    return Directed(vectors, basis, state.velocity + change[:, d:], covariance)


def smoothed(filtered: list[Directed], forecasts: list[Directed], seconds: float, space: Space, motion: Motion) -> list[Directed]:
    """The directions given all measurements, also later ones (Rauch, Tung and Striebel).

    Args:
        filtered: of every frame, after its measurement.
        forecasts: of every frame, before it; the first is not used.
        seconds: from frame to frame.
        space: where they live.
        motion: as in the filter.

    Reference: H. E. Rauch, F. Tung, C. T. Striebel, "Maximum likelihood estimates of linear dynamic systems", AIAA J. 1965; steps
        are taken in the tangent space of each frame's forecast.
    """
    d = space.n_tangents
    F, _ = _model(motion, seconds, d)
    found = [filtered[-1]]
    for now, forecast in zip(filtered[-2::-1], forecasts[:0:-1], strict=True):
        later = found[-1]
        step = steps_to(forecast.vectors, forecast.basis, later.vectors)
        # The later velocity, read in the forecast's basis after it was carried along.
        carried = move(forecast.vectors, forecast.basis, step)[1]
        velocity = np.einsum("nd,ndx,nex->ne", later.velocity, later.basis, carried)
        change = np.concatenate([step, velocity - forecast.velocity], axis=1)
        gain = np.linalg.solve(forecast.covariance, F @ now.covariance).transpose(0, 2, 1)
        shift = np.einsum("nij,nj->ni", gain, change)
        vectors, basis = move(now.vectors, now.basis, shift[:, :d])
        vectors, basis = _mirrored(vectors, basis, space)
        covariance = now.covariance + gain @ (later.covariance - forecast.covariance) @ gain.transpose(0, 2, 1)
        found.append(Directed(vectors, basis, now.velocity + shift[:, d:], covariance))
    return found[::-1]


@cache
def _model(motion: Motion, seconds: float, n_tangents: int) -> tuple[FloatArray, FloatArray]:
    """(2 d, 2 d) F and Q of all tangents; the same for every frame."""
    F, Q = motion.transition(seconds)
    return np.kron(F, np.eye(n_tangents)), np.kron(Q, np.eye(n_tangents))


def _mirrored(vectors: FloatArray, basis: FloatArray, space: Space) -> tuple[FloatArray, FloatArray]:
    """Back onto the side that the array reports; who walks over the edge comes back as a mirror image."""
    if space.side is None:
        return vectors, basis
    beyond = (vectors @ space.side < 0)[:, None]
    flipped = vectors - 2 * (vectors @ space.side)[:, None] * space.side
    turned = basis - 2 * (basis @ space.side)[..., None] * space.side
    return np.where(beyond, flipped, vectors), np.where(beyond[..., None], turned, basis)
