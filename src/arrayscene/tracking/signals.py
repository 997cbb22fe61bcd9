"""What each tracked source sounds like: any decoder, steered anew in every short block."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from arrayscene.choice import choose
from arrayscene.errors import GeometryError, ShapeError
from arrayscene.health import check
from arrayscene.localize.grid import to_angles
from arrayscene.preparing import usable, with_array
from arrayscene.recording import Recording
from arrayscene.response import far_field
from arrayscene.tracking.tracks import Track, Tracks

BLOCK_SECONDS = 2.0
"""Long enough to learn what tells sources apart, short enough for a walker to be almost where it was."""

LEAST_SECONDS = 0.1
"""A source that sounds for less in a block is left out of it."""


def separate(
    recording: Recording,
    tracks: Tracks,
    *,
    method: str = "auto",
    block_seconds: float = BLOCK_SECONDS,
    progress: Callable[[str, float], None] | None = None,
) -> NDArray[np.float32]:
    """Decode sources that move: in every block from where each of them is on average, cross-faded from block to block.

    Args:
        recording: which the tracks are of, with its array.
        tracks: what `track` returned.
        method: decoder, one of `arrayscene.choice.METHODS`; "auto" chooses for every block.
        block_seconds: length of a block; blocks overlap by half.
        progress: called with "decode" and the fraction done.

    Returns:
        (track, sample) each as heard at the first working microphone, in the order of the tracks; silent where it is not there.

    Raises:
        RecordingError, GeometryError: as `track`.
        ShapeError: an unknown method, one that cannot separate so many sources, or a block that is too short.

    Cost: twice the decoder's, since blocks overlap; memory for the signals and one block.
    """
    report = progress or (lambda step, fraction: None)
    recording = with_array(recording, tracks.array if recording.array is None else None, job="separate", shortest=0.1)
    if not block_seconds >= 0.5:
        raise ShapeError(f"separate: blocks of {block_seconds} s came; 0.5 s or more is needed")
    if abs(recording.duration - tracks.duration) > 1.0:
        raise GeometryError(
            f"separate: tracks of {tracks.duration:.1f} s and a recording of {recording.duration:.1f} s came; they must belong"
            " together"
        )
    health = check(recording)
    good = usable(recording, health.good, job="separate").equalized()
    dc = health.dc[list(health.good)].astype(np.float32)[:, None]
    signals = np.zeros((len(tracks.tracks), good.n_samples), np.float32)
    weight = np.zeros(good.n_samples, np.float32)
    rate = good.sample_rate
    with torch.inference_mode():
        for start, block in good.blocks(block_seconds, block_seconds / 2):
            report("decode", start / good.n_samples)
            stop = start + block.n_samples
            fade = _fade(stop - start, start == 0, stop == good.n_samples)
            weight[start:stop] += fade
            here = [_place(one, start / rate, stop / rate, tracks.frame_seconds) for one in tracks.tracks]
            ids = [n for n, place in enumerate(here) if place is not None]
            if ids:
                places = np.array([place for place in here if place is not None])
                signals[ids, start:stop] += fade * _decoded(block, block.samples - dc, places, method)
    report("decode", 1.0)
    signals /= np.maximum(weight, np.float32(1e-6))
    return signals


def _place(track: Track, start: float, stop: float, frame_seconds: float) -> NDArray[np.float64] | None:
    """(3,) mean direction while it sounds in a stretch; None where it hardly does."""
    sounds = (track.times >= start) & (track.times < stop) & track.active
    if sounds.sum() * frame_seconds < LEAST_SECONDS:
        return None
    mean = track.vectors()[sounds].sum(axis=0)
    return np.asarray(mean / max(float(np.linalg.norm(mean)), 1e-12))


def _decoded(block: Recording, samples: NDArray[Any], places: NDArray[np.float64], method: str) -> NDArray[np.float32]:
    """(source, sample) of one block."""
    assert block.array is not None
    n, rate = samples.shape[1], block.sample_rate
    choice = choose(method, n_mics=block.n_mics, n_sources=len(places), duration=n / rate, sample_rate=rate)
    rows = list(block.array.spread(choice.max_mics or block.n_mics))
    azimuth, elevation = (torch.from_numpy(angle) for angle in to_angles(places))
    y = choice.stft(torch.from_numpy(np.ascontiguousarray(samples[rows])))
    if not bool(y.abs().any()):
        return np.zeros((len(places), n), np.float32)
    response = far_field(block.array.select(rows), azimuth, elevation, frequencies=choice.stft.frequencies(rate))
    signals: NDArray[np.float32] = choice.stft.inverse(choice.make(None)(y, response).x, n).numpy()
    return signals


def _fade(n: int, first: bool, last: bool) -> NDArray[np.float32]:
    """(sample,) weight of a block: a Hann window, flat towards the ends of the recording."""
    window = np.hanning(n + 2)[1:-1].astype(np.float32) + np.float32(1e-3)
    if first:
        window[: n // 2] = 1
    if last:
        window[n // 2 :] = 1
    return window
