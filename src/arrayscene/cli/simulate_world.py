"""`arrayscene simulate --scenes N`: a data set of many different scenes."""

from __future__ import annotations

import math
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import typer

from arrayscene.cli.exit_codes import INTERRUPTED
from arrayscene.cli.progress import progress_bar
from arrayscene.errors import ArraySceneError, RecordingError
from arrayscene.naming import one_of

if TYPE_CHECKING:
    from arrayscene.cli.simulate import Wishes
    from arrayscene.worlds import WorldConfig
    from arrayscene.worlds.speech import Split

OPTIONS = {
    "arrays": "--array",
    "n_talkers": "--talkers",
    "sensor_snr_db": "--snr",
    "room_length": "--room",
    "room_width": "--room",
    "room_height": "--room",
}
"""Those that are not called as in the configuration."""


def simulate_world(
    wishes: Wishes, *, scenes: int, seed: int, out: Path, config: Path | None, speech: Path | None, split: str
) -> None:
    """Write the data set, or what is missing of it."""
    from arrayscene.worlds import World, WorldConfig, check_folder, write_world

    split = one_of(split, ("train", "test", "all"), "--split", RecordingError)
    chosen = WorldConfig() if config is None else WorldConfig.load(config)
    world = World(_as_wished(chosen, wishes), speech, seed=seed, split=cast("Split", split))
    check_folder(world, out)
    begun = time.monotonic()
    try:
        with progress_bar() as progress:
            write_world(world, out, scenes, progress=progress)
    except KeyboardInterrupt:
        typer.echo(f"interrupted: finished scenes stay in {out}; the same command goes on with the next", err=True)
        raise typer.Exit(INTERRUPTED) from None
    speakers = len(world.speech.speakers)
    print(f"{scenes} scenes of {speakers} speakers in {out}, {time.monotonic() - begun:.0f} s")
    print(_who_walks(out, scenes, world.config.moving))
    print(f"read them: arrayscene.worlds.WorldFolder({str(out)!r})")


def _who_walks(out: Path, scenes: int, chance: float) -> str:
    """One line on who moves, and in which scenes."""
    from arrayscene.speakers import some
    from arrayscene.worlds.folder import talkers_who_walk

    found = talkers_who_walk(out, scenes)
    places = [f"{folder.relative_to(out)} ({', '.join(walking)})" for folder, walking, _ in found if walking]
    n_walking, n_talkers = sum(len(walking) for _, walking, _ in found), sum(n for _, _, n in found)
    told = f"; drawn with a chance of {chance:g} (`moving` of --config)"
    return f"{n_walking} of {n_talkers} talkers walk, the others stand still{told}" + (f": {some(places)}" if places else "")


def _as_wished(config: WorldConfig, wishes: Wishes) -> WorldConfig:
    """The configuration with what the user fixed."""
    fixed: dict[str, Any] = {}
    if wishes.array is not None:
        fixed["arrays"] = (wishes.array,)
    if wishes.talkers is not None:
        fixed["n_talkers"] = (wishes.talkers, wishes.talkers)
    if wishes.t60 is not None:
        fixed["t60"] = (wishes.t60, wishes.t60)
    if wishes.snr is not None:
        if not math.isfinite(wishes.snr):
            raise RecordingError(f"--snr {wishes.snr} came; with --scenes a number of decibels is wanted")
        fixed["sensor_snr_db"] = (wishes.snr, wishes.snr)
    if wishes.duration is not None:
        fixed["duration"] = wishes.duration
    if wishes.room is not None:
        fixed |= dict(zip(("room_length", "room_width", "room_height"), ((side, side) for side in wishes.room), strict=True))
    try:
        return replace(config, **fixed)
    except ArraySceneError as error:
        name, _, rest = str(error).removeprefix("WorldConfig: ").partition(" = ")
        if name not in fixed or not rest:
            raise
        raise type(error)(f"{OPTIONS.get(name, f'--{name}')}: {rest}") from None
