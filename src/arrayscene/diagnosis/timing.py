"""Channels that are late or inverted."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import linprog
from torch import Tensor

from arrayscene.diagnosis.evidence import Evidence
from arrayscene.diagnosis.field import FieldModel
from arrayscene.diagnosis.hypothesis import Hypothesis
from arrayscene.diagnosis.tiles import Tiles

Array = NDArray[np.float64]

REACH = 1e-3
"""Seconds up to which a channel may be late or early."""

STEP = 4e-6
"""Seconds between delays that are tried."""

LEAST_DELAY = 40e-6
"""Seconds below which a delay is not told from reflections and from positions a few millimetres off."""

COARSE_NOISE = 0.3
"""Noise in the field by which delays are first aligned: enough for few minima."""

SWEEPS = 12
"""Most times that every channel is aligned to the others."""

TILT = 60e-6
"""Seconds across the array by which the delays of all channels together may be wrong: it only turns the sources a little."""

TRIED = 6
"""Channels whose delays are judged by the likelihood before the next one is believed."""


class Lateness(NamedTuple):
    """How each channel follows the direction that all others agree on.

    Attributes:
        delays: (mic,) seconds by which it is late.
        signs: (mic,) -1 where it follows them better inverted, else 1.
        gained: (mic,) by how much of itself, 0 to 2, it follows them better so.
    """

    delays: Tensor
    signs: Tensor
    gained: Tensor


def lateness(model: FieldModel, tiles: Tiles) -> Lateness:
    """Leave each channel out in turn, and compare it with the others.

    z_m(f) = sum_t sum_i C_mi a_m^* a_i, with a the steering towards the direction of tile t without m, has the phase
    -2 pi f tau_m; the delay maximises |Re sum_f z_m(f) e^{j 2 pi f tau}|, whose sign is the polarity.

    Args:
        model: of the array.
        tiles: row m is microphone m.

    Cost: as many scans as there are seekers.
    """
    delays, signs, gained = (torch.zeros(model.array.n_mics, dtype=torch.float64) for _ in range(3))
    everyone = model.seek(tiles)[0]
    for mic in range(model.array.n_mics):
        where = model.seek(tiles, without=mic)[0] if mic in model.seekers else everyone
        a = model.steering[:, :, where].movedim(-1, 0)
        follow = tiles.coherence[:, :, mic] * a * a[:, :, mic, None].conj()
        follow[:, :, mic] = 0
        z = (follow.sum(-1) * tiles.audible).sum(0).to(torch.complex128)
        scores = (_turn(tiles.frequencies) @ z).real / z.abs().sum().clamp_min(1e-12)
        best = int(scores.abs().argmax())
        delays[mic], signs[mic] = _trials()[best], -1.0 if float(scores[best]) < 0 else 1.0
        gained[mic] = scores[best].abs() - scores[len(scores) // 2]
    return Lateness(delays, signs, gained)


def fit_few_delays(evidence: Evidence, start: Hypothesis, price: float) -> Hypothesis:
    """Add the delays and polarities that better the likelihood, one channel after the other, as long as that pays.

    Args:
        evidence: of the recording.
        start: order and polarities; its delays are kept.
        price: nats a microphone and snapshot that each must better the likelihood by.

    Cost: a `lateness` and some likelihoods for each late channel.
    """
    here, best = start, evidence.score(start)
    for _ in range(len(start.order) // 2 + 1):
        late = lateness(evidence.model, here.undo(evidence.tiles))
        odd = (late.delays.abs() >= LEAST_DELAY) | (late.signs < 0)
        mics = [int(mic) for mic in late.gained.argsort(descending=True) if odd[mic] and late.gained[mic] > 0]
        trials = [_mended(here, mic, float(late.delays[mic]), int(late.signs[mic])) for mic in mics[:TRIED]]
        judged = [(evidence.score(trial), n) for n, trial in enumerate(trials)]
        if not judged or max(judged)[0] < best + price:
            break
        best, n = max(judged)
        here = trials[n]
    return here


def _mended(here: Hypothesis, mic: int, delay: float, sign: int) -> Hypothesis:
    changed = here.flipped([sign if other == mic else 1 for other in range(len(here.order))])
    return changed.later({mic: delay}) if abs(delay) >= LEAST_DELAY else changed


def fit_all_delays(evidence: Evidence, start: Hypothesis) -> list[Hypothesis]:
    """Align every channel from scratch, polarities included.

    Coarse: minimise J(tau, s) = sum_f tr(G(f)^-1 D C(f) D^H), D = diag(s_m e^{j 2 pi f tau_m}), one channel at a time, C the mean
    coherence. Fine: towards the direction of every tile. Delays o + <p_m, v> only turn the directions of the sources a little and
    stay uncertain: the second answer is the one of those in which the sum of |tau_m| is least, as in most faulty arrays only some
    channels are late.

    Args:
        evidence: of the recording.
        start: the order; its polarities and delays are not used.

    Returns: all delays as found; the fewest delays.

    Cost: O(sweeps mic^2 freq trial), some scans.
    """
    model, tiles = evidence.model, evidence.tiles
    n_mics = model.array.n_mics
    plain = replace(start, signs=(1,) * n_mics, delays=(0.0,) * n_mics)
    delays, signs = _coarse(model, plain.undo(tiles))
    here = plain.flipped(signs).later(dict(enumerate((delays - delays.median()).tolist())))
    for _ in range(SWEEPS):
        step = _fine(model, here.undo(tiles))
        if float(step.abs().max()) < STEP:
            break
        here = here.later(dict(enumerate(step.tolist())))
    found = np.array([here.delays[row] for row in here.row_of_mic])
    answers = (found, _fewest(found, model.array.positions))
    aligned = plain.flipped(signs)
    return [aligned.later({m: float(d) for m, d in enumerate(answer) if abs(d) >= LEAST_DELAY}) for answer in answers]


def _coarse(model: FieldModel, tiles: Tiles) -> tuple[Tensor, list[int]]:
    C, n_mics = tiles.mean_coherence(), model.array.n_mics
    precision = torch.linalg.inv(model.diffuse.to(C.dtype) + COARSE_NOISE * torch.eye(n_mics))
    turn, trials = _turn(tiles.frequencies), _trials()
    delays, signs = torch.zeros(n_mics, dtype=torch.float64), torch.ones(n_mics, dtype=torch.float64)
    for _ in range(SWEEPS):
        before = delays.clone()
        for mic in range(n_mics):
            back = torch.polar(signs.abs().expand(len(C), -1), -2 * torch.pi * tiles.frequencies[:, None] * delays) * signs
            terms = precision[:, :, mic] * C[:, mic] * back
            terms[:, mic] = 0
            costs = (turn @ terms.sum(-1)).real
            best = int(costs.abs().argmax())
            delays[mic], signs[mic] = trials[best], -1.0 if float(costs[best]) > 0 else 1.0
        if float((delays - before).abs().max()) < STEP:
            break
    if int((signs < 0).sum()) > n_mics / 2:
        signs = -signs
    return delays, [int(sign) for sign in signs]


def _fine(model: FieldModel, tiles: Tiles) -> Tensor:
    """(mic,) seconds by which each channel is later than the directions of the tiles say."""
    where, _ = model.seek(tiles)
    a = model.steering[:, :, where].movedim(-1, 0)
    # sum_i C_mi a_i a_m^*, the microphone's own term left out.
    follow = (tiles.coherence @ a[..., None])[..., 0] * a.conj() - tiles.coherence.diagonal(dim1=-2, dim2=-1)
    z = (follow * tiles.audible[..., None]).sum(0).to(torch.complex128)
    step = _trials()[(_turn(tiles.frequencies) @ z).real.argmax(0)]
    return step - step.median()


def _fewest(delays: Array, positions: Array) -> Array:
    """The delays less o + positions v, with the offset o and the slope v, up to `TILT`, that make the sum of magnitudes least."""
    centred = positions - positions.mean(axis=0)
    _, extent, axes = np.linalg.svd(centred, full_matrices=False)
    slopes = centred @ axes[extent > 0.05 * extent[0]].T
    slopes /= np.abs(slopes).max(axis=0)
    n, k = slopes.shape
    microseconds, eye = 1e6 * delays, np.eye(n)
    design = np.column_stack([np.ones(n), slopes])
    result = linprog(
        np.r_[np.zeros(1 + k), np.ones(n)],
        A_ub=np.block([[design, -eye], [-design, -eye]]),
        b_ub=np.r_[microseconds, -microseconds],
        bounds=[(None, None), *[(-1e6 * TILT, 1e6 * TILT)] * k, *[(0, None)] * n],
    )
    return np.asarray(delays - 1e-6 * design @ result.x[: 1 + k])


@lru_cache(maxsize=1)
def _trials() -> Tensor:
    return torch.arange(-REACH, REACH + STEP / 2, STEP, dtype=torch.float64)


def _turn(frequencies: Tensor) -> Tensor:
    """(trial, freq) e^{j 2 pi f tau}."""
    phase = 2 * torch.pi * _trials()[:, None] * frequencies
    return torch.polar(torch.ones_like(phase), phase)
