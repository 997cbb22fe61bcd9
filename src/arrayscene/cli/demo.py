"""`arrayscene demo`: see it work without a recording."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Annotated

import typer

from arrayscene.cli.progress import progress_bar, say_if_compiling
from arrayscene.cli.table import print_table

DEFAULT_OUT = Path("demo-scene")


def demo(
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="Folder for the report; an earlier demo there is replaced.")
    ] = DEFAULT_OUT,
) -> None:
    """Simulate three people who talk at once in a living room, recover them, compare with the truth; exit 1 if it is poor."""
    from arrayscene.report import check_target, write_scene

    check_target(out, overwrite=True)

    from arrayscene.demo import run_demo

    say_if_compiling()
    with progress_bar() as progress:
        result = run_demo(progress)
    write_scene(result.scene, out, overwrite=True)

    rows = [
        (
            talker.name,
            f"{math.degrees(talker.true_azimuth):.0f}°",
            "not found" if talker.azimuth is None else f"{math.degrees(talker.azimuth):.1f}°",
            f"{talker.si_sdr_before:.1f} dB",
            "" if talker.si_sdr_after is None else f"{talker.si_sdr_after:.1f} dB",
            f"{talker.improvement_db:+.1f} dB",
        )
        for talker in result.talkers
    ]
    print_table(("talker", "true azimuth", "recovered", "SI-SDR before", "after", "gain"), rows)
    print(f"mean SI-SDR gain {result.mean_improvement_db:.1f} dB, method {result.scene.method}: {result.scene.why}")
    for warning in result.scene.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    print(f"open {out / 'report.html'}")
    if result.complaints:
        for complaint in result.complaints:
            print(f"poor: {complaint}", file=sys.stderr)
        raise typer.Exit(1)
