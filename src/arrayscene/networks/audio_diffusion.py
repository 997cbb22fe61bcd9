"""AudioDiffusionNet: a fixed array A and a trainable decoder D, so that training drives D A towards the identity."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from arrayscene.array import MicrophoneArray
from arrayscene.decoders.least_squares import filtered_inverse
from arrayscene.errors import RecordingError, ShapeError
from arrayscene.linalg import apply
from arrayscene.networks.refinement import GainNetwork
from arrayscene.response import far_field
from arrayscene.response.directions import even_azimuths
from arrayscene.stft import STFT

DEFAULT_MICS, DEFAULT_RADIUS = 6, 0.05


class AudioDiffusionNet(nn.Module):
    """Capture with an array and decode again: x -> y = A x + n -> D y.

    A holds what the array hears of every direction of a grid and never changes. D starts as Tikhonov's inverse, exactly, and is
    trained: a filter over neighbouring frames, one matrix a frequency and frame, then `GainNetwork`. With `MSELoss()(model(audio),
    audio)` training drives D A towards the identity, as far as the sensor noise and the array allow.

    Args:
        array: any array, its preset name or its file; a ring of 6 microphones, radius 5 cm, if None.
        azimuth: (source,) radians of the grid of directions; `even_azimuths(6)`, the default grid of
            `AudioDiffusionDataset`, if None.
        elevation: radians, one for all or (source,).
        snr_db: sensor noise of `capture`: mean power of what the microphones hear over the power of the noise, in dB.
        sample_rate: hertz.
        n_fft: window, samples; the hop is half of it.
        n_taps: frames that D filters, odd; as many before as after the present one.
        regularization: mu of Tikhonov's inverse from which D starts; `noise_to_signal(...)` if None.

    Shape: audio (..., source, sample) -> (..., source, sample), real. Cost: about 35 ms forward and backward for the default
    batch of 64 x 6 x 1024 samples on one core. Differentiable in audio, y and the parameters. Randomness: the noise of `capture`.

    Raises: ShapeError for a window, taps or a signal that do not fit; GeometryError for directions that no response takes.
    """

    A: Tensor

    def __init__(
        self,
        array: MicrophoneArray | str | None = None,
        *,
        azimuth: Tensor | None = None,
        elevation: Tensor | float = 0.0,
        snr_db: float = 20.0,
        sample_rate: int = 8000,
        n_fft: int = 256,
        n_taps: int = 3,
        regularization: float | None = None,
    ) -> None:
        super().__init__()
        if n_taps < 1 or n_taps % 2 == 0:
            raise ShapeError(f"AudioDiffusionNet: n_taps={n_taps} came; an odd number of frames is needed")
        if math.isnan(snr_db):
            raise ShapeError("AudioDiffusionNet: snr_db is NaN; dB, or inf for no noise, is needed")
        self.array = MicrophoneArray.circular(DEFAULT_MICS, DEFAULT_RADIUS) if array is None else MicrophoneArray.resolve(array)
        self.snr_db, self.sample_rate, self.n_taps = snr_db, sample_rate, n_taps
        self.stft = STFT(n_fft, n_fft // 2)
        azimuth = even_azimuths() if azimuth is None else azimuth
        A = far_field(self.array, azimuth, elevation, frequencies=self.stft.frequencies(sample_rate)).matrix()
        self.register_buffer("A", A.to(torch.complex64))
        self.n_mics, self.n_sources = A.shape[-2:]
        mu = noise_to_signal(A, snr_db) if regularization is None else regularization
        D = torch.zeros(self.stft.n_freqs, self.n_sources, n_taps, self.n_mics, dtype=torch.complex64)
        D[:, :, n_taps // 2] = tikhonov_inverse(A, mu).to(torch.complex64)
        # Real and imaginary parts side by side: not every optimiser and file format takes complex parameters.
        self.D = nn.Parameter(torch.view_as_real(D).contiguous())
        self.gains = GainNetwork(self.n_sources, self.stft.n_freqs)

    def forward(self, audio: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
        """`decode(capture(audio))`."""
        return self.decode(self.capture(audio, generator=generator))

    def capture(self, audio: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
        """What the microphones hear: y = A x + n, white noise at `snr_db` below the mean power of A x of each scene.

        Args:
            audio: (..., source, sample) real.
            generator: of the noise; torch's default one if None.

        Returns: (..., mic, sample).

        Raises: ShapeError for other directions or integers; RecordingError for NaN or infinite values.
        """
        self._check(audio, self.n_sources, "capture", "directions")
        X = self.stft(audio)
        y = self.stft.inverse(apply(self.A.to(X.dtype), X), audio.shape[-1])
        power = y.square().mean((-2, -1), keepdim=True)
        noise = torch.randn(y.shape, generator=generator, dtype=y.dtype, device=y.device)
        return y + noise * (power * 10.0 ** (-self.snr_db / 10.0)).sqrt()

    def decode(self, y: Tensor) -> Tensor:
        """D y: the sound from every direction of the grid.

        Args:
            y: (..., mic, sample) real; longer recordings than those of the training are decoded as well.

        Returns: (..., source, sample). Scales with y: D is told of no absolute level.

        Raises: ShapeError for other microphones or integers; RecordingError for NaN or infinite values.
        """
        self._check(y, self.n_mics, "decode", "microphones")
        lead, n_samples = y.shape[:-2], y.shape[-1]
        y = y.reshape(-1, self.n_mics, n_samples)
        # The dtype's own least number would overflow when divided by.
        level = y.square().mean((-2, -1), keepdim=True).sqrt().clamp_min(1e-15)
        Y = self.stft(y / level).permute(2, 1, 0, 3)
        n_freqs, _, n_batch, n_frames = Y.shape
        padded = nn.functional.pad(Y, (self.n_taps // 2, self.n_taps // 2))
        taps = torch.stack([padded[..., k : k + n_frames] for k in range(self.n_taps)], dim=1)
        D = torch.view_as_complex(self.D).flatten(2)
        X = (D @ taps.reshape(n_freqs, -1, n_batch * n_frames)).reshape(n_freqs, -1, n_batch, n_frames)
        power = (X.real.square() + X.imag.square()) * (2 / self.stft.n_fft)
        X = X * self.gains(power)
        return (self.stft.inverse(X.permute(2, 1, 0, 3), n_samples) * level).reshape(*lead, self.n_sources, n_samples)

    def _check(self, samples: Tensor, wanted: int, who: str, what: str) -> None:
        if samples.ndim < 2 or samples.shape[-2] != wanted or samples.shape[-1] == 0 or not samples.is_floating_point():
            raise ShapeError(
                f"AudioDiffusionNet.{who}: {samples.dtype} of shape {tuple(samples.shape)} came; floating point"
                f" (..., {wanted} {what}, sample) is needed"
            )
        if not bool(torch.isfinite(samples.detach().sum())):
            raise RecordingError(f"AudioDiffusionNet.{who}: NaN or infinite values came; leave those scenes out")


def tikhonov_inverse(A: Tensor, mu: float) -> Tensor:
    """Tikhonov's inverse D = (A^H A + mu I)^-1 A^H (..., source, mic) of A (..., mic, source)."""
    U, s, Vh = torch.linalg.svd(A, full_matrices=False)
    return filtered_inverse(U, s / (s.square() + mu), Vh)


def noise_to_signal(A: Tensor, snr_db: float) -> float:
    """The mu that is best for sources of equal power and white spectrum: noise at a microphone over the power of one source.

    mu = N mean |A|^2 10^(-SNR / 10), at least 1e-6 of that for SNR = 10 dB, where there is no noise to speak of.
    """
    heard = A.shape[-1] * float(A.abs().square().mean())
    return heard * max(10.0 ** (-snr_db / 10.0), 1e-7)
