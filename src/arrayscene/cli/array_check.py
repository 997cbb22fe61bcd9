"""`arrayscene array check`: what is wrong with an array's channels."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from arrayscene.cli.channels import channel_numbers
from arrayscene.cli.progress import progress_bar
from arrayscene.errors import GeometryError
from arrayscene.folder import check_above

if TYPE_CHECKING:
    from arrayscene.diagnosis import Diagnosis


def check_array(
    inputs: Annotated[list[Path], typer.Argument(metavar="REC...", help="One multichannel file, or one file a microphone.")],
    array: Annotated[str, typer.Option(metavar="NAME|FILE", help="The array as you believe it to be.")],
    azimuth: Annotated[
        list[float] | None, typer.Option(metavar="DEG", help="Azimuth at which somebody talks; once for each talker known.")
    ] = None,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the corrected array, .json or .toml.")] = None,
    channels: Annotated[str | None, typer.Option(metavar="1,2,...", help="File channels to use, counted from 1.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Find swapped, inverted, late and weak channels, mirrors, turns and wrong sizes, from speech or noise."""
    from arrayscene.diagnosis import diagnose
    from arrayscene.recording import Recording

    if out is not None:
        check_target(out)
    paths: Path | list[Path] = inputs[0] if len(inputs) == 1 else inputs
    recording = Recording.read(paths, array=array, channels=channel_numbers(channels))
    if not all(math.isfinite(degrees) for degrees in azimuth or ()):
        raise GeometryError(f"--azimuth {', '.join(map(str, azimuth or ()))} came; finite degrees are needed")
    azimuths = [math.radians(degrees) for degrees in azimuth or ()]
    with progress_bar(as_json) as progress:
        diagnosis = diagnose(recording, azimuths=azimuths, progress=progress)
    written = None
    if diagnosis.corrected is not None and out is not None:
        diagnosis.corrected.save(out)
        written = str(out)
    if as_json:
        typer.echo(json.dumps(diagnosis.to_dict() | {"written": written}, indent=2, ensure_ascii=False))
    else:
        _print(diagnosis, out)


def check_target(path: Path) -> None:
    """Refuse early, before any work, what cannot be written as an array file.

    Raises: GeometryError for another suffix or a folder that is not there.
    """
    from arrayscene.array_files import SUFFIXES

    if path.suffix.lower() not in SUFFIXES:
        raise GeometryError(f"--out {path}: the suffix {path.suffix!r} came; {' or '.join(SUFFIXES)} is wanted")
    if not path.absolute().parent.is_dir():
        raise GeometryError(f"--out {path}: there is no folder {path.absolute().parent}; choose one that exists")
    check_above(path)


def _print(diagnosis: Diagnosis, out: Path | None) -> None:
    name = diagnosis.array.name
    for note in diagnosis.notes:
        print(f"left out: {note}")
    for finding in diagnosis.findings:
        print(finding.message if finding.kind == "unclear" else f"{finding.message} [{_percent(finding.confidence)}]")
    if diagnosis.fits:
        print(f"{name} fits: nothing seems wrong [{_percent(diagnosis.confidence)}]")
    for sentence in diagnosis.ambiguities:
        print(f"not shown: {sentence}")
    if diagnosis.corrected is None:
        if out is not None:
            print(f"nothing to correct in the array file; {out} was not written")
    elif out is None:
        print("--out FILE writes the corrected array")
    else:
        print(f"wrote {out}; use it with --array {out}")


def _percent(confidence: float) -> str:
    return f"{min(99, max(1, round(100 * confidence)))} % sure"
