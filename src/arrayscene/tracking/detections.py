"""Directions in every short frame: what a tracker is fed with."""

from __future__ import annotations

from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from arrayscene.array import MicrophoneArray
from arrayscene.constants import SPEED_OF_SOUND
from arrayscene.errors import ShapeError
from arrayscene.localize import Grid, direction_grid, localization_stft
from arrayscene.localize.grid import to_vectors
from arrayscene.localize.srp import LOWEST_HZ, MAX_MICS, SMOOTHING, voting_bands
from arrayscene.response import far_field

FRAMES = 8
"""Frames of the transform in one frame of detections: 64 ms, in which a walker moves by 2 or 3 degrees."""

MOST = 4
"""Detections of one frame, at most."""

HEAP = np.sin(np.deg2rad(6.0))
"""Scatter of the votes for one source in so short a time, in units of the grid's embedding."""

REACH = np.sin(np.deg2rad(15.0))
"""Votes within this distance of a detection are its own."""

LEAST_SHARE = 0.1
"""Share of a frame's votes below which a heap is no detection."""

AUDIBLE = 0.05
"""Share of a band's mean power below which a bin of it does not count."""

MEMORY_SECONDS = 4.0
"""How far back the level reaches that a frame's loudness is judged against."""

QUIET = 0.02
"""Share of that level below which a band does not vote."""

CHANCE_FRAMES = 40
"""Frames of diffuse noise by which the strength of detections is gauged."""

TOLERANCE = 0.03
"""Error of the factored steering, relative to its Frobenius norm: far below what noise and rooms do to the phases."""


class Detections(NamedTuple):
    """Directions of one frame, strongest first.

    Attributes:
        time: seconds, middle of the frame.
        vectors: (detection, 3) unit vectors towards the sources.
        strength: (detection,) weight of the votes for it, how many bands one wavefront from there dominates, relative to what a
            detection in a diffuse field has on average.
        share: (detection,) 0 to 1, its share of all votes of the frame.
        bands_db: (detection, band) dB, level of the bands that it dominates; nan for those that it does not.
    """

    time: float
    vectors: NDArray[np.float64]
    strength: NDArray[np.float64]
    share: NDArray[np.float64]
    bands_db: NDArray[np.float64]


class FrontState(NamedTuple):
    """What detecting block by block carries over.

    Attributes:
        tail: (mic, sample) that the next frame still needs.
        pending: (mic, sample) that came and fill no frame yet.
        level, weight: (band,) and a number: recursive mean of the power in each band, and the sum of its weights.
        n_frames: frames of detections done.
    """

    tail: NDArray[np.float32]
    pending: NDArray[np.float32]
    level: NDArray[np.float64]
    weight: float
    n_frames: int


class _Band(NamedTuple):
    bins: slice
    into: NDArray[np.float32]
    back: NDArray[np.float32]


class FrameDirections:
    """Detections every 64 ms: votes of SRP-PHAT in bands a third of an octave wide, gathered into heaps.

    As `arrayscene.localize.SRPPHAT`, but frame by frame, causal, and cheap enough to run beside everything else: the phases of
    all pairs and bins of a band are projected onto the few patterns that directions can make (a factored steering matrix), and
    from there onto the directions.

    Args:
        array: microphones, at least two.
        sample_rate: hertz.
        grid: directions to scan; those that the array can tell apart by default.
        speed_of_sound: m/s.

    Latency: one frame, `frame_seconds`.
    Cost: see benchmarks/results/tracking.md.

    Raises: GeometryError for one microphone, ShapeError for a rate too low for any band.

    References: as `SRPPHAT`; T. Dietzen, E. De Sena, T. van Waterschoot, "Low-complexity steered response power mapping based on
        low-rank and sparse interpolation", 2023 (factored steering).
    """

    def __init__(
        self,
        array: MicrophoneArray,
        sample_rate: int,
        *,
        grid: Grid | None = None,
        speed_of_sound: float = SPEED_OF_SOUND,
    ) -> None:
        self.array, self.sample_rate = array, sample_rate
        self.grid = direction_grid(array) if grid is None else grid
        self.stft = localization_stft(sample_rate)
        self.mics = list(array.spread(MAX_MICS))
        self.pairs = np.array(list(combinations(range(len(self.mics)), 2)), np.int64)
        self.samples = FRAMES * self.stft.hop
        self.frame_seconds = self.samples / sample_rate
        self._vectors = to_vectors(self.grid.azimuth, self.grid.elevation if self.grid.elevation_known else 0 * self.grid.azimuth)
        self._places = np.ascontiguousarray(self.grid.embedding, np.float64)
        self._window = self.stft.window.to(torch.float32).numpy()
        frequencies = self.stft.frequencies(sample_rate)
        edges = voting_bands(frequencies, array.aliasing_hz(speed_of_sound))
        if not edges:
            raise ShapeError(
                f"FrameDirections: {sample_rate} Hz leave no band above {LOWEST_HZ:.0f} Hz; resample to 8000 Hz or more"
            )
        self._first, self._last = edges[0].start, edges[-1].stop
        self.bands = [
            _Band(slice(bins.start - self._first, bins.stop - self._first), *self._factors(bins, frequencies, speed_of_sound))
            for bins in edges
        ]
        self._n_bins = np.array([[band.bins.stop - band.bins.start] for band in self.bands], np.float64)
        self._mean_of = np.zeros((len(self.bands), self._last - self._first))
        for n, band in enumerate(self.bands):
            self._mean_of[n, band.bins] = 1 / self._n_bins[n]
        self._forget = float(np.exp(-self.frame_seconds / MEMORY_SECONDS))
        self.chance = 1.0
        self.chance = self._chance()

    def init(self) -> FrontState:
        """State before the first sample."""
        tail, nothing = (np.zeros((self.array.n_mics, n), np.float32) for n in (self.stft.latency, 0))
        return FrontState(tail, nothing, np.zeros(len(self.bands)), 0.0, 0)

    def step(self, samples: NDArray[Any], state: FrontState) -> tuple[list[Detections], FrontState]:
        """Detections of the frames that (mic, sample) more samples complete; any number of samples, also none.

        Raises: ShapeError for another number of microphones.
        """
        samples = np.asarray(samples, np.float32)
        if samples.ndim != 2 or samples.shape[0] != self.array.n_mics:
            raise ShapeError(f"FrameDirections: samples {samples.shape} came; ({self.array.n_mics}, sample) are needed")
        samples = np.concatenate([state.pending, samples], axis=1)
        found = []
        tail, level, weight, n_frames = state.tail, state.level, state.weight, state.n_frames
        n_whole = samples.shape[1] // self.samples
        for number in range(n_whole):
            part = np.concatenate([tail, samples[:, number * self.samples : (number + 1) * self.samples]], axis=1)
            tail = part[:, self.samples :]
            detections, level, weight = self._frame(part, level, weight, (n_frames + 0.5) * self.frame_seconds)
            found.append(detections)
            n_frames += 1
        return found, FrontState(tail, samples[:, n_whole * self.samples :], level, weight, n_frames)

    def _frame(
        self, samples: NDArray[np.float32], level: NDArray[np.float64], weight: float, time: float
    ) -> tuple[Detections, NDArray[np.float64], float]:
        from arrayscene.kernels import coherence_phases, vote_heaps

        y = self._spectra(samples)
        phases, weights, levels = coherence_phases(y, SMOOTHING, SMOOTHING // 2, self.pairs)
        votes, where, loud = self._votes(phases, weights, levels)
        weight = self._forget * weight + 1 - self._forget
        level = self._forget * level + (1 - self._forget) * np.add.reduce(loud, axis=1) / loud.shape[1]
        votes = np.where(loud > QUIET * level[:, None] / weight, votes, 0.0)
        total = float(votes.sum())
        if total <= 0:
            return _nothing(time, len(loud)), level, weight
        places = self._places[where]
        means, masses = vote_heaps(places.reshape(-1, places.shape[-1]), votes.ravel(), MOST, narrow=HEAP, wide=REACH)
        kept = np.flatnonzero(masses >= LEAST_SHARE * total)
        kept = kept[np.argsort(-masses[kept], kind="stable")]
        if not len(kept):
            return _nothing(time, len(loud)), level, weight
        # (detection, band, time) which votes are whose.
        distance = np.square(means[kept][:, None, None] - places[None]).sum(axis=-1)
        own = (distance == distance.min(axis=0)) & (votes > 0)
        shares = votes * own * np.exp(-0.5 * distance / HEAP**2)
        vectors = np.einsum("dbt,btx->dx", shares, self._vectors[where])
        vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
        dominated = (own & (distance < REACH**2)).mean(axis=2) > 0.5
        bands = np.where(dominated, 10 * np.log10(np.maximum(loud.mean(axis=1), 1e-20)), np.nan)
        return Detections(time, vectors, masses[kept] / (votes.size * self.chance), masses[kept] / total, bands), level, weight

    def _chance(self) -> float:
        """Mean strength of detections where sound comes from everywhere: what reverberation and noise make of nothing."""
        from arrayscene.worlds import diffuse_field

        n_samples = CHANCE_FRAMES * self.samples
        generator = torch.Generator().manual_seed(0)
        positions = torch.tensor(self.array.positions)[None]
        field = diffuse_field(positions, 1, n_samples, sample_rate=self.sample_rate, generator=generator)[0, 0].numpy()
        found, _ = self.step(field, self.init())
        return max(float(np.mean(np.concatenate([frame.strength for frame in found] or [np.ones(1)]))), 1e-6)

    def _spectra(self, samples: NDArray[np.float32]) -> NDArray[np.complex64]:
        """(frame, bin, mic)."""
        n_fft, hop = self.stft.n_fft, self.stft.hop
        frames = np.lib.stride_tricks.sliding_window_view(samples[self.mics], n_fft, axis=1)[:, ::hop] * self._window
        spectra = np.fft.rfft(frames, axis=-1)[..., self._first : self._last]
        return np.ascontiguousarray(spectra.transpose(1, 2, 0), np.complex64)

    def _votes(
        self, phases: NDArray[np.float32], weights: NDArray[np.float32], levels: NDArray[np.float32]
    ) -> tuple[NDArray[np.float64], NDArray[np.intp], NDArray[np.float64]]:
        """(band, time) weight of the vote, its direction, and the power of the band."""
        n_times, shape = len(phases), (len(self.bands), len(phases))
        heights, where, total = np.empty(shape), np.empty(shape, np.intp), np.empty(shape)
        # Small arrays: what can be done for all bands at once is, since each call costs more than its numbers.
        loud = self._mean_of @ levels.T.astype(np.float64)
        floors = (AUDIBLE * loud).astype(np.float32)
        rows = np.arange(n_times)
        for n, (bins, into, back) in enumerate(self.bands):
            weight = weights[:, bins] * (levels[:, bins] > floors[n][:, None])
            power = (phases[:, bins] * weight[:, :, None, None]).reshape(n_times, -1) @ into @ back
            where[n] = best = power.argmax(axis=1)
            heights[n], total[n] = power[rows, best], np.add.reduce(weight, axis=1)
        heights = np.maximum(heights, 0) / (len(self.pairs) * np.maximum(total, 1e-9))
        votes = heights**2 * total / self._n_bins
        return votes, where, loud

    def _factors(
        self, band: slice, frequencies: Tensor, speed_of_sound: float
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """(bin 2 pair, rank) and (rank, direction) whose product is the steering of all directions."""
        toward = far_field(
            self.array.select(self.mics),
            torch.tensor(self.grid.azimuth),
            torch.tensor(self.grid.elevation),
            frequencies=frequencies[band],
            speed_of_sound=speed_of_sound,
        )
        A = toward.matrix().to(torch.complex64).numpy()
        cross = A[:, self.pairs[:, 0]] * A[:, self.pairs[:, 1]].conj()
        cross /= np.maximum(np.abs(cross), 1e-20)
        steering = np.stack([cross.real, cross.imag], axis=1).reshape(-1, A.shape[-1])
        return _factored(steering)


def _nothing(time: float, n_bands: int) -> Detections:
    return Detections(time, np.zeros((0, 3)), np.zeros(0), np.zeros(0), np.zeros((0, n_bands)))


def _factored(steering: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """(pattern, rank), (rank, direction) with a product within `TOLERANCE` of `steering`; itself where that is no smaller."""
    n_patterns, n_directions = steering.shape
    generator = np.random.default_rng(0)
    rank, norm = 16, float(np.linalg.norm(steering))
    while 2 * rank < min(n_patterns, n_directions):
        # Randomised range finder; what it misses is measured, not believed.
        probe = generator.standard_normal((n_directions, rank + 8)).astype(np.float32)
        basis = np.linalg.qr(steering @ probe)[0]
        coefficients = basis.T @ steering
        basis = basis @ np.linalg.svd(coefficients @ coefficients.T)[0][:, :rank]
        coefficients = basis.T @ steering
        if max(norm**2 - float(np.linalg.norm(coefficients)) ** 2, 0.0) <= (TOLERANCE * norm) ** 2:
            return np.ascontiguousarray(basis), np.ascontiguousarray(coefficients)
        rank = rank * 3 // 2
    return np.eye(n_patterns, dtype=np.float32), np.ascontiguousarray(steering)
