"""What a decoder makes of an array's directions: beam pattern, directivity index, white noise gain, width of the main lobe."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from arrayscene.array import MicrophoneArray
from arrayscene.decoders import LinearDecoder
from arrayscene.decoders.quality import directivity_factor, gain, white_noise_gain
from arrayscene.errors import GeometryError
from arrayscene.localize.grid import to_angles
from arrayscene.response import Response, far_field


class Figures(NamedTuple):
    """Figures of merit of a beamformer, per frequency and looking direction.

    Attributes:
        directivity_index_db: (freq, look) 10 log10 of the directivity factor: what is gained against sound from everywhere.
        white_noise_gain_db: (freq, look) what is gained against the microphones' own noise.
    """

    directivity_index_db: NDArray[np.float64]
    white_noise_gain_db: NDArray[np.float64]


def toward_response(array: MicrophoneArray, toward: NDArray[np.float64], f: Tensor) -> Response:
    """The far-field response of an array to (source, 3) unit vectors at (freq,) hertz."""
    azimuth, elevation = to_angles(toward)
    return far_field(array, torch.tensor(azimuth), torch.tensor(elevation), frequencies=f)


def figures_of_merit(decoder: LinearDecoder, looks: Response) -> Figures:
    """Directivity index and white noise gain of a decoder that looks in each of a response's directions.

    Args:
        decoder: fixed, so that it needs no recording: `DelayAndSum`, `Superdirective`.
        looks: the directions.

    Raises: GeometryError for a response that does not know its diffuse field.

    Cost: that of the decoder's weights.
    """
    A, diffuse = looks.matrix(), looks.diffuse()
    if diffuse is None:
        raise GeometryError("figures_of_merit: a response without a diffuse field came; one of a known geometry is needed")
    D = fixed_weights(decoder, looks)
    return Figures(_db(directivity_factor(D, A, diffuse)), _db(white_noise_gain(D, A)))


def beam_pattern(decoder: LinearDecoder, look: Response, around: Response) -> NDArray[np.float64]:
    """Power (freq, direction) of sound from `around` through the beam, relative to the same sound from the looking direction.

    Args:
        decoder: fixed, as for `figures_of_merit`.
        look: one direction.
        around: the directions to hear, at the same frequencies.
    """
    D = fixed_weights(decoder, look)[..., :1, :]
    ahead = gain(D, look.matrix()[..., :1])
    return np.asarray(((D @ around.matrix())[..., 0, :] / ahead).abs().square())


def main_lobe_width(power: NDArray[np.float64], step: float) -> NDArray[np.float64]:
    """Full width (...) of the lobe around the first of (..., angle) evenly spaced directions of a circle, at half its power.

    Args:
        power: (..., angle), angle 0 first, once round.
        step: radians between angles.

    Returns: radians; 2 pi where the power never falls to half.
    """
    return _reach(power, step) + _reach(np.roll(power[..., ::-1], 1, axis=-1), step)


def fixed_weights(decoder: LinearDecoder, response: Response) -> Tensor:
    """D (freq, source, mic) of a decoder that depends on the response alone."""
    A = response.matrix()
    return decoder.weights(A, A.new_zeros(A.shape[-2], A.shape[-3], 1), response)


def _reach(power: NDArray[np.float64], step: float) -> NDArray[np.float64]:
    """From the first angle to where half the power is reached; pi where it is not."""
    # Near its peak a lobe falls as the square of the angle in dB, so that this root is straight between samples.
    fallen = np.sqrt(np.maximum(-np.log2(np.maximum(power, 1e-12)), 0.0))
    below = fallen > 1
    after = np.maximum(below.argmax(-1), 1)
    near, far = (np.take_along_axis(fallen, index[..., None], -1)[..., 0] for index in (after - 1, after))
    reach = step * (after - 1 + (1 - near) / np.maximum(far - near, 1e-12))
    return np.asarray(np.where(below.any(-1), np.minimum(reach, math.pi), math.pi))


def _db(power: Tensor) -> NDArray[np.float64]:
    return np.asarray(10 * torch.log10(power.clamp_min(1e-12)))
