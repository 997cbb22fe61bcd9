"""Responses made of others: the sources of several side by side, and what follows the microphones."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from arrayscene.errors import ShapeError
from arrayscene.response.base import MatrixResponse, Response


class Joined(Response):
    """The sources of several responses of one array, one after the other: near and far ones, modelled and measured ones.

    A = [A_1 A_2 ...]

    Args:
        responses: for the same microphones and frequencies.

    The diffuse field is that of the first response that knows it. Differentiable in whatever the responses are.

    Raises: ShapeError where they disagree on microphones or frequencies, or none came.
    """

    def __init__(self, responses: Sequence[Response]) -> None:
        if not responses:
            raise ShapeError("Joined: no response came; at least one is needed")
        super().__init__(responses[0].frequencies)
        _check_memory(responses, "Joined")
        for response in responses[1:]:
            _check_frequencies(response, self.frequencies, "Joined")
        n_mics = [response.matrix().shape[-2] for response in responses]
        if len(set(n_mics)) > 1:
            raise ShapeError(f"Joined: responses of {n_mics} microphones came; those of one array are needed")
        self.responses = nn.ModuleList(responses)

    def matrix(self, frequencies: Tensor | None = None) -> Tensor:
        """The columns of all, complex128 (..., freq, mic, source)."""
        parts = [response.matrix(frequencies) for response in self._each()]
        batch = torch.broadcast_shapes(*(part.shape[:-3] for part in parts))  # type: ignore[no-untyped-call]
        return torch.cat([part.expand(*batch, *part.shape[-3:]) for part in parts], dim=-1)

    def diffuse(self, frequencies: Tensor | None = None) -> Tensor | None:
        """That of the first response that knows it."""
        for response in self._each():
            gamma = response.diffuse(frequencies)
            if gamma is not None:
                return gamma
        return None

    def _each(self) -> list[Response]:
        return [response for response in self.responses if isinstance(response, Response)]


class AtFrequencies(Response):
    """A response at the frequencies of another transform.

    Args:
        response: known at any frequency, or at these.
        frequencies: (freq,) hertz.

    Cost: A is computed once. Differentiable in whatever the response is.

    Raises: ShapeError where the response is not known at these frequencies.
    """

    def __init__(self, response: Response, frequencies: Tensor) -> None:
        super().__init__(frequencies)
        _check_memory([response], "AtFrequencies")
        self.response = response
        self.own = MatrixResponse(response.matrix(self.frequencies), self.frequencies, response.diffuse(self.frequencies))

    def matrix(self, frequencies: Tensor | None = None) -> Tensor:
        """A, complex128 (..., freq, mic, source)."""
        return self.own.matrix() if frequencies is None else self.response.matrix(frequencies)

    def diffuse(self, frequencies: Tensor | None = None) -> Tensor | None:
        """Gamma, where the response knows it."""
        return self.own.diffuse() if frequencies is None else self.response.diffuse(frequencies)


class Cascade(Response):
    """What follows the microphones, after them: channel gains, a beamformer or Ambisonics encoder, cross-talk.

    y = B A x, and B Gamma B^H in a diffuse field.

    Args:
        response: A.
        then: B, as a matrix (out, mic) for all frequencies or (..., freq, out, mic) for those of A, or as a response whose
            sources are the microphones.

    Differentiable in `then` and in whatever `response` is.

    Raises: ShapeError where B does not take as many microphones as A has, or knows other frequencies.
    """

    gains: Tensor | None

    def __init__(self, response: Response, then: Tensor | Response) -> None:
        super().__init__(response.frequencies)
        _check_memory([response, then] if isinstance(then, Response) else [response], "Cascade")
        self.response = response
        gains = then if isinstance(then, Tensor) and then.ndim == 2 else None
        self.register_buffer("gains", None if gains is None else gains.to(torch.complex128), persistent=False)
        if isinstance(then, Tensor) and gains is None:
            then = MatrixResponse(then.to(torch.complex128), self.frequencies)
        self.then = then if isinstance(then, Response) else None
        if self.then is not None:
            _check_frequencies(self.then, self.frequencies, "Cascade")
        n_mics, n_inputs = response.matrix().shape[-2], self._after(None).shape[-1]
        if n_mics != n_inputs:
            raise ShapeError(f"Cascade: a stage for {n_inputs} microphones came after a response of {n_mics}; the same is needed")

    def matrix(self, frequencies: Tensor | None = None) -> Tensor:
        """B A, complex128 (..., freq, out, source)."""
        return self._after(frequencies) @ self.response.matrix(frequencies)

    def diffuse(self, frequencies: Tensor | None = None) -> Tensor | None:
        """B Gamma B^H, (..., freq, out, out), where A's is known."""
        gamma = self.response.diffuse(frequencies)
        if gamma is None:
            return None
        B = self._after(frequencies)
        return B @ gamma @ B.mH

    def _after(self, frequencies: Tensor | None) -> Tensor:
        if self.then is not None:
            return self.then.matrix(frequencies)
        assert self.gains is not None
        return self.gains


def _check_memory(responses: Sequence[Response], who: str) -> None:
    for response in responses:
        if response.memory > 1:
            raise ShapeError(
                f"{who}: {type(response).__name__} came, which hears a frame for {response.memory} frames; only responses of one"
                " matrix a frequency can be combined, such as MatrixResponse(response.matrix(), response.frequencies)"
            )


def _check_frequencies(response: Response, frequencies: Tensor, who: str) -> None:
    if not torch.equal(response.frequencies, frequencies):
        raise ShapeError(
            f"{who}: responses at {len(frequencies)} and {len(response.frequencies)} frequencies came, or at different ones; make"
            " them for the same transform"
        )
