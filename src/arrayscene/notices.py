"""What a scene tells its reader in words: what was assumed, and what to be careful about."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from arrayscene.choice import SHORTEST_TO_LEARN, Choice
from arrayscene.constants import SPEED_OF_SOUND
from arrayscene.health import Health
from arrayscene.listening import Heard, block_count
from arrayscene.localize import direction_grid
from arrayscene.localize.viewpoints import WIDE
from arrayscene.recording import Recording
from arrayscene.unmixing import Unmixed

POOR_RESIDUAL_DB = -1.5
"""Above this, the sources explain less than a third of the recording."""


def assumptions(recording: Recording, choice: Choice, given: bool, guided: bool, followed: bool = False) -> list[str]:
    """Sentences on what was taken for granted.

    Args:
        recording: working channels, with their array.
        choice: decoder.
        given: whether the directions are the user's.
        guided: whether the activity is the user's.
        followed: whether the sources were followed as they move.
    """
    array = recording.array
    assert array is not None
    grid = direction_grid(array)
    stretch = "the whole recording" if block_count(recording) == 1 else "about half a minute"
    found = [
        f"The microphones are those of {array.name}: {array.zero_direction}.",
        f"File channels {', '.join(map(str, recording.channels))} are the microphones in this order;"
        f" sources are as heard by channel {recording.channels[0]}.",
        f"Sources are far compared with the array's {100 * array.aperture:.1f} cm"
        + ("" if array.aperture >= WIDE else ", so distances stay unknown")
        + f"; sound travels at {SPEED_OF_SOUND:.1f} m/s.",
        "Sources move; each was followed, and is at its mean place for 2 s at a time."
        if followed
        else f"Sources stay where they are for {stretch}.",
    ]
    if given:
        found.append("The directions are the user's; nothing was localised or counted.")
    elif not grid.elevation_known:
        found.append("Elevation is taken as 0: this array cannot tell it.")
    if guided:
        found.append("Who sounds when is the user's; sources were not counted, and are silent outside their stretches.")
    if array.body_radius is not None:
        found.append(f"The microphones sit around a rigid {array.body_shape} of radius {100 * array.body_radius:.1f} cm.")
    if choice.max_mics is not None and recording.n_mics > choice.max_mics:
        found.append(f"{choice.max_mics} of the {recording.n_mics} microphones, spread as widely as possible, were decoded.")
    return found


def warnings_about(
    recording: Recording,
    health: Health,
    heard: Heard,
    unmixed: Unmixed,
    n_sources: int | None,
    follow_failed: bool = False,
) -> list[str]:
    """Sentences on what may be wrong, and what to do."""
    found = [*recording.notes, *(finding.message for finding in health.findings if finding.severity != "note")]
    array = recording.array
    assert array is not None
    if recording.duration < SHORTEST_TO_LEARN:
        found.append(f"{recording.duration:.2f} s is very short: directions and separation are rough; record some seconds.")
    if not len(heard.azimuth):
        found.append(
            "No direction stands out of the noise; say how many sources there are, or check the array and the channel order."
        )
    found += heard.remarks
    alike = sorted({round(np.degrees(azimuth)) for others in heard.alternatives for azimuth, _ in others if azimuth is not None})
    if alike:
        found.append(
            f"The sound is so narrow and so high that this array hears it alike from other directions (spatial aliasing): azimuth"
            f" {', '.join(map(str, alike))} degrees."
        )
    if heard.n_dropped:
        found.append(f"{heard.n_dropped} directions were heard in one half minute only and left out.")
    if n_sources is not None and len(heard.azimuth) < n_sources:
        found.append(f"{n_sources} sources were asked for, {len(heard.azimuth)} can be told apart.")
    most = max((len(ids) for ids in heard.active), default=0)
    if most > unmixed.n_used:
        found.append(
            f"{most} sources for {unmixed.n_used} microphones: they can be told apart in part only"
            + ("." if n_sources is not None else ", and some may be reflections; say how many there are if you know.")
        )
    if array.ambiguity == "cone" and len(heard.azimuth):
        found.append(
            "A line of microphones cannot tell front from back (mirror ambiguity): each source may also lie at its mirrored"
            " azimuth."
        )
    if follow_failed:
        found.append("Nobody could be followed, so the sources are taken to be at rest.")
    found += unmixed.remarks
    if len(heard.azimuth) and unmixed.residual_db > POOR_RESIDUAL_DB:
        found.append(
            f"The sources explain little of the recording (residual {unmixed.residual_db:.1f} dB): more sources, strong noise or"
            " reverberation, or a wrong array or channel order."
        )
    return found


def suspicions(suspects: Sequence[str], recording: Recording) -> list[str]:
    """One sentence on channels or an array that seem to be others than said, and what to do about it; or none."""
    assert recording.array is not None
    if not suspects:
        return []
    # Not its name, which the command line may not know: layouts and files have names too.
    remedy = "Listen with care, and run, with the same array: arrayscene array check RECORDING --array ARRAY --out corrected.toml"
    return [f"The recording does not seem to fit {recording.array.name}. {' '.join(suspects)} {remedy}"]
