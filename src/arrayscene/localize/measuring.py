"""What is known of sources once they are found: error bars, distance, level, and what else would fit."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arrayscene.activity import active_level_db, active_segments
from arrayscene.errors import GeometryError
from arrayscene.localize.curvature import NothingLeft, by_curvature
from arrayscene.localize.finding import OVERHEAD, Found, find
from arrayscene.localize.grid import to_angles, to_vectors
from arrayscene.localize.located import Ambiguity, LocatedSource
from arrayscene.localize.narrow_band import alternatives, known
from arrayscene.localize.peaks import own_votes
from arrayscene.localize.srp import Survey
from arrayscene.localize.strength import shares
from arrayscene.localize.surveyed import BLOCK_SECONDS, Surveyed
from arrayscene.localize.viewpoints import viewpoints
from arrayscene.recording import Recording
from arrayscene.report.mirror import mirror_direction

LEAST_VOTES, UNKNOWN = 1.0, float(np.deg2rad(5.0))
"""Votes with less weight in all say nothing; then this is the deviation, in radians."""

GROUPS = 8
"""Stretches of the recording whose disagreement gives the error bars."""

BIAS, BIAS_OF_INCOHERENCE = np.deg2rad(0.5), np.deg2rad(4.0)
"""Error of a direction that does not go away with time, one standard deviation: what the array really is, and what reverberation
adds, in proportion to the coherence that it takes from the votes. In 120 rooms 89 % of the errors were within the error bars that
this gives, 98 % within twice as much; of lines (72) 66 and 93 %. Less would name distances that nobody knows."""

LINE_SPREAD, LEAST_ACROSS = 1.5, 0.2
"""What errors of a line of microphones are larger by, broadside, and the least cosine that they grow with towards its ends. Of
76 sources on 60 scenes, pairs to lines of 8, 74 % of the errors were within the error bars, 95 % within twice as much; without,
38 and 79 %."""

LEVEL_BIAS_DB = 0.7
"""The same of a level."""

DRY = 0.1
"""What as many waves as sources leave of the covariance, up to which there is hardly any reverberation."""

SAME = np.deg2rad(10.0)
"""Directions that differ by less are one source's."""

SURE = 3.0
"""Standard deviations by which a source must be nearer than infinitely far for its distance to be told."""


def measure(heard: Surveyed, found: Found, full_scale_spl_db: float | None) -> list[LocatedSource]:
    """Levels, error bars, distances, and what else would fit."""
    directions = found.directions
    n = len(directions.azimuth)
    if not n:
        return []
    indices = found.indices
    signals, doubt = _signals(heard, indices)
    sources: list[LocatedSource] = []
    above: list[NDArray[np.float64]] = []
    for s in range(n):
        heard.report("measure", s / n)
        azimuth, elevation = float(directions.azimuth[s]), float(directions.elevation[s])
        view, own = _own(heard, found, s)
        coherence = _coherence(heard.surveys[view], own)
        bias = BIAS + BIAS_OF_INCOHERENCE * (1 - coherence)
        spread = bias if found.places is not None else _spread(heard, azimuth, own, bias)
        if heard.array.ambiguity == "cone" and found.places is None and heard.grid.azimuth_known:
            spread *= LINE_SPREAD / max(_across(heard, azimuth), LEAST_ACROSS)
        distance, distance_error, position = _distance(heard, found, s, bias)
        try:
            curved = by_curvature(heard, heard.srps[view], own, azimuth, elevation, position, above)
        except NothingLeft:
            continue
        tall = curved is not None and curved.tall
        if curved is not None:
            position, distance, distance_error = curved.position, curved.distance, curved.distance_error
        if curved is not None and tall:
            azimuth, elevation = curved.azimuth, curved.elevation
            above += [] if position is None else [position]
        elif position is not None:
            azimuth, elevation = map(float, to_angles(position))
        overhead = heard.level and elevation > OVERHEAD
        ambiguity, others = _alternatives(heard, azimuth, np.pi / 2 if overhead else elevation)
        active = active_segments(signals[s], heard.recording.sample_rate)
        level = active_level_db(signals[s], active, heard.recording.sample_rate)
        near = None
        if position is not None:
            near = level + 20 * float(np.log10(np.linalg.norm(position - heard.array.positions[0])))
        sources.append(
            LocatedSource(
                azimuth=azimuth if heard.grid.azimuth_known and not overhead else None,
                azimuth_error=spread if heard.grid.azimuth_known and not overhead else None,
                elevation=elevation if tall or heard.grid.elevation_known else np.pi / 2 if overhead else None,
                distance=distance,
                distance_error=distance_error,
                position=position if heard.grid.azimuth_known else None,
                level_db=level,
                level_error_db=float(np.hypot(LEVEL_BIAS_DB, 10 * np.log10(1 + doubt[s]))),
                level_1m_db=near,
                spl_db=None if full_scale_spl_db is None else level + full_scale_spl_db,
                spl_1m_db=None if full_scale_spl_db is None or near is None else near + full_scale_spl_db,
                active=active,
                confidence=float(np.sqrt(np.clip(directions.support[s], 0, 1) * coherence)),
                ambiguity=ambiguity,
                alternatives=others,
            )
        )
    heard.report("measure", 1.0)
    return sources


def known_distances(
    recording: Recording, dc: NDArray[Any], azimuth: NDArray[np.float64], elevation: NDArray[np.float64]
) -> list[float | None]:
    """Metres from the array's origin to sources in known directions; None where the recording cannot tell.

    Args:
        recording: working channels, with their array.
        dc: (mic,) offsets to subtract.
        azimuth: (source,) radians.
        elevation: (source,) radians.

    Cost: nothing for arrays that are one viewpoint; else another survey a part.
    """
    unknown: list[float | None] = [None] * len(azimuth)
    assert recording.array is not None
    try:
        if not len(azimuth) or not viewpoints(recording.array):
            return unknown
    except GeometryError:
        return unknown
    heard = Surveyed(recording, dc, lambda step, fraction: None)
    found = find(heard, None, "votes")
    taken, middle = to_vectors(azimuth, elevation), np.mean([view.center for view in heard.views], axis=0)
    for source in measure(heard, found, None) if found.places is not None else ():
        if source.position is None:
            continue
        # The given directions are those of waves that are plane: as seen from the middle, and level where height is not told.
        toward = (source.position - middle) * ([1, 1, 0] if heard.level else [1, 1, 1])
        seen = taken @ toward / max(float(np.linalg.norm(toward)), 1e-9)
        nearest = int(np.argmax(seen))
        if seen[nearest] >= np.cos(SAME):
            unknown[nearest] = source.distance
    return unknown


def _own(heard: Surveyed, found: Found, source: int) -> tuple[int, NDArray[np.float64]]:
    """The viewpoint that hears a source best, and its votes there."""
    if found.seen_by is None:
        return 0, own_votes(heard.survey.where, heard.survey.weight, heard.grid, found.indices, source)
    view = found.seen_by[source][0]
    there = [index for v, index in found.seen_by if v == view]
    survey, which = heard.surveys[view], there.index(found.seen_by[source][1])
    return view, own_votes(survey.where, survey.weight, heard.views[view].grid, there, which)


def _across(heard: Surveyed, azimuth: float) -> float:
    """Cosine of the angle between a direction and broadside of a line of microphones."""
    axis = np.linalg.svd(heard.array.positions - heard.array.positions.mean(axis=0))[2][0]
    along = float(to_vectors(np.asarray(azimuth), np.asarray(0.0)) @ axis)
    return float(np.sqrt(max(1 - along**2, 0.0)))


def _groups(heard: Surveyed, own: NDArray[np.float64], values: NDArray[np.float64]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Weight and weighted mean (group, ...) of values (direction, ...) over the votes of each stretch of the recording."""
    edges = np.linspace(0, own.shape[1], min(GROUPS, own.shape[1]) + 1).astype(int)
    spans = [slice(a, b) for a, b in pairwise(edges)]
    weight = np.array([own[:, span].sum() for span in spans])
    mean = np.array([np.tensordot(own[:, span].ravel(), values[heard.survey.where[:, span].ravel()], 1) for span in spans])
    return weight, mean / np.maximum(weight, 1e-30).reshape(-1, *[1] * (mean.ndim - 1))


def _spread(heard: Surveyed, azimuth: float, own: NDArray[np.float64], bias: float) -> float:
    """Standard deviation of an azimuth, from how far stretches of the recording disagree."""
    turn = np.angle(np.exp(1j * (heard.grid.azimuth - azimuth)))
    return float(np.hypot(_deviation(*_groups(heard, own, turn)), bias))


def _distance(
    heard: Surveyed, found: Found, source: int, bias: float
) -> tuple[float | None, float | None, NDArray[np.float64] | None]:
    """Distance from the array's origin, its error, and the position; None each where it cannot be told."""
    if found.places is None:
        return None, None, None
    place = found.places[source]
    error = place.inverse_error * bias
    if place.inverse < SURE * error or place.inverse <= 0:
        return None, None, None
    middle = np.mean([view.center for view in heard.views], axis=0)
    toward = to_vectors(np.asarray(place.azimuth), np.asarray(place.elevation))
    position = middle + toward / place.inverse
    return float(np.linalg.norm(position)), float(error / place.inverse**2), position


def _signals(heard: Surveyed, indices: Sequence[int]) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """(source, sample) each source's share of the reference microphone, and of its power how much is in doubt."""
    signals = np.zeros((len(indices), heard.recording.n_samples), np.float32)
    doubtful, total = np.zeros(len(indices)), np.full(len(indices), 1e-30)
    left = heard.left_over(heard.mics[0])
    reverberant = len(indices) > len(left) or left[len(indices) - 1] > DRY
    for (start, y), (_, whole) in zip(heard.blocks(), heard.blocks(rumble=True), strict=True):
        share = shares(heard.srp, y[heard.mics[0]], indices, reverberant=reverberant)
        n = min(round(BLOCK_SECONDS * heard.recording.sample_rate), heard.recording.n_samples - start)
        signals[:, start : start + n] = heard.stft.inverse(share.sqrt() * whole[0], n).numpy()
        power = whole[0].abs().square()
        doubtful += (share * (1 - share) * power).sum(dim=(1, 2)).double().numpy()
        total += (share * power).sum(dim=(1, 2)).double().numpy()
    return signals, doubtful / total / 2


def _alternatives(heard: Surveyed, azimuth: float, elevation: float) -> tuple[Ambiguity, list[tuple[float | None, float | None]]]:
    """What else would fit: lobes of a narrow sound, and the mirror image."""
    grid = heard.grid
    if not heard.views:
        lobes = alternatives(heard.array, grid, azimuth, elevation, heard.frequencies, heard.spectrum)
        if lobes:
            return "aliasing", lobes
    kind = heard.array.ambiguity
    if kind not in ("mirror", "cone"):
        return "none", []
    ambiguity: Ambiguity = "mirror" if kind == "mirror" else "cone"
    image = mirror_direction(heard.array.positions, azimuth, elevation, kind)
    if image is None:
        return ambiguity, []
    if heard.level and elevation > OVERHEAD:
        return ambiguity, [(None, image[1])]
    # The image of a level array differs in elevation, which is not known anyway.
    same = abs(np.angle(np.exp(1j * (image[0] - azimuth)))) < 1e-6 and not grid.elevation_known
    return ambiguity, [] if same else [known(grid, *image)]


def _coherence(survey: Survey, own: NDArray[np.float64]) -> float:
    """Coherence with which a source's votes were given, root mean square."""
    heard = survey.coherence[own > 0]
    return float(np.sqrt(np.average(heard**2, weights=own[own > 0]))) if heard.size else 0.0


def _deviation(weight: NDArray[np.float64], value: NDArray[np.float64]) -> float:
    """Standard deviation of the weighted mean of groups, from their disagreement."""
    n = int((weight > 0).sum())
    if n < 2 or weight.sum() < LEAST_VOTES:
        return UNKNOWN
    mean = weight @ value / weight.sum()
    return float(np.sqrt(np.square(weight * (value - mean)).sum() * n / (n - 1)) / weight.sum())
