"""Options that several commands share, so that they read and behave alike."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Annotated

import typer

from arrayscene.errors import GeometryError

Inputs = Annotated[list[Path], typer.Argument(metavar="IN...", help="One multichannel file, or one file a microphone.")]
Array = Annotated[
    str | None,
    typer.Option(metavar="NAME|FILE", help="A preset (`arrayscene array list`), a file, or a layout such as circular:6:0.05."),
]
Channels = Annotated[str | None, typer.Option(metavar="1,2,...", help="File channels to use, counted from 1.")]
Start = Annotated[float | None, typer.Option(metavar="S", help="Begin here, seconds; times of the result count from there.")]
Stop = Annotated[float | None, typer.Option(metavar="S", help="End here, seconds.")]
Rate = Annotated[int | None, typer.Option(metavar="HZ", help="Resample to this rate first.")]


def _without_warnings(quiet: bool) -> bool:
    if quiet:
        warnings.simplefilter("ignore", UserWarning)
    return quiet


Quiet = Annotated[bool, typer.Option("--quiet", help="Print nothing but errors.", callback=_without_warnings)]


def required(array: str | None) -> str:
    """The array, which typer cannot ask for with a sentence of our own.

    Raises: GeometryError where none came.
    """
    if array is None:
        raise GeometryError("no array came; say which with --array NAME or --array FILE; `arrayscene array list` shows the names")
    return array
