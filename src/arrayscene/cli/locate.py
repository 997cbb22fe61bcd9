"""`arrayscene locate`: where the sources of a recording are, and how loud."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from arrayscene.cli.channels import channel_numbers
from arrayscene.cli.options import Array, Channels, Inputs, Quiet, Rate, Start, Stop, required
from arrayscene.cli.progress import progress_bar
from arrayscene.cli.table import print_table
from arrayscene.errors import RecordingError, ShapeError
from arrayscene.folder import check_writable

if TYPE_CHECKING:
    from arrayscene.localize import Located, LocatedSource


def locate(
    inputs: Inputs,
    array: Array = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder for location.json and location.png; nothing is written without.")
    ] = None,
    sources: Annotated[int | None, typer.Option(metavar="N", help="How many sources sound; default: counted.")] = None,
    method: Annotated[
        str, typer.Option(metavar="NAME", help="auto; votes (the surest for talkers), normmusic, music or srp.")
    ] = "auto",
    full_scale_spl: Annotated[
        float | None,
        typer.Option("--full-scale-spl", metavar="DB", help="dB SPL of a sine of RMS full scale, from a calibrator; gives SPL."),
    ] = None,
    channels: Channels = None,
    start: Start = None,
    stop: Stop = None,
    rate: Rate = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an earlier location in the output folder.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print location.json on stdout, nothing else.")] = False,
    quiet: Quiet = False,
) -> None:
    """Find the sources of a recording: direction, distance where it can be known, level, and how sure each is."""
    array = required(array)
    from arrayscene.report.located_folder import check_target, write_located

    if out is not None:
        check_target(out, overwrite)
        check_writable(out, "--out")
    elif overwrite:
        raise RecordingError("--overwrite without --out came; nothing is written then; say --out DIR")
    if full_scale_spl is not None and not math.isfinite(full_scale_spl):
        raise ShapeError(f"--full-scale-spl {full_scale_spl:g} came; a number of decibels is needed")
    wanted = channel_numbers(channels)

    from arrayscene.array import MicrophoneArray
    from arrayscene.localize import locate as locate_sources
    from arrayscene.recording import Recording
    from arrayscene.report.json_values import dumps
    from arrayscene.report.located_json import DOCUMENT, located_to_dict

    microphones = MicrophoneArray.resolve(array)
    paths: Path | list[Path] = inputs[0] if len(inputs) == 1 else inputs
    recording = Recording.read(paths, array=microphones, channels=wanted, sample_rate=rate, start=start, stop=stop)
    with progress_bar(quiet) as progress:
        located = locate_sources(recording, n_sources=sources, method=method, full_scale_spl_db=full_scale_spl, progress=progress)
    if out is not None:
        write_located(located, out, overwrite=overwrite)
    if as_json:
        sys.stdout.write(dumps(located_to_dict(located)) if out is None else (out / DOCUMENT).read_text(encoding="utf-8"))
        return
    if quiet:
        return
    for warning in located.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    _print(located)
    if out is not None:
        print(f"wrote {out / 'location.json'} and {out / 'location.png'}")


def _print(located: Located) -> None:
    if not located.sources:
        print("no source was found")
        return
    calibrated = located.sources[0].spl_db is not None
    headings = ("source", "azimuth", "elevation", "distance", "level", "at 1 m", "confidence", "fits as well")
    print_table(headings, [_row(number, source, calibrated) for number, source in enumerate(located.sources, start=1)])


def _row(number: int, source: LocatedSource, calibrated: bool) -> tuple[str, ...]:
    level, near = (source.spl_db, source.spl_1m_db) if calibrated else (source.level_db, source.level_1m_db)
    unit = "dB SPL" if calibrated else "dBFS"
    return (
        str(number),
        _angle(source.azimuth, source.azimuth_error),
        _angle(source.elevation, None),
        "unknown" if source.distance is None else f"{source.distance:.2f} ± {source.distance_error or 0:.2f} m",
        f"{level:.1f} ± {source.level_error_db:.1f} {unit}",
        "unknown" if near is None else f"{near:.1f} {unit}",
        f"{source.confidence:.2f}",
        _others(source),
    )


def _angle(radians: float | None, error: float | None) -> str:
    if radians is None:
        return "unknown"
    return f"{math.degrees(radians):z.0f}°" + ("" if error is None else f" ± {math.degrees(error):.0f}°")


def _others(source: LocatedSource) -> str:
    if source.ambiguity == "none":
        return ""
    if source.ambiguity == "cone" and not source.alternatives:
        return "cone: every azimuth"
    places = [
        ", ".join(f"{name} {math.degrees(angle):z.0f}°" for name, angle in zip(("azimuth", "elevation"), other, strict=True)
                  if angle is not None)
        for other in source.alternatives
    ]  # fmt: skip
    word = {"mirror": "mirror", "cone": "cone", "aliasing": "aliasing"}[source.ambiguity]
    return f"{word}: {' or '.join(places)}" if places else f"{word}: above as below"
