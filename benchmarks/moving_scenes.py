"""Scenes of talkers who walk: what several benchmarks share."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from arrayscene import MicrophoneArray, Recording
from arrayscene.activity import active_segments
from arrayscene.worlds import Speech, World, WorldConfig, WorldScene
from arrayscene.worlds.plan import PATH_STEP, ScenePlan, from_array_frame, is_free

RATE = 16000


class Walkers(NamedTuple):
    """A recording and who is where and sounds when.

    `azimuth` (time, talker) radians at `times` (time,) seconds; `active` (time, talker); `images` (talker, sample) at the
    first microphone.
    """

    recording: Recording
    times: NDArray[np.float64]
    azimuth: NDArray[np.float64]
    active: NDArray[np.bool_]
    images: NDArray[np.float32]
    t60: float


class _Crossing(World):
    """Two talkers who change sides as the array sees them, each along a straight line; or the way back."""

    back = False

    def plan(self, index: int) -> ScenePlan:
        plan = super().plan(index)
        generator = np.random.default_rng([7, self.seed, index])
        turn = from_array_frame(plan.array_azimuth)
        for _ in range(2000):
            middle = generator.uniform(-math.pi, math.pi)
            nearer = generator.uniform(1.0, 1.6)
            reaches = generator.permutation([nearer, nearer + generator.uniform(0.4, 0.9)])
            starts, ends = [], []
            for side, reach in zip((1, -1), reaches, strict=True):
                here = middle + side * math.radians(generator.uniform(25, 60))
                there = middle - side * math.radians(generator.uniform(25, 60))
                height = generator.uniform(*self.config.talker_height) - plan.array_center[2]
                for azimuth, places in ((here, starts), (there, ends)):
                    places.append(turn @ [reach * math.cos(azimuth), reach * math.sin(azimuth), height] + plan.array_center)
            ways = np.linspace(0, 1, 17)[:, None, None] * (np.array(ends) - starts) + starts
            if all(is_free(place, plan.room_size, plan.microphones) for place in ways.reshape(-1, 3)):
                first, last = (np.array(ends), np.array(starts)) if self.back else (np.array(starts), np.array(ends))
                return replace(plan, starts=first, ends=last)
        return self.plan(index + 100_000)


def crossing_scene(index: int, array: str, speech: Speech, *, seconds: float = 10.0, seed: int = 1) -> Walkers:
    """Two talkers who cross; T60 0.25 to 0.5 s, SNR about 20 dB, 1 to 4 m of way."""
    return as_walkers(_world(array, speech, seconds, seed).scene(index))


def turning_scene(index: int, array: str, speech: Speech, *, seconds: float = 10.0, seed: int = 1) -> Walkers:
    """The two of `crossing_scene`, who turn back half way.

    They say the same on the way there and on the way back, and are at the same places half way: there the two recordings are
    cross-faded.
    """
    world = _world(array, speech, seconds, seed)
    there = as_walkers(world.scene(index))
    world.back = True
    again = as_walkers(world.scene(index))
    n, fade = there.recording.n_samples, round(0.02 * RATE)
    rise = np.clip((np.arange(n) - n // 2) / fade, 0, 1).astype(np.float32)
    late = there.times >= seconds / 2
    return there._replace(
        recording=Recording((1 - rise) * there.recording.samples + rise * again.recording.samples, RATE, there.recording.array),
        azimuth=np.where(late[:, None], again.azimuth, there.azimuth),
        images=(1 - rise) * there.images + rise * again.images,
    )


def _world(array: str, speech: Speech, seconds: float, seed: int) -> _Crossing:
    config = WorldConfig(
        sample_rate=RATE, duration=seconds, room_length=(4.5, 8.0), room_width=(4.0, 7.0), room_height=(2.5, 3.2),
        t60=(0.25, 0.5), arrays=(array,), n_talkers=(2, 2), distance=(0.8, 2.5), array_height=(0.9, 1.3), wall_distance=1.5,
        moving=0.0, speech_share=(1.0, 1.0), diffuse_snr_db=(15.0, 30.0), sensor_snr_db=(30.0, 50.0), point_noise=0.0,
        clipping=0.0, images_at="reference",
    )  # fmt: skip
    return _Crossing(config, speech, seed=seed, split="all")


def as_walkers(scene: WorldScene) -> Walkers:
    """A scene of a world as the trackers see it."""
    samples = scene.mixture.numpy()
    duration = samples.shape[1] / scene.sample_rate
    n_points = scene.azimuths.shape[1]
    times = np.append(np.arange(n_points - 1) * PATH_STEP, duration)
    images = scene.images[:, 0].numpy()
    active = np.zeros((n_points, len(images)), bool)
    for talker, image in enumerate(images):
        for start, stop in active_segments(image, scene.sample_rate):
            active[(times >= start) & (times < stop), talker] = True
    array = MicrophoneArray.resolve(scene.array)
    return Walkers(
        Recording(samples, scene.sample_rate, array), times, scene.azimuths.T.double().numpy(), active, images, scene.t60
    )
