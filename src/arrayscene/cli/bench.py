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
    scenes: Annotated[int, typer.Option(metavar="N", min=1, help="Scenes of each kind, of 8 s.")] = 3,
    kinds: Annotated[
        str,
        typer.Option(metavar="NAME,...", help="Kinds of scenes: triangle, ring-2, ring-3, six, pair; --list says what they are."),
    ] = "triangle,ring-3",
    methods: Annotated[
        str | None,
        typer.Option(
            metavar="NAME,...",
            help="Methods of `recover` and of installed peers; --list shows them. Semicolons where a name holds a comma."
            " Default: eight of ours and every peer.",
        ),
    ] = None,
    speech: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder of speech, one talker a file; default: the shipped voices.")
    ] = None,
    first: Annotated[
        int, typer.Option(metavar="N", min=0, help="Number of the first scene; other numbers are other rooms and talkers.")
    ] = 0,
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="Folder for separation.md and separation.png, which replace earlier ones.")
    ] = Path("bench"),
    show: Annotated[bool, typer.Option("--list", help="Show kinds of scenes and methods, and stop.")] = False,
) -> None:
    """Compare methods on simulated rooms: quality beside time and memory, as a table and a plot.

    Takes seconds for a method and scene, so some minutes where nothing is said.
    """
    from arrayscene.bench import make_scenes, run
    from arrayscene.bench.page import note, table, write
    from arrayscene.bench.peers import peers
    from arrayscene.bench.run import COUNTING, OURS
    from arrayscene.bench.scenes import SETS
    from arrayscene.methods import METHODS

    others = list(peers())
    known = (*METHODS, COUNTING, *others)
    if show:
        print_table(("kind", "scenes"), [(name, kind.title) for name, kind in SETS.items()])
        typer.echo(f"methods of `recover`: {', '.join(METHODS)}")
        typer.echo(f"'{COUNTING}': auto, not told how many talkers there are")
        typer.echo(f"peers: {', '.join(others) or 'none; install pyroomacoustics, torchiva or ssspy'}")
        return
    chosen = [*OURS, *others] if methods is None else [one_of(name, known, "--methods") for name in _names(methods, known)]
    names = [one_of(kind.strip(), list(SETS), "--kinds") for kind in kinds.split(",")]
    check_writable(out, "--out")
    with progress_bar(line_seconds=0.0) as progress:
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
    print_table(*table(found))
    typer.echo(note(found))
    for path in write(found, out):
        typer.echo(f"wrote {path}")


def _names(text: str, known: tuple[str, ...]) -> list[str]:
    """Names between semicolons, or commas where there are none; a name may hold one."""
    parts = [text] if text.strip() in known else text.split(";" if ";" in text else ",")
    return [part.strip() for part in parts]
