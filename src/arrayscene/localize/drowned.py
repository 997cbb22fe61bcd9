"""What a count may miss: sources that drown in the reverberation of a room that rings for long."""

from __future__ import annotations

RINGING = 0.6
"""T60 in seconds, as `decay_time` finds it, from which on a count is doubted: with one to four talkers and 3 to 7 microphones
17 % of the counts were wrong above 0.5 s, nearly all too low, and 6 % below."""


def drowned_remark(reverberation: float | None, n_found: int) -> list[str]:
    """A sentence where sources may be missing from a count; none in rooms that ring less.

    Args:
        reverberation: seconds, as `decay_time` finds them; None where not known.
        n_found: sources that were counted.
    """
    if reverberation is None or reverberation < RINGING or not n_found:
        return []
    return [
        f"This room rings for about {reverberation:.1f} s: sources that are weak or far drown in it, and there may be more than"
        f" the {n_found} found; say how many there are if you know."
    ]
