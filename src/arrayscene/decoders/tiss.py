"""T-ISS: blind separation and dereverberation at once, by independent vector analysis over past frames."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from arrayscene.decoders.base import Decoder, Estimate, check_wanted
from arrayscene.decoders.convolutive import from_past, silent_past, usable_taps
from arrayscene.decoders.demixing import check_count, first_demixing, normalised, scaled, top_frequency
from arrayscene.decoders.figures import Figures
from arrayscene.decoders.majorization import NOISE
from arrayscene.decoders.quality import condition, noise_gain
from arrayscene.decoders.reliability import reliability
from arrayscene.decoders.source_models import Model, check_model, source_weights
from arrayscene.errors import ShapeError
from arrayscene.kernels import stacked_past, tiss_sweep, whiten
from arrayscene.response import MatrixResponse, Response


class ConvolutiveState(NamedTuple):
    """What `step` applies, and the frames that it still needs.

    Attributes:
        D: (..., freq, source, mic (1 + taps)) complex128, the present frame first, then the past, the latest tap first.
        past: (..., mic, freq, delay + taps - 1) the last frames.
        response: the A that was found.
    """

    D: Tensor
    past: Tensor
    response: MatrixResponse


class TISS(Decoder):
    """Joint dereverberation and separation with iterative source steering (T-ISS).

    x(t) = D [y(t); y(t - delay); ...; y(t - delay - taps + 1)]: independent vector analysis as in `AuxIVA`, but the late
    reverberation of each source is predicted from the past frames of all microphones, and goes. One sweep updates the past
    frames' part of D and then the present's, without a matrix inverse. With a response, D starts from its pseudo-inverse, so
    that the first outputs belong to its sources; without, it starts from the microphones and keeps the loudest outputs. Each
    output is scaled by the minimal-distortion principle.

    Args:
        n_sources: outputs to return; None: those of the response, or all.
        taps: frames of the past; fewer where the recording has less than four frames for each coefficient of a row of D.
        delay: frames from the present to the first of the past; windows overlap, and shorter delays would whiten the sources. The
            defaults suit windows of 256 ms with quarter hops; `WPE` before `AuxIVA` allows each its own window.
        model: source model, see `AuxIVA`.
        n_iter: sweeps.
        reference: microphone, from 0, at which the sources are heard.
        loading: of the pseudo-inverse that the response starts from.

    The order of the microphones matters a little: their past frames come into the sweep one after the other.

    Cost: O(n_iter freq mic^2 (1 + taps) frame). Differentiable in y through the torch statement of the sweep. Latency: the whole
    recording in `init`, none beyond the transform in `step`.

    Raises: ShapeError for more sources than microphones, or parameters outside their range.

    Reference: T. Nakashima, R. Scheibler, Y. Wakabayashi and N. Ono, "Joint dereverberation and separation with iterative source
    steering", ICASSP 2021.
    """

    reference: int

    def __init__(
        self,
        n_sources: int | None = None,
        *,
        taps: int = 2,
        delay: int = 2,
        model: Model | float = "gauss",
        n_iter: int = 20,
        reference: int = 0,
        loading: float = 0.03,
    ) -> None:
        super().__init__()
        check_model(model, "TISS")
        if min(taps, delay, n_iter) < 1:
            raise ShapeError(f"TISS: taps={taps}, delay={delay}, n_iter={n_iter} came; numbers of at least 1 are needed")
        check_wanted(n_sources, type(self).__name__)
        self.n_sources, self.taps, self.delay, self.model = n_sources, taps, delay, model
        self.n_iter, self.reference, self.loading = n_iter, reference, loading

    def init(self, y: Tensor, response: Response | None = None, *, generator: torch.Generator | None = None) -> ConvolutiveState:
        """Learn the filter from the whole recording."""
        n_mics = y.shape[-3]
        A = None if response is None else response.matrix()
        known = 0 if A is None else A.shape[-1]
        n_sources = self.n_sources or known or n_mics
        check_count("TISS", max(n_sources, known), n_mics)
        mixture = normalised(y)
        D = self._learn(mixture, first_demixing(mixture, A, self.loading), top_frequency(response))
        # Where channels are alike, D takes their difference, which single precision does not hold.
        frames = mixture.to(D.dtype)
        past = nn.functional.pad(frames, (self.delay + self.taps - 1, 0))
        frames = torch.cat([frames, stacked_past(past, self.taps, self.delay)], dim=-2).movedim(-2, -3)
        D, found = scaled(D, frames, n_sources, self.reference, None if response is None else response.frequencies)
        past = silent_past(y, D[..., n_mics:], self.delay)
        return ConvolutiveState(D, past, MatrixResponse(found.values[..., :n_mics, :], found.frequencies))

    def step(self, y: Tensor, state: ConvolutiveState) -> tuple[Estimate, ConvolutiveState]:
        """X = D [y; past frames] with the D that was learnt."""
        A, n_mics = state.response.matrix().detach(), y.shape[-3]
        D = state.D[..., :n_mics]
        stats = Figures(
            noise_gain=lambda: noise_gain(D.detach()),
            condition=lambda: condition(A),
            reliability=lambda: reliability(D.detach(), A),
        )
        late, past = from_past(y, state.past, state.D[..., n_mics:], self.delay)
        x = (D @ y.movedim(-3, -2).to(D.dtype) + late).movedim(-2, -3).to(y.dtype)
        return Estimate(x, state.response, stats), state._replace(past=past)

    def _learn(self, mixture: Tensor, start: Tensor, top: float) -> Tensor:
        """D (..., freq, output, mic (1 + taps)) complex128, at any scale, from a mixture (..., freq, mic, frame) of unit peak."""
        n_mics, n_frames = mixture.shape[-2:]
        taps = usable_taps(self.taps, n_mics, n_frames)
        # In a white mixture all that the sweeps meet is well-conditioned, and one step goes further. Less noise than that of the
        # numbers themselves would let tones be predicted down to their rounding.
        relative = max(NOISE, torch.finfo(mixture.dtype).eps)
        power = mixture.real.square() + mixture.imag.square()
        parts, factor, noise = whiten(mixture, relative * (power.mean(dim=(-2, -1)) + relative))
        white, noise = torch.complex(*parts.unbind(-3)), noise[..., 0, :, :]
        D = start.to(factor.dtype) @ factor
        outputs, D = D.to(white.dtype) @ white, nn.functional.pad(D, (0, taps * n_mics))
        for _ in range(self.n_iter):
            blocks = D.reshape(*D.shape[:-1], 1 + taps, n_mics)
            heard = (blocks @ noise[..., None, :, :] * blocks.conj()).sum(dim=(-2, -1)).real
            power = outputs.real.square() + outputs.imag.square() + heard[..., None].to(parts.dtype)
            # Sweeps scale up outputs that sound in few frames, again and again.
            mean = power.mean(dim=(-3, -1), keepdim=True)
            power, outputs, D = power / mean, outputs / mean.sqrt(), D / mean.sqrt()
            power = power if self.model == "banded" else power.mean(-3, keepdim=True)
            weights = source_weights(power, self.model, top)
            outputs, D = tiss_sweep(outputs, D, white, weights, noise, self.delay)
        blocks = D.reshape(*D.shape[:-2], -1, n_mics)
        D = torch.linalg.solve_triangular(factor, blocks, upper=False, left=False).reshape(D.shape)
        return nn.functional.pad(D, (0, (self.taps - taps) * n_mics))
