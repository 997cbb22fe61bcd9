"""A recording in, its tracks out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from arrayscene.arguments import check_whole
from arrayscene.array import MicrophoneArray
from arrayscene.constants import SPEED_OF_SOUND
from arrayscene.diagnosis import suspicion
from arrayscene.health import Health, check
from arrayscene.localize import Grid
from arrayscene.localize.narrow_band import is_narrow
from arrayscene.localize.srp import LOWEST_HZ
from arrayscene.localize.viewpoints import SCATTERED
from arrayscene.notices import suspicions
from arrayscene.preparing import usable, with_array
from arrayscene.recording import Recording
from arrayscene.tracking.follow import Followed, Follower, usual_config
from arrayscene.tracking.looking_back import tracks_of
from arrayscene.tracking.overhead import is_level, overhead
from arrayscene.tracking.tracker import TrackerConfig
from arrayscene.tracking.tracks import Track, Tracks
from arrayscene.tracking.voices import heard_again

Progress = Callable[[str, float], None]

SHORTEST = 0.1
"""Seconds; less holds no frame of detections."""

BLOCK_SECONDS = 10.0
"""Read at a time."""


def track(
    recording: Recording | str | Path | Sequence[str | Path],
    array: MicrophoneArray | str | Path | None = None,
    *,
    max_sources: int | None = None,
    config: TrackerConfig | None = None,
    progress: Progress | None = None,
) -> Tracks:
    """Follow every source through a recording: where it is at each moment, when it sounds, and who it is after a crossing.

    Check the recording -> detections in every frame -> assignment and filters -> identities -> voices on either side of every
    meeting -> smoothing.

    Args:
        recording: microphones' samples; or the path of one multichannel file, or paths of one file a microphone.
        array: microphone array, preset name or file; needed where the recording does not carry one.
        max_sources: most sources that are there at one time; `config.max_sources` where it is not given.
        config: what is believed about sources and detections; `usual_config` by default.
        progress: called with the name of a step and the fraction done.

    Returns: the tracks, none where nothing stands out of the noise.

    Raises:
        RecordingError: audio that cannot be used: silent, too short, fewer than two working microphones.
        GeometryError: no array, or one that does not fit the recording.
        ShapeError: a count below 1, or a sample rate too low to tell directions.

    Cost: see benchmarks/results/tracking.md; memory for one block and for the detections.
    """
    report = progress or (lambda step, fraction: None)
    recording = with_array(recording, array, job="track", shortest=SHORTEST)
    report("check", 0.0)
    health = check(recording)
    good = usable(recording, health.good, job="track").equalized()
    suspects = suspicion(good)
    report("check", 1.0)
    assert good.array is not None
    config = config or usual_config(good.array)
    if max_sources is not None:
        check_whole("track: max_sources", max_sources)
        config = config._replace(max_sources=max_sources)
    follower = Follower(good.array, good.sample_rate, tracker=config)
    offsets = health.dc[list(health.good)]
    frames: list[Followed] = []
    state = follower.init()
    power = np.zeros(follower.front.stft.n_freqs)
    for start, block in good.blocks(BLOCK_SECONDS):
        report("follow", start / good.n_samples)
        samples = block.samples - offsets[:, None].astype(np.float32)
        found, state = follower.step(samples, state)
        power += follower.front.stft(torch.from_numpy(samples[0])).abs().square().sum(-1).double().numpy()
        frames += found
    report("follow", 1.0)
    tracks = tracks_of(heard_again(frames, follower, good, offsets, report), follower)
    detections = tuple(frame.detections for frame in frames)
    tracks = overhead(tracks, detections, good, offsets, follower.front.grid)
    return Tracks(
        tracks=tracks,
        detections=detections,
        duration=good.duration,
        frame_seconds=follower.frame_seconds,
        array=good.array,
        ambiguity=good.array.ambiguity,
        assumptions=_assumptions(good, follower.front.grid),
        warnings=[
            *_warnings(recording, health, follower, tracks),
            *_look_alikes(power, follower, len(tracks)),
            *suspicions(suspects, good),
        ],
        inputs=recording.inputs,
    )


def _assumptions(recording: Recording, grid: Grid) -> list[str]:
    array = recording.array
    assert array is not None
    found = [
        f"The microphones are those of {array.name}: {array.zero_direction}.",
        f"File channels {', '.join(map(str, recording.channels))} are the microphones in this order.",
        f"Sources are far compared with the array's {100 * array.aperture:.1f} cm; sound travels at {SPEED_OF_SOUND:.1f} m/s.",
    ]
    if not grid.elevation_known:
        found.append("Elevation is unknown: this array cannot tell it.")
    if not grid.azimuth_known:
        found.append("Azimuth is unknown: this array cannot tell it.")
    return found


def _look_alikes(power: NDArray[np.float64], follower: Follower, n_tracks: int) -> list[str]:
    """A sentence on a tone whose direction repeats; (freq,) power of the recording."""
    array = follower.front.array
    frequencies = follower.front.stft.frequencies(follower.front.sample_rate).numpy()
    audible = np.where(frequencies >= LOWEST_HZ / 2, power, 0.0)
    loudest, limit = float(frequencies[int(np.argmax(audible))]), array.aliasing_hz()
    if not n_tracks or not is_narrow(audible) or loudest <= limit:
        return []
    return [
        f"The sound is a tone at about {loudest:.0f} Hz, above the {limit:.0f} Hz from which other directions look like its own"
        " (spatial aliasing): a track may follow one of those; `arrayscene locate` names them all."
    ]


def _warnings(recording: Recording, health: Health, follower: Follower, tracks: Sequence[Track]) -> list[str]:
    array, n_tracks = follower.front.array, len(tracks)
    found = [*recording.notes, *(finding.message for finding in health.findings if finding.severity != "note")]
    if not n_tracks:
        found.append(
            "No source could be followed: none stands out in single moments for half a second, as happens with pairs and short"
            " lines; `arrayscene locate` looks at the whole recording at once. Otherwise check array and channels."
        )
    if array.aperture > SCATTERED and n_tracks:
        found.append(
            f"The microphones stand up to {array.aperture:.1f} m apart: waves from nearby are not plane across them, and"
            " sources in the room are followed wrongly or twice; use the channels of one group."
        )
    if array.ambiguity == "cone" and n_tracks:
        found.append(
            "A line cannot tell front from back (mirror ambiguity): each source may also lie at its mirrored azimuth."
            if follower.front.grid.azimuth_known
            else "A vertical line of microphones cannot tell azimuth: each source may lie anywhere on its cone."
        )
    if is_level(array, follower.front.grid):
        found += [
            f"Source {one.id} is straight above the microphones, or below: its azimuth is unknown there."
            for one in tracks
            if one.azimuth is None
        ]
    # A level array has its mirror image below, where no elevation is given anyway.
    if array.ambiguity == "mirror" and follower.space.side is not None and n_tracks:
        found.append("A flat array cannot tell its two sides apart (mirror ambiguity): sources are given on its front side.")
    return found
