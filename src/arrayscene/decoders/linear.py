"""Decoders that are one matrix a frequency, D = f(A, R)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from arrayscene.arguments import check_whole
from arrayscene.decoders.base import Decoder, Estimate
from arrayscene.decoders.figures import Figures
from arrayscene.decoders.quality import condition, directivity_factor, encoding_error, gain, noise_gain, white_noise_gain
from arrayscene.decoders.reliability import reliability
from arrayscene.errors import ShapeError
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

    Raises: ShapeError for a reference that is no microphone, or in `init` without a response.
    """

    def __init__(self, reference: int | None = 0) -> None:
        super().__init__()
        if reference is not None:
            check_whole(f"{type(self).__name__}: reference", reference, 0, ", a microphone counted from 0, or None")
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
        A = response.matrix()
        if self.reference is not None:
            if self.reference >= A.shape[-2]:
                raise ShapeError(
                    f"{type(self).__name__}: reference={self.reference} came; there are microphones 0 to {A.shape[-2] - 1}"
                )
            A = relative_to(A, self.reference)
        D = self.weights(A, y, response)
        return LinearState(D.to(y.dtype), MatrixResponse(A, response.frequencies), figures_of_merit(D, A, response))

    def step(self, y: Tensor, state: LinearState) -> tuple[Estimate, LinearState]:
        """X = D y."""
        return Estimate(torch.einsum("...fsm,...mft->...sft", state.D, y), state.response, state.stats), state


def figures_of_merit(D: Tensor, A: Tensor, response: Response) -> Figures:
    """What every linear D is judged by, without gradients; see `arrayscene.decoders.quality`.

    Args:
        D: (..., freq, source, mic).
        A: (..., freq, mic, source) that D was made for, relative to the reference microphone.
        response: where A comes from, in the microphones' own units.
    """
    D, A, diffuse = D.detach().to(A.dtype), A.detach(), response.diffuse()
    figures = Figures(
        gain=lambda: gain(D, A),
        noise_gain=lambda: noise_gain(D),
        white_noise_gain=lambda: white_noise_gain(D, A),
        encoding_error=lambda: encoding_error(D, A),
        condition=lambda: condition(A),
        reliability=lambda: reliability(D, A, response.frequencies),
    )
    if diffuse is None:
        return figures
    return figures.but(directivity_factor=lambda: directivity_factor(D, response.matrix(), diffuse))


def relative_to(A: Tensor, reference: int) -> Tensor:
    """A (..., freq, mic, source) with every column divided by its entry at the reference microphone, where that is not zero."""
    scale = A[..., reference : reference + 1, :]
    return A / torch.where(scale.abs() > 1e-12, scale, torch.ones_like(scale))
