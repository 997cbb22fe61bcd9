"""Directional decoders as the papers write them: one frequency and one source at a time, in float64, slow and obvious."""

from collections.abc import Callable

import numpy as np
from scipy.optimize import brentq, minimize_scalar
from scipy.special import sph_harm_y

Array = np.ndarray


def tikhonov(A: Array, mu: float) -> Array:
    """D (source, mic) by the normal equations."""
    return np.linalg.solve(A.conj().T @ A + mu * np.eye(A.shape[1]), A.conj().T)


def residual(A: Array, y: Array, mu: float) -> float:
    """Mean power of y - A D y over the frames, y (mic, frame)."""
    left = y - A @ tikhonov(A, mu) @ y
    return float(np.mean(np.sum(np.abs(left) ** 2, axis=0)))


def discrepancy(A: Array, y: Array, noise: float) -> float:
    """The mu whose residual exceeds what A cannot explain at all by the noise in the range of A."""
    U = np.linalg.svd(A, full_matrices=False)[0]
    outside = float(np.mean(np.sum(np.abs(y - U @ (U.conj().T @ y)) ** 2, axis=0)))
    largest = np.linalg.norm(A, 2) ** 2
    return float(brentq(lambda mu: residual(A, y, mu) - outside - U.shape[1] * noise, 1e-9 * largest, largest))


def cross_validation(A: Array, y: Array) -> float:
    """The mu of the least residual over the squared trace of I - A D."""

    def score(t: float) -> float:
        free = np.trace(np.eye(len(A)) - A @ tikhonov(A, np.exp(t))).real
        return residual(A, y, np.exp(t)) / free**2

    largest = np.log(np.linalg.norm(A, 2) ** 2)
    grid = np.linspace(largest - 20, largest, 200)
    start = grid[np.argmin([score(t) for t in grid])]
    return float(np.exp(minimize_scalar(score, bounds=(start - 0.2, start + 0.2), method="bounded").x))


def l_curve(A: Array, y: Array) -> float:
    """The mu at which the curve of log residual against log power bends most, by differences on a fine grid."""
    largest = np.log(np.linalg.norm(A, 2) ** 2)
    t = np.linspace(largest - 20, largest, 2001)
    step = t[1] - t[0]
    rho = np.log([residual(A, y, np.exp(v)) for v in t])
    eta = np.log([np.mean(np.sum(np.abs(tikhonov(A, np.exp(v)) @ y) ** 2, axis=0)) for v in t])
    r1, e1 = np.gradient(rho, step), np.gradient(eta, step)
    r2, e2 = np.gradient(r1, step), np.gradient(e1, step)
    # Where the curve stands still its curvature is rounding.
    curvature = (r1 * e2 - r2 * e1) / np.maximum(r1**2 + e1**2, 1e-10) ** 1.5
    return float(np.exp(t[2:-2][np.argmax(curvature[2:-2])]))


def capon(R: Array, a: Array) -> Array:
    """The row d = a^H R^-1 / (a^H R^-1 a)."""
    w = np.linalg.inv(R) @ a
    return w.conj() / (a.conj() @ w)


def diffuse(positions: Array, k: float, n: int = 200) -> Array:
    """Covariance of plane waves from everywhere: a Gauss-Legendre rule in height, equal steps around."""
    heights, weights = np.polynomial.legendre.leggauss(n)
    total = np.zeros((len(positions), len(positions)), complex)
    for z, weight in zip(heights, weights, strict=True):
        for phi in 2 * np.pi * np.arange(n) / n:
            u = np.array([np.sqrt(1 - z**2) * np.cos(phi), np.sqrt(1 - z**2) * np.sin(phi), z])
            a = np.exp(1j * k * (positions @ u))
            total += weight / (2 * n) * np.outer(a, a.conj())
    return total


def superdirective(gamma: Array, a: Array, floor: float) -> Array:
    """Capon on the diffuse field, loaded until the white noise gain is at its floor."""

    def gain(t: float) -> float:
        d = capon(gamma + np.exp(t) * np.eye(len(a)), a)
        return float(np.abs(d @ a) ** 2 / np.sum(np.abs(d) ** 2))

    if gain(-25.0) >= floor:
        return capon(gamma + np.exp(-25.0) * np.eye(len(a)), a)
    return capon(gamma + np.exp(brentq(lambda t: gain(t) - floor, -25.0, 25.0)) * np.eye(len(a)), a)


def robust_capon(R: Array, a: Array, uncertainty: float) -> Array:
    """The steering vector of the most power in the ball |b - a|^2 <= e |a|^2, by its Lagrangian; then Capon for it."""

    def worst(mu: float) -> Array:
        return a - np.linalg.solve(np.eye(len(a)) + R / mu, a)

    radius = uncertainty * np.sum(np.abs(a) ** 2)
    mu = brentq(lambda t: np.sum(np.abs(worst(np.exp(t)) - a) ** 2) - radius, -40.0, 40.0, xtol=1e-13)
    d = capon(R, worst(np.exp(mu)))
    return d / (d @ a)


def lcmv(R: Array, C: Array, n_sources: int) -> Array:
    """Rows that minimise d R d^H with d C = e_n, by the equations of Lagrange."""
    n_mics, n_constraints = C.shape
    system = np.block([[R, C], [C.conj().T, np.zeros((n_constraints, n_constraints))]])
    rows = []
    for n in range(n_sources):
        wanted = np.zeros(n_mics + n_constraints, complex)
        wanted[n_mics + n] = 1
        rows.append(np.linalg.solve(system, wanted)[:n_mics].conj())
    return np.stack(rows)


def sidelobe_canceller(A: Array, y: Array, step: float, memory: float, floor: float) -> Array:
    """(source, frame) outputs of the canceller at one frequency, each source by itself."""
    fixed = np.linalg.pinv(A)
    B = np.eye(len(A)) - A @ fixed
    outputs = np.zeros((A.shape[1], y.shape[1]), complex)
    for n in range(A.shape[1]):
        u, power = np.zeros(len(A), complex), 0.0
        room = max(1 / floor - np.sum(np.abs(fixed[n]) ** 2), 0.0)
        for t in range(y.shape[1]):
            z = B @ y[:, t]
            x = fixed[n] @ y[:, t] - u @ z
            outputs[n, t] = x
            now = np.sum(np.abs(z) ** 2) + np.abs(x) ** 2
            power = memory * power + (1 - memory) * now
            u = u + step * x * z.conj() / max(power, now)
            if np.sum(np.abs(u) ** 2) > room:
                u = u * np.sqrt(room / np.sum(np.abs(u) ** 2))
    return outputs


def minimum_norm(A: Array, y: Array, n_iter: int, loading: float) -> Array:
    """Weights of the l2,1 norm, updated from the sources' mean power."""
    R = y @ y.conj().T / y.shape[1]
    p = np.ones(A.shape[1])
    for i in range(n_iter + 1):
        P = np.diag(p)
        inner = A @ P @ A.conj().T
        D = P @ A.conj().T @ np.linalg.inv(inner + loading * np.trace(inner).real / len(A) * np.eye(len(A)))
        if i < n_iter:
            power = np.diag(D @ R @ D.conj().T).real
            p = np.sqrt(power / power.mean() + 1e-8)
    return D


def harmonic(n: int, m: int, azimuth: float, elevation: float) -> float:
    """Real spherical harmonic, N3D, from scipy's complex ones (which carry (-1)^m)."""
    value = sph_harm_y(n, abs(m), np.pi / 2 - elevation, azimuth) * np.sqrt(4 * np.pi) * (-1) ** abs(m)
    if m == 0:
        return float(value.real)
    return float(np.sqrt(2) * (value.real if m > 0 else value.imag))


def signal_matching(response: Callable[[float, float], Array], angles: list[tuple[float, float, float]], order: int) -> Array:
    """The encoder of one frequency by sums over directions (azimuth, elevation, share of the sphere), loading 1e-3."""
    channels = [(n, m) for n in range(order + 1) for m in range(-n, n + 1)]
    n_mics = len(response(0.0, 0.0))
    matched, power = np.zeros((len(channels), n_mics), complex), np.zeros((n_mics, n_mics), complex)
    for azimuth, elevation, share in angles:
        v = response(azimuth, elevation)
        power += share * np.outer(v, v.conj())
        for row, (n, m) in enumerate(channels):
            matched[row] += share * harmonic(n, m, azimuth, elevation) * v.conj()
    return matched @ np.linalg.inv(power + 1e-3 * np.trace(power).real / n_mics * np.eye(n_mics))
