"""Noise as a diffuse field has it at microphones: coherent by their distance."""

from __future__ import annotations

import math
from typing import Final

import torch
from scipy.fft import next_fast_len
from torch import Tensor

from arrayscene.constants import SPEED_OF_SOUND

LOADING: Final = 1e-4
"""Share of independent noise: at low frequencies the coherence matrix is singular to float32 without it."""

STEP: Final = 0.01
"""Frequency step of the mixing, in c / aperture; the coherence is then right to 0.015."""


def diffuse_field(
    microphones: Tensor,
    n_fields: int,
    n_samples: int,
    *,
    sample_rate: int,
    generator: torch.Generator,
    speed_of_sound: float = SPEED_OF_SOUND,
) -> Tensor:
    """White noise of unit power with the coherence of a diffuse field, sin(k d) / (k d) between microphones d apart.

    Each frequency is an independent complex normal vector, mixed by the Cholesky factor of the coherence matrix.

    Args:
        microphones: (scene, mic, 3) metres.
        n_fields: independent fields a scene.
        n_samples: length.
        sample_rate: hertz.
        generator: on the CPU; the same one gives the same noise on every device.
        speed_of_sound: m/s.

    Returns:
        (scene, field, mic, sample) float32 on the device of `microphones`.

    Cost: O(fields mic^2 samples), and one inverse transform for each field and microphone.

    Reference: E. A. P. Habets, I. Cohen and S. Gannot, "Generating nonstationary multisensor signals under a spatial coherence
    constraint", J. Acoust. Soc. Am. 124(5), 2008.
    """
    device = microphones.device
    n_scenes, n_mics = microphones.shape[:2]
    n_fft = int(next_fast_len(n_samples, real=True))
    n_freqs = n_fft // 2 + 1
    noise = torch.randn(n_scenes, n_freqs, n_mics, 2 * n_fields, generator=generator).to(device)
    places = microphones.to(torch.float32)
    distances = torch.cdist(places, places, compute_mode="donot_use_mm_for_euclid_dist")
    # One mixing matrix serves all frequencies of a step; steps are finer the larger the array.
    step = STEP * speed_of_sound / max(float(distances.max()), 1e-3)
    n_steps = max(1, min(n_freqs, round(sample_rate / 2 / step)))
    centers = (torch.arange(n_steps, device=device) + 0.5) * (sample_rate / 2 / n_steps)
    coherence = torch.sinc(2 * centers[:, None, None] * distances[:, None] / speed_of_sound)
    eye = torch.eye(n_mics, device=device)
    factor = torch.linalg.cholesky((coherence + LOADING * eye) / (1 + LOADING))
    nearest = (torch.arange(n_freqs, device=device) * n_steps // n_freqs).clamp(max=n_steps - 1)
    mixed = (factor[:, nearest] @ noise).unflatten(-1, (n_fields, 2))
    spectrum = torch.view_as_complex(mixed.permute(0, 3, 2, 1, 4).contiguous())
    # Half the spectrum is drawn, of two parts each; irfft divides by n_fft.
    field: Tensor = torch.fft.irfft(spectrum, n=n_fft)[..., :n_samples]
    return field * math.sqrt(n_fft / 2)
