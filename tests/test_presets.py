"""Every known device against slow, obvious checks of its geometry."""

import json
import math
import os
from itertools import combinations, pairwise
from pathlib import Path

import numpy as np
import pytest

from arrayscene.array import MicrophoneArray
from arrayscene.array_presets import Preset, find_preset, plain, presets

NAMES = [preset.name for preset in presets()]

SHARED_DATA = Path(os.environ.get("ARRAYSCENE_SHARED_DATA", Path(__file__).parents[2] / "shared" / "data"))
LISTED = SHARED_DATA.parent / "array_presets.json"

RINGS = {
    # name: (microphones in file order, degrees from one to the next; counter-clockwise is positive), tolerance
    "respeaker-usb-4": (range(4), 90.0, 0.01),
    "respeaker-hat-4": (range(4), -90.0, 0.01),
    "respeaker-6": (range(6), 60.0, 0.2),
    "respeaker-usb-7": (range(1, 7), 60.0, 0.1),
    "uma-8": (range(1, 7), -60.0, 1.0),
    "matrix-creator": (range(8), -45.0, 0.01),
    "matrix-voice": (range(1, 8), -360.0 / 7, 0.1),
    "xmos-7": (range(1, 7), -60.0, 1.5),
    "libricss-7": (range(1, 7), 60.0, 0.01),
    "tumbler-16": (range(8), -45.0, 0.2),
}

CENTRES = ("respeaker-usb-7", "uma-8", "matrix-voice", "xmos-7", "libricss-7")

DIRECTIONS = {"forward": (0, 1), "back": (0, -1), "left": (1, 1), "right": (1, -1), "up": (2, 1), "down": (2, -1)}


@pytest.fixture(params=NAMES)
def array(request: pytest.FixtureRequest) -> MicrophoneArray:
    return MicrophoneArray.preset(request.param)


def into_ours(positions: list[list[float]], source_frame: str) -> list[list[float]]:
    """Turn positions from a frame in words, such as "x left, y up, z forward", into x front, y left, z up."""
    where = [DIRECTIONS[part.split()[1]] for part in source_frame.split(", ")]
    turned = []
    for position in positions:
        row = [0.0, 0.0, 0.0]
        for value, (axis, sign) in zip(position, where, strict=True):
            row[axis] = sign * value
        turned.append(row)
    return turned


def without(vector: list[float], direction: list[float]) -> list[float]:
    """What is left of a vector at right angles to a unit direction."""
    along = sum(a * b for a, b in zip(vector, direction, strict=True))
    return [a - along * b for a, b in zip(vector, direction, strict=True)]


def test_all_thirty_devices_are_known() -> None:
    assert len(NAMES) == 30
    assert list(MicrophoneArray.preset_names()) == sorted(NAMES)


def test_no_two_microphones_in_one_place_and_a_plausible_size(array: MicrophoneArray) -> None:
    apart = [math.dist(a, b) for a, b in combinations(array.positions.tolist(), 2)]
    assert min(apart) > 0.01
    assert 0.015 < max(apart) < 2.0


def test_measures_agree_with_a_slow_check(array: MicrophoneArray) -> None:
    points = array.positions.tolist()
    apart = {(a, b): math.dist(points[a], points[b]) for a, b in combinations(range(len(points)), 2)}
    (first, last), aperture = max(apart.items(), key=lambda item: item[1])
    assert array.aperture == pytest.approx(aperture)
    assert array.aliasing_hz(343.0) == pytest.approx(343.0 / 2 / min(apart.values()))

    line = [(b - a) / aperture for a, b in zip(points[first], points[last], strict=True)]
    off_line = [without([b - a for a, b in zip(points[first], point, strict=True)], line) for point in points]
    widest = max(off_line, key=lambda offset: math.hypot(*offset))
    if math.hypot(*widest) < 0.01 * aperture:
        assert array.ambiguity == "cone"
        return
    across = [value / math.hypot(*widest) for value in widest]
    thickness = max(math.hypot(*without(offset, across)) for offset in off_line)
    assert array.ambiguity == ("mirror" if thickness < 0.03 * aperture else "none")


def test_channels_are_valid(array: MicrophoneArray) -> None:
    assert len(set(array.file_channels)) == array.n_mics
    assert min(array.file_channels) >= 1
    assert max(array.file_channels) <= (array.hardware_channels or array.n_mics)


def test_zero_direction_and_source_are_stated(array: MicrophoneArray) -> None:
    assert array.zero_direction.startswith("+x")
    assert array.source != "given by the user"


@pytest.mark.parametrize("name", RINGS)
def test_rings_are_even_and_numbered_in_the_stated_direction(name: str) -> None:
    mics, step, tolerance = RINGS[name]
    positions = MicrophoneArray.preset(name).positions[list(mics)]
    angles = [math.degrees(math.atan2(y, x)) for x, y, _ in positions.tolist()]
    for before, after in pairwise([*angles, angles[0]]):
        assert (after - before - step + 180) % 360 - 180 == pytest.approx(0, abs=tolerance)
    radii = [math.hypot(x, y) for x, y, _ in positions.tolist()]
    assert max(radii) / min(radii) < 1.02


@pytest.mark.parametrize("name", CENTRES)
def test_the_first_channel_is_the_microphone_in_the_middle(name: str) -> None:
    assert MicrophoneArray.preset(name).positions[0].tolist() == [0, 0, 0]


@pytest.mark.parametrize("name", ["hrp2-8", "easycom-4"])
def test_numbered_clockwise_seen_from_above(name: str) -> None:
    ahead, left, _ = MicrophoneArray.preset(name).positions.T
    turns = np.diff(np.unwrap(np.arctan2(left, ahead)))
    assert (turns < 0).all()


@pytest.mark.parametrize("name", [name for name in NAMES if MicrophoneArray.preset(name).body_radius])
def test_microphones_of_a_rigid_sphere_are_on_its_surface(name: str) -> None:
    array = MicrophoneArray.preset(name)
    np.testing.assert_allclose(np.linalg.norm(array.positions, axis=1), array.body_radius, rtol=1e-3)


@pytest.mark.parametrize("name", ["sennheiser-ambeo", "zoom-h3vr"])
def test_capsules_of_tetrahedra_are_cardioids_that_look_outwards(name: str) -> None:
    array = MicrophoneArray.preset(name)
    assert array.directivity == (0.5,) * 4
    np.testing.assert_allclose(array.orientations, array.positions / np.linalg.norm(array.positions, axis=1)[:, None])


@pytest.mark.parametrize("name", ["eigenmike-em32", "eigenmike-em64", "zylia-zm1"])
def test_spherical_microphones_sit_on_a_rigid_sphere(name: str) -> None:
    array = MicrophoneArray.preset(name)
    assert array.body_radius is not None
    assert (array.body_shape, array.directivity) == ("sphere", None)


class TestKnownErrors:
    def test_em32_microphone_8_is_below_the_horizon(self) -> None:
        positions = MicrophoneArray.preset("eigenmike-em32").positions
        np.testing.assert_array_equal(positions[7], positions[5] * [1, 1, -1])

    def test_uma_16_is_not_mirrored(self) -> None:
        # Seen from behind, channel 1 is at the bottom right of the middle and channel 9 at the top left corner.
        array = MicrophoneArray.preset("uma-16")
        assert array.positions[0].tolist() == [0, -0.021, -0.063]
        assert array.positions[8].tolist() == [0, 0.063, 0.063]

    def test_respeaker_usb_4_uses_the_raw_channels(self) -> None:
        array = MicrophoneArray.preset("respeaker-usb-4")
        assert (array.channels, array.hardware_channels) == ((2, 3, 4, 5), 6)
        assert any("45 degrees" in note for note in find_preset("respeaker-usb-4").notes)

    @pytest.mark.parametrize("name", [name for name in NAMES if "left" in " ".join(MicrophoneArray.preset(name).names)])
    def test_left_is_left_and_up_is_up(self, name: str) -> None:
        # On the tablet the words are the reader's, who faces it.
        mirrored = -1 if name == "chime3-6" else 1
        array = MicrophoneArray.preset(name)
        for microphone, (_, left, up) in zip(array.names, array.positions.tolist(), strict=True):
            words = microphone.split()
            if "left" in words or "right" in words:
                assert mirrored * left > 0 if "left" in words else mirrored * left < 0
            if {"up", "upper", "top"} & set(words):
                assert up > 0
            if {"down", "lower", "bottom"} & set(words):
                assert up < 0

    def test_the_lone_kinect_microphone_is_on_its_right(self) -> None:
        assert MicrophoneArray.preset("kinect-v1").positions[0].tolist() == [0.02, -0.113, 0]


class TestNames:
    def test_case_and_punctuation_do_not_matter(self) -> None:
        for spelling in ("UMA-8", "uma8", "Uma 8", "minidsp_uma8"):
            assert MicrophoneArray.preset(spelling).name == "uma-8"

    def test_no_word_means_two_devices(self) -> None:
        words = [word for preset in presets() for word in {plain(word) for word in (preset.name, *preset.aliases)}]
        assert len(words) == len(set(words))

    @pytest.mark.parametrize("preset", presets(), ids=NAMES)
    def test_every_preset_says_what_it_is(self, preset: Preset) -> None:
        assert preset.description
        assert preset.notes
        assert {part.split()[1] for part in preset.source_frame.split(", ")} <= set(DIRECTIONS)


@pytest.mark.shared_data
@pytest.mark.skipif(
    not LISTED.exists(), reason=f"no list of devices at {LISTED}; set ARRAYSCENE_SHARED_DATA to the folder beside it"
)
def test_every_device_of_the_shared_list_is_retyped_without_a_slip() -> None:
    listed = json.loads(LISTED.read_text())
    assert len({find_preset(key).name for key in listed}) == len(listed) == len(NAMES)
    for key, entry in listed.items():
        preset = find_preset(key)
        array = MicrophoneArray.preset(preset.name)
        np.testing.assert_allclose(array.positions, into_ours(entry["pos_m"], preset.source_frame), atol=1e-9, err_msg=key)
        if "map_1based" in entry:
            assert (list(array.file_channels), array.hardware_channels) == (entry["map_1based"], entry["hw_channels"])
        if "fs" in entry:
            assert array.sample_rate == entry["fs"]
