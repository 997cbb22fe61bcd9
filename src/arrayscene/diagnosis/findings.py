"""Findings from hypotheses: in words, and how sure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from arrayscene.array import MicrophoneArray
from arrayscene.diagnosis.evidence import Evidence, confidence
from arrayscene.diagnosis.explanation import PRICE
from arrayscene.diagnosis.hypothesis import Hypothesis
from arrayscene.diagnosis.orientation import CLEAR, Orientation, Turn
from arrayscene.diagnosis.result import Finding, Kind
from arrayscene.diagnosis.sizing import Size
from arrayscene.diagnosis.symmetry import Order
from arrayscene.diagnosis.words import (
    azimuths_sentence,
    delay_sentence,
    gain_sentence,
    misfit_sentence,
    order_sentence,
    polarity_sentence,
    size_sentence,
    turn_sentence,
)
from arrayscene.recording import Recording

LEAST_MARGIN = 0.0007
"""Nats by which an order must be better than the next one to be as likely right as wrong."""

LEAST_GAIN_DB, LEAST_UNEVEN_GAIN_DB = 3.0, 6.0
"""Level differences that are reported; more where near talkers, a body's shadow or directional microphones make differences."""

UNEVEN_APERTURE = 0.5
"""Metres of aperture from which on near talkers make levels uneven."""

MISFIT, MISFIT_PER_MIC = 0.1, 0.006
"""Shortfall of the likelihood from which on nothing explains the recording; it grows with what many microphones can tell."""


FEW_LATE = 0.34
"""Share of the channels that may be late without putting the layout in doubt."""

ORDER_SHARE = 0.87
"""Where orders at random cost less than this share of what is unexplained, nothing explains the recording."""


def misfit_bound(n_mics: int) -> float:
    """Shortfall of the likelihood from which on nothing may explain the recording."""
    return MISFIT + MISFIT_PER_MIC * n_mics


def is_misfit(evidence: Evidence, found: Hypothesis, shortfall: float) -> bool:
    """Whether nothing explains the recording.

    Where the layout is right, orders at random cost more than is unexplained, even if steady sounds, whose mean coherence holds
    every reflection, or several at the same time, which the model does not know, leave much unexplained.
    """
    if shortfall <= misfit_bound(len(found.order)):
        return False
    n_mics = len(found.order)
    # Delays of many channels would explain any layout.
    judged = found if len(found.late) <= FEW_LATE * n_mics else replace(found, delays=(0.0,) * n_mics)
    return evidence.order_gain(judged) < ORDER_SHARE * shortfall


def oriented(
    found: Hypothesis, orientation: Orientation | None, azimuths: Sequence[float], channels: Sequence[int]
) -> tuple[Hypothesis, Turn | None, list[Finding]]:
    """The hypothesis with the renumbering that known azimuths ask for, or else the turn that they ask for; and the finding."""
    if orientation is None:
        return found, None, []
    if not orientation.explained:
        sure = len(orientation.unheard) / len(azimuths)
        return found, None, [Finding("azimuths", azimuths_sentence(azimuths), sure)]
    if orientation.agrees:
        return found, None, []
    best = orientation.best
    # Each turn that explains the azimuths alike takes its share of the belief.
    sure = confidence(best.score - orientation.as_is.score, CLEAR) / (1 + len(orientation.others))
    kind: Kind = "mirror" if best.mirrored else "rotation"
    message = turn_sentence(best, orientation.others, is_line=orientation.is_line)
    if best.order is None:
        return found, best, [Finding(kind, message, sure)]
    whole = replace(found, order=tuple(best.order[mic] for mic in found.order))
    if found.moved:
        # The order is wrong anyway: the azimuths only say which of the orders that sound the same it is.
        return whole, None, []
    return whole, None, [Finding(kind, f"{message} {order_sentence(whole, channels)}", sure, _numbers(whole.moved, channels))]


def channel_findings(
    evidence: Evidence,
    found: Hypothesis,
    whole: Hypothesis,
    least: float,
    recording: Recording,
    undecided: Sequence[Order],
    belief: float = 1.0,
) -> list[Finding]:
    """Order, polarities and delays, each as sure as the likelihood says that it would be missed, times `belief` in any."""
    channels, score = recording.channels, evidence.score(found)
    findings = []
    if found.moved:
        gain = score - evidence.score(replace(found, order=tuple(range(len(found.order)))))
        sure = belief * confidence(gain, least) * confidence(evidence.margin(found), LEAST_MARGIN)
        findings.append(Finding("order", order_sentence(whole, channels, undecided), sure, _numbers(whole.moved, channels)))
    if found.inverted:
        gain = score - evidence.score(replace(found, signs=(1,) * len(found.signs)))
        message = polarity_sentence(found.inverted, channels)
        findings.append(Finding("polarity", message, belief * confidence(gain, least), _numbers(found.inverted, channels)))
    for row in found.late:
        gain = score - evidence.score(replace(found, delays=(*found.delays[:row], 0.0, *found.delays[row + 1 :])))
        message = delay_sentence(row, found.delays[row], channels, recording.sample_rate)
        findings.append(Finding("delay", message, belief * confidence(gain, PRICE), _numbers([row], channels)))
    return findings


def uneven_gains(array: MicrophoneArray, levels: NDArray[np.float64]) -> NDArray[np.float64]:
    """(mic,) dB of the channels that are louder or quieter than microphones are, 0 for the others."""
    uneven = array.body_radius is not None or array.directivity is not None or array.aperture > UNEVEN_APERTURE
    least = LEAST_UNEVEN_GAIN_DB if uneven else LEAST_GAIN_DB
    return np.where(np.abs(levels) >= least, levels, 0.0)


def gain_findings(gains_db: NDArray[np.float64], channels: Sequence[int]) -> list[Finding]:
    """Channels of another gain than 0 dB."""
    return [
        Finding("gain", gain_sentence(row, gain, channels), confidence(abs(gain), LEAST_GAIN_DB), (channels[row],))
        for row, gain in enumerate(gains_db.tolist())
        if gain
    ]


def fit_findings(array: MicrophoneArray, size: Size, shortfall: float | None, *, corrected: bool) -> list[Finding]:
    """Another size, and a recording that nothing explains."""
    findings = []
    if size.counts:
        findings.append(Finding("size", size_sentence(size.scale, array), confidence(size.gain, size.least)))
    if shortfall is not None:
        bound = misfit_bound(array.n_mics)
        findings.append(Finding("misfit", misfit_sentence(array, corrected=corrected), confidence(shortfall, bound)))
    return findings


def _numbers(rows: Sequence[int], channels: Sequence[int]) -> tuple[int, ...]:
    return tuple(channels[row] for row in rows)
