"""MUSIC and NormMUSIC: directions whose response the noise subspace does not hold, all frequencies at once."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from arrayscene.errors import ShapeError
from arrayscene.localize.spectrum import Spectrum

SMALL = 8
"""Microphones up to which the noise subspace is taken as it is."""

CANCELLED = 1e-3
"""Share of a response outside the signal subspace below which it is computed from the noise subspace."""


class MUSIC(Spectrum):
    """Multiple signal classification over a band: P(u) = mean_f a^H a / (a^H E_n E_n^H a).

    a(f, u) is the response, E_n(f) the eigenvectors of the covariance for all but the `n_sources` largest eigenvalues. With
    `normalized` every frequency's map is divided by its maximum first (NormMUSIC), so that loud frequencies do not decide alone.

    Args:
        array, frequencies, **options: as of `Spectrum`.
        normalized: whether frequencies count alike.

    Cost: O(freq mic direction min(source, mic - source)), as complex matrix products.

    Raises: as `Spectrum`; ShapeError for as many sources as microphones or more.

    References: R. O. Schmidt, "Multiple emitter location and signal parameter estimation", IEEE Trans. AP 1986; D. Salvati,
    C. Drioli and G. L. Foresti, "Incoherent frequency fusion for broadband steered response power algorithms in noisy
    environments", IEEE SPL 2014 (normalised).
    """

    def __init__(self, *args: Any, normalized: bool = False, **options: Any) -> None:
        super().__init__(*args, **options)
        self.normalized = normalized
        A = self._steering()
        A = A / A.abs().square().sum(1, keepdim=True).sqrt().clamp_min(1e-20)
        self.register_buffer("steering", torch.cat([A.real, A.imag], dim=1), persistent=False)

    steering: Tensor

    def power(self, y: Tensor, n_sources: int = 1) -> Tensor:
        """(direction,) map of frames (mic, freq, frame).

        Raises: ShapeError for frames of another number of microphones, or not fewer sources than microphones.
        """
        n_mics = self.array.n_mics
        if not 1 <= n_sources < n_mics:
            raise ShapeError(f"{type(self).__name__}: n_sources={n_sources} came; 1 to {n_mics - 1} fit {n_mics} microphones")
        frames, weights = self._frames(y)
        weighted = frames if weights is None else frames * weights[:, None]
        R = weighted.to(torch.complex64) @ frames.mH
        _, vectors = torch.linalg.eigh(R.to(torch.complex128))
        noise, signal = vectors[..., : n_mics - n_sources], vectors[..., n_mics - n_sources :]
        # A few signals are cheaper than the noise of many microphones, but taking nearly all from 1 loses the digits that matter.
        few = 2 * n_sources < n_mics and n_mics > SMALL
        inside = 1 - _energy(signal, self.steering) if few else _energy(noise, self.steering)
        if few and float(inside.min()) < CANCELLED:
            inside = _energy(noise, self.steering)
        spectrum = inside.clamp_min(1e-6).reciprocal()
        if self.normalized:
            spectrum = spectrum / spectrum.amax(1, keepdim=True)
        return spectrum.mean(0)


class NormMUSIC(MUSIC):
    """`MUSIC` whose frequencies count alike."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, normalized=True, **options)


def _energy(vectors: Tensor, steering: Tensor) -> Tensor:
    """(freq, direction) sum over the vectors (freq, mic, vector) of |e^H a|^2, a as real parts above imaginary ones."""
    real, imag = vectors.real.mT, vectors.imag.mT
    # Real products, because a sum over complex ones takes several times as long as they do.
    rows = torch.cat([torch.cat([real, imag], dim=2), torch.cat([-imag, real], dim=2)], dim=1).to(torch.float32)
    return (rows @ steering).square_().sum(1)
