"""How far to trust what a decoder returns, per frequency and source: 1 everything, 0 nothing."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from arrayscene.constants import SPEED_OF_SOUND
from arrayscene.decoders.quality import encoding_error, noise_gain

SENSOR_NOISE = 1e-3
"""Power of each microphone's own noise, relative to a source at the reference microphone (-30 dB)."""

MISPLACED = 1e-3
"""Metres by which a microphone, or the wavefront at it, is taken to be off, per axis; a millimetre is careful assembly."""


def reliability(D: Tensor, A: Tensor, frequencies: Tensor | None = None) -> Tensor:
    """Share (..., freq, source) of a recovered source that is right, in the mean over what may go wrong.

    r_n = 1 - E|x_n - d_n (A + dA) x - d_n n|^2 / E|x_n|^2, at least 0, for uncorrelated sources of equal power, sensor noise
    30 dB below them, and, where `frequencies` are given, errors dA of the response as from microphones misplaced by a millimetre
    along each axis, which are small at low frequencies and grow with the square of the frequency.

    Sources that cannot be told apart at all share what there is: 1 / source of each is right.

    It falls where D cannot tell the sources apart or dares not (low frequencies), where it amplifies noise, and where the
    wavelength nears the errors of the geometry.

    Args:
        D: (..., freq, source, mic).
        A: (..., freq, mic, source), relative to the reference microphone.
        frequencies: (freq,) hertz, where A comes from geometry; None where it was found from the recording itself.
    """
    noise = torch.full(A.shape[-3:-2], SENSOR_NOISE, dtype=torch.float64, device=A.device)
    if frequencies is not None:
        phase_error = (2 * math.pi * MISPLACED / SPEED_OF_SOUND * frequencies.to(noise)).square()
        noise = noise + A.shape[-1] * (1 - torch.exp(-phase_error))
    wrong = encoding_error(D, A) + noise[..., None].to(A.real.dtype) * noise_gain(D)
    return (1 - wrong).detach().clamp(0, 1)


def best_reliability(A: Tensor, noise: Tensor | float = SENSOR_NOISE) -> Tensor:
    """Reliability (..., freq, source) of the best linear decoder for an A that was found from the recording.

    That decoder is D = (A^H A + sigma^2 I)^-1 A^H, which leaves the error sigma^2 (A^H A + sigma^2 I)^-1 on its diagonal.

    Args:
        A: (..., freq, mic, source), relative to the reference microphone.
        noise: (..., freq) power sigma^2 of what A x leaves at a microphone, relative to that of a source; or one number.
    """
    sigma2 = torch.as_tensor(noise, dtype=A.real.dtype, device=A.device)[..., None, None]
    loaded = A.mH @ A + sigma2 * torch.eye(A.shape[-1], dtype=A.dtype, device=A.device)
    left: Tensor = sigma2[..., 0] * torch.linalg.inv(loaded).diagonal(dim1=-2, dim2=-1).real
    return (1 - left).detach().clamp(0, 1)
