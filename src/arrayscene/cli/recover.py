"""`arrayscene recover`: a recording in, a scene out."""

from __future__ import annotations

import importlib
import math
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Annotated

import typer

from arrayscene.arguments import check_whole
from arrayscene.cli.channels import channel_numbers
from arrayscene.cli.exit_codes import INTERRUPTED
from arrayscene.cli.options import Array, Channels, Inputs, Quiet, Rate, Start, Stop, required
from arrayscene.cli.progress import Progress, progress_bar, say_if_compiling
from arrayscene.cli.table import print_table
from arrayscene.errors import GeometryError, ShapeError
from arrayscene.interruption import Interruption
from arrayscene.methods import METHODS
from arrayscene.naming import one_of

if TYPE_CHECKING:
    from arrayscene.scene import Scene


def recover(
    inputs: Inputs,
    array: Array = None,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Folder to write; default: <input>-scene.")] = None,
    sources: Annotated[int | None, typer.Option(metavar="N", help="How many sources sound; default: counted.")] = None,
    method: Annotated[str, typer.Option(metavar="NAME", help="Decoder, one of the methods below.")] = "auto",
    weights: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Weights of your own: `network` and `auto` take those of `train network`, `diffusion` those of `train prior`.",
        ),
    ] = None,
    draws: Annotated[int | None, typer.Option(metavar="K", help="Draws of `diffusion`; more know their spread better.")] = None,
    channels: Channels = None,
    directions: Annotated[
        str | None, typer.Option(metavar="AZ[:EL],...", help="Known directions of the sources in degrees, such as 30,-60:10.")
    ] = None,
    activity: Annotated[
        Path | None, typer.Option(metavar="RTTM", help="Who sounds when, as an RTTM file; then nothing is counted.")
    ] = None,
    moving: Annotated[
        bool, typer.Option("--moving", help="Sources move and are to be followed; default: found out whether they do.")
    ] = False,
    resting: Annotated[bool, typer.Option("--resting", help="Sources stay where they are.")] = False,
    start: Start = None,
    stop: Stop = None,
    rate: Rate = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an earlier scene in the output folder.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print scene.json on stdout, nothing else.")] = False,
    quiet: Quiet = False,
    no_report: Annotated[bool, typer.Option("--no-report", help="Leave out report.html and the pictures.")] = False,
) -> None:
    """Recover the scene of a recording: where each source is, how loud, and its own sound."""
    target = out if out is not None else Path(f"{inputs[0].stem}-scene")
    array = required(array)
    if moving and resting:
        raise ShapeError("--moving and --resting came; give one, or neither to have it found out")
    wanted_channels = channel_numbers(channels)
    wanted_directions = _directions(directions) if directions is not None else None

    method = one_of(method, METHODS, "method")
    if sources is not None:
        check_whole("recover: n_sources", sources, or_else=", or nothing to have them counted")

    from arrayscene.report import check_target, write_scene

    check_target(target, overwrite)

    # What costs little is checked before what decodes is imported, which takes seconds.
    from arrayscene.array import MicrophoneArray
    from arrayscene.recording import Recording

    microphones = MicrophoneArray.resolve(array)
    paths: Path | list[Path] = inputs[0] if len(inputs) == 1 else inputs
    recording = Recording.read(paths, array=microphones, channels=wanted_channels, sample_rate=rate, start=start, stop=stop)

    from arrayscene.recovery import recover as recover_scene

    stretches = None
    if activity is not None:
        from arrayscene.diarisation import cut, read_rttm

        # Times count from the beginning of the file, also where only a part of it is used.
        first = start or 0.0
        whole = read_rttm(activity, recording=inputs[0].stem, duration=first + recording.duration if stop is None else None)
        parts = {name: cut(of_one, first, first + recording.duration) for name, of_one in whole.items()}
        stretches = {name: of_one for name, of_one in parts.items() if len(of_one)}
    if not no_report:
        # Half a second of imports, on the core that the decoder leaves idle.
        Thread(target=importlib.import_module, args=("matplotlib.backends.backend_agg",)).start()
    say_if_compiling(quiet)
    with progress_bar(quiet) as bar, _best_so_far(method == "diffusion", bar) as (progress, enough):
        scene = recover_scene(
            recording,
            n_sources=sources,
            directions=wanted_directions,
            activity=stretches,
            method=method,
            weights=weights,
            draws=draws,
            moving=True if moving else False if resting else None,
            progress=progress,
            stop=enough,
        )
    if start:
        said = f"The scene begins at {start:g} s of the file, and its times count from there."
        scene = replace(scene, start=start, assumptions=[said, *scene.assumptions])
    write_scene(scene, target, overwrite=overwrite, report=not no_report)

    if as_json:
        sys.stdout.write((target / "scene.json").read_text(encoding="utf-8"))
    elif not quiet:
        for warning in scene.warnings:
            print(f"warning: {warning}", file=sys.stderr)
        _print_scene(scene)
        if scene.start:
            print(f"times count from --start, {scene.start:g} s")
        print(f"wrote {target / 'scene.json'}" if no_report else f"open {target / 'report.html'}")
    if enough is not None and enough():
        raise typer.Exit(INTERRUPTED)


@contextmanager
def _best_so_far(keeps: bool, bar: Progress | None) -> Iterator[tuple[Progress | None, Callable[[], bool] | None]]:
    """Progress and stop of a job that keeps what it has at the first Ctrl-C once there is anything to keep; a second ends it."""
    if not keeps:
        yield bar, None
        return

    def told(step: str, done: float) -> None:
        interruption.noting = step == "decode"
        if bar is not None:
            bar(step, done)

    with Interruption(again=0.0, noting=False, noted=_say_so) as interruption:
        yield told, lambda: interruption.came is not None


def _say_so() -> None:
    # Within a signal's handler: print might be in the middle of a line of its own.
    os.write(2, b"interrupted: the best so far is being written; Ctrl-C again ends at once, with nothing written\n")


def _print_scene(scene: Scene) -> None:
    from arrayscene.report.scene_json import source_file
    from arrayscene.report.sentences import active_seconds, direction

    rows = [
        (
            str(number) if source.name is None else f"{number} {source.name}",
            direction(source),
            f"{source.level_db:.1f} dBFS",
            f"{100 * active_seconds(source) / scene.duration:.0f} %",
            f"{source.confidence:.2f}",
            source_file(number),
        )
        for number, source in enumerate(scene.sources, start=1)
    ]
    if rows:
        print_table(("source", "direction", "level", "active", "confidence", "file"), rows)
    else:
        print("no source was found")
    print(f"method {scene.method}: {scene.why}")


def _directions(text: str) -> list[tuple[float, float]]:
    """(azimuth, elevation) in radians for each AZ[:EL]."""
    found = []
    for part in text.split(","):
        azimuth, _, elevation = part.partition(":")
        try:
            degrees = float(azimuth), float(elevation or 0)
        except ValueError:
            raise GeometryError(f"--directions {text!r} came; give azimuth[:elevation] in degrees, such as 30,-60:10") from None
        if not -360 <= degrees[0] <= 360 or not -90 <= degrees[1] <= 90:
            raise GeometryError(f"--directions {part!r} came; azimuth lies in -360 to 360 and elevation in -90 to 90 degrees")
        found.append((math.remainder(math.radians(degrees[0]), math.tau), math.radians(degrees[1])))
    return found
