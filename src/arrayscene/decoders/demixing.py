"""What blind linear separations share: a demixing matrix a frequency, its start, its scale, and the order of its outputs."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from arrayscene.decoders.base import Decoder, Estimate, check_wanted
from arrayscene.decoders.figures import Figures
from arrayscene.decoders.linear import relative_to
from arrayscene.decoders.quality import condition, noise_gain
from arrayscene.decoders.reliability import reliability
from arrayscene.errors import ShapeError
from arrayscene.kernels import exact_covariance
from arrayscene.linalg import apply, fit_linear, load_diagonal
from arrayscene.response import MatrixResponse, Response

DEFAULT_TOP_HZ = 8000.0
"""Highest frequency taken where no response says it."""

PARTING = 1e-3
"""How far the rows of the start are pulled apart, in the direction of each source's mean over frequency."""


class DemixingState(NamedTuple):
    """D (..., freq, source, mic), and the A (..., freq, mic, source) that it found."""

    D: Tensor
    response: MatrixResponse


class LinearSeparation(Decoder):
    """A separation that has learnt one matrix a frequency (abstract): a subclass gives `init`."""

    reference: int

    def step(self, y: Tensor, state: DemixingState) -> tuple[Estimate, DemixingState]:
        """X = D y with the D that was learnt."""
        D, A = state.D.detach(), state.response.values.detach()
        stats = Figures(noise_gain=lambda: noise_gain(D), condition=lambda: condition(A), reliability=lambda: reliability(D, A))
        return Estimate(apply(state.D, y), state.response, stats), state


class Demixing(LinearSeparation):
    """A blind separation by one matrix a frequency (abstract): a subclass gives `learn`.

    With a response, the demixing starts from its pseudo-inverse, so that the first outputs belong to its sources; without, it
    starts from the microphones and keeps the loudest outputs. Each output is scaled by the minimal-distortion principle.

    Args:
        n_sources: outputs to return; None: those of the response, or all.
        reference: microphone, from 0, at which the sources are heard.
        loading: of the pseudo-inverse that the response starts from.

    Raises: ShapeError for more sources than microphones.

    Reference: K. Matsuoka and S. Nakashima, "Minimal distortion principle for blind source separation", 2001.
    """

    def __init__(self, n_sources: int | None = None, *, reference: int = 0, loading: float = 0.03) -> None:
        super().__init__()
        check_wanted(n_sources, type(self).__name__)
        self.n_sources, self.reference, self.loading = n_sources, reference, loading

    def learn(self, mixture: Tensor, start: Tensor, top: float) -> Tensor:
        """D (..., freq, output, mic), at any scale.

        Args:
            mixture: (..., freq, mic, frame) complex, contiguous, the largest real or imaginary part of each recording 1; zeros
                where it is silent.
            start: (..., freq, mic, mic) demixing to start from; outputs that are asked for come first.
            top: hertz of the highest frequency.
        """
        raise NotImplementedError

    def learn_with_response(self, mixture: Tensor, start: Tensor, top: float, A: Tensor) -> Tensor:
        """The same where A (..., freq, mic, source) is known; for those to whom it is of use beyond the start."""
        return self.learn(mixture, start, top)

    def init(self, y: Tensor, response: Response | None = None, *, generator: torch.Generator | None = None) -> DemixingState:
        """Learn the demixing matrix from the whole recording."""
        A = None if response is None else response.matrix()
        known = 0 if A is None else A.shape[-1]
        n_sources = self.n_sources or known or y.shape[-3]
        check_count(type(self).__name__, max(n_sources, known), y.shape[-3])
        mixture = normalised(y)
        start, top = first_demixing(mixture, A, self.loading), top_frequency(response)
        D = self.learn(mixture, start, top) if A is None else self.learn_with_response(mixture, start, top, A)
        return scaled(D, y, n_sources, self.reference, None if response is None else response.frequencies)


def check_count(who: str, n_sources: int, n_mics: int) -> None:
    """Refuse more sources than a linear separation can part."""
    if n_sources > n_mics:
        raise ShapeError(
            f"{who}: {n_sources} sources came for {n_mics} microphones; at most as many sources as microphones can be separated"
            " linearly without directions (MVDR and PseudoInverse take more)"
        )


def normalised(y: Tensor) -> Tensor:
    """Frames (..., mic, freq, frame) as (..., freq, mic, frame), contiguous, the largest real or imaginary part 1."""
    parts = torch.view_as_real(y.movedim(-3, -2).resolve_conj().contiguous())
    flat = parts.detach().flatten(-4)
    peak = torch.maximum(flat.amax(-1), -flat.amin(-1))[..., None, None, None, None]
    return torch.view_as_complex(parts / torch.where(peak > 0, peak, 1))


def scaled(D: Tensor, y: Tensor, n_sources: int, reference: int, frequencies: Tensor | None) -> DemixingState:
    """Outputs as heard at the reference microphone, and the A that they fit.

    Args:
        D: (..., freq, output, mic) at any scale.
        y: (..., mic, freq, frame) the recording.
        n_sources: outputs to keep: the first, or without frequencies the loudest.
        reference: microphone, from 0.
        frequencies: (freq,) hertz, where the first outputs belong to known sources.
    """
    n_mics = y.shape[-3]
    D = D.to(torch.complex128)
    # An output that holds nothing but the rounding of its microphones must not be made as loud as a source.
    R_yy = load_diagonal(exact_covariance(y.movedim(-3, -2)), 4 * torch.finfo(y.dtype).eps ** 2)
    mixing = fit_linear(R_yy, D)
    scale = mixing[..., reference, :]
    if frequencies is None and n_sources < D.shape[-2]:
        power = (D @ R_yy * D.conj()).sum(-1).real
        level = (power * scale.abs().square()).sum(-2)
        order = level.argsort(dim=-1, descending=True)[..., None, :n_sources]
    else:
        order = torch.arange(n_sources, device=y.device).expand(*y.shape[:-3], 1, n_sources)
    order = order.expand(*scale.shape[:-1], n_sources)
    scale = scale.gather(-1, order)
    D = D.gather(-2, order[..., None].expand(*order.shape, n_mics)) * scale[..., None]
    mixing = relative_to(mixing.gather(-1, order[..., None, :].expand(*order.shape[:-1], n_mics, n_sources)), reference)
    frequencies = torch.arange(y.shape[-2], dtype=torch.float64) if frequencies is None else frequencies
    return DemixingState(D.to(y.dtype), MatrixResponse(mixing.to(y.dtype), frequencies))


def first_demixing(mixture: Tensor, A: Tensor | None, loading: float) -> Tensor:
    """(..., freq, mic, mic) that a mixture (..., freq, mic, frame) is separated by in the beginning; the identity without A."""
    n_mics = mixture.shape[-2]
    if A is None:
        return torch.eye(n_mics, dtype=mixture.dtype, device=mixture.device).expand(*mixture.shape[:-1], n_mics)
    return starting_matrix(A, loading).to(mixture.dtype).expand(*mixture.shape[:-1], n_mics)


def top_frequency(response: Response | None) -> float:
    """Hertz of the highest frequency."""
    return DEFAULT_TOP_HZ if response is None else float(response.frequencies[-1])


def starting_matrix(A: Tensor, loading: float) -> Tensor:
    """(..., freq, mic, mic): the loaded pseudo-inverse of A for its sources, and rows orthogonal to it for the idle outputs."""
    inverse: Tensor = torch.linalg.solve(load_diagonal(A.mH @ A, loading), A.mH)
    # Where sources look alike to the array, as all do at 0 Hz, its rows would be alike too, and the sweeps could never part them.
    return completed(inverse + PARTING * A.mean(-3, keepdim=True).mH)


def completed(D: Tensor) -> Tensor:
    """D (..., freq, source, mic) with rows orthogonal to it for the idle outputs, (..., freq, mic, mic)."""
    n_sources, n_mics = D.shape[-2:]
    if n_sources == n_mics:
        return D
    # The last microphones less what D hears: a singular value decomposition's null space turns freely with the last digits of D.
    last = torch.eye(n_mics, dtype=D.dtype, device=D.device)[:, n_sources:].expand(*D.shape[:-2], -1, -1)
    Q: Tensor = torch.linalg.qr(torch.cat([D.mH, last], dim=-1)).Q
    return torch.cat([D, Q[..., n_sources:].mH], dim=-2)
