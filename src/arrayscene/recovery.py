"""The main job: a recording in, a scene out. `recover` is the whole line on one page; each step below is one function."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cache, partial
from pathlib import Path as FilePath
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from arrayscene.activity import active_level_db, active_segments
from arrayscene.arguments import check_kind, check_number, check_whole, shown
from arrayscene.array import MicrophoneArray
from arrayscene.choice import SUITED_TO_ROOMS, Choice, choose, method_called
from arrayscene.diagnosis import suspicion
from arrayscene.diarisation import cut
from arrayscene.errors import GeometryError, ShapeError
from arrayscene.following import along, followed
from arrayscene.health import check
from arrayscene.listening import Heard, listen
from arrayscene.localize import direction_grid
from arrayscene.localize.drowned import drowned_remark
from arrayscene.localize.grid import to_vectors
from arrayscene.localize.measuring import known_distances
from arrayscene.networks import SceneNet, SpeechPrior, load_scene_net, load_speech_prior
from arrayscene.notices import assumptions, suspicions, warnings_about
from arrayscene.preparing import usable, with_array
from arrayscene.recording import Recording
from arrayscene.reverberation import recording_decay_time
from arrayscene.scene import Path, Scene, Source
from arrayscene.tracking import Track, Tracks
from arrayscene.tracking.signals import unmix_tracks
from arrayscene.unmixing import Unmixed, unmix

Progress = Callable[[str, float], None]

SAME = np.deg2rad(0.5)
"""Angle in radians below which two given directions are one."""

SHORTEST = 0.02
"""Seconds; less holds no window in which a direction could be told."""


def recover(
    recording: Recording | str | FilePath | Sequence[str | FilePath],
    array: MicrophoneArray | str | FilePath | None = None,
    *,
    n_sources: int | None = None,
    directions: Sequence[tuple[float, float] | float] | None = None,
    activity: Mapping[str, ArrayLike] | None = None,
    method: str = "auto",
    weights: str | FilePath | None = None,
    draws: int | None = None,
    moving: bool | None = None,
    progress: Progress | None = None,
    stop: Callable[[], bool] | None = None,
) -> Scene:
    """Recover the scene: where each source is, how loud, and what it sounds like by itself.

    Check the recording -> localise and count -> decode, each source from its direction -> levels and activity -> residual.
    Sources that move are followed, and decoded from where they are.

    Args:
        recording: microphones' samples; or the path of one multichannel file, or paths of one file a microphone.
        array: microphone array, preset name or file; needed where the recording does not carry one.
        n_sources: how many sources to return; None counts them.
        directions: of the sources, each azimuth or (azimuth, elevation) in radians; used instead of localising.
        activity: of each source, by name, (segment, 2) start and end in seconds, such as
            `arrayscene.diarisation.read_rttm` returns; used instead of counting, and to tell the sources apart. With
            `directions`, in their order.
        method: decoder, one of `arrayscene.methods.METHODS`, in any case; "auto" chooses and says why.
        weights: file of a trained `SceneNet` for "network" and "auto", or of a causal one for "online-network", as
            `arrayscene train network` writes it, or of a `SpeechPrior` for "diffusion", as `arrayscene train prior` does; None:
            the shipped one.
        draws: for "diffusion", how many; None: as many as it takes by default.
        moving: whether sources move: True follows them, False takes them to be at rest; None finds out, unless `directions`,
            `activity` or `draws` say that they stay where they are.
        progress: called with the name of a step and the fraction done.
        stop: for "diffusion", asked after every step of it; once it says so, the best so far is the scene, and a warning of it.

    Returns: the scene, sources loudest first; none where nothing stands out of the noise.

    Raises:
        RecordingError: audio that cannot be used: silent, too short, fewer than two working microphones; weights that cannot be
            read.
        GeometryError: no array, or one that does not fit the recording.
        ShapeError: an unknown method, a count that makes no sense, stretches that do not run forward, or `moving` with what
            holds for sources at rest only.

    Cost: on one core 0.1 to 0.2 of the recording's duration with 3 or 4 microphones at 16 kHz and two or three sources; memory
    grows with sources and duration only (long recordings are worked on in blocks).
    """
    report = progress or (lambda step, fraction: None)
    for name, call in {"progress": progress, "stop": stop}.items():
        if call is not None and not callable(call):
            raise ShapeError(f"recover: {name} {shown(call)} came; a function is needed")
    check_kind("recover: moving", moving, (bool, type(None)), "True, False or None")
    method = method_called(method)
    recording = with_array(recording, array, job="recover", shortest=SHORTEST)
    stretches = None if activity is None else _stretches(activity, recording.duration)
    _check_request(n_sources, directions, stretches)
    if draws is not None:
        check_number("recover: draws", draws)
    if draws is not None and (method != "diffusion" or draws < 1 or draws != int(draws)):
        raise ShapeError(f"recover: draws={draws} came with method {method!r}; 1 or more, with method 'diffusion', is needed")
    given = {"directions": directions is not None, "an activity": activity is not None}
    at_rest = [name for name, came in given.items() if came] + [f"method {method}"] * (method in ("diffusion", "guided"))
    rests = bool(at_rest)
    if moving and rests:
        raise ShapeError(f"recover: moving=True came with {' and '.join(at_rest)}, which needs sources at rest; leave one out")
    network, prior = _own(weights, method)
    timings: dict[str, float] = {}
    with torch.inference_mode():
        with _timed(timings, "check"):
            report("check", 0.0)
            health = check(recording)
            good = usable(recording, health.good, job="recover").equalized()
            dc = health.dc[list(health.good)]
            report("check", 0.5)
            suspects = suspicion(good)
            report("check", 1.0)
        with _timed(timings, "localise"):
            heard = listen(good, dc, n_sources, _as_pairs(directions), stretches, report)
            tracks = None if rests and moving is None else followed(good, heard, moving, n_sources, report)
            if tracks is not None:
                heard = along(heard, tracks)
        # Two things depend on it, and often neither.
        reverberation = cache(partial(recording_decay_time, good))
        with _timed(timings, "decode"):
            choice = _choose(method, good, heard, stretches is not None, reverberation, network, prior, draws)
            if tracks is None:
                unmixed = unmix(good, dc, heard, choice, stretches, report, stop)
            else:
                unmixed = unmix_tracks(good, dc, tracks, method=method, network=network, report=report)
        with _timed(timings, "measure"):
            distances: list[float | None] = [None] * len(heard.azimuth)
            if tracks is None:
                distances = known_distances(good, dc, heard.azimuth, heard.elevation)
            sources = _measure(unmixed, heard, good, stretches, distances, tracks, report)
    assert good.array is not None
    # From here on the channel map says which channels of this file were used, not which ones the device has.
    used = replace(good.array, channels=good.channels, hardware_channels=None)
    return Scene(
        sources=sources,
        mixture=unmixed.mixture,
        sample_rate=good.sample_rate,
        array=used,
        reference_channel=good.channels[0],
        sound_map=heard.sound_map,
        reliability=unmixed.reliability,
        method=choice.method,
        why=_why(choice, weights, followed=tracks is not None),
        ambiguity=good.array.ambiguity,
        assumptions=assumptions(good, choice, directions is not None, activity is not None, tracks is not None),
        warnings=[
            *warnings_about(recording, health, heard, unmixed, n_sources, follow_failed=bool(moving) and tracks is None),
            *suspicions(suspects, good),
            *(drowned_remark(reverberation(), len(sources)) if n_sources is None and not any(given.values()) else []),
        ],
        inputs=recording.inputs,
        timings=timings,
    )


def _check_request(n_sources: int | None, directions: Sequence[Any] | None, activity: Mapping[str, NDArray[Any]] | None) -> None:
    if n_sources is not None:
        check_whole("recover: n_sources", n_sources, or_else=", or nothing to have them counted")
    if directions is not None and (isinstance(directions, str) or not np.iterable(directions)):
        raise GeometryError(f"recover: directions {shown(directions)} came; a list with one for each source is needed")
    if directions is not None and len(directions) == 0:
        raise GeometryError("recover: an empty list of directions came; give at least one, or none to have them found")
    if n_sources is not None and directions is not None and n_sources != len(directions):
        raise ShapeError(f"recover: n_sources={n_sources} and {len(directions)} directions came; leave n_sources out")
    if activity is not None and n_sources not in (None, len(activity)):
        raise ShapeError(f"recover: n_sources={n_sources} and the activity of {len(activity)} came; leave n_sources out")
    if activity is not None and directions is not None and len(activity) != len(directions):
        raise ShapeError(f"recover: {len(directions)} directions and the activity of {len(activity)} came; give one for each")


def _stretches(activity: Mapping[str, ArrayLike], duration: float) -> dict[str, NDArray[np.float64]]:
    """The activity as arrays within the recording, or an error that says whose cannot be used."""
    check_kind("recover: activity", activity, Mapping, "stretches by name, such as read_rttm returns,")
    if not activity:
        raise ShapeError("recover: the activity of nobody came; give at least one, or none to have the sources counted")
    found = {}
    for name, segments in activity.items():
        try:
            values = np.asarray(segments, dtype=np.float64)
        except (TypeError, ValueError):
            values = np.zeros(0)
        if values.ndim != 2 or values.shape[1] != 2 or not np.isfinite(values).all() or (values[:, 0] > values[:, 1]).any():
            raise ShapeError(
                f"recover: activity of {name!r} came as {segments!r}; (segment, 2) starts and ends in seconds are needed"
            )
        found[name] = cut(values, 0.0, duration)
        if not len(found[name]):
            raise ShapeError(f"recover: {name!r} is not active within the {duration:.2f} s of the recording; leave it out")
    return found


def _as_pairs(directions: Sequence[tuple[float, float] | float] | None) -> list[tuple[float, float]] | None:
    if directions is None:
        return None
    try:
        pairs = [(float(d), 0.0) if np.ndim(d) == 0 else tuple(map(float, d)) for d in directions]  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise GeometryError(
            f"recover: directions {shown(directions)} came; an azimuth or (azimuth, elevation) each is needed, in radians"
        ) from None
    if any(len(pair) != 2 for pair in pairs) or not np.isfinite(pairs).all():
        raise GeometryError(
            f"recover: directions {pairs} came; an azimuth or (azimuth, elevation) each is needed, in finite radians"
        )
    if any(abs(azimuth) > 2 * np.pi + 1e-6 or abs(elevation) > np.pi / 2 + 1e-6 for azimuth, elevation in pairs):
        raise GeometryError(
            f"recover: directions {pairs} came; they are in radians, so degrees must be converted (numpy.deg2rad)"
        )
    vectors = to_vectors(*np.array(pairs).T)
    if len(pairs) > 1 and float((vectors @ vectors.T - 2 * np.eye(len(pairs))).max()) > np.cos(SAME):
        degrees = ", ".join(f"{azimuth:.1f}" for azimuth in np.degrees(np.array(pairs)[:, 0]))
        raise GeometryError(
            f"recover: azimuths of {degrees} degrees came; two directions are the same, and no array tells them apart"
        )
    return [(azimuth, elevation) for azimuth, elevation in pairs]


def _own(weights: str | FilePath | None, method: str) -> tuple[SceneNet | None, SpeechPrior | None]:
    """The user's network or prior, whichever the method takes."""
    if weights is None:
        return None, None
    check_kind("recover: weights", weights, (str, FilePath), "the path of a file")
    if method == "diffusion":
        return None, load_speech_prior(weights)
    if method not in ("auto", "network", "online-network"):
        raise ShapeError(
            f"recover: weights {weights} came with method {method!r}; a network's belong to 'network', 'auto' and "
            "'online-network', a prior's to 'diffusion'"
        )
    network = load_scene_net(weights)
    if network.causal != (method == "online-network"):
        came, takes = ("a causal", "'online-network'") if network.causal else ("no causal", "'network' and 'auto'")
        raise ShapeError(f"recover: weights {weights} came with method {method!r}; they are of {came} network, for {takes}")
    return network, None


def _choose(
    method: str,
    good: Recording,
    heard: Heard,
    guided: bool,
    reverberation: Callable[[], float | None],
    network: SceneNet | None,
    prior: SpeechPrior | None,
    draws: int | None,
) -> Choice:
    n_sources = max((len(ids) for ids in heard.active), default=0)
    return choose(
        method,
        n_mics=good.n_mics,
        n_sources=n_sources,
        duration=good.duration,
        sample_rate=good.sample_rate,
        guided=guided,
        reverberation=reverberation() if n_sources > 1 and method in SUITED_TO_ROOMS else None,
        network=network,
        prior=prior,
        draws=draws,
    )


def _why(choice: Choice, weights: str | FilePath | None, *, followed: bool) -> str:
    own = f" (weights {weights})" if weights is not None and choice.method in ("network", "online-network", "diffusion") else ""
    return ("sources move, so each is decoded along its track, 2 s at a time; " if followed else "") + choice.why + own


def _measure(
    unmixed: Unmixed,
    heard: Heard,
    good: Recording,
    activity: Mapping[str, NDArray[Any]] | None,
    distances: Sequence[float | None],
    tracks: Tracks | None,
    report: Progress,
) -> list[Source]:
    """Levels, activity and confidence; loudest first."""
    assert good.array is not None
    grid = direction_grid(good.array)
    names, stretches = (list(activity), list(activity.values())) if activity is not None else (None, None)
    sources = []
    for n, signal in enumerate(unmixed.signals):
        report("measure", n / len(unmixed.signals))
        active = active_segments(signal, good.sample_rate) if stretches is None else stretches[n]
        sources.append(
            Source(
                azimuth=float(heard.azimuth[n]) if grid.azimuth_known and not _overhead(tracks, n) else None,
                elevation=float(heard.elevation[n]),
                distance=distances[n],
                level_db=active_level_db(signal, active, good.sample_rate),
                active=active,
                confidence=float(np.sqrt(heard.support[n] * unmixed.agreement[n])),
                signal=signal,
                name=None if names is None else names[n],
                uncertainty=unmixed.uncertainty[n] if unmixed.uncertainty else None,
                path=None if tracks is None else _path(tracks.tracks[n], active),
                alternatives=heard.alternatives[n] if heard.alternatives else (),
            )
        )
    report("measure", 1.0)
    return sorted(sources, key=lambda source: -source.level_db)


def _overhead(tracks: Tracks | None, n: int) -> bool:
    """Whether a source was followed to where it has no azimuth."""
    return tracks is not None and tracks.tracks[n].azimuth is None


def _path(one: Track, active: NDArray[Any]) -> Path:
    """The track, sounding when its signal does: a tracker needs more than that to hear where a source is."""
    sounds = np.asarray(((one.times >= active[:, :1]) & (one.times < active[:, 1:])).any(axis=0))
    return Path(one.times, one.azimuth, one.elevation, one.deviation, sounds)


@contextmanager
def _timed(timings: dict[str, float], step: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    timings[step] = time.perf_counter() - start
