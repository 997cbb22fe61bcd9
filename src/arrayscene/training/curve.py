"""The curve of a training: a table, a picture, and TensorBoard where it is wanted."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from arrayscene.errors import DeviceError
from arrayscene.folder import write_whole

TABLE: Final = "curve.csv"

PICTURE: Final = "curve.png"

Row = Mapping[str, float]


def write_table(folder: Path, columns: Sequence[str], rows: Sequence[Row]) -> None:
    """Write the rows so far as CSV, numbers to 7 digits."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([f"{row[name]:.7g}" for name in columns] for row in rows)
    write_whole(folder / TABLE, text.getvalue().encode())


def draw(folder: Path, title: str, rows: Sequence[Row], figures: Sequence[str], *, loss_unit: str, unit: str) -> None:
    """Draw loss and figures over steps as PNG.

    Cost: about half a second.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 6), layout="constrained")
    FigureCanvasAgg(figure)
    above, below = figure.subplots(2, 1, sharex=True)
    steps = [row["step"] for row in rows]
    marker = "o" if len(rows) < 40 else None
    above.plot(steps, [row["loss"] for row in rows], marker=marker, markersize=3, color="#37474f")
    above.set_ylabel(f"Training loss, {loss_unit}" if loss_unit else "Training loss")
    above.set_title(title, fontsize=11)
    for name in figures:
        below.plot(steps, [row[name] for row in rows], marker=marker, markersize=3, label=name.replace("_", " "))
    below.set_ylabel(unit)
    below.set_xlabel("Step")
    below.legend(frameon=False)
    for axes in (above, below):
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=110)
    write_whole(folder / PICTURE, picture.getvalue())


def board(folder: Path, first: int) -> Any:
    """A TensorBoard writer for the curve from step `first` on; what an interrupted training wrote beyond it is dropped.

    Raises:
        DeviceError: TensorBoard is not installed.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise DeviceError(
            "--tensorboard needs TensorBoard: pip install tensorboard; curve.csv and curve.png need nothing"
        ) from error
    return SummaryWriter(str(folder / "tensorboard"), purge_step=first + 1)  # type: ignore[no-untyped-call]
