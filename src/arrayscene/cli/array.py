"""`arrayscene array`: which devices are known, and what an array looks like."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from arrayscene.array import MicrophoneArray

app = typer.Typer(help="Known microphone arrays, and what an array looks like.", no_args_is_help=True)


@app.command("list")
def list_arrays(as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False) -> None:
    """List the devices that the package knows."""
    from arrayscene.array import MicrophoneArray
    from arrayscene.array_presets import presets

    known = [(preset, _facts(MicrophoneArray.preset(preset.name))) for preset in presets()]
    if as_json:
        typer.echo(json.dumps([{**facts, "description": preset.description} for preset, facts in known], indent=2))
        return
    from rich.box import SIMPLE
    from rich.console import Console
    from rich.table import Table

    table = Table(box=SIMPLE, pad_edge=False, caption="ambiguity: the directions that the array cannot tell apart")
    table.add_column("name", no_wrap=True)
    for heading in ("mics", "aperture", "aliasing"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("ambiguity", no_wrap=True)
    table.add_column("description")
    for preset, facts in known:
        table.add_row(
            preset.name, str(facts["n_mics"]), _length(facts["aperture_m"]), _hertz(facts["aliasing_hz"]), facts["ambiguity"],
            preset.description,
        )  # fmt: skip
    Console().print(table)


@app.command("show")
def show_array(
    name: Annotated[
        str,
        typer.Argument(metavar="NAME|FILE", help="A known device, a .json or .toml file, circular:N:RADIUS or linear:N:SPACING."),
    ],
    out: Annotated[Path | None, typer.Option(help="Where to write the picture; default NAME.png.")] = None,
    picture: Annotated[bool, typer.Option("--picture/--no-picture", help="Write the picture.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """Show one array: its facts, its zero direction and its picture."""
    from arrayscene.array import MicrophoneArray

    array = MicrophoneArray.resolve(name)
    facts = _facts(array) | array.to_dict() | {"notes": _notes(array)}
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


def _notes(array: MicrophoneArray) -> list[str]:
    """What is known about the device, if this is one unchanged."""
    from arrayscene.array_presets import presets

    preset = next((preset for preset in presets() if preset.name == array.name), None)
    return list(preset.notes) if preset and array == type(array).preset(preset.name) else []


def _file_name(name: str) -> str:
    # A file may call its array anything, slashes included.
    return re.sub(r"[^\w.+-]+", "-", name).strip("-.") + ".png"


def _write_picture(array: MicrophoneArray, path: Path) -> Path:
    from arrayscene.array_files import write_whole
    from arrayscene.errors import ArraySceneError
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
        "aliasing": f"above {_hertz(facts['aliasing_hz'])}" if facts["aliasing_hz"] else "none, one microphone",
        "ambiguity": array.ambiguity,
        "azimuth 0": array.zero_direction,
        "frame": "x front, y left, z up; azimuth counter-clockwise seen from above",
        "file channels": ", ".join(str(channel) for channel in array.file_channels)
        + (f" of {array.hardware_channels}" if array.hardware_channels else ""),
        "sample rate": f"{array.sample_rate} Hz" if array.sample_rate else None,
        "rigid sphere": f"radius {_length(array.body_radius)}" if array.body_radius else None,
        "source": array.source,
    }
    for label, value in rows.items():
        if value:
            summary.add_row(label, _literal(value))
    for number, note in enumerate(facts["notes"]):
        summary.add_row("" if number else "notes", _literal(note))
    console.print(summary)
    table = Table(box=SIMPLE, pad_edge=False)
    table.add_column("channel", justify="right")
    table.add_column("microphone")
    for heading in ("x (mm)", "y (mm)", "z (mm)"):
        table.add_column(heading, justify="right")
    for channel, microphone, position in zip(array.file_channels, array.names, array.positions * 1e3, strict=True):
        table.add_row(str(channel), _literal(microphone), *(f"{value:.1f}" for value in position))
    console.print(table)
    if "picture" in facts:
        console.print(f"picture: {_literal(facts['picture'])}", soft_wrap=True)


def _literal(words: str) -> str:
    # Brackets in names and notes are text, not rich's markup.
    from rich.markup import escape

    return escape(words)


def _length(metres: float) -> str:
    return f"{metres * 1e3:.0f} mm" if metres < 1 else f"{metres:.2f} m"


def _hertz(frequency: float) -> str:
    return f"{frequency / 1e3:.1f} kHz" if frequency >= 1e3 else f"{frequency:.0f} Hz"
