"""AudioDiffusionNet: a fixed array A and a trainable decoder D, so that training drives D A towards the identity."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from arrayscene.array import MicrophoneArray
from arrayscene.errors import GeometryError, RecordingError, ShapeError
from arrayscene.linalg import filtered_inverse
from arrayscene.networks.refinement import GainNetwork
from arrayscene.response import even_azimuths, far_field
from arrayscene.stft import STFT

DEFAULT_MICS, DEFAULT_RADIUS = 4, 0.05


class AudioDiffusionNet(nn.Module):
    """Capture with an array and decode again: x -> y = A x + n -> D y.

    A holds what the array hears of every direction of a grid and never changes. It is applied in windows, which for the default
    array differs from exact delays by less than -70 dB. D starts as Tikhonov's inverse, exactly, and is trained: a filter over
    neighbouring frames, one matrix a frequency and frame, and the gains of a `GainNetwork` after it. The loss
    `MSELoss()(model(audio), audio)` drives D A towards the identity, as far as the sensor noise and the array allow.

    Args:
        array: any array, its preset name or its file; a ring of 4 microphones, radius 5 cm, if None.
        azimuth: (source,) radians of the grid of directions; front, left, back and right, as of `AudioDiffusionDataset`, if None.
        elevation: radians, one for all or (source,).
        snr_db: sensor noise of `capture`: mean power of what the microphones hear over the power of the noise, in dB.
        sample_rate: hertz.
        n_fft: window, samples; the hop is half of it.
        n_taps: frames that D filters, odd; as many before as after the present one.
        regularization: mu of Tikhonov's inverse from which D starts, above 0; `noise_to_signal(A, snr_db)` if None.

    Shape: audio (..., source, sample) -> (..., source, sample), real. Cost: a step of training with 64 x 4 x 768 samples takes
    about 40 ms on one core. Differentiable in the parameters, audio and y; what the gains see and how loud the noise is count as
    given. Randomness: the noise of `capture`.

    Raises: ShapeError for taps, an SNR or a regularization that cannot be, and for signals that do not fit; GeometryError for an
    array or directions that cannot be, and by `load_state_dict` for weights that were trained with another A.
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
        if not snr_db > -math.inf or (regularization is not None and not regularization > 0):
            raise ShapeError(
                f"AudioDiffusionNet: snr_db={snr_db}, regularization={regularization} came; dB (inf for no noise) and a number"
                " above 0 are needed"
            )
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
        self.register_load_state_dict_pre_hook(_refuse_other_arrays)  # type: ignore[no-untyped-call]

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
        n_samples, lead = audio.shape[-1], audio.shape[:-2]
        X = self.stft(audio.reshape(-1, self.n_sources, n_samples)).permute(2, 1, 0, 3)
        Y = (self.A.to(X.dtype) @ X.flatten(2)).reshape(len(X), self.n_mics, *X.shape[2:])
        y = self.stft.inverse(Y.permute(2, 1, 0, 3), n_samples).reshape(*lead, self.n_mics, n_samples)
        power = y.detach().square().mean((-2, -1), keepdim=True)
        noise = torch.randn(y.shape, generator=generator, dtype=y.dtype, device=y.device)
        heard: Tensor = y + noise * (power * 10.0 ** (-self.snr_db / 10.0)).sqrt()
        return heard

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
        # The root has no slope at 0, and the dtype's own least number would overflow when divided by.
        level = y.square().mean((-2, -1), keepdim=True).clamp_min(1e-30).sqrt()
        real, imaginary = self._filter(self.stft(y / level)).unbind(1)
        # The gains look at D y and do not train D through what they see: a second way back would cost more than it brings.
        power = (real.detach().square() + imaginary.detach().square()) * (2 / self.stft.n_fft)
        gain = self.gains(power)
        X = torch.complex(real * gain, imaginary * gain).permute(2, 1, 0, 3)
        x: Tensor = self.stft.inverse(X, n_samples) * level
        return x.reshape(*lead, self.n_sources, n_samples)

    def _filter(self, Y: Tensor) -> Tensor:
        """The linear part of D: frames (batch, mic, freq, frame) to (freq, 2, source, batch, frame), real and imaginary parts.

        In real numbers, because the gradients of complex products copy their factors to conjugate them.
        """
        n_batch, _, n_freqs, n_frames = Y.shape
        # One frame after the other in memory, all frequencies outside: each is one product of matrices.
        parts = torch.view_as_real(Y).permute(2, 4, 1, 0, 3)
        reach = self.n_taps // 2
        padded = nn.functional.pad(parts, (reach, reach))
        taps = torch.stack([padded[..., k : k + n_frames] for k in range(self.n_taps)], dim=1)
        real, imaginary = self.D.unbind(-1)
        rows = torch.stack([torch.stack([real, -imaginary], 3), torch.stack([imaginary, real], 3)], 1)
        X = rows.reshape(n_freqs, 2 * self.n_sources, -1) @ taps.reshape(n_freqs, -1, n_batch * n_frames)
        return X.reshape(n_freqs, 2, self.n_sources, n_batch, n_frames)

    def _check(self, samples: Tensor, wanted: int, who: str, what: str) -> None:
        if samples.ndim < 2 or samples.shape[-2] != wanted or samples.shape[-1] == 0 or not samples.is_floating_point():
            raise ShapeError(
                f"AudioDiffusionNet.{who}: {samples.dtype} of shape {tuple(samples.shape)} came; floating point"
                f" (..., {wanted} {what}, sample) is needed"
            )
        # The sum is quick to look at; where it overflows, every value decides.
        if not bool(torch.isfinite(samples.detach().sum())) and not bool(torch.isfinite(samples).all()):
            raise RecordingError(f"AudioDiffusionNet.{who}: NaN or infinite values came; leave those scenes out")


def _refuse_other_arrays(model: nn.Module, state: Mapping[str, Tensor], prefix: str, *_: object) -> None:
    A = state.get(f"{prefix}A")
    known = model.A
    assert isinstance(known, Tensor)
    if A is not None and A.shape == known.shape and not known.is_meta and not torch.allclose(A.to(known), known, atol=1e-4):
        raise GeometryError(
            "AudioDiffusionNet: weights came that were trained with another array, grid of directions or rate; make the network"
            " with those, or train it anew"
        )


def tikhonov_inverse(A: Tensor, mu: float) -> Tensor:
    """D = (A^H A + mu I)^-1 A^H (..., source, mic) of A (..., mic, source)."""
    U, s, Vh = torch.linalg.svd(A, full_matrices=False)
    return filtered_inverse(U, s / (s.square() + mu), Vh)


def noise_to_signal(A: Tensor, snr_db: float) -> float:
    """The mu of least error for N white sources of equal power: noise at a microphone over the power of one source.

    mu = N mean |A|^2 10^(-SNR / 10), with the SNR taken as 70 dB at most, so that an A of deficient rank stays solvable.

    Args:
        A: (..., mic, source).
        snr_db: mean power of A x over the power of the noise.

    Reference: for Tikhonov's inverse as the Wiener filter of such sources: A. Tarantola, "Inverse Problem Theory", 2005, ch. 3.
    """
    ratio: float = max(10.0 ** (-snr_db / 10.0), 1e-7)
    return A.shape[-1] * float(A.abs().square().mean()) * ratio
