"""ScenePlan: where everything stands in one scene, drawn before a sample is made."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from arrayscene.array import MicrophoneArray
from arrayscene.errors import GeometryError
from arrayscene.worlds.config import LAYOUTS, WorldConfig, fitting_presets
from arrayscene.worlds.draws import Draws
from arrayscene.worlds.rooms import BANDS

WALL_MARGIN: Final = 0.3
"""Metres between a source and the nearest wall."""

MIC_MARGIN: Final = 0.1
"""Metres between a microphone and the nearest wall."""

CLEAR: Final = 0.25
"""Metres between a source and the nearest microphone."""

PATH_STEP: Final = 0.1
"""Seconds between two points of a talker's path in the truth."""

_TRIES: Final = 200

Points = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ScenePlan:
    """Everything about a scene but its sound. Metres, seconds, radians; places from the corner of the room unless said otherwise.

    Attributes:
        room_size: (3,) length, width and height.
        t60: at 1 kHz, as measured; 0 for free air.
        band_t60: (7,) in the octaves 125 Hz to 8 kHz.
        array: as a decoder is told, in its own frame.
        array_center: (3,) where the array's origin is.
        array_azimuth: direction, from the room's first side, in which the array's front points.
        microphones: (mic, 3) where the microphones really are.
        gains_db, delays: (mic,) what each channel really adds.
        speakers: name of each talker.
        starts, ends: (talker, 3) where each talker is at the beginning and at the end.
        levels_db: (talker,) relative levels of the images at the first microphone.
        shares: (talker,) share of the scene in which each has speech.
        point_place: (3,) where a noise stands, or None.
        point_snr_db: talkers over that noise, or None.
        diffuse_snr_db, sensor_snr_db: talkers over diffuse and over sensor noise, at the first microphone.
        slope_db: dB an octave by which the noises' spectrum changes.
        level_db: RMS level of the mixture.
        clip_db: how far its peak is beyond full scale, or None.
    """

    room_size: Points
    t60: float
    band_t60: Points
    array: MicrophoneArray
    array_center: Points
    array_azimuth: float
    microphones: Points
    gains_db: Points
    delays: Points
    speakers: tuple[str, ...]
    starts: Points
    ends: Points
    levels_db: Points
    shares: Points
    point_place: Points | None
    point_snr_db: float | None
    diffuse_snr_db: float
    sensor_snr_db: float
    slope_db: float
    level_db: float
    clip_db: float | None

    def paths(self, duration: float) -> Points:
        """(talker, point, 3) metres in the array's own frame, every 0.1 s from the beginning, and at the end."""
        times = np.append(np.arange(0.0, duration - 1e-9, PATH_STEP), duration) / duration
        places = self.starts[:, None] + times[:, None] * (self.ends - self.starts)[:, None]
        return np.asarray((places - self.array_center) @ from_array_frame(self.array_azimuth))


def draw_plan(config: WorldConfig, speakers: Sequence[str], draws: Draws) -> ScenePlan:
    """Draw a scene.

    Args:
        config: what scenes may be like.
        speakers: who may talk; where they are too few, some talk twice.
        draws: decides everything.

    Raises:
        GeometryError: in 200 rooms no place was found for the array or for the talkers.
    """
    n_talkers = draws.integer(config.n_talkers)
    chosen: list[str] = []
    while len(chosen) < n_talkers:
        chosen += [speakers[i] for i in draws.order(len(speakers))]
    array = _array(config, draws)
    # Which room it is, array and talkers decide together: a room in which they do not fit is drawn again.
    for _ in range(_TRIES):
        size = np.array([draws.uniform(config.room_length), draws.uniform(config.room_width), draws.uniform(config.room_height)])
        stand = _stand(config, array, size, draws)
        if stand is None:
            continue
        center, azimuth, microphones = stand
        places = _places(config, n_talkers, size, center, microphones, draws)
        if places is None:
            continue
        point = None
        if draws.chance(config.point_noise):
            point = _point(config, size, center, microphones, draws)
            if point is None:
                continue
        break
    else:
        sides = (config.room_length, config.room_width, config.room_height)
        rooms = " x ".join(f"{least:g} to {most:g}" for least, most in sides)
        raise GeometryError(
            f"scene: in {_TRIES} rooms of {rooms} m there was no place for the array {array.name}, {array.aperture:.2f} m wide, "
            f"and {n_talkers} talkers {config.distance[0]:g} to {config.distance[1]:g} m from it; enlarge the rooms, or make "
            "wall_distance, distance or talker_height smaller"
        )
    n_mics = array.n_mics
    low, high = draws.uniform(config.t60_low), draws.uniform(config.t60_high)
    t60 = draws.uniform(config.t60)
    return ScenePlan(
        room_size=size,
        t60=t60,
        band_t60=t60 * _band_shape(low, high),
        array=array,
        array_center=center,
        array_azimuth=azimuth,
        microphones=microphones,
        gains_db=config.gain_error_db * draws.normal(n_mics),
        delays=config.delay_error * draws.normal(n_mics),
        speakers=tuple(chosen[:n_talkers]),
        starts=places,
        ends=_walk(config, places, size, microphones, draws),
        levels_db=np.array([draws.uniform(config.level_difference_db) for _ in range(n_talkers)]),
        shares=np.array([draws.uniform(config.speech_share) for _ in range(n_talkers)]),
        point_place=point,
        point_snr_db=None if point is None else draws.uniform(config.point_snr_db),
        diffuse_snr_db=draws.uniform(config.diffuse_snr_db),
        sensor_snr_db=draws.uniform(config.sensor_snr_db),
        slope_db=draws.uniform(config.noise_slope_db),
        level_db=draws.uniform(config.level_db),
        clip_db=draws.uniform(config.clip_db) if draws.chance(config.clipping) else None,
    )


def _array(config: WorldConfig, draws: Draws) -> MicrophoneArray:
    spec = draws.choice(config.arrays)
    if spec == "preset":
        spec = draws.choice(fitting_presets(config.n_mics))
    if spec not in LAYOUTS:
        array = MicrophoneArray.resolve(spec)
        # What is simulated: ideal omnidirectional microphones in free air; the plan's own errors come on top.
        return replace(array, body_radius=None, directivity=None, orientations=None, gains_db=None, delays=None)
    n_mics = draws.integer(config.n_mics)
    if spec == "circular":
        return MicrophoneArray.circular(n_mics, draws.uniform(config.circle_radius))
    if spec == "linear":
        return MicrophoneArray.linear(n_mics, draws.uniform(config.line_spacing))
    side, seed = draws.uniform(config.box_side), draws.integer((0, 2**31 - 1))
    # So many microphones must find room in the smallest box.
    return MicrophoneArray.random(n_mics, side, seed=seed, min_distance=min(0.01, 0.3 * side / n_mics ** (1 / 3)))


def _stand(config: WorldConfig, array: MicrophoneArray, size: Points, draws: Draws) -> tuple[Points, float, Points] | None:
    """Where the array stands, how it is turned, and where its microphones are; None where they do not fit."""
    margin = config.wall_distance
    floor = [draws.uniform((margin, max(margin, side - margin))) for side in size[:2]]
    center = np.array([*floor, draws.uniform(config.array_height)])
    azimuth = draws.uniform((-math.pi, math.pi))
    errors = config.position_error * draws.normal(array.n_mics, 3)
    microphones = center + (array.positions + errors) @ from_array_frame(azimuth).T
    fits = np.all(microphones > MIC_MARGIN) and np.all(microphones < size - MIC_MARGIN) and np.all(size[:2] >= 2 * margin)
    return (center, azimuth, microphones) if fits else None


def _places(config: WorldConfig, n: int, size: Points, center: Points, microphones: Points, draws: Draws) -> Points | None:
    """(talker, 3), apart from each other in azimuth and inside; None where no place was found."""
    gap = min(config.separation, 0.8 * 2 * math.pi / n)
    places: list[Points] = []
    for _ in range(_TRIES):
        azimuth = draws.uniform((-math.pi, math.pi))
        place = _around(center, azimuth, draws.uniform(config.distance), draws.uniform(config.talker_height))
        if place is None or not is_free(place, size, microphones):
            continue
        others = [math.atan2(other[1] - center[1], other[0] - center[0]) for other in places]
        if all(abs(math.remainder(azimuth - other, 2 * math.pi)) >= gap for other in others):
            places.append(place)
            if len(places) == n:
                return np.stack(places)
    return None


def _around(center: Points, azimuth: float, distance: float, height: float) -> Points | None:
    """The point of this height at a distance from the centre; None where the height alone is farther."""
    rise = height - center[2]
    if abs(rise) > 0.95 * distance:
        return None
    level = math.sqrt(distance**2 - rise**2)
    return np.asarray(center + np.array([level * math.cos(azimuth), level * math.sin(azimuth), rise]))


def is_free(place: Points, size: Points, microphones: Points) -> bool:
    """Whether a talker has room there: away from walls and microphones."""
    inside = np.all(place > WALL_MARGIN) and np.all(place < size - WALL_MARGIN)
    return bool(inside and np.linalg.norm(microphones - place, axis=1).min() > CLEAR)


def _walk(config: WorldConfig, starts: Points, size: Points, microphones: Points, draws: Draws) -> Points:
    """(talker, 3) where each ends: where it began, or a straight, free way from there."""
    ends = starts.copy()
    for talker, start in enumerate(starts):
        if not draws.chance(config.moving):
            continue
        length = draws.uniform(config.speed) * config.duration
        for _ in range(_TRIES):
            turn = draws.uniform((-math.pi, math.pi))
            end = start + length * np.array([math.cos(turn), math.sin(turn), 0.0])
            way = start + np.linspace(0, 1, 33)[:, None] * (end - start)
            if all(is_free(place, size, microphones) for place in way):
                ends[talker] = end
                break
            # Long ways may not fit into the room: then the talker is slower.
            length *= 0.97
    return ends


def _point(config: WorldConfig, size: Points, center: Points, microphones: Points, draws: Draws) -> Points | None:
    """A free place anywhere in the room, or None."""
    for _ in range(_TRIES):
        place = np.array([draws.uniform((WALL_MARGIN, side - WALL_MARGIN)) for side in size])
        if is_free(place, size, microphones) and np.linalg.norm(place - center) >= config.distance[0]:
            return place
    return None


def _band_shape(low: float, high: float) -> Points:
    """(band,) T60 over that at 1 kHz, its logarithm linear in octaves on either side."""
    octaves = np.log2(np.array(BANDS) / 1000.0)
    return np.asarray(np.where(octaves < 0, low ** (octaves / -3.0), high ** (octaves / 3.0)))


def from_array_frame(azimuth: float) -> Points:
    """(3, 3) from the array's frame to the room's."""
    cosine, sine = math.cos(azimuth), math.sin(azimuth)
    return np.array([[cosine, -sine, 0.0], [sine, cosine, 0.0], [0.0, 0.0, 1.0]])
