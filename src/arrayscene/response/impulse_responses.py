"""Measured impulse responses of an array: one a direction or place, and what can be done with them before decoding."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from arrayscene.errors import GeometryError, ShapeError
from arrayscene.response.alignment import onsets, propagation_delays

if TYPE_CHECKING:
    from scipy.spatial import cKDTree

COINCIDENT = math.radians(0.05)
"""Directions nearer to each other than this are one."""

WIDEST = 2.5
"""Angle to the nearest measured direction, in spacings of them, from which on a place on the sphere is a gap."""


@dataclass(frozen=True, eq=False)
class ImpulseResponses:
    """What every microphone of an array heard of an impulse from each of several directions or places.

    h[direction, mic, tap], in the microphones' own units; azimuth counter-clockwise from the array's front, elevation up from
    its horizon, as everywhere.

    Attributes:
        samples: (direction, mic, tap) float64, read-only.
        sample_rate: hertz.
        azimuth, elevation: (direction,) float64 radians, read-only.
        distance: (direction,) metres from the array's origin, read-only; None where unknown.
        name: what was measured, or the file that it came from; named in errors.

    Raises:
        ShapeError: other axes, no response, no tap, NaN or infinite samples, a response that is silent at every microphone.
        GeometryError: directions or distances that do not fit the samples or that are not finite.
    """

    samples: NDArray[np.float64]
    sample_rate: float
    azimuth: NDArray[np.float64]
    elevation: NDArray[np.float64]
    distance: NDArray[np.float64] | None = None
    name: str = "impulse responses"

    def __post_init__(self) -> None:
        samples = np.array(self.samples, dtype=np.float64)
        _check_samples(samples, self.sample_rate, self.name)
        object.__setattr__(self, "samples", _frozen(samples))
        for field in ("azimuth", "elevation", "distance"):
            given = getattr(self, field)
            if given is not None:
                object.__setattr__(self, field, _one_each(given, len(samples), f"{self.name}: {field}"))
        if self.distance is not None and not (self.distance > 0).all():
            raise GeometryError(f"{self.name}: a distance of {self.distance.min():g} m came; metres above 0 were wanted")

    @classmethod
    def load(cls, path: str | Path) -> ImpulseResponses:
        """Read a SOFA file (AES69), or a folder of sound files with an index.

        The folder holds one multichannel file (WAV, FLAC ...) for each direction or place, one channel a microphone, and a
        list of them named index.json, index.toml or index.csv:

            {"name": "ring", "responses": [{"file": "a.wav", "azimuth_deg": 30, "elevation_deg": 0, "distance_m": 1.5}]}

        An entry has `file` and either `azimuth_deg`, with `elevation_deg` (0 unless given) and `distance_m` (unknown unless
        given), or the place `x`, `y`, `z` in metres from the array's origin: x front, y left, z up. In TOML every entry is a
        table [[responses]]; in CSV a row, under a first line of those names.

        Raises:
            GeometryError: a path that is neither, a malformed index or SOFA file, directions or distances that do not fit.
            RecordingError: a sound file that is missing or cannot be read.
            ShapeError: files of different rates or numbers of channels; samples that are not finite, or silent.
            DeviceError: a SOFA file where sofar is not installed.
        """
        path = Path(path)
        if path.is_dir():
            from arrayscene.response.impulse_folder import read_impulse_folder

            return read_impulse_folder(path)
        if path.suffix != ".sofa":
            there = "a file of another kind" if path.exists() else "nothing"
            raise GeometryError(
                f"{path}: {there} found; a folder with an index of impulse responses, or a .sofa file, was wanted"
            )
        from arrayscene.response.impulse_sofa import read_impulse_sofa

        return read_impulse_sofa(path)

    def save(self, folder: str | Path) -> None:
        """Write a folder that `load` reads: one 32-bit float WAV file for each response, and index.json.

        Raises:
            RecordingError, ArraySceneError: a folder that cannot be written to.
        """
        from arrayscene.response.impulse_folder import write_impulse_folder

        write_impulse_folder(self, Path(folder))

    @property
    def n_directions(self) -> int:
        """Responses, one a direction or place."""
        return int(self.samples.shape[0])

    @property
    def n_mics(self) -> int:
        """Microphones."""
        return int(self.samples.shape[1])

    @cached_property
    def vectors(self) -> NDArray[np.float64]:
        """(direction, 3) unit vectors towards the measured directions."""
        level = np.cos(self.elevation)
        return _frozen(np.column_stack([level * np.cos(self.azimuth), level * np.sin(self.azimuth), np.sin(self.elevation)]))

    @cached_property
    def tree(self) -> cKDTree:
        """Finds the measured directions nearest to others; holds `vectors`."""
        from scipy.spatial import cKDTree

        return cKDTree(self.vectors)

    @cached_property
    def spacing(self) -> float:
        """Radians from a measured direction to the next, exceeded by one in ten of them; infinite for a single direction."""
        from scipy.spatial import cKDTree

        distinct = np.unique(np.round(self.vectors, 6), axis=0)
        if len(distinct) < 2:
            return math.inf
        chords = cKDTree(distinct).query(distinct, k=2)[0][:, 1]
        return float(np.quantile(2 * np.arcsin(np.minimum(chords / 2, 1)), 0.9))

    @cached_property
    def delays(self) -> NDArray[np.float64]:
        """(direction, mic) seconds until the sound arrives; interpolation is between responses moved back by them."""
        return _frozen(propagation_delays(self.samples, self.sample_rate))

    @cached_property
    def quadrature(self) -> NDArray[np.float64] | None:
        """(direction,) share of the sphere that is nearest to each; None where they leave too wide a gap."""
        from arrayscene.response.solid_angles import solid_angles

        shares, gap = solid_angles(self.vectors)
        return _frozen(shares) if gap <= WIDEST * self.spacing else None

    def select(self, directions: Sequence[int] | None = None, mics: Sequence[int] | None = None) -> ImpulseResponses:
        """Some of the responses, of some of the microphones, in the order given; all where None.

        Args:
            directions: rows of `samples`, counted from 0.
            mics: microphones, counted from 0.

        Raises:
            ShapeError: none, or one that does not exist.
        """
        rows = _indices(directions, self.n_directions, "direction", self.name)
        columns = _indices(mics, self.n_mics, "microphone", self.name)
        return replace(
            self,
            samples=self.samples[np.ix_(rows, columns)],
            azimuth=self.azimuth[rows],
            elevation=self.elevation[rows],
            distance=None if self.distance is None else self.distance[rows],
        )

    def early(self, seconds: float, fade: float = 0.002) -> ImpulseResponses:
        """Direct sound and early reflections only: what a decoder's transform window can hold of a long room response.

        Each response is kept from `fade` before its first arrival, at whichever microphone, to `seconds` after it, with half-Hann
        flanks of length `fade`; all are advanced by the same time, so that the earliest begins at once.

        Args:
            seconds: after the first arrival.
            fade: seconds.

        Raises:
            ShapeError: lengths that are not positive and finite.
        """
        if not (0 < seconds < math.inf and 0 < fade < math.inf):
            raise ShapeError(f"early: {seconds} s with flanks of {fade} s came; positive finite lengths are wanted")
        n_fade, n_keep = max(round(fade * self.sample_rate), 1), max(round(seconds * self.sample_rate), 1)
        first = onsets(self.samples)
        shift = int(first.min()) - n_fade
        flank = 0.5 - 0.5 * np.cos(np.pi * (np.arange(n_fade) + 0.5) / n_fade)
        window = np.concatenate([flank, np.ones(n_keep), flank[::-1]])
        kept = np.zeros((self.n_directions, self.n_mics, int(first.max()) - int(first.min()) + len(window)))
        for row, onset in enumerate(first):
            begin = int(onset) - n_fade
            taps = np.arange(max(begin, 0), min(begin + len(window), self.samples.shape[2]))
            kept[row][:, taps - shift] = self.samples[row][:, taps] * window[taps - begin]
        return replace(self, samples=kept)


def _check_samples(samples: NDArray[np.float64], sample_rate: float, name: str) -> None:
    if samples.ndim != 3 or 0 in samples.shape:
        raise ShapeError(f"{name}: samples of shape {samples.shape} came; (direction, mic, tap), none empty, is wanted")
    if not 0 < sample_rate < math.inf:
        raise ShapeError(f"{name}: a sample rate of {sample_rate} Hz came; a positive one was wanted")
    broken = ~np.isfinite(samples).all(axis=(1, 2))
    if broken.any():
        raise ShapeError(f"{name}: response {int(broken.argmax()) + 1} holds NaN or infinite samples; measure or export it again")
    silent = ~samples.any(axis=(1, 2))
    if silent.any():
        raise ShapeError(f"{name}: response {int(silent.argmax()) + 1} is silent at every microphone; leave it out")


def _one_each(values: ArrayLike, n: int, what: str) -> NDArray[np.float64]:
    numbers = np.array(values, dtype=np.float64)
    if numbers.shape != (n,) or not np.isfinite(numbers).all():
        raise GeometryError(f"{what} of shape {numbers.shape} came for {n} responses; one finite number for each was wanted")
    return _frozen(numbers)


def _indices(chosen: Sequence[int] | None, n: int, what: str, name: str) -> list[int]:
    if chosen is None:
        return list(range(n))
    numbers = [int(index) for index in chosen]
    if not numbers or not all(0 <= index < n for index in numbers):
        raise ShapeError(f"{name}: {what}s {numbers} were asked for; numbers from 0 to {n - 1} are wanted, at least one")
    return numbers


def _frozen(values: NDArray[np.float64]) -> NDArray[np.float64]:
    values.flags.writeable = False
    return values
