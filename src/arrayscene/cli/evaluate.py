"""`arrayscene evaluate`: a result against the truth of a simulation."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from arrayscene.cli.table import print_table
from arrayscene.errors import GeometryError

if TYPE_CHECKING:
    from arrayscene.evaluation import Evaluation

WORDS = {
    "n_found": "sources found",
    "n_true": "talkers",
    "within_5_deg": "within 5°",
    "within_10_deg": "within 10°",
    "missed_rate": "missed",
    "n_missed": "missed, number",
    "n_false": "false, number",
    "false_rate": "false",
    "mean_error_deg": "mean error",
    "gospa_deg": "GOSPA (cutoff 30°, p 2)",
    "gospa_localization_deg": "of which localisation",
    "ospa_deg": "OSPA (cutoff 30°, p 2)",
    "mean_abs_level_error_db": "level error",
    "si_sdr_db": "SI-SDR of each talker",
    "mean_si_sdr_db": "SI-SDR",
    "mean_si_sdr_improvement_db": "SI-SDR gained",
    "identity_kept": "identity kept, each talker",
    "mean_identity_kept": "identity kept",
    "n_switches": "identity switches",
    "n_fragments": "lost and found again",
    "missed_per_frame": "missed in a frame",
    "false_per_frame": "false in a frame",
}

SHARES = ("within_5_deg", "within_10_deg", "missed_rate", "false_rate", "identity_kept", "mean_identity_kept")


LEGEND = {
    "within_5_deg": "within: share of the talkers who were found so near to where they are",
    "n_missed": "missed, false: a talker without a found source within {gate:g}°, and the other way round",
    "false_per_frame": "missed, false: share of the talkers' presence without a track within {gate:g}°, and the other way round",
    "mean_error_deg": "mean error: of the found ones only, so read it beside missed",
    "gospa_deg": "GOSPA: place, missed and false in one number, 0 is perfect: root of the summed squares of errors and of 21°"
    " for each missed or false source; a pair more than 30° apart is both",
    "ospa_deg": "OSPA: likewise, as a mean a source; what is more than 30° away, missing or too much counts as 30°",
    "mean_abs_level_error_db": "level error: mean size of the difference in level, of the found ones",
    "si_sdr_db": "SI-SDR: how far a signal is above what does not belong to it, higher is better; gained: over the mixture",
    "identity_kept": "identity kept: share of a talker's presence in which one and the same track follows",
    "n_switches": "switches: how often another track takes over; lost and found again: how often nobody follows for a while",
}
"""What the measures mean, one line each, printed under those that are there."""


def evaluate(
    result: Annotated[
        Path,
        typer.Argument(metavar="RESULT", help="A folder by recover, locate or track, or scene.json, tracks.json, .csv, .jsonl."),
    ],
    truth: Annotated[Path, typer.Option(metavar="DIR", help="The folder that `arrayscene simulate` wrote.")],
    gate: Annotated[float, typer.Option(metavar="DEG", help="What is farther away is missed, and false.")] = 20.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Compare a result with the truth of a simulation: directions, levels, identities, signals."""
    if not 0 < gate <= 180:
        raise GeometryError(f"--gate {gate:g} came; degrees above 0 and up to 180 are needed")

    from arrayscene.evaluation import evaluate as compare

    found = compare(result, truth, gate=math.radians(gate))
    if as_json:
        typer.echo(json.dumps({"kind": found.kind, "target": found.target, **found.measures}, indent=2, allow_nan=False))
        return
    _print(found, gate)


def _print(found: Evaluation, gate: float) -> None:
    rows = []
    for name, value in found.measures.items():
        values = value if isinstance(value, list) else [value]
        rows.append((WORDS[name], ", ".join(_words(name, one) for one in values) or "none"))
    print_table(("measure", found.kind), rows)
    print(f"against {found.target}")
    for name, meaning in LEGEND.items():
        if name in found.measures:
            print(meaning.format(gate=gate))


def _words(name: str, value: float | None) -> str:
    if value is None:
        return "unknown"
    if name in SHARES:
        return f"{100 * value:.0f} %"
    if name.endswith("_deg"):
        return f"{value:.1f}°"
    if name.endswith("_db"):
        return f"{value:.1f} dB"
    return f"{value:g}" if isinstance(value, int) else f"{value:.2f}"
