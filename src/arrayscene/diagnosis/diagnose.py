"""What is wrong with an array's channels, from speech or noise: `diagnose`, and `suspicion`, its cheap sister."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import torch

from arrayscene.array import MicrophoneArray
from arrayscene.diagnosis.correction import corrected_array, spread, widened
from arrayscene.diagnosis.evidence import Evidence, confidence
from arrayscene.diagnosis.explanation import PRICE, explanation, quick_explanation
from arrayscene.diagnosis.field import FieldModel
from arrayscene.diagnosis.findings import (
    LEAST_MARGIN,
    channel_findings,
    fit_findings,
    gain_findings,
    is_misfit,
    misfit_bound,
    oriented,
    uneven_gains,
)
from arrayscene.diagnosis.hypothesis import Hypothesis
from arrayscene.diagnosis.levels import relative_levels_db
from arrayscene.diagnosis.orientation import Orientation, find_orientation
from arrayscene.diagnosis.result import Diagnosis, Finding
from arrayscene.diagnosis.sizing import Size, find_size, may_be_of_another_size
from arrayscene.diagnosis.symmetry import Order, isometries
from arrayscene.diagnosis.tiles import tiles_of
from arrayscene.diagnosis.timing import fit_few_delays
from arrayscene.diagnosis.usable import unclear, usable
from arrayscene.diagnosis.words import ONE_SIDED_SENTENCE, hint_sentence, others_sentence, symmetry_sentence, unheard_sentence
from arrayscene.recording import Recording

Progress = Callable[[str, float], None]

LEAST_GAIN = 0.015
"""Nats a microphone and snapshot by which a correction must explain the recording better than the array as it is."""

MISFIT_SHARE = 0.2
"""And by this share of what is left unexplained: where nothing fits, small gains mean little."""

LEAST_SURENESS = 2.0
"""Student's t, over stretches of the recording, that the gain must have."""

HINT = 0.002
"""Gain from which on a correction that is not believed is mentioned."""

QUICK_ELEMENTS, QUICK_MICS, QUICK_SECONDS = 1_500_000, 16, 20.0
"""Bounds of `suspicion`."""


def diagnose(recording: Recording, *, azimuths: Sequence[float] | None = None, progress: Progress | None = None) -> Diagnosis:
    """Find what is wrong with the channels of a recording: order, polarity, delays, gains, size; with known azimuths the turn.

    Every explanation is judged by the likelihood of one source in an isotropic field (`FieldModel`), which needs no calibration
    signal: speech or noise in a room will do. A correction is reported where the likelihood grows by far more than chance and
    misfit allow. Dead and duplicate channels are left out first.

    Args:
        recording: with its array; gains and delays that the array knows are taken out first.
        azimuths: radians of talkers that are known to sound, in the frame of the room; there may be others.
        progress: called with the name of a step and the fraction done.

    Raises:
        GeometryError: no array, or one of a single microphone.
        RecordingError: a silent recording, or fewer than two channels that work.

    Cost: on one core about 1 s for 10 s of four microphones, 5 s for eight; a minute of the recording at most is looked at.
    """
    report = progress or (lambda step, fraction: None)
    good, rows, notes = usable(recording, "diagnose")
    with torch.inference_mode():
        tiles = tiles_of(good)
        array = good.array
        assert array is not None
        if (reason := unclear(tiles)) is not None:
            return Diagnosis(array, (Finding("unclear", f"Nothing can be said: {reason}", 1.0),), None, 0.0, notes=notes)
        evidence = Evidence(FieldModel(array, tiles.frequencies), tiles)
        symmetries = isometries(array)
        nothing = Hypothesis.nothing(array.n_mics)
        likeliest, one_sided = explanation(evidence, symmetries, report), evidence.one_sided()
        least = _least(evidence, likeliest)
        found = _believed(evidence, likeliest, least)
        hint: tuple[str, ...] = ()
        if found == nothing and likeliest.moved and evidence.score(likeliest) > evidence.score(nothing) + HINT:
            hint = (hint_sentence(likeliest, good.channels),)
        report("size", 0.0)
        found, size = _sized(evidence, found)
        report("size", 1.0)
        shortfall = evidence.shortfall(found) - size.gain
        misfit = is_misfit(evidence, found, shortfall)
        if misfit:
            # Delays and sizes that leave so much unexplained only make up for something else.
            found, size, shortfall = replace(found, delays=nothing.delays), Size(1.0, 0.0), shortfall + size.gain
        levels = relative_levels_db(tiles).numpy()
        orientation = None
        if azimuths:
            orientation = find_orientation(evidence.model, found.undo(tiles), azimuths, symmetries)
        margin = evidence.margin(found)
    whole, turn, turn_findings = oriented(found, orientation, azimuths or (), good.channels)
    undecided = symmetries if orientation is None or orientation.others else ()
    gains_db = uneven_gains(array, levels)
    belief = confidence(misfit_bound(array.n_mics), shortfall) if misfit else 1.0
    belief = min(belief, 0.5) if one_sided else belief
    findings = [
        *channel_findings(evidence, found, whole, least, good, undecided, belief=belief),
        *gain_findings(gains_db, good.channels),
        *fit_findings(array, size, shortfall if misfit else None, corrected=found != nothing),
        *turn_findings,
    ]
    corrected = None
    if whole.moved or whole.late or gains_db.any() or turn is not None or size.counts:
        corrected = corrected_array(
            recording,
            widened(whole, rows, recording.n_mics),
            spread(gains_db, rows, recording.n_mics),
            turn=turn,
            scale=size.scale,
            why="corrected from a recording",
        )
    gain = evidence.score(found) - evidence.score(nothing)
    scores = {"as it is": 0.0, "as corrected": gain + size.gain, "with the next best order": gain - margin}
    return Diagnosis(
        array,
        tuple(findings),
        corrected,
        max((finding.confidence for finding in findings), default=confidence(margin, LEAST_MARGIN)),
        {name: score for name, score in scores.items() if math.isfinite(score)},
        (*hint, *([ONE_SIDED_SENTENCE] if one_sided else []), *_ambiguities(array, symmetries, orientation, azimuths or ())),
        notes,
    )


def suspicion(recording: Recording) -> list[str]:
    """Sentences on channels that seem to be in another order, inverted or late, or on another array; none where all seems right.

    A cheap look at every recording, at no more than `QUICK_MICS` of its microphones and `QUICK_SECONDS` of its duration: where
    the best of few orders, or some delays, are better than the array as it is, the whole search follows. Sizes are looked for
    where half or twice the array's is better, or nothing else explains the recording.

    Args:
        recording: working channels with their array.

    Cost: 0.1 s for 10 s of four microphones where nothing is suspicious, some seconds where something is.
    """
    array = recording.array
    if array is None or array.ambiguity == "all":
        return []
    if array.n_mics > QUICK_MICS:
        recording = recording.select(array.spread(QUICK_MICS))
        array = recording.array
        assert array is not None
    with torch.inference_mode():
        tiles = tiles_of(recording.equalized(), QUICK_ELEMENTS, QUICK_SECONDS)
        if unclear(tiles) is not None:
            return []
        evidence = Evidence(FieldModel(array, tiles.frequencies), tiles)
        nothing, symmetries = Hypothesis.nothing(array.n_mics), isometries(array)
        found = _believed(evidence, quick_explanation(evidence, symmetries), LEAST_GAIN)
        if found == nothing and evidence.shortfall(nothing) > misfit_bound(array.n_mics) and not evidence.one_sided():
            found = _believed(evidence, fit_few_delays(evidence, nothing, PRICE), LEAST_GAIN)
        least = LEAST_GAIN
        if found != nothing:
            found = explanation(evidence, symmetries, lambda step, fraction: None)
            least = _least(evidence, found)
            found = _believed(evidence, found, least)
        if evidence.one_sided():
            return []
        misfit = is_misfit(evidence, found, evidence.shortfall(found))
        if misfit or (found == nothing and may_be_of_another_size(evidence, nothing)):
            # Orders and delays that leave so much unexplained only make up for something else.
            found, size = _sized(evidence, found)
            shortfall = evidence.shortfall(found) - size.gain
            unexplained = shortfall if is_misfit(evidence, found, shortfall) else None
            return [finding.message for finding in fit_findings(array, size, unexplained, corrected=False)[-1:]]
        return [finding.message for finding in channel_findings(evidence, found, found, least, recording, symmetries)]


def _least(evidence: Evidence, found: Hypothesis) -> float:
    return LEAST_GAIN + MISFIT_SHARE * max(evidence.shortfall(found), 0.0)


def _believed(evidence: Evidence, found: Hypothesis, least: float) -> Hypothesis:
    """What of a hypothesis pays: nothing, or without the delays, the polarities or the order that do not."""
    nothing = Hypothesis.nothing(len(found.order))

    def pays(hypothesis: Hypothesis, without: Hypothesis, faults: int = 1) -> bool:
        gain = evidence.score(hypothesis) - evidence.score(without)
        return gain >= faults * least and evidence.sureness(hypothesis, without) >= LEAST_SURENESS

    if not pays(found, nothing, bool(found.moved) + len(found.inverted) + len(found.late)):
        return nothing
    for without in ({"delays": nothing.delays}, {"signs": nothing.signs}, {"order": nothing.order}):
        simpler = replace(found, **without)
        if simpler != found and not pays(found, simpler):
            found = simpler
    return found


def _sized(evidence: Evidence, found: Hypothesis) -> tuple[Hypothesis, Size]:
    """The better of: the file's order at another size, and the order that was found."""
    nothing = Hypothesis.nothing(len(found.order))
    sized = [(trial, find_size(evidence, trial)) for trial in dict.fromkeys([found, nothing])]
    trial, size = max(sized, key=lambda pair: evidence.score(pair[0]) + (pair[1].gain if pair[1].counts else 0.0))
    return trial, size if size.counts else Size(1.0, 0.0)


def _ambiguities(
    array: MicrophoneArray, symmetries: Sequence[Order], orientation: Orientation | None, azimuths: Sequence[float]
) -> tuple[str, ...]:
    if azimuths and orientation is None:
        return ("This array cannot tell azimuths, so known ones do not help.",)
    if orientation is None:
        return (symmetry_sentence(array, len(symmetries)),)
    if not orientation.explained:
        return ()
    found = [unheard_sentence([azimuths[n] for n in orientation.unheard])] if orientation.unheard else []
    if orientation.agrees and orientation.others:
        found.append(others_sentence(orientation.others, is_line=orientation.is_line))
    return tuple(found)
