"""The training of `SceneNet`: plain PyTorch, one process, the same result whether it was interrupted or not."""

from __future__ import annotations

import copy
import io
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from arrayscene.array_files import write_whole
from arrayscene.errors import RecordingError
from arrayscene.networks.scene_net import Evidence, SceneNet
from arrayscene.training.config import TrainingConfig
from arrayscene.training.examples import load_example

STATE, CURVE = "state.pt", "curve.csv"

COLUMNS: Final = ("step", "loss", "chain_db", "network_db")
"""Of the curve: the mean loss since the row before, and the mean SNR of held-out sources from the chain and from the network."""

COOLING: Final = 0.4
"""Share of the steps, at the end, over which the learning rate falls."""


def train(
    folder: Path,
    examples: Sequence[Path],
    validation: Sequence[Path],
    config: TrainingConfig,
    report: Callable[[dict[str, float]], None] = lambda row: None,
) -> SceneNet:
    """The network with its averaged weights.

    Args:
        folder: for the state, from which a killed training goes on, and for the curve.
        examples: files that `make_examples` made.
        validation: others, of other speakers.
        config: how.
        report: called with every row of the curve.

    Returns: the network whose weights are the running mean of those of the steps.

    Raises:
        RecordingError: no example; a state of another configuration.

    Cost: on one core about 1 s a step with the default configuration, with bfloat16 units.
    """
    if not examples or not validation:
        raise RecordingError("training: no example came; make_examples makes them")
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(config.seed)
    network = SceneNet()
    average = copy.deepcopy(network).requires_grad_(False)
    optimizer = torch.optim.AdamW(network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
    rows: list[dict[str, float]] = []
    first = _resume(folder / STATE, config, network, average, optimizer, rows)
    losses: list[float] = []
    for step in range(first, config.n_steps):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, config)
        losses.append(_update(network, optimizer, examples, step, config))
        with torch.no_grad():
            keep = min(config.ema, (1 + step) / (10 + step))
            for mean, value in zip(average.parameters(), network.parameters(), strict=True):
                mean.lerp_(value, 1 - keep)
        if (step + 1) % config.every == 0 or step + 1 == config.n_steps:
            chain, found = validate(average, validation, config)
            rows.append({"step": step + 1, "loss": float(np.mean(losses)), "chain_db": chain, "network_db": found})
            losses.clear()
            _save(folder, config, network, average, optimizer, rows, step + 1)
            report(rows[-1])
    return average


def learning_rate(step: int, config: TrainingConfig) -> float:
    """Rises over the warm-up, stays, and falls to nothing along a quarter of a cosine."""
    rising = min(1.0, (step + 1) / config.warmup)
    left = (config.n_steps - step) / max(COOLING * config.n_steps, 1)
    return config.learning_rate * rising * math.sin(0.5 * math.pi * min(1.0, left))


def objective(x: Tensor, target: Tensor, mixture: Tensor, magnitude: float) -> Tensor:
    """The error in dB relative to the target, mean over sources, plus that of the roots of magnitudes.

    Targets that are silent count as 30 dB below the mixture, errors 30 dB below the target as good enough.

    Args:
        x: (source, freq, frame) what was found.
        target: (source, freq, frame).
        mixture: (freq, frame).
        magnitude: weight of the second.
    """
    error, power = ((part.abs().square()).sum((-2, -1)) for part in (x - target, target))
    least = 1e-3 * mixture.abs().square().sum() + 1e-9
    loss = 10 * ((error + 1e-3 * power + least) / (power + least)).log10().mean()
    roots = ((x.abs() + 1e-4).sqrt() - (target.abs() + 1e-4).sqrt()).square().mean()
    return loss + magnitude * roots / (mixture.abs().mean() + 1e-6)


def validate(network: SceneNet, paths: Sequence[Path], config: TrainingConfig) -> tuple[float, float]:
    """Mean SNR in dB, of sources that sound, of the mean of pilot and filter and of the network, over all stages."""
    scores = []
    for path in paths:
        tensors = load_example(path)
        for stage in _stages(tensors):
            evidence, target = crop(tensors, stage, 0, config.crop)
            with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
                found = network(evidence)
            mean = 0.5 * (evidence.linear + evidence.filtered)
            sounds = target.abs().square().sum((-2, -1)) > 1e-2 * evidence.mixture.abs().square().sum()
            scores += [[_snr(a, t), _snr(b, t)] for a, b, t, s in zip(mean, found, target, sounds, strict=True) if s]
    chain, net = np.mean(scores, axis=0)
    return float(chain), float(net)


def crop(tensors: dict[str, Tensor], stage: int, start: int, n: int) -> tuple[Evidence, Tensor]:
    """Some frames of a stage, and the truth."""
    cut = slice(start, start + n)
    mixture, linear, filtered = (tensors[name][..., cut] for name in ("mixture", f"linear.{stage}", f"filtered.{stage}"))
    evidence = Evidence(mixture, linear, filtered, tensors[f"variances.{stage}"][..., cut])
    return evidence, tensors["target"][..., cut]


def _update(
    network: SceneNet, optimizer: torch.optim.Optimizer, examples: Sequence[Path], step: int, config: TrainingConfig
) -> float:
    """One step; which examples it takes follows from the seed and its number alone."""
    drawn = np.random.default_rng([config.seed, step])
    # Every example once before any comes again.
    position = step * config.batch + np.arange(config.batch)
    total = 0.0
    optimizer.zero_grad()
    for at in position:
        order = np.random.default_rng([config.seed, 1, int(at) // len(examples)]).permutation(len(examples))
        tensors = load_example(examples[order[at % len(examples)]])
        stage = int(drawn.choice(_stages(tensors)))
        start = int(drawn.integers(max(tensors["mixture"].shape[-1] - config.crop, 0) + 1))
        evidence, target = crop(tensors, stage, start, config.crop)
        with torch.autocast("cpu", torch.bfloat16):
            x = network(evidence)
        loss = objective(x, target, evidence.mixture, config.magnitude) / config.batch
        loss.backward()  # type: ignore[no-untyped-call]
        total += float(loss.detach())
    norm = torch.nn.utils.clip_grad_norm_(network.parameters(), config.clip)
    if bool(torch.isfinite(norm)):
        optimizer.step()
    return total


def _stages(tensors: dict[str, Tensor]) -> list[int]:
    return [stage for stage in (0, 1) if f"linear.{stage}" in tensors]


def _snr(x: Tensor, target: Tensor) -> float:
    return float(10 * (target.abs().square().sum() / (x - target).abs().square().sum().clamp_min(1e-12)).log10())


def _save(
    folder: Path,
    config: TrainingConfig,
    network: SceneNet,
    average: SceneNet,
    optimizer: torch.optim.Optimizer,
    rows: list[dict[str, float]],
    step: int,
) -> None:
    content = io.BytesIO()
    state: dict[str, Any] = {
        "config": config.to_dict(),
        "step": step,
        "network": network.state_dict(),
        "average": average.state_dict(),
        "optimizer": optimizer.state_dict(),
        "rows": rows,
    }
    torch.save(state, content)
    write_whole(folder / STATE, content.getvalue())
    lines = [",".join(COLUMNS), *(",".join(f"{row[name]:.6g}" for name in COLUMNS) for row in rows)]
    write_whole(folder / CURVE, ("\n".join(lines) + "\n").encode())


def _resume(
    path: Path,
    config: TrainingConfig,
    network: SceneNet,
    average: SceneNet,
    optimizer: torch.optim.Optimizer,
    rows: list[dict[str, float]],
) -> int:
    """The step to go on with."""
    if not path.exists():
        return 0
    try:
        state = torch.load(path, weights_only=True)
        network.load_state_dict(state["network"])
        average.load_state_dict(state["average"])
        optimizer.load_state_dict(state["optimizer"])
    except (RuntimeError, KeyError, EOFError, ValueError) as error:
        raise RecordingError(f"{path}: not a state of this training ({error}); remove it to start anew") from error
    changed = [name for name, value in config.to_dict().items() if state["config"].get(name) != value and name != "n_steps"]
    if changed:
        raise RecordingError(f"{path}: its {', '.join(changed)} differ from what is asked for; take another folder")
    rows += state["rows"]
    return int(state["step"])
