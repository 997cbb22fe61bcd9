"""Cross-spectral matrices by Welch's method: what every map is made from."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from arrayscene.errors import RecordingError, ShapeError
from arrayscene.recording import Recording

Progress = Callable[[str, float], None]

RESOLUTION = 30.0
"""Hertz at most from bin to bin unless a window is asked for: five bins in the third octave of 630 Hz."""

_BLOCK_SECONDS = 5.0


@dataclass(frozen=True)
class CrossSpectra:
    """Cross-spectral matrices of a recording.

    Attributes:
        matrices: (freq, mic, mic) complex128, Hermitian; the diagonal is the mean square of each channel in each bin, so that its
            sum over all bins is the channel's mean square.
        frequencies: (freq,) hertz, float64, bin centres.
        bin_width: hertz from bin to bin.
        n_averages: windows averaged.
        start, duration: the stretch of the recording, seconds.
    """

    matrices: Tensor
    frequencies: Tensor
    bin_width: float
    n_averages: int
    start: float = 0.0
    duration: float = 0.0

    @property
    def n_mics(self) -> int:
        """Number of microphones."""
        return self.matrices.shape[-1]

    def between(self, low: float, high: float) -> CrossSpectra:
        """The bins that reach into low to high hertz.

        Raises: ShapeError where there is none.
        """
        half = self.bin_width / 2
        kept = (self.frequencies + half > low) & (self.frequencies - half < high)
        if not bool(kept.any()):
            raise ShapeError(
                f"cross spectra: {low:g} to {high:g} Hz was asked for; there are bins from {float(self.frequencies[0]):g} to"
                f" {float(self.frequencies[-1]):g} Hz"
            )
        return CrossSpectra(
            self.matrices[kept], self.frequencies[kept], self.bin_width, self.n_averages, self.start, self.duration
        )


def cross_spectra(
    recording: Recording,
    *,
    n_fft: int | None = None,
    lowest: float = 0.0,
    highest: float = math.inf,
    start: float = 0.0,
    progress: Progress | None = None,
) -> CrossSpectra:
    """Cross-spectral matrices of a recording, block by block.

    C(f) = g / T sum_t Y(f, t) Y(f, t)^H, with Hann windows w that overlap by half, T the number of windows that fit, and
    g = 2 / (n_fft sum_n w(n)^2), 1 / (n_fft sum_n w(n)^2) at 0 and the Nyquist frequency.

    Args:
        recording: (mic, sample), in pascal or relative to full scale.
        n_fft: samples a window, even; None: a power of two with at most 30 Hz from bin to bin.
        lowest: hertz; bins below are left out.
        highest: hertz; bins above are left out.
        start: seconds, where the recording lies in a longer one; only noted.
        progress: called with the step's name and the fraction of it that is done.

    Raises:
        RecordingError: fewer than two microphones, shorter than one window, samples that are not finite, or silence.
        ShapeError: an odd or tiny window, or a range without a bin, such as above the Nyquist frequency.

    Cost: O(mic^2 sample), memory of a few seconds of sound and the matrices.

    Reference: P. D. Welch, "The use of fast Fourier transform for the estimation of power spectra", 1967.
    """
    rate = recording.sample_rate
    n_fft = 2 ** math.ceil(math.log2(rate / RESOLUTION)) if n_fft is None else n_fft
    if n_fft < 16 or n_fft % 2:
        raise ShapeError(f"cross_spectra: n_fft = {n_fft} came; an even number of at least 16 samples is needed")
    if recording.n_mics < 2:
        raise RecordingError("cross_spectra: 1 channel came; a map needs at least 2 microphones, and is useful from about 8 on")
    if recording.n_samples < n_fft:
        raise RecordingError(
            f"cross_spectra: {recording.n_samples} samples came; at least one window of {n_fft} is needed: record longer or take"
            " a smaller n_fft"
        )
    frequencies = torch.arange(n_fft // 2 + 1, dtype=torch.float64) * (rate / n_fft)
    half = rate / n_fft / 2
    kept = torch.nonzero((frequencies + half > lowest) & (frequencies - half < highest)).flatten()
    if not len(kept) or lowest >= rate / 2:
        raise ShapeError(
            f"cross_spectra: {lowest:g} to {highest:g} Hz was asked for; a recording at {rate} Hz reaches to {rate / 2:g} Hz"
        )
    window = torch.hann_window(n_fft, periodic=True, dtype=torch.float64)
    one_sided = torch.where((kept == 0) | (kept == n_fft // 2), 1.0, 2.0).to(torch.float64)
    scale = one_sided / (n_fft * window.square().sum())
    matrices = torch.zeros((len(kept), recording.n_mics, recording.n_mics), dtype=torch.complex128)
    hop, n_averages = n_fft // 2, 0
    # A block begins where the next window of the one before it would have begun.
    length = max(1, round(_BLOCK_SECONDS * rate / hop)) * hop + n_fft - hop
    for first, block in recording.blocks(length / rate, (n_fft - hop) / rate):
        samples = block.samples
        if not np.isfinite(samples).all():
            raise RecordingError("cross_spectra: the recording has samples that are not finite; mend or cut them out")
        if samples.shape[1] < n_fft:
            break
        frames = torch.from_numpy(samples).unfold(-1, n_fft, hop) * window.to(torch.float32)
        spectra = torch.fft.rfft(frames)[..., kept].permute(2, 0, 1).contiguous()
        matrices += (spectra @ spectra.mH).to(torch.complex128)
        n_averages += spectra.shape[-1]
        if progress is not None:
            progress("cross spectra", min(1.0, (first + samples.shape[1]) / recording.n_samples))
    matrices *= (scale / n_averages)[:, None, None]
    matrices = (matrices + matrices.mH) / 2
    powers = matrices.diagonal(dim1=-2, dim2=-1).real
    if not float(powers.sum()) > 0.0:
        raise RecordingError("cross_spectra: the recording is silent in this range; nothing can be located")
    return CrossSpectra(matrices, frequencies[kept], rate / n_fft, n_averages, start, recording.duration)
