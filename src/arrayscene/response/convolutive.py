"""Responses longer than the transform's window: a filter over frames at every frequency."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from arrayscene.errors import ShapeError
from arrayscene.linalg import load_diagonal
from arrayscene.response.base import Response, Selection

FREQS_AT_ONCE = 64
"""Frequencies whose delayed frames are in memory together."""


class ConvolutiveResponse(Response):
    """A response with memory: each microphone hears every source's present and past frames.

    y(f, t) = sum_k A_k(f) x(f, t - k), k = 0 ... taps - 1, with silence before the first frame. `matrix` is A_0, what is heard
    in the frame in which it sounds; the adjoint is that of the whole filter.

    Args:
        taps: (..., freq, mic, source, tap) complex.
        frequencies: (freq,) hertz.

    Cost: O(freq mic source tap frame). Differentiable in taps and frames.

    Raises: ShapeError where the two disagree on the number of frequencies, or other frequencies than its own are asked for.

    Reference: Y. Avargel and I. Cohen, "System identification in the short-time Fourier transform domain with crossband
    filtering", IEEE TASLP 2007 (here without cross-band filters).
    """

    taps: Tensor

    def __init__(self, taps: Tensor, frequencies: Tensor) -> None:
        super().__init__(frequencies)
        if taps.ndim < 4 or not taps.is_complex() or 0 in taps.shape or taps.shape[-4] != self.frequencies.numel():
            raise ShapeError(
                f"ConvolutiveResponse: {taps.dtype} taps of shape {tuple(taps.shape)} came for {self.frequencies.numel()}"
                " frequencies; complex (..., freq, mic, source, tap) is needed"
            )
        self.register_buffer("taps", taps, persistent=False)
        self.memory = taps.shape[-1]

    def matrix(self, frequencies: Tensor | None = None) -> Tensor:
        """A_0, complex128 (..., freq, mic, source)."""
        if frequencies is not None and not torch.equal(torch.as_tensor(frequencies).to(self.frequencies), self.frequencies):
            raise ShapeError("ConvolutiveResponse: known at its own frequencies only; make the decoder's transform match them")
        return self.taps[..., 0].to(torch.complex128)

    def select(self, sources: Sequence[int] | None = None, mics: Sequence[int] | None = None) -> ConvolutiveResponse:
        """The filters from some of the sources to some of the microphones, in the given order."""
        chosen = Selection(self, sources, mics)
        return ConvolutiveResponse(self.taps[..., chosen.mics, :, :][..., chosen.sources, :], self.frequencies)

    def forward(self, x: Tensor) -> Tensor:
        """Capture, from sources (..., source, freq, frame) to microphones (..., mic, freq, frame), in the dtype of x."""
        self._check(x, self.taps.shape[-2], "ConvolutiveResponse")
        taps, frames, n_frames = self.taps.to(x.dtype).movedim(-1, 0).contiguous(), x.movedim(-3, -2), x.shape[-1]
        y = taps[0] @ frames
        # A product a tap: delayed copies of the frames would cost more than it saves to multiply all at once.
        for k in range(1, min(self.memory, n_frames)):
            y[..., k:] += taps[k] @ frames[..., : n_frames - k]
        return y.movedim(-2, -3)

    def adjoint(self, y: Tensor) -> Tensor:
        """x(t) = sum_k A_k^H y(t + k), with silence after the last frame; in the dtype of y."""
        self._check(y, self.taps.shape[-3], "ConvolutiveResponse.adjoint")
        taps, frames, n_frames = self.taps.to(y.dtype).movedim(-1, 0).mH.contiguous(), y.movedim(-3, -2), y.shape[-1]
        x = taps[0] @ frames
        for k in range(1, min(self.memory, n_frames)):
            x[..., : n_frames - k] += taps[k] @ frames[..., k:]
        return x.movedim(-2, -3)

    def _check(self, frames: Tensor, channels: int, who: str) -> None:
        if frames.ndim < 3 or frames.shape[-3] != channels or frames.shape[-2] != self.taps.shape[-4]:
            raise ShapeError(
                f"{who}: frames of shape {tuple(frames.shape)} came; (..., {channels}, {self.taps.shape[-4]} frequencies, frame)"
                " is needed"
            )


def fit_convolutive(y: Tensor, x: Tensor, n_taps: int = 13, *, floor: float = 1e-3, loading: float = 1e-6) -> Tensor:
    """Forward convolutive prediction: the A_k of y = sum_k A_k x(t - k) that predict a recording from its sources.

    A = argmin sum_t |y(t) - sum_k A_k x(t - k)|^2 / lambda(f, t), lambda = |y|^2 / M + floor max |y|^2 / M: quiet frames count
    as much as loud ones. All sources at once, so that none is credited with what another explains.

    Args:
        y: (..., mic, freq, frame) recording.
        x: (..., source, freq, frame) sources.
        n_taps: frames that a source is heard, the present one included; 13 at 32 ms windows with quarter hop.
        floor: least lambda, relative to the loudest bin.
        loading: diagonal loading, relative to the sources' weighted power; keeps A finite where they are silent or alike.

    Returns: (..., freq, mic, source, tap) complex128, for `ConvolutiveResponse`.

    Raises: ShapeError for frames that do not belong together, or no tap.

    Cost: O(freq (source tap)^2 (frame + source tap)). Differentiable in y and x.

    Reference: Z.-Q. Wang, G. Wichern and J. Le Roux, "Convolutive prediction for monaural speech dereverberation and
    noisy-reverberant speaker separation", IEEE TASLP 2021.
    """
    if y.ndim < 3 or x.ndim < 3 or x.shape[-2:] != y.shape[-2:] or 0 in x.shape or 0 in y.shape:
        raise ShapeError(
            f"fit_convolutive: a recording of shape {tuple(y.shape)} and sources of {tuple(x.shape)} came; (..., mic, freq,"
            " frame) and (..., source, freq, frame) are needed"
        )
    if n_taps < 1:
        raise ShapeError(f"fit_convolutive: {n_taps} taps came; at least 1, the present frame, is needed")
    power = y.abs().square().double().mean(-3)
    variance = power + floor * power.amax(dim=(-2, -1), keepdim=True)
    weights = 1 / variance.clamp_min(torch.finfo(torch.float64).tiny ** 0.5)
    bands = [slice(low, low + FREQS_AT_ONCE) for low in range(0, y.shape[-2], FREQS_AT_ONCE)]
    return torch.cat([_fit(y[..., f, :], x[..., f, :], weights[..., f, :], n_taps, loading) for f in bands], dim=-4)


def delayed_frames(x: Tensor, n_taps: int) -> Tensor:
    """(..., freq, tap, frame): frames (..., freq, frame) beside their past, silence before the first."""
    padded = nn.functional.pad(x, (n_taps - 1, 0))
    return padded.unfold(-1, x.shape[-1], 1).flip(-2)


def _fit(y: Tensor, x: Tensor, weights: Tensor, n_taps: int, loading: float) -> Tensor:
    delayed = delayed_frames(x.to(torch.complex128), n_taps).movedim(-4, -3).flatten(-3, -2)
    weighted = (delayed * weights[..., None, :]).mH
    R_xx = delayed @ weighted
    R_yx = y.to(torch.complex128).movedim(-3, -2) @ weighted
    A: Tensor = torch.linalg.solve(load_diagonal(R_xx, loading), R_yx, left=False)
    return A.reshape(*A.shape[:-1], x.shape[-3], n_taps)
