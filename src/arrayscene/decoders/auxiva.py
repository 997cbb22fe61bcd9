"""AuxIVA: blind separation of every frequency at once by independent vector analysis."""

from __future__ import annotations

from typing import Literal

from torch import Tensor

from arrayscene.arguments import check_whole
from arrayscene.decoders.demixing import Demixing
from arrayscene.decoders.majorization import UPDATES, check_update, held_to_directions, majorized, whitened
from arrayscene.decoders.source_models import Model, check_model
from arrayscene.kernels import Whitened

Update = Literal["ip", "ip2", "ipa", "iss"]


class AuxIVA(Demixing):
    """Auxiliary-function independent vector analysis.

    Minimises -2 sum_f log|det W| + sum_k <G(|y_k(t)|)>, with |y_k(t)| the norm over all frequencies, by turns: the source model
    weights the bins, w_k = G'(r) / 2r; then W is improved against the weighted covariances V_k = <w_k y y^H>. There are as many
    outputs as microphones. With a response, the demixing starts from its pseudo-inverse, so that the first outputs belong to its
    sources; without, it starts from the microphones and keeps the loudest outputs. Each output is scaled by the
    minimal-distortion principle.

    Args:
        n_sources: outputs to return; None: those of the response, or all.
        model: "gauss", a variance that varies in time alike at all frequencies (better on speech), "laplace", spherical Laplace,
            or "banded", a variance that is the geometric mean of those in a narrow band, a wide band and all frequencies: closer
            to speech, but only a start from directions keeps its bands together. A number between 0 and 2 is the shape beta of a
            spherical generalised Gaussian.
        update: "iss" (iterative source steering), "ip" (iterative projection), "ip2" (in pairs), "ipa" (with adjustment), see
            `arrayscene.kernels`. From a blind start in rooms they end within a decibel of each other; "ip" gains most often.
        n_iter: times that the bins are weighted.
        n_sweeps: sweeps of the update after each weighting; None: 8 of "iss", 4 of "ip", 1 of the others.
        directional: how strongly each output is held to its direction, where the response is known: power, relative to the
            recording's, of noise that every microphone hears from everywhere else; 3e-3 to 1e-2 keeps "gauss" from losing talkers
            of small arrays in rooms, more keeps it from learning the room. "banded" is better off without.
        reference: microphone, from 0, at which the sources are heard.
        loading: of the pseudo-inverse that the response starts from.

    Cost: O(n_iter freq mic^3 frame). Differentiable in y through the torch statements, but for "ipa", whose gradients lose
    their digits where eigenvalues nearly coincide. Latency: the whole recording in `init`, none beyond the transform in `step`.

    Raises: ShapeError for more sources than microphones, or a model or update that there is not.

    References: N. Ono, "Stable and fast update rules for independent vector analysis based on auxiliary function technique",
    WASPAA 2011; the updates as named in `arrayscene.kernels`; K. Matsuoka and S. Nakashima, "Minimal distortion principle for
    blind source separation", 2001.
    """

    def __init__(
        self,
        n_sources: int | None = None,
        *,
        model: Model | float = "gauss",
        update: Update = "ip",
        n_iter: int = 20,
        n_sweeps: int | None = None,
        directional: float = 0.0,
        reference: int = 0,
        loading: float = 0.03,
    ) -> None:
        super().__init__(n_sources, reference=reference, loading=loading)
        check_model(model, "AuxIVA")
        check_whole("AuxIVA: n_iter", n_iter, 0)
        check_update(update, tuple(UPDATES), "AuxIVA")
        self.model, self.update, self.n_iter, self.n_sweeps, self.directional = model, update, n_iter, n_sweeps, directional

    def learn(self, mixture: Tensor, start: Tensor, top: float) -> Tensor:
        """`n_iter` weightings, each with `n_sweeps` sweeps."""
        return self._learn(whitened(mixture), start, top)

    def learn_with_response(self, mixture: Tensor, start: Tensor, top: float, A: Tensor) -> Tensor:
        """The same, with each output held to its direction."""
        white = held_to_directions(whitened(mixture), A, start.shape[-2], self.directional)
        return self._learn(white, start, top)

    def _learn(self, white: Whitened, start: Tensor, top: float) -> Tensor:
        return majorized(white, start, self.model, top, self.update, self.n_iter, self.n_sweeps)
