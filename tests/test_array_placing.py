"""Arrays turned, moved and put together."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arrayscene.array import MicrophoneArray
from arrayscene.errors import GeometryError

ANGLES = st.floats(-math.pi, math.pi)
RING = MicrophoneArray.circular(4, 0.05)


class TestTurning:
    @given(yaw=ANGLES, pitch=ANGLES, roll=ANGLES)
    def test_a_turn_keeps_distances_and_handedness(self, yaw: float, pitch: float, roll: float) -> None:
        corner = MicrophoneArray.from_positions(0.1 * np.eye(3), layout="mic-first", directivity=0.5, orientations=np.eye(3))
        turned = corner.rotated(yaw, pitch, roll)
        np.testing.assert_allclose(turned.positions @ turned.positions.T, 0.01 * np.eye(3), atol=1e-12)
        assert np.linalg.det(turned.positions) > 0
        np.testing.assert_allclose(turned.orientations, turned.positions / 0.1, atol=1e-12)

    @given(azimuth=ANGLES, elevation=st.floats(-1.5, 1.5), roll=ANGLES)
    def test_the_front_ends_at_azimuth_yaw_and_elevation_pitch(self, azimuth: float, elevation: float, roll: float) -> None:
        x, y, z = MicrophoneArray.from_positions([[0.1, 0, 0]]).rotated(azimuth, elevation, roll).positions[0]
        np.testing.assert_allclose([math.atan2(y, x), math.atan2(z, math.hypot(x, y))], [azimuth, elevation], atol=1e-9)

    def test_roll_lifts_the_left_side(self) -> None:
        left = MicrophoneArray.from_positions([[0, 0.1, 0]]).rotated(roll=math.pi / 2)
        np.testing.assert_allclose(left.positions, [[0, 0, 0.1]], atol=1e-12)

    def test_the_zero_direction_says_what_happened(self) -> None:
        said = RING.rotated(yaw=math.pi / 6).zero_direction
        assert "yaw 30" in said
        assert RING.zero_direction in said

    def test_an_upright_cylinder_turns_about_its_axis_only(self) -> None:
        array = MicrophoneArray.cylinder(2, 4, 0.05, 0.1, rigid=True)
        assert array.rotated(yaw=1.0).body_radius == 0.05
        with pytest.raises(GeometryError, match="only be turned by yaw"):
            array.rotated(roll=0.1)

    @pytest.mark.parametrize("angles", [(math.nan, 0, 0), (0, math.inf, 0)])
    def test_angles_that_are_none_are_refused(self, angles: tuple[float, float, float]) -> None:
        with pytest.raises(GeometryError, match="finite radians"):
            RING.rotated(*angles)


class TestMoving:
    def test_moves(self) -> None:
        np.testing.assert_allclose(RING.moved([0.1, -0.2, 0.3]).positions, RING.positions + np.array([0.1, -0.2, 0.3]))

    @pytest.mark.parametrize("offset", [[1, 2], "up", [0, 0, math.nan], 1.0])
    def test_what_is_no_place_is_refused(self, offset: object) -> None:
        with pytest.raises(GeometryError, match=r"\[x, y, z\] in metres"):
            RING.moved(offset)

    def test_a_body_stays_at_the_origin(self) -> None:
        sphere = MicrophoneArray.spherical(4, 0.05, rigid=True)
        with pytest.raises(GeometryError, match="body_radius=None"):
            sphere.moved([0, 0, 0.1])
        assert sphere.moved([0, 0, 0]) == sphere
        upright = MicrophoneArray.cylinder(2, 4, 0.05, 0.1, rigid=True)
        np.testing.assert_allclose(upright.moved([0, 0, 0.1]).positions[:, 2].mean(), 0.1)
        with pytest.raises(GeometryError, match="rigid cylinder"):
            upright.moved([0.1, 0, 0])


class TestCombining:
    def test_sub_arrays_are_turned_then_placed(self) -> None:
        line = MicrophoneArray.linear(2, 0.1)
        whole = MicrophoneArray.combine([RING, line], [[0, 0, 0], [1, 2, 0]], rotations=[(0, 0, 0), (math.pi / 2, 0, 0)])
        np.testing.assert_allclose(whole.positions[:4], RING.positions)
        np.testing.assert_allclose(whole.positions[4:], [[1.05, 2, 0], [0.95, 2, 0]], atol=1e-12)
        assert whole.blocks == (1, 1, 1, 1, 2, 2)
        assert (whole.channels, whole.names[0], whole.names[-1]) == (None, "1: mic 1", "2: mic 2")

    def test_channels_are_those_of_the_files_side_by_side(self) -> None:
        device = MicrophoneArray.preset("respeaker-usb-4")
        whole = MicrophoneArray.combine([device, RING, device], [[0, 0, 0], [1, 0, 0], [2, 0, 0]])
        assert whole.channels == (2, 3, 4, 5, 7, 8, 9, 10, 12, 13, 14, 15)
        assert whole.hardware_channels == 16

    def test_what_only_some_have_is_neutral_for_the_others(self) -> None:
        card = MicrophoneArray.from_positions([[0.01, 0, 0], [-0.01, 0, 0]], directivity=0.5, gains_db=[1, 2], sample_rate=16000)
        whole = MicrophoneArray.combine([RING, card], [[0, 0, 0], [1, 0, 0]])
        assert whole.directivity == (1, 1, 1, 1, 0.5, 0.5)
        assert whole.gains_db == (0, 0, 0, 0, 1, 2)
        assert (whole.delays, whole.sample_rate) == (None, None)
        np.testing.assert_allclose(whole.orientations[4:], [[1, 0, 0], [-1, 0, 0]])

    def test_bodies_cannot_be_combined(self) -> None:
        sphere = MicrophoneArray.spherical(4, 0.05, rigid=True)
        with pytest.raises(GeometryError, match="body_radius=None"):
            MicrophoneArray.combine([sphere, RING], [[0, 0, 0], [1, 0, 0]])
        assert MicrophoneArray.combine([replace(sphere, body_radius=None), RING], [[0, 0, 0], [1, 0, 0]]).n_mics == 8

    @pytest.mark.parametrize(
        ("arrays", "places", "rotations", "message"),
        [
            ([], [], None, "0 arrays"),
            ([RING], [[0, 0]], None, r"shape \(1, 2\)"),
            ([RING, RING], [[0, 0, 0], [1, 0, 0]], [(0, 0, 0)], "for 2 arrays"),
            ([RING, RING], [[0, 0, 0], [0, 0, 0]], None, "microphones 1 and 5"),
        ],
    )
    def test_what_does_not_fit_is_refused(self, arrays, places, rotations, message: str) -> None:
        with pytest.raises(GeometryError, match=message):
            MicrophoneArray.combine(arrays, places, rotations=rotations)
