"""Which channels can be used, and whether they tell enough."""

from __future__ import annotations

from arrayscene import preparing
from arrayscene.diagnosis.tiles import FRAMES, HOP_SECONDS, Tiles
from arrayscene.errors import GeometryError
from arrayscene.health import check
from arrayscene.recording import Recording

LEAST_SECONDS = 1.0
"""Seconds of sound without which nothing can be said."""

LEAST_SHARED = 0.25
"""Coherence at low frequencies without which the channels have nothing in common."""

LOW_BINS = 8
"""Lowest frequencies of the tiles, up to about 1 kHz."""


def usable(recording: Recording, who: str) -> tuple[Recording, tuple[int, ...], tuple[str, ...]]:
    """The channels that work, less what is known of their electronics; their rows, from 0; and what was left out and why.

    Raises:
        GeometryError: a recording without an array, or of one microphone.
        RecordingError: silent, or fewer than two channels that work.
    """
    if recording.array is None:
        raise GeometryError(f"{who}: the recording has no array; attach one, e.g. recording.with_array('respeaker-usb-4')")
    if recording.n_mics < 2:
        raise GeometryError(f"{who}: array {recording.array.name!r} has one microphone; at least two are needed")
    health = check(recording)
    notes = tuple(finding.message for finding in health.findings if finding.severity == "bad")
    return preparing.usable(recording, health.good, job=who).equalized(), health.good, notes


def unclear(tiles: Tiles) -> str | None:
    """Why the tiles tell nothing about the channels, if so."""
    seconds = float(tiles.audible.double().mean(1).sum()) * FRAMES * HOP_SECONDS
    if seconds < LEAST_SECONDS:
        return f"{seconds:.1f} s of sound are too short; record at least 5 s of speech or noise."
    shared = tiles.mean_coherence()[:LOW_BINS].abs().mean(0)
    shared.fill_diagonal_(0)
    if float(shared.max()) < LEAST_SHARED:
        return (
            f"no two channels hear the same sound (coherence {float(shared.max()):.2f}); they hold noise of their own, or were"
            " not recorded together."
        )
    return None
