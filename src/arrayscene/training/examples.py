"""Examples: what the chain makes of a simulated scene, stage by stage, and the truth; made once and kept in files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final, cast

import torch
from torch import Tensor

from arrayscene.array_files import write_whole
from arrayscene.choice import choose
from arrayscene.decoders import Decoder, Estimate, GuidedIVA, MultichannelWiener
from arrayscene.networks.tensor_file import from_bytes, to_bytes
from arrayscene.response import Response, far_field
from arrayscene.training.config import TrainingConfig
from arrayscene.worlds import Speech, World, WorldScene

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


def make_examples(
    folder: Path,
    config: TrainingConfig,
    speech: Speech | str | Path | None,
    *,
    validation: bool = False,
    report: Callable[[int], None] = lambda done: None,
) -> list[Path]:
    """Files of all examples, those that exist already left alone.

    Args:
        folder: for the files; made where it is missing.
        config: how many, and what the scenes are like.
        speech: as `World` takes it.
        validation: with the speakers that are kept for testing.
        report: called with the number of files that are there.

    Cost: 1 to 3 s a scene on one core; about 6 MB each.
    """
    folder.mkdir(parents=True, exist_ok=True)
    everyone = Speech.folder(speech) if isinstance(speech, str | Path) else speech or Speech.shipped()
    split = "test" if validation else "train"
    worlds = [World(config.world(rate), everyone, seed=config.seed, split=split) for rate in RATES]  # type: ignore[arg-type]
    paths = []
    for index in range(config.n_validation if validation else config.n_examples):
        path = folder / f"{split}-{index:05d}.safetensors"
        if not path.exists():
            narrow = (index + 1) * config.narrowband % 1.0 < config.narrowband
            write_whole(path, to_bytes(example(worlds[narrow].scene(index), config)))
        paths.append(path)
        report(len(paths))
    return paths


def example(scene: WorldScene, config: TrainingConfig) -> dict[str, Tensor]:
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
        azimuth = azimuth + config.direction_error * torch.randn(azimuth.shape, generator=generator, dtype=torch.float64)
    choice = choose(
        "wiener", n_mics=len(scene.mixture), n_sources=scene.n_talkers, duration=config.duration, sample_rate=scene.sample_rate
    )
    stft = choice.stft
    loudness = scene.mixture[0].square().mean().sqrt() * (stft.n_fft / 2) ** 0.5
    y, target = stft(scene.mixture / loudness), stft(scene.images[:, 0] / loudness)
    response = far_field(scene.array, azimuth, elevation, frequencies=stft.frequencies(scene.sample_rate))
    last = cast(MultichannelWiener, choice.make(None))
    kept = {"mixture": y[0], "target": target}
    if isinstance(last.pilot, GuidedIVA):
        stage, found = _stage(cast(MultichannelWiener, last.pilot.guide), y, response)
        kept |= {f"{name}.0": value for name, value in stage.items()}
        share = max(0.0, float(torch.rand((), generator=generator)) * 1.5 - 0.5) * HELPED
        guide = Estimate(torch.lerp(found.x, target, share), found.response, {})
        last = MultichannelWiener(GuidedIVA(_Known(guide), last.pilot.stft, stft), stft, last.pilot_stft, strength=last.strength)
        kept |= {f"{name}.1": value for name, value in _stage(last, y, response)[0].items()}
    else:
        kept |= {f"{name}.0": value for name, value in _stage(last, y, response)[0].items()}
    return {name: (torch.view_as_real(value) if value.is_complex() else value).half() for name, value in kept.items()}


def _stage(wiener: MultichannelWiener, y: Tensor, response: Response) -> tuple[dict[str, Tensor], Estimate]:
    state = wiener.init(y, response)
    filtered = wiener.filtered(y, state)
    found = Estimate(torch.lerp(state.linear, filtered, wiener.strength), state.response, {})
    variances = state.variances.clamp(1e-7, 1e4)
    return {"linear": state.linear, "filtered": filtered, "variances": variances}, found


def load_example(path: Path) -> dict[str, Tensor]:
    """What `example` made, float32, complex where it was."""
    tensors = from_bytes(path.read_bytes(), str(path))[0]
    return {
        name: value.float() if name.startswith("variances") else torch.view_as_complex(value.float())
        for name, value in tensors.items()
    }
