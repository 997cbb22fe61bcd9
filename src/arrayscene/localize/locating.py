"""`locate`: from a recording to the sources, counted, with what the array can and cannot know about each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from arrayscene.activity import active_level_db, active_segments
from arrayscene.array import MicrophoneArray
from arrayscene.errors import GeometryError, RecordingError, ShapeError
from arrayscene.health import check
from arrayscene.linalg import covariance
from arrayscene.localize.grid import Grid, embed, to_angles, to_vectors, with_zenith
from arrayscene.localize.located import Ambiguity, Located, LocatedSource
from arrayscene.localize.look_alikes import effective_bins, look_alikes
from arrayscene.localize.music import MUSIC, NormMUSIC
from arrayscene.localize.omp import MANY_MICS, OMP, WELL_EXPLAINED
from arrayscene.localize.peaks import SCATTER, Directions, find_peaks, mean_directions
from arrayscene.localize.spectrum import Spectrum, map_peaks
from arrayscene.localize.srp import HIGHEST_HZ, LOWEST_HZ, SRPPHAT, Survey, localization_stft
from arrayscene.localize.srp_map import SRPMap
from arrayscene.localize.strength import shares
from arrayscene.localize.viewpoints import Place, candidate_directions, cross, matched, viewpoints
from arrayscene.recording import Recording
from arrayscene.report.mirror import mirror_direction
from arrayscene.response import far_field

METHODS = ("auto", "votes", "music", "normmusic", "srp")
SPECTRA: dict[str, type[Spectrum]] = {"music": MUSIC, "normmusic": NormMUSIC, "srp": SRPMap}

SHORTEST = 0.02
"""Seconds; less holds no window in which a direction could be told."""

BLOCK_SECONDS = 30.0
NARROW = 4.0
"""Bins over which a sound must spread at least not to be called narrow: a tone fills two or three."""

GROUPS = 8
"""Stretches of the recording whose disagreement gives the error bars."""

PLAIN = 0.05
"""Share of the covariance, in proportion to the dimensions that are left, that K sources leave over where there are K and hardly
any reverberation. In rooms of T60 0.25 s and more, 4 to 6 microphones, it was 0.13 and more."""

OVERHEAD = np.deg2rad(75.0)
"""Elevation from which on a level array cannot tell the azimuth."""

OVERHEAD_ABOVE = 0.01
"""What SRP-PHAT must have more of overhead than elsewhere. One talker 80 degrees up and more in rooms of T60 0.3 and 0.5 s had
0.03 to 0.17 more, one at 70 degrees 0.02 to 0.04 less, two or three talkers around 0.02 to 0.2 less."""

OVERHEAD_BAND_HZ = (500.0, 6000.0)

BIAS, BIAS_OF_INCOHERENCE = np.deg2rad(0.5), np.deg2rad(7.0)
"""Error of a direction that does not go away with time, one standard deviation: what the array really is, and what reverberation
adds, in proportion to the coherence that it takes from the votes. On 60 scenes in rooms 72 % of the errors were within the error
bars that this gives, 93 % within twice as much."""

LEVEL_BIAS_DB = 0.7
"""The same of a level."""

SURE = 3.0
"""Standard deviations by which a source must be nearer than infinitely far for its distance to be told."""


def locate(
    recording: Recording | str | Path | Sequence[str | Path],
    array: MicrophoneArray | str | Path | None = None,
    *,
    n_sources: int | None = None,
    method: str = "auto",
    full_scale_spl_db: float | None = None,
    progress: Callable[[str, float], None] | None = None,
) -> Located:
    """Find the sources of a recording: where, how far, how loud, how many, and how sure all that is.

    Check the recording -> votes of every band and moment (`SRPPHAT`) -> peaks, counted -> error bars -> levels -> what else fits.
    Wide arrays, and arrays made of parts that stand apart, are several viewpoints: each finds directions, those that are heard at
    the same moments are one source, and where they cross is its place.

    Args:
        recording: microphones' samples; or the path of one multichannel file, or paths of one file a microphone.
        array: microphone array, preset name or file; needed where the recording does not carry one.
        n_sources: how many sources to return; None counts them.
        method: "votes"; "music", "normmusic" or "srp" for the peaks of those maps, as many as votes count; "auto" takes votes, or
            pursuit (`OMP`) where there are 16 microphones and it explains the recording.
        full_scale_spl_db: sound pressure level, dB SPL, of a sine whose RMS is full scale (1.0); known from a calibrator.
        progress: called with the name of a step and the fraction done.

    Returns: the sources, strongest first; none where nothing stands out of the noise.

    Raises:
        RecordingError: audio that cannot be used: silent, too short, fewer than two working microphones.
        GeometryError: no array, or one that does not fit the recording.
        ShapeError: an unknown method, or a count that makes no sense.

    Cost: about 0.06 of the recording's duration on one core for 4 microphones at 16 kHz, so much a viewpoint for wide arrays;
    memory of half a minute and one signal a source.
    """
    report = progress or (lambda step, fraction: None)
    if method not in METHODS:
        raise ShapeError(f"locate: method {method!r} came; there are {', '.join(METHODS)}")
    if n_sources is not None and n_sources < 1:
        raise ShapeError(f"locate: n_sources={n_sources} came; 1 or more is needed, or nothing to have them counted")
    recording = _with_array(recording, array)
    health = check(recording)
    if len(health.good) < 2:
        raise RecordingError(f"locate: {len(health.good)} of {recording.n_mics} channels can be used and two are needed")
    rows = list(health.good)
    good = (recording if len(rows) == recording.n_mics else recording.select(rows)).equalized()
    warnings = [*recording.notes, *(finding.message for finding in health.findings if finding.severity != "note")]
    with torch.inference_mode():
        case = _Case(good, health.dc[rows], report)
        found = case.find(n_sources, method)
        sources = case.measure(found, full_scale_spl_db)
        warnings += case.doubts(found, n_sources)
    return Located(
        sources=sources,
        azimuth=case.grid.azimuth,
        elevation=case.grid.elevation,
        power=found.power / max(float(found.power.max()), 1e-30),
        array=replace(case.array, channels=good.channels, hardware_channels=None),
        reference_channel=good.channels[0],
        sample_rate=good.sample_rate,
        duration=good.duration,
        method=found.method,
        warnings=warnings,
        inputs=recording.inputs,
    )


@dataclass
class _Found:
    """Directions, and what else was found about them.

    Attributes:
        directions: strongest first.
        indices: of the nearest point of the first viewpoint's grid.
        power: (direction,) map on that grid.
        method: how they were found.
        places: where the rays of several viewpoints cross; None for an array that is one.
        seen_by: the viewpoint that hears each best, and the point of its grid; None likewise.
    """

    directions: Directions
    indices: list[int]
    power: NDArray[np.float64]
    method: str
    places: list[Place] | None = None
    seen_by: list[tuple[int, int]] | None = None


class _Case:
    """One recording on its way from votes to sources."""

    def __init__(self, recording: Recording, dc: NDArray[Any], report: Callable[[str, float], None]) -> None:
        assert recording.array is not None
        self.recording, self.array, self.dc, self.report = recording, recording.array, dc, report
        self.stft = localization_stft(recording.sample_rate)
        self.frequencies = self.stft.frequencies(recording.sample_rate)
        # The viewpoint of the reference microphone comes first.
        self.views = sorted(viewpoints(self.array), key=lambda view: view.mics)
        if self.views:
            self.mics = [view.mics for view in self.views]
            self.srps = [SRPPHAT(view.array, self.frequencies, grid=view.grid) for view in self.views]
        else:
            self.mics = [list(range(self.array.n_mics))]
            self.srps = [SRPPHAT(self.array, self.frequencies)]
        self.srp, self.grid = self.srps[0], self.srps[0].grid
        self.level = self.grid.azimuth_known and not self.grid.elevation_known and self.array.ambiguity != "cone"
        surveys: list[list[Survey]] = [[] for _ in self.srps]
        n_freqs, n_mics = len(self.frequencies), self.array.n_mics
        self.R = torch.zeros(n_freqs, n_mics, n_mics, dtype=torch.complex64)
        for number, (_, y) in enumerate(self._blocks()):
            for srp, mics, found in zip(self.srps, self.mics, surveys, strict=True):
                found.append(srp.survey(y[mics]))
            self.R += covariance(y) * y.shape[-1]
            report("localise", min((number + 1) * BLOCK_SECONDS / recording.duration, 1.0))
        self.surveys = [_joined(found) for found in surveys]
        self.survey = self.surveys[0]
        # Rumble below is no sound that a direction could be told of.
        power = self.R.diagonal(dim1=1, dim2=2).real.mean(-1).double().numpy()
        self.spectrum = np.where(self.frequencies.numpy() >= LOWEST_HZ / 2, power, 0.0)

    def find(self, n_sources: int | None, method: str) -> _Found:
        """Where the sources are."""
        if not self.views and method in ("auto", "votes") and self._too_narrow():
            return self._narrow_band(n_sources or 1)
        if self.views:
            return self._placed(n_sources)
        votes = self.survey.by_band
        chosen, support = find_peaks(votes, self.grid, n_sources)
        if method in SPECTRA and chosen:
            spectrum = SPECTRA[method](self.array, self.frequencies, grid=self.grid)
            n = min(len(chosen), self.array.n_mics - 1)
            power = torch.stack([spectrum.power(y, n) for _, y in self._blocks()]).mean(0).double().numpy()
            return self._at(map_peaks(power, self.grid, n), power - power.min(), method)
        if method == "auto" and (better := self._pursued(n_sources) or self._overhead(n_sources)):
            return better
        found = Directions(*mean_directions(votes.sum(axis=0), self.grid, chosen), support)
        return _Found(found, chosen, votes.sum(axis=0), "votes")

    def measure(self, found: _Found, full_scale_spl_db: float | None) -> list[LocatedSource]:
        """Levels, error bars, distances, and what else would fit."""
        directions = found.directions
        n = len(directions.azimuth)
        if not n:
            return []
        indices = found.indices
        signals, doubt = self._signals(indices)
        sources = []
        for s in range(n):
            self.report("measure", s / n)
            azimuth, elevation = float(directions.azimuth[s]), float(directions.elevation[s])
            view, own = self._own(found, s)
            coherence = _coherence(self.surveys[view], own)
            bias = BIAS + BIAS_OF_INCOHERENCE * (1 - coherence)
            spread = bias if found.places is not None else self._spread(azimuth, own, bias)
            distance, distance_error, position = self._distance(found, s, bias)
            if position is not None:
                azimuth, elevation = map(float, to_angles(position))
            overhead = self.level and elevation > OVERHEAD
            ambiguity, alternatives = self._alternatives(azimuth, np.pi / 2 if overhead else elevation)
            active = active_segments(signals[s], self.recording.sample_rate)
            level = active_level_db(signals[s], active, self.recording.sample_rate)
            near = None
            if position is not None:
                near = level + 20 * float(np.log10(np.linalg.norm(position - self.array.positions[0])))
            sources.append(
                LocatedSource(
                    azimuth=azimuth if self.grid.azimuth_known and not overhead else None,
                    azimuth_error=spread if self.grid.azimuth_known and not overhead else None,
                    elevation=np.pi / 2 if overhead else elevation if self.grid.elevation_known else None,
                    distance=distance,
                    distance_error=distance_error,
                    position=position,
                    level_db=level,
                    level_error_db=float(np.hypot(LEVEL_BIAS_DB, 10 * np.log10(1 + doubt[s]))),
                    level_1m_db=near,
                    spl_db=None if full_scale_spl_db is None else level + full_scale_spl_db,
                    spl_1m_db=None if full_scale_spl_db is None or near is None else near + full_scale_spl_db,
                    active=active,
                    confidence=float(np.sqrt(np.clip(directions.support[s], 0, 1) * coherence)),
                    ambiguity=ambiguity,
                    alternatives=alternatives,
                )
            )
        self.report("measure", 1.0)
        return sources

    def doubts(self, found: _Found, n_sources: int | None) -> list[str]:
        """Sentences on what may be wrong."""
        sentences = []
        if not len(found.directions.azimuth):
            sentences.append("No direction stands out of the noise: check the array and the channel order, or say how many.")
        if n_sources is not None and len(found.directions.azimuth) < n_sources:
            sentences.append(f"{n_sources} sources were asked for, {len(found.directions.azimuth)} can be told apart.")
        if found.method == "narrow-band":
            loudest = float(self.frequencies[int(np.argmax(self.spectrum))])
            sentences.append(
                f"The sound is a tone at about {loudest:.0f} Hz: in a room its reflections cannot be told from it, and directions"
                " of tones are doubtful."
            )
        if self.views and found.places is None and len(found.directions.azimuth):
            sentences.append("No two parts of the array agree on a source: directions are those of one part alone.")
        return sentences

    def _blocks(self) -> Iterator[tuple[int, Tensor]]:
        for start, block in self.recording.blocks(BLOCK_SECONDS):
            yield start, self.stft(torch.from_numpy(block.samples - self.dc[:, None].astype(np.float32)))

    def _too_narrow(self) -> bool:
        """Whether all sound lies in a few bins where directions repeat, or where nobody votes."""
        if effective_bins(self.spectrum) >= NARROW:
            return False
        loudest = float(self.frequencies[int(np.argmax(self.spectrum))])
        return loudest > min(self.array.aliasing_hz(), HIGHEST_HZ) or loudest < LOWEST_HZ

    def _narrow_band(self, n_sources: int) -> _Found:
        """Peaks of a beam's power at the loudest bins."""
        loud = np.flatnonzero(self.spectrum >= 0.1 * self.spectrum.max())
        azimuth, elevation = torch.tensor(self.grid.azimuth), torch.tensor(self.grid.elevation)
        A = far_field(self.array, azimuth, elevation, frequencies=self.frequencies[loud]).matrix().to(torch.complex64)
        power = ((self.R[loud] @ A) * A.conj()).real.sum(1) / A.abs().square().sum(1)
        total = power.sum(0).double().numpy()
        return self._at(map_peaks(total, self.grid, n_sources), total - total.min(), "narrow-band")

    def _pursued(self, n_sources: int | None) -> _Found | None:
        """Directions by pursuit, where they explain the covariance: coherent and steady sources are told apart."""
        n_mics = self.array.n_mics
        many = n_mics >= MANY_MICS
        n = n_sources if many or n_sources is not None else self._plain_count()
        if not many and (n is None or n > n_mics // 2):
            return None
        grid = with_zenith(self.grid) if self.level else self.grid
        # Its elevations tell what comes from above; others of a level array are not reported.
        pursuit = OMP(self.array, self.frequencies, grid=grid._replace(elevation_known=True))
        _, y = next(iter(self._blocks()))
        found = pursuit(y, n)
        n_found = len(found.azimuth)
        if not n_found:
            return None
        left = pursuit.unexplained(y, found)
        if left >= WELL_EXPLAINED if many else left * n_mics / (n_mics - n_found) >= 2 * PLAIN:
            return None
        return self._at(found, self.survey.votes, "pursuit")

    def _overhead(self, n_sources: int | None) -> _Found | None:
        """One source above a level array, where the map of the whole recording is higher there than at any azimuth."""
        if not self.level or n_sources not in (None, 1):
            return None
        srp = SRPMap(self.array, self.frequencies, grid=with_zenith(self.grid), band=OVERHEAD_BAND_HZ)
        power = torch.stack([srp.power(y) for _, y in self._blocks()]).mean(0).double().numpy()
        if power[-1] < power[:-1].max() + OVERHEAD_ABOVE:
            return None
        found = Directions(np.zeros(1), np.full(1, np.pi / 2), np.ones(1))
        return self._at(found, power[:-1] - power.min(), "overhead")

    def _plain_count(self) -> int | None:
        """How many sources the covariances hold, where that is plain: no reverberation, at most half as many as microphones."""
        used = ((self.frequencies >= LOWEST_HZ) & (self.frequencies <= HIGHEST_HZ)).nonzero()[:, 0]
        values = torch.linalg.eigvalsh(self.R[used].to(torch.complex128)).clamp_min(0).flip(-1)
        values = values / values.sum(-1, keepdim=True).clamp_min(1e-30)
        left = 1 - values.cumsum(-1).mean(0)
        n_mics = self.array.n_mics
        plain = [n for n in range(1, n_mics // 2 + 1) if float(left[n - 1]) * n_mics / (n_mics - n) < PLAIN]
        return plain[0] if plain else None

    def _at(self, found: Directions, power: NDArray[np.float64], method: str) -> _Found:
        """Directions off the grid, with the points of the grid that stand for them."""
        indices = []
        for azimuth, elevation in zip(found.azimuth, found.elevation, strict=True):
            indices.append(self._index(float(azimuth), float(elevation)))
        return _Found(found, indices, power, method)

    def _index(self, azimuth: float, elevation: float) -> int:
        """Of the directions that the array cannot tell from a given one, that which most votes were given to."""
        away = np.linalg.norm(self.grid.embedding - embed(self.grid, azimuth, elevation), axis=1)
        return int(np.argmax(np.where(away <= away.min() + 1e-9, self.survey.votes, -1.0)))

    def _placed(self, n_sources: int | None) -> _Found:
        """Places of the sources of a wide array, from the directions that its parts see."""
        chosen, rays, votes, supports = [], [], [], []
        n_bands = min(len(srp.bands) for srp in self.srps)
        for view, survey in zip(self.views, self.surveys, strict=True):
            indices, support = find_peaks(survey.by_band, view.grid, n_sources)
            azimuth, elevation = mean_directions(survey.votes, view.grid, indices)
            chosen.append(indices)
            supports.append(support)
            rays.append(to_vectors(azimuth, elevation))
            own = [_own_votes(survey, view.grid, indices, s)[:n_bands] for s in range(len(indices))]
            votes.append(np.array(own).reshape(len(indices), n_bands, -1))
        middle = np.mean([view.center for view in self.views], axis=0)
        around = candidate_directions(self.array)
        tracks = matched(self.views, rays, votes, middle, around)
        if not tracks:
            azimuth, elevation = mean_directions(self.survey.votes, self.grid, chosen[0])
            return _Found(Directions(azimuth, elevation, supports[0]), chosen[0], self.survey.votes, "votes")
        strength = [max(float(supports[v][s]) for v, s in track.items()) for track in tracks]
        order = sorted(range(len(tracks)), key=lambda t: -strength[t])[:n_sources]
        places, seen_by, nearest = [], [], []
        for track in (tracks[t] for t in order):
            place = cross([self.views[v] for v in track], [rays[v][s] for v, s in track.items()], middle, around)
            best = max(track, key=lambda v: float(supports[v][track[v]]))
            places.append(place)
            seen_by.append((best, chosen[best][track[best]]))
            toward = to_vectors(np.asarray(place.azimuth), np.asarray(place.elevation))
            ahead = to_angles(toward + place.inverse * (middle - self.views[0].center))
            nearest.append(chosen[0][track[0]] if 0 in track else self._index(*map(float, ahead)))
        found = Directions(
            np.array([place.azimuth for place in places]),
            np.array([place.elevation for place in places]),
            np.array([strength[t] for t in order]),
        )
        return _Found(found, nearest, self.survey.votes, "votes", places, seen_by)

    def _own(self, found: _Found, source: int) -> tuple[int, NDArray[np.float64]]:
        """The viewpoint that hears a source best, and its votes there."""
        if found.seen_by is None:
            return 0, _own_votes(self.survey, self.grid, found.indices, source)
        view = found.seen_by[source][0]
        there = [index for v, index in found.seen_by if v == view]
        return view, _own_votes(self.surveys[view], self.views[view].grid, there, there.index(found.seen_by[source][1]))

    def _groups(self, own: NDArray[np.float64], values: NDArray[np.float64]) -> tuple[NDArray[Any], NDArray[Any]]:
        """Weight and weighted mean (group, ...) of values (direction, ...) over the votes of each stretch of the recording."""
        edges = np.linspace(0, own.shape[1], min(GROUPS, own.shape[1]) + 1).astype(int)
        spans = [slice(a, b) for a, b in pairwise(edges)]
        weight = np.array([own[:, span].sum() for span in spans])
        mean = np.array([np.tensordot(own[:, span].ravel(), values[self.survey.where[:, span].ravel()], 1) for span in spans])
        return weight, mean / np.maximum(weight, 1e-30).reshape(-1, *[1] * (mean.ndim - 1))

    def _spread(self, azimuth: float, own: NDArray[np.float64], bias: float) -> float:
        """Standard deviation of an azimuth, from how far stretches of the recording disagree."""
        turn = np.angle(np.exp(1j * (self.grid.azimuth - azimuth)))
        return float(np.hypot(_deviation(*self._groups(own, turn)), bias))

    def _distance(self, found: _Found, source: int, bias: float) -> tuple[float | None, float | None, NDArray[np.float64] | None]:
        """Distance from the array's origin, its error, and the position; None each where it cannot be told."""
        if found.places is None:
            return None, None, None
        place = found.places[source]
        error = place.inverse_error * bias
        if place.inverse < SURE * error or place.inverse <= 0:
            return None, None, None
        middle = np.mean([view.center for view in self.views], axis=0)
        toward = to_vectors(np.asarray(place.azimuth), np.asarray(place.elevation))
        position = middle + toward / place.inverse
        return float(np.linalg.norm(position)), float(error / place.inverse**2), position

    def _signals(self, indices: Sequence[int]) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        """(source, sample) each source's share of the reference microphone, and of its power how much is in doubt."""
        signals = np.zeros((len(indices), self.recording.n_samples), np.float32)
        doubtful, total = np.zeros(len(indices)), np.full(len(indices), 1e-30)
        for start, y in self._blocks():
            share = shares(self.srp, y[self.mics[0]], indices)
            n = min(round(BLOCK_SECONDS * self.recording.sample_rate), self.recording.n_samples - start)
            signals[:, start : start + n] = self.stft.inverse(share.sqrt() * y[0], n).numpy()
            power = y[0].abs().square()
            doubtful += (share * (1 - share) * power).sum(dim=(1, 2)).double().numpy()
            total += (share * power).sum(dim=(1, 2)).double().numpy()
        return signals, doubtful / total / 2

    def _alternatives(self, azimuth: float, elevation: float) -> tuple[Ambiguity, list[tuple[float | None, float | None]]]:
        """What else would fit: lobes of a narrow sound, and the mirror image."""
        grid = self.grid
        if not self.views and effective_bins(self.spectrum) < NARROW:
            lobes = look_alikes(self.array, grid, (azimuth, elevation), self.frequencies, self.spectrum)
            if lobes:
                return "aliasing", [_known(grid, float(grid.azimuth[i]), float(grid.elevation[i])) for i in lobes]
        kind = self.array.ambiguity
        if kind not in ("mirror", "cone"):
            return "none", []
        ambiguity: Ambiguity = "mirror" if kind == "mirror" else "cone"
        image = mirror_direction(self.array.positions, azimuth, elevation, kind)
        if image is None:
            return ambiguity, []
        if self.level and elevation > OVERHEAD:
            return ambiguity, [(None, image[1])]
        # The image of a level array differs in elevation, which is not known anyway.
        same = abs(np.angle(np.exp(1j * (image[0] - azimuth)))) < 1e-6 and not grid.elevation_known
        return ambiguity, [] if same else [_known(grid, *image)]


def _joined(surveys: Sequence[Survey]) -> Survey:
    """Surveys of the blocks of a recording as one, without the maps over time."""
    return Survey(
        np.sum([survey.by_band for survey in surveys], axis=0),
        np.zeros((0, 0), np.float32),
        np.concatenate([survey.where for survey in surveys], axis=1),
        np.concatenate([survey.weight for survey in surveys], axis=1),
    )


def _own_votes(survey: Survey, grid: Grid, indices: Sequence[int], source: int) -> NDArray[np.float64]:
    """(band, time) votes for one of the sources: those within its scatter that are not nearer to another."""
    away = np.linalg.norm(grid.embedding[:, None] - grid.embedding[list(indices)][None], axis=-1)
    weight = np.exp(-0.5 * (away[:, source] / SCATTER) ** 2) * (away.argmin(axis=1) == source)
    return np.asarray(survey.weight * weight[survey.where])


def _coherence(survey: Survey, own: NDArray[np.float64]) -> float:
    """Mean steered power of a source's votes: a vote is its square times a share of at most 1."""
    heard = survey.weight[own > 0]
    return float(np.sqrt(np.clip(np.average(heard, weights=own[own > 0]), 0, 1))) if heard.size else 0.0


def _known(grid: Grid, azimuth: float, elevation: float) -> tuple[float | None, float | None]:
    return (azimuth if grid.azimuth_known else None), (elevation if grid.elevation_known else None)


def _deviation(weight: NDArray[np.float64], value: NDArray[np.float64]) -> float:
    """Standard deviation of the weighted mean of groups, from their disagreement."""
    n = int((weight > 0).sum())
    if n < 2:
        return float(np.deg2rad(5.0))
    mean = weight @ value / weight.sum()
    return float(np.sqrt(np.square(weight * (value - mean)).sum() * n / (n - 1)) / weight.sum())


def _with_array(
    recording: Recording | str | Path | Sequence[str | Path], array: MicrophoneArray | str | Path | None
) -> Recording:
    microphones = None if array is None else MicrophoneArray.resolve(array)
    if not isinstance(recording, Recording):
        recording = Recording.read(recording, array=microphones)
    elif microphones is not None:
        recording = recording.with_array(microphones)
    if recording.array is None:
        raise GeometryError("locate: the recording has no array; pass array=..., e.g. MicrophoneArray.preset('respeaker-usb-4')")
    if recording.array.ambiguity == "all":
        raise GeometryError(f"locate: array {recording.array.name!r} has one microphone; directions need at least two")
    if recording.duration < SHORTEST:
        raise RecordingError(f"locate: {recording.duration:.3f} s of audio came; at least {SHORTEST} s is needed")
    return recording
