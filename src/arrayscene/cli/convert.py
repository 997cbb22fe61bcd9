"""`arrayscene convert`: another format, rate or choice of channels; one file of many; cut by activity."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from arrayscene.cli.channels import channel_numbers
from arrayscene.cli.progress import progress_bar
from arrayscene.errors import RecordingError
from arrayscene.folder import check_above
from arrayscene.naming import suggestion

if TYPE_CHECKING:
    from arrayscene.recording import Recording

_BLOCK_S = 10.0


def convert(
    inputs: Annotated[list[Path], typer.Argument(metavar="IN...", help="One multichannel file, or one file a microphone.")],
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE|DIR", help="File to write (its suffix says the format); with --split-by-activity a folder."),
    ] = None,
    rate: Annotated[int | None, typer.Option(metavar="HZ", help="Resample to this rate.")] = None,
    channels: Annotated[
        str | None, typer.Option(metavar="1,2,...", help="File channels to keep, counted from 1, in order.")
    ] = None,
    start: Annotated[float | None, typer.Option(metavar="S", help="Begin here, seconds.")] = None,
    stop: Annotated[float | None, typer.Option(metavar="S", help="End here, seconds.")] = None,
    split_by_activity: Annotated[
        bool,
        typer.Option("--split-by-activity", help="One numbered file for each stretch in which something sounds, and a list."),
    ] = False,
    suffix: Annotated[
        str | None,
        typer.Option("--format", metavar="NAME", help="wav, flac, ogg, opus, mp3, aiff, caf, w64 or rf64; default: as --out."),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what is there.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was written as JSON on stdout, nothing else.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print nothing but errors.")] = False,
) -> None:
    """Convert a recording: format, rate, channels, a stretch of it, or a file for each stretch in which something sounds."""
    from arrayscene.audio_writer import FORMATS, format_of

    if suffix is not None and suffix.lower().lstrip(".") not in FORMATS:
        raise RecordingError(f"--format {suffix!r} came; {suggestion(suffix, FORMATS)}")
    suffix = suffix.lower().lstrip(".") if suffix is not None else None
    target = _target(inputs[0], out, suffix, split_by_activity)
    if not split_by_activity:
        format_of(target)
        check_above(target)
        if target.exists() and not overwrite:
            raise RecordingError(f"{target}: is there already; choose another name, or replace it with --overwrite")
    else:
        from arrayscene.activity import active_segments
        from arrayscene.segments_folder import check_folder, write_segments

        check_folder(target, overwrite)
    files: list[dict[str, Any]]
    wanted = channel_numbers(channels)

    from arrayscene.recording import Recording

    paths: Path | list[Path] = inputs[0] if len(inputs) == 1 else inputs
    recording = Recording.read(paths, channels=wanted, start=start, stop=stop)
    resampled = rate is not None and rate != recording.sample_rate
    if rate is not None:
        recording = recording.resample(rate)
    if split_by_activity:
        kind = suffix or inputs[0].suffix.lower().lstrip(".")
        kind = kind if kind in FORMATS else "wav"
        subtype = _subtype(recording, kind, resampled)
        with progress_bar(quiet or as_json) as progress:
            segments = active_segments(recording, progress=progress)
            if len(segments) == 0:
                raise RecordingError(f"{inputs[0]}: nothing sounds in it, so there is nothing to split")
            parts = write_segments(
                recording, segments, target, kind, offset=start or 0.0, subtype=subtype, overwrite=overwrite, progress=progress
            )
        files = [asdict(part) | {"file": str(target / part.file)} for part in parts]
    else:
        kind = target.suffix.lower().lstrip(".")
        clipped = _write(recording, target, _subtype(recording, kind, resampled), quiet or as_json)
        begin = start or 0.0
        files = [{"file": str(target), "start_s": begin, "end_s": begin + recording.duration, "clipped": clipped}]

    clipped = sum(part["clipped"] for part in files)
    warnings = list(recording.notes)
    if clipped:
        warnings.append(
            f"{clipped} samples were beyond full scale and are clipped; write a float format (wav, w64, caf) to keep them"
        )
    if as_json:
        document = {
            "inputs": list(recording.inputs),
            "channels": list(recording.channels),
            "sample_rate": recording.sample_rate,
            "files": files,
            "warnings": warnings,
        }
        print(json.dumps(document, indent=2, ensure_ascii=False))
        return
    if quiet:
        return
    for warning in warnings:
        print(f"warning: {warning}", file=sys.stderr)
    size = f"{recording.n_mics} channel{'s' * (recording.n_mics != 1)} at {recording.sample_rate} Hz"
    if split_by_activity:
        active = sum(part["end_s"] - part["start_s"] for part in files)
        print(f"wrote {len(files)} files to {target}: {active:.2f} of {recording.duration:.2f} s, {size}")
    else:
        print(f"wrote {target}: {recording.duration:.2f} s, {size}")


def _target(first: Path, out: Path | None, suffix: str | None, split: bool) -> Path:
    if split:
        return out if out is not None else Path(f"{first.stem}-segments")
    if out is None and suffix is None:
        raise RecordingError("no output came; give a file with --out, or a format with --format")
    if out is None:
        return Path(f"{first.stem}.{suffix}")
    if suffix is None or out.suffix.lower() == f".{suffix}":
        return out
    if out.suffix:
        raise RecordingError(f"--out {out} and --format {suffix} do not agree; give one of them")
    return out.with_name(f"{out.name}.{suffix}")


def _subtype(recording: Recording, suffix: str, resampled: bool) -> str | None:
    """The sample format of the input where nothing was computed and the output has it, so that no bit changes."""
    import soundfile

    from arrayscene.audio_writer import FORMATS

    exact = ("PCM_U8", "PCM_S8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE")
    fits = recording.subtype in exact and soundfile.check_format(FORMATS[suffix].container, recording.subtype)
    return recording.subtype if fits and not resampled else None


def _write(recording: Recording, target: Path, subtype: str | None, quiet: bool) -> int:
    """Write with progress; how many samples were clipped."""
    from arrayscene.audio_writer import AudioWriter

    with progress_bar(quiet) as progress, AudioWriter(target, recording.n_mics, recording.sample_rate, subtype) as writer:
        for at, block in recording.blocks(_BLOCK_S):
            writer.write(block.samples)
            if progress is not None:
                progress("writing", (at + block.n_samples) / recording.n_samples)
    return writer.clipped
