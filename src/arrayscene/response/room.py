"""The response of a rectangular room: every image that the walls make of a source, summed exactly at each frequency."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from arrayscene.array import MicrophoneArray
from arrayscene.constants import SPEED_OF_SOUND
from arrayscene.errors import GeometryError
from arrayscene.response.directivity import Directivity, gain
from arrayscene.response.shoebox import check_places, metres, reflections, room_lengths, shortest_t60, wall_absorption, walls
from arrayscene.response.steering import FreeField

BLOCK = 1 << 21
"""Phases held at a time."""


class RoomResponse(FreeField):
    """Point sources in a rectangular room, with the reflections of its walls (image-source method).

    A_mn(f) = r_0n sum_i b_i g_m(u_imn) / r_imn e^{-j 2 pi f (r_imn - r_0n) / c}, r_imn the distance from image i of source n to
    microphone m, b_i what its reflections leave of it, and r_0n the source's distance to the array's origin: the direct path
    alone is `SphericalWave`. Walls reflect all frequencies alike and without phase; bodies cast no shadow.

    A long reverberation is longer than the window of a transform: then capture bin by bin, y = A x, is not what the room does,
    and `max_order` keeps the early reflections that a window can hold.

    Args:
        array: microphones, or their positions (mic, 3) in metres as a tensor (then differentiable in them).
        places: (source, 3) metres in the array's own frame; distance * unit_vectors(azimuth, elevation) for directions.
        room_size: (3,) inner length, width and height in metres.
        frequencies: (freq,) hertz.
        t60: seconds, as Sabine's formula has it; 0 for the direct path alone.
        absorption: share of energy that the walls swallow, above 0 and up to 1; instead of `t60`.
        array_center: (3,) where the array's origin stands, metres from the corner; default: the middle, at most 1.1 m up.
        array_azimuth: radians counter-clockwise from the room's first side, in which the array's front points.
        max_order: reflections that a path may have; default: as many as the whole decay needs.
        speed_of_sound: m/s.
        directivity: of the microphones; by default the array's own, omnidirectional for a tensor.

    Cost: O(freq image mic source); on evenly spaced frequencies, such as an STFT has, most of it is one matrix product. Order k
    has about 4 k^3 / 3 images. Differentiable in positions, places and directivity.

    Raises:
        GeometryError: microphones or sources outside the walls or on top of each other, a T60 that the room cannot have, both
            or neither of `t60` and `absorption`.
        DeviceError: pyroomacoustics is not installed.

    Reference: J. B. Allen and D. A. Berkley, "Image method for efficiently simulating small-room acoustics", J. Acoust. Soc. Am.
    65(4), 1979.
    """

    places: Tensor
    orders: Tensor
    strengths: Tensor
    size: Tensor
    center: Tensor
    turn: Tensor

    def __init__(
        self,
        array: MicrophoneArray | Tensor,
        places: Tensor,
        *,
        room_size: Sequence[float],
        frequencies: Tensor,
        t60: float | None = None,
        absorption: float | None = None,
        array_center: Sequence[float] | None = None,
        array_azimuth: float = 0.0,
        max_order: int | None = None,
        speed_of_sound: float = SPEED_OF_SOUND,
        directivity: Directivity | None = None,
    ) -> None:
        super().__init__(array, frequencies, speed_of_sound, directivity)
        places = torch.as_tensor(places, dtype=torch.float64)
        if places.ndim != 2 or places.shape[-1] != 3 or self.positions.ndim != 2 or not bool(torch.isfinite(places).all()):
            raise GeometryError(
                f"RoomResponse: places {tuple(places.shape)} and positions {tuple(self.positions.shape)} came; finite (source, 3)"
                " and (mic, 3) metres are needed"
            )
        size = room_lengths(room_size)
        middle = (size[0] / 2, size[1] / 2, min(1.1, size[2] / 2))
        center = np.array(middle if array_center is None else array_center, dtype=np.float64)
        if center.shape != (3,) or not np.isfinite(center).all() or not math.isfinite(array_azimuth):
            raise GeometryError(
                f"RoomResponse: array centre {metres(center)} and azimuth {array_azimuth} came; x, y and height in metres and a"
                " finite angle are needed"
            )
        cosine, sine = math.cos(array_azimuth), math.sin(array_azimuth)
        turn = torch.tensor([[cosine, -sine, 0.0], [sine, cosine, 0.0], [0.0, 0.0, 1.0]], dtype=torch.float64)
        inside = [(torch.tensor(center) + points.detach().cpu() @ turn.T).numpy() for points in (self.positions, places)]
        check_places(size, inside[0], inside[1])
        orders, strengths = reflections(size, *_walls(size, t60, absorption, max_order))
        self.register_buffer("places", places, persistent=False)
        self.register_buffer("orders", torch.from_numpy(orders), persistent=False)
        self.register_buffer("strengths", torch.from_numpy(strengths), persistent=False)
        self.register_buffer("size", torch.tensor(size), persistent=False)
        self.register_buffer("center", torch.tensor(center), persistent=False)
        self.register_buffer("turn", turn, persistent=False)
        # Known as plain numbers, so that their spacing is known on any device.
        self._own_hertz: list[float] = self.frequencies.tolist()

    @property
    def n_images(self) -> int:
        """Images of one source, itself among them."""
        return len(self.strengths)

    def matrix(self, frequencies: Tensor | None = None) -> Tensor:
        """A, complex128 (freq, mic, source)."""
        hertz = self._own_hertz if frequencies is None else frequencies.tolist()
        k = self._wave_numbers(frequencies)
        step = _even_step(hertz)
        columns = []
        for place in self.places:
            origin = place.square().sum().sqrt()
            rows = [self._heard(place, mic, origin, k, step) for mic in range(len(self.positions))]
            columns.append(torch.stack(rows, dim=-1))
        return torch.stack(columns, dim=-1)

    def _heard(self, place: Tensor, mic: int, origin: Tensor, k: Tensor, step: int) -> Tensor:
        """(freq,) what one microphone hears of one source."""
        total = torch.zeros(len(k), dtype=torch.complex128, device=k.device)
        size = max(BLOCK // (len(k) // step + step if step else len(k)), 1)
        for start in range(0, self.n_images, size):
            chosen = slice(start, start + size)
            between = self._images(place, chosen) - self.positions[mic]
            distance = between.square().sum(-1).sqrt()
            strength = self.strengths[chosen] * origin / distance
            if self.pattern is not None and self.axes is not None:
                strength = strength * gain(self.pattern[mic : mic + 1], (between @ self.axes[mic] / distance)[None])[0]
            total = total + _sum_of_waves(strength, distance - origin, k, step)
        return total

    def _images(self, place: Tensor, chosen: slice) -> Tensor:
        """(image, 3) metres in the array's own frame."""
        inside = self.center + self.turn @ place
        orders = self.orders[chosen]
        # An odd number of reflections along an axis mirrors the source, an even one moves it.
        mirrored = torch.where(orders % 2 == 0, inside, self.size - inside)
        return (orders * self.size + mirrored - self.center) @ self.turn


def _walls(size: NDArray[np.float64], t60: float | None, absorption: float | None, max_order: int | None) -> tuple[float, int]:
    """Absorption and largest order of reflection."""
    if (t60 is None) == (absorption is None):
        raise GeometryError("RoomResponse: give either t60 or absorption")
    if max_order is not None and (max_order != int(max_order) or max_order < 0):
        raise GeometryError(f"RoomResponse: max_order {max_order} came; a whole number is needed, 0 for the direct path alone")
    if absorption is not None:
        if not 0 < absorption <= 1:
            raise GeometryError(f"RoomResponse: absorption {absorption} came; a share above 0 and up to 1 is needed")
        # Walls that swallow everything leave the direct path alone.
        t60 = shortest_t60(size) / absorption if absorption < 1 else 0.0
    assert t60 is not None
    if max_order is None:
        return walls(size, t60)
    return wall_absorption(size, t60), int(max_order)


def _even_step(hertz: Sequence[float]) -> int:
    """How many of evenly spaced frequencies one coarse step spans, about the root of their number; 0 where they are not even."""
    if len(hertz) < 4:
        return 0
    spacing = (hertz[-1] - hertz[0]) / (len(hertz) - 1)
    if any(abs(value - hertz[0] - n * spacing) > 1e-9 for n, value in enumerate(hertz)):
        return 0
    return math.isqrt(len(hertz))


def _sum_of_waves(strength: Tensor, detour: Tensor, k: Tensor, step: int) -> Tensor:
    """sum_i strength_i e^{-j k detour_i}, (freq,); at even frequencies from coarse and fine phases, whose product it is."""
    coarse = -k[:: max(step, 1), None] * detour
    left = torch.polar(strength.expand_as(coarse), coarse)
    if not step:
        return left.sum(-1)
    fine = -(k[:step, None] - k[0]) * detour
    return (left @ torch.polar(torch.ones_like(fine), fine).mT).flatten()[: len(k)]
