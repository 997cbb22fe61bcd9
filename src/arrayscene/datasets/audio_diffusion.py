"""AudioDiffusionDataset: scenes on a grid of directions, made of speech, with who is where and how loud."""

from __future__ import annotations

import os
import warnings
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from arrayscene.arguments import as_path, check_kind
from arrayscene.datasets.filling import fill_with_voices, is_empty
from arrayscene.datasets.speech import DatasetWarning, load_speech, speakers_of
from arrayscene.errors import RecordingError, ShapeError
from arrayscene.response import even_azimuths
from arrayscene.speakers import SUFFIXES, find_speech

N_TRAIN, N_TEST = 6400, 1280
"""Scenes by default: 100 batches of 64, and 20."""

SOFTEST_DB = -10.0
"""Least mean level of a talker; the highest is 0 dB, an RMS of 1."""


class SceneLabel(NamedTuple):
    """Who is where and how loud; a batch has one more axis in front of each.

    Attributes:
        active: (source,) bool, whether somebody talks from this direction.
        azimuth: (source,) float32 radians of the grid, counter-clockwise from the front.
        level: (source,) float32 RMS of the audio from there, 0 where nobody talks.
        speaker: (source,) int64, who: the index into `dataset.speakers`; -1 where nobody talks.
    """

    active: Tensor
    azimuth: Tensor
    level: Tensor
    speaker: Tensor


class AudioDiffusionDataset(Dataset[tuple[Tensor, SceneLabel]]):
    """Scenes x: up to three people who talk at once, each from one direction of a grid, in the open.

    `root` holds speech of any rate and format that the package reads, one folder a speaker (`find_speech` says how speakers are
    told from file names, too). Speech is rid of rumble below 70 Hz, split by activity, and every file brought to the same
    loudness. A missing or empty folder is filled with the voices that the package ships, with a warning that says so.

    Speakers of the test never appear in training: a hash of the name decides, about a fifth are for the test (`speakers_of`).

    `dataset[i]` is `(audio, label)`: audio (source, sample) float32, label a `SceneLabel`. Talkers are scaled for training, not
    to full scale: each has a mean level between an RMS of 1 (0 dB) and 10 dB less. Scenes are made when they are asked for, never
    stored; scene i depends on the speech, `seed`, i and the sizes only, not on `n_scenes` or the order of access.

    Args:
        root: folder of the speech.
        train: scenes for training, else for the test.
        n_scenes: length; 6400 for training (100 batches of 64) and 1280 for the test if None.
        azimuth: (source,) radians of the grid; front, left, back and right, as of `AudioDiffusionNet`, if None.
        n_samples: length of a scene.
        sample_rate: hertz.
        max_talkers: most people in a scene; different ones as long as there are enough. All numbers from 1 on are equally likely.
        max_seconds: of speech that is read, at most, all speakers alike; more costs memory (4 bytes a sample) and time.
        seed: another gives other scenes.

    Raises:
        RecordingError: a folder that cannot be read, or filled; no usable speech; one speaker only, for the test.
        ShapeError: sizes below 1, or more talkers than directions.

    Warns: DatasetWarning where the folder was filled, and for files that were left out (broken, silent, too short).

    Cost: making it reads the speech once; a scene takes about 0.05 ms.
    """

    def __init__(
        self,
        root: str | os.PathLike[str] = "data",
        train: bool = True,
        *,
        n_scenes: int | None = None,
        azimuth: Tensor | None = None,
        n_samples: int = 768,
        sample_rate: int = 8000,
        max_talkers: int = 3,
        max_seconds: float = 3600.0,
        seed: int = 0,
    ) -> None:
        root = as_path("AudioDiffusionDataset: root", root)
        check_kind("AudioDiffusionDataset: train", train, bool, "True or False")
        self.azimuth = torch.as_tensor(even_azimuths() if azimuth is None else azimuth, dtype=torch.float32)
        n_scenes = (N_TRAIN if train else N_TEST) if n_scenes is None else n_scenes
        if self.azimuth.ndim != 1 or not 1 <= max_talkers <= len(self.azimuth):
            raise ShapeError(
                f"AudioDiffusionDataset: {max_talkers} talkers on azimuths of shape {tuple(self.azimuth.shape)} came; (source,)"
                " and one talker or more, at most one for each direction, is needed"
            )
        if min(n_scenes, n_samples) < 1:
            raise ShapeError(f"AudioDiffusionDataset: n_scenes={n_scenes}, n_samples={n_samples} came; at least 1 is needed")
        self.root, self.train, self.n_samples, self.sample_rate, self.seed = root, train, n_samples, sample_rate, seed
        if is_empty(self.root):
            fill_with_voices(self.root)
            warnings.warn(
                f"{self.root}: held no speech and was filled with the voices of the package; for better networks put your own"
                " there, one folder a speaker",
                DatasetWarning,
                stacklevel=2,
            )
        files = find_speech(self.root)
        if not files:
            raise RecordingError(
                f"{self.root}: holds no audio file ({', '.join(sorted(SUFFIXES))}); put speech there, one folder a speaker, or"
                " name a new folder, which is filled with the voices of the package"
            )
        chosen = {name: files[name] for name in speakers_of(list(files), train)}
        stretches = load_speech(chosen, sample_rate=sample_rate, n_samples=n_samples, max_seconds=max_seconds, root=self.root)
        self.speakers = sorted({stretch.speaker for stretch in stretches})
        """Names of those who talk."""
        by_speaker = [[stretch.samples for stretch in stretches if stretch.speaker == name] for name in self.speakers]
        self._speech = np.concatenate([samples for group in by_speaker for samples in group])
        self._plan = _draw(by_speaker, n_scenes, len(self.azimuth), max_talkers, n_samples, [seed, int(train)])
        self._level = _rms(self._speech, self._plan.start, n_samples) * self._plan.gain

    def __len__(self) -> int:
        return len(self._level)

    def __getitem__(self, index: int) -> tuple[Tensor, SceneLabel]:
        if not -len(self) <= index < len(self):
            raise IndexError(f"AudioDiffusionDataset: scene {index} came; there are {len(self)}")
        plan = self._plan
        sounds = plan.speaker[index] >= 0
        place = plan.place[index, sounds]
        # In numpy: its small operations cost a fraction of torch's.
        audio = np.zeros((len(self.azimuth), self.n_samples), np.float32)
        for row, start, gain in zip(place, plan.start[index, sounds], plan.gain[index, sounds], strict=True):
            np.multiply(self._speech[start : start + self.n_samples], gain, out=audio[row])
        level, speaker = np.zeros(len(audio), np.float32), np.full(len(audio), -1)
        level[place], speaker[place] = self._level[index, sounds], plan.speaker[index, sounds]
        active = torch.from_numpy(speaker >= 0)
        return torch.from_numpy(audio), SceneLabel(active, self.azimuth, torch.from_numpy(level), torch.from_numpy(speaker))


class _Plan(NamedTuple):
    """Scenes in numbers, (scene, talker): who (-1 nobody), in which direction, from which sample of the speech, how strong."""

    speaker: NDArray[np.int64]
    place: NDArray[np.int64]
    start: NDArray[np.int64]
    gain: NDArray[np.float32]


def _draw(
    by_speaker: list[list[NDArray[np.float32]]], n_scenes: int, n_sources: int, max_talkers: int, n_samples: int, seed: list[int]
) -> _Plan:
    # One row of random numbers a scene, so that no scene depends on how many there are.
    draws = np.random.default_rng(seed).random((n_scenes, 1 + n_sources + 3 * max_talkers))
    count = 1 + (draws[:, 0] * max_talkers).astype(np.int64)
    place = draws[:, 1 : 1 + n_sources].argsort(1)[:, :max_talkers]
    who, where, gain_db = np.split(draws[:, 1 + n_sources :], 3, axis=1)
    speaker = _different(who, len(by_speaker))
    start = _starts(by_speaker, speaker, where, n_samples)
    gain = (10.0 ** (SOFTEST_DB * gain_db / 20.0)).astype(np.float32)
    sounds = np.arange(max_talkers) < count[:, None]
    return _Plan(np.where(sounds, speaker, -1), place, start, gain)


def _different(draws: NDArray[np.float64], n: int) -> NDArray[np.int64]:
    """(scene, pick) numbers below n, different in a row as long as there are enough."""
    picks = np.empty(draws.shape, dtype=np.int64)
    for k in range(draws.shape[1]):
        earlier = np.sort(picks[:, k - k % n : k], axis=1)
        pick = (draws[:, k] * (n - k % n)).astype(np.int64)
        for taken in earlier.T:
            pick += pick >= taken
        picks[:, k] = pick
    return picks


def _starts(
    by_speaker: list[list[NDArray[np.float32]]], speaker: NDArray[np.int64], draws: NDArray[np.float64], n_samples: int
) -> NDArray[np.int64]:
    """First samples, all places at which a whole clip of the speaker begins being equally likely."""
    lengths = np.array([len(samples) for group in by_speaker for samples in group])
    choices = np.concatenate([[0], np.cumsum(lengths - n_samples + 1)])
    bounds = np.concatenate([[0], np.cumsum([len(group) for group in by_speaker])])
    first, last = choices[bounds[speaker]], choices[bounds[speaker + 1]]
    drawn = first + (draws * (last - first)).astype(np.int64)
    stretch = np.searchsorted(choices, drawn, side="right") - 1
    begins = np.concatenate([[0], np.cumsum(lengths)])
    return np.asarray(begins[stretch] + drawn - choices[stretch])


def _rms(speech: NDArray[np.float32], start: NDArray[np.int64], n_samples: int) -> NDArray[np.float32]:
    energy = np.concatenate([[0.0], np.cumsum(speech.astype(np.float64) ** 2)])
    return np.asarray(np.sqrt((energy[start + n_samples] - energy[start]) / n_samples), np.float32)
