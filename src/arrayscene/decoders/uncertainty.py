"""How wrong a steering vector may be: from what a person knows of an array, as beamformers ask for it."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from arrayscene.array import MicrophoneArray
from arrayscene.constants import SPEED_OF_SOUND
from arrayscene.errors import ShapeError

MOST = 0.9
"""Largest uncertainty that comes out; from 1 on the steering vector could be anything."""


def steering_uncertainty(
    array: MicrophoneArray,
    frequencies: Tensor,
    *,
    direction: float = 0.0,
    position: float = 0.0,
    gain: float = 0.0,
    reference: int = 0,
    speed_of_sound: float = SPEED_OF_SOUND,
) -> Tensor:
    """Expected power (freq,) of the error of a steering vector, relative to the vector's own, for errors that are independent.

    e(f) = g^2 + 2 (1 - exp(-(2 pi f / c)^2 (s^2 + r^2 d^2) / 2)), at most 0.9, with g the gains' error, s the positions', d the
    direction's and r the array's greatest RMS extent as seen from the reference microphone.

    Args:
        array: microphones.
        frequencies: (freq,) hertz.
        direction: RMS error of a source's direction, radians.
        position: RMS error of a microphone's place along the direction, metres.
        gain: RMS relative error of a microphone's gain; 0.12 is 1 dB.
        reference: microphone, from 0, whose signal the others are compared to.
        speed_of_sound: m/s.

    Raises: ShapeError for a negative error.
    """
    if min(direction, position, gain) < 0:
        raise ShapeError(
            f"steering_uncertainty: direction={direction}, position={position}, gain={gain} came; 0 or more is needed"
        )
    extent = float(np.linalg.norm(array.positions - array.positions[reference], ord=2)) / math.sqrt(len(array.positions))
    wavenumber = 2 * math.pi * torch.as_tensor(frequencies, dtype=torch.float64) / speed_of_sound
    phase = wavenumber.square() * (position**2 + (extent * direction) ** 2)
    return (gain**2 + 2 * (1 - torch.exp(-phase / 2))).clamp(max=MOST)
