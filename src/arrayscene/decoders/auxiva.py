"""AuxIVA: blind separation of every frequency at once by independent vector analysis."""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from torch import Tensor

from arrayscene.decoders.base import Decoder, Estimate
from arrayscene.decoders.linear import relative_to
from arrayscene.decoders.quality import condition, noise_gain
from arrayscene.decoders.reliability import reliability
from arrayscene.errors import ShapeError
from arrayscene.kernels import banded_weights, iss_sweep
from arrayscene.linalg import fit_response, load_diagonal
from arrayscene.response import MatrixResponse, Response

Model = Literal["banded", "gauss", "laplace"]

BANDS_HZ = (31.0, 250.0)
"""Least half widths of the two bands of the "banded" model; the second grows to `RELATIVE_BAND` of the frequency."""

RELATIVE_BAND = 0.2

DEFAULT_TOP_HZ = 8000.0
"""Highest frequency taken where no response says it."""

NOISE = 1e-10
"""Power of the sensor noise that is taken for granted, relative to each bin's mean; recordings hold far more."""

PARTING = 1e-3
"""How far the rows of the start are pulled apart, in the direction of each source's mean over frequency."""


class DemixingState(NamedTuple):
    """D (..., freq, source, mic), and the A (..., freq, mic, source) that it found."""

    D: Tensor
    response: MatrixResponse


class AuxIVA(Decoder):
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

    reference: int

    def __init__(
        self,
        n_sources: int | None = None,
        *,
        model: Model = "gauss",
        n_iter: int = 20,
        reference: int = 0,
        loading: float = 0.03,
    ) -> None:
        super().__init__()
        if model not in ("banded", "gauss", "laplace"):
            raise ShapeError(f"AuxIVA: model {model!r} came; 'banded', 'gauss' or 'laplace' is needed")
        self.n_sources, self.model, self.n_iter = n_sources, model, n_iter
        self.reference, self.loading = reference, loading

    def init(self, y: Tensor, response: Response | None = None, *, generator: torch.Generator | None = None) -> DemixingState:
        """Learn the demixing matrix from the whole recording."""
        n_mics, n_frames = y.shape[-3], y.shape[-1]
        A = None if response is None else response.matrix()
        known = 0 if A is None else A.shape[-1]
        n_sources = self.n_sources or known or n_mics
        if max(n_sources, known) > n_mics:
            raise ShapeError(
                f"AuxIVA: {max(n_sources, known)} sources came for {n_mics} microphones; at most as many sources as microphones"
                " can be separated linearly without directions (MVDR and PseudoInverse take more)"
            )
        mixture = y.movedim(-3, -2)
        peak = mixture.abs().amax(dim=(-3, -2, -1), keepdim=True)
        peak = torch.where(peak > 0, peak, 1)
        start = (
            _identity(mixture) if A is None else _starting_matrix(A, self.loading).to(y.dtype).expand(*mixture.shape[:-1], n_mics)
        )
        mixture = mixture / peak
        # D rides along as one extra frame a microphone: every sweep then changes it as it changes the outputs. Each such frame is
        # faint noise at its microphone, which keeps D finite where a bin is silent or has fewer frames than microphones.
        faint = (NOISE * (mixture.abs().square().mean(dim=(-2, -1), keepdim=True) + NOISE)).sqrt()
        outputs = torch.cat([start @ mixture, faint * start], dim=-1)
        top = DEFAULT_TOP_HZ if response is None else float(response.frequencies[-1])
        edges = _band_edges(y.shape[-2], top)
        for _ in range(self.n_iter):
            weights = self._weights(outputs[..., :n_frames], edges) * (outputs.shape[-1] / n_frames)
            weights = torch.cat([weights, weights.sum(-1, keepdim=True).expand(*weights.shape[:-1], n_mics)], dim=-1)
            outputs = iss_sweep(outputs, weights)
        D = outputs[..., n_frames:] / (faint * peak)
        x = outputs[..., :n_frames].movedim(-3, -2)
        mixing = fit_response(y, x).to(y.dtype)
        scale = mixing[..., self.reference, :]
        if A is None and n_sources < n_mics:
            level = (x.movedim(-3, -2) * scale[..., None]).abs().square().sum(dim=(-3, -1))
            order = level.argsort(dim=-1, descending=True)[..., None, :n_sources]
        else:
            order = torch.arange(n_sources, device=y.device).expand(*y.shape[:-3], 1, n_sources)
        order = order.expand(*scale.shape[:-1], n_sources)
        scale = scale.gather(-1, order)
        D = D.gather(-2, order[..., None].expand(*order.shape, n_mics)) * scale[..., None]
        mixing = relative_to(mixing.gather(-1, order[..., None, :].expand(*order.shape[:-1], n_mics, n_sources)), self.reference)
        frequencies = torch.arange(y.shape[-2], dtype=torch.float64) if response is None else response.frequencies
        return DemixingState(D, MatrixResponse(mixing, frequencies))

    def step(self, y: Tensor, state: DemixingState) -> tuple[Estimate, DemixingState]:
        """X = D y with the D that was learnt."""
        x = torch.einsum("...fsm,...mft->...sft", state.D, y)
        D, A = state.D.detach(), state.response.values.detach()
        stats = {"noise_gain": noise_gain(D), "condition": condition(A), "reliability": reliability(D, A)}
        return Estimate(x, state.response, stats), state

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


def _identity(mixture: Tensor) -> Tensor:
    n_mics = mixture.shape[-2]
    return torch.eye(n_mics, dtype=mixture.dtype, device=mixture.device).expand(*mixture.shape[:-1], n_mics)


def _starting_matrix(A: Tensor, loading: float) -> Tensor:
    """(..., freq, mic, mic): the loaded pseudo-inverse of A for its sources, and rows orthogonal to it for the idle outputs."""
    n_mics, n_sources = A.shape[-2:]
    inverse: Tensor = torch.linalg.solve(load_diagonal(A.mH @ A, loading), A.mH)
    # Where sources look alike to the array, as all do at 0 Hz, its rows would be alike too, and the sweeps could never part them.
    inverse = inverse + PARTING * A.mean(-3, keepdim=True).mH
    if n_sources == n_mics:
        return inverse
    complement = torch.linalg.svd(inverse, full_matrices=True)[2][..., n_sources:, :]
    return torch.cat([inverse, complement], dim=-2)
