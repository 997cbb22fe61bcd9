"""Examples: what the chain makes of a simulated scene, stage by stage, and the truth; made once and kept in files."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

import torch
from torch import Tensor

from arrayscene.choice import choose
from arrayscene.config_file import read_settings, write_settings
from arrayscene.decoders import BelowSpeech, Decoder, Estimate, GuidedIVA, MultichannelWiener, OnlineWiener
from arrayscene.errors import RecordingError
from arrayscene.folder import write_whole
from arrayscene.interruption import ignore_interrupts
from arrayscene.networks.tensor_file import from_bytes, to_bytes
from arrayscene.response import Response, far_field
from arrayscene.training.config import TrainingConfig
from arrayscene.worlds import Speech, World, WorldConfig, WorldScene
from arrayscene.worlds.speech import Split

RATES: Final = (16000, 8000)

HELPED: Final = 0.7
"""Largest share of the truth in the guide of the second stage: the trained network guides it better than the chain."""


class _Known(Decoder):
    """What is known already, for a decoder that asks for a guide."""

    def __init__(self, estimate: Estimate) -> None:
        super().__init__()
        self.estimate = estimate

    def init(self, y: Tensor, response: Response | None = None, *, generator: torch.Generator | None = None) -> None:
        """Nothing to learn."""

    def step(self, y: Tensor, state: None) -> tuple[Estimate, None]:
        """The frames that are known, and silence after them."""
        x = self.estimate.x
        return self.estimate._replace(x=torch.nn.functional.pad(x, (0, y.shape[-1] - x.shape[-1]))), None


@dataclass(frozen=True)
class ExampleConfig(TrainingConfig):
    """A training on examples of the chain.

    Attributes:
        duration: seconds of a scene.
        narrowband: share of the scenes at 8 kHz instead of 16.
        direction_error: degrees, standard deviation of the directions that the chain is told, in every second scene.
        causal: whether the chain and the network work live, without the future.
    """

    duration: float = 5.0
    narrowband: float = 0.3
    direction_error: float = 3.0
    causal: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        self._demand(0 <= self.narrowband <= 1, "narrowband", "a share from 0 to 1")
        self._demand(self.direction_error >= 0, "direction_error", "0 or more")
        self.world(RATES[0])

    def world(self, sample_rate: int) -> WorldConfig:
        """Scenes that somebody would want taken apart: 2 to 4 talkers who stay where they are."""
        return WorldConfig(
            sample_rate=sample_rate,
            duration=self.duration,
            t60=(0.15, 0.7),
            n_mics=(2, 8),
            n_talkers=(2, 4),
            distance=(0.5, 3.0),
            separation=math.radians(20.0),
            moving=0.0,
            clipping=0.0,
            point_noise=0.2,
            diffuse_snr_db=(10.0, 35.0),
        )

    def made_with(self) -> dict[str, Any]:
        """What an example follows from, besides its number."""
        return {name: self.to_dict()[name] for name in ("seed", "speech", "duration", "narrowband", "direction_error", "causal")}


def example_path(folder: Path, index: int, *, validation: bool = False) -> Path:
    """The file of an example."""
    return folder / f"{'test' if validation else 'train'}-{index:05d}.safetensors"


def make_examples(
    folder: Path,
    config: ExampleConfig,
    speech: Speech,
    n: int,
    *,
    validation: bool = False,
    share: tuple[int, int] = (0, 1),
    workers: int = 0,
    report: Callable[[float], None] = lambda done: None,
) -> None:
    """Files of the first n examples, those that exist already left alone.

    Args:
        folder: for the files; made where it is missing.
        config: what the scenes are like.
        speech: of all speakers.
        n: how many.
        validation: with the speakers that are kept for testing.
        share: (process, number of processes) that make them together.
        workers: processes that this one starts to make its share; fewer than two: it makes them itself.
        report: called with the share of the files that are there, 0 to 1, where some were missing.

    Raises:
        RecordingError: a folder whose examples were made otherwise.

    Cost: 1 to 3 s a scene on one core; about 10 MB each.
    """
    record, made_with = folder / "made-with.json", config.made_with()
    _check_record(record, made_with)
    mine = [(index, example_path(folder, index, validation=validation)) for index in range(share[0], n, share[1])]
    missing = [(index, path) for index, path in mine if not path.exists()]
    if not missing:
        return
    # Speech that cannot be used is refused here, before anything is written.
    maker = _Maker(folder, config, speech, validation)
    folder.mkdir(parents=True, exist_ok=True)
    if not record.exists():
        write_settings(record, made_with, "example")
    with maker.at_work(workers) as made:
        for done, _ in enumerate(made([index for index, _ in missing]), start=len(mine) - len(missing)):
            report(done / len(mine))
    report(1.0)


class _Maker:
    """Makes examples one by one, in this process or in several."""

    def __init__(self, folder: Path, config: ExampleConfig, speech: Speech, validation: bool) -> None:
        self.folder, self.config, self.validation = folder, config, validation
        split: Split = "test" if validation else "train"
        self._worlds = [World(config.world(rate), speech, seed=config.seed, split=split) for rate in RATES]

    @contextmanager
    def at_work(self, workers: int) -> Iterator[Callable[[Sequence[int]], Iterator[None]]]:
        """A function that makes examples of given numbers and yields after each; leaving ends the other processes."""
        if workers < 2:
            yield lambda numbers: map(self, numbers)
            return
        with torch.multiprocessing.get_context("spawn").Pool(workers, _begin, [self]) as pool:
            yield lambda numbers: pool.imap_unordered(_make, numbers)

    def __call__(self, index: int) -> None:
        share = self.config.narrowband
        narrow = (index + 1) * share % 1.0 < share
        made = example(self._worlds[narrow].scene(index), self.config)
        write_whole(example_path(self.folder, index, validation=self.validation), to_bytes(made))


_maker: _Maker | None = None


def _begin(maker: _Maker) -> None:
    import numba

    global _maker
    ignore_interrupts(0)
    torch.set_num_threads(1)
    numba.set_num_threads(1)
    _maker = maker


def _make(index: int) -> None:
    assert _maker is not None
    _maker(index)


def _check_record(path: Path, wanted: dict[str, Any]) -> None:
    if path.exists():
        # Folders of earlier versions do not say that they are not causal.
        found = {"causal": False} | read_settings(path, "example")
        differ = [f"{name} {value!r}" for name, value in found.items() if wanted.get(name) != value]
        if differ:
            raise RecordingError(
                f"examples in {path.parent} were made with {', '.join(differ)}; take another folder, or remove them"
            )


def example(scene: WorldScene, config: ExampleConfig) -> dict[str, Tensor]:
    """What the chain makes of a scene, and the truth; float16, relative to the mixture's RMS.

    Args:
        scene: with images at the first microphone.
        config: of the training.

    Returns: "mixture" (freq, frame, 2) and "target" (source, freq, frame, 2) at the first microphone; for each stage s, of which
        there are two where the microphones suffice, "linear.s" and "filtered.s" (source, freq, frame, 2), the sources of the
        pilot and of the Wiener filter, and "variances.s" (source + 1, freq, frame).
    """
    generator = torch.Generator().manual_seed(config.seed + 1_000_003 * scene.index)
    azimuth, elevation = (angle[:, 0].double() for angle in (scene.azimuths, scene.elevations))
    if scene.index % 2:
        azimuth = azimuth + math.radians(config.direction_error) * torch.randn(
            azimuth.shape, generator=generator, dtype=torch.float64
        )
    method = "online-wiener" if config.causal else "wiener"
    choice = choose(
        method, n_mics=len(scene.mixture), n_sources=scene.n_talkers, duration=config.duration, sample_rate=scene.sample_rate
    )
    stft = choice.stft
    loudness = scene.mixture[0].square().mean().sqrt() * (stft.n_fft / 2) ** 0.5
    y, target = stft(scene.mixture / loudness), stft(scene.images[:, 0] / loudness)
    response = far_field(scene.array, azimuth, elevation, frequencies=stft.frequencies(scene.sample_rate))
    kept = {"mixture": y[0], "target": target}
    if config.causal:
        kept |= {f"{name}.0": value for name, value in _live(cast(OnlineWiener, choice.make(None)), y, response).items()}
        return _stored(kept)
    last = cast(MultichannelWiener, cast(BelowSpeech, choice.make(None)).decoder)
    if isinstance(last.pilot, GuidedIVA):
        guide = cast(MultichannelWiener, last.pilot.guide)
        # In the frames of the network, whatever those of the guide are.
        stage, found = _stage(MultichannelWiener(guide.pilot, stft, guide.pilot_stft, strength=guide.strength), y, response)
        kept |= {f"{name}.0": value for name, value in stage.items()}
        share = max(0.0, float(torch.rand((), generator=generator)) * 1.5 - 0.5) * HELPED
        helped = Estimate(torch.lerp(found.x, target, share), found.response, {})
        last = MultichannelWiener(GuidedIVA(_Known(helped), last.pilot.stft, stft), stft, last.pilot_stft, strength=last.strength)
        kept |= {f"{name}.1": value for name, value in _stage(last, y, response)[0].items()}
    else:
        kept |= {f"{name}.0": value for name, value in _stage(last, y, response)[0].items()}
    return _stored(kept)


def _stored(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: (torch.view_as_real(value) if value.is_complex() else value).half() for name, value in tensors.items()}


def _live(wiener: OnlineWiener, y: Tensor, response: Response) -> dict[str, Tensor]:
    found, _ = wiener.found(y, wiener.init(y, response))
    return {"linear": found.linear, "filtered": found.filtered, "variances": found.variances.clamp(1e-7, 1e4)}


def _stage(wiener: MultichannelWiener, y: Tensor, response: Response) -> tuple[dict[str, Tensor], Estimate]:
    state = wiener.init(y, response)
    filtered = wiener.filtered(y, state)
    found = Estimate(torch.lerp(state.linear, filtered, wiener.strength), state.response, {})
    variances = state.variances.clamp(1e-7, 1e4)
    return {"linear": state.linear, "filtered": filtered, "variances": variances}, found


def load_example(path: Path) -> dict[str, Tensor]:
    """What `example` made, as it is stored: float16, complex numbers as pairs."""
    return from_bytes(path.read_bytes(), str(path))[0]


def example_shape(path: Path) -> tuple[int, int]:
    """Sources and frequencies of an example, without reading the rest of it."""
    from safetensors import safe_open

    with safe_open(path, "pt") as file:
        n_sources, n_freqs = file.get_slice("target").get_shape()[:2]
    return int(n_sources), int(n_freqs)
