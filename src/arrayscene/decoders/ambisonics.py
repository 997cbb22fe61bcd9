"""Ambisonics from any array: signal matching on a dense grid of directions."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

from arrayscene.decoders.base import Decoder, Estimate
from arrayscene.decoders.linear import LinearState
from arrayscene.decoders.quality import noise_gain
from arrayscene.decoders.reliability import SENSOR_NOISE
from arrayscene.errors import GeometryError, ShapeError
from arrayscene.linalg import load_diagonal
from arrayscene.response import MatrixResponse, Response, unit_vectors
from arrayscene.response.harmonics import channel_orders, spherical_harmonics
from arrayscene.response.solid_angles import solid_angles

MISSING = 0.35
"""Share of an order's power that may be wrong where it is encoded best: a flat array lacks a third of the first order."""

WIDEST_GAP = math.pi / 3
"""Radians around a place on the sphere in which there may be no direction; heads are rarely measured from below."""

HALF = 0.5
"""Share of all channels' power that is wrong where the array aliases."""


class AmbisonicsEncoder(Decoder):
    """Ambisonics signal matching: the spherical harmonics of the sound field, as well as the array can tell them.

    D(f) = Y W V^H (V W V^H + mu I)^-1, with V(f) the array's responses to a dense grid of directions, Y the real spherical
    harmonics there and W the solid angles: of all linear encoders that of the least mean square error over the sphere. Above
    `magnitude_above`, where the array aliases and phases cannot be met, Y takes the phases that the encoder of the frequency
    below leaves, so that at least the magnitudes come right (magnitude least squares).

    Any response on a grid will do, e.g. a rigid sphere's or a measured one; channels come in the order ACN:

        AmbisonicsEncoder(far_field(array, azimuth, elevation, frequencies=stft.frequencies(sample_rate)))

    A response given when decoding is not needed and changes nothing. The estimate's `stats` hold "encoding_error" (freq, channel)
    and "order_error" (freq, order + 1), mean square error over the sphere relative to the harmonics' own power;
    "magnitude_error" (freq, order + 1), the same of the magnitudes; "noise_gain" and "reliability" (freq, channel).

    Args:
        grid: response to directions all over the sphere, 2 (order + 1)^2 or more and as close as half a wavelength at the array's
            rim (1000 for 20 cm at 8 kHz), that knows their `azimuth` and `elevation`.
        order: of the harmonics; None: the highest up to which every order comes out with at most a third of its power wrong at
            some frequency.
        normalization: "SN3D" (AmbiX), no channel louder than the first, or "N3D", all of mean power 1 over the sphere.
        loading: mu relative to the mean eigenvalue of V W V^H; bounds how far low frequencies amplify the microphones' noise.
        magnitude_above: hertz; None: the highest frequency at which less than half of all channels' power is wrong; infinity
            matches phases everywhere.

    Cost: O(freq direction mic (mic + channel)) once, in the constructor; O(freq mic channel) a frame. Differentiable in y. No
    latency beyond the transform's.

    Raises: ShapeError for a grid that does not know its directions or holds too few, other arguments outside their range, and
    frames of other microphones or frequencies than the grid's; GeometryError for a grid that leaves more than 60 degrees open.

    Reference: "Ambisonics encoder for wearable array with improved binaural reproduction", Forum Acusticum 2025, for signal
    matching; C. Schörkhuber, M. Zaunschirm and R. Höldrich, "Binaural rendering of Ambisonic signals via magnitude least
    squares", DAGA 2018.
    """

    D: Tensor
    A: Tensor
    frequencies: Tensor

    def __init__(
        self,
        grid: Response,
        order: int | None = None,
        *,
        normalization: Literal["SN3D", "N3D"] = "SN3D",
        loading: float = 1e-3,
        magnitude_above: float | None = None,
    ) -> None:
        super().__init__()
        if normalization not in ("SN3D", "N3D") or (order is not None and order < 0) or not loading > 0:
            raise ShapeError(
                f"AmbisonicsEncoder: normalization={normalization!r}, order={order}, loading={loading} came; 'SN3D' or 'N3D', an"
                " order of 0 or more and a loading above 0 are needed"
            )
        with torch.no_grad():
            V, Y, angles = _on_the_grid(grid, order)
            # V W V^H and Y W V^H.
            diffuse, matched = (V * angles) @ V.mH, (Y * angles) @ V.mH
            loaded = load_diagonal(diffuse, loading)
            D: Tensor = torch.linalg.solve(loaded, matched, left=False)
            error = _mean_square_error(D, diffuse, matched)
            if order is None:
                order = _highest_order(error)
                n_channels = (order + 1) ** 2
                D, matched, error, Y = D[:, :n_channels], matched[:, :n_channels], error[:, :n_channels], Y[:n_channels]
            if magnitude_above is None:
                right = (error.mean(-1) < HALF).nonzero()
                magnitude_above = float(grid.frequencies[right[-1, 0]]) if len(right) else math.inf
            D = _match_magnitudes(D, V, Y, angles, loaded, (grid.frequencies > magnitude_above).tolist())
            error = _mean_square_error(D, diffuse, matched)
            orders = channel_orders(order).to(V.device)
            scale = (2 * orders + 1).double().rsqrt() if normalization == "SN3D" else torch.ones_like(error[0])
            figures = {
                "encoding_error": error,
                "order_error": _by_order(error, orders),
                "magnitude_error": _by_order(_magnitude_error(D, V, Y, angles), orders),
                "noise_gain": noise_gain(D) * scale.square(),
                "reliability": (1 - error - SENSOR_NOISE * noise_gain(D)).clamp(0, 1),
            }
        self.order, self.magnitude_above, self.figures = order, magnitude_above, tuple(figures)
        self.register_buffer("D", scale[:, None] * D, persistent=False)
        # The harmonics' own responses: the A of y = A x for a field of this order.
        self.register_buffer("A", matched.mH / scale, persistent=False)
        self.register_buffer("frequencies", grid.frequencies, persistent=False)
        for name, figure in figures.items():
            self.register_buffer(name, figure, persistent=False)

    def init(self, y: Tensor, response: Response | None = None, *, generator: torch.Generator | None = None) -> LinearState:
        """The encoder, which depends on the grid alone."""
        n_freqs, _, n_mics = self.D.shape
        if y.shape[-3:-1] != (n_mics, n_freqs):
            raise ShapeError(
                f"AmbisonicsEncoder: frames of {y.shape[-3]} microphones and {y.shape[-2]} frequencies came; the grid was made"
                f" for {n_mics} and {n_freqs}"
            )
        stats = {name: getattr(self, name) for name in self.figures}
        return LinearState(self.D.to(y.dtype), MatrixResponse(self.A, self.frequencies), stats)

    def step(self, y: Tensor, state: LinearState) -> tuple[Estimate, LinearState]:
        """X = D y: (..., channel, freq, frame)."""
        return Estimate(torch.einsum("...fsm,...mft->...sft", state.D, y), state.response, state.stats), state


def _on_the_grid(grid: Response, order: int | None) -> tuple[Tensor, Tensor, Tensor]:
    """V (freq, mic, direction), Y (channel, direction) as complex numbers, and solid angles (direction,) that add up to 1."""
    azimuth, elevation = getattr(grid, "azimuth", None), getattr(grid, "elevation", None)
    V = grid.matrix()
    if azimuth is None or elevation is None or V.ndim != 3:
        raise ShapeError(
            f"AmbisonicsEncoder: {type(grid).__name__} of shape {tuple(V.shape)} does not know its directions; pass e.g."
            " far_field(array, azimuth, elevation, frequencies=...)"
        )
    n_mics, n_directions = V.shape[-2:]
    # Of more channels than twice the microphones, half could not come out right.
    highest = max(math.isqrt(2 * n_mics) - 1, 0) if order is None else order
    if n_directions < 2 * (highest + 1) ** 2:
        raise ShapeError(
            f"AmbisonicsEncoder: {n_directions} directions came; order {highest} needs {2 * (highest + 1) ** 2} or more, all over"
            " the sphere"
        )
    azimuth, elevation = azimuth.expand(n_directions), elevation.expand(n_directions)
    angles, gap = solid_angles(unit_vectors(azimuth, elevation).detach().cpu().numpy())
    if gap > WIDEST_GAP:
        missing = "all that is beside a plane" if math.isinf(gap) else f"{math.degrees(gap):.0f} degrees around a place"
        raise GeometryError(
            f"AmbisonicsEncoder: the {n_directions} directions leave {missing} on the sphere open;"
            f" {math.degrees(WIDEST_GAP):.0f} degrees at most are needed"
        )
    return V, spherical_harmonics(highest, azimuth, elevation).to(V), torch.from_numpy(angles).to(V.real)


def _mean_square_error(D: Tensor, diffuse: Tensor, matched: Tensor) -> Tensor:
    """Mean over the sphere (freq, channel) of |D V - Y|^2, where Y has mean power 1."""
    power = (D @ diffuse * D.conj()).sum(-1).real
    return (1 - 2 * (D * matched.conj()).sum(-1).real + power).clamp_min(0)


def _magnitude_error(D: Tensor, V: Tensor, Y: Tensor, angles: Tensor) -> Tensor:
    """Mean over the sphere (freq, channel) of (|D V| - |Y|)^2; a frequency at a time, as D V is large."""
    return torch.stack([((d @ v).abs() - Y.abs()).square() @ angles for d, v in zip(D, V, strict=True)])


def _match_magnitudes(D: Tensor, V: Tensor, Y: Tensor, angles: Tensor, loaded: Tensor, wanted: list[bool]) -> Tensor:
    """D (freq, channel, mic) with the phases of Y given up at the `wanted` frequencies, from low to high."""
    rows = list(D)
    for f, magnitude_only in enumerate(wanted):
        if magnitude_only and f > 0:
            left = rows[f - 1] @ V[f]
            target = torch.polar(Y.abs(), left.angle())
            rows[f] = torch.linalg.solve(loaded[f], (target * angles) @ V[f].mH, left=False)
    return torch.stack(rows)


def _highest_order(error: Tensor) -> int:
    """The highest order up to which each comes out at some frequency; error (freq, channel)."""
    orders = channel_orders(math.isqrt(error.shape[-1]) - 1).to(error.device)
    wrong = (_by_order(error, orders).amin(0) > MISSING).nonzero()
    return max(int(wrong[0, 0]) - 1, 0) if len(wrong) else int(orders[-1])


def _by_order(error: Tensor, orders: Tensor) -> Tensor:
    """Mean error (freq, order + 1) of the channels of each order."""
    same = (orders == torch.arange(int(orders[-1]) + 1, device=orders.device)[:, None]).to(error)
    return error @ (same / same.sum(-1, keepdim=True)).T
