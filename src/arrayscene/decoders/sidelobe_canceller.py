"""The generalised sidelobe canceller: LCMV that learns while it listens, for live use."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from arrayscene.decoders.base import Decoder, Estimate
from arrayscene.decoders.linear import figures_of_merit, relative_to
from arrayscene.decoders.minimum_variance import check_constraints
from arrayscene.errors import ShapeError
from arrayscene.response import MatrixResponse, Response


class CancellerState(NamedTuple):
    """What the canceller has learnt.

    Attributes:
        fixed: (..., freq, source, mic) pseudo-inverse of A: unit gain for a source, zero for the others.
        blocking: (..., freq, mic, mic) projection B = I - A A^+, through which no source passes.
        adaptive: (..., freq, source, mic) U, what is subtracted of B y.
        power: (..., freq, source) recent power of B y and of the output together.
        room: (..., freq, source) largest |u_n|^2 that keeps the white noise gain.
        response: A, relative to the reference microphone.
        given: A and the diffuse field in the microphones' own units.
    """

    fixed: Tensor
    blocking: Tensor
    adaptive: Tensor
    power: Tensor
    room: Tensor
    response: Response
    given: Response


class GSC(Decoder):
    """Generalised sidelobe canceller: a fixed beamformer for every source, minus what correlates with the rest.

    x = A^+ y - U B y, with B = I - A A^+; U <- U + step x (B y)^H / P after every frame, P the recent power of B y and x together
    (LMS, normalised by the sum: a loud source in x slows the adaptation down instead of shaking it). What U converges to on a
    stationary recording is LCMV; it follows moving noise without any statistics, at a cost that suits live use. U is kept so
    small that the white noise gain stays above its floor, which also bounds how much of a source it can cancel where A is not
    quite right.

    Args:
        step: of the adaptation, between 0 and 2 for stability; larger follows faster and strays more.
        memory: forgetting factor of P, per frame.
        white_noise_gain: floor, linear; 0 sets none. Where A^+ alone is below it, nothing is learnt.
        reference: as for every linear decoder.

    Cost: O(freq mic (source + mic)) a frame. Differentiable in A and y. Latency: none beyond the transform's; every frame is
    decoded with what was learnt before it.

    Raises: ShapeError for more sources than microphones, or arguments outside their range; GeometryError for directions that the
    array cannot tell apart.

    Reference: L. J. Griffiths and C. W. Jim, "An alternative approach to linearly constrained adaptive beamforming", IEEE Trans.
    Antennas Propag. 1982; the normalisation: J. E. Greenberg, "Modified LMS algorithms for speech processing with an adaptive
    noise canceller", IEEE TSAP 1998; the bound: H. Cox, R. Zeskind and M. Owen, "Robust adaptive beamforming", IEEE Trans. ASSP,
    1987.
    """

    def __init__(
        self, step: float = 0.05, *, memory: float = 0.9, white_noise_gain: float = 0.1, reference: int | None = 0
    ) -> None:
        super().__init__()
        if not 0 < step < 2 or not 0 <= memory < 1 or not white_noise_gain >= 0:
            raise ShapeError(
                f"GSC: step={step}, memory={memory}, white_noise_gain={white_noise_gain} came; a step between 0 and 2, a memory"
                " from 0 to below 1 and a gain of 0 or more (linear) are needed"
            )
        self.step_size, self.memory, self.white_noise_gain, self.reference = step, memory, white_noise_gain, reference

    def init(self, y: Tensor, response: Response | None = None, *, generator: torch.Generator | None = None) -> CancellerState:
        """The fixed part and the blocking matrix, from the response alone."""
        if response is None:
            raise ShapeError("GSC: no response came; pass e.g. far_field(array, azimuth, frequencies=...), or use AuxIVA")
        raw = response.matrix()
        A = raw if self.reference is None else relative_to(raw, self.reference)
        check_constraints(A, "GSC")
        fixed = torch.linalg.pinv(A, rtol=1e-10)
        blocking = torch.eye(A.shape[-2], dtype=A.dtype, device=A.device) - A @ fixed
        # Every recording of a batch learns by itself.
        rows = (fixed @ y.movedim(-3, -2)[..., :1].to(A.dtype)).shape[:-1]
        if self.white_noise_gain == 0:
            room = torch.full_like(fixed.real[..., 0], torch.inf)
        else:
            room = (1 / self.white_noise_gain - fixed.abs().square().sum(-1)).clamp_min(0)
        return CancellerState(
            fixed.to(y.dtype),
            blocking.to(y.dtype),
            torch.zeros((*rows, A.shape[-2]), dtype=y.dtype, device=y.device),
            torch.zeros(rows, dtype=y.real.dtype, device=y.device),
            room.to(y.real.dtype),
            MatrixResponse(A, response.frequencies),
            MatrixResponse(raw, response.frequencies, response.diffuse()),
        )

    def step(self, y: Tensor, state: CancellerState) -> tuple[Estimate, CancellerState]:
        """Decode frame by frame, and learn from each."""
        fixed, blocking, U, power, room, response, given = state
        frames = y.movedim(-3, -2)
        wanted, rest = fixed @ frames, blocking @ frames
        level = rest.abs().square().sum(-2)
        tiny = torch.finfo(level.dtype).tiny ** 0.5
        outputs = []
        for t in range(y.shape[-1]):
            z = rest[..., t]
            x = wanted[..., t] - (U @ z[..., None])[..., 0]
            outputs.append(x)
            now = level[..., t, None] + x.abs().square()
            power = self.memory * power + (1 - self.memory) * now
            # A sudden sound is not in the average yet; without the maximum it would drive U beyond stability.
            pace = self.step_size / torch.maximum(power, now).clamp_min(tiny)
            U = self._within(U + (pace * x)[..., None] * z.conj()[..., None, :], room)
        stats = figures_of_merit(fixed - U @ blocking, response.matrix(), given)
        return Estimate(torch.stack(outputs, dim=-1).movedim(-2, -3), response, stats), state._replace(adaptive=U, power=power)

    @staticmethod
    def _within(U: Tensor, room: Tensor) -> Tensor:
        """U, each row shortened to its room."""
        length = U.abs().square().sum(-1)
        over = length > room
        scale = torch.where(over, room.sqrt() * torch.where(over, length, 1).rsqrt(), 1)
        return U * scale[..., None]
