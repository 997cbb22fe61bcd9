"""`arrayscene array`: which devices are known, and what an array looks like."""

from __future__ import annotations

import io
import json
import re
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from arrayscene.cli.array_calibrate import calibrate_array
from arrayscene.cli.array_check import check_array
from arrayscene.cli.array_compare import compare_arrays

if TYPE_CHECKING:
    from arrayscene.array import MicrophoneArray

app = typer.Typer(help="Known microphone arrays, and what an array looks like.", no_args_is_help=True)
app.command("compare")(compare_arrays)
app.command("check")(check_array)
app.command("calibrate")(calibrate_array)


@app.command("list")
def list_arrays(as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False) -> None:
    """List the devices that the package knows."""
    from arrayscene.array import MicrophoneArray
    from arrayscene.array_presets import presets

    known = [(preset, _facts(MicrophoneArray.preset(preset.name))) for preset in presets()]
    if as_json:
        typer.echo(json.dumps([{**facts, "description": preset.description} for preset, facts in known], indent=2))
        return
    typer.echo(f"{'name':<20} mics  aperture  aliasing  ambiguity")
    for preset, facts in known:
        size, aliasing = _length(facts["aperture_m"]), _hertz(facts["aliasing_hz"])
        typer.echo(f"{preset.name:<20} {facts['n_mics']:>4}  {size:>8}  {aliasing:>8}  {facts['ambiguity']}")
        # Beneath, so that the figures stay in columns whatever the width of the terminal.
        typer.echo(textwrap.fill(preset.description, 78, initial_indent="    ", subsequent_indent="    "))
    typer.echo("aliasing: above it the closest microphones are more than half a wavelength apart")
    typer.echo("ambiguity: the directions that the array cannot tell apart")


@app.command("show")
def show_array(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME|FILE",
            help="A known device, a .json, .toml, .xml (acoular) or .sofa file, or a layout such as circular:6:0.05.",
        ),
    ],
    out: Annotated[Path | None, typer.Option(help="Where to write the picture; default NAME.png.")] = None,
    picture: Annotated[bool, typer.Option("--picture/--no-picture", help="Write the picture.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """Show one array: its facts, its zero direction and its picture."""
    from arrayscene.array import MicrophoneArray

    array = MicrophoneArray.resolve(name)
    facts = _facts(array) | {"aliasing_horizon": _horizon(array)} | array.to_dict() | {"notes": _notes(array)}
    if picture:
        facts["picture"] = str(_write_picture(array, out or Path(_file_name(array.name))))
    if as_json:
        typer.echo(json.dumps(facts, indent=2))
    else:
        _print_facts(array, facts)


def _facts(array: MicrophoneArray) -> dict[str, Any]:
    alone = array.n_mics == 1
    return {
        "name": array.name,
        "n_mics": array.n_mics,
        "aperture_m": array.aperture,
        # JSON has no infinity.
        "aliasing_hz": None if alone else array.aliasing_hz(),
        "ambiguity": array.ambiguity,
    }


def _horizon(array: MicrophoneArray) -> dict[str, float | None]:
    """Where directions on the horizon begin to alias: the worst and the best of them; None above what can be heard."""
    import numpy as np

    azimuths = np.arange(-175, 181, 5)
    limits = array.aliasing_limits(np.deg2rad(azimuths))
    found = {"lowest": int(np.argmin(limits)), "highest": int(np.argmax(limits))}
    hertz = {f"{word}_hz": float(limits[at]) if np.isfinite(limits[at]) else None for word, at in found.items()}
    return hertz | {f"{word}_azimuth_deg": float(azimuths[at]) for word, at in found.items()}


def _horizon_in_words(horizon: dict[str, float | None]) -> str:
    if horizon["lowest_hz"] is None:
        return "none that can be heard, on the horizon"
    worst = f"from {_hertz(horizon['lowest_hz'])} (azimuth {horizon['lowest_azimuth_deg']:.0f}°)"
    if horizon["highest_hz"] is None:
        return f"{worst} to none that can be heard (azimuth {horizon['highest_azimuth_deg']:.0f}°), on the horizon"
    return f"{worst} to {_hertz(horizon['highest_hz'])} (azimuth {horizon['highest_azimuth_deg']:.0f}°), on the horizon"


def _notes(array: MicrophoneArray) -> list[str]:
    """What is known about the device, if this is one unchanged."""
    from arrayscene.array_presets import presets

    preset = next((preset for preset in presets() if preset.name == array.name), None)
    return list(preset.notes) if preset and array == type(array).preset(preset.name) else []


def _file_name(name: str) -> str:
    # A file may call its array anything, slashes included.
    return re.sub(r"[^\w.+-]+", "-", name).strip("-.") + ".png"


def _write_picture(array: MicrophoneArray, path: Path) -> Path:
    from arrayscene.errors import ArraySceneError
    from arrayscene.folder import write_whole
    from arrayscene.report.array_figure import array_figure

    figure = array_figure(array)
    kinds = figure.canvas.get_supported_filetypes()
    kind = path.suffix.lower().lstrip(".")
    if kind not in kinds:
        known = ", ".join(sorted(kinds))
        raise ArraySceneError(f"{path}: the suffix {path.suffix!r} came; one of {known} was wanted, such as .png")
    content = io.BytesIO()
    figure.savefig(content, format=kind, dpi=200)
    write_whole(path, content.getvalue())
    return path


def _print_facts(array: MicrophoneArray, facts: dict[str, Any]) -> None:
    from rich.box import SIMPLE
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    summary = Table.grid(padding=(0, 2))
    summary.add_column(no_wrap=True, style="bold")
    summary.add_column()
    rows = {
        "array": array.name,
        "microphones": str(array.n_mics),
        "aperture": _length(array.aperture),
        "half a wave": f"{_hertz(facts['aliasing_hz'])}, between the closest microphones" if facts["aliasing_hz"] else None,
        "aliasing": _horizon_in_words(facts["aliasing_horizon"]) if facts["aliasing_hz"] else "none, one microphone",
        "ambiguity": array.ambiguity,
        "azimuth 0": array.zero_direction,
        "frame": "x front, y left, z up; azimuth counter-clockwise seen from above",
        "file channels": ", ".join(str(channel) for channel in array.file_channels)
        + (f" of {array.hardware_channels}" if array.hardware_channels else ""),
        "sample rate": f"{array.sample_rate} Hz" if array.sample_rate else None,
        f"rigid {array.body_shape}": f"radius {_length(array.body_radius)}" if array.body_radius else None,
        "sub-arrays": str(len(set(array.blocks))) if array.blocks else None,
        "source": array.source,
    }
    for label, value in rows.items():
        if value:
            summary.add_row(label, _literal(value))
    for number, note in enumerate(facts["notes"]):
        summary.add_row("" if number else "notes", _literal(note))
    console.print(summary)
    table = Table(box=SIMPLE, pad_edge=False)
    columns = _columns(array)
    for heading in columns:
        words = heading == "microphone"
        table.add_column(heading, justify="left" if words else "right", no_wrap=not words)
    for row in zip(*columns.values(), strict=True):
        table.add_row(*map(_literal, row))
    console.print(table)
    if "picture" in facts:
        console.print(f"picture: {_literal(facts['picture'])}", soft_wrap=True)


def _columns(array: MicrophoneArray) -> dict[str, list[str]]:
    """What is known of every microphone, by heading."""
    columns = {"channel": [str(channel) for channel in array.file_channels], "microphone": list(array.names)}
    for axis, coordinates in zip("xyz", (array.positions * 1e3).T, strict=True):
        columns[f"{axis} (mm)"] = [f"{round(value, 1) + 0.0:.1f}" for value in coordinates]
    if array.directivity is not None:
        columns["p"] = [f"{p:g}" for p in array.directivity]
    if array.orientations is not None:
        columns["axis"] = [" ".join(f"{value:.2f}" for value in axis) for axis in array.orientations]
    if array.gains_db is not None:
        columns["gain (dB)"] = [f"{gain:.2f}" for gain in array.gains_db]
    if array.delays is not None:
        columns["delay (us)"] = [f"{delay * 1e6:.2f}" for delay in array.delays]
    if array.blocks is not None:
        columns["sub-array"] = [str(block) for block in array.blocks]
    return columns


def _literal(words: str) -> str:
    # Brackets in names and notes are text, not rich's markup.
    from rich.markup import escape

    return escape(words)


def _length(metres: float) -> str:
    return f"{metres * 1e3:.0f} mm" if metres < 1 else f"{metres:.2f} m"


def _hertz(frequency: float) -> str:
    return f"{frequency / 1e3:.1f} kHz" if frequency >= 1e3 else f"{frequency:.0f} Hz"
