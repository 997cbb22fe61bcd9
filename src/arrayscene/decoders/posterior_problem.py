"""One stretch of a recording as a diffusion sees it: whitened and scaled, the A that explains it, and the noise that A leaves."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple, get_args

import torch
from torch import Tensor
from torch.nn import functional

from arrayscene.decoders.microphone_noise import noise_power, white_noise
from arrayscene.decoders.start_error import local_mean, start_error
from arrayscene.diffusion import (
    InWaveform,
    Likelihood,
    LinearGaussian,
    Prior,
    Weighed,
    coloured,
    spectrum_at,
    to_frames,
    to_samples,
    unit,
    whitened,
)
from arrayscene.linalg import load_diagonal
from arrayscene.response import ConvolutiveResponse, MatrixResponse, Response, fit_convolutive
from arrayscene.stft import STFT

Method = Literal["proximal", "dps", "diffpir", "red-diff"]

METHODS: Final[tuple[Method, ...]] = get_args(Method)

QUIETEST: Final = 1e-4
"""RMS of a source, relative to the loudest, below which it is left alone."""

STEP_ITERATIONS: Final = 10
"""Conjugate-gradient iterations of the step that the start makes first."""

LEVEL_FLOOR: Final = 1e-2
"""Least power of the residual in a frame, relative to the mean over time, on top of which it follows the recording's."""


class Settings(NamedTuple):
    """Those of `DiffusionPosterior`, which explains them."""

    method: Method
    draws: int
    particles: int
    n_steps: int
    sigma: tuple[float, float]
    rho: float
    churn: float
    trust: float
    recording: float
    n_taps: int
    n_fits: int
    reference: int


class Stretch(NamedTuple):
    """What is known of a stretch before the diffusion.

    Attributes:
        samples: (..., mic, sample) the recording.
        start: (..., source, sample) the sources by another decoder; None where `response` is to be relied on.
        response: A at the frequencies of the transform; None: fitted.
        rate: hertz.
    """

    samples: Tensor
    start: Tensor | None
    response: Response | None
    rate: float


class Found(NamedTuple):
    """What is to be added to the start, and what is left open.

    Attributes:
        start: (..., source, sample), the given one or the Wiener filter's.
        mean: (..., source, sample) of the draws, less the start.
        likeliest: likewise, of the draw that explains the recording best.
        spread: (..., source, freq, frame) real standard deviation of the draws, or where A is given of the truth around their
            mean; NaN for a single one around a start, which does not tell.
        error: likewise, of the start; NaN where none was given.
    """

    start: Tensor
    mean: Tensor
    likeliest: Tensor
    spread: Tensor
    error: Tensor


def unknown(start: Tensor, stft: STFT) -> Tensor:
    """(..., source, freq, frame) NaN, for sources (..., source, sample)."""
    return start.new_full((*start.shape[:-1], stft.n_freqs, stft.n_frames(start.shape[-1])), torch.nan)


class Problem:
    """The stretch, whitened and scaled so that every source has RMS 1."""

    def __init__(self, stretch: Stretch, stft: STFT, prior: Prior, settings: Settings) -> None:
        self.stretch, self.stft, self.prior, self.settings = stretch, stft, prior, settings
        white = whitened(stretch.samples, prior, stretch.rate)
        self.level = white.square().mean((-2, -1), keepdim=True).sqrt().clamp_min(torch.finfo(white.dtype).tiny ** 0.25)
        self.y = to_frames(white / self.level, stft)
        self.R = self._noise_of(self.y)
        self.over_time: Tensor | None = None
        if stretch.start is None:
            assert stretch.response is not None
            self.response: Response = stretch.response
            frames = self._wiener()
            z = stft.inverse(frames * unit(stft), white.shape[-1])
        else:
            z = whitened(stretch.start, prior, stretch.rate) / self.level
        rms = z.square().mean(-1, keepdim=True).sqrt()
        self.scale = torch.where(rms > QUIETEST * rms.amax(-2, keepdim=True), rms, 0)
        self.z = torch.where(self.scale > 0, z / self.scale.clamp_min(1e-30), 0)
        self.origin, self.frames = self.z, to_frames(self.z, stft)
        if stretch.start is None:
            if self.response.memory == 1:
                power = self._noise_level(self.response.matrix())
                self.R = torch.diag_embed(power[..., None].expand(*power.shape, self.y.shape[-3])).to(self.y.dtype)
                self.response = _scaled(self.response, self.scale)
            else:
                self.response = _scaled(self.response, self.scale)
                self._residual_of(self.response)
        else:
            own = self.scale[..., None]
            error = start_error(self.frames * own, self.y[..., settings.reference, :, :]) / own.square().clamp_min(1e-30)
            self.error = error.clamp_min(1e-6)
            self.fit(self.z)
            self._step()

    def fit(self, z: Tensor) -> None:
        """The A that predicts the microphones from sources (..., source, sample), where it is not given, and its noise."""
        if self.stretch.start is None:
            return
        frames = to_frames(z, self.stft)
        taps = fit_convolutive(self.y, frames, self.settings.n_taps)
        # At the reference the sources are what is heard, without a filter.
        taps[..., self.settings.reference, :, :] = 0
        taps[..., self.settings.reference, :, 0] = self.scale.movedim(-2, -1)
        self.response = ConvolutiveResponse(taps.to(self.y.dtype), self._frequencies())
        self._residual_of(self.response)

    def _step(self) -> None:
        """The start, as far as its errors allow, towards what explains the recording."""
        stepped = LinearGaussian(self.y, self.response, self.R, self.over_time, n_iter=STEP_ITERATIONS)
        self.frames = stepped.proximal(self.frames, self.error)
        self.z = to_samples(self.frames, self.stft, self.z.shape[-1])
        self.fit(self.z)

    def likelihood(self) -> Likelihood:
        """Of the recording and of the start."""
        recorded = LinearGaussian(self.y, self.response, self.R, self.over_time, n_iter=4)
        n = self.z.shape[-1]
        self.recorded = InWaveform(recorded, self.stft, n)
        if self.stretch.start is None:
            return self.recorded
        terms = Weighed(recorded, self.settings.recording, self.frames, self.error / max(self.settings.trust, 1e-9))
        return InWaveform(terms, self.stft, n)

    def _not_told(self, mean: Tensor, variance: Tensor) -> Tensor:
        """Variance of the truth around the mean, from that of the draws, where A is given.

        Draws by few steps from a learnt prior are too sure of themselves, most of all where they are few. What the recording
        leaves open at least is what a Wiener filter for sources of their power, E|x|^2 = |mean|^2 + variance, does not know.
        """
        single = variance.isnan()
        power = local_mean(to_frames(mean, self.stft).abs().square()) + torch.where(single, 0, variance)
        left = torch.linalg.inv(self._told() + torch.diag_embed(1 / power.movedim(-3, -1).clamp_min(1e-9).double()))
        left = left.diagonal(dim1=-2, dim2=-1).real.movedim(-1, -3).to(variance)
        # A single draw errs as the truth does, and once more.
        return torch.where(single, 2 * left, left.maximum(variance))

    def _told(self) -> Tensor:
        """(..., freq, frame, source, source) A^H R^-1 A: how much a frame of the sources matters to all that is heard of it."""
        A = self.response
        taps = (A.taps if isinstance(A, ConvolutiveResponse) else A.matrix()[..., None]).to(torch.complex128)
        each = torch.einsum("...fmsk,...fmn,...fnrk->...fksr", taps.conj(), torch.linalg.inv(self.R.to(taps.dtype)), taps)
        n_taps, n_frames = taps.shape[-1], self.y.shape[-1]
        level = self.y.real.new_ones(1, n_frames) if self.over_time is None else self.over_time
        # What would be heard after the end tells nothing.
        weight = functional.pad(1 / level.double(), (0, n_taps - 1)).unfold(-1, n_frames, 1)
        weight = weight.expand(*weight.shape[:-3], each.shape[-4], *weight.shape[-2:])
        return torch.einsum("...fksr,...fkt->...ftsr", each, weight.to(each.dtype))

    def coloured(self, z: Tensor) -> Tensor:
        """(..., source, sample) as they are heard."""
        return coloured(z * self.scale * self.level, self.prior, self.stretch.rate)

    def found(self, x: Tensor) -> Found:
        """What comes out."""
        mean = x.mean(0)
        energy = self.recorded.energy(x)
        best = energy.argmin(0)
        picked = x.gather(0, best[None, ..., None, None].expand(1, *mean.shape))[0]
        start = self.coloured(self.z) if self.stretch.start is None else self.stretch.start
        spread = error = unknown(start, self.stft)
        gain = spectrum_at(self.prior, self._frequencies(), self.stretch.rate).to(mean)[:, None] * unit(self.stft)
        gain = gain * (self.scale * self.level)[..., None]
        if self.stretch.start is not None:
            error = self.error.sqrt() * gain
        variance = spread
        if len(x) > 1:
            apart = to_frames(x - mean, self.stft).abs().square()
            n_free = len(x) / 2 if len(x) % 2 == 0 else (len(x) - 1) / 2
            variance = local_mean(apart.sum(0) / (2 * n_free))
        if self.stretch.start is None:
            variance = self._not_told(mean, variance)
        spread = variance.sqrt() * gain
        return Found(start, self.coloured(mean - self.origin), self.coloured(picked - self.origin), spread, error)

    def _frequencies(self) -> Tensor:
        return self.stft.frequencies(self.stretch.rate)

    def _noise_of(self, e: Tensor) -> Tensor:
        R = torch.einsum("...mft,...nft->...fmn", e, e.conj()) / e.shape[-1]
        power = self.y.abs().square().mean((-3, -2, -1))[..., None, None, None]
        eye = torch.eye(R.shape[-1], dtype=R.dtype, device=R.device)
        return load_diagonal(R, 1e-2) + (1e-5 * power + 1e-12) * eye

    def _residual_of(self, response: Response) -> None:
        """Covariance of the noise, and its level over time: what A leaves of the recording is the louder the louder that is."""
        power = local_mean(self.y.abs().square().mean(-3))
        level = power + LEVEL_FLOOR * power.mean(-1, keepdim=True) + 1e-12
        e = self.y - response(self.frames)
        self.R = self._noise_of(e / level[..., None, :, :].sqrt())
        self.over_time = level

    def _noise_level(self, A: Tensor) -> Tensor:
        """(..., freq) power of the microphones' noise."""
        if A.shape[-1] < A.shape[-2]:
            return noise_power(self.y, A)
        # Sources of some power explain noise as well as any where they fill all of what the microphones hear.
        colour = spectrum_at(self.prior, self._frequencies(), self.stretch.rate).square()
        return white_noise(self.y, colour)[..., None] / colour

    def _wiener(self) -> Tensor:
        """(..., source, freq, frame) sources of the spectrum of speech, from the given A, for noise 20 dB below the recording."""
        n_mics = self.y.shape[-3]
        power = self.y.abs().square().mean((-3, -2, -1))[..., None, None, None]
        A = self.response.matrix().to(self.y.dtype)
        R = 1e-2 * torch.where(power > 0, power, 1) * torch.eye(n_mics, dtype=self.y.dtype, device=self.y.device)
        zero = self.y.new_zeros((*self.y.shape[:-3], A.shape[-1], *self.y.shape[-2:]))
        return LinearGaussian(self.y, self.response, R.expand(*R.shape[:-3], A.shape[-3], n_mics, n_mics)).proximal(zero, 1.0)


def _scaled(response: Response, scale: Tensor) -> Response:
    """A for sources that were divided by scale (..., source, 1)."""
    if isinstance(response, ConvolutiveResponse):
        return ConvolutiveResponse(response.taps * scale[..., None, None, :, :], response.frequencies)
    return MatrixResponse(response.matrix() * scale.movedim(-2, -1)[..., None, :, :], response.frequencies)
