"""What a benchmark found: a table of means and a picture of quality over time."""

from __future__ import annotations

import io
import os
import platform
from collections import Counter
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from arrayscene.bench.labels import label_points
from arrayscene.bench.peers import PEERS, importable
from arrayscene.bench.run import COUNTING, Bench, Result
from arrayscene.bench.scenes import SETS
from arrayscene.folder import write_whole
from arrayscene.methods import METHODS
from arrayscene.report.palette import source_colour

if TYPE_CHECKING:
    from matplotlib.figure import Figure

HEADINGS = ("scenes", "method", "SI-SDR gain dB", "worst dB", "SI-SDR dB", "ESTOI", "PESQ", "count right", "seconds", "MB")

NOTE = (
    "Means over scenes; worst: of the scene with the least gain. SI-SDR target: each talker's reverberant image at the first"
    " microphone, best assignment, a missed talker scored as the mixture; gain is over the mixture. Methods of ours are told the"
    " number of talkers{counting}; peers give one output a microphone, of which the best-fitting ones are scored. Seconds: of a"
    " scene, one thread. MB: most memory of the process."
)

COUNTED = ", except where they are counting: count right is the share of scenes in which they found it"


def note(bench: Bench) -> str:
    """What the table's columns are."""
    return NOTE.format(counting=COUNTED if any(result.method == COUNTING for result in bench) else "")


def table(bench: Bench) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Headings and rows, without the columns that are empty: ESTOI and PESQ need packages, counts a method that counts."""
    found = rows(bench)
    filled = [column for column in range(len(HEADINGS)) if any(row[column] for row in found)]
    return tuple(HEADINGS[column] for column in filled), [tuple(row[column] for column in filled) for row in found]


def rows(bench: Bench) -> list[tuple[str, ...]]:
    """The table's rows under `HEADINGS`: a kind of scenes and a method each, best first."""
    found = []
    for kind in dict.fromkeys(result.kind for result in bench):
        methods = dict.fromkeys(result.method for result in bench if result.kind == kind)
        cells = [_row(method, [r for r in bench if (r.kind, r.method) == (kind, method)]) for method in methods]
        found += [(SETS[kind].title, *row) for row in sorted(cells, key=lambda row: -float(row[1]))]
    return found


def machine() -> str:
    """One line on the machine and the versions."""
    known = [(name, version(name)) for name in ("arrayscene", "torch", "numba", *PEERS) if importable(name)]
    packages = ", ".join(f"{name} {number}" for name, number in known)
    return f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}, {packages}"


def markdown(bench: Bench) -> str:
    """The whole result as a page of Markdown."""
    n_scenes = max(Counter((result.kind, result.method) for result in bench).values())
    about = f"{note(bench)} Scenes of each kind: {n_scenes}."
    headings, cells = table(bench)
    lines = ["# Separation", "", about, "", machine(), "", "| " + " | ".join(headings) + " |", "|" + "---|" * len(headings)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in cells)]) + "\n"


def quality_over_time(bench: Bench) -> Figure:
    """SI-SDR gain over seconds, a panel for each kind of scene; every method is named at its point."""
    from matplotlib.figure import Figure

    kinds = list(dict.fromkeys(result.kind for result in bench))
    figure = Figure(figsize=(9.0, 4.2 * len(kinds)), dpi=150, layout="constrained")
    panels = np.atleast_1d(figure.subplots(len(kinds), 1))
    named = []
    for axes, kind in zip(panels, kinds, strict=True):
        methods = list(dict.fromkeys(result.method for result in bench if result.kind == kind))
        of_method = [[r for r in bench if (r.kind, r.method) == (kind, method)] for method in methods]
        points = [(_mean(mine, lambda r: r.seconds), _mean(mine, lambda r: r.gain_db)) for mine in of_method]
        colours = [source_colour(1 if method in (*METHODS, COUNTING) else 2).fill for method in methods]
        for point, colour in zip(points, colours, strict=True):
            axes.plot(*point, "o", color=colour, markersize=5)
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_minor_formatter("{x:g}")
        # Room for the names, which stand beside their points.
        left, right = axes.get_xlim()
        axes.set_xlim(left / 1.3, right * 2)
        axes.margins(y=0.15)
        axes.set(title=SETS[kind].title, xlabel="seconds a scene (one thread)", ylabel="SI-SDR gain (dB)")
        axes.grid(alpha=0.3)
        named.append((axes, points, methods, colours))
    figure.draw_without_rendering()
    for axes, points, methods, colours in named:
        axes.set(xlim=axes.get_xlim(), ylim=axes.get_ylim())
        label_points(axes, points, methods, colours)
    return figure


def write(bench: Bench, folder: Path) -> list[Path]:
    """Write separation.md and separation.png into a folder and return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    page, picture = folder / "separation.md", folder / "separation.png"
    write_whole(page, markdown(bench).encode())
    drawn = io.BytesIO()
    quality_over_time(bench).savefig(drawn, format="png")
    write_whole(picture, drawn.getvalue())
    return [page, picture]


def _row(method: str, results: list[Result]) -> tuple[str, ...]:
    counted = f"{100 * _mean(results, lambda r: float(r.count_right)):.0f} %" if method == COUNTING else ""
    return (
        method,
        f"{_mean(results, lambda r: r.gain_db):.2f}",
        f"{min(result.gain_db for result in results):.1f}",
        f"{_mean(results, lambda r: r.si_sdr_db):.2f}",
        _known(_mean(results, lambda r: r.estoi)),
        _known(_mean(results, lambda r: r.pesq)),
        counted,
        f"{_mean(results, lambda r: r.seconds):.2f}",
        f"{max(result.peak_mb for result in results):.0f}",
    )


def _known(value: float) -> str:
    return "" if np.isnan(value) else f"{value:.2f}"


def _mean(results: list[Result], figure: Callable[[Result], float]) -> float:
    return float(np.mean([figure(result) for result in results]))
