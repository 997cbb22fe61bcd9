"""AuxIVA: blind separation of every frequency at once by independent vector analysis."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from arrayscene.decoders.demixing import Demixing
from arrayscene.errors import ShapeError
from arrayscene.kernels import banded_weights, iss_sweep

Model = Literal["banded", "gauss", "laplace"]

BANDS_HZ = (31.0, 250.0)
"""Least half widths of the two bands of the "banded" model; the second grows to `RELATIVE_BAND` of the frequency."""

RELATIVE_BAND = 0.2

NOISE = 1e-10
"""Power of the sensor noise that is taken for granted, relative to each bin's mean; recordings hold far more."""


class AuxIVA(Demixing):
    """Auxiliary-function independent vector analysis with iterative source steering.

    Minimises -sum log|det W| + sum_k <G(|y_k(t)|)>, with |y_k(t)| the norm over all frequencies, by ISS sweeps; there are as
    many outputs as microphones. With a response, the demixing starts from its pseudo-inverse, so that the first outputs belong
    to its sources; without, it starts from the microphones and keeps the loudest outputs. Each output is scaled by the
    minimal-distortion principle.

    Args:
        n_sources: outputs to return; None: those of the response, or all.
        model: "gauss", a variance that varies in time alike at all frequencies (better on speech), "laplace", spherical Laplace,
            or "banded", a variance that is the geometric mean of those in a narrow band, a wide band and all frequencies: closer
            to speech, but only a start from directions keeps its bands together.
        n_iter: sweeps.
        reference: microphone, from 0, at which the sources are heard.
        loading: of the pseudo-inverse that the response starts from.

    Cost: O(n_iter freq mic^2 frame). Differentiable in y through the torch statement of the sweep. Latency: the whole recording
    in `init`, none beyond the transform in `step`.

    Raises: ShapeError for more sources than microphones.

    References: N. Ono, "Stable and fast update rules for independent vector analysis based on auxiliary function technique",
    WASPAA 2011; R. Scheibler and N. Ono, ICASSP 2020 (the sweep); K. Matsuoka and S. Nakashima, "Minimal distortion principle
    for blind source separation", 2001.
    """

    def __init__(
        self,
        n_sources: int | None = None,
        *,
        model: Model = "gauss",
        n_iter: int = 20,
        reference: int = 0,
        loading: float = 0.03,
    ) -> None:
        super().__init__(n_sources, reference=reference, loading=loading)
        if model not in ("banded", "gauss", "laplace"):
            raise ShapeError(f"AuxIVA: model {model!r} came; 'banded', 'gauss' or 'laplace' is needed")
        self.model, self.n_iter = model, n_iter

    def learn(self, mixture: Tensor, start: Tensor, top: float) -> Tensor:
        """`n_iter` sweeps."""
        n_mics, n_frames = mixture.shape[-2:]
        # D rides along as one extra frame a microphone: every sweep then changes it as it changes the outputs. Each such frame is
        # faint noise at its microphone, which keeps D finite where a bin is silent or has fewer frames than microphones.
        faint = (NOISE * (mixture.abs().square().mean(dim=(-2, -1), keepdim=True) + NOISE)).sqrt()
        outputs = torch.cat([start @ mixture, faint * start], dim=-1)
        edges = _band_edges(mixture.shape[-3], top)
        for _ in range(self.n_iter):
            weights = self._weights(outputs[..., :n_frames], edges) * (outputs.shape[-1] / n_frames)
            weights = torch.cat([weights, weights.sum(-1, keepdim=True).expand(*weights.shape[:-1], n_mics)], dim=-1)
            outputs = iss_sweep(outputs, weights)
        return outputs[..., n_frames:] / faint

    def _weights(self, outputs: Tensor, edges: Tensor) -> Tensor:
        if self.model == "banded":
            return banded_weights(outputs, edges.to(outputs.device))
        power = outputs.abs().square().sum(-3, keepdim=True)
        if self.model == "gauss":
            power = power / outputs.shape[-3]
            return 1 / (power + 1e-3 * power.mean(-1, keepdim=True)).clamp_min(torch.finfo(power.dtype).tiny * 1e6)
        return 0.5 * (power + torch.finfo(power.dtype).eps ** 2).rsqrt()


def _band_edges(n_freqs: int, top: float) -> Tensor:
    """(3, freq, 2) bins of the narrow band, the wide band and all frequencies around each bin."""
    bins = torch.arange(n_freqs)
    narrow, wide = (half * (n_freqs - 1) / top for half in BANDS_HZ)
    halves = (torch.full((n_freqs,), narrow), torch.clamp(RELATIVE_BAND * bins, min=wide), torch.full((n_freqs,), float(n_freqs)))
    return torch.stack(
        [torch.stack([(bins - h.long()).clamp(min=0), (bins + h.long() + 1).clamp(max=n_freqs)], dim=-1) for h in halves]
    )
