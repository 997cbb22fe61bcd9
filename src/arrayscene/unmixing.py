"""Second pass over a recording: decode every block, join the signals, and keep account of what is left unexplained."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from arrayscene.array import MicrophoneArray
from arrayscene.choice import Choice
from arrayscene.decoders import DiffusionPosterior, DiffusionWarning, Estimate
from arrayscene.decoders.linear import relative_to
from arrayscene.decoders.reliability import SENSOR_NOISE, best_reliability
from arrayscene.diarisation import cut
from arrayscene.linalg import load_diagonal, squared_abs
from arrayscene.listening import Heard, block_count, blocks
from arrayscene.recording import Recording
from arrayscene.response import Response, far_field
from arrayscene.scene import Reliability, Uncertainty
from arrayscene.spread_grid import SpreadGrid
from arrayscene.stft import STFT

FADE_SECONDS, TAIL_SECONDS = 0.05, 0.2
"""How long sources whose stretches are known fade in and out, and how long after a stretch they are still heard."""


class Unmixed(NamedTuple):
    """What the second pass made.

    Attributes:
        signals: (source, sample) as heard at the reference microphone, the first.
        mixture: (sample,) what that microphone heard.
        agreement: (source,) 0 to 1, how far the A that was found resembles the far-field response to the source's direction.
        reliability: per frequency.
        residual_db: energy of y - A x over that of y, all frequencies together, none counted as worse than unexplained, so 0 at
            most; nan for silence.
        n_used: microphones that were decoded.
        uncertainty: of each source, where the decoder says; else nothing.
        remarks: sentences of a decoder that stopped early.
    """

    signals: NDArray[np.float32]
    mixture: NDArray[np.float32]
    agreement: NDArray[np.float64]
    reliability: Reliability
    residual_db: float
    n_used: int
    uncertainty: Sequence[Uncertainty] = ()
    remarks: Sequence[str] = ()


def unmix(
    recording: Recording,
    dc: NDArray[Any],
    heard: Heard,
    choice: Choice,
    activity: Mapping[str, NDArray[Any]] | None,
    report: Callable[[str, float], None],
    stopped: Callable[[], bool] | None = None,
) -> Unmixed:
    """Decode the sources of every block from their directions and join them.

    Args:
        recording: working channels, with their array.
        dc: (mic,) offsets to subtract.
        heard: sources and the blocks in which they sound.
        choice: decoder and transform.
        activity: of each source, by name, (segment, 2) start and end in seconds, if known; it is silent outside of them.
        report: progress.
        stopped: asked after every step of a diffusion; once it says so, the best so far comes out.

    Cost: the decoder's; memory for one block and for all sources' signals.
    """
    assert recording.array is not None
    rows = recording.array.spread(choice.max_mics or recording.n_mics)
    array = recording.array.select(rows)
    account = Account(choice.stft, recording.sample_rate, array, heard.azimuth, heard.elevation)
    signals = np.zeros((len(heard.azimuth), recording.n_samples), np.float32)
    mixture = np.zeros(recording.n_samples, np.float32)
    n_blocks, done = block_count(recording), 0
    spread = SpreadGrid(len(heard.azimuth), choice.stft, recording.sample_rate, recording.duration)
    remarks: list[str] = []
    draws = 0
    decoder = choice.make(None) if activity is None else None
    for number, (start, samples) in enumerate(blocks(recording, dc)):
        report("decode", number / n_blocks)
        stop = start + samples.shape[-1]
        # What was decoded before fades out over the overlap while this block fades in.
        fade = np.ones(stop - start, np.float32)
        fade[: done - start] = (np.arange(done - start) + 0.5) / max(done - start, 1)
        mixture[done:stop] = samples[0, done - start :]
        signals[:, start:done] *= 1 - fade[: done - start]
        ids = heard.active[number]
        y = choice.stft(torch.from_numpy(np.ascontiguousarray(samples[rows])))
        if ids and np.any(samples[rows]):
            frequencies = choice.stft.frequencies(recording.sample_rate)
            response = far_field(
                array, torch.tensor(heard.azimuth[ids]), torch.tensor(heard.elevation[ids]), frequencies=frequencies
            )
            if activity is not None:
                decoder = choice.make(_within(activity, ids, start / recording.sample_rate, stop / recording.sample_rate))
            assert decoder is not None
            if isinstance(decoder, DiffusionPosterior):
                decoder.progress, decoder.stop = partial(_within_block, report, number, n_blocks), stopped
                draws = decoder.settings.draws
                remarks += _resampled(decoder.prior.sample_rate, recording.sample_rate)
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always", DiffusionWarning)
                estimate = decoder(y, response)
            remarks += _remarks(caught)
            signals[ids, start:stop] += choice.stft.inverse(estimate.x, stop - start).numpy() * fade
            account.add(y, estimate, response, ids)
            if "spread" in estimate.stats:
                spread.add(estimate.x, estimate.stats["spread"], ids, start / recording.sample_rate)
        else:
            account.add_unexplained(y)
        done = stop
    for signal, stretches in zip(signals, (activity or {}).values(), strict=False):
        _silence_outside(signal, stretches, recording.sample_rate)
    report("decode", 1.0)
    return Unmixed(
        signals,
        mixture,
        account.agreement(),
        account.reliability(),
        account.residual_db(),
        len(rows),
        spread.found(draws),
        # A block says again what the one before has said.
        list(dict.fromkeys(remarks)),
    )


def _within_block(report: Callable[[str, float], None], number: int, n_blocks: int, fraction: float) -> None:
    report("decode", (number + fraction) / n_blocks)


def _resampled(known: int, rate: int) -> list[str]:
    """What a prior of another rate than the recording's means."""
    if known == rate:
        return []
    kept = "" if known > rate else f"; above {known / 2000:g} kHz the sources are those that the draws began with"
    return [f"The prior knows speech of {known} Hz: the recording of {rate} Hz was resampled for the draws and back{kept}."]


def _remarks(caught: Sequence[warnings.WarningMessage]) -> list[str]:
    """What a diffusion said; other warnings go on as they would have."""
    said = []
    for warning in caught:
        if issubclass(warning.category, DiffusionWarning):
            words = str(warning.message)
            said.append(f"{words[:1].upper()}{words[1:]}.")
        else:
            warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
    return said


def _within(activity: Mapping[str, NDArray[Any]], ids: list[int], start: float, stop: float) -> list[NDArray[np.float64]]:
    """Stretches of the sources of one block, in its own seconds."""
    stretches = list(activity.values())
    return [cut(stretches[n], start, stop) for n in ids]


def _silence_outside(signal: NDArray[np.float32], stretches: NDArray[Any], sample_rate: int) -> None:
    """Fade a source out where it does not sound; its reverberation may still be heard for a while."""
    gain = np.zeros(len(signal), np.float32)
    fade = max(round(FADE_SECONDS * sample_rate), 1)
    for start, stop in np.reshape(stretches, (-1, 2)):
        first, last = round(start * sample_rate) - fade, round((stop + TAIL_SECONDS) * sample_rate) + fade
        sample = np.arange(max(first, 0), min(last, len(signal)))
        ramp = np.minimum(np.minimum(sample - first, last - sample) / fade, 1)
        gain[sample] = np.maximum(gain[sample], ramp)
    signal *= gain


class Account:
    """Sums, over blocks, of what the reliability and the agreement are made of.

    Args:
        stft: of the frames.
        sample_rate: hertz.
        array: the microphones that are decoded.
        azimuth, elevation: (source,) radians, of the whole recording.
    """

    def __init__(
        self, stft: STFT, sample_rate: int, array: MicrophoneArray, azimuth: NDArray[Any], elevation: NDArray[Any]
    ) -> None:
        n = stft.n_freqs
        self.frequencies = stft.frequencies(sample_rate)
        limits = array.aliasing_limits(azimuth, elevation, highest=sample_rate / 2)
        self.aliasing_hz = float(np.min(limits, initial=np.inf))
        self.heard, self.left = np.zeros(n), np.zeros(n)
        self.condition_db, self.gain_db, self.trust, self.n_blocks = np.zeros(n), np.zeros(n), np.zeros(n), 0
        self.match, self.weight = np.zeros(len(azimuth)), np.zeros(len(azimuth))

    def add(self, y: Tensor, estimate: Estimate, response: Response, ids: list[int]) -> None:
        """Take in a block: frames (mic, freq, frame), what was made of them, the response to the directions, which sources."""
        x, found, _ = estimate
        A, steering = (response if found is None else found).matrix(), response.matrix()
        explained = torch.einsum("fms,sft->mft", A.to(x.dtype), x)
        heard, left = _power(y), _power(y - explained)
        self.heard += heard
        # In few frames the A of single bins may be far off, and A x larger than y: such a bin is not explained, and no worse.
        self.left += np.minimum(left, heard)
        self.condition_db += 20 * np.log10(np.clip(torch.linalg.cond(A).numpy(), 1, 1e6))
        gain = torch.linalg.inv(load_diagonal(A.mH @ A, 1e-9)).diagonal(dim1=-2, dim2=-1).real.amax(-1)
        apart = A.shape[-1] <= A.shape[-2]
        self.gain_db += 10 * np.log10(np.clip(gain.numpy(), 1e-6, 1e9)) if apart else np.inf
        # What the sources leave is the noise that the reliability is judged against, and no less than a microphone's own.
        power = squared_abs(x).sum(-1).T.double()
        noise = torch.from_numpy(left) / len(y) / power.mean(-1).clamp_min(1e-30)
        self.trust += best_reliability(A, noise.clamp(SENSOR_NOISE, 1e6)).mean(-1).numpy()
        self.n_blocks += 1
        # Compared where the array has neither lost all phase nor begun to alias.
        band = (self.frequencies > 300) & (self.frequencies < min(max(self.aliasing_hz, 1000.0), 6000.0))
        A, steering = A[band], relative_to(steering[band], 0)
        power = power[band]
        alike = squared_abs((A.conj() * steering).sum(-2))
        alike = alike / (squared_abs(A).sum(-2) * squared_abs(steering).sum(-2)).clamp_min(1e-30)
        chance = 1 / A.shape[-2]
        self.match[ids] += (power * ((alike - chance) / (1 - chance)).clamp(0, 1)).sum(0).numpy()
        self.weight[ids] += power.sum(0).numpy()

    def add_unexplained(self, y: Tensor) -> None:
        """Take in a block in which no source sounds."""
        self.heard += _power(y)
        self.left += _power(y)

    def agreement(self) -> NDArray[np.float64]:
        """(source,) as of `Unmixed`."""
        return np.clip(self.match / np.maximum(self.weight, 1e-30), 0, 1)

    def residual_db(self) -> float:
        """As of `Unmixed`."""
        heard = self.heard.sum()
        return 10 * float(np.log10(max(self.left.sum() / heard, 1e-12))) if heard > 0 else float("nan")

    def reliability(self) -> Reliability:
        """Means over the blocks."""
        n = max(self.n_blocks, 1)
        return Reliability(
            frequencies=self.frequencies.numpy(),
            reliability=self.trust / n,
            residual_db=10 * np.log10(np.maximum(self.left, 1e-12 * self.heard) + 1e-30) - 10 * np.log10(self.heard + 1e-30),
            condition=10 ** (self.condition_db / n / 20),
            noise_gain_db=self.gain_db / n,
            aliasing_hz=self.aliasing_hz,
        )


def _power(frames: Tensor) -> NDArray[np.float64]:
    """(freq,) energy over microphones and frames."""
    return squared_abs(frames).sum(dim=(0, 2)).double().numpy()
