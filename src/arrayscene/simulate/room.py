"""Talkers around an array in a rectangular room: y = A x + n by the image-source method."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from arrayscene.array import MicrophoneArray
from arrayscene.constants import SPEED_OF_SOUND
from arrayscene.errors import DeviceError, GeometryError, RecordingError, ShapeError
from arrayscene.recording import Recording

CLEARANCE = 0.05
"""Metres that a talker keeps from every microphone and that everything keeps from the walls; nearer, 1/r means nothing."""

MAX_IMAGES = 8_000_000
"""Image sources for one talker; more would take gigabytes and minutes."""


@dataclass(frozen=True)
class Talker:
    """One sound source and where it stands, seen from the array's origin.

    Attributes:
        signal: (sample,) what it says, at the scene's sample rate; only its shape counts, `level_db` sets its scale.
        azimuth, elevation: radians, in the frame of the array.
        distance: metres from the array's origin.
        level_db: RMS level, over the whole scene, of its reverberant image at the first microphone, dB re full scale (1.0).
    """

    signal: ArrayLike
    azimuth: float
    elevation: float = 0.0
    distance: float = 1.5
    level_db: float = -26.0

    @property
    def offset(self) -> NDArray[np.float64]:
        """(3,) metres from the array's origin."""
        horizontal = math.cos(self.elevation)
        direction = (horizontal * math.cos(self.azimuth), horizontal * math.sin(self.azimuth), math.sin(self.elevation))
        return self.distance * np.array(direction)


@dataclass(frozen=True)
class SimulatedScene:
    """A recording and everything that went into it: `recording.samples == images.sum(axis=0) + noise`, bit by bit.

    Attributes:
        recording: the mixture, with its array.
        images: (source, mic, sample) each talker alone as every microphone hears it, reverberation included.
        noise: (mic, sample) sensor noise.
        dry: (source, sample) the talkers' signals, padded to one length and scaled so that images = room response * dry.
        directions: (source, 2) azimuth and elevation in radians.
        distances: (source,) metres.
    """

    recording: Recording
    images: NDArray[np.float32]
    noise: NDArray[np.float32]
    dry: NDArray[np.float32]
    directions: NDArray[np.float64]
    distances: NDArray[np.float64]


def simulate_scene(
    array: MicrophoneArray,
    talkers: Sequence[Talker],
    *,
    sample_rate: int = 16000,
    room_size: Sequence[float] = (6.0, 4.0, 2.7),
    t60: float = 0.3,
    array_center: Sequence[float] | None = None,
    snr_db: float = 30.0,
    seed: int | np.random.Generator = 0,
) -> SimulatedScene:
    """Simulate talkers in a rectangular room recorded by an array: y = A x + n.

    A holds the room impulse responses of the image-source method: every image adds g / r at r / c, so the dry signals are as
    heard at 1 m in free air; one wall absorption follows from Sabine's formula. Microphones are omnidirectional and hang in free
    air: a rigid body is not simulated, and the recording's array has none. Every image carries the 40 samples of delay of
    pyroomacoustics' interpolation filter. The scene is as long as the longest signal; the last reverberation is cut there.

    Args:
        array: the microphones; its axes are parallel to the walls (x along the first side of the room).
        talkers: who stands where.
        sample_rate: hertz.
        room_size: (3,) inner length, width and height in metres.
        t60: reverberation time in seconds as Sabine's formula has it; 0 leaves the direct path alone.
        array_center: (3,) where the array's origin stands, metres from the corner; default: the middle, at most 1.1 m up.
        snr_db: mixture over white, independent sensor noise of one power, dB at the first microphone; inf for none.
        seed: a number or a numpy Generator, for the noise.

    Raises:
        GeometryError: a talker or microphone outside the walls or on top of each other; a T60 that the room cannot have.
        ShapeError, RecordingError: signals that are not one-dimensional, not finite, empty or silent.
        DeviceError: pyroomacoustics is not installed.

    Cost: grows with T60 cubed: three talkers and four microphones in 6 x 4 x 2.7 m took 2.7 s and 0.3 GB at T60 = 0.4 s, 21 s
        and 2.5 GB at 1 s.

    Reference: J. B. Allen and D. A. Berkley, "Image method for efficiently simulating small-room acoustics", J. Acoust. Soc. Am.
        65(4), 1979, eq. (10).
    """
    size = np.asarray(room_size, dtype=np.float64)
    if size.shape != (3,) or not np.all(np.isfinite(size)) or np.any(size <= 2 * CLEARANCE):
        raise GeometryError(f"room size {_metres(size)} came; give three lengths in metres, such as 6 4 2.7")
    if array_center is None:
        array_center = (size[0] / 2, size[1] / 2, min(1.1, size[2] / 2))
    center = np.asarray(array_center, dtype=np.float64)
    if center.shape != (3,):
        raise GeometryError(f"array centre {_metres(center)} came; give x, y and height in metres")
    if sample_rate <= 0:
        raise RecordingError(f"sample rate {sample_rate} Hz came; it must be positive")
    if math.isnan(snr_db) or snr_db == -math.inf:
        raise RecordingError(f"SNR {snr_db} dB came; give a number of decibels, or inf for no noise")

    dry = _stack_signals(talkers)
    microphones = center + array.positions
    sources = center + np.stack([talker.offset for talker in talkers])
    _check_places(size, microphones, sources)
    responses = _room_responses(size, t60, microphones, sources, sample_rate)

    reverberant = _convolve(dry, responses)
    for index, talker in enumerate(talkers):
        gain = 10 ** (talker.level_db / 20) / np.sqrt(np.mean(reverberant[index, 0] ** 2))
        dry[index] *= gain
        reverberant[index] *= gain
    images = reverberant.astype(np.float32)
    clean = images.sum(axis=0)
    power = np.mean(clean[0].astype(np.float64) ** 2)
    sigma = math.sqrt(power * 10 ** (-snr_db / 10))
    noise = (sigma * np.random.default_rng(seed).standard_normal(clean.shape)).astype(np.float32)
    return SimulatedScene(
        recording=Recording(clean + noise, sample_rate, array=replace(array, body_radius=None)),
        images=images,
        noise=noise,
        dry=dry.astype(np.float32),
        directions=np.array([(talker.azimuth, talker.elevation) for talker in talkers]),
        distances=np.array([talker.distance for talker in talkers]),
    )


def _stack_signals(talkers: Sequence[Talker]) -> NDArray[np.float64]:
    if not talkers:
        raise ShapeError("no talker came; a scene needs at least one")
    signals = [np.asarray(talker.signal, dtype=np.float64) for talker in talkers]
    for number, signal in enumerate(signals, start=1):
        if signal.ndim != 1 or signal.size == 0:
            raise ShapeError(f"talker {number}: a signal of shape {signal.shape} came; give one axis of samples")
        if not np.all(np.isfinite(signal)):
            raise RecordingError(f"talker {number}: the signal holds NaN or infinite samples; mend them first")
        if not np.any(signal):
            raise RecordingError(f"talker {number}: the signal is silent; a silent talker has no level, leave it out")
    longest = max(signal.size for signal in signals)
    return np.stack([np.pad(signal, (0, longest - signal.size)) for signal in signals])


def _check_places(size: NDArray[np.float64], microphones: NDArray[np.float64], sources: NDArray[np.float64]) -> None:
    for what, points in (("microphone", microphones), ("talker", sources)):
        for number, point in enumerate(points, start=1):
            if not np.all((point >= CLEARANCE) & (point <= size - CLEARANCE)):
                raise GeometryError(
                    f"{what} {number} stands at ({', '.join(f'{value:.2f}' for value in point)}) m, outside the walls of a room "
                    f"of {_metres(size)} less {CLEARANCE} m; move it or enlarge the room"
                )
    distances = np.linalg.norm(sources[:, None] - microphones[None], axis=2)
    if distances.min() < CLEARANCE:
        source, microphone = np.unravel_index(distances.argmin(), distances.shape)
        raise GeometryError(
            f"talker {source + 1} is {distances.min():.3f} m from microphone {microphone + 1}; "
            f"keep it at least {CLEARANCE} m away"
        )


def _room_responses(
    size: NDArray[np.float64], t60: float, microphones: NDArray[np.float64], sources: NDArray[np.float64], sample_rate: int
) -> list[list[NDArray[np.float64]]]:
    """Room impulse responses, [source][mic] of (tap,)."""
    absorption, order = _walls(size, t60)
    try:
        import pyroomacoustics
    except ImportError as error:
        raise DeviceError("simulating a room needs pyroomacoustics; run: pip install arrayscene[rooms]") from error
    room: Any = pyroomacoustics.ShoeBox(
        size, fs=sample_rate, materials=pyroomacoustics.Material(absorption), max_order=order, air_absorption=False
    )
    for source in sources:
        room.add_source(source)
    room.add_microphone_array(microphones.T)
    room.compute_rir()
    return [[np.asarray(row[source], dtype=np.float64) for row in room.rir] for source in range(len(sources))]


def _walls(size: NDArray[np.float64], t60: float) -> tuple[float, int]:
    """Energy absorption of the walls and the reflection order that reaches T60."""
    if not math.isfinite(t60) or t60 < 0:
        raise GeometryError(f"T60 of {t60} s came; give seconds, or 0 for no reverberation")
    if t60 == 0:
        return 1.0, 0
    volume = float(np.prod(size))
    surface = 2 * float(size[0] * size[1] + size[0] * size[2] + size[1] * size[2])
    shortest = 24 * math.log(10) * volume / (SPEED_OF_SOUND * surface)
    if t60 < shortest:
        raise GeometryError(
            f"T60 of {t60:g} s came; a room of {_metres(size)} whose walls absorb everything has {shortest:.2f} s by Sabine's "
            f"formula; take a longer T60, a smaller room, or 0 for no reverberation"
        )
    # Images up to order k fill an octahedron; the largest sphere inside it must reach c T60 for the decay to be whole.
    inner = min(a * b / math.hypot(a, b) for a, b in ((size[0], size[1]), (size[0], size[2]), (size[1], size[2])))
    order = max(1, math.ceil(SPEED_OF_SOUND * t60 / inner) - 1)
    images = 4 * order**3 / 3
    if images > MAX_IMAGES:
        longest = ((MAX_IMAGES * 3 / 4) ** (1 / 3)) * inner / SPEED_OF_SOUND
        raise GeometryError(
            f"T60 of {t60:g} s in a room of {_metres(size)} needs {images:.1e} image sources, over {MAX_IMAGES:.0e}; "
            f"take a T60 below {longest:.2f} s or a larger room"
        )
    return shortest / t60, order


def _convolve(dry: NDArray[np.float64], responses: list[list[NDArray[np.float64]]]) -> NDArray[np.float64]:
    """(source, mic, sample) images, cut to the length of the dry signals."""
    from scipy.signal import fftconvolve

    n_samples = dry.shape[1]
    return np.stack(
        [
            np.stack([fftconvolve(signal, response)[:n_samples] for response in row])
            for signal, row in zip(dry, responses, strict=True)
        ]
    )


def _metres(values: NDArray[np.float64]) -> str:
    return " x ".join(f"{value:g}" for value in np.ravel(values)) + " m"
