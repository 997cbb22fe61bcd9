"""Whose sound it is, told from the directions alone: each bin goes to the direction that explains it best, or to the noise."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from arrayscene.arguments import check_kind, check_number, check_whole
from arrayscene.decoders.base import check_frames
from arrayscene.decoders.statistics import Segments, Statistics
from arrayscene.errors import ShapeError
from arrayscene.linalg import load_diagonal, squared_abs
from arrayscene.response import Response


class FromDirections(Statistics):
    """Soft masks from the responses to known directions: the posterior of a mixture whose covariances are known.

    Bin by bin, y / |y| follows a complex angular central Gaussian with covariance B_k = kappa a_k a_k^H + Gamma for source k and
    B = Gamma for the noise; Gamma is the diffuse field at the microphones, with some sensor noise. Who speaks at a moment speaks
    at many frequencies: the prior of each class is its mean posterior over the frequencies of the frame, found by iteration, so
    that low frequencies, whose directions look alike, follow the others.

    Args:
        direct: kappa, power of the direct sound over the diffuse field's where a source dominates.
        sensor: power of the sensor noise over the diffuse field's.
        n_iter: updates of each frame's priors.
        active: stretches in which each source sounds, where they are known: it has no share of other frames.

    Cost: O(freq frame mic (mic + source)). Frame by frame, nothing of the past or future is needed. Differentiable in A and y.

    Raises: ShapeError where no response came, one of another number of sources than there are stretches for, or a parameter is
        outside its range.

    Reference: N. Ito, S. Araki and T. Nakatani, "Complex angular central Gaussian mixture model for directional statistics in
    mask-based microphone array signal processing", EUSIPCO 2016; the priors: "Permutation-free convolutive blind source
    separation via full-band clustering based on frequency-independent source presence priors", ICASSP 2013, by the same.
    """

    def __init__(self, *, direct: float = 1.0, sensor: float = 1e-2, n_iter: int = 5, active: Segments | None = None) -> None:
        super().__init__()
        check_number("FromDirections: direct", direct)
        check_number("FromDirections: sensor", sensor)
        check_whole("FromDirections: n_iter", n_iter, 0)
        check_kind("FromDirections: active", active, (Segments, type(None)), "Segments, or None,")
        if not direct > 0 or not sensor > 0:
            raise ShapeError(f"FromDirections: direct={direct}, sensor={sensor}, n_iter={n_iter} came; powers > 0 are needed")
        self.direct, self.sensor, self.n_iter, self.active = direct, sensor, n_iter, active

    def shares(self, y: Tensor, response: Response | None = None, start: int = 0) -> Tensor:
        """The posteriors."""
        check_frames(y, response, "FromDirections")
        if response is None:
            raise ShapeError(
                "FromDirections: no response came; pass e.g. far_field(array, azimuth, frequencies=...), or other statistics:"
                " Masks, Segments"
            )
        likelihood = self._log_likelihood(y, response)
        if self.active is not None:
            silent = self.active.shares(y, None, start)[:-1] == 0
            if len(silent) != likelihood.shape[-3] - 1:
                raise ShapeError(
                    f"FromDirections: stretches of {len(silent)} sources came with {likelihood.shape[-3] - 1} directions"
                )
            # The noise, which is the last, may sound at any time.
            likelihood = likelihood.masked_fill(nn.functional.pad(silent, (0, 0, 0, 0, 0, 1)), -torch.inf)
        prior = torch.zeros_like(likelihood[..., :1, :])
        for _ in range(self.n_iter):
            posterior = (likelihood + prior).softmax(-3)
            prior = posterior.mean(-2, keepdim=True).clamp_min(1e-6).log()
        return (likelihood + prior).softmax(-3)

    def _log_likelihood(self, y: Tensor, response: Response) -> Tensor:
        """(..., source + 1, freq, frame), relative to the noise's, which is 0."""
        A = response.matrix()
        n_mics = A.shape[-2]
        diffuse = response.diffuse()
        if diffuse is None:
            diffuse = torch.eye(n_mics, dtype=A.dtype, device=A.device)
        L = torch.linalg.cholesky(load_diagonal(diffuse, self.sensor))
        whitened = torch.linalg.solve_triangular(L, A, upper=False)
        power = whitened.abs().square().sum(-2)
        # kappa is meant for responses of unit power at the microphones.
        ratio = self.direct * power / A.abs().square().mean(-2).clamp_min(torch.finfo(power.dtype).tiny)
        pointing = whitened.mH / power.clamp_min(torch.finfo(power.dtype).tiny).sqrt()[..., None]
        # One product brings the frames to white noise and to each direction.
        inverse = torch.linalg.solve_triangular(L, torch.eye(n_mics, dtype=L.dtype, device=L.device), upper=False)
        both = torch.cat([inverse.expand(*pointing.shape[:-2], n_mics, n_mics), pointing @ inverse], dim=-2).to(y.dtype)
        heard = squared_abs(both @ y.movedim(-3, -2).contiguous())
        white = heard[..., :n_mics, :].sum(-2, keepdim=True).clamp_min(torch.finfo(heard.dtype).tiny)
        cosine = (heard[..., n_mics:, :] / white).clamp_max(1)
        ratio = ratio.to(heard.dtype)
        share = (ratio / (1 + ratio))[..., None]
        likelihood = -torch.log1p(ratio)[..., None] - n_mics * torch.log1p(-share * cosine)
        likelihood = likelihood.movedim(-3, -2)
        return torch.cat([likelihood, torch.zeros_like(likelihood[..., :1, :, :])], dim=-3)
