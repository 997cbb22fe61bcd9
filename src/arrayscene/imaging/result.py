"""SoundMap: how loud it is, at each point of a grid and in each band."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from arrayscene.array import MicrophoneArray
from arrayscene.constants import REFERENCE_PRESSURE
from arrayscene.errors import ShapeError
from arrayscene.imaging.bands import Band
from arrayscene.imaging.grids import MapGrid
from arrayscene.localize.grid import to_angles
from arrayscene.report.json_values import degrees, number

FloatArray = NDArray[np.float64]

Reference = Literal["array", "1 m"]

WITHIN_SOURCES, WITHIN_BEAMS = 15.0, 6.0
"""Decibels below the highest level within which a maximum counts as a source: of source maps, and of beams with side lobes."""


class MapSource(NamedTuple):
    """A source that a map shows.

    Attributes:
        position: (3,) metres, or a unit vector where the grid is far.
        level_db: dB re the map's reference.
        point: nearest point of the grid, its index.
    """

    position: FloatArray
    level_db: float
    point: int


@dataclass(frozen=True, eq=False)
class SoundMap:
    """A map of sound: the power of the sources, or of beams, at each point of a grid in each band.

    Attributes:
        grid: the points.
        bands: of the frequencies.
        power: (band, point) float64, mean square: relative to full scale 1.0, or in Pa^2 where `calibrated`.
        method: what made it, in words.
        shows_sources: whether values are the powers of sources, whose sum over a region is the region's power.
        reference: where levels are meant: "array", as heard at the array's origin without body or room, or "1 m" from the source.
        calibrated: whether levels are dB SPL (re 20 uPa) instead of dB re full scale.
        resolution: (band,) metres at the grid's distance (radians where the grid is far) between two equal sources that
            conventional beamforming just tells apart, by Rayleigh's criterion.
        array: the microphones.
        start, duration: the stretch of the recording, seconds.
        warnings: sentences on what to be careful about.
    """

    grid: MapGrid
    bands: tuple[Band, ...]
    power: FloatArray
    method: str
    shows_sources: bool
    reference: Reference
    calibrated: bool
    resolution: FloatArray
    array: MicrophoneArray
    start: float = 0.0
    duration: float = 0.0
    warnings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.power.shape != (len(self.bands), self.grid.n_points):
            raise ShapeError(
                f"SoundMap: power of shape {self.power.shape} came; ({len(self.bands)}, {self.grid.n_points}) is needed"
            )
        power = np.array(self.power, dtype=np.float64)
        power.flags.writeable = False
        object.__setattr__(self, "power", power)

    @property
    def unit(self) -> str:
        """What levels are: "dB SPL" or "dBFS"."""
        return "dB SPL" if self.calibrated else "dBFS"

    @property
    def levels_db(self) -> FloatArray:
        """(band, point) dB; -inf where there is nothing."""
        return self.decibels(self.power)

    def decibels(self, power: ArrayLike) -> FloatArray:
        """Power in the map's unit."""
        reference = REFERENCE_PRESSURE**2 if self.calibrated else 1.0
        with np.errstate(divide="ignore"):
            return np.asarray(10 * np.log10(np.asarray(power, dtype=np.float64) / reference))

    def total(self) -> SoundMap:
        """All bands together, as one band from the lowest edge to the highest."""
        if len(self.bands) == 1:
            return self
        low, high = min(band.low for band in self.bands), max(band.high for band in self.bands)
        band = Band(low, high, math.sqrt(low * high), f"{len(self.bands)} bands, {low:.0f} to {high:.0f} Hz")
        loudest = int(np.argmax(self.power.max(axis=1)))
        return replace(
            self, bands=(band,), power=self.power.sum(axis=0, keepdims=True), resolution=self.resolution[loudest : loudest + 1]
        )

    def integrate(self, where: ArrayLike, radius: float | None = None) -> FloatArray:
        """Level of a region, all its sources together.

        Args:
            where: (point,) true in the region; or, with a radius, (3,) the middle of it.
            radius: metres (the chord between unit vectors where the grid is far).

        Returns: (band,) dB; -inf where there is no source.

        Raises: ShapeError for a map of beams, whose powers overlap, and for a region of another shape or without a point.
        """
        if not self.shows_sources:
            raise ShapeError(
                f"integrate: beams overlap, so those of {self.method} cannot be summed; make the map with clean-sc, damas or cmf"
            )
        if radius is None:
            chosen = np.asarray(where)
            if chosen.dtype != np.bool_ or chosen.shape != (self.grid.n_points,):
                raise ShapeError(
                    f"integrate: a region {chosen.shape} of {chosen.dtype} came; ({self.grid.n_points},) of bool, or a middle and"
                    " a radius is needed"
                )
        else:
            middle = np.asarray(where, dtype=np.float64)
            if middle.shape != (3,):
                raise ShapeError(f"integrate: a middle of shape {middle.shape} came; (3,) metres is needed")
            chosen = np.linalg.norm(self.grid.points - middle, axis=1) <= radius
        if not chosen.any():
            raise ShapeError("integrate: no point of the grid lies in the region; take a larger one")
        return self.decibels(self.power[:, chosen].sum(axis=1))

    def sources(self, band: int = 0, *, within_db: float | None = None, at_most: int = 10) -> list[MapSource]:
        """What stands out in a band: the highest points, the loudest first.

        Points closer than half the resolution are one source. In a map of sources its level is their sum and its position their
        centre; in a map of beams both are those of the maximum, which must also exceed all its neighbours.

        Args:
            band: index.
            within_db: dB below the loudest; 15 for a map of sources, 6 for beams.
            at_most: sources.

        Raises: ShapeError for a band that is not there.
        """
        from scipy.spatial import cKDTree

        if not 0 <= band < len(self.bands):
            raise ShapeError(f"sources: band {band} came; the map has bands 0 to {len(self.bands) - 1}")
        within = within_db if within_db is not None else WITHIN_SOURCES if self.shows_sources else WITHIN_BEAMS
        power, points = self.power[band], self.grid.points
        tree = cKDTree(points)
        near = 1.5 * self.grid.increment
        radius = max(near, float(self.resolution[band]) / 2)
        left = power.copy()
        found: list[MapSource] = []
        while len(found) < 4 * at_most and left.max() > 0:
            point = int(np.argmax(left))
            around = np.asarray(tree.query_ball_point(points[point], radius))
            if self.shows_sources:
                share = left[around]
                found.append(self._source(share @ points[around] / share.sum(), float(share.sum()), point))
            elif power[point] >= power[tree.query_ball_point(points[point], near)].max():
                found.append(self._source(points[point], float(power[point]), point))
            left[around] = 0
            if found and self.decibels(left.max()) < found[0].level_db - within:
                break
        found.sort(key=lambda source: -source.level_db)
        return [source for source in found if source.level_db >= found[0].level_db - within][:at_most]

    def to_dict(self) -> dict[str, Any]:
        """What map.json holds: plain numbers and words."""
        length = "rad" if self.grid.far else "m"
        return {
            "method": self.method,
            "values": "sources" if self.shows_sources else "beams",
            "level_unit": self.unit,
            "level_reference": "the array's origin" if self.reference == "array" else "1 m from the source",
            "array": self.array.name,
            "grid": self.grid.to_dict(),
            "start_s": self.start,
            "duration_s": self.duration,
            "bands": [
                {
                    "name": band.name,
                    "low_hz": round(band.low, 3),
                    "high_hz": round(band.high, 3),
                    f"resolution_{length}": round(float(self.resolution[index]), 6),
                    "peak_db": number(float(self.decibels(self.power[index].max())), 3),
                    "total_db": number(float(self.decibels(self.power[index].sum())), 3) if self.shows_sources else None,
                    "sources": [self._source_dict(source) for source in self.sources(index)],
                }
                for index, band in enumerate(self.bands)
            ],
            "warnings": list(self.warnings),
        }

    def _source(self, position: FloatArray, power: float, point: int) -> MapSource:
        place = np.asarray(position, dtype=np.float64)
        if self.grid.kind == "sphere":
            # A centre of points on a sphere lies inside of it.
            place = place * (np.linalg.norm(self.grid.points[point]) / np.linalg.norm(place))
        return MapSource(place, float(self.decibels(power)), point)

    def _source_dict(self, source: MapSource) -> dict[str, Any]:
        azimuth, elevation = (degrees(float(angle), 4) for angle in to_angles(source.position))
        place = {} if self.grid.far else {"position_m": [number(float(value), 6) for value in source.position]}
        return {**place, "azimuth_deg": azimuth, "elevation_deg": elevation, "level_db": number(source.level_db, 3)}
