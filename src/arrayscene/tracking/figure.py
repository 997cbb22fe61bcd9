"""The picture of tracks: angles over time, on top of what was detected."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from arrayscene.localize.grid import to_angles
from arrayscene.report.drawing import INK, SMALL, SOFT, WIDTH, blank_figure, broken, time_axis
from arrayscene.report.mirror import mirror_direction
from arrayscene.report.palette import source_colour
from arrayscene.report.sentences import minus
from arrayscene.tracking.tracks import Track, Tracks

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def tracks_figure(tracks: Tracks) -> Figure:
    """Azimuth over time, below it elevation where the array can tell it, and when each source sounds.

    Dots are detections, darker where they are stronger. Tracks are bold where their source sounds, thin and dashed where it
    pauses; a dotted line is where it may be as well (mirror ambiguity).
    """
    angles = [name for name in ("azimuth", "elevation") if _known(tracks, name)]
    heights = [2.6] * len(angles) + [0.3 + 0.22 * max(len(tracks.tracks), 1)]
    below, gap = 0.72, 0.12
    height = sum(heights) + gap * len(angles) + below + 0.1
    figure = blank_figure(WIDTH, height)
    top = height - 0.1
    for name, rows in zip([*angles, "activity"], heights, strict=True):
        axes = figure.add_axes((0.1, (top - rows) / height, 0.86, rows / height))
        top -= rows + gap
        if name == "activity":
            _activity(axes, tracks)
        else:
            _angle(axes, tracks, name)
        time_axis(axes, tracks.duration)
        if name != "activity":
            axes.tick_params(labelbottom=False)
            axes.set_xlabel("")
    figure.text(0.53, 0.08 / height, _legend(tracks), fontsize=7.5, color=SOFT, ha="center", va="bottom")
    return figure


def _legend(tracks: Tracks) -> str:
    words = "Dots: detections, dark ones strong. Lines: tracks, bold while the source sounds, dashed while it pauses"
    if any(_mirrored(tracks, track) is not None for track in tracks.tracks):
        words += "; dotted: mirror image"
    return words + "."


def _known(tracks: Tracks, angle: str) -> bool:
    if tracks.tracks:
        return any(getattr(track, angle) is not None for track in tracks.tracks)
    return angle == "azimuth"


def _angle(axes: Axes, tracks: Tracks, name: str) -> None:
    heard = [(d.time, s, *vector) for d in tracks.detections for vector, s in zip(d.vectors, d.strength, strict=True)]
    if heard:
        time, strength, *vectors = np.array(heard).T
        azimuth, elevation = to_angles(np.stack(vectors, axis=-1))
        values = azimuth if name == "azimuth" else elevation
        shade = 0.92 - 0.55 * np.clip(strength / 5, 0, 1)
        # Detections of level arrays have no elevation, also where a source overhead has.
        if name == "azimuth" or elevation.any():
            axes.scatter(time, np.degrees(values), s=5, c=[(s, s, s) for s in shade], linewidths=0, zorder=1)
    for track in tracks.tracks:
        if getattr(track, name) is None:
            continue
        look = source_colour(track.id)
        line = np.degrees(getattr(track, name))
        if name == "azimuth":
            other = _mirrored(tracks, track)
            if other is not None:
                axes.plot(track.times, broken(np.degrees(other)), color=look.fill, linewidth=1.0, linestyle=":", zorder=2)
        for width, dash, shown in ((0.9, (0, (3, 3)), ~track.active), (2.4, "-", track.active)):
            # One frame to either side belongs to both kinds of line, so that they join.
            wider = shown | np.append(shown[1:], False)
            axes.plot(
                track.times, broken(np.where(wider, line, np.nan)), color=look.fill, linewidth=width, linestyle=dash, zorder=3
            )
        badge = {"boxstyle": "circle,pad=0.25", "facecolor": look.fill, "linewidth": 0}
        place = float(track.times[0]), float(line[0])
        axes.text(*place, str(track.id), fontsize=SMALL, weight="bold", color=look.ink, ha="center", va="center", bbox=badge)
    whole = name == "azimuth"
    ticks = range(-180, 181, 90) if whole else range(-90, 91, 45)
    axes.set_ylim(ticks[0], ticks[-1])
    axes.set_yticks(list(ticks), [minus(f"{tick}°") for tick in ticks])
    axes.set_ylabel(f"{name.capitalize()}" + (" (left is up)" if whole else ""), fontsize=9)
    axes.grid(True, axis="y", color="#eceef0", linewidth=0.8)
    axes.set_axisbelow(True)


def _activity(axes: Axes, tracks: Tracks) -> None:
    if not tracks.tracks:
        axes.text(0.5, 0.5, "No source was followed.", transform=axes.transAxes, ha="center", va="center", fontsize=9, color=INK)
        axes.set_yticks([])
        return
    for row, track in enumerate(tracks.tracks):
        bars = [(float(start), float(stop - start)) for start, stop in track.stretches(tracks.frame_seconds)]
        axes.broken_barh(bars, (row - 0.34, 0.68), color=source_colour(track.id).fill, linewidth=0)
    axes.set_ylim(len(tracks.tracks) - 0.4, -0.6)
    axes.set_yticks(range(len(tracks.tracks)), [f"Source {track.id}" for track in tracks.tracks])


def _mirrored(tracks: Tracks, track: Track) -> NDArray[Any] | None:
    """(time,) azimuth of the mirror image of a track; None where there is none or it has the same azimuth."""
    if tracks.ambiguity == "none" or track.azimuth is None:
        return None
    up = np.zeros(len(track.times)) if track.elevation is None else track.elevation
    images = [
        mirror_direction(tracks.array.positions, float(a), float(e), tracks.ambiguity)
        for a, e in zip(track.azimuth, up, strict=True)
    ]
    if any(image is None for image in images):
        return None
    azimuth = np.array([image[0] for image in images if image is not None])
    return None if np.abs(np.angle(np.exp(1j * (azimuth - track.azimuth)))).max() < math.radians(1.0) else azimuth
