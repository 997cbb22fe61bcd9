"""The card beside trained weights: what they are for, what they were trained on and how far, how good they are, and limits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from arrayscene.folder import write_whole
from arrayscene.naming import counted
from arrayscene.training.recipe import AnyRecipe

CARD: Final = "card.md"

_MOST_ROWS: Final = 12


def write_card(folder: Path, recipe: AnyRecipe, step: int, rows: Sequence[Mapping[str, float]], skipped: Sequence[int]) -> None:
    """Write the card of the weights after `step` steps.

    Args:
        folder: of the training.
        recipe: what was trained.
        step: steps done.
        rows: of the curve.
        skipped: numbers of the steps that were skipped because something was not finite.
    """
    config = recipe.config
    about = dict(recipe.about())
    limits = about.pop("Limits", "")
    state = "" if step == config.n_steps else f" of {config.n_steps}: the training was stopped before its end"
    recipe_text = (
        f"`arrayscene train {recipe.name}` with the values of `config.toml`: {step} steps{state}, {config.batch} examples a "
        f"step, AdamW, highest rate {config.learning_rate:g}, {config.precision} precision, seed {config.seed}. The weights are "
        "the running mean of those of the steps."
    )
    if skipped:
        listed = ", ".join(map(str, skipped[:20])) + (" and others" if len(skipped) > 20 else "")
        recipe_text += (
            f" {counted(len(skipped), 'step was', 'steps were')} skipped because something in them was not finite: {listed}."
        )
    parts = [f"# Weights of a training `{recipe.name}`", "`weights.safetensors`, written by arrayscene."]
    parts += [f"**{title}.** {text}" for title, text in (*about.items(), ("Recipe", recipe_text))]
    parts += [
        f"**Scores.** {recipe.unit}.",
        _table(recipe, rows) if rows else "None yet: no validation came.",
    ]
    parts += [f"**Limits.** {limits}"] if limits else []
    write_whole(folder / CARD, ("\n\n".join(parts) + "\n").encode())


def _table(recipe: AnyRecipe, rows: Sequence[Mapping[str, float]]) -> str:
    every = -(-len(rows) // _MOST_ROWS)
    shown = [row for number, row in enumerate(rows) if (len(rows) - 1 - number) % every == 0]
    names = ("loss", *recipe.figures)
    lines = [f"| step | {' | '.join(names)} |", "|---" * (1 + len(names)) + "|"]
    lines += [f"| {row['step']:.0f} | " + " | ".join(f"{row[name]:.4g}" for name in names) + " |" for row in shown]
    return "\n".join(lines)
