"""A living room in which three people talk at once, recovered and compared with the truth."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from arrayscene.array import MicrophoneArray
from arrayscene.metrics import angular_error, match_sources, si_sdr
from arrayscene.recovery import recover
from arrayscene.scene import Scene
from arrayscene.simulate import SimulatedScene, Talker, simulate_scene
from arrayscene.voices import load_voice

ARRAY: Final = "respeaker-usb-4"
ROOM_SIZE: Final = (5.0, 4.0, 2.6)
ARRAY_CENTER: Final = (2.3, 1.9, 0.8)
T60: Final = 0.35
SNR_DB: Final = 30.0
SAMPLE_RATE: Final = 16000
DURATION: Final = 8.0

# voice, azimuth and elevation in degrees, distance in metres: three people on seats around a low table.
TALKERS: Final = (("english-allison", 20.0, 8.0, 1.2), ("italian-carlo-2", 140.0, 5.0, 1.2), ("french-june", -95.0, 10.0, 1.2))

# Below these a person would call the result poor: a talker pointed at in the wrong place, or voices that still mix.
MAX_AZIMUTH_ERROR: Final = math.radians(10.0)
MIN_MEAN_IMPROVEMENT_DB: Final = 8.0


@dataclass(frozen=True)
class TalkerResult:
    """One talker, true against recovered.

    Attributes:
        name: the voice.
        true_azimuth: radians.
        azimuth: radians, as recovered; None where the talker was not found.
        si_sdr_before: dB, the mixture against the talker's reverberant image at the reference microphone.
        si_sdr_after: dB, the recovered source against the same; None where the talker was not found.
    """

    name: str
    true_azimuth: float
    azimuth: float | None
    si_sdr_before: float
    si_sdr_after: float | None

    @property
    def azimuth_error(self) -> float:
        """Radians; pi where the talker was not found."""
        return math.pi if self.azimuth is None else float(angular_error(self.azimuth, 0.0, self.true_azimuth, 0.0))

    @property
    def improvement_db(self) -> float:
        """Gain in SI-SDR; 0 where the talker was not found."""
        return 0.0 if self.si_sdr_after is None else self.si_sdr_after - self.si_sdr_before


@dataclass(frozen=True)
class DemoResult:
    """What the demo recovered and how close it came."""

    scene: Scene
    talkers: tuple[TalkerResult, ...]

    @property
    def mean_improvement_db(self) -> float:
        """Mean gain in SI-SDR over the true talkers."""
        return float(np.mean([talker.improvement_db for talker in self.talkers]))

    @property
    def complaints(self) -> list[str]:
        """What is poor about the result, one sentence each; empty when it is good."""
        found = [
            f"{talker.name}: "
            + ("not found" if talker.azimuth is None else f"azimuth is off by {math.degrees(talker.azimuth_error):.0f}°")
            for talker in self.talkers
            if talker.azimuth_error > MAX_AZIMUTH_ERROR
        ]
        if self.mean_improvement_db < MIN_MEAN_IMPROVEMENT_DB:
            found.append(f"mean SI-SDR improvement is {self.mean_improvement_db:.1f} dB, under {MIN_MEAN_IMPROVEMENT_DB:g} dB")
        if len(self.scene.sources) != len(self.talkers):
            found.append(f"{len(self.scene.sources)} sources were found where {len(self.talkers)} people talk")
        return found


def simulate_living_room() -> SimulatedScene:
    """Three of the shipped voices around the array, all of them at once; the same every time.

    Raises:
        DeviceError: pyroomacoustics is not installed.

    Cost: about two seconds.
    """
    n_samples = round(DURATION * SAMPLE_RATE)
    talkers = [
        Talker(np.resize(load_voice(voice, SAMPLE_RATE), n_samples), math.radians(azimuth), math.radians(elevation), distance)
        for voice, azimuth, elevation, distance in TALKERS
    ]
    return simulate_scene(
        MicrophoneArray.preset(ARRAY),
        talkers,
        sample_rate=SAMPLE_RATE,
        room_size=ROOM_SIZE,
        t60=T60,
        array_center=ARRAY_CENTER,
        snr_db=SNR_DB,
        seed=0,
    )


def run_demo(progress: Callable[[str, float], None] | None = None) -> DemoResult:
    """Simulate the living room, recover it without being told how many people talk or where, compare with the truth.

    Args:
        progress: called with the name of a step and the fraction done.

    Raises:
        DeviceError: pyroomacoustics is not installed.

    Cost: a few seconds on two cores.
    """
    if progress is not None:
        progress("simulate the room", 0.0)
    truth = simulate_living_room()
    if progress is not None:
        progress("simulate the room", 1.0)
    scene = recover(truth.recording, progress=progress)
    return DemoResult(scene, compare(scene, truth))


def compare(scene: Scene, truth: SimulatedScene) -> tuple[TalkerResult, ...]:
    """Pair recovered sources with talkers by SI-SDR at the reference microphone of the scene.

    Args:
        scene: what `recover` made of `truth.recording`.
        truth: the simulation, its talkers in the order of `TALKERS`.

    Cost: negligible.
    """
    images = truth.images[:, truth.recording.channels.index(scene.reference_channel)]
    before = si_sdr(np.asarray(scene.mixture)[None], images)
    found: dict[int, tuple[int, float]] = {}
    if scene.sources:
        signals = np.stack([source.signal for source in scene.sources])
        for estimate, target, score in zip(*match_sources(signals, images), strict=True):
            found[int(target)] = int(estimate), float(score)
    results = []
    for index, (name, *_) in enumerate(TALKERS):
        estimate, score = found.get(index, (None, None))
        azimuth = None if estimate is None else scene.sources[estimate].azimuth
        results.append(TalkerResult(name, float(truth.directions[index, 0]), azimuth, float(before[index]), score))
    return tuple(results)
