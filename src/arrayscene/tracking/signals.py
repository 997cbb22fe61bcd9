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
from arrayscene.networks import SceneNet
from arrayscene.preparing import usable, with_array
from arrayscene.recording import Recording
from arrayscene.response import far_field
from arrayscene.tracking.tracks import Track, Tracks
from arrayscene.unmixing import Account, Unmixed

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
        method: decoder, one of `arrayscene.methods.METHODS`; "auto" chooses for every block.
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
    dc = health.dc[list(health.good)]
    with torch.inference_mode():
        return unmix_tracks(good, dc, tracks, method=method, block_seconds=block_seconds, report=report).signals


def unmix_tracks(
    good: Recording,
    dc: NDArray[Any],
    tracks: Tracks,
    *,
    method: str = "auto",
    network: SceneNet | None = None,
    block_seconds: float = BLOCK_SECONDS,
    report: Callable[[str, float], None],
) -> Unmixed:
    """As `separate`, of working channels, with the account of what is left unexplained.

    Args:
        good: working channels, with their array.
        dc: (mic,) offsets to subtract.
        tracks: of this recording.
        method: as for `separate`.
        network: what the method refines with; None: the one that the package ships.
        block_seconds: length of a block.
        report: progress.
    """
    assert good.array is not None
    rate, n_tracks = good.sample_rate, len(tracks.tracks)
    azimuth, elevation = mean_directions(tracks)
    usual = choose(method, n_mics=good.n_mics, n_sources=min(n_tracks, 2), duration=block_seconds, sample_rate=rate)
    rows = list(good.array.spread(usual.max_mics or good.n_mics))
    array = good.array.select(rows)
    account = Account(usual.stft, rate, array, azimuth, elevation)
    signals = np.zeros((n_tracks, good.n_samples), np.float32)
    mixture, weight = np.zeros(good.n_samples, np.float32), np.zeros(good.n_samples, np.float32)
    for start, block in good.blocks(block_seconds, block_seconds / 2):
        report("decode", start / good.n_samples)
        stop = start + block.n_samples
        fade = _fade(stop - start, start == 0, stop == good.n_samples)
        weight[start:stop] += fade
        samples = block.samples - dc[:, None].astype(np.float32)
        mixture[start:stop] = samples[0]
        here = [_place(one, start / rate, stop / rate, tracks.frame_seconds) for one in tracks.tracks]
        ids = [n for n, place in enumerate(here) if place is not None]
        choice = choose(
            method, n_mics=good.n_mics, n_sources=len(ids), duration=(stop - start) / rate, sample_rate=rate, network=network
        )
        y = choice.stft(torch.from_numpy(np.ascontiguousarray(samples[rows])))
        # The last block may be too short for the usual windows; the one before it covers most of it.
        counts = choice.stft.n_freqs == usual.stft.n_freqs
        if ids and bool(y.abs().any()):
            places = to_angles(np.array([place for place in here if place is not None]))
            frequencies = choice.stft.frequencies(rate)
            response = far_field(array, *(torch.from_numpy(angle) for angle in places), frequencies=frequencies)
            estimate = choice.make(None)(y, response)
            signals[ids, start:stop] += fade * choice.stft.inverse(estimate.x, stop - start).numpy()
            if counts:
                account.add(y, estimate, response, ids)
        elif counts:
            account.add_unexplained(y)
    report("decode", 1.0)
    signals /= np.maximum(weight, np.float32(1e-6))
    return Unmixed(signals, mixture, account.agreement(), account.reliability(), account.residual_db(), len(rows))


def mean_directions(tracks: Tracks) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(track,) azimuth and elevation in radians of the mean direction of each track while it sounds."""
    means = [one.vectors()[one.active].sum(axis=0) for one in tracks.tracks]
    azimuth, elevation = to_angles(np.array(means, np.float64).reshape(-1, 3))
    return np.asarray(azimuth), np.asarray(elevation)


def _place(track: Track, start: float, stop: float, frame_seconds: float) -> NDArray[np.float64] | None:
    """(3,) mean direction while it sounds in a stretch; None where it hardly does."""
    sounds = (track.times >= start) & (track.times < stop) & track.active
    if sounds.sum() * frame_seconds < LEAST_SECONDS:
        return None
    mean = track.vectors()[sounds].sum(axis=0)
    return np.asarray(mean / max(float(np.linalg.norm(mean)), 1e-12))


def _fade(n: int, first: bool, last: bool) -> NDArray[np.float32]:
    """(sample,) weight of a block: a Hann window, flat towards the ends of the recording."""
    window = np.hanning(n + 2)[1:-1].astype(np.float32) + np.float32(1e-3)
    if first:
        window[: n // 2] = 1
    if last:
        window[n // 2 :] = 1
    return window
