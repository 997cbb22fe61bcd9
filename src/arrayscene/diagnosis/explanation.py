"""The order, polarities and delays that explain a recording best."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import combinations

from arrayscene.diagnosis.evidence import POOR, Evidence
from arrayscene.diagnosis.hypothesis import Hypothesis
from arrayscene.diagnosis.search import OrderSearch
from arrayscene.diagnosis.symmetry import Order, simplest
from arrayscene.diagnosis.timing import LEAST_DELAY, fit_all_delays, fit_few_delays, lateness

N_ORDERS = 4
"""Best orders of each search that the likelihood judges."""

PRICE = 0.02
"""Nats a microphone and snapshot by which every late or inverted channel must better the likelihood."""

NEIGHBOURS = 8
"""Microphones up to which single exchanges are judged by the likelihood as well."""

FEWEST_FOR_DELAYS = 4
"""Microphones below which delays cannot be told from directions."""


def quick_explanation(evidence: Evidence, symmetries: Sequence[Order]) -> Hypothesis:
    """The best of few orders and polarities; delays are left out.

    Cost: one search and about four likelihoods.
    """
    return max([_nothing(evidence), *_orders(evidence, symmetries, blind=False)[:2]], key=lambda trial: _worth(evidence, trial))


def explanation(evidence: Evidence, symmetries: Sequence[Order], report: Callable[[str, float], None]) -> Hypothesis:
    """The best order, polarities and delays.

    Orders come from two searches: by the mean coherences, and by their magnitudes alone, which neither delays nor polarities
    change. With few microphones single exchanges around the best are judged as well, which matters in rooms without
    reverberation. Delays are looked for where some channel is late against the others or the fit is poor, for the best order of
    each search and for the array's own, but not where all sound comes from one side: there they cannot be told from another
    direction or order. What a simpler hypothesis explains nearly as well is taken back.

    Args:
        evidence: of the recording.
        symmetries: orders that a recording cannot tell from each other.
        report: progress.

    Cost: some ten to hundred likelihoods.
    """
    report("order", 0.0)
    nothing = _nothing(evidence)
    blind = _orders(evidence, symmetries, blind=True)
    trials = [nothing, *_orders(evidence, symmetries, blind=False), *blind]
    best = max(trials, key=lambda trial: _worth(evidence, trial))
    report("order", 0.5)
    if len(best.order) <= NEIGHBOURS:
        best = _descend(evidence, best, symmetries)
    report("order", 1.0)
    if len(best.order) >= FEWEST_FOR_DELAYS and not evidence.one_sided():
        late = lateness(evidence.model, best.undo(evidence.tiles))
        if float(late.delays.abs().max()) >= LEAST_DELAY or evidence.shortfall(best) > POOR:
            starts = dict.fromkeys([best, nothing, *blind[:1]])
            for n, start in enumerate(starts):
                report("delays", n / len(starts))
                aligned = fit_all_delays(evidence, start)
                inverted = replace(start, signs=aligned[0].signs)
                few = [fit_few_delays(evidence, trial, PRICE) for trial in dict.fromkeys([start, inverted])]
                trials = [best, *few, *aligned]
                best = max(trials, key=lambda trial: _worth(evidence, trial))
            if best.late and len(best.order) <= NEIGHBOURS:
                # Delays may only have undone the exchange of two rows.
                on_time = _descend(evidence, replace(best, delays=nothing.delays), symmetries)
                best = max(best, on_time, key=lambda trial: _worth(evidence, trial))
            report("delays", 1.0)
    return _simplified(evidence, best)


def _orders(evidence: Evidence, symmetries: Sequence[Order], *, blind: bool) -> list[Hypothesis]:
    search = OrderSearch(evidence.model, evidence.tiles, blind=blind)
    found = search(symmetries, N_ORDERS)
    nothing = _nothing(evidence)
    return [replace(nothing, order=order, signs=nothing.signs if blind else signs) for order, signs in found]


def _descend(evidence: Evidence, start: Hypothesis, symmetries: Sequence[Order]) -> Hypothesis:
    """Exchange two rows or invert one as long as the likelihood grows."""
    here = start
    while True:
        better = max(_neighbours(here, symmetries), key=lambda trial: _worth(evidence, trial))
        if _worth(evidence, better) <= _worth(evidence, here) + 1e-6:
            return here
        here = better


def _neighbours(here: Hypothesis, symmetries: Sequence[Order]) -> Iterator[Hypothesis]:
    for first, second in combinations(range(len(here.order)), 2):
        order = list(here.order)
        order[first], order[second] = order[second], order[first]
        yield replace(here, order=simplest(tuple(order), symmetries))
    for mic in range(len(here.order)):
        yield here.flipped([-1 if mic == other else 1 for other in range(len(here.order))])


def _simplified(evidence: Evidence, found: Hypothesis) -> Hypothesis:
    """Without the parts that do not pay."""
    here = found
    for row in (*found.inverted, *found.late):
        without = [
            replace(here, signs=(*here.signs[:row], 1, *here.signs[row + 1 :])),
            replace(here, delays=(*here.delays[:row], 0.0, *here.delays[row + 1 :])),
        ]
        here = max([here, *without], key=lambda trial: _worth(evidence, trial))
    return here


def _worth(evidence: Evidence, trial: Hypothesis) -> float:
    return evidence.score(trial) - PRICE * (len(trial.inverted) + len(trial.late))


def _nothing(evidence: Evidence) -> Hypothesis:
    return Hypothesis.nothing(evidence.model.array.n_mics)
