"""`arrayscene array calibrate`: gains and delays of the channels, from sounds at known places."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from arrayscene.cli.array_check import check_target
from arrayscene.cli.channels import channel_numbers
from arrayscene.cli.table import print_table
from arrayscene.errors import GeometryError

if TYPE_CHECKING:
    from arrayscene.diagnosis import Calibration


FEWEST_FOR_ROTATION = 3
"""Places from which on a turn can be told from delays."""


def calibrate_array(
    inputs: Annotated[list[Path], typer.Argument(metavar="REC...", help="Multichannel files, one for each place.")],
    array: Annotated[str, typer.Option(metavar="NAME|FILE", help="The array; its channels must be in order.")],
    azimuth: Annotated[list[float], typer.Option(metavar="DEG", help="Azimuth of the sound; once for each file.")],
    out: Annotated[Path, typer.Option(metavar="FILE", help="Where to write the calibrated array, .json or .toml.")],
    elevation: Annotated[list[float] | None, typer.Option(metavar="DEG", help="Its elevation; default: 0.")] = None,
    distance: Annotated[
        list[float] | None, typer.Option(metavar="M", help="Its distance from the array's origin in metres; default: far away.")
    ] = None,
    rotation: Annotated[bool, typer.Option("--rotation", help="Also find how the array is turned about the vertical.")] = False,
    channels: Annotated[str | None, typer.Option(metavar="1,2,...", help="File channels to use, counted from 1.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Measure gains and delays of the channels from a sound whose place is known, and write them to an array file."""
    from arrayscene.array import MicrophoneArray
    from arrayscene.diagnosis import Place, calibrate
    from arrayscene.recording import Recording

    check_target(out)
    for angle in azimuth:
        if not -360 <= angle <= 360:
            raise GeometryError(f"--azimuth {angle:g} came; degrees from -360 to 360 are needed")
    for height in elevation or ():
        if not -90 <= height <= 90:
            raise GeometryError(f"--elevation {height:g} came; degrees from -90 to 90 are needed")
    for metres_away in distance or ():
        if not 0 < metres_away < math.inf:
            raise GeometryError(f"--distance {metres_away:g} came; metres above 0 are needed")
    if rotation and len(inputs) < FEWEST_FOR_ROTATION:
        raise GeometryError(
            f"--rotation with {len(inputs)} file{'s' if len(inputs) > 1 else ''} came; {FEWEST_FOR_ROTATION} places or more are"
            " needed, all around: with fewer, delays and a turn explain the same"
        )
    known = (_each(*given, len(inputs)) for given in (("azimuth", azimuth), ("elevation", elevation), ("distance", distance)))
    places = [
        Place(math.radians(angle or 0.0), math.radians(up or 0.0), metres) for angle, up, metres in zip(*known, strict=True)
    ]
    microphones = MicrophoneArray.resolve(array)
    recordings = [Recording.read(path, array=microphones, channels=channel_numbers(channels)) for path in inputs]
    calibration = calibrate(recordings, places, rotation=rotation)
    calibration.array.save(out)
    if as_json:
        typer.echo(json.dumps(calibration.to_dict() | {"written": str(out)}, indent=2, ensure_ascii=False))
    else:
        _print(calibration, out)


def _each(name: str, values: list[float] | None, n_files: int) -> list[float | None]:
    """One value for each file; a single one serves all, None stands for none."""
    if not values:
        return [None] * n_files
    if len(values) not in (1, n_files):
        raise GeometryError(f"--{name} came {len(values)} times for {n_files} files; give it once, or once for each file")
    return [*values] * n_files if len(values) == 1 else [*values]


def _print(calibration: Calibration, out: Path) -> None:
    rows = [
        (str(channel), f"{gain:+.2f} dB", f"{gain_error:.2f}", f"{1e6 * delay:+.1f} us", f"{1e6 * delay_error:.1f}")
        for channel, gain, gain_error, delay, delay_error in zip(
            calibration.channels,
            calibration.gains_db,
            calibration.gain_errors_db,
            calibration.delays,
            calibration.delay_errors,
            strict=True,
        )
    ]
    print_table(("channel", "gain", "+-", "delay", "+-"), rows)
    if calibration.rotation is not None:
        side = "counter-clockwise" if calibration.rotation > 0 else "clockwise"
        print(f"the array is turned by {abs(math.degrees(calibration.rotation)):.1f} degrees {side} against its file")
    print(f"wrote {out}; use it with --array {out}")
