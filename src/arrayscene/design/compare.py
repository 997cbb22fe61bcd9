"""Arrays side by side for a purpose: what each figure counts, who is ahead, and why, in words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from arrayscene.array import MicrophoneArray
from arrayscene.design.measure import ArrayFigures, measure
from arrayscene.design.purposes import Criterion, Purpose, find_purpose
from arrayscene.design.wording import alike_in_words, ambiguity_in_words, value_in_words
from arrayscene.errors import GeometryError
from arrayscene.report.sentences import listed

MOST_ARRAYS = 7
"""As many as there are colours that everybody can tell apart."""

EQUAL = 3.0
"""Points of 100 up to which two arrays count as equal: the weights are no more exact than that."""

GOOD, WEAK = 0.7, 0.3
"""Share of a criterion's points from which on an array is good at it, and up to which it is weak."""

_SUITED = ((80.0, "very well suited"), (60.0, "well suited"), (40.0, "fairly suited"), (0.0, "poorly suited"))


class Score(NamedTuple):
    """What one figure counts for one array."""

    criterion: Criterion
    value: float
    points: float


class Entry(NamedTuple):
    """One array in a comparison.

    Attributes:
        number: from 1, in the order in which arrays came; its colour.
        rank: from 1; equal arrays share it.
    """

    number: int
    rank: int
    figures: ArrayFigures
    scores: tuple[Score, ...]

    @property
    def label(self) -> str:
        """What the array is called."""
        return self.figures.label

    @property
    def points(self) -> float:
        """0 to 100."""
        return sum(score.points for score in self.scores)


class Comparison(NamedTuple):
    """Arrays side by side, in the order in which they came."""

    purpose: Purpose
    entries: tuple[Entry, ...]

    @property
    def ranked(self) -> list[Entry]:
        """Most points first."""
        return sorted(self.entries, key=lambda entry: -entry.points)

    @property
    def best(self) -> list[Entry]:
        """All that count as equal to the one with the most points; that with the fewest microphones, to be recommended, first."""
        return sorted((entry for entry in self.ranked if entry.rank == 1), key=lambda entry: entry.figures.array.n_mics)


def compare(
    arrays: Sequence[MicrophoneArray | str], purpose: Purpose | str, progress: Callable[[str, float], None] | None = None
) -> Comparison:
    """Judge arrays for a purpose, each by itself: the points of one do not depend on which others it is compared with.

    Args:
        arrays: one to seven, or how `MicrophoneArray.resolve` knows them.
        purpose: one of `PURPOSES` or its name.
        progress: called with the name of an array and the share of its figures that is done.

    Raises:
        GeometryError: none or more than seven arrays, one that comes twice, an unknown one or one of a single microphone.
        ArraySceneError: an unknown purpose.

    Cost: 0.1 s for an array of 8 microphones, 1.5 s for 64, on one core.
    """
    purpose = find_purpose(purpose) if isinstance(purpose, str) else purpose
    if not 1 <= len(arrays) <= MOST_ARRAYS:
        raise GeometryError(f"compare: {len(arrays)} arrays came; one to {MOST_ARRAYS} were wanted")
    resolved = [MicrophoneArray.resolve(spec) for spec in arrays]
    twice = next((array for i, array in enumerate(resolved) if array in resolved[:i]), None)
    if twice is not None:
        raise GeometryError(f"compare: array {twice.name!r} came twice; give every array once")
    measured = []
    for array, label in zip(resolved, labels(arrays, resolved), strict=True):
        say = None if progress is None else lambda done, label=label: progress(label, done)  # type: ignore[misc]
        measured.append(measure(array, purpose, label, say))
    return Comparison(purpose, _ranked([(figures, _scores(figures, purpose)) for figures in measured]))


def labels(specs: Sequence[MicrophoneArray | str], arrays: Sequence[MicrophoneArray]) -> list[str]:
    """A name for each array: its own, or where two share one what the user typed."""
    names = [array.name for array in arrays]
    given = [spec if isinstance(spec, str) and names.count(name) > 1 else name for spec, name in zip(specs, names, strict=True)]
    return [f"{name} ({i + 1})" if given.count(name) > 1 else name for i, name in enumerate(given)]


def headline(comparison: Comparison) -> str:
    """The recommendation in a sentence."""
    best, purpose = comparison.best, comparison.purpose.title
    first = best[0]
    if len(comparison.entries) == 1:
        return f"{first.label} is {_suited(first)} to {purpose}: {first.points:.0f} of 100 points."
    if len(best) == 1:
        runner = comparison.ranked[1]
        verdict = f"For {purpose} take {first.label}: {first.points:.0f} of 100 points, before {runner.label} with"
        verdict += f" {runner.points:.0f}."
    else:
        names = listed([entry.label for entry in best])
        verdict = f"For {purpose} {names} are equal, with {listed([f'{entry.points:.0f}' for entry in best])} of 100 points"
        fewest = [entry for entry in best if entry.figures.array.n_mics == first.figures.array.n_mics]
        verdict += f"; {first.label} does it with the fewest microphones." if len(fewest) == 1 else "."
    return verdict + (" Even so, it suits poorly." if first.points < _SUITED[2][0] else "")


def reasons(comparison: Comparison) -> list[str]:
    """Why: what decided between the recommended array and each of the others."""
    first = comparison.best[0]
    found = []
    for other in (entry for entry in comparison.ranked if entry is not first):
        if other.rank == first.rank:
            found.append(_equal_in_words(first, other))
            continue
        ahead, behind = _differences(first, other)
        text = (
            f"{first.label} is ahead of {other.label} by {round(first.points) - round(other.points)} points, mainly by "
            + listed([_against(first, other, i) for i in ahead[:2]])
        )
        if behind:
            text += f". {other.label} is better in " + listed([_against(other, first, i) for i in behind[:2]])
        found.append(text + ".")
    return found


def good_at(entry: Entry) -> list[str]:
    """What the array does well for the purpose, with the figure."""
    return [_in_words(score) for score in entry.scores if score.points >= GOOD * score.criterion.weight]


def weak_at(entry: Entry) -> list[str]:
    """What the array does badly, with the figure."""
    return [_in_words(score) for score in entry.scores if score.points <= WEAK * score.criterion.weight]


def advice(entry: Entry, purpose: Purpose) -> list[str]:
    """What to mind when this array is used."""
    figures, found = entry.figures, []
    if figures.numbers["unambiguous"] < 1:
        found.append(f"{ambiguity_in_words(figures.array)}: {alike_in_words(figures.array, purpose)}.")
    limit = figures.numbers["aliasing_low_hz"]
    if limit < purpose.band[1]:
        found.append(
            f"Above {value_in_words(limit, 'Hz')} some directions alias, so that a linear decoder hears others as well; "
            "above it decoding needs masks or a parametric method."
        )
    return found


def _scores(figures: ArrayFigures, purpose: Purpose) -> tuple[Score, ...]:
    values = [(criterion, figures.numbers[criterion.figure]) for criterion in purpose.criteria]
    return tuple(Score(criterion, value, criterion.weight * criterion.share(value)) for criterion, value in values)


def _ranked(measured: Sequence[tuple[ArrayFigures, tuple[Score, ...]]]) -> tuple[Entry, ...]:
    """Ranks: every array is equal to the best one that it is within `EQUAL` points of."""
    entries = [Entry(i + 1, 0, figures, scores) for i, (figures, scores) in enumerate(measured)]
    ranks: dict[int, int] = {}
    best: Entry | None = None
    for place, entry in enumerate(sorted(entries, key=lambda entry: -entry.points), start=1):
        if best is None or best.points - entry.points > EQUAL:
            best, rank = entry, place
        ranks[entry.number] = rank
    return tuple(entry._replace(rank=ranks[entry.number]) for entry in entries)


def _differences(first: Entry, other: Entry) -> tuple[list[int], list[int]]:
    """Criteria in which `first` leads and in which it trails by a point, rounded, most points first."""
    gaps = [a.points - b.points for a, b in zip(first.scores, other.scores, strict=True)]
    order = sorted(range(len(gaps)), key=lambda i: -abs(gaps[i]))
    return [i for i in order if gaps[i] > 0.5], [i for i in order if gaps[i] < -0.5]


def _equal_in_words(first: Entry, other: Entry) -> str:
    ahead, behind = _differences(first, other)
    points = f"{first.points:.0f} and {other.points:.0f} points, at most {EQUAL:.0f} apart"
    text = f"{first.label} and {other.label} are equal: {points}"
    if not ahead and not behind:
        return text + ", and alike in every figure that counts."
    sides = [(first, other, ahead), (other, first, behind)]
    leads = [f"{a.label} is better in {listed([_against(a, b, i) for i in leads[:2]])}" for a, b, leads in sides if leads]
    return f"{text}; {listed(leads)}."


def _against(first: Entry, other: Entry, i: int) -> str:
    criterion, value, points = first.scores[i]
    rival = other.scores[i]
    words = f"{value_in_words(value, criterion.unit)} against {value_in_words(rival.value, criterion.unit)}"
    return f"{criterion.label} ({words}, {points - rival.points:+.0f} points)"


def _in_words(score: Score) -> str:
    return f"{score.criterion.label}: {value_in_words(score.value, score.criterion.unit)} ({score.criterion.why})"


def _suited(entry: Entry) -> str:
    return next(words for points, words in _SUITED if entry.points >= points)
