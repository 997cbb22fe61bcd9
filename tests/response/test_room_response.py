"""A room as a response: its direct path, its images, and what no room can hold."""

import math
from typing import Any

import numpy as np
import pytest
import torch

from arrayscene.array import MicrophoneArray
from arrayscene.errors import GeometryError
from arrayscene.response import Directivity, RoomResponse, SphericalWave

pra = pytest.importorskip("pyroomacoustics", reason="rooms need pyroomacoustics: pip install arrayscene[rooms]")

RATE = 16000
SIZE = (5.0, 4.0, 2.6)
CENTER = (2.2, 1.7, 1.2)
ARRAY = MicrophoneArray.circular(3, 0.06)
PLACES = torch.tensor([[1.2, 0.8, 0.2], [-0.6, -1.1, -0.3]], dtype=torch.float64)
EVEN = torch.arange(0, 257, dtype=torch.float64) * RATE / 512
ODD = torch.tensor([130.0, 999.0, 1000.5, 3700.0, 7123.4], dtype=torch.float64)


def room(frequencies: torch.Tensor = EVEN, **options: Any) -> RoomResponse:
    options = {"room_size": SIZE, "array_center": CENTER, "absorption": 0.4, "max_order": 3} | options
    array, places = options.pop("array", ARRAY), options.pop("places", PLACES)
    return RoomResponse(array, places, frequencies=frequencies, **options)


def summed_by_hand(frequencies: np.ndarray, order: int, absorption: float, c: float) -> np.ndarray:
    """Images counted axis by axis, in a loop: (freq, mic, source)."""
    size, center = np.array(SIZE), np.array(CENTER)
    A = np.zeros((len(frequencies), ARRAY.n_mics, len(PLACES)), complex)
    hops = range(-order, order + 1)
    for n, place in enumerate(PLACES.numpy()):
        for o in ((i, j, k) for i in hops for j in hops for k in hops if abs(i) + abs(j) + abs(k) <= order):
            inside = center + place
            image = np.array([q * side + (x if q % 2 == 0 else side - x) for q, side, x in zip(o, size, inside, strict=True)])
            strength = math.sqrt(1 - absorption) ** sum(map(abs, o))
            for m, mic in enumerate(center + ARRAY.positions):
                distance, origin = np.linalg.norm(image - mic), np.linalg.norm(place)
                A[:, m, n] += strength * origin / distance * np.exp(-2j * np.pi * frequencies * (distance - origin) / c)
    return A


@pytest.mark.parametrize("frequencies", [EVEN[::16], ODD])
def test_images_are_summed(frequencies: torch.Tensor) -> None:
    response = room(frequencies)
    assert response.n_images == 63
    wanted = summed_by_hand(frequencies.numpy(), 3, 0.4, response.speed_of_sound)
    np.testing.assert_allclose(response.matrix().numpy(), wanted, atol=1e-6)


def test_the_direct_path_alone_is_a_spherical_wave() -> None:
    directivity = Directivity(torch.tensor([0.5, 0.25, 1.0]), torch.tensor(ARRAY.positions))
    for options in ({"max_order": 0}, {"absorption": None, "t60": 0.0, "max_order": None, "array_azimuth": 0.7}):
        found = room(directivity=directivity, **options).matrix()
        wanted = SphericalWave(ARRAY, PLACES, frequencies=EVEN, directivity=directivity).matrix()
        torch.testing.assert_close(found, wanted)


def test_the_same_spectrum_as_pyroomacoustics() -> None:
    response = room(speed_of_sound=pra.constants.get("c"))
    peer = pra.ShoeBox(SIZE, fs=RATE, materials=pra.Material(0.4), max_order=3, air_absorption=False)
    for place in PLACES.numpy():
        peer.add_source(np.array(CENTER) + place)
    peer.add_microphone_array((np.array(CENTER) + ARRAY.positions).T)
    peer.compute_rir()
    # Its filters delay by half their length, take out the lowest frequencies and roll off towards half the rate.
    late, times = pra.constants.get("frac_delay_length") // 2 / RATE, 2j * np.pi * EVEN.numpy()
    band = (EVEN > 1000) & (EVEN < 6000)
    A = response.matrix().numpy()
    for n, place in enumerate(PLACES.numpy()):
        origin = np.linalg.norm(place)
        for m in range(3):
            rir = np.asarray(peer.rir[m][n], dtype=np.float64)
            spectrum = np.exp(-np.outer(times, np.arange(len(rir)) / RATE)) @ rir
            spectrum = origin * spectrum * np.exp(times * (late + origin / response.speed_of_sound))
            error = np.abs(spectrum - A[:, m, n])[band] ** 2
            assert error.mean() < 1e-4 * (np.abs(A[:, m, n])[band] ** 2).mean()


def test_turning_the_array_turns_what_it_hears() -> None:
    angle = 0.9
    cosine, sine = math.cos(angle), math.sin(angle)
    turn = torch.tensor([[cosine, sine, 0], [-sine, cosine, 0], [0, 0, 1]], dtype=torch.float64)
    # The same places in the room, seen from an array turned to the left.
    moved = MicrophoneArray(positions=ARRAY.positions @ turn.numpy().T)
    found = room(array=moved, places=PLACES @ turn.T, array_azimuth=angle).matrix()
    torch.testing.assert_close(found, room().matrix())


def test_a_long_decay_holds_many_images() -> None:
    longer, shorter = room(t60=0.3, absorption=None, max_order=None), room(t60=0.15, absorption=None, max_order=None)
    assert longer.n_images > 6 * shorter.n_images
    # Reverberation adds power to the direct sound.
    direct = room(max_order=0).matrix().abs().square().mean()
    powers = [float(response.matrix(EVEN[8:120:4]).abs().square().mean() / direct) for response in (shorter, longer)]
    assert 1 < powers[0] < powers[1]


def test_its_diffuse_field_is_that_of_the_microphones_in_free_field() -> None:
    torch.testing.assert_close(room().diffuse(), SphericalWave(ARRAY, PLACES, frequencies=EVEN).diffuse())


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"places": torch.tensor([[4.0, 0.0, 0.0]])}, "source 1 stands at .* outside the walls"),
        ({"array_center": (0.05, 1, 1)}, "microphone 2 stands at"),
        ({"places": torch.tensor(ARRAY.positions[:1])}, r"source 1 is 0\.000 m from microphone 1"),
        ({"absorption": None, "t60": 0.05}, r"T60 of 0\.05 s came; a room of 5 x 4 x 2\.6 m"),
        ({"absorption": None, "t60": 30.0, "max_order": None}, "image sources"),
        ({"absorption": None}, "either t60 or absorption"),
        ({"t60": 0.3}, "either t60 or absorption"),
        ({"absorption": 0.0}, "absorption 0.0"),
        ({"absorption": 1.2}, "absorption 1.2"),
        ({"max_order": -1}, "max_order -1"),
        ({"room_size": (5, 4)}, "three lengths"),
        ({"places": torch.zeros(3)}, "finite .source, 3."),
        ({"array_center": (1, 2)}, "array centre"),
    ],
)
def test_what_no_room_can_hold(options: dict[str, Any], words: str) -> None:
    with pytest.raises(GeometryError, match=words):
        room(**options)
