"""`locate`: from a recording to the sources, counted, with what the array can and cannot know about each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import torch

from arrayscene.arguments import check_number, check_whole
from arrayscene.array import MicrophoneArray
from arrayscene.health import check
from arrayscene.localize.drowned import drowned_remark
from arrayscene.localize.finding import METHODS, SPECTRA, Found, find
from arrayscene.localize.located import Located
from arrayscene.localize.measuring import measure
from arrayscene.localize.narrow_band import tone_remark
from arrayscene.localize.surveyed import Surveyed
from arrayscene.naming import one_of
from arrayscene.preparing import usable, with_array
from arrayscene.recording import Recording
from arrayscene.reverberation import recording_decay_time

SHORTEST = 0.02
"""Seconds; less holds no window in which a direction could be told."""

UNSUPPORTED = 0.25
"""Share of the votes of the strongest direction below which the peak of a map is doubtful."""


def locate(
    recording: Recording | str | Path | Sequence[str | Path],
    array: MicrophoneArray | str | Path | None = None,
    *,
    n_sources: int | None = None,
    method: str = "auto",
    full_scale_spl_db: float | None = None,
    progress: Callable[[str, float], None] | None = None,
) -> Located:
    """Find the sources of a recording: where, how far, how loud, how many, and how sure all that is.

    Check the recording -> votes of every band and moment (`SRPPHAT`) -> peaks, counted -> error bars -> levels -> what else fits.
    Wide arrays, and arrays made of parts that stand apart, are several viewpoints: each finds directions, those that are heard at
    the same moments are one source, and where they cross is its place.

    Args:
        recording: microphones' samples; or the path of one multichannel file, or paths of one file a microphone.
        array: microphone array, preset name or file; needed where the recording does not carry one.
        n_sources: how many sources to return; None counts them.
        method: "votes"; "music", "normmusic" or "srp" for the peaks of those maps, as many as votes count; "auto" takes votes, or
            pursuit (`OMP`) where there are 16 microphones and it explains the recording.
        full_scale_spl_db: sound pressure level, dB SPL, of a sine whose RMS is full scale (1.0); known from a calibrator.
        progress: called with the name of a step and the fraction done.

    Returns: the sources, strongest first; none where nothing stands out of the noise.

    Raises:
        RecordingError: audio that cannot be used: silent, too short, fewer than two working microphones.
        GeometryError: no array, or one that does not fit the recording.
        ShapeError: an unknown method, or a count that makes no sense.

    Cost: about 0.1 of the recording's duration on one core for 4 to 6 microphones at 16 kHz, and for each viewpoint;
    memory of half a minute and one signal a source.
    """
    report = progress or (lambda step, fraction: None)
    method = one_of(method, METHODS, "locate: method")
    if n_sources is not None:
        check_whole("locate: n_sources", n_sources, or_else=", or nothing to have them counted")
    if full_scale_spl_db is not None:
        check_number("locate: full_scale_spl_db", full_scale_spl_db)
    recording = with_array(recording, array, job="locate", shortest=SHORTEST)
    health = check(recording)
    rows = list(health.good)
    good = usable(recording, rows, job="locate").equalized()
    warnings = [*recording.notes, *(finding.message for finding in health.findings if finding.severity != "note")]
    with torch.inference_mode():
        heard = Surveyed(good, health.dc[rows], report)
        found = find(heard, n_sources, method)
        sources = measure(heard, found, full_scale_spl_db)
        warnings += _doubts(heard, found, n_sources)
        if n_sources is None:
            warnings += drowned_remark(recording_decay_time(good), len(sources))
    return Located(
        sources=sources,
        azimuth=heard.grid.azimuth,
        elevation=heard.grid.elevation,
        power=found.power / max(float(found.power.max()), 1e-30),
        array=replace(heard.array, channels=good.channels, hardware_channels=None),
        reference_channel=good.channels[0],
        sample_rate=good.sample_rate,
        duration=good.duration,
        method=found.method,
        warnings=warnings,
        inputs=recording.inputs,
    )


def _doubts(heard: Surveyed, found: Found, n_sources: int | None) -> list[str]:
    """Sentences on what may be wrong."""
    sentences = []
    if not len(found.directions.azimuth):
        sentences.append("No direction stands out of the noise: check the array and the channel order, or say how many.")
    if n_sources is not None and len(found.directions.azimuth) < n_sources:
        sentences.append(f"{n_sources} sources were asked for, {len(found.directions.azimuth)} can be told apart.")
    if found.method == "narrow-band":
        sentences.append(tone_remark(heard.frequencies, heard.spectrum))
    unsupported = int((found.directions.support < UNSUPPORTED).sum()) if found.method in SPECTRA else 0
    if unsupported:
        sentences.append(
            f"{unsupported} of {len(found.directions.azimuth)} directions of {found.method} get few votes of single moments, as"
            " peaks of reverberation do: take method auto, or believe those of high confidence only."
        )
    if heard.views and found.places is None and len(found.directions.azimuth):
        sentences.append("No two parts of the array agree on a source: directions are those of one part alone.")
    return sentences
