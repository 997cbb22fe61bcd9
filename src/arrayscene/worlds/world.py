"""World: scene number i of a seed, always the same, wherever and in whatever order it is made."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from arrayscene.arguments import check_kind
from arrayscene.array import MicrophoneArray
from arrayscene.errors import RecordingError, ShapeError
from arrayscene.naming import counted
from arrayscene.worlds.config import WorldConfig
from arrayscene.worlds.draws import Draws, scene_generator
from arrayscene.worlds.plan import ScenePlan, draw_plan
from arrayscene.worlds.render import render
from arrayscene.worlds.speech import SPLITS, Speech, SpeechWarning, Split


@dataclass(frozen=True, eq=False)
class WorldScene:
    """One scene and the truth about it.

    Signals are float32 at full scale 1.0. `mixture` is the sum of `images` over talkers and `noise`, clipped at full scale where
    `clip_db` is a number. "Kept mics" are the first microphone alone or all of them, as `WorldConfig.images_at` says. Signals are
    heard 40 samples late, as responses of pyroomacoustics are.

    Attributes:
        mixture: (mic, sample) what the microphones hear.
        images: (talker, kept mic, sample) each talker alone, reverberation included.
        early: (talker, kept mic, sample) each talker's direct path and `WorldConfig.early` seconds after it.
        dry: (talker, sample) what each says, as heard at 1 m in free air, in the scale of the mixture.
        noise: (kept mic, sample) diffuse, point and sensor noise.
        positions: (talker, point, 3) metres in the array's own frame, every 0.1 s from the beginning, and at the end.
        azimuths: (talker, point) radians, counter-clockwise from the array's front.
        elevations: (talker, point) radians, up from the horizon.
        distances: (talker, point) metres from the array's origin.
        microphones: (mic, 3) metres in the array's own frame, where a decoder is told that they are.
        true_microphones: (mic, 3) where they really are.
        gains_db, delays: (mic,) dB and seconds that each channel really adds.
        t60: seconds at 1 kHz; 0 for free air.
        band_t60: (7,) seconds in the octaves 125 Hz to 8 kHz.
        room_size: (3,) metres.
        array_center: (3,) metres from the corner of the room.
        array_azimuth: radians from the room's first side to the array's front.
        snr_db: talkers over all noise at the first microphone, as it came out.
        diffuse_snr_db, sensor_snr_db: talkers over diffuse and over sensor noise.
        point_snr_db: talkers over the noise with a place; None where there is none.
        clip_db: how far the mixture's peak was beyond full scale; None where it is not clipped.
        speakers: name of each talker.
        clips: (talker) names of the files that each one's speech is from.
        array: the microphones with their name.
        sample_rate: hertz.
        seed, index, split: what the scene is made from.
    """

    mixture: Tensor
    images: Tensor
    early: Tensor
    dry: Tensor
    noise: Tensor
    positions: Tensor
    azimuths: Tensor
    elevations: Tensor
    distances: Tensor
    microphones: Tensor
    true_microphones: Tensor
    gains_db: Tensor
    delays: Tensor
    t60: float
    band_t60: Tensor
    room_size: Tensor
    array_center: Tensor
    array_azimuth: float
    snr_db: float
    diffuse_snr_db: float
    sensor_snr_db: float
    point_snr_db: float | None
    clip_db: float | None
    speakers: tuple[str, ...]
    clips: tuple[tuple[str, ...], ...]
    array: MicrophoneArray
    sample_rate: int
    seed: int
    index: int
    split: Split

    @property
    def n_talkers(self) -> int:
        """Talkers."""
        return len(self.speakers)


class World:
    """Scenes from a configuration, speech and a seed.

    Scene i depends on the configuration, the speech, the seed, the split and i alone; on a CPU it is the same to the last bit
    whatever was made before, in whatever process and with however many threads (while a scene is made, torch works on one).
    Randomness is drawn on the CPU, so that another device gives the same scene but for rounding. Another version of torch may
    draw other numbers.

    Args:
        config: what scenes may be like.
        speech: where the talkers' words come from: a folder (see `Speech.folder`), a `Speech`, or None for the shipped voices.
        seed: 0 or more.
        split: "train" or "test", whose speakers differ, or "all".
        device: where scenes are made.

    Raises:
        RecordingError: speech that cannot be used, a single speaker for two splits, a seed below 0.

    Warns:
        SpeechWarning: fewer speakers than a scene may have talkers: then somebody talks twice at once.
    """

    def __init__(
        self,
        config: WorldConfig | None = None,
        speech: Speech | str | Path | None = None,
        *,
        seed: int = 0,
        split: Split = "train",
        device: torch.device | str = "cpu",
    ) -> None:
        if seed < 0 or seed != int(seed):
            raise RecordingError(f"world: seed {seed} came; a whole number of 0 or more was wanted")
        check_kind("world: config", config, (WorldConfig, type(None)), "a WorldConfig, or None,")
        self.config = WorldConfig() if config is None else config
        everyone = Speech.shipped() if speech is None else speech if isinstance(speech, Speech) else Speech.folder(speech)
        self.speech = everyone.split(split)
        self.seed, self.split, self.device = int(seed), split, torch.device(device)
        n_speakers, most = len(self.speech.speakers), self.config.n_talkers[1]
        if n_speakers < most:
            warnings.warn(
                f"speech {self.speech.origin}: {counted(n_speakers, 'speaker')} for scenes of up to {most} talkers "
                f"(split {split!r}): in some, one person talks twice at once; add speakers or lower n_talkers",
                SpeechWarning,
                stacklevel=2,
            )

    def plan(self, index: int) -> ScenePlan:
        """Where everything stands in scene `index`, without making its sound.

        Raises:
            GeometryError: the configuration leaves no place.
        """
        return draw_plan(self.config, self.speech.speakers, Draws(self._generator(index, 0)))

    def scene(self, index: int) -> WorldScene:
        """Scene number `index`, counted from 0.

        Raises:
            ShapeError: a negative number.
            GeometryError: the configuration leaves no place, or asks for a T60 that a room cannot have.
            RecordingError: a speaker without readable speech.

        Cost: on one core about 0.15 s for 4 s at 16 kHz with 2 talkers and 6 microphones, and 0.2 s more for each who walks.
        """
        if index < 0:
            raise ShapeError(f"world: scene {index} came; scenes are counted from 0")
        # Sums over several threads come out differently in the last bit for another number of them.
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            return self._made(index)
        finally:
            torch.set_num_threads(threads)

    def _made(self, index: int) -> WorldScene:
        plan = self.plan(index)
        config, draws = self.config, Draws(self._generator(index, 1))
        speech, clips = [], []
        for speaker, share in zip(plan.speakers, plan.shares, strict=True):
            n_spoken = max(1, round(share * config.n_samples))
            spoken, names = self.speech.stretch(speaker, n_spoken, config.sample_rate, draws)
            start = draws.integer((0, config.n_samples - n_spoken))
            speech.append(torch.nn.functional.pad(spoken, (start, config.n_samples - n_spoken - start)))
            clips.append(names)
        generator = self._generator(index, 2)
        point = None if plan.point_place is None else torch.randn(config.n_samples, generator=generator).to(self.device)
        sound = render(config, plan, torch.stack(speech).to(self.device), point, generator)
        positions = torch.tensor(plan.paths(config.duration), dtype=torch.float32)
        back = _turned_back(plan)
        talk, rest = sound.images[:, 0].sum(0).square().mean(), sound.noise[0].square().mean()
        return WorldScene(
            *sound,
            positions=positions,
            azimuths=torch.atan2(positions[..., 1], positions[..., 0]),
            elevations=torch.atan2(positions[..., 2], positions[..., :2].norm(dim=-1)),
            distances=positions.norm(dim=-1),
            microphones=torch.tensor(plan.array.positions, dtype=torch.float32),
            true_microphones=torch.tensor(back, dtype=torch.float32),
            gains_db=torch.tensor(plan.gains_db, dtype=torch.float32),
            delays=torch.tensor(plan.delays, dtype=torch.float32),
            t60=plan.t60,
            band_t60=torch.tensor(plan.band_t60, dtype=torch.float32),
            room_size=torch.tensor(plan.room_size, dtype=torch.float32),
            array_center=torch.tensor(plan.array_center, dtype=torch.float32),
            array_azimuth=plan.array_azimuth,
            snr_db=float(10 * torch.log10(talk / rest.clamp(min=1e-20))),
            diffuse_snr_db=plan.diffuse_snr_db,
            sensor_snr_db=plan.sensor_snr_db,
            point_snr_db=plan.point_snr_db,
            clip_db=plan.clip_db,
            speakers=plan.speakers,
            clips=tuple(clips),
            array=plan.array,
            sample_rate=config.sample_rate,
            seed=self.seed,
            index=index,
            split=self.split,
        )

    def _generator(self, index: int, part: int) -> torch.Generator:
        return scene_generator(self.seed, index, SPLITS.index(self.split), part)


def _turned_back(plan: ScenePlan) -> np.ndarray[Any, np.dtype[np.float64]]:
    """(mic, 3) the real places of the microphones, in the array's own frame."""
    cosine, sine = math.cos(plan.array_azimuth), math.sin(plan.array_azimuth)
    turn = np.array([[cosine, -sine, 0.0], [sine, cosine, 0.0], [0.0, 0.0, 1.0]])
    return np.asarray((plan.microphones - plan.array_center) @ turn)
