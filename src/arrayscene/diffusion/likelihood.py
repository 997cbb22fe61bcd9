"""What the recording says about the sources: y = A x + n, for n Gaussian."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from arrayscene.response import Response
from arrayscene.stft import STFT


class Likelihood(Protocol):
    """What guidance needs to know of a recording."""

    def energy(self, x: Tensor) -> Tensor:
        """(...) -log p(y | x) of sources (..., source, ...), but for a constant."""
        ...

    def proximal(self, x0: Tensor, variance: float | Tensor) -> Tensor:
        """argmin_x of energy(x) + |x - x0|^2 / variance; for real x, half of the latter."""
        ...


class LinearGaussian:
    """y = A x + n in time and frequency, n independent from frame to frame, of covariance level(f, t) R(f).

    Args:
        y: (mic, freq, frame) complex recording.
        response: A, (freq, mic, source) with or without memory, or with leading axes that broadcast with those of x.
        R: (..., freq, mic, mic) covariance of n.
        level: (..., freq, frame) its power over time; None: 1.
        n_iter: conjugate-gradient iterations of `proximal`, for an A with memory; without, it is exact.

    Cost: of `proximal`, O(freq frame source mic taps) an iteration; without memory O(freq frame mic^2), and O(freq frame mic^3)
    where the level changes.
    """

    def __init__(self, y: Tensor, response: Response, R: Tensor, level: Tensor | None = None, *, n_iter: int = 6) -> None:
        self.y, self.response, self.n_iter = y, response, n_iter
        self.R, self.level = R.to(y.dtype), level
        self.precision = torch.linalg.inv(self.R)

    def energy(self, x: Tensor) -> Tensor:
        """(...) sum over bins of e^H R^-1 e, e = y - A x."""
        e = self.y - self.response(x)
        energy: Tensor = (e.conj() * self._whitened(e)).real.sum((-3, -2, -1))
        return energy

    def proximal(self, x0: Tensor, variance: float | Tensor) -> Tensor:
        """argmin_x of energy(x) + sum |x - x0|^2 / variance: the mean of x0 + noise of that variance, given y.

        Args:
            x0: (..., source, freq, frame).
            variance: of shape that broadcasts with x0.
        """
        if self.response.memory == 1:
            return self._closed(x0, torch.as_tensor(variance, dtype=x0.real.dtype, device=x0.device))
        return self._iterated(x0, variance)

    def _closed(self, x0: Tensor, variance: Tensor) -> Tensor:
        A = self.response.matrix().to(x0.dtype)
        e = self.y - self.response(x0)
        if self.level is None and variance.ndim == 0:
            gain = variance * A.mH @ torch.linalg.inv(variance * (A @ A.mH) + self.R)
            return x0 + torch.einsum("...fsm,...mft->...sft", gain, e)
        # (..., freq, frame, source, ...) from here on.
        V = variance.expand(x0.shape).movedim(-3, -1).to(x0.dtype)
        R = self.R[..., None, :, :] * (1 if self.level is None else self.level[..., None, None])
        AV = A[..., None, :, :] * V[..., None, :]
        solved = torch.linalg.solve(AV @ A.mH[..., None, :, :] + R, e.movedim(-3, -1)[..., None])
        correction: Tensor = (AV.mH @ solved)[..., 0]
        return x0 + correction.movedim(-1, -3)

    def _iterated(self, x0: Tensor, variance: float | Tensor) -> Tensor:
        """Conjugate gradients on (A^H R^-1 A + 1 / v) d = A^H R^-1 (y - A x0), scaled by v."""
        scale = torch.as_tensor(variance, dtype=x0.real.dtype, device=x0.device).sqrt()

        def system(d: Tensor) -> Tensor:
            return d + scale * self.response.adjoint(self._whitened(self.response(scale * d)))

        r = scale * self.response.adjoint(self._whitened(self.y - self.response(x0)))
        d = torch.zeros_like(r)
        p, power = r, _power(r)
        for _ in range(self.n_iter):
            moved = system(p)
            step = power / (p.conj() * moved).real.sum((-3, -1), keepdim=True).clamp_min(_TINY)
            d = d + step * p
            r = r - step * moved
            power, before = _power(r), power
            p = r + (power / before.clamp_min(_TINY)) * p
        return x0 + scale * d

    def _whitened(self, e: Tensor) -> Tensor:
        white = torch.einsum("...fmn,...nft->...mft", self.precision, e)
        return white if self.level is None else white / self.level[..., None, :, :]


_TINY = 1e-30


def _power(r: Tensor) -> Tensor:
    # Every frequency is a system of its own, with steps of its own.
    return r.abs().square().sum((-3, -1), keepdim=True)


class Weighed:
    """A recording and an earlier answer V whose errors are known in size: virtual microphones that hear one source each.

    -log p = weight energy(x) + sum |x - V|^2 / error

    Args:
        recorded: of the recording.
        weight: of it; 0 forgets it.
        earlier: V, (..., source, freq, frame).
        error: E|V - x|^2, of the same shape.
    """

    def __init__(self, recorded: LinearGaussian, weight: float, earlier: Tensor, error: Tensor) -> None:
        self.recorded, self.weight, self.earlier, self.error = recorded, weight, earlier, error

    def energy(self, x: Tensor) -> Tensor:
        """(...) of both."""
        kept = ((x - self.earlier).abs().square() / self.error).sum((-3, -2, -1))
        return kept + self.weight * self.recorded.energy(x) if self.weight > 0 else kept

    def proximal(self, x0: Tensor, variance: float | Tensor) -> Tensor:
        """As of any likelihood."""
        both = 1 / (1 / variance + 1 / self.error)
        x0 = both * (x0 / variance + self.earlier / self.error)
        return self.recorded.proximal(x0, self.weight * both) if self.weight > 0 else x0


class InWaveform:
    """A likelihood in time and frequency, for sources that are samples (..., source, sample).

    Args:
        likelihood: of frames, as `to_frames` makes them.
        stft: their transform.
        n_samples: of the sources.
    """

    def __init__(self, likelihood: Likelihood, stft: STFT, n_samples: int) -> None:
        self.likelihood, self.stft, self.n_samples = likelihood, stft, n_samples

    def energy(self, x: Tensor) -> Tensor:
        """(...) that of the frames, which count every sample as often as they overlap."""
        return self.likelihood.energy(to_frames(x, self.stft)) * (self.stft.hop / self.stft.n_fft)

    def proximal(self, x0: Tensor, variance: float | Tensor) -> Tensor:
        """The samples of the frames' proximal step."""
        return to_samples(self.likelihood.proximal(to_frames(x0, self.stft), variance), self.stft, self.n_samples)


def unit(stft: STFT) -> float:
    """Unit of frames: the standard deviation of a bin for white noise of unit variance."""
    return float(stft.window.square().sum().sqrt())


def to_frames(x: Tensor, stft: STFT) -> Tensor:
    """Frames in which white noise of unit variance has unit variance."""
    frames: Tensor = stft(x)
    return frames / unit(stft)


def to_samples(frames: Tensor, stft: STFT, n_samples: int) -> Tensor:
    """The inverse of `to_frames`."""
    return stft.inverse(frames * unit(stft), n_samples)
