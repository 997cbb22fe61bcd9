"""Superdirective beamforming: the least noise from all around that the microphones' own noise allows."""

from __future__ import annotations

from torch import Tensor

from arrayscene.decoders.linear import LinearDecoder
from arrayscene.decoders.loading import loading_for_white_noise_gain
from arrayscene.decoders.minimum_variance import distortionless_each, loaded
from arrayscene.errors import ShapeError
from arrayscene.response import Response


class Superdirective(LinearDecoder):
    """The highest directivity that keeps a white noise gain: MVDR against a field of noise from all directions.

    d_n = a_n^H (Gamma + mu_n I)^-1 / (a_n^H (Gamma + mu_n I)^-1 a_n), with Gamma the response's diffuse covariance and mu_n the
    least loading, found by bisection for every frequency and source, with which |d_n a_n|^2 / |d_n|^2 is at least the floor.
    Where even delay-and-sum stays below the floor, it is delay-and-sum.

    Needs no statistics of the recording: it is fixed once A is known, and removes reverberation as well as noise.

    Args:
        white_noise_gain: the floor, linear; 0.1, -10 dB, amplifies the microphones' noise by at most 10 dB. 0: none.
        reference: as for every linear decoder.

    Cost: one eigenvalue problem a frequency, O(freq source mic^3). Differentiable in A, with mu held.

    Raises: ShapeError for a negative floor, or a response that does not know its diffuse field.

    Reference: H. Cox, R. Zeskind and T. Kooij, "Practical supergain", IEEE Trans. ASSP, 1986; J. Bitzer and K. U. Simmer,
    "Superdirective microphone arrays", in Brandstein and Ward (eds.), "Microphone Arrays", 2001.
    """

    def __init__(self, white_noise_gain: float = 0.1, reference: int | None = 0) -> None:
        super().__init__(reference)
        if not white_noise_gain >= 0:
            raise ShapeError(
                f"Superdirective: a white noise gain of {white_noise_gain} came; 0 or more (linear, not dB) is needed"
            )
        self.white_noise_gain = white_noise_gain

    def weights(self, A: Tensor, y: Tensor, response: Response) -> Tensor:
        """a_n^H (Gamma + mu_n I)^-1 / (a_n^H (Gamma + mu_n I)^-1 a_n), row by row."""
        diffuse = response.diffuse()
        if diffuse is None:
            raise ShapeError(
                f"Superdirective: {type(response).__name__} does not know its diffuse field; give it one"
                " (MatrixResponse(..., diffuse=...)), or take a response of the array's geometry, see far_field"
            )
        diffuse = diffuse.to(A.dtype)
        return distortionless_each(loaded(diffuse, loading_for_white_noise_gain(diffuse, A, self.white_noise_gain)), A)
