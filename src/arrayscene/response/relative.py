"""Relative transfer functions: A as the recording itself shows it, each source relative to a reference microphone."""

from __future__ import annotations

import torch
from torch import Tensor

from arrayscene.errors import ShapeError
from arrayscene.linalg import covariance, load_diagonal
from arrayscene.response.base import MatrixResponse


def relative_transfer(
    y: Tensor, noise: Tensor | None = None, *, frequencies: Tensor, reference: int = 0, segment: int = 8
) -> MatrixResponse:
    """Relative transfer function of the one source in a recording, a_m / a_ref.

    With `noise`: covariance whitening, see `whitened_transfer`. Without: least squares over segments, which asks that the source
    changes from segment to segment, as speech does, and the noise does not, see `least_squares_transfer`.

    Args:
        y: (..., mic, freq, frame) the source and noise.
        noise: (..., mic, freq, frame) noise alone, any number of frames.
        frequencies: (freq,) hertz, of the frames.
        reference: microphone, from 0.
        segment: frames a segment, without `noise`.

    Returns: the response, (..., freq, mic, 1), 1 at the reference.

    Raises: ShapeError for frames of other axes, frequencies or microphones.

    Cost: O(freq mic^2 (frame + mic)). Differentiable in y and noise.
    """
    if y.ndim < 3 or not y.is_complex() or 0 in y.shape or not 0 <= reference < y.shape[-3]:
        raise ShapeError(
            f"relative_transfer: {y.dtype} frames of shape {tuple(y.shape)} and reference {reference} came; complex (..., mic,"
            " freq, frame) with that microphone is needed"
        )
    if noise is None:
        return MatrixResponse(least_squares_transfer(y, reference=reference, segment=segment)[..., None], frequencies)
    if noise.ndim < 3 or noise.shape[-3:-1] != y.shape[-3:-1] or not noise.shape[-1]:
        raise ShapeError(
            f"relative_transfer: noise of shape {tuple(noise.shape)} came for frames of {tuple(y.shape)}; the same microphones"
            " and frequencies are needed"
        )
    R_yy, R_nn = (covariance(frames.to(torch.complex128)) for frames in (y, noise))
    return MatrixResponse(whitened_transfer(R_yy, R_nn, reference=reference)[..., None], frequencies)


def whitened_transfer(R_yy: Tensor, R_nn: Tensor, *, reference: int = 0, loading: float = 1e-6) -> Tensor:
    """Relative transfer function by covariance whitening: the one that R_yy = phi a a^H + R_nn leaves after R_nn is made white.

    a = L v / (L v)_ref with R_nn = L L^H and v the principal eigenvector of L^-1 R_yy L^-H. The same as by generalised
    eigenvalues, a = R_nn w with R_yy w = lambda R_nn w. Whether R_yy holds the noise or not is all the same.

    Args:
        R_yy: (..., mic, mic) covariance while the source sounds.
        R_nn: (..., mic, mic) covariance of all else.
        reference: microphone, from 0.
        loading: relative diagonal loading of R_nn, and of R_yy, so that silence gives the reference microphone alone.

    Returns: (..., mic) complex128, 1 at the reference.

    Cost: O(mic^3). Differentiable.

    Reference: S. Markovich-Golan and S. Gannot, "Performance analysis of the covariance subtraction method for relative transfer
    function estimation and comparison to the covariance whitening method", ICASSP 2015.
    """
    # Imported here: numba takes a while, and most users of responses do without.
    from arrayscene.kernels import principal

    R_yy, R_nn = R_yy.to(torch.complex128), R_nn.to(torch.complex128)
    return relative_vector(principal(R_yy, load_diagonal(R_nn, loading)).vector, reference)


def least_squares_transfer(y: Tensor, *, reference: int = 0, segment: int = 8) -> Tensor:
    """Relative transfer function by least squares over segments: the source changes, the noise stays.

    Phi_m,ref(k) = a_m Phi_ref,ref(k) + c_m in every segment k, with the noise's part c_m the same in all, so that
    a_m = cov_k(Phi_m,ref, Phi_ref,ref) / var_k(Phi_ref,ref). Chance changes of the noise's power from segment to segment pull a
    towards the noise's own ratio; longer segments have less of them.

    Args:
        y: (..., mic, freq, frame).
        reference: microphone, from 0.
        segment: frames a segment.

    Returns: (..., freq, mic) complex128, 1 at the reference; 0 elsewhere where there is only one segment.

    Raises: ShapeError for fewer than 1 frame a segment.

    Cost: O(freq mic frame). Differentiable.

    Reference: O. Shalvi and E. Weinstein, "System identification using nonstationary signals", IEEE TSP 1996; S. Gannot, D.
    Burshtein and E. Weinstein, "Signal enhancement using beamforming and nonstationarity with applications to speech", IEEE TSP
    2001.
    """
    if segment < 1:
        raise ShapeError(f"least_squares_transfer: segments of {segment} frames came; at least 1 is needed")
    y = y.movedim(-3, -2).to(torch.complex128)
    n_segments = max(y.shape[-1] // segment, 1)
    y = y[..., : n_segments * segment]
    y = y.reshape(*y.shape[:-1], n_segments, -1)
    phi = (y * y[..., reference : reference + 1, :, :].conj()).mean(-1)
    phi = phi - phi.mean(-1, keepdim=True)
    change = phi[..., reference : reference + 1, :].real
    variance = change.square().sum(-1).clamp_min(torch.finfo(torch.float64).tiny)
    a = (phi * change).sum(-1) / variance
    return _one_at(a, reference)


def relative_vector(a: Tensor, reference: int) -> Tensor:
    """The vector a (..., mic) divided by its entry at the reference, or the reference alone where that is as good as 0."""
    at = a[..., reference : reference + 1]
    power = a.abs().square().sum(-1, keepdim=True)
    heard = at.abs().square() > 1e-20 * power
    return _one_at(torch.where(heard, a / torch.where(heard, at, torch.ones_like(at)), torch.zeros_like(a)), reference)


def _one_at(a: Tensor, reference: int) -> Tensor:
    unit = torch.zeros(a.shape[-1], dtype=torch.bool, device=a.device)
    unit[reference] = True
    return torch.where(unit, torch.ones_like(a), a)
