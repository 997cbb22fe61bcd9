"""`python -m arrayscene.training FOLDER --speech DIR`: make the examples, train, write the weights.

Killed and started again with the same words it goes on where it was, to the same weights on the same machine.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import torch

from arrayscene.array_files import write_whole
from arrayscene.errors import ArraySceneError
from arrayscene.networks import scene_net_bytes
from arrayscene.training.config import TrainingConfig
from arrayscene.training.examples import make_examples
from arrayscene.training.loop import CURVE, train

WEIGHTS = "scene-net.safetensors"


def main(words: list[str] | None = None) -> int:
    """Exit code 0, or 2 with one line on stderr."""
    default = TrainingConfig()
    parser = argparse.ArgumentParser(prog="python -m arrayscene.training", description="Train SceneNet.")
    parser.add_argument("folder", type=Path, help="for examples, state, curve and weights")
    parser.add_argument("--speech", type=Path, help="folder of speech, one speaker a folder or file; default: the shipped voices")
    parser.add_argument("--examples", type=int, default=default.n_examples, help="scenes to train on")
    parser.add_argument("--validation", type=int, default=default.n_validation, help="scenes of other speakers to score on")
    parser.add_argument("--steps", type=int, default=default.n_steps, help="updates of the weights")
    parser.add_argument("--every", type=int, default=default.every, help="steps between scores")
    parser.add_argument("--seed", type=int, default=default.seed)
    args = parser.parse_args(words)
    config = TrainingConfig(
        seed=args.seed, n_examples=args.examples, n_validation=args.validation, n_steps=args.steps, every=args.every
    )
    # Sums over several threads come out differently, and on few cores later.
    torch.set_num_threads(1)
    begun = time.monotonic()
    try:
        sets = []
        for held_out, n in ((True, config.n_validation), (False, config.n_examples)):

            def count(done: int, n: int = n) -> None:
                if done == n or done % 50 == 0:
                    print(f"example {done} of {n}, {time.monotonic() - begun:.0f} s", flush=True)

            sets.append(make_examples(args.folder / "examples", config, args.speech, validation=held_out, report=count))
        network = train(args.folder, sets[1], sets[0], config, lambda row: _say(row, time.monotonic() - begun))
        write_whole(args.folder / WEIGHTS, scene_net_bytes(network, steps=str(config.n_steps), seed=str(config.seed)))
    except ArraySceneError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"wrote {args.folder / WEIGHTS} and {args.folder / CURVE}")
    return 0


def _say(row: dict[str, float], seconds: float) -> None:
    print(
        f"step {row['step']:.0f}: loss {row['loss']:.2f} dB, held-out SNR {row['network_db']:.2f} dB, "
        f"chain {row['chain_db']:.2f} dB, {seconds:.0f} s",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main())
