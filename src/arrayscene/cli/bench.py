"""`arrayscene bench`: every method, and every peer that is installed, on the same scenes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from arrayscene.cli.progress import progress_bar
from arrayscene.cli.table import print_table
from arrayscene.errors import ShapeError
from arrayscene.folder import check_writable
from arrayscene.naming import one_of


def bench(
    scenes: Annotated[int, typer.Option(min=1, help="Scenes of each kind.")] = 3,
    kinds: Annotated[
        str, typer.Option(help="Kinds of scenes, by commas; all: triangle,ring-2,ring-3,six,pair.")
    ] = "triangle,ring-3",
    methods: Annotated[str | None, typer.Option(help="Methods, by semicolons; default: a choice of ours and every peer.")] = None,
    speech: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder of speech, one talker a file; default: the shipped voices.")
    ] = None,
    first: Annotated[int, typer.Option(min=0, help="Number of the first scene; other numbers are other rooms and talkers.")] = 0,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for separation.md and separation.png.")] = Path("bench"),
) -> None:
    """Compare methods on simulated rooms: quality beside time and memory, as a table and a plot."""
    from arrayscene.bench import make_scenes, run
    from arrayscene.bench.page import HEADINGS, NOTE, rows, write
    from arrayscene.bench.peers import peers
    from arrayscene.bench.run import COUNTING, OURS
    from arrayscene.bench.scenes import SETS
    from arrayscene.choice import METHODS

    others = list(peers())
    chosen = [*OURS, *others] if methods is None else [name.strip() for name in methods.split(";")]
    known = (*METHODS, COUNTING, *others)
    chosen = [one_of(name, known, "--methods") for name in chosen]
    names = [one_of(kind.strip(), list(SETS), "--kinds") for kind in kinds.split(",")]
    check_writable(out, "--out")
    with progress_bar() as progress:
        made = {}
        for number, kind in enumerate(names):
            if progress is not None:
                progress("make scenes", number / len(names))
            made[kind] = make_scenes(kind, scenes, speech=speech, first=first)
        found = run(chosen, made, progress)
    if not found:
        raise ShapeError(
            f"bench: none of {', '.join(chosen)} can separate {', '.join(names)}: more talkers than microphones, or a method"
            " that has to be told more; choose others"
        )
    print_table(HEADINGS, rows(found))
    typer.echo(NOTE)
    for path in write(found, out):
        typer.echo(f"wrote {path}")
