"""ILRMA: blind separation with a nonnegative factorization of every source's spectrogram."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from arrayscene.arguments import check_whole
from arrayscene.decoders.auxiva import AuxIVA
from arrayscene.decoders.demixing import Demixing
from arrayscene.decoders.majorization import SWEEPS, whitened
from arrayscene.errors import ShapeError
from arrayscene.kernels import ilrma_update, output_power

CORNER_HZ = 700.0
"""Where the scale on which the bands of the start are equally wide turns from linear to logarithmic (the mel scale)."""

SPREAD = 0.02
"""Share of each band's start that lies at all other frequencies, so that its spectrum may grow there."""

KNOWN_ITER = 6
"""Weightings of AuxIVA that come first where the response is known; as many again change nothing."""


class ILRMA(Demixing):
    """Independent low-rank matrix analysis: a demixing matrix a frequency, and a source model of few spectra.

    Minimises sum |y_k|^2 / R_k + log R_k - 2 sum_f log|det W| with R_k = T_k V_k, `n_bases` spectra with their activations, by
    turns: multiplicative updates of T and V, then sweeps of iterative source steering for W. It separates more than AuxIVA, whose
    model is one activation for all frequencies, but from scratch finds poor optima: AuxIVA comes first. The spectra begin as
    bands of frequency, the activations as the power in them; nothing is drawn at random.

    Args:
        n_sources: outputs to return; None: those of the response, or all.
        n_bases: spectra a source.
        student_nu: degrees of freedom of a Student's t source model (t-ILRMA), which forgives bins that do not fit; None:
            Gaussian.
        n_iter: updates of the source model.
        start: separation that comes first; None: `AuxIVA()`, or a little of its banded model where the response is known, from
            which the spherical model would drift.
        reference: microphone, from 0, at which the sources are heard.
        loading: of the pseudo-inverse that the response starts from.

    Cost: the start's, and O(n_iter freq mic frame (n_bases + mic^2)). Differentiable in y through the torch statements. Latency:
    the whole recording in `init`, none beyond the transform in `step`.

    Raises: ShapeError for more sources than microphones, no basis, or degrees of freedom that are not positive.

    References: D. Kitamura, N. Ono, H. Sawada, H. Kameoka and H. Saruwatari, "Determined blind source separation unifying
    independent vector analysis and nonnegative matrix factorization", IEEE/ACM TASLP 2016; S. Mogami et al., "Independent
    low-rank matrix analysis based on complex Student's t-distribution for blind audio source separation", MLSP 2017.
    """

    def __init__(
        self,
        n_sources: int | None = None,
        *,
        n_bases: int = 4,
        student_nu: float | None = None,
        n_iter: int = 20,
        start: Demixing | None = None,
        reference: int = 0,
        loading: float = 0.03,
    ) -> None:
        super().__init__(n_sources, reference=reference, loading=loading)
        check_whole("ILRMA: n_iter", n_iter, 0)
        if n_bases < 1 or (student_nu is not None and not student_nu > 0):
            raise ShapeError(f"ILRMA: n_bases={n_bases}, student_nu={student_nu} came; at least 1 and above 0 are needed")
        self.n_bases, self.student_nu, self.n_iter, self.start = n_bases, student_nu, n_iter, start

    def learn(self, mixture: Tensor, start: Tensor, top: float) -> Tensor:
        """The start's D, then `n_iter` updates of the source model and of D."""
        first = self.start or AuxIVA(update="iss")
        return self._refined(mixture, first.learn(mixture, start, top), top)

    def learn_with_response(self, mixture: Tensor, start: Tensor, top: float, A: Tensor) -> Tensor:
        """The same, from a start that makes use of A."""
        first = self.start or AuxIVA(model="banded", n_iter=KNOWN_ITER)
        return self._refined(mixture, first.learn_with_response(mixture, start, top, A), top)

    def _refined(self, mixture: Tensor, D: Tensor, top: float) -> Tensor:
        tail = 0.0 if self.student_nu is None else 2 / (2 + self.student_nu)
        white = whitened(mixture)
        W, power = unit_power(white.parts, white.demixing(D))
        T, V = starting_factors(power, self.n_bases, top)
        for _ in range(self.n_iter):
            W, T, V = ilrma_update(white, W, T, V, tail, SWEEPS["iss"])
        return white.undone(W)


def unit_power(parts: Tensor, W: Tensor) -> tuple[Tensor, Tensor]:
    """W (..., freq, output, mic) with rows scaled so that every output has unit power, and the power (..., freq, output, frame).

    Args:
        parts: (..., freq, 2, mic, frame) real and imaginary parts of the mixture.
        W: (..., freq, output, mic) complex128.
    """
    power = output_power(parts, W, pooled=False)
    level = power.mean(-1, keepdim=True)
    # Where nothing sounds, rows of unit length keep W away from overflow.
    silent = torch.linalg.vector_norm(W, dim=-1, keepdim=True).square().to(level.dtype)
    scale = torch.where(level > torch.finfo(level.dtype).tiny * 1e6, level, silent).rsqrt()
    return W * scale.to(W.real.dtype), power * scale.square()


def starting_factors(power: Tensor, n_bases: int, top: float) -> tuple[Tensor, Tensor]:
    """Spectra T (..., freq, source, basis) and activations V (..., source, basis, frame) of outputs with unit power.

    Basis b is the long-term spectrum in one of `n_bases` overlapping bands, equally wide on the mel scale, and the mean power
    there in every frame. From random factors the updates, of which each changes little, take far longer to find what tells
    sources apart.

    Args:
        power: (..., freq, source, frame) real, mean over frames 1.
        n_bases: bands.
        top: hertz of the highest frequency.
    """
    hertz = torch.linspace(0, top, power.shape[-3], dtype=torch.float64, device=power.device)
    place = torch.log1p(hertz / CORNER_HZ) * (n_bases / math.log1p(top / CORNER_HZ)) - 0.5
    bands = (1 - (place[:, None] - torch.arange(n_bases, device=power.device)).abs()).clamp_min(0) + SPREAD
    bands = (bands / bands.sum(-1, keepdim=True)).to(power.dtype)
    T = bands[:, None] * power.mean(-1)[..., None]
    return T, torch.einsum("fb,...fkt->...kbt", bands / bands.sum(0), power)
