"""The recipe `network`: SceneNet, on what the chain makes of simulated scenes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Final, NamedTuple, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from arrayscene.errors import RecordingError
from arrayscene.networks import Evidence, SceneNet, load_scene_net, scene_net_bytes
from arrayscene.training.data import about_speech, speech_of
from arrayscene.training.examples import ExampleConfig, example_path, example_shape, load_example, make_examples
from arrayscene.training.recipe import Recipe

SOUNDS: Final = 1e-2
"""Power of a source, relative to the mixture's, from which on it is scored."""


@dataclass(frozen=True)
class NetworkConfig(ExampleConfig):
    """One training of `SceneNet`, on scenes as `ExampleConfig` says.

    Attributes:
        n_examples, n_validation: scenes with speakers for training, and with speakers for testing.
        crop: frames of an example, drawn anew each time.
        magnitude: weight of the loss on compressed magnitudes.
        width, middle, deep, n_blocks: sizes of the network, as `SceneNet` takes them.
        start: file of weights to start from, of a network of these sizes, causal or not; empty: untrained ones.
    """

    n_steps: int = 7000
    batch: int = 24
    learning_rate: float = 1.5e-3
    warmup: int = 200
    ema: float = 0.998
    precision: str = "bf16-mixed"
    every: int = 500
    n_examples: int = 4400
    n_validation: int = 48
    crop: int = 128
    magnitude: float = 1.0
    width: int = 32
    middle: int = 48
    deep: int = 64
    n_blocks: int = 4
    start: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("n_examples", "n_validation", "crop", "width", "middle", "deep", "n_blocks"):
            self._demand(getattr(self, name) >= 1, name, "1 or more")
        self._demand(self.magnitude >= 0, "magnitude", "0 or more")


class Cut(NamedTuple):
    """Some frames of one stage of the chain, and the truth, (..., source, freq, frame)."""

    evidence: Evidence
    target: Tensor


class NetworkRecipe(Recipe[NetworkConfig, Cut, Cut]):
    """`SceneNet` behind the Wiener filters of the chain.

    Examples are made once, by the first training in a folder, and kept in its `examples`.
    """

    name = "network"
    config_class = NetworkConfig
    figures = ("chain_db", "network_db")
    unit = "SNR of held-out sources, dB"
    loss_unit = "dB"

    _drawn: tuple[int, list[NDArray[np.int64]]] | None = None

    def prepare(self, share: tuple[int, int], report: Callable[[str, float], None]) -> None:
        """Simulate scenes and run the chain on them, where that has not been done yet: 1 to 3 s each on one core, 10 MB."""
        speech = speech_of(self.config)
        for validation, n in ((True, self.config.n_validation), (False, self.config.n_examples)):
            what = "held-out examples" if validation else "examples"
            make_examples(
                self._examples,
                self.config,
                speech,
                n,
                validation=validation,
                share=share,
                workers=self.config.workers,
                report=partial(report, what),
            )

    def network(self) -> SceneNet:
        """Untrained, it gives the mean of pilot and filter.

        Raises:
            RecordingError: weights to start from that are missing, damaged or of other sizes.
        """
        config = self.config
        network = SceneNet(config.width, config.middle, config.deep, config.n_blocks, config.causal)
        if config.start:
            try:
                network.load_state_dict(load_scene_net(config.start).state_dict())
            except RuntimeError as error:
                raise RecordingError(
                    f"start = {config.start}: weights of another size came than width, middle, deep and n_blocks say; set those"
                ) from error
        return network

    def example(self, number: int) -> Cut:
        """A random stage and stretch of a scene; every scene comes once, in an order drawn anew, before any comes again."""
        step, place = divmod(number, self.config.batch)
        n = self._batches_an_epoch
        tensors = load_example(example_path(self._examples, int(self._epoch(step // n)[step % n][place])))
        draws = self.draws(number)
        stage = int(draws.choice(_stages(tensors)))
        n_starts = max(tensors["variances.0"].shape[-1] - self.config.crop, 0) + 1
        # Live, the beginning is another task: the chain has yet to learn.
        early = self.config.crop // 4 if self.config.causal else 0
        start = max(0, int(draws.integers(n_starts + early)) - early)
        return cut(tensors, stage, start, self.config.crop)

    def collate(self, examples: Sequence[Cut]) -> list[Cut]:
        """Together: those of a step have as many sources and frequencies."""
        evidence = Evidence(*(torch.stack(parts) for parts in zip(*(e.evidence for e in examples), strict=True)))
        return [Cut(evidence, torch.stack([e.target for e in examples]))]

    def loss(self, network: nn.Module, batch: Cut) -> Tensor:
        """Of each example, see `objective`."""
        evidence, target = batch
        return objective(network(evidence), target, evidence.mixture, self.config.magnitude)

    @property
    def n_validation(self) -> int:
        """Scenes of other speakers."""
        return self.config.n_validation

    def validate(self, network: nn.Module, number: int) -> list[tuple[float, ...]]:
        """SNR in dB of each source that sounds, of the mean of pilot and filter and of the network, over all stages."""
        device = next(network.parameters()).device
        path = example_path(self._examples, number, validation=True)
        rows: list[tuple[float, ...]] = []
        tensors = load_example(path)
        for stage in _stages(tensors):
            evidence, target = cut({name: value.to(device) for name, value in tensors.items()}, stage, 0, self.config.crop)
            found, mean = network(evidence), 0.5 * (evidence.linear + evidence.filtered)
            sounds = target.abs().square().sum((-2, -1)) > SOUNDS * evidence.mixture.abs().square().sum()
            rows += [(_snr(a, t), _snr(b, t)) for a, b, t, s in zip(mean, found, target, sounds, strict=True) if s]
        return rows

    def weights(self, network: nn.Module, facts: Mapping[str, str]) -> bytes:
        """As `arrayscene.networks.load_scene_net` reads them."""
        return scene_net_bytes(cast(SceneNet, network), **facts)

    def about(self) -> Mapping[str, str]:
        """For the card."""
        config, speech = self.config, about_speech(self.config.speech)
        if config.causal:
            job, method = "an online multichannel Wiener filter better while they sound", "online-network"
            use = "OnlineRefined(network=load_scene_net(FILE))"
        else:
            job, method = "a multichannel Wiener filter better", "network"
            use = "Refined(wiener, load_scene_net(FILE))"
        return {
            "What for": (
                f"Makes the sources of {job} (`arrayscene.networks.SceneNet`): any array, any number of sources, windows of 64 "
                f"ms, up to 8 kHz. Use it with `arrayscene recover --method {method} --weights FILE`, or from Python: `{use}`."
            ),
            "Data": (
                f"{config.n_examples} simulated scenes of {config.duration:g} s (`arrayscene.worlds`), {config.narrowband:.0%} "
                "at 8 kHz, the rest at 16: 2 to 4 talkers who stay in place, 2 to 8 microphones, T60 0.15 to 0.7 s, diffuse "
                f"noise 10 to 35 dB below the talkers; {config.n_validation} more of other speakers for the scores. {speech}"
            ),
            "Limits": (
                "Trained with speech alone, not with music or other sounds; not with one source, more than four, or talkers who "
                f"walk{'' if config.causal else '; not causal'}. The scores are those of simulated rooms that were looked at "
                "while the training went on: judge it on scenes of your own."
            ),
        }

    @property
    def _examples(self) -> Path:
        return self.folder / "examples"

    @cached_property
    def _alike(self) -> list[list[int]]:
        """Scenes that fit into one batch: as many sources and frequencies."""
        found: dict[tuple[int, int], list[int]] = {}
        for index in range(self.config.n_examples):
            found.setdefault(example_shape(example_path(self._examples, index)), []).append(index)
        return [found[shape] for shape in sorted(found)]

    @property
    def _batches_an_epoch(self) -> int:
        return sum(-(-len(scenes) // self.config.batch) for scenes in self._alike)

    def _epoch(self, epoch: int) -> list[NDArray[np.int64]]:
        """Batches of scenes that are alike, every scene in one of them; where some are missing in the last, others come twice."""
        if self._drawn is None or self._drawn[0] != epoch:
            draws, batch = np.random.default_rng([self.config.seed, 1, epoch]), self.config.batch
            batches: list[NDArray[np.int64]] = []
            for scenes in self._alike:
                order = draws.permutation(scenes)
                batches += list(np.resize(order, (-(-len(scenes) // batch), batch)))
            self._drawn = epoch, [batches[n] for n in draws.permutation(len(batches))]
        return self._drawn[1]


def objective(x: Tensor, target: Tensor, mixture: Tensor, magnitude: float) -> Tensor:
    """The error in dB relative to the target, mean over sources, plus that of the roots of magnitudes.

    Targets that are silent count as 30 dB below the mixture, errors 30 dB below the target as good enough.

    Args:
        x: (..., source, freq, frame) what was found.
        target: (..., source, freq, frame).
        mixture: (..., freq, frame).
        magnitude: weight of the second.

    Returns: (...,).
    """
    error, power = ((part.abs().square()).sum((-2, -1)) for part in (x - target, target))
    least = 1e-3 * mixture.abs().square().sum((-2, -1))[..., None] + 1e-9
    loss = 10 * ((error + 1e-3 * power + least) / (power + least)).log10().mean(-1)
    roots = ((x.abs() + 1e-4).sqrt() - (target.abs() + 1e-4).sqrt()).square().mean((-3, -2, -1))
    return loss + magnitude * roots / (mixture.abs().mean((-2, -1)) + 1e-6)


def cut(tensors: Mapping[str, Tensor], stage: int, start: int, n: int) -> Cut:
    """Some frames of a stage, and the truth, of what `load_example` gives."""

    def taken(name: str) -> Tensor:
        # Contiguous before they are made wider: most of it is left out.
        return torch.view_as_complex(tensors[name][..., start : start + n, :].float().contiguous())

    variances = tensors[f"variances.{stage}"][..., start : start + n].float()
    return Cut(Evidence(taken("mixture"), taken(f"linear.{stage}"), taken(f"filtered.{stage}"), variances), taken("target"))


def _stages(tensors: Mapping[str, Tensor]) -> list[int]:
    return [stage for stage in (0, 1) if f"linear.{stage}" in tensors]


def _snr(x: Tensor, target: Tensor) -> float:
    return float(10 * (target.abs().square().sum() / (x - target).abs().square().sum().clamp_min(1e-12)).log10())
