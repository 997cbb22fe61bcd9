"""Differential beamforming: the same directivity pattern at every frequency, from arrays smaller than the wavelength."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import get_args

import numpy as np
import torch
from torch import Tensor

from arrayscene.array import MicrophoneArray
from arrayscene.constants import SPEED_OF_SOUND
from arrayscene.decoders.bisection import bisect
from arrayscene.decoders.linear import LinearDecoder
from arrayscene.decoders.patterns import Pattern, pattern_nulls, pattern_through, sampling_angles
from arrayscene.errors import GeometryError, ShapeError
from arrayscene.response import Response, far_field, unit_vectors

CUT = 1e-11
"""Singular values of the pattern's equations, relative to the largest, below which they are rounding."""

BESIDES = 1e-2
"""Weight of the other angles relative to the nulls, where the array cannot meet all of them."""

SMALL = 0.2
"""Wave number times radius at which an array is tried out: small, but far from rounding."""

POOREST = 0.01
"""Power of what may be missing from the pattern there, relative to its own; more: the array cannot make it."""


class Differential(LinearDecoder):
    """Differential array of any order: a frequency-invariant pattern around each source's direction.

    Of all distortionless d, that of the least |d|^2 (the most white noise gain) for which d a(u_k) = B(<u_k, u_n>), with B a
    polynomial of order N of the cosine, at its nulls on both sides of the source's direction u_n and at as many other angles as
    define it. Where |d|^2 is more than the white noise gain's floor allows, the pattern gives way as little as possible, which
    happens at low frequencies. The angles lie on the great circle through u_n and the horizontal tangent there.

    A line looks along itself only and needs N + 1 microphones; a ring or another array in the plane of its sources looks
    anywhere around and needs 2 N + 1. The pattern holds while the array is small for the wavelength.

    Args:
        array: microphones, whose responses to the other directions are needed; with body and directivity.
        pattern: "cardioid", "dipole", "hypercardioid" or "supercardioid", or the angles of the nulls from the looking direction
            in radians, e.g. [pi] for a cardioid; the same angle twice makes a double null.
        order: N; None: 1, or the number of nulls.
        white_noise_gain: floor, linear, exact; 0.1 amplifies the microphones' noise by at most 10 dB. 0: none.
        speed_of_sound: m/s.
        reference: as for every linear decoder.

    Cost: one SVD of mic x (2 N + 1) a frequency and source. Not differentiable in A.

    Raises: ShapeError for an unknown pattern, an order below 1, or a response that does not know its directions; GeometryError
    for an array that cannot make the pattern towards a source.

    Reference: J. Benesty and J. Chen, "Study and Design of Differential Microphone Arrays", 2012; J. Benesty, J. Chen and
    I. Cohen, "Design of Circular Differential Microphone Arrays", 2015.
    """

    def __init__(
        self,
        array: MicrophoneArray,
        pattern: Pattern | Sequence[float] = "hypercardioid",
        order: int | None = None,
        *,
        white_noise_gain: float = 0.1,
        speed_of_sound: float = SPEED_OF_SOUND,
        reference: int | None = 0,
    ) -> None:
        super().__init__(reference)
        if isinstance(pattern, str):
            order = 1 if order is None else order
            if pattern not in get_args(Pattern):
                raise ShapeError(f"Differential: pattern {pattern!r} came; one of {', '.join(get_args(Pattern))} is needed")
        elif order not in (None, len(pattern)) or not all(0 < angle <= math.pi + 1e-9 for angle in pattern):
            raise ShapeError(
                f"Differential: nulls at {list(pattern)} came with order {order}; as many angles above 0 and up to pi radians are"
                " needed"
            )
        else:
            order = len(pattern)
        if order < 1 or not white_noise_gain >= 0:
            raise ShapeError(
                f"Differential: order {order} and a white noise gain of {white_noise_gain} came; an order of 1 or more and a gain"
                " of 0 or more (linear) are needed"
            )
        self.array, self.white_noise_gain, self.speed_of_sound = array, white_noise_gain, speed_of_sound
        self.nulls = pattern_nulls(pattern, order) if isinstance(pattern, str) else tuple(pattern)
        self.pattern = pattern_through(self.nulls)

    def weights(self, A: Tensor, y: Tensor, response: Response) -> Tensor:
        """The least d that makes the pattern, row by row."""
        azimuth, elevation = getattr(response, "azimuth", None), getattr(response, "elevation", None)
        if azimuth is None or elevation is None:
            raise ShapeError(
                f"Differential: {type(response).__name__} does not know its directions; pass e.g."
                " far_field(array, azimuth, frequencies=...)"
            )
        azimuth, elevation = azimuth.detach().cpu(), elevation.detach().cpu()
        nulls, others = sampling_angles(self.nulls)
        turns = torch.tensor([0.0, *nulls, *others], dtype=torch.float64)
        importance = torch.tensor([1.0] * (1 + len(nulls)) + [BESIDES] * len(others), dtype=torch.float64)
        with torch.no_grad():
            self._check_array(turns, importance, azimuth, elevation)
            C = self._around(turns, azimuth, elevation, response.frequencies.detach().cpu()).to(A)
            # Distances between d and its floor are those of A, which may be relative to the reference microphone.
            power = A.abs().square().sum(-2)
            C = C * (power / C[..., 0].abs().square().sum(-1)).sqrt()[..., None, None]
            d = self._design(C, turns, importance, self.white_noise_gain)
        # The phase at the array's middle, where the pattern is real, is not that at the reference.
        rows: Tensor = d / (d * A.mT).sum(-1, keepdim=True)
        return rows

    def _design(self, C: Tensor, turns: Tensor, importance: Tensor, floor: float) -> Tensor:
        """The rows d (..., source, mic) for responses C (..., source, mic, direction), the source's own first."""
        wanted, importance = self._pattern(turns).to(C), importance.to(C)
        own = C[..., :1]
        least = own.mH / own.abs().square().sum(-2, keepdim=True)
        left = (wanted - least @ C) * importance
        # What is orthogonal to the source's own response changes nothing for the source.
        U, s, Vh = torch.linalg.svd((C - own @ (least @ C)) * importance, full_matrices=False)
        along = (left @ Vh.mH)[..., 0, :] * (s > CUT * s[..., :1])
        low = (CUT * s[..., 0]).square() + torch.finfo(s.dtype).tiny ** 0.5
        mu = low
        if floor > 0:
            room = (1 / floor - least.abs().square().sum((-2, -1))).clamp_min(0)

            def shortness(t: Tensor) -> Tensor:
                power: Tensor = (along * s / (s.square() + t.exp()[..., None])).abs().square().sum(-1)
                return -power

            mu = bisect(shortness, -room, low.log(), (s[..., 0].square() + low).log() + 60).exp()
        shares: Tensor = along * s / (s.square() + mu[..., None])
        rows: Tensor = (least + shares[..., None, :] @ U.mH)[..., 0, :]
        return rows

    def _pattern(self, turns: Tensor) -> Tensor:
        values: Tensor = torch.from_numpy(np.asarray(self.pattern(torch.cos(turns).numpy())))
        return values

    def _around(self, turns: Tensor, azimuth: Tensor, elevation: Tensor, frequencies: Tensor) -> Tensor:
        """Responses (..., freq, source, mic, turn), as if the array's middle were the origin."""
        toward, tangent = unit_vectors(azimuth, elevation), unit_vectors(azimuth + math.pi / 2, torch.zeros_like(elevation))
        points = torch.cos(turns)[:, None] * toward[..., None, :] + torch.sin(turns)[:, None] * tangent[..., None, :]
        points = points.flatten(-3, -2)
        x, y, z = points.unbind(-1)
        angles = torch.atan2(y, x), torch.asin(z.clamp(-1, 1))
        C = far_field(self.array, *angles, frequencies=frequencies, speed_of_sound=self.speed_of_sound).matrix()
        middle = torch.from_numpy(self.array.positions.mean(axis=0)) / self.speed_of_sound
        phase = 2 * math.pi * frequencies[:, None] * (points @ middle)[..., None, :]
        C = C * torch.polar(torch.ones_like(phase), -phase)[..., None, :]
        return C.reshape(*C.shape[:-1], -1, len(turns)).movedim(-2, -3)

    def _check_array(self, turns: Tensor, importance: Tensor, azimuth: Tensor, elevation: Tensor) -> None:
        """Refuse an array that cannot make the pattern even where it is small for the wavelength."""
        radius = float(np.linalg.norm(self.array.positions - self.array.positions.mean(axis=0), axis=1).max())
        around = torch.linspace(0, 2 * math.pi, 8 * len(self.nulls) + 1, dtype=torch.float64)[:-1]
        missing = torch.ones(1, azimuth.numel())
        if radius > 0:
            frequency = torch.tensor([SMALL * self.speed_of_sound / (2 * math.pi * radius)], dtype=torch.float64)
            C = self._around(torch.cat([turns, around]), azimuth, elevation, frequency)
            d = self._design(C[..., : len(turns)], turns, importance, 0.0)
            made, wanted = (d[..., None, :] @ C[..., len(turns) :])[..., 0, :], self._pattern(around)
            missing = (made - wanted).abs().square().sum(-1) / wanted.square().sum()
        worst = int(missing.flatten().argmax())
        if float(missing.flatten()[worst]) > POOREST:
            order = len(self.nulls)
            raise GeometryError(
                f"Differential: array {self.array.name!r} of {len(self.array.positions)} microphones cannot make a pattern of"
                f" order {order} towards source {worst % missing.shape[-1] + 1}; a line needs {order + 1} microphones and looks"
                f" along itself only, a ring needs {2 * order + 1}; take a lower order or Superdirective"
            )
