"""`arrayscene array compare`: which array for which purpose."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from arrayscene.cli.progress import progress_bar
from arrayscene.errors import ArraySceneError
from arrayscene.folder import check_above

DEFAULT_PAGE = Path("array-comparison.html")


def compare_arrays(
    specs: Annotated[
        list[str],
        typer.Argument(metavar="ARRAY", help="One to seven known devices, files or layouts such as circular:6:0.05."),
    ],
    purpose: Annotated[str, typer.Option(help="conference, robot, recognition or imaging.")],
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help=f"Page to write, .html; default {DEFAULT_PAGE}, none with --json.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the numbers as JSON.")] = False,
) -> None:
    """Compare arrays for a purpose: one page with layouts, beam patterns, bounds, cost and a recommendation."""
    path = None if as_json and out is None else out or DEFAULT_PAGE
    if path is not None:
        _check(path)

    from arrayscene.design.compare import compare, headline, reasons
    from arrayscene.design.numbers_json import dumps
    from arrayscene.design.page import write_page

    with progress_bar() as progress:
        comparison = compare(specs, purpose, progress)
        if path is not None:
            if progress is not None:
                progress("draw", 0.0)
            write_page(comparison, path)
    if as_json:
        typer.echo(dumps(comparison))
        return
    for text in (headline(comparison), *reasons(comparison)):
        typer.echo(text)
    typer.echo(f"page: {path}")


def _check(path: Path) -> None:
    """Refuse what could not be written before anything is computed."""
    if path.suffix.lower() not in (".html", ".htm"):
        raise ArraySceneError(f"--out {path}: the suffix {path.suffix!r} came; .html was wanted")
    if not path.parent.is_dir():
        raise ArraySceneError(f"--out {path}: the folder {path.parent} is not there; choose one that exists and is writable")
    check_above(path)
