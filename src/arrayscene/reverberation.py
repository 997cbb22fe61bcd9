"""How long a room rings, from a recording of whatever sounds in it."""

from __future__ import annotations

import itertools
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from arrayscene.linalg import squared_abs
from arrayscene.recording import Recording
from arrayscene.stft import STFT

FRAME_SECONDS: Final = 0.032
BAND_EDGES: Final = np.geomspace(300.0, 6000.0, 14)
"""Hertz; bands of a third of an octave are wide enough that their powers fall smoothly."""

WINDOW: Final = 16
"""Frames, a quarter of one apart, over which a decay must be straight: 128 ms."""

STRAIGHT, LEAST_DROP, ENOUGH = 0.9, 6.0, 20
"""Share of a window's variance that a line explains, dB that it falls by, and windows, below which nothing is said."""

QUARTILE: Final = 0.75
"""Of the decay rates: sounds that stop slowly make the lower ones, the room the upper."""

FIRST_SECONDS: Final = 30.0
"""Of a recording, that tell its room: the time of a steady room does not change, and reading on costs."""


def decay_time(samples: NDArray[Any], sample_rate: float) -> float | None:
    """Reverberation time T60 in seconds, from the rates at which sound dies away.

    No sound in a room stops faster than the room, and speech stops often: of all stretches of 128 ms in which the power of a
    band falls along a straight line in decibels, the upper quartile of the rates is the room's.

    Args:
        samples: (sample,) of one microphone.
        sample_rate: hertz.

    Returns: seconds, right within about 15 % from 0.25 to 0.7 s with talkers at 1 to 2 m; rooms under 0.2 s give about 0.22.
        None where too little dies away to tell: steady sounds, noise, short recordings.

    Cost: about 2 ms a second of sound.

    Reference: J. Y. C. Wen, E. A. P. Habets and P. A. Naylor, "Blind estimation of reverberation time based on the distribution
    of signal decay rates", ICASSP 2008.
    """
    stft = STFT(max(4 * round(FRAME_SECONDS * sample_rate / 4), 4))
    frames = stft(torch.from_numpy(np.ascontiguousarray(samples, dtype=np.float32)))
    if frames.shape[-1] < WINDOW:
        return None
    power, frequencies = squared_abs(frames), stft.frequencies(sample_rate)
    edges = BAND_EDGES[BAND_EDGES < 0.45 * sample_rate]
    inside = [(frequencies >= low) & (frequencies < high) for low, high in itertools.pairwise(edges)]
    bands = torch.stack([power[bins].mean(0) for bins in inside if bool(bins.any())])
    level = 10 * (bands + 1e-6 * bands.mean(1, keepdim=True) + 1e-20).log10()
    windows = level.unfold(1, WINDOW, 1)
    windows = windows - windows.mean(-1, keepdim=True)
    line = torch.arange(WINDOW, dtype=level.dtype) - (WINDOW - 1) / 2
    line = line / line.norm()
    fall = -(windows @ line)
    straight = fall.square() > STRAIGHT * windows.square().sum(-1)
    drop = fall * (line[-1] - line[0])
    rates = drop[straight & (drop > LEAST_DROP)] / (WINDOW * stft.hop / sample_rate)
    return None if len(rates) < ENOUGH else float(60 / torch.quantile(rates, QUARTILE))


def recording_decay_time(recording: Recording) -> float | None:
    """`decay_time` of the first half minute of a recording, as its first microphone hears it; seconds, None where not known.

    Cost: 60 ms at most, and memory of half a minute.
    """
    _, first = next(iter(recording.blocks(min(FIRST_SECONDS, recording.duration))))
    return decay_time(first.samples[0], recording.sample_rate)
