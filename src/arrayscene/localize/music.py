"""MUSIC and NormMUSIC: directions whose response the noise subspace does not hold, all frequencies at once."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from arrayscene.errors import ShapeError
from arrayscene.localize.spectrum import Spectrum


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
        self.register_buffer("steering", A / A.abs().square().sum(1, keepdim=True).sqrt().clamp_min(1e-20), persistent=False)

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
        # The smaller subspace; only few signals can be taken from 1 without losing the digits that matter.
        noise = vectors[..., : n_mics - n_sources].to(torch.complex64)
        if n_sources < n_mics - n_sources and n_mics > 8:
            signal = vectors[..., n_mics - n_sources :].to(torch.complex64)
            inside = 1 - _energy(signal.mH @ self.steering)
        else:
            inside = _energy(noise.mH @ self.steering)
        spectrum = inside.clamp_min(1e-6).reciprocal()
        if self.normalized:
            spectrum = spectrum / spectrum.amax(1, keepdim=True)
        return spectrum.mean(0)


class NormMUSIC(MUSIC):
    """`MUSIC` whose frequencies count alike."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, normalized=True, **options)


def _energy(projected: Tensor) -> Tensor:
    """(freq, direction) sum over the vectors of |E^H a|^2."""
    parts = torch.view_as_real(projected)
    return parts.square().sum(dim=(1, 3))
