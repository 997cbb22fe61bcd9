"""`arrayscene track`: a recording in, the paths of its sources out."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from arrayscene.cli.channels import channel_numbers
from arrayscene.cli.options import Array, Channels, Inputs, Quiet, Start, Stop, required
from arrayscene.cli.progress import progress_bar
from arrayscene.cli.table import print_table
from arrayscene.errors import RecordingError

if TYPE_CHECKING:
    from arrayscene.tracking import Tracks


def track(
    inputs: Inputs,
    array: Array = None,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Folder to write; default: <input>-tracks.")] = None,
    sources: Annotated[int | None, typer.Option(metavar="N", min=1, help="Most sources at one time; default: 8.")] = None,
    formats: Annotated[
        str, typer.Option("--format", metavar="NAME,...", help="Beside tracks.json: csv, odas (JSON lines), rttm, none.")
    ] = "csv,odas,rttm",
    signals: Annotated[bool, typer.Option("--signals", help="Also write what each source sounds like by itself.")] = False,
    method: Annotated[
        str, typer.Option(metavar="NAME", help="With --signals: decoder, one of the methods below; auto chooses for every block.")
    ] = "auto",
    channels: Channels = None,
    start: Start = None,
    stop: Stop = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace earlier tracks in the output folder.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print tracks.json on stdout, nothing else.")] = False,
    quiet: Quiet = False,
    no_picture: Annotated[bool, typer.Option("--no-picture", help="Leave out tracks.png.")] = False,
) -> None:
    """Follow the sources of a recording: where each is at every moment, when it sounds, who is who after a crossing."""
    target = out if out is not None else Path(f"{inputs[0].stem}-tracks")
    array = required(array)
    wanted_channels = channel_numbers(channels)
    wanted = [] if formats == "none" else [name.strip() for name in formats.split(",")]

    from arrayscene.choice import method_called
    from arrayscene.tracking.writer import check_formats, check_target, write_tracks

    check_formats(wanted)
    method = method_called(method)
    if method != "auto" and not signals:
        raise RecordingError(f"--method {method} without --signals came; say --signals to have the sources written")
    check_target(target, overwrite)

    from arrayscene.array import MicrophoneArray
    from arrayscene.recording import Recording
    from arrayscene.tracking import separate
    from arrayscene.tracking import track as track_recording

    microphones = MicrophoneArray.resolve(array)
    paths: Path | list[Path] = inputs[0] if len(inputs) == 1 else inputs
    recording = Recording.read(paths, array=microphones, channels=wanted_channels, start=start, stop=stop)
    with progress_bar(quiet) as progress:
        tracks = track_recording(recording, max_sources=sources, progress=progress)
        sounds = separate(recording, tracks, method=method, progress=progress) if signals else None
    alone = None if sounds is None else (sounds, recording.sample_rate)
    write_tracks(tracks, target, formats=wanted, overwrite=overwrite, picture=not no_picture, signals=alone)

    if as_json:
        sys.stdout.write((target / "tracks.json").read_text(encoding="utf-8"))
        return
    if quiet:
        return
    for warning in tracks.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    _print_tracks(tracks)
    if start:
        print(f"times count from --start, {start:g} s")
    print(f"wrote {target / ('tracks.json' if no_picture else 'tracks.png')}")


def _print_tracks(tracks: Tracks) -> None:
    if not tracks.tracks:
        print("no source was followed")
        return
    rows = []
    for one in tracks.tracks:
        angle, name = (one.elevation, "elevation") if one.azimuth is None else (one.azimuth, "azimuth")
        assert angle is not None
        first, last = (math.degrees(float(angle[n])) for n in (0, -1))
        seconds = float(sum(stop - start for start, stop in one.stretches(tracks.frame_seconds)))
        rows.append(
            (
                str(one.id),
                f"{one.times[0]:.1f} to {one.times[-1]:.1f} s",
                f"{first:z.0f}° to {last:z.0f}°" + ("" if name == "azimuth" else " up"),
                f"{seconds:.1f} s",
                f"{math.degrees(float(one.deviation.mean())):.1f}°",
            )
        )
    print_table(("source", "from", "direction", "sounds", "deviation"), rows)
