"""`arrayscene map`: where it is loud, as pictures and numbers."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from arrayscene.cli.channels import channel_numbers
from arrayscene.cli.map_grid import map_grid
from arrayscene.cli.options import Array, Channels, Quiet, Start, Stop, required
from arrayscene.cli.progress import progress_bar
from arrayscene.cli.table import print_table
from arrayscene.errors import ArraySceneError, RecordingError
from arrayscene.naming import one_of

if TYPE_CHECKING:
    from arrayscene.imaging import Band, Imager, ImagingMethod, SoundMap
    from arrayscene.recording import Recording

WIDEST = 200.0
"""dB that a picture may reach below its highest level."""

BANDS = (1000.0, 2000.0, 4000.0)
"""Third octaves mapped where none are named, as far as the recording reaches."""


def sound_map(
    inputs: Annotated[
        list[Path],
        typer.Argument(metavar="IN...", help="One multichannel file, audio or acoular's .h5, or one file a microphone."),
    ],
    array: Array = None,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Folder to write; default: <input>-map.")] = None,
    method: Annotated[str, typer.Option(metavar="NAME", help="conventional, functional, clean-sc, damas or cmf.")] = "clean-sc",
    plane: Annotated[
        str | None, typer.Option(metavar="X,Y,Z", help="Metres; two are FROM:TO, such as -0.5:0.5,-0.5:0.5,0.7.")
    ] = None,
    sphere: Annotated[bool, typer.Option("--sphere", help="All directions, at --distance or from far away.")] = False,
    box: Annotated[str | None, typer.Option(metavar="X,Y,Z", help="Metres, each FROM:TO.")] = None,
    distance: Annotated[
        float | None, typer.Option(metavar="M", help="To the plane in front of the array (default 1), or the sphere's radius.")
    ] = None,
    step: Annotated[float | None, typer.Option(metavar="M", help="From point to point; degrees on a sphere.")] = None,
    bands: Annotated[
        str | None, typer.Option(metavar="HZ,...", help="Nominal centres of third octaves; default 1000,2000,4000.")
    ] = None,
    every: Annotated[float | None, typer.Option(metavar="S", help="Also a frame for every so many seconds.")] = None,
    range_db: Annotated[float, typer.Option("--range", metavar="DB", help="Levels drawn below the highest.")] = 15.0,
    at_one_metre: Annotated[
        bool, typer.Option("--at-1m", help="Levels at 1 m from the sources instead of at the array.")
    ] = False,
    pascal: Annotated[
        float | None, typer.Option(metavar="PA", help="What a sample of 1.0 is in pascal; then levels are dB SPL.")
    ] = None,
    steering: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Steering vectors: classic, inverse, 'true level' (default) or 'true location'."),
    ] = None,
    with_diagonal: Annotated[bool, typer.Option("--with-diagonal", help="Keep the matrices' diagonal.")] = False,
    microphones: Annotated[bool, typer.Option("--microphones", help="Draw the microphones.")] = False,
    channels: Channels = None,
    start: Start = None,
    stop: Stop = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an earlier map in the output folder.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print map.json on stdout, nothing else.")] = False,
    quiet: Quiet = False,
) -> None:
    """Map where it is loud: third octaves on a plane, a sphere or in a box."""
    target = out if out is not None else Path(f"{inputs[0].stem}-map")
    array = required(array)

    from arrayscene.imaging.map_folder import check_target

    check_target(target, overwrite)
    if not 0 < range_db <= WIDEST:
        raise ArraySceneError(f"--range {range_db:g} came; more than 0 and at most {WIDEST:g} dB is needed, such as 15")
    if every is not None and not 0 < every < math.inf:
        raise ArraySceneError(f"--every {every:g} came; a positive number of seconds is needed")
    numbers = channel_numbers(channels)

    from arrayscene.array import MicrophoneArray
    from arrayscene.imaging import Imager, write_map
    from arrayscene.recording import Recording

    chosen = _method(method, steering, with_diagonal)
    microphone_array = MicrophoneArray.resolve(array)
    grid = map_grid(microphone_array, plane, box, sphere, distance, step)
    paths: Path | list[Path] = inputs[0] if len(inputs) == 1 else inputs
    recording = Recording.read(paths, array=microphone_array, channels=numbers, start=start, stop=stop)
    recording, faults = _working(recording)
    assert recording.array is not None
    imager = Imager(
        recording.array,
        grid,
        _bands(bands, recording.sample_rate),
        method=chosen,
        reference="1 m" if at_one_metre else "array",
        pascal=pascal,
    )
    with progress_bar(quiet or as_json) as progress:
        found = imager.image(recording, progress)
        frames = [] if every is None else list(_frames(imager, recording, every, progress))
        write_map(
            found, target, frames=frames, range_db=range_db, microphones=microphones, overwrite=overwrite, progress=progress
        )
    if as_json:
        sys.stdout.write((target / "map.json").read_text(encoding="utf-8"))
        return
    if quiet:
        return
    for warning in (*recording.notes, *faults, *found.warnings):
        print(f"warning: {warning}", file=sys.stderr)
    _print_map(found)
    n = len(json.loads((target / "map.json").read_text(encoding="utf-8"))["pictures"])
    print(f"wrote {target / 'map.json'} and {n} picture{'s' if n != 1 else ''}")


def _working(recording: Recording) -> tuple[Recording, list[str]]:
    """The channels that can be used, and what is wrong with the others and with them."""
    from arrayscene.health import check

    health = check(recording)
    if len(health.good) < 2:
        raise RecordingError(
            f"map: {len(health.good)} of {recording.n_mics} channels can be used and at least two are needed:"
            f" {'; '.join(finding.message for finding in health.findings)}"
        )
    faults = [finding.message for finding in health.findings if finding.severity != "note"]
    return (recording if not health.bad else recording.select(health.good)), faults


def _frames(imager: Imager, recording: Recording, every: float, progress: object) -> Iterator[SoundMap]:
    for one in imager.frames(recording, every):
        if callable(progress):
            progress("frames", min(1.0, (one.start + one.duration) / recording.duration))
        yield one


def _print_map(found: SoundMap) -> None:
    from math import atan2, degrees, hypot

    rows = []
    for index, band in enumerate(found.bands):
        for source in found.sources(index):
            x, y, z = source.position
            if found.grid.kind == "sphere":
                place = f"azimuth {degrees(atan2(y, x)):z.0f}°, elevation {degrees(atan2(z, hypot(x, y))):z.0f}°"
            else:
                place = f"{x:.3f}, {y:.3f}, {z:.3f} m"
            rows.append((band.name, place, f"{source.level_db:.1f} {found.unit}"))
    if rows:
        print_table(("band", "source", "level"), rows)
    else:
        print("no source was found")
    print(
        f"{found.method}; levels {'1 m from the source' if found.reference == '1 m' else 'as heard at the origin of the array'}"
    )


def _method(name: str, steering: str | None, with_diagonal: bool) -> ImagingMethod:
    from arrayscene.imaging import FORMULATIONS, CleanSC, Conventional, CovarianceFitting, Damas, Functional

    kinds = {kind.name: kind for kind in (Conventional, Functional, CleanSC, Damas, CovarianceFitting)}
    name = one_of(name, list(kinds), "--method", ArraySceneError)
    options: dict[str, object] = {}
    if steering is not None:
        steering = one_of(steering, FORMULATIONS, "--steering", ArraySceneError)
        if name == "cmf":
            raise ArraySceneError("--steering came with cmf, which fits the matrices themselves; leave it out")
        options["steering"] = steering
    if with_diagonal and name != "functional":
        options["remove_diagonal"] = False
    return kinds[name](**options)  # type: ignore[arg-type]


def _bands(text: str | None, rate: int) -> list[Band]:
    from arrayscene.imaging import third_octave

    if text is None:
        within = [band for band in map(third_octave, BANDS) if band.high <= rate / 2]
        return within
    try:
        centres = [float(part) for part in text.split(",")]
    except ValueError:
        raise ArraySceneError(f"--bands {text!r} came; hertz separated by commas were wanted, such as 1000,2000,4000") from None
    return [third_octave(centre) for centre in dict.fromkeys(centres)]
