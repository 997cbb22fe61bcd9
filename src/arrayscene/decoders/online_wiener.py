"""A multichannel Wiener filter that follows the recording: who sounds is learnt from directions on, frame by frame."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from arrayscene.arguments import check_number, check_whole
from arrayscene.decoders.base import Decoder, Estimate
from arrayscene.decoders.figures import Figures
from arrayscene.decoders.quality import condition
from arrayscene.errors import ShapeError
from arrayscene.kernels import multichannel_wiener
from arrayscene.linalg import load_diagonal, squared_abs
from arrayscene.response import MatrixResponse, Response

NOISE_SHARE = 0.1
"""Of every source's bins: something of everything is noise."""

SENSOR = 1e-2
"""Power of the sensor noise over the diffuse field's, in the start."""

LOADING = 1e-3
"""Of covariances before they are inverted, relative to their mean diagonal."""

FLOOR = 1e-4
"""Least variance of a source, relative to its mean at that frequency."""

ROUNDS = 5
"""Updates of each frame's priors."""


class Filters(NamedTuple):
    """What the frames up to the last update ask for; complex128 or float64.

    Attributes:
        whitening: (..., freq, class, mic, mic) B_k^-1/2.
        height: (..., freq, class, 1) -log det B_k.
        D: (..., freq, source, mic) of the linear filter.
        covariances: (..., freq, class, mic, mic) R_k of mean diagonal 1.
        loudness: (..., freq, class) mean power at a microphone of each.
    """

    whitening: Tensor
    height: Tensor
    D: Tensor
    covariances: Tensor
    loudness: Tensor


class OnlineWienerState(NamedTuple):
    """What the frames so far have taught; complex128 or float64 but for the response.

    Attributes:
        start: (..., freq, class, mic, mic) covariances that the directions ask for, of mean diagonal 1.
        S: (..., freq, class, mic, mic) sum of z z^H / (z^H B_k^-1 z), z = y / |y|.
        R: (..., freq, class, mic, mic) sum of y y^H.
        counts: (..., freq, class) frames in either sum, each as much as it has a share.
        filters: of the last update.
        response: the A that was found by then.
        position: frames so far.
    """

    start: Tensor
    S: Tensor
    R: Tensor
    counts: Tensor
    filters: Filters
    response: MatrixResponse
    position: int


class Found(NamedTuple):
    """Frames as `OnlineWiener` decodes them.

    Attributes:
        linear: (..., source, freq, frame) by the linear filter.
        filtered: (..., source, freq, frame) by the filter that changes from frame to frame.
        variances: (..., source + 1, freq, frame), of each source and of the rest.
    """

    linear: Tensor
    filtered: Tensor
    variances: Tensor


class OnlineWiener(Decoder):
    """Block-online multichannel Wiener filter from directions: learns whose every bin is while it separates.

    Bins are told apart by y / |y|, a mixture of complex angular central Gaussians with one prior a frame for all frequencies, as
    in `Clustering`; its covariances start from the directions and the diffuse field and follow the recording. Each share is
    averaged into a covariance R_k of the source. From these come a linear filter, sum_j R_j -> e_ref^T R_k (sum_j R_j)^-1, and
    one that changes from frame to frame, x_k = v_k e_ref^T R_k (sum_j v_j R_j)^-1 y, with v_k the geometric mean of the first
    one's power and of the source's share of the bin. Sums forget: a frame that a source has wholly makes the ones before count
    alpha times as much, so that a source that pauses keeps what was learnt of it. There may be more sources than microphones.
    Nothing is learnt in digital silence.

    A frame is decoded with what was learnt up to the last whole block, so that pieces of any size give the same result.

    Args:
        block: frames between two updates of the filters.
        forgetting: alpha, above 0 and below 1.
        prior: frames that the start counts for.
        direct: power of the direct sound over the diffuse field's where a source dominates, in the start.
        strength: 1 filters; less adds the share that is missing of the linear filter, see `MultichannelWiener`.
        reference: microphone, from 0, at which the sources are heard.

    Cost: O(freq source mic^2) a frame and O(freq source mic^3) a block; 0.08 to 0.14 of the duration on one core for 2 and 3
    sources, 3 and 4 microphones in frames of 64 ms every 16 ms. Differentiable in y through the torch statements. Latency: that
    of the transform.

    Raises: ShapeError without a response, or for arguments outside their range.

    Reference: T. Higuchi, N. Ito, S. Araki, T. Yoshioka, M. Delcroix and T. Nakatani, "Online MVDR beamformer based on complex
    Gaussian mixture model with spatial prior for noise robust ASR", IEEE/ACM TASLP 2017; the filter: N. Q. K. Duong, E. Vincent
    and R. Gribonval, IEEE TASLP 2010, eq. (30).
    """

    block: int
    reference: int

    def __init__(
        self,
        *,
        block: int = 4,
        forgetting: float = 0.99,
        prior: float = 3.0,
        direct: float = 1.0,
        strength: float = 0.5,
        reference: int = 0,
    ) -> None:
        super().__init__()
        check_whole("OnlineWiener: block", block)
        for name, number in {"forgetting": forgetting, "prior": prior, "direct": direct, "strength": strength}.items():
            check_number(f"OnlineWiener: {name}", number)
        if not 0 < forgetting < 1 or not prior > 0 or not direct > 0:
            raise ShapeError(
                f"OnlineWiener: forgetting={forgetting}, prior={prior}, direct={direct} came; a factor between 0 and 1, and"
                " numbers above 0 are needed"
            )
        self.block, self.forgetting, self.prior, self.direct = block, forgetting, prior, direct
        self.strength, self.reference = strength, reference

    def init(self, y: Tensor, response: Response | None = None, *, generator: torch.Generator | None = None) -> OnlineWienerState:
        """State before the first frame; `y` gives axes and device."""
        if response is None:
            raise ShapeError("OnlineWiener: no response came; pass e.g. far_field(array, azimuth, frequencies=...)")
        start = _start(response, self.direct)
        start = start.expand(*torch.broadcast_shapes(y.shape[:-3], start.shape[:-4]), *start.shape[-4:])  # type: ignore[no-untyped-call]
        counts = start.real.new_zeros(start.shape[:-2])
        state = OnlineWienerState(
            start,
            torch.zeros_like(start),
            torch.zeros_like(start),
            counts,
            Filters(start, start, start, start, counts),
            MatrixResponse(response.matrix(), response.frequencies),
            0,
        )
        return self._updated(state)

    def step(self, y: Tensor, state: OnlineWienerState) -> tuple[Estimate, OnlineWienerState]:
        """Separate the next frames, and learn from them."""
        found, after = self.found(y, state)
        response = MatrixResponse(after.response.matrix().to(y.dtype), after.response.frequencies)
        stats = Figures(condition=lambda: condition(response.matrix()))
        return Estimate(torch.lerp(found.linear, found.filtered, self.strength), response, stats), after

    def found(self, y: Tensor, state: OnlineWienerState) -> tuple[Found, OnlineWienerState]:
        """The next frames by either filter, whatever the strength."""
        parts: list[Found] = []
        start, n_frames = 0, y.shape[-1]
        while start < n_frames:
            end = min(start + self.block - state.position % self.block, n_frames)
            part, state = self._within_block(y[..., start:end], state)
            if state.position % self.block == 0:
                state = self._updated(state)
            parts.append(part)
            start = end
        return Found(*(torch.cat(values, dim=-1) for values in zip(*parts, strict=True))), state

    def _within_block(self, y: Tensor, state: OnlineWienerState) -> tuple[Found, OnlineWienerState]:
        """Frames before the next update."""
        filters = state.filters
        n_mics = y.shape[-3]
        frames = y.movedim(-3, -2).to(torch.complex128)
        power = squared_abs(frames).sum(-2)[..., None, :]
        sounding = power > 0
        z = frames / power.clamp_min(torch.finfo(power.dtype).tiny).sqrt()
        form = squared_abs(filters.whitening @ z[..., None, :, :]).sum(-2)
        form = torch.where(sounding, form, 1)
        w = _shares(filters.height - n_mics * form.log())
        w = (1 - NOISE_SHARE) * w
        w = torch.cat([w[..., :-1, :], w[..., -1:, :] + NOISE_SHARE], dim=-2)

        linear = filters.D @ frames
        heard = w * (power / n_mics)
        v = torch.cat([(heard[..., :-1, :] * squared_abs(linear)).sqrt(), heard[..., -1:, :]], dim=-2)
        v = v + FLOOR * filters.loudness[..., None]
        tiny = torch.finfo(y.real.dtype).tiny * 1e6
        noise = LOADING * filters.loudness.sum(-1) + tiny
        variances = v.movedim(-3, -2).to(y.real.dtype)
        filtered = multichannel_wiener(y, variances, filters.covariances, noise.to(y.real.dtype), self.reference)
        found = Found(linear.movedim(-3, -2).to(y.dtype), filtered[..., :-1, :, :], variances)

        w = w * sounding
        # What is left of a frame's share after the frames behind it.
        left = self.forgetting ** (w.flip(-1).cumsum(-1).flip(-1) - w)
        kept = self.forgetting ** w.sum(-1)
        weights = w * left

        def added(sums: Tensor, what: Tensor, weights: Tensor) -> Tensor:
            weighted = what[..., None, :, :] * weights[..., None, :]
            return kept[..., None, None] * sums + weighted @ what[..., None, :, :].mH

        return found, state._replace(
            S=added(state.S, z, n_mics * weights / form),
            R=added(state.R, frames, weights),
            counts=kept * state.counts + weights.sum(-1),
            position=state.position + y.shape[-1],
        )

    def _updated(self, state: OnlineWienerState) -> OnlineWienerState:
        """Filters, and the response, from all frames so far."""
        n_mics = state.start.shape[-1]
        tiny = torch.finfo(torch.float64).tiny ** 0.5
        B = _unit_diagonal(state.S + self.prior * state.start)
        L = torch.linalg.cholesky(load_diagonal(B, LOADING))
        eye = torch.eye(n_mics, dtype=L.dtype, device=L.device)
        whitening = torch.linalg.solve_triangular(L, eye.expand_as(L), upper=False)
        height = -2 * L.diagonal(dim1=-2, dim2=-1).real.log().sum(-1)[..., None]

        loudness = state.R.diagonal(dim1=-2, dim2=-1).real.mean(-1) / state.counts.clamp_min(tiny)
        # Before the first frame all are as loud.
        assumed = torch.where(loudness.sum(-1, keepdim=True) > 0, loudness, 1)[..., None, None]
        R = (state.R + self.prior * assumed * state.start) / (state.counts + self.prior)[..., None, None]
        column = R[..., :-1, :, self.reference]
        total = load_diagonal(R.sum(-3), LOADING)
        D = torch.linalg.solve(total + tiny * eye, column.mT).mH
        A = column / column[..., self.reference, None].real.clamp_min(tiny)
        filters = Filters(whitening, height, D, _unit_diagonal(R), loudness)
        return state._replace(filters=filters, response=MatrixResponse(A.mT, state.response.frequencies))


def _start(response: Response, direct: float) -> Tensor:
    """(..., freq, source + 1, mic, mic) covariances of the directions in their diffuse field, and of that, mean diagonal 1."""
    A = response.matrix().to(torch.complex128)
    diffuse = response.diffuse()
    if diffuse is None:
        diffuse = torch.eye(A.shape[-2], dtype=A.dtype, device=A.device)
    noise = _unit_diagonal(load_diagonal(diffuse.to(A.dtype), SENSOR))[..., None, :, :].expand(*A.shape[:-2], 1, -1, -1)
    a = A.mT[..., None]
    return torch.cat([_unit_diagonal(direct * _unit_diagonal(a @ a.mH) + noise), noise], dim=-3)


def _unit_diagonal(R: Tensor) -> Tensor:
    mean = R.diagonal(dim1=-2, dim2=-1).real.mean(-1)
    return R / mean.clamp_min(torch.finfo(mean.dtype).tiny ** 0.5)[..., None, None]


def _shares(likelihood: Tensor) -> Tensor:
    """(..., freq, class, frame) posteriors; the prior of a class is its mean share of all frequencies of the frame."""
    prior = torch.zeros_like(likelihood[..., :1, :, :])
    for _ in range(ROUNDS):
        prior = (likelihood + prior).softmax(-2).mean(-3, keepdim=True).clamp_min(1e-6).log()
    return (likelihood + prior).softmax(-2)
