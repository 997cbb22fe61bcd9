"""Rectangular rooms: how their walls absorb for a reverberation time, and the images that walls make of a source."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arrayscene.constants import SPEED_OF_SOUND
from arrayscene.errors import DeviceError, GeometryError

CLEARANCE = 0.05
"""Metres that a source keeps from every microphone and that everything keeps from the walls; nearer, 1/r means nothing."""

MAX_IMAGES = 8_000_000
"""Image sources for one source; more would take gigabytes and minutes."""


def room_lengths(room_size: object) -> NDArray[np.float64]:
    """(3,) metres, checked.

    Raises: GeometryError for anything but three lengths that leave room for something.
    """
    size = np.asarray(room_size, dtype=np.float64)
    if size.shape != (3,) or not np.all(np.isfinite(size)) or np.any(size <= 2 * CLEARANCE):
        raise GeometryError(f"room size {metres(size)} came; give three lengths in metres, such as 6 4 2.7")
    return size


def check_places(
    size: NDArray[np.float64], microphones: NDArray[np.float64], sources: NDArray[np.float64], word: str = "source"
) -> None:
    """Refuse microphones (mic, 3) and sources (source, 3) outside the walls, or on top of each other; `word` names a source.

    Raises: GeometryError saying which and where.
    """
    for what, points in (("microphone", microphones), (word, sources)):
        for number, point in enumerate(points, start=1):
            if not np.all((point >= CLEARANCE) & (point <= size - CLEARANCE)):
                raise GeometryError(
                    f"{what} {number} stands at ({', '.join(f'{value:.2f}' for value in point)}) m, outside the walls of a room "
                    f"of {metres(size)} less {CLEARANCE} m; move it or enlarge the room"
                )
    distances = np.linalg.norm(sources[:, None] - microphones[None], axis=2)
    if distances.min() < CLEARANCE:
        source, microphone = np.unravel_index(distances.argmin(), distances.shape)
        raise GeometryError(
            f"{word} {source + 1} is {distances.min():.3f} m from microphone {microphone + 1}; "
            f"keep it at least {CLEARANCE} m away"
        )


def shortest_t60(size: NDArray[np.float64]) -> float:
    """Seconds that the sound of a room takes to fall by 60 dB where its walls absorb everything, by Sabine's formula."""
    surface = 2 * float(size[0] * size[1] + size[0] * size[2] + size[1] * size[2])
    return 24 * math.log(10) * float(np.prod(size)) / (SPEED_OF_SOUND * surface)


def wall_absorption(size: NDArray[np.float64], t60: float) -> float:
    """Share of energy that the walls swallow, by Sabine's formula; 1 for a T60 of 0.

    Raises: GeometryError for a T60 that the room cannot have.
    """
    if not math.isfinite(t60) or t60 < 0:
        raise GeometryError(f"T60 of {t60} s came; give seconds, or 0 for no reverberation")
    if t60 == 0:
        return 1.0
    shortest = shortest_t60(size)
    if t60 < shortest:
        raise GeometryError(
            f"T60 of {t60:g} s came; a room of {metres(size)} whose walls absorb everything has {shortest:.2f} s by Sabine's "
            f"formula; take a longer T60, a smaller room, or 0 for no reverberation"
        )
    return shortest / t60


def walls(size: NDArray[np.float64], t60: float) -> tuple[float, int]:
    """Energy absorption of the walls, by Sabine's formula, and the reflection order that reaches T60.

    Raises: GeometryError for a T60 that the room cannot have, or that needs too many images.
    """
    absorption = wall_absorption(size, t60)
    if t60 == 0:
        return absorption, 0
    # Images up to order k fill an octahedron; the largest sphere inside it must reach c T60 for the decay to be whole.
    inner = min(a * b / math.hypot(a, b) for a, b in ((size[0], size[1]), (size[0], size[2]), (size[1], size[2])))
    order = max(1, math.ceil(SPEED_OF_SOUND * t60 / inner) - 1)
    images = 4 * order**3 / 3
    if images > MAX_IMAGES:
        longest = ((MAX_IMAGES * 3 / 4) ** (1 / 3)) * inner / SPEED_OF_SOUND
        raise GeometryError(
            f"T60 of {t60:g} s in a room of {metres(size)} needs {images:.1e} image sources, over {MAX_IMAGES:.0e}; "
            f"take a T60 below {longest:.2f} s or a larger room"
        )
    return absorption, order


def reflections(size: NDArray[np.float64], absorption: float, order: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """How often each image of a source was reflected along x, y and z, (image, 3) with the sign of the side, and its strength.

    Raises: DeviceError where pyroomacoustics is not installed.
    """
    pra = pyroomacoustics()
    room = pra.ShoeBox(size, fs=16000, materials=pra.Material(absorption), max_order=order, air_absorption=False)
    # Which images there are, and how strong, does not depend on where in the room source and microphone are.
    room.add_source(size / 2)
    room.add_microphone(size / 3)
    room.image_source_model()
    source = room.sources[0]
    return np.asarray(source.orders_xyz.T, dtype=np.int64), np.asarray(source.damping[0], dtype=np.float64)


def pyroomacoustics() -> Any:
    """The package that knows rooms.

    Raises: DeviceError saying how to install it.
    """
    try:
        import pyroomacoustics as pra
    except ImportError as error:
        raise DeviceError("rooms need pyroomacoustics, which is missing; run: pip install 'arrayscene[rooms]'") from error
    return pra


def metres(values: NDArray[np.float64]) -> str:
    """Lengths as a person writes them: 6 x 4 x 2.7 m."""
    return " x ".join(f"{value:g}" for value in np.ravel(values)) + " m"
