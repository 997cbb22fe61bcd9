"""The beamformer of the greatest signal-to-noise ratio."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from arrayscene.decoders.statistical import StatisticalDecoder
from arrayscene.decoders.statistics import Statistics
from arrayscene.errors import ShapeError
from arrayscene.kernels import Principal, principal


class GEV(StatisticalDecoder):
    """Generalised eigenvalue (maximum SNR) beamformer with blind analytic normalisation.

    w = argmax w^H R_s w / w^H R_n w, from R_s w = lambda R_n w; d = g w^H. The eigenvector leaves the complex factor g of each
    frequency open. Its modulus follows from blind analytic normalisation, |g| = sqrt(w^H R_n R_n w / M) / (w^H R_n w): the source
    as loud as on average over the microphones. Its phase is that of the source at the reference microphone, so that it runs
    smoothly over frequency.

    Args:
        statistics, loading: as for every statistical decoder.
        scale: "blind" as above; "reference" gives the source as heard at the reference microphone, which makes it the MVDR of the
            relative transfer function found by covariance whitening.
        reference: microphone, from 0.

    Takes any number of sources, each against all the others.

    Cost: the statistics', plus O(freq source mic^3). Differentiable in A and y. Latency: the whole recording in `init`, or none
    beyond a block with recursive statistics.

    Raises: ShapeError for a negative loading, another scale, or statistics that do not fit the response.

    Reference: E. Warsitz and R. Haeb-Umbach, "Blind acoustic beamforming based on generalized eigenvalue decomposition", IEEE
    TASLP 2007.
    """

    def __init__(
        self,
        statistics: Statistics | None = None,
        *,
        loading: float = 1e-3,
        scale: Literal["blind", "reference"] = "blind",
        reference: int = 0,
    ) -> None:
        super().__init__(statistics, loading=loading, reference=reference)
        if scale not in ("blind", "reference"):
            raise ShapeError(f'GEV: scale={scale!r} came; "blind" or "reference" is needed')
        self.scale = scale

    def weights(self, R_s: Tensor, R_n: Tensor) -> Tensor:
        """The rows g w^H, source by source."""
        found = principal(R_s, R_n)
        return distortionless(found, self.reference) if self.scale == "reference" else blind_analytic(found, self.reference)


def distortionless(found: Principal, reference: int) -> Tensor:
    """Filter d (..., mic) that passes `found.vector` as it is at the reference microphone."""
    return found.vector[..., reference : reference + 1] * found.filter.conj()


def blind_analytic(found: Principal, reference: int) -> Tensor:
    """Filter d (..., mic) that passes `found.vector` with its RMS over the microphones and its phase at the reference."""
    tiny = torch.finfo(found.value.dtype).tiny
    at = found.vector[..., reference : reference + 1]
    phase = at / at.abs().square().clamp_min(tiny).sqrt()
    # w^H R_n w = 1 and R_n w = a, so that the normalisation is the RMS of a.
    level = found.vector.abs().square().mean(-1, keepdim=True).clamp_min(tiny).sqrt()
    return level * phase * found.filter.conj()
