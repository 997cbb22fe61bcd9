"""Responses of arrays and directions at random, and D as a decoder applies it."""

import numpy as np
import torch
from hypothesis import assume
from hypothesis import strategies as st

from arrayscene.decoders import Decoder
from arrayscene.response import PlaneWave, Response, SphericalWave, unit_vectors

FREQUENCIES = torch.tensor([400.0, 1100.0, 2300.0], dtype=torch.float64)
WELL_CONDITIONED = 30.0


@st.composite
def responses(draw: st.DrawFn, more_mics: bool | None = None) -> Response:
    """Plane waves or nearby points around microphones at random places in a ball of 15 cm."""
    n_mics, n_sources = draw(st.integers(2, 6)), draw(st.integers(1, 6))
    assume(more_mics is None or (n_mics >= n_sources if more_mics else n_mics <= n_sources))
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    positions = torch.tensor(0.15 * generator.uniform(-1, 1, (n_mics, 3)))
    azimuth = torch.tensor(generator.uniform(-np.pi, np.pi, n_sources))
    elevation = torch.tensor(generator.uniform(-1.2, 1.2, n_sources))
    if draw(st.booleans()):
        return PlaneWave(positions, azimuth, elevation, frequencies=FREQUENCIES)
    return SphericalWave(positions, 0.6 * unit_vectors(azimuth, elevation), frequencies=FREQUENCIES)


def frames(n_mics: int, dtype: torch.dtype = torch.complex128) -> torch.Tensor:
    return torch.randn(n_mics, len(FREQUENCIES), 20, dtype=dtype, generator=torch.Generator().manual_seed(0))


def demixing(decoder: Decoder, response: Response, dtype: torch.dtype = torch.complex128) -> torch.Tensor:
    """D (freq, source, mic), found by decoding one unit impulse for each microphone."""
    n_mics = response.matrix().shape[-2]
    impulses = torch.eye(n_mics, dtype=dtype)[:, None].expand(n_mics, len(FREQUENCIES), n_mics)
    state = decoder.init(frames(n_mics, dtype), response)
    return decoder.step(impulses, state)[0].x.movedim(0, 1)
