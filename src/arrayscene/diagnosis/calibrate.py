"""Gains and delays of an array's channels, and how it is turned, from sounds whose places are known."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from arrayscene.array import MicrophoneArray
from arrayscene.diagnosis.correction import corrected_array, spread, widened
from arrayscene.diagnosis.hypothesis import Hypothesis
from arrayscene.diagnosis.orientation import Turn
from arrayscene.diagnosis.tiles import Tiles, tiles_of
from arrayscene.diagnosis.timing import REACH
from arrayscene.diagnosis.usable import unclear, usable
from arrayscene.errors import RecordingError, ShapeError
from arrayscene.localize.grid import to_vectors
from arrayscene.recording import Recording
from arrayscene.response import Response, RigidSphere, SphericalWave, far_field

Array = NDArray[np.float64]

STRETCHES = 4
"""Parts of a recording whose answers are compared, to say how exact they are."""

RISE = 1.5
"""Growth of power from one tile to the next that means an onset: then direct sound dominates."""

FEWEST_ONSETS = 20
"""Tiles and frequencies below which all are used, onsets or not."""

STEP, FINE_STEP = 4e-6, 0.25e-6
"""Seconds between delays that are tried."""

SWEEPS = 6

TURNS = 720
"""Turns that are tried, evenly spread."""

ALIKE = 0.98
"""Share of the highest steered power from which on peaks explain the places alike; the smallest turn of them is taken."""


class Place(NamedTuple):
    """Where a sound comes from, seen from the array's origin.

    Attributes:
        azimuth, elevation: radians.
        distance: metres; None for far away.
    """

    azimuth: float
    elevation: float = 0.0
    distance: float | None = None


@dataclass(frozen=True)
class Calibration:
    """What the electronics of each channel add.

    Attributes:
        array: the recordings' array with gains, delays and turn.
        channels: file channel, counted from 1, of every row that was calibrated.
        gains_db: of every row, relative to the median channel.
        delays: seconds of every row, relative to the median channel.
        gain_errors_db, delay_errors: how far the answers of parts of the recordings scatter, as a standard error of the whole;
            reflections that are the same all the time are not in it.
        rotation: radians counter-clockwise by which the array is turned against its file; None where it was not asked for.
    """

    array: MicrophoneArray
    channels: tuple[int, ...]
    gains_db: tuple[float, ...]
    delays: tuple[float, ...]
    gain_errors_db: tuple[float, ...]
    delay_errors: tuple[float, ...]
    rotation: float | None

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "format": "arrayscene.calibration",
            "version": 1,
            "channels": [
                {
                    "channel": channel,
                    "gain_db": round(gain, 3),
                    "gain_error_db": round(gain_error, 3),
                    "delay_us": round(1e6 * delay, 2),
                    "delay_error_us": round(1e6 * delay_error, 2),
                }
                for channel, gain, gain_error, delay, delay_error in zip(
                    self.channels, self.gains_db, self.gain_errors_db, self.delays, self.delay_errors, strict=True
                )
            ],
            "rotation_deg": None if self.rotation is None else round(math.degrees(self.rotation), 2),
            "array": self.array.to_dict(),
        }


def calibrate(
    recordings: Recording | Sequence[Recording], places: Place | Sequence[Place], *, rotation: bool = False
) -> Calibration:
    """Gains and delays of the channels, from one sound at a known place in each recording.

    Delays align all channels towards the place: they maximise sum_f sum_ij Re{C_ij a_i^* a_j e^{j 2 pi f (tau_i - tau_j)}}, C the
    coherence where the place's direct sound dominates. Gains are the medians of level differences over time and frequency, less
    those of the distances. Reflections bias both: less with noise than with tones, and less with several places.

    Args:
        recordings: one, or several of the same array; gains and delays that the array knows are kept and corrected.
        places: of the sound in each recording.
        rotation: turn the array about the vertical first, so that its directions fit the places, by the smallest angle that does;
            delays should be small then.

    Raises:
        GeometryError: no array, or a place on a microphone.
        RecordingError: a recording that is silent, too short or has too few channels that work; recordings of different arrays.
        ShapeError: another number of places than recordings.

    Cost: about 1 s for 10 s of eight microphones.

    Reference: on aligning channels by their cross-spectra, C. H. Knapp and G. C. Carter, "The generalized correlation method for
    estimation of time delay", IEEE Trans. ASSP, 1976.
    """
    recordings = [recordings] if isinstance(recordings, Recording) else list(recordings)
    places = [places] if isinstance(places, Place) else list(places)
    good, rows = _alike(recordings, places)
    array = good[0].array
    assert array is not None
    with torch.inference_mode():
        heard = [tiles_of(part) for part in good]
        for n, tiles in enumerate(heard, start=1):
            if (reason := unclear(tiles)) is not None:
                raise RecordingError(f"calibrate: recording {n}: {reason}")
        turn = _turn(array, heard, places) if rotation else None
        if turn is not None:
            places = [place._replace(azimuth=place.azimuth - turn) for place in places]
        scenes = [_Scene(array, tiles, place) for tiles, place in zip(heard, places, strict=True)]
        gains, delays = _solve(scenes)
        parts = [_solve([part]) for scene in scenes for part in scene.parts()]
    gain_errors, delay_errors = (np.std(values, axis=0, ddof=1) / math.sqrt(len(parts)) for values in zip(*parts, strict=True))
    nothing = Hypothesis.nothing(array.n_mics).later(dict(enumerate(delays.tolist())))
    corrected = corrected_array(
        recordings[0],
        widened(nothing, rows, recordings[0].n_mics),
        spread(gains, rows, recordings[0].n_mics),
        turn=None if turn is None else Turn(turn, False),
        why="calibrated with known places",
    )
    return Calibration(
        corrected,
        good[0].channels,
        tuple(gains.tolist()),
        tuple(delays.tolist()),
        tuple(gain_errors.tolist()),
        tuple(delay_errors.tolist()),
        turn,
    )


class _Scene:
    """Tiles of one recording, and the response to its sound's place."""

    def __init__(self, array: MicrophoneArray, tiles: Tiles, place: Place) -> None:
        self.array, self.tiles, self.place = array, tiles, place
        A = _response(array, place, tiles.frequencies).matrix()[:, :, 0]
        self.level_db = 20 * A.abs().clamp_min(1e-6).log10()
        self.steering = A / A.abs().clamp_min(1e-12)
        power = tiles.power.sum(-1)
        onset = torch.zeros_like(tiles.audible)
        onset[1:] = power[1:] > RISE * power[:-1]
        onset &= tiles.audible
        self.onset = onset if int(onset.sum()) >= FEWEST_ONSETS else tiles.audible

    def parts(self) -> list[_Scene]:
        """Stretches of it."""
        return [
            _Scene(self.array, self.tiles.select(chunk), self.place)
            for chunk in torch.arange(len(self.tiles.power)).chunk(STRETCHES)
        ]

    def alignment(self, delays: Tensor) -> Tensor:
        """(freq, mic, mic) sum over onsets of C_ij a_i^* a_j, weighted by how well the tiles, aligned, point to the place."""
        C = self.tiles.coherence.to(torch.complex128)
        a = self.steering
        towards = C * (a.conj()[:, :, None] * a[:, None, :])
        phase = 2 * torch.pi * self.tiles.frequencies[:, None] * delays
        back = torch.polar(torch.ones_like(phase), phase)
        weight = (towards * (back[:, :, None] * back[:, None, :].conj())).real.mean((-2, -1)).clamp_min(0).square()
        return torch.einsum("tf,tfij->fij", (weight * self.onset).to(towards.dtype), towards)

    def gains(self) -> Tensor:
        """(tile and freq, mic) dB above what the distances make."""
        return (10 * self.tiles.power.double().clamp_min(1e-30).log10() - self.level_db)[self.onset]


def _solve(scenes: Sequence[_Scene]) -> tuple[Array, Array]:
    """Gains in dB and delays in seconds of every row, relative to the median row."""
    levels = torch.cat([scene.gains() for scene in scenes])
    # Not the median channel of each tile: where channels are nearly alike, each of them is that one too often to differ from it.
    levels = (levels - levels.mean(-1, keepdim=True)).median(0).values
    frequencies, n_mics = scenes[0].tiles.frequencies, levels.shape[0]
    delays = torch.zeros(n_mics, dtype=torch.float64)
    # The delays found in the first round say in the second which tiles really hold direct sound.
    for step in (STEP, FINE_STEP):
        together = torch.stack([scene.alignment(delays) for scene in scenes]).sum(0)
        delays = _align(together, frequencies, delays, step)
    return (levels - levels.median()).numpy(), (delays - delays.median()).numpy()


def _align(together: Tensor, frequencies: Tensor, delays: Tensor, step: float) -> Tensor:
    """Delays that maximise sum_f sum_ij Re{B_ij e^{j 2 pi f (tau_i - tau_j)}}, one channel after the other."""
    delays = delays.clone()
    reach = REACH if step == STEP else 4 * STEP
    trials = torch.arange(-reach, reach + step / 2, step, dtype=torch.float64)
    for sweep in range(SWEEPS):
        for mic in range(len(delays)):
            phase = 2 * torch.pi * frequencies[:, None] * delays
            others = together[:, mic] * torch.polar(torch.ones_like(phase), -phase)
            others[:, mic] = 0
            if step == STEP and sweep == 0:
                # Unaligned channels would mislead each other: the first round asks the first channel alone.
                others[:, 1:] = 0
            if step == STEP and sweep == 0 and mic == 0:
                continue
            around = trials if step == STEP else delays[mic] + trials
            turn = 2 * torch.pi * around[:, None] * frequencies
            delays[mic] = around[int((torch.polar(torch.ones_like(turn), turn) @ others.sum(-1)).real.argmax())]
    return delays


def _turn(array: MicrophoneArray, heard: Sequence[Tiles], places: Sequence[Place]) -> float:
    """Radians by which the array must be turned for its directions to fit the places; lines have two such turns."""
    turns = torch.arange(TURNS, dtype=torch.float64) * (2 * torch.pi / TURNS)
    power = torch.zeros(TURNS, dtype=torch.float64)
    for tiles, place in zip(heard, places, strict=True):
        elevation = torch.full_like(turns, place.elevation)
        A = far_field(array, place.azimuth - turns, elevation, frequencies=tiles.frequencies).matrix()
        A = A / A.abs().clamp_min(1e-12)
        power += (A.conj() * (tiles.mean_coherence() @ A)).sum((0, 1)).real
    is_peak = (power >= power.roll(1)) & (power >= power.roll(-1)) & (power >= ALIKE * power.max())
    alike = turns[is_peak].tolist()
    return min((math.remainder(angle, math.tau) for angle in alike), key=abs)


def _response(array: MicrophoneArray, place: Place, frequencies: Tensor) -> Response:
    if place.distance is None or (array.body_radius is not None and array.body_shape == "cylinder"):
        return far_field(array, place.azimuth, place.elevation, frequencies=frequencies)
    if array.body_radius is not None:
        return RigidSphere(array, place.azimuth, place.elevation, frequencies=frequencies, distance=place.distance)
    toward = to_vectors(np.array([place.azimuth]), np.array([place.elevation]))
    return SphericalWave(array, torch.tensor(place.distance * toward), frequencies=frequencies)


def _alike(recordings: Sequence[Recording], places: Sequence[Place]) -> tuple[list[Recording], tuple[int, ...]]:
    """The channels that work in every recording, and their rows."""
    if not recordings or len(recordings) != len(places):
        raise ShapeError(f"calibrate: {len(recordings)} recordings and {len(places)} places came; one place each is needed")
    first = recordings[0]
    if any(other.array != first.array or other.channels != first.channels for other in recordings):
        raise RecordingError("calibrate: recordings of different arrays or channels came; calibrate one array at a time")
    if len({recording.sample_rate for recording in recordings}) > 1:
        raise RecordingError("calibrate: recordings of different sample rates came; resample them alike first")
    working = [set(usable(recording, "calibrate")[1]) for recording in recordings]
    rows = tuple(sorted(set.intersection(*working)))
    if len(rows) < 2:
        raise RecordingError(f"calibrate: {len(rows)} channels work in every recording; at least two are needed")
    return [recording.select(rows).equalized() for recording in recordings], rows
