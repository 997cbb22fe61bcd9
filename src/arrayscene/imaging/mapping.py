"""From a recording to a sound map: cross-spectral matrices, one map a frequency, sums over bands."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from arrayscene.array import MicrophoneArray
from arrayscene.constants import SPEED_OF_SOUND
from arrayscene.errors import GeometryError, RecordingError, ShapeError
from arrayscene.imaging.bands import Band, band_weights
from arrayscene.imaging.clean_sc import CleanSC
from arrayscene.imaging.cross_spectra import CrossSpectra, Progress, cross_spectra
from arrayscene.imaging.grids import FloatArray, MapGrid
from arrayscene.imaging.limits import limit_warnings, rayleigh_resolution
from arrayscene.imaging.method import ImagingMethod
from arrayscene.imaging.outside import loudest_on_edge, sound_from_outside
from arrayscene.imaging.result import Reference, SoundMap
from arrayscene.imaging.transfer import grid_response, possible_points, transfer_chunks
from arrayscene.recording import Recording
from arrayscene.response import Response

BINS = 5
"""Bins in the narrowest band at least."""

TRAVELS = 16
"""Times the largest difference of travel times that a window is long at least, so that delays hardly cost coherence."""

KEPT = 1 << 25
"""Complex values of transfer functions that are kept from frame to frame: 256 MB."""


def sound_map(recording: Recording, grid: MapGrid, bands: Sequence[Band], **options: Any) -> SoundMap:
    """How loud it is where: the map of a recording.

    Args:
        recording: with its array.
        grid: where to look.
        bands: of frequencies, such as `[third_octave(1000), third_octave(2000)]`.
        options: those of `Imager`: method, response, reference, pascal, n_fft, speed_of_sound.

    Raises: as `Imager` and `Imager.image`.
    """
    return Imager(array_of(recording), grid, bands, **options).image(recording)


@dataclass(frozen=True, eq=False)
class Imager:
    """Everything that turns recordings of one array into maps of one grid.

    Attributes:
        array: microphones.
        grid: where to look.
        bands: of frequencies.
        method: of imaging.
        response: to a source at each point; that of `grid_response` if None. Levels are meant where it is 1.
        reference: "array": levels as heard at the array's origin; "1 m": at one metre from each source.
        pascal: what a sample of 1.0 stands for; then levels are dB SPL instead of dB re full scale.
        n_fft: samples a window; None: as long as the bands and the array's size need.
        speed_of_sound: m/s.

    Raises: ShapeError for no bands, a `pascal` that is not positive, another reference, or levels at 1 m of directions.
    """

    array: MicrophoneArray
    grid: MapGrid
    bands: Sequence[Band]
    method: ImagingMethod = field(default_factory=CleanSC)
    response: Response | None = None
    reference: Reference = "array"
    pascal: float | None = None
    n_fft: int | None = None
    speed_of_sound: float = SPEED_OF_SOUND

    def __post_init__(self) -> None:
        if not len(self.bands):
            raise ShapeError("bands: none came; name at least one, such as 1000")
        if self.pascal is not None and not 0 < self.pascal < math.inf:
            raise ShapeError(f"sound map: pascal = {self.pascal} came; a positive number is needed")
        if self.reference not in ("array", "1 m"):
            raise ShapeError(f"sound map: reference {self.reference!r} came; 'array' or '1 m' is needed")
        if self.reference == "1 m" and self.grid.far:
            raise ShapeError("sound map: levels at 1 m were asked for; directions have no distance: take a sphere with a radius")

    @cached_property
    def warnings(self) -> tuple[str, ...]:
        """Sentences on bands in which the array resolves little or sees ghosts, and on what its layout cannot tell."""
        return tuple(limit_warnings(self.array, self.grid, self.bands, self.speed_of_sound))

    def image(self, recording: Recording, progress: Progress | None = None) -> SoundMap:
        """The map of a recording.

        Args:
            recording: of the array; gains and delays of the array's channels are taken out.
            progress: called with the step's name and the fraction of it that is done.

        Raises:
            RecordingError: one microphone, silence, samples that are not finite, too short a recording.
            GeometryError: points on microphones, at the array's origin or inside its body; a response to other points.
            ShapeError: bands above the Nyquist frequency or without a bin, or too many points.

        Cost: O(mic^2 sample), and the method's a frequency.
        """
        spectra = self._spectra(recording.equalized(), 0.0, progress)
        return self.from_spectra(spectra, progress)

    def frames(self, recording: Recording, every: float) -> Iterator[SoundMap]:
        """A map for every stretch of a recording, to lay over a video.

        Args:
            recording: of the array.
            every: seconds of a stretch, which the next one follows; a rest shorter than that at the end is left out.

        Yields: maps whose `start` and `duration` say what they are of; empty ones of stretches without any sound.

        Raises: as `image`, and RecordingError where a stretch is shorter than one window or longer than the recording.

        Cost: that of `image` for each stretch; transfer functions of up to 256 MB are made once.
        """
        rate, window = recording.sample_rate, self.window_length(recording.sample_rate)
        length = round(every * rate)
        if not window <= length <= recording.n_samples:
            raise RecordingError(
                f"sound maps: one every {every:g} s came; {window / rate:.3g} s, one window, to {recording.duration:.3g} s, the"
                " whole recording, is possible"
            )
        kept: list[tuple[int, Tensor]] | None = None
        for first, block in recording.equalized().blocks(every):
            if block.n_samples < length:
                return
            if not block.samples.any():
                yield self._map(np.zeros((len(self.bands), self.grid.n_points)), first / rate, block.duration, self.warnings)
                continue
            chosen = self._chosen(self._spectra(block, first / rate, None))
            if kept is None and len(chosen.frequencies) * self.array.n_mics * self.grid.n_points <= KEPT:
                kept = list(self._transfers(chosen.frequencies))
            yield self._image(chosen, self._transfers(chosen.frequencies) if kept is None else kept, None)

    def from_spectra(self, spectra: CrossSpectra, progress: Progress | None = None) -> SoundMap:
        """The map of cross-spectral matrices.

        Args:
            spectra: of the array's microphones.
            progress: called with the step's name and the fraction of it that is done.

        Raises: as `image`.
        """
        chosen = self._chosen(spectra)
        found = self._image(chosen, self._transfers(chosen.frequencies), progress)
        beyond = None if self.response is not None else sound_from_outside(found, chosen, self.speed_of_sound)
        beyond = beyond or loudest_on_edge(found)
        return found if beyond is None else replace(found, warnings=(*found.warnings, beyond))

    def _chosen(self, spectra: CrossSpectra) -> CrossSpectra:
        """The bins that the bands need."""
        if spectra.n_mics != self.array.n_mics:
            raise ShapeError(
                f"sound map: spectra of {spectra.n_mics} channels came for {self.array.n_mics} microphones; as many are needed"
            )
        used = band_weights(self.bands, spectra.frequencies, spectra.bin_width).sum(0) > 0
        return replace(spectra, frequencies=spectra.frequencies[used], matrices=spectra.matrices[used])

    @cached_property
    def _possible(self) -> NDArray[np.bool_]:
        """(point,) where the map is computed; elsewhere it is empty."""
        if self.response is not None:
            return np.ones(self.grid.n_points, dtype=np.bool_)
        possible = possible_points(self.array, self.grid)
        if not possible.any():
            raise GeometryError("grid: all points lie on the array; take a larger grid, or a smaller step")
        return possible

    def _transfers(self, frequencies: Tensor) -> Iterator[tuple[int, Tensor]]:
        response, possible = self.response, self._possible
        if response is None:
            grid = self.grid if possible.all() else replace(self.grid, points=self.grid.points[possible])
            response = grid_response(self.array, grid, frequencies, self.speed_of_sound)
        return transfer_chunks(response, frequencies, int(possible.sum()))

    def _image(self, spectra: CrossSpectra, transfers: Iterable[tuple[int, Tensor]], progress: Progress | None) -> SoundMap:
        weights = band_weights(self.bands, spectra.frequencies, spectra.bin_width)
        power = torch.zeros((len(self.bands), int(self._possible.sum())), dtype=torch.float64)
        for first, A in transfers:
            # One frequency at a time keeps what the methods work on in the cache.
            for index, transfer in enumerate(A, start=first):
                found = self.method(spectra.matrices[index, None], transfer[None])
                power += weights[:, index, None] * found.clamp_min(0.0)
                if progress is not None:
                    progress(self.method.title, (index + 1) / len(spectra.frequencies))
        warnings = self.warnings
        if spectra.n_averages < self.array.n_mics:
            warnings = (*warnings, _few_windows(spectra.n_averages, self.array.n_mics))
        whole = np.zeros((len(self.bands), self.grid.n_points))
        whole[:, self._possible] = power.numpy()
        return self._map(whole * self._scale, spectra.start, spectra.duration, warnings)

    def window_length(self, sample_rate: int) -> int:
        """Samples of a window.

        `n_fft`, or a power of two that puts five bins at least into the narrowest band and is sixteen times as long as the
        largest difference of travel times from a point to the microphones.
        """
        if self.n_fft is not None:
            return self.n_fft
        narrowest = min(band.high - band.low for band in self.bands)
        needed = max(BINS / narrowest, TRAVELS * self._longest_detour / self.speed_of_sound) * sample_rate
        return int(2 ** math.ceil(math.log2(max(needed, 64.0))))

    def _spectra(self, recording: Recording, start: float, progress: Progress | None) -> CrossSpectra:
        rate = recording.sample_rate
        above = [band.name for band in self.bands if band.high > rate / 2]
        if above:
            raise ShapeError(
                f"bands: {', '.join(above)} reach above {rate / 2:g} Hz, the Nyquist frequency of a recording at {rate} Hz; take"
                " lower ones"
            )
        lowest, highest = min(band.low for band in self.bands), max(band.high for band in self.bands)
        return cross_spectra(
            recording, n_fft=self.window_length(rate), lowest=lowest, highest=highest, start=start, progress=progress
        )

    @cached_property
    def _longest_detour(self) -> float:
        """Metres by which the ways from a point of the grid to two microphones differ at most."""
        if self.grid.far:
            return self.array.aperture
        stride = max(1, self.grid.n_points // 2000)
        ways = np.linalg.norm(self.grid.points[::stride, None, :] - self.array.positions, axis=-1)
        return float(np.ptp(ways, axis=1).max())

    @cached_property
    def _scale(self) -> FloatArray:
        """(point,) what powers at the array's origin are multiplied by."""
        pascal = 1.0 if self.pascal is None else self.pascal
        squared = np.square(self.grid.points).sum(axis=1) if self.reference == "1 m" else np.ones(self.grid.n_points)
        return np.asarray(squared * pascal**2)

    def _map(self, power: FloatArray, start: float, duration: float, warnings: tuple[str, ...]) -> SoundMap:
        resolution = [rayleigh_resolution(self.array, self.grid, band.centre, self.speed_of_sound) for band in self.bands]
        return SoundMap(
            self.grid,
            tuple(self.bands),
            power,
            self.method.in_words,
            self.method.shows_sources,
            self.reference,
            self.pascal is not None,
            np.array(resolution),
            self.array,
            start,
            duration,
            warnings,
        )


def array_of(recording: Recording) -> MicrophoneArray:
    """The array of a recording.

    Raises: RecordingError where it has none, or a single microphone.
    """
    if recording.array is None:
        raise RecordingError("sound map: the recording has no array; read it with array=..., or use with_array")
    if recording.n_mics < 2:
        raise RecordingError("sound map: 1 channel came; a map needs at least 2 microphones, and is useful from about 8 on")
    return recording.array


def _few_windows(n_averages: int, n_mics: int) -> str:
    return (
        f"Only {n_averages} windows for {n_mics} microphones: levels scatter by {4.34 / math.sqrt(n_averages):.1f} dB in each"
        " bin; a longer recording is steadier."
    )
