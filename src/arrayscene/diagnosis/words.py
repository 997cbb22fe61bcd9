"""Findings as sentences."""

from __future__ import annotations

import math
from collections.abc import Sequence

from arrayscene.array import MicrophoneArray
from arrayscene.diagnosis.hypothesis import Hypothesis
from arrayscene.diagnosis.orientation import CLOSE, Turn
from arrayscene.diagnosis.symmetry import Order, alike

MOST_NAMED = 12
"""Channels that a sentence lists."""

MORE_TALKERS = "more talkers with known azimuths, unevenly spread, tell"


ONE_SIDED_SENTENCE = (
    "All sound comes from one side with hardly any reverberation: late channels cannot be told from that, and other orders may"
    " sound the same. Record several talkers, or in a room."
)


def order_sentence(hypothesis: Hypothesis, channels: Sequence[int], symmetries: Sequence[Order] = ()) -> str:
    """Which channels carry which microphones; and other pairs whose exchange a recording cannot tell from the one named."""
    order, moved = hypothesis.order, hypothesis.moved
    n = len(order)
    if len(moved) == 2:
        swaps = [[row for row, mic in enumerate(other) if mic != row] for other in alike(order, symmetries or [tuple(range(n))])]
        others = [f"{channels[rows[0]]} and {channels[rows[1]]}" for rows in swaps if len(rows) == 2 and rows != list(moved)]
        same = f", or, which sounds the same, {' or '.join(others)}" if others else ""
        return f"Channels {channels[moved[0]]} and {channels[moved[1]]} are swapped{same}."
    places = _list(
        [f"microphone {mic + 1} is in channel {channels[row]}" for mic, row in enumerate(hypothesis.row_of_mic) if mic != row]
    )
    if all(order[row] == n - 1 - row for row in range(n)):
        return f"The channels are in reverse order: {places}."
    steps = {(mic - row) % n for row, mic in enumerate(order)}
    if len(steps) == 1:
        return f"The numbering of the channels is shifted by {min(steps)}: {places}."
    return f"The channels are in another order: {places}."


def hint_sentence(hypothesis: Hypothesis, channels: Sequence[int]) -> str:
    """An order that fits a little better, but not enough to be believed."""
    return f"Another order fits a little better, too little to be believed: {order_sentence(hypothesis, channels)} Record more."


def polarity_sentence(rows: Sequence[int], channels: Sequence[int]) -> str:
    """Which channels are inverted, and what to do."""
    one = len(rows) == 1
    return (
        f"{_channels(rows, channels)} {'has' if one else 'have'} inverted polarity. An array file cannot say that: swap the"
        f" wires, or multiply {'it' if one else 'them'} by -1."
    )


def delay_sentence(row: int, seconds: float, channels: Sequence[int], sample_rate: int) -> str:
    """How late a channel is."""
    side = "late" if seconds > 0 else "early"
    amount = f"{abs(seconds) * 1e6:.0f} microseconds ({abs(seconds) * sample_rate:.1f} samples)"
    return f"Channel {channels[row]} is {amount} {side}."


def gain_sentence(row: int, gain_db: float, channels: Sequence[int]) -> str:
    """How loud a channel is."""
    return f"Channel {channels[row]} is {abs(gain_db):.1f} dB {'louder' if gain_db > 0 else 'quieter'} than the others."


def turn_sentence(turn: Turn, others: Sequence[Turn], *, is_line: bool) -> str:
    """How the array is turned against its file, and what else would explain the known azimuths as well."""
    same = "; renumbering its channels does the same" if turn.order else ""
    sentence = f"The known azimuths say that the array is {_turn(turn, is_line=is_line)}{same}."
    if others:
        sentence += f" It may as well be {_turns(others, is_line=is_line)}: {MORE_TALKERS}."
    return sentence


def size_sentence(scale: float, array: MicrophoneArray) -> str:
    """How much too large or small the file's array is."""
    ratio, wrong = (1 / scale, "large") if scale < 1 else (scale, "small")
    amount = f"{ratio:.1f}" if ratio < 10 else f"{ratio:.0f}"
    return (
        f"No order of the channels explains the recording at this size: the array file seems {amount} times too {wrong}"
        f" ({_length(array.aperture)} across in the file, about {_length(scale * array.aperture)} in truth);"
        " check its units and whether it is the right device."
    )


def misfit_sentence(array: MicrophoneArray, *, corrected: bool) -> str:
    """That nothing explains the recording."""
    start = "Even so, nothing" if corrected else "No order of the channels, delay or size"
    return (
        f"{start} makes {array.name} explain the recording well: another array, wrong positions, talkers very near, several"
        " loudspeakers with the same sound, or channels that do not share one clock."
    )


def azimuths_sentence(azimuths: Sequence[float]) -> str:
    """That known azimuths fit no turn."""
    return f"No turn of the array puts talkers at {_degrees(azimuths)}: check the azimuths, and that all of them talk."


def unheard_sentence(azimuths: Sequence[float]) -> str:
    """That hardly anything is heard from known azimuths."""
    return f"Hardly anything is heard from {_degrees(azimuths)}, however the array is turned: that azimuth tells nothing."


def symmetry_sentence(array: MicrophoneArray, n_symmetries: int) -> str:
    """What geometry keeps any recording without known directions from showing."""
    tell = "--azimuth of talkers tells"
    if array.ambiguity == "cone":
        return f"Without known directions, a line of microphones cannot show whether its channels are in reverse order; {tell}."
    turned = "Without known directions, a recording cannot show how the array is turned or whether it is mirrored"
    if n_symmetries > 1:
        turned += f", and so not which of the {n_symmetries} numberings that only turn or mirror it is used"
    return f"{turned}; {tell}."


def others_sentence(others: Sequence[Turn], *, is_line: bool) -> str:
    """What known azimuths that fit do not exclude."""
    return f"The known azimuths would fit as well if the array were {_turns(others, is_line=is_line)}; {MORE_TALKERS}."


def _length(metres: float) -> str:
    return f"{100 * metres:.1f} cm" if metres < 1 else f"{metres:.1f} m"


def _degrees(azimuths: Sequence[float]) -> str:
    return f"{', '.join(f'{math.degrees(azimuth):.0f}' for azimuth in azimuths)} degrees"


def _turns(turns: Sequence[Turn], *, is_line: bool) -> str:
    return " or ".join(_turn(turn, is_line=is_line) for turn in turns)


def _turn(turn: Turn, *, is_line: bool) -> str:
    if is_line:
        return "the other way round, its two ends exchanged"
    degrees = math.degrees(turn.angle)
    turned = f"turned by {abs(degrees):.0f} degrees {'counter-clockwise' if degrees > 0 else 'clockwise'}"
    if abs(turn.angle) < CLOSE:
        turned = ""
    if not turn.mirrored:
        return turned or "as in its file"
    return "mirrored (left and right exchanged, or upside down)" + (f" and {turned}" if turned else "")


def _channels(rows: Sequence[int], channels: Sequence[int]) -> str:
    numbers = [str(channels[row]) for row in rows]
    return f"Channel {numbers[0]}" if len(numbers) == 1 else f"Channels {', '.join(numbers[:-1])} and {numbers[-1]}"


def _list(parts: Sequence[str]) -> str:
    if len(parts) > MOST_NAMED:
        return f"{', '.join(parts[:MOST_NAMED])} and {len(parts) - MOST_NAMED} more"
    return ", ".join(parts)
