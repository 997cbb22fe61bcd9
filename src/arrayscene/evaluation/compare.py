"""A result against the truth: directions, levels, signals, identities."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from arrayscene.array import MicrophoneArray
from arrayscene.errors import RecordingError
from arrayscene.evaluation.results import FoundScene, read_result
from arrayscene.evaluation.truth import Truth, read_truth
from arrayscene.localize import direction_grid
from arrayscene.localize.grid import to_vectors
from arrayscene.metrics import gospa, level_error, localization_accuracy, match_sources, ospa, si_sdr, track_measures
from arrayscene.report.json_values import number
from arrayscene.tracking import Track, space_of

FloatArray = NDArray[np.floating[Any]]


class Evaluation(NamedTuple):
    """Measures by name, plain numbers and lists, degrees and decibels; and what they were measured against.

    Attributes:
        kind: "scene" or "tracks".
        measures: name: a number, a list with one number a talker, or None where it is undefined.
        target: one sentence.
    """

    kind: str
    measures: dict[str, Any]
    target: str


def evaluate(result: str | Path, truth: str | Path, *, gate: float = math.radians(20.0)) -> Evaluation:
    """Compare a result with the truth.

    Directions are compared as the array sees them: azimuths alone for one that lies level, the same cone for a line, the same
    side of a flat one. Sources that stay are compared with where each talker is in the middle of its speech.

    Args:
        result: what `recover`, `locate` or `track` wrote: a folder or the file in it.
        truth: what `simulate` wrote.
        gate: radians; what is farther away is missed, and false.

    Raises: RecordingError for a result or a truth that cannot be read, or signals that do not belong to this truth.
    """
    found, true = read_result(result), read_truth(truth)
    if isinstance(found, FoundScene):
        return _of_scene(found, true, gate)
    follows = _of_tracks(found.tracks, true, gate)
    if found.signals is None:
        return follows
    return follows._replace(
        measures=follows.measures | _signals(found.signals, true),
        target=f"{follows.target}; SI-SDR: the reverberant image at the first microphone",
    )


def seen_by(array: MicrophoneArray, azimuth: FloatArray, elevation: FloatArray) -> FloatArray:
    """(..., 3) unit vectors that stand for all directions which look alike to the array."""
    space = space_of(direction_grid(array))
    vectors = to_vectors(np.asarray(azimuth), np.asarray(elevation))
    if array.ambiguity != "cone":
        return space.project(vectors)
    # A line hears how far a direction is from its own, not which way round.
    middle, axis = space.span
    along = np.clip(vectors @ axis, -1, 1)[..., None]
    return np.asarray(along * axis + np.sqrt(1 - along**2) * middle)


def _angles(first: FloatArray, second: FloatArray) -> FloatArray:
    """(..., n, m) radians between (..., n, 3) and (..., m, 3) unit vectors."""
    first, second = first[..., :, None, :], second[..., None, :, :]
    across = np.linalg.norm(np.cross(first, second), axis=-1)
    return np.asarray(np.arctan2(across, np.sum(first * second, axis=-1)))


def _of_scene(found: FoundScene, true: Truth, gate: float) -> Evaluation:
    middles = np.array([one.mean() if len(one) else true.times.mean() for one in true.active])
    azimuth, elevation = true.directions_at(middles)
    own = np.arange(len(true.names))
    there = seen_by(true.array, azimuth[own, own], elevation[own, own])
    distances = _angles(seen_by(true.array, found.azimuth, found.elevation).reshape(-1, 3), there)
    accuracy, metric = localization_accuracy(distances, gate=gate), gospa(distances)
    levels = level_error(found.level_db[accuracy.estimate_index], _levels(true)[accuracy.true_index])
    measures: dict[str, Any] = {
        "n_found": len(found.azimuth),
        "n_true": len(true.names),
        "within_5_deg": number(accuracy.within_5_deg, 3),
        "within_10_deg": number(accuracy.within_10_deg, 3),
        "missed_rate": number(accuracy.missed_rate, 3),
        "n_missed": accuracy.n_missed,
        "n_false": accuracy.n_false,
        "mean_error_deg": _mean(np.degrees(accuracy.errors)),
        "gospa_deg": number(math.degrees(metric.value), 3),
        "ospa_deg": number(math.degrees(ospa(distances)), 3),
        "mean_abs_level_error_db": _mean(np.abs(levels[np.isfinite(levels)])),
    }
    if found.signals is not None:
        measures |= _signals(found.signals, true)
    return Evaluation(
        "scene",
        measures,
        "directions in the middle of each talker's speech; level and SI-SDR of its reverberant image at the first microphone",
    )


def _signals(signals: NDArray[np.float32], true: Truth) -> dict[str, Any]:
    if signals.shape[1] != true.images.shape[1]:
        raise RecordingError(
            f"the result's signals have {signals.shape[1]} samples, the truth {true.images.shape[1]}; evaluate a result of the"
            " whole recording at its own rate"
        )
    heard = [n for n, image in enumerate(true.images) if np.any(image)]
    images = true.images[heard]
    if not len(images):
        return {}
    before = si_sdr(true.mixture[None], images)
    _, matched, after = match_sources(signals, images)
    scores: list[float | None] = [None] * len(true.names)
    for index, score in zip(matched, after, strict=True):
        scores[heard[index]] = number(float(score), 3)
    return {
        "si_sdr_db": scores,
        "mean_si_sdr_db": _mean(after),
        "mean_si_sdr_improvement_db": _mean(after - before[matched]),
    }


def _of_tracks(found: Sequence[Track], true: Truth, gate: float) -> Evaluation:
    step = float(np.median(np.concatenate([np.diff(track.times) for track in found] or [np.zeros(0)]))) if found else math.nan
    step = step if step > 0 else 0.064
    duration = len(true.mixture) / true.sample_rate
    times = (np.arange(max(int(duration / step + 1e-6), 1)) + 0.5) * step
    place, present, sounds = _on_frames(found, times, step)
    azimuth, elevation = true.directions_at(times)
    estimate = seen_by(true.array, *place) if found else np.zeros((len(times), 0, 3))
    distances = _angles(estimate, seen_by(true.array, azimuth, elevation))
    speaks = true.sounding_at(times)
    # Identity counts while a talker is in the room, heard or not; from its first word to its last.
    here = np.stack([_span(column) for column in speaks.T], axis=1)
    follows = track_measures(distances, present, here, gate=gate)
    per_frame = [gospa(distances[t][sounds[t]][:, speaks[t]]) for t in range(len(times))]
    return Evaluation(
        "tracks",
        {
            "n_found": len(found),
            "n_true": len(true.names),
            "identity_kept": [number(float(share), 3) for share in follows.kept],
            "mean_identity_kept": _mean(follows.kept),
            "n_switches": follows.n_switches,
            "n_fragments": follows.n_fragments,
            "missed_rate": number(follows.missed_rate, 3),
            "false_rate": number(follows.false_rate, 3),
            "mean_error_deg": number(math.degrees(follows.mean_error), 3),
            "gospa_deg": _mean([math.degrees(one.value) for one in per_frame]),
            "gospa_localization_deg": _mean([math.degrees(one.localization) for one in per_frame]),
            "missed_per_frame": _mean([one.n_missed for one in per_frame]),
            "false_per_frame": _mean([one.n_false for one in per_frame]),
        },
        "identities and rates: where each talker is from its first sound to its last; GOSPA: who sounds, frame by frame",
    )


def _on_frames(
    found: Sequence[Track], times: FloatArray, step: float
) -> tuple[tuple[FloatArray, FloatArray], NDArray[np.bool_], NDArray[np.bool_]]:
    """(frame, track) azimuth and elevation, whether it is there, and whether it sounds."""
    shape = len(times), len(found)
    azimuth, elevation = np.zeros(shape), np.zeros(shape)
    present, sounds = np.zeros(shape, bool), np.zeros(shape, bool)
    for n, track in enumerate(found):
        rows = np.round(track.times / step - 0.5).astype(int)
        inside = (rows >= 0) & (rows < len(times))
        rows = rows[inside]
        if track.azimuth is not None:
            azimuth[rows, n] = track.azimuth[inside]
        if track.elevation is not None:
            elevation[rows, n] = track.elevation[inside]
        present[rows, n], sounds[rows, n] = True, track.active[inside]
    return (azimuth, elevation), present, sounds


def _span(active: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """True from the first True to the last."""
    return np.asarray(np.logical_or.accumulate(active) & np.logical_or.accumulate(active[::-1])[::-1])


def _levels(true: Truth) -> FloatArray:
    """(talker,) RMS dB of each image while it sounds; -inf for silence."""
    levels = np.full(len(true.names), -np.inf)
    for n, (image, stretches) in enumerate(zip(true.images, true.active, strict=True)):
        parts = [image[int(start * true.sample_rate) : math.ceil(stop * true.sample_rate)] for start, stop in stretches]
        energy, count = sum(float(np.dot(part, part)) for part in parts), sum(map(len, parts))
        if energy > 0:
            levels[n] = 10 * math.log10(energy / count)
    return levels


def _mean(values: Any) -> float | None:
    values = np.asarray(values, np.float64)
    return number(float(values.mean()), 3) if values.size else None
