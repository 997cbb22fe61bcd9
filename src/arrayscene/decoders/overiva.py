"""OverIVA: independent vector analysis of fewer sources than there are microphones."""

from __future__ import annotations

from typing import Literal

from torch import Tensor

from arrayscene.arguments import check_whole
from arrayscene.decoders.demixing import Demixing
from arrayscene.decoders.majorization import check_update, held_to_directions, majorized, whitened
from arrayscene.decoders.source_models import Model, check_model
from arrayscene.kernels import Whitened


class OverIVA(Demixing):
    """Overdetermined independent vector analysis: the other outputs are taken to be one stationary Gaussian background.

    As `AuxIVA`, with as many outputs as sources. The background, whose outputs only need to be uncorrelated with the sources,
    is never computed: in the white mixture its rows are orthogonal to those of the sources, which is all that the updates need.
    There are no idle outputs that could swallow a source, and the cost falls with the number of sources.

    Args:
        n_sources: outputs; None: those of the response, or as many as microphones.
        model: as of `AuxIVA`.
        update: "ip" (iterative projection) or "ip2" (in pairs), see `arrayscene.kernels`.
        n_iter: times that the bins are weighted.
        n_sweeps: sweeps of the update after each weighting; None: 4 of "ip", 1 of "ip2".
        directional: as of `AuxIVA`.
        reference: microphone, from 0, at which the sources are heard.
        loading: of the pseudo-inverse that the response starts from.

    Cost: O(n_iter freq source mic^2 frame). Differentiable in y through the torch statements. Latency: the whole recording in
    `init`, none beyond the transform in `step`.

    Raises: ShapeError for more sources than microphones, or a model or update that there is not.

    Reference: R. Scheibler and N. Ono, "Independent vector analysis with more microphones than sources", WASPAA 2019.
    """

    def __init__(
        self,
        n_sources: int | None = None,
        *,
        model: Model | float = "gauss",
        update: Literal["ip", "ip2"] = "ip2",
        n_iter: int = 20,
        n_sweeps: int | None = None,
        directional: float = 0.0,
        reference: int = 0,
        loading: float = 0.03,
    ) -> None:
        super().__init__(n_sources, reference=reference, loading=loading)
        check_model(model, "OverIVA")
        check_whole("OverIVA: n_iter", n_iter, 0)
        check_update(update, ("ip", "ip2"), "OverIVA")
        self.model, self.update, self.n_iter, self.n_sweeps, self.directional = model, update, n_iter, n_sweeps, directional

    def learn(self, mixture: Tensor, start: Tensor, top: float) -> Tensor:
        """`n_iter` weightings, each with `n_sweeps` sweeps; they start from the loudest microphones."""
        loudness = mixture.detach().abs().square().sum(dim=(-3, -1))
        loudest = loudness.argsort(dim=-1, descending=True, stable=True)[..., None, : self.n_sources, None]
        rows = start.gather(-2, loudest.expand(*start.shape[:-2], loudest.shape[-2], start.shape[-1]))
        return self._learn(whitened(mixture), rows, top)

    def learn_with_response(self, mixture: Tensor, start: Tensor, top: float, A: Tensor) -> Tensor:
        """The same, with each output held to its direction."""
        rows = start[..., : self.n_sources or A.shape[-1], :]
        white = held_to_directions(whitened(mixture), A, rows.shape[-2], self.directional)
        return self._learn(white, rows, top)

    def _learn(self, white: Whitened, rows: Tensor, top: float) -> Tensor:
        return majorized(white, rows, self.model, top, self.update, self.n_iter, self.n_sweeps)
