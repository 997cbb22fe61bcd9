"""Decoders that are one matrix a frequency, D = f(A, R): delay-and-sum, the inverses of A, and MVDR."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from arrayscene.decoders.base import Decoder, Estimate
from arrayscene.decoders.quality import condition, directivity_factor, encoding_error, gain, noise_gain, white_noise_gain
from arrayscene.decoders.reliability import reliability
from arrayscene.errors import ShapeError
from arrayscene.linalg import covariance, load_diagonal
from arrayscene.response import MatrixResponse, Response


class LinearState(NamedTuple):
    """What `step` applies.

    Attributes:
        D: (..., freq, source, mic).
        response: the response that D decodes; relative to the reference microphone, if there is one.
        stats: figures of merit of D, see `arrayscene.decoders.quality`.
    """

    D: Tensor
    response: Response
    stats: Mapping[str, Tensor]


class LinearDecoder(Decoder):
    """A decoder that applies one matrix a frequency (abstract): a subclass gives `weights`.

    Sources come out as heard at the reference microphone: the columns of A are divided by their entry there, unless that is zero.
    The estimate's `stats` hold, per frequency and source, "gain" (complex), "white_noise_gain", "noise_gain", "encoding_error",
    "reliability" and, where the response knows its diffuse field, "directivity_factor"; per frequency "condition"; all linear.

    Args:
        reference: microphone, from 0; None leaves the scale of A as it is, so that D inverts A itself.
    """

    def __init__(self, reference: int | None = 0) -> None:
        super().__init__()
        self.reference = reference

    def weights(self, A: Tensor, y: Tensor, response: Response) -> Tensor:
        """D (..., freq, source, mic).

        Args:
            A: (..., freq, mic, source) complex128, relative to the reference microphone.
            y: (..., mic, freq, frame) the recording.
            response: where A comes from; knows the diffuse field.
        """
        raise NotImplementedError

    def init(self, y: Tensor, response: Response | None = None, *, generator: torch.Generator | None = None) -> LinearState:
        """Compute D and its figures of merit."""
        if response is None:
            raise ShapeError(
                f"{type(self).__name__}: no response came; pass e.g. PlaneWave(array, azimuth, frequencies=...), or use AuxIVA"
            )
        # Solved in double precision: the small matrices of low frequencies are nearly singular.
        raw = response.matrix()
        A = raw if self.reference is None else relative_to(raw, self.reference)
        D = self.weights(A, y, response)
        diffuse = response.diffuse()
        stats = {
            "gain": gain(D, A),
            "noise_gain": noise_gain(D),
            "white_noise_gain": white_noise_gain(D, A),
            "encoding_error": encoding_error(D, A),
            "condition": condition(A),
            "reliability": reliability(D, A, response.frequencies),
        }
        if diffuse is not None:
            stats["directivity_factor"] = directivity_factor(D, raw, diffuse)
        stats = {name: value.detach() for name, value in stats.items()}
        return LinearState(D.to(y.dtype), MatrixResponse(A, response.frequencies), stats)

    def step(self, y: Tensor, state: LinearState) -> tuple[Estimate, LinearState]:
        """X = D y."""
        return Estimate(torch.einsum("...fsm,...mft->...sft", state.D, y), state.response, state.stats), state


class DelayAndSum(LinearDecoder):
    """Align every microphone to the source and average: D = A^H / |a_n|^2, row by row.

    The least noise gain of all distortionless decoders, and the least rejection of other sources.

    Cost: O(freq mic source). Differentiable in A and y. No latency beyond the transform's.

    Reference: H. L. Van Trees, "Optimum Array Processing", 2002, section 2.4.
    """

    def weights(self, A: Tensor, y: Tensor, response: Response) -> Tensor:
        """A^H / |a_n|^2."""
        power = A.abs().square().sum(-2)
        return A.mH / power.clamp_min(torch.finfo(power.dtype).tiny)[..., None]


class PseudoInverse(LinearDecoder):
    """Invert A in the least-squares sense with Tikhonov loading.

    D = (A^H A + mu I)^-1 A^H for M >= N, so that D A = I; D = A^H (A A^H + mu I)^-1 for M <= N, so that A D = I (minimum norm),
    both for loading 0. mu = loading trace(A^H A) / N, or / M.

    Args:
        loading: relative Tikhonov loading; 0 inverts exactly and amplifies noise where A is ill-conditioned (low frequencies).
        reference: as for every linear decoder.

    Cost: O(freq mic source min(mic, source)). Differentiable in A and y.

    Raises: ShapeError for a negative loading.

    Reference: A. N. Tikhonov, "Solution of incorrectly formulated problems and the regularization method", 1963.
    """

    def __init__(self, loading: float = 1e-3, reference: int | None = 0) -> None:
        super().__init__(reference)
        if not loading >= 0:
            raise ShapeError(f"PseudoInverse: loading {loading} came; 0 or more is needed")
        self.loading = loading

    def weights(self, A: Tensor, y: Tensor, response: Response) -> Tensor:
        """The loaded inverse of A."""
        n_mics, n_sources = A.shape[-2:]
        D: Tensor
        if self.loading == 0:
            D = torch.linalg.pinv(A)
        elif n_mics >= n_sources:
            D = torch.linalg.solve(load_diagonal(A.mH @ A, self.loading), A.mH)
        else:
            D = torch.linalg.solve(load_diagonal(A @ A.mH, self.loading), A).mH
        return D


class MVDR(LinearDecoder):
    """Minimum variance, distortionless response: the quietest output that keeps the source.

    d_n = R^-1 a_n / (a_n^H R^-1 a_n), with R the covariance of the frames themselves (then also called MPDR) or of noise that is
    given.

    Args:
        noise: (..., mic, freq, frame) frames without the wanted sources; None uses the recording itself.
        loading: relative diagonal loading of R; guards against errors of A.
        reference: as for every linear decoder.

    Cost: O(freq mic^2 (frame + mic)). Differentiable in A and y.

    Reference: J. Capon, "High-resolution frequency-wavenumber spectrum analysis", Proc. IEEE 1969, eq. (12).
    """

    def __init__(self, noise: Tensor | None = None, loading: float = 1e-2, reference: int | None = 0) -> None:
        super().__init__(reference)
        self.noise, self.loading = noise, loading

    def weights(self, A: Tensor, y: Tensor, response: Response) -> Tensor:
        """R^-1 a_n / (a_n^H R^-1 a_n), row by row."""
        R = load_diagonal(covariance(y if self.noise is None else self.noise).to(A.dtype), self.loading)
        whitened: Tensor = torch.linalg.solve(R, A)
        gain = (A.conj() * whitened).sum(-2).real
        return whitened.mH / gain.clamp_min(torch.finfo(gain.dtype).tiny)[..., None]


def relative_to(A: Tensor, reference: int) -> Tensor:
    """A (..., freq, mic, source) with every column divided by its entry at the reference microphone, where that is not zero."""
    scale = A[..., reference : reference + 1, :]
    return A / torch.where(scale.abs() > 1e-12, scale, torch.ones_like(scale))
