"""Talkers around an array in a rectangular room: y = A x + n by the image-source method."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from arrayscene.arguments import check_kind, check_number, check_whole, shown
from arrayscene.array import MicrophoneArray
from arrayscene.errors import GeometryError, RecordingError, ShapeError
from arrayscene.recording import Recording
from arrayscene.response.shoebox import check_places, metres, pyroomacoustics, room_lengths, walls


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
    array: MicrophoneArray | str | Path,
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
        array: the microphones, or the name or file of an array; its axes are parallel to the walls (x along the first side of the
            room).
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
    array = MicrophoneArray.resolve(array)
    for name, number in {"sample_rate": sample_rate, "t60": t60, "snr_db": snr_db}.items():
        check_number(f"simulate_scene: {name}", number)
    if not isinstance(seed, np.random.Generator):
        check_whole("simulate_scene: seed", seed, 0)
    size = room_lengths(room_size)
    if array_center is None:
        array_center = (size[0] / 2, size[1] / 2, min(1.1, size[2] / 2))
    center = np.asarray(array_center, dtype=np.float64)
    if center.shape != (3,):
        raise GeometryError(f"array centre {metres(center)} came; give x, y and height in metres")
    if sample_rate <= 0:
        raise RecordingError(f"sample rate {sample_rate} Hz came; it must be positive")
    if math.isnan(snr_db) or snr_db == -math.inf:
        raise RecordingError(f"SNR {snr_db} dB came; give a number of decibels, or inf for no noise")

    dry = _stack_signals(talkers)
    microphones = center + array.positions
    sources = center + np.stack([talker.offset for talker in talkers])
    check_places(size, microphones, sources, "talker")
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
    # What is simulated: ideal omnidirectional microphones in free air.
    plain = replace(array, body_radius=None, directivity=None, orientations=None, gains_db=None, delays=None)
    return SimulatedScene(
        recording=Recording(clean + noise, sample_rate, array=plain),
        images=images,
        noise=noise,
        dry=dry.astype(np.float32),
        directions=np.array([(talker.azimuth, talker.elevation) for talker in talkers]),
        distances=np.array([talker.distance for talker in talkers]),
    )


def _stack_signals(talkers: Sequence[Talker]) -> NDArray[np.float64]:
    if not talkers:
        raise ShapeError("no talker came; a scene needs at least one")
    check_kind("simulate_scene: talkers", talkers, Sequence, "a list of Talker")
    for number, talker in enumerate(talkers, start=1):
        check_kind(f"talker {number}", talker, Talker, "a Talker(signal, azimuth)")
        for name in ("azimuth", "elevation", "distance", "level_db"):
            check_number(f"talker {number}: {name}", getattr(talker, name), GeometryError)
        if np.asarray(talker.signal).dtype.kind not in "fiu":
            raise ShapeError(f"talker {number}: a signal {shown(talker.signal)} came; one axis of samples is needed")
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


def _room_responses(
    size: NDArray[np.float64], t60: float, microphones: NDArray[np.float64], sources: NDArray[np.float64], sample_rate: int
) -> list[list[NDArray[np.float64]]]:
    """Room impulse responses, [source][mic] of (tap,)."""
    absorption, order = walls(size, t60)
    pra = pyroomacoustics()
    room = pra.ShoeBox(size, fs=sample_rate, materials=pra.Material(absorption), max_order=order, air_absorption=False)
    for source in sources:
        room.add_source(source)
    room.add_microphone_array(microphones.T)
    room.compute_rir()
    return [[np.asarray(row[source], dtype=np.float64) for row in room.rir] for source in range(len(sources))]


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
