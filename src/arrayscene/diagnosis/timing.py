"""Channels that are late or inverted: what each says against the direction that the others agree on."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor

from arrayscene.diagnosis.field import FieldModel
from arrayscene.diagnosis.hypothesis import Hypothesis
from arrayscene.diagnosis.tiles import Tiles

REACH = 1e-3
"""Seconds up to which a channel may be late or early."""

STEP = 4e-6
"""Seconds between delays that are tried."""

LEAST_DELAY = 25e-6
"""Seconds below which a delay is not told from reflections and from positions a few millimetres off."""

LEAST_GAIN = 0.004
"""Nats a microphone and snapshot by which a delay must better the fit to be tried further."""

TRIED = 6
"""Channels whose delays are judged by the likelihood before the next one is believed."""


class Lateness(NamedTuple):
    """How late each microphone's channel is against the others.

    Attributes:
        delays: (mic,) seconds, float64.
        agreement: (mic,) 0 to 1, how much of the channel follows the others once it is aligned.
        before: (mic,) the same as recorded; negative for an inverted channel.
    """

    delays: Tensor
    agreement: Tensor
    before: Tensor


def lateness(model: FieldModel, tiles: Tiles) -> Lateness:
    """Leave every channel out in turn: the others find the direction of each tile, and the channel's own phase its delay.

    z_m(f) = sum_t sum_i C_mi a_m^* a_i, with a the steering towards the direction that all but m agree on, has the phase
    -2 pi f tau_m; the delay maximises Re sum_f z_m(f) e^{j 2 pi f tau}.

    Args:
        model: of the array.
        tiles: row m is microphone m.

    Cost: as many scans as there are seekers.
    """
    C, n_mics = tiles.coherence, model.array.n_mics
    trial = torch.arange(-REACH, REACH + STEP / 2, STEP, dtype=torch.float64)
    turn = torch.polar(torch.ones(len(trial), len(tiles.frequencies), dtype=torch.float64), 2 * torch.pi * trial[:, None] * tiles.frequencies)
    everyone = model.seek(tiles)[0]
    delays, agreement, before = (torch.zeros(n_mics, dtype=torch.float64) for _ in range(3))
    for mic in range(n_mics):
        where = model.seek(tiles, without=mic)[0] if mic in model.seekers else everyone
        a = model.steering[:, :, where].movedim(-1, 0)
        follow = C[:, :, mic] * a * a[:, :, mic, None].conj()
        follow[:, :, mic] = 0
        z = (follow.sum(-1) * tiles.audible).sum(0).to(torch.complex128)
        scores = (turn @ z).real / z.abs().sum().clamp_min(1e-12)
        best = int(scores.argmax())
        delays[mic], agreement[mic] = trial[best], scores[best]
        before[mic] = scores[len(trial) // 2]
    return Lateness(delays, agreement, before)


def fit_delays(model: FieldModel, tiles: Tiles, start: Hypothesis) -> Hypothesis:
    """Add to a hypothesis the delays that better its likelihood, one channel at a time, as long as that pays.

    Args:
        model: of the array.
        tiles: as recorded.
        start: order and polarities; its delays are kept.

    Cost: some `lateness` and likelihoods for each late channel.
    """
    here, score = start, _score(model, tiles, start)
    for _ in range(model.array.n_mics // 2 + 1):
        late = lateness(model, start_tiles := here.undo(tiles))
        gained = (late.agreement - late.before) * (late.delays.abs() >= LEAST_DELAY)
        tried = [int(mic) for mic in gained.argsort(descending=True)[:TRIED] if gained[mic] > 0]
        judged = [(_score(model, tiles, _delayed(here, mic, float(late.delays[mic]))), mic) for mic in tried]
        if not judged or max(judged)[0] < score + LEAST_GAIN:
            break
        score, mic = max(judged)
        here = _delayed(here, mic, float(late.delays[mic]))
        del start_tiles
    return here


def _delayed(hypothesis: Hypothesis, mic: int, delay: float) -> Hypothesis:
    """With one microphone's row later by `delay`; near nothing counts as nothing."""
    delays = list(hypothesis.delays)
    row = hypothesis.row_of_mic[mic]
    delays[row] += delay
    return replace(hypothesis, delays=tuple(0.0 if abs(d) < LEAST_DELAY / 2 else d for d in delays))


def _score(model: FieldModel, tiles: Tiles, hypothesis: Hypothesis) -> float:
    return float(model.log_likelihood(hypothesis.undo(tiles)).sum()) / max(tiles.n_audible, 1)
