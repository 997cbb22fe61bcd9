"""First pass over a recording: a sound map over direction and time, and the directions of the sources in every block."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from arrayscene.diarisation import cut
from arrayscene.linalg import covariance
from arrayscene.localize import OMP, SRPPHAT, Directions, Grid, find_directions, localization_stft
from arrayscene.localize.ends import ends_faded
from arrayscene.localize.grid import embed, nearest_index
from arrayscene.localize.narrow_band import alternatives, beam_power, is_above_voting, is_narrow, tone_remark
from arrayscene.localize.omp import MANY_MICS, WELL_EXPLAINED
from arrayscene.localize.peaks import vote_shares
from arrayscene.localize.returning import returns
from arrayscene.localize.speakers import SpeakerVotes
from arrayscene.localize.spectrum import map_peaks
from arrayscene.localize.srp import LOWEST_HZ
from arrayscene.localize.wandering import window_peaks
from arrayscene.recording import Recording
from arrayscene.scene import SoundMap

BLOCK_SECONDS = 30.0
"""Longest stretch decoded at once: bounds memory, and is long enough to learn the statistics of a room."""

OVERLAP_SECONDS = 1.0
"""Neighbouring blocks are cross-faded over this."""

MAX_COLUMNS = 1500
"""Columns of the sound map, at most; a screen shows no more."""

SAME_SOURCE = 2 * np.sin(np.deg2rad(15.0) / 2)
"""Peaks of different blocks that lie closer are one source."""

SEEN_IN = 2
"""Blocks in which a source must be found, where there are at least ten: a chance peak does not come back."""


NEAR = 0.1
"""How far votes may lie from a direction that was given, in embedding units: 6 degrees, one standard deviation."""

UNLIKELY = 0.008
"""Share of the votes near a given direction below which it is doubted."""


class Heard(NamedTuple):
    """What the first pass found.

    Attributes:
        azimuth, elevation: (source,) radians.
        support: (source,) 0 to 1, share of the votes relative to the strongest source.
        active: for every block, the sources that sound in it.
        sound_map: power over direction and time.
        n_dropped: directions found in one block of many, and left out.
        peaks: (window, k) where most votes lie in every short window, in the embedding of the array's grid.
        alternatives: for every source, (azimuth, elevation) in radians of other directions in which its sound, a tone, is heard
            alike; None where not known. Nothing for wide sounds.
        remarks: sentences on what the directions may be worth.
    """

    azimuth: NDArray[np.float64]
    elevation: NDArray[np.float64]
    support: NDArray[np.float64]
    active: list[list[int]]
    sound_map: SoundMap
    n_dropped: int
    peaks: NDArray[np.float64]
    alternatives: Sequence[Sequence[tuple[float | None, float | None]]] = ()
    remarks: Sequence[str] = ()


def blocks(recording: Recording, dc: NDArray[Any]) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """(first sample, samples (mic, sample) without their mean) of overlapping blocks of equal length."""
    n = block_count(recording)
    if n == 1:
        yield 0, recording.samples - dc[:, None].astype(np.float32)
        return
    # Whole samples, rounded up: rounded down, a few samples would be left over for one more block.
    overlap = round(OVERLAP_SECONDS * recording.sample_rate)
    hop = -(-(recording.n_samples - overlap) // n)
    for start, block in recording.blocks((hop + overlap) / recording.sample_rate, OVERLAP_SECONDS):
        yield start, block.samples - dc[:, None].astype(np.float32)


def block_count(recording: Recording) -> int:
    """How many blocks a recording is worked on in; up to 4/3 of `BLOCK_SECONDS` stays whole."""
    if recording.duration <= BLOCK_SECONDS * 4 / 3:
        return 1
    return int(np.ceil((recording.duration - OVERLAP_SECONDS) / (BLOCK_SECONDS - OVERLAP_SECONDS)))


def listen(
    recording: Recording,
    dc: NDArray[Any],
    n_sources: int | None,
    given: Sequence[tuple[float, float]] | None,
    activity: Mapping[str, NDArray[Any]] | None,
    report: Callable[[str, float], None],
) -> Heard:
    """Survey every block; find, count and join the directions.

    Args:
        recording: working channels, with their array.
        dc: (mic,) offsets to subtract.
        n_sources: count, if known.
        given: (azimuth, elevation) in radians of the sources, if known; then nothing is localised.
        activity: of each source, by name, (segment, 2) start and end in seconds, if known; then nothing is counted.
        report: progress.

    Cost: see `SRPPHAT`; memory for one block.
    """
    assert recording.array is not None
    stft = localization_stft(recording.sample_rate)
    srp = SRPPHAT(recording.array, stft.frequencies(recording.sample_rate))
    n_blocks = block_count(recording)
    # With the count given, the votes of all blocks decide together, so pursuit of single blocks is of no use.
    many = recording.n_mics >= MANY_MICS and given is None and activity is None and (n_sources is None or n_blocks == 1)
    pursuit = OMP(recording.array, stft.frequencies(recording.sample_rate)) if many else None
    columns = _Columns(recording, len(srp.grid.azimuth))
    tones = _Tones(recording, srp.grid, stft.frequencies(recording.sample_rate))
    speakers = None
    if activity is not None and given is None:
        speakers = SpeakerVotes(srp, stft, recording.sample_rate, list(activity.values()))
    sounding: list[list[int]] = []
    votes: list[NDArray[np.float64]] = []
    n_votes: list[float] = []
    believed: list[Directions | None] = []
    heaps: list[NDArray[np.float64]] = []
    single: list[tuple[NDArray[np.int32], NDArray[np.float32], float]] = []
    for number, (start, samples) in enumerate(blocks(recording, dc)):
        report("localise", number / n_blocks)
        y = stft(torch.from_numpy(ends_faded(samples, start, recording.n_samples, recording.sample_rate)))
        survey = srp.survey(y)
        votes.append(survey.by_band)
        heaps.append(window_peaks(survey, srp.grid, samples.shape[-1] / recording.sample_rate))
        n_votes.append(survey.n_votes)
        single.append((survey.where, survey.weight, samples.shape[-1] / recording.sample_rate))
        tones.add(y)
        directions = None if pursuit is None else pursuit(y, n_sources)
        if pursuit is not None and directions is not None and pursuit.unexplained(y, directions) >= WELL_EXPLAINED:
            directions = None
        believed.append(directions)
        columns.add(start, samples.shape[-1], survey.power)
        if activity is not None:
            span = start / recording.sample_rate, (start + samples.shape[-1]) / recording.sample_rate
            sounding.append([n for n, stretches in enumerate(activity.values()) if len(cut(stretches, *span))])
        if speakers is not None:
            speakers.add(y, start)
    report("localise", 1.0)
    sound_map, peaks = columns.sound_map(srp.grid), np.concatenate(heaps)
    if given is not None:
        azimuth, elevation = np.array(given).T
        every = sounding or [list(range(len(given)))] * len(votes)
        support, remarks = _supported(np.sum(votes, axis=(0, 1)), srp.grid, given)
        return Heard(azimuth, elevation, support, every, sound_map, 0, peaks, remarks=remarks)
    if speakers is not None:
        assert activity is not None
        names = list(activity)
        return Heard(*speakers.directions(names), sounding, sound_map, 0, peaks, remarks=speakers.remarks(names))
    if tones.found():
        heard = Heard(*tones.directions(n_sources or 1), [], sound_map, 0, peaks, remarks=[tones.remark()])
        heard = heard._replace(active=[list(range(len(heard.azimuth)))] * len(votes))
    elif n_sources is not None and believed[0] is None:
        found = find_directions(np.sum(votes, axis=0), srp.grid, n_sources)
        heard = Heard(*found, [list(range(len(found.azimuth)))] * len(votes), sound_map, 0, peaks)
    else:
        per_block = [
            better or find_directions(vote, srp.grid, unaliased=srp.unaliased, n_votes=worth)
            for better, vote, worth in zip(believed, votes, n_votes, strict=True)
        ]
        heard = _with_those_who_return(_join(per_block, srp.grid, sound_map, peaks), single, srp.grid)
    return heard._replace(alternatives=tones.alternatives(heard.azimuth, heard.elevation))


def _supported(
    votes: NDArray[np.float64], grid: Grid, given: Sequence[tuple[float, float]]
) -> tuple[NDArray[np.float64], list[str]]:
    """What the votes say of directions that were given: their share there, relative to the highest, and which are doubtful."""
    shares = vote_shares(votes, grid, NEAR)
    share = shares[[nearest_index(grid, *direction) for direction in given]]
    loudest = int(np.argmax(shares))
    nowhere = [f"{np.degrees(azimuth):.0f}" for (azimuth, _), low in zip(given, share < UNLIKELY, strict=True) if low]
    remarks = [
        f"Hardly any sound comes from azimuth {', '.join(nowhere)} degrees, which was given; most comes from about"
        f" {np.degrees(grid.azimuth[loudest]):.0f}. Are angles counter-clockwise, from the array's own front?"
    ]
    return np.cbrt(share / max(float(shares.max()), np.finfo(float).tiny)), remarks if nowhere and votes.any() else []


class _Tones:
    """Collects what tells whether all sound is a tone that nobody can vote for, and where it may come from."""

    def __init__(self, recording: Recording, grid: Grid, frequencies: Tensor) -> None:
        assert recording.array is not None
        self.array, self.grid, self.frequencies = recording.array, grid, frequencies
        self.spectrum = np.zeros(len(frequencies))
        self.R = torch.zeros(len(frequencies), recording.n_mics, recording.n_mics, dtype=torch.complex64)

    def add(self, y: Tensor) -> None:
        spectrum = torch.view_as_real(y).square().sum((0, 2, 3)).double().numpy()
        # Rumble below is no sound that a direction could be told of.
        spectrum[self.frequencies.numpy() < LOWEST_HZ / 2] = 0
        self.spectrum += spectrum
        if is_narrow(spectrum):
            self.R += covariance(y) * y.shape[-1]

    def found(self) -> bool:
        return is_above_voting(self.array, self.frequencies, self.spectrum)

    def directions(self, n_sources: int) -> Directions:
        power = beam_power(self.array, self.grid, self.frequencies, self.R, self.spectrum)
        return map_peaks(power, self.grid, n_sources)

    def alternatives(self, azimuth: NDArray[Any], elevation: NDArray[Any]) -> list[list[tuple[float | None, float | None]]]:
        pairs = zip(azimuth.tolist(), elevation.tolist(), strict=True)
        return [alternatives(self.array, self.grid, *pair, self.frequencies, self.spectrum) for pair in pairs]

    def remark(self) -> str:
        return tone_remark(self.frequencies, self.spectrum)


def _join(per_block: list[Directions], grid: Grid, sound_map: SoundMap, peaks: NDArray[np.float64]) -> Heard:
    """One list of sources from the directions of every block."""
    places: list[list[tuple[float, float, float]]] = []
    active: list[list[int]] = []
    for found in per_block:
        ids = []
        for azimuth, elevation, support in zip(*found, strict=True):
            distance = [float(np.linalg.norm(embed(grid, azimuth, elevation) - embed(grid, *place[0][:2]))) for place in places]
            taken = [1e9 if n in ids else d for n, d in enumerate(distance)]
            nearest = int(np.argmin(taken)) if taken and min(taken) < SAME_SOURCE else len(places)
            if nearest == len(places):
                places.append([])
            places[nearest].append((float(azimuth), float(elevation), float(support)))
            ids.append(nearest)
        active.append(ids)
    least = SEEN_IN if len(per_block) >= 10 else 1
    kept = [n for n, place in enumerate(places) if len(place) >= least]
    number = {n: i for i, n in enumerate(kept)}
    mean = [_mean_direction(places[n]) for n in kept]
    azimuth, elevation, support = np.array(mean).reshape(-1, 3).T
    active = [sorted(number[n] for n in ids if n in number) for ids in active]
    return Heard(azimuth, elevation, support, active, sound_map, len(places) - len(kept), peaks)


def _with_those_who_return(
    heard: Heard, single: Sequence[tuple[NDArray[np.int32], NDArray[np.float32], float]], grid: Grid
) -> Heard:
    """The same, with those who are known from other blocks and speak too little in one to be found there."""
    if len(single) < 2 or not len(heard.azimuth):
        return heard
    indices = [nearest_index(grid, float(a), float(e)) for a, e in zip(heard.azimuth, heard.elevation, strict=True)]
    active = [
        sorted({*ids, *np.flatnonzero(returns(where, weight, grid, indices, seconds)).tolist()})
        for ids, (where, weight, seconds) in zip(heard.active, single, strict=True)
    ]
    return heard._replace(active=active)


def _mean_direction(place: list[tuple[float, float, float]]) -> tuple[float, float, float]:
    azimuth, elevation, support = np.array(place).T
    direction = np.angle(support @ np.exp(1j * azimuth))
    return float(direction), float(support @ elevation / support.sum()), float(support.mean())


class _Columns:
    """Collects the steered power of all blocks into at most `MAX_COLUMNS` columns."""

    def __init__(self, recording: Recording, n_directions: int) -> None:
        self.duration, self.sample_rate = recording.duration, recording.sample_rate
        self.n = int(np.clip(recording.duration / 0.05, 1, MAX_COLUMNS))
        self.total = np.zeros((n_directions, self.n), np.float32)
        self.count = np.zeros(self.n)

    def add(self, start: int, n_samples: int, power: NDArray[Any]) -> None:
        seconds = start / self.sample_rate + (np.arange(power.shape[1]) + 0.5) / power.shape[1] * n_samples / self.sample_rate
        column = np.minimum((seconds / self.duration * self.n).astype(int), self.n - 1)
        first = np.flatnonzero(np.r_[True, np.diff(column) > 0])
        self.total[:, column[first]] += np.add.reduceat(power, first, axis=1)
        self.count += np.bincount(column, minlength=self.n)

    def sound_map(self, grid: Grid) -> SoundMap:
        times = (np.arange(self.n) + 0.5) / self.n * self.duration
        power = np.clip(self.total / np.maximum(self.count, 1), 0, 1)
        return SoundMap(grid.azimuth, grid.elevation, times, power)
