"""The two ends of a recording, where all channels begin and break off at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FADE_SECONDS, FADE_SHARE = 0.02, 0.02
"""Longest fade, in seconds and as a share of the recording."""


def ends_faded(samples: NDArray[np.float32], start: int, n_samples: int, sample_rate: int) -> NDArray[np.float32]:
    """A block of a recording, faded in and out where the recording begins and ends.

    A sound that is under way there is a click in all channels at one moment, which has a direction although nobody made it. Where
    hardly anything else is left, such as of a tone above the limit of resampling, it is what would be found.

    Args:
        samples: (mic, sample) of the block.
        start: its first sample in the recording.
        n_samples: of the recording.
        sample_rate: hertz.
    """
    n = int(min(FADE_SECONDS * sample_rate, FADE_SHARE * n_samples))
    ramp = np.sin(np.pi / 2 * (np.arange(n) + 0.5) / max(n, 1)).astype(np.float32) ** 2
    stop = start + samples.shape[-1]
    if start >= n and stop <= n_samples - n:
        return samples
    gain = np.ones(samples.shape[-1], np.float32)
    first = ramp[start:stop]
    gain[: len(first)] *= first
    # Ends count from the last sample backwards.
    last = ramp[max(n_samples - stop, 0) : max(n_samples - start, 0)]
    if len(last):
        gain[-len(last) :] *= last[::-1]
    return np.asarray(samples * gain, dtype=np.float32)
