"""MicrophoneArray: what a user builds, saves, loads and gets told."""

import itertools
import json
import math
import os
import re
import stat
import string
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arrayscene.array import GeometryWarning, MicrophoneArray
from arrayscene.errors import ArraySceneError, GeometryError

SQUARE = [[0.1, 0.1, 0.0], [-0.1, 0.1, 0.0], [-0.1, -0.1, 0.0], [0.1, -0.1, 0.0]]


AXES = st.tuples(*[st.floats(-2, 2)] * 3).filter(lambda axis: math.hypot(*axis) > 1e-3)


@st.composite
def arrays(draw: st.DrawFn) -> MicrophoneArray:
    n_mics = draw(st.integers(1, 6))
    # Multiples of a centimetre keep microphones apart; the scale makes their digits awkward.
    grid = draw(st.lists(st.tuples(*[st.integers(-20, 20)] * 3), min_size=n_mics, max_size=n_mics, unique=True))
    positions = np.array(grid) * draw(st.floats(0.001, 0.01))
    channels = draw(st.none() | st.permutations(range(1, 9)).map(lambda order: tuple(order[:n_mics])))
    words = st.text(max_size=12)

    def each(numbers: st.SearchStrategy[float]) -> st.SearchStrategy[tuple[float, ...] | None]:
        return st.none() | st.tuples(*[numbers] * n_mics)

    body_radius = draw(st.none() | st.floats(1e-3, 1.0))
    return MicrophoneArray(
        positions=positions,
        name=draw(words),
        names=tuple(draw(st.lists(words, min_size=n_mics, max_size=n_mics))),
        channels=channels,
        hardware_channels=None if channels is None else draw(st.sampled_from([None, 8, 16])),
        zero_direction=draw(words),
        source=draw(words),
        sample_rate=draw(st.none() | st.integers(1, 192_000)),
        body_radius=body_radius,
        body_shape=draw(st.sampled_from(["sphere", "cylinder"])) if body_radius else "sphere",
        directivity=draw(each(st.floats(0, 1))),
        orientations=np.array(draw(st.lists(AXES, min_size=n_mics, max_size=n_mics))),
        gains_db=draw(each(st.floats(-120, 120))),
        delays=draw(each(st.floats(-1, 1))),
        blocks=draw(each(st.integers(1, 9))),
    )


class TestPositions:
    def test_axis_first_is_understood_where_it_is_the_only_reading(self) -> None:
        assert MicrophoneArray.from_positions(np.array(SQUARE).T) == MicrophoneArray.from_positions(SQUARE)

    def test_flat_positions_get_a_height_of_zero(self) -> None:
        assert MicrophoneArray.from_positions([row[:2] for row in SQUARE]) == MicrophoneArray.from_positions(SQUARE)

    @pytest.mark.parametrize("n_axes", [3, 2])
    def test_a_shape_with_two_readings_needs_to_be_told(self, n_axes: int) -> None:
        block = np.array([[0.0, 0.1, 0.2], [0.3, 0.5, 0.7], [0.2, 0.0, 0.1]])[:, :n_axes]
        with pytest.raises(GeometryError, match=rf"3 x {n_axes} came.*layout='mic-first'.*layout='axis-first'"):
            MicrophoneArray.from_positions(block)
        by_row = MicrophoneArray.from_positions(block, layout="mic-first")
        by_column = MicrophoneArray.from_positions(block, layout="axis-first")
        np.testing.assert_array_equal(by_row.positions[:, :n_axes], block)
        np.testing.assert_array_equal(by_column.positions, block.T)

    @pytest.mark.parametrize(
        ("positions", "message"),
        [
            ([], "no microphone"),
            ([[0, 0, 0], [0.1, math.nan, 0]], "microphone 2 has y = nan"),
            ([[0, 0, math.inf]], "microphone 1 has z = inf"),
            (
                [[0, 0, 0], [0.1, 0, 0], [0, 0, 0], [0, 0.1, 0]],
                "microphones 1 and 3 (counted from 1) are both at [0.0, 0.0, 0.0]",
            ),
            ([[0, 0, 0], ["a", 0, 0]], "real numbers"),
            ([[0, 0, 0], [1, 2]], "different length"),
            ([[0j, 1, 2]], "complex"),
            ([0.1, 0.2, 0.3], "shape (3,)"),
            (np.zeros((4, 5)), "4 microphones with 5 coordinates"),
        ],
    )
    def test_impossible_positions_are_refused_with_their_value(self, positions, message: str) -> None:
        with pytest.raises(GeometryError, match=re.escape(message)):
            MicrophoneArray.from_positions(positions)

    @pytest.mark.parametrize(("scale", "unit"), [(1000, "millimetres"), (100, "centimetres")])
    def test_other_units_than_metres_are_doubted(self, scale: float, unit: str) -> None:
        ring = MicrophoneArray.circular(4, 0.04).positions
        with pytest.warns(GeometryWarning, match=unit):
            MicrophoneArray.from_positions(ring * scale)

    @pytest.mark.parametrize(
        ("spec", "metres"), [("circular:6:6", "0.12 m"), ("linear:8:4", "0.28 m"), ("circular:4:20", "0.04 m")]
    )
    def test_centimetres_and_millimetres_of_plausible_arrays_are_doubted(self, spec: str, metres: str) -> None:
        with pytest.warns(GeometryWarning, match=re.escape(metres)):
            MicrophoneArray.resolve(spec)

    def test_a_room_wide_array_of_close_pairs_is_not_doubted(self) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            MicrophoneArray.from_positions([[0, 0, 1], [0, 0.1, 1], [6, 4, 1], [6, 4.1, 1]])

    def test_positions_are_the_arrays_own_and_cannot_change(self) -> None:
        given_by_user = np.array(SQUARE)
        array = MicrophoneArray.from_positions(given_by_user)
        given_by_user[0] = 9.0
        assert array.positions[0].tolist() == SQUARE[0]
        with pytest.raises(ValueError, match="read-only"):
            array.positions[0] = 1.0

    @pytest.mark.parametrize(
        "labels",
        [
            {"channels": [1, 2, 3]},
            {"channels": [1, 2, 3, 3]},
            {"channels": [0, 1, 2, 3]},
            {"channels": [1, 2, 3, 4.5]},
            {"channels": [1, 2, 3, 7], "hardware_channels": 6},
            {"names": ["a"]},
            {"sample_rate": 0},
            {"body_radius": -1.0},
            {"body_shape": "cube"},
            {"directivity": [0.5, 0.5]},
            {"directivity": 1.5},
            {"directivity": "cardioid"},
            {"orientations": [[1, 0, 0]]},
            {"orientations": [[0, 0, 0]] * 4},
            {"orientations": [[0, 0, math.nan]] * 4},
            {"gains_db": [0.0, 0.0, 0.0]},
            {"gains_db": [0.0, 0.0, 0.0, math.inf]},
            {"delays": [12.5, 0, 0, 0]},
            {"blocks": [1, 1, 2]},
            {"blocks": [0, 1, 1, 2]},
        ],
    )
    def test_labels_that_do_not_fit_are_refused(self, labels) -> None:
        with pytest.raises(GeometryError, match=next(iter(labels))):
            MicrophoneArray.from_positions(SQUARE, **labels)


class TestDirectionalMicrophones:
    def test_one_number_stands_for_all_and_axes_point_outwards(self) -> None:
        array = MicrophoneArray.from_positions(np.array(SQUARE) + 1.0, directivity=0.5)
        assert array.directivity == (0.5,) * 4
        np.testing.assert_allclose(array.orientations, np.array(SQUARE) / np.linalg.norm(SQUARE, axis=1)[:, None])

    def test_axes_of_any_length_become_unit_vectors(self) -> None:
        array = MicrophoneArray.from_positions([[0, 0, 0]], directivity=[0.0], orientations=[[0, 3, -4]])
        np.testing.assert_allclose(array.orientations, [[0, 0.6, -0.8]])
        with pytest.raises(ValueError, match="read-only"):
            array.orientations[0] = 1.0

    def test_a_directional_microphone_in_the_middle_needs_an_axis(self) -> None:
        middle = [*SQUARE, [0, 0, 0]]
        with pytest.raises(GeometryError, match=r"microphone 5 .* centroid.*give an axis"):
            MicrophoneArray.from_positions(middle, directivity=0.5)
        assert MicrophoneArray.from_positions(middle, directivity=[0.5] * 4 + [1.0]).n_mics == 5

    def test_select_keeps_what_each_microphone_has(self) -> None:
        array = MicrophoneArray.from_positions(
            SQUARE, directivity=[0, 0.25, 0.5, 1], gains_db=[1, 2, 3, 4], delays=[1e-6, 2e-6, 3e-6, 4e-6], blocks=[1, 1, 2, 2]
        )
        chosen = array.select([3, 1])
        assert (chosen.directivity, chosen.gains_db, chosen.delays, chosen.blocks) == ((1, 0.25), (4, 2), (4e-6, 2e-6), (2, 1))
        # The axes stay, though the centroid is another.
        np.testing.assert_array_equal(chosen.orientations, array.orientations[[3, 1]])

    def test_delays_are_seconds_inside_and_microseconds_in_files(self, tmp_path: Path) -> None:
        MicrophoneArray.from_positions(SQUARE, delays=[0, 1e-5, -2.5e-6, 0]).save(tmp_path / "a.json")
        assert json.loads((tmp_path / "a.json").read_text())["delays_us"] == [0, 10, -2.5, 0]
        assert MicrophoneArray.load(tmp_path / "a.json").delays == (0, 1e-5, -2.5e-6, 0)


class TestMeasures:
    @pytest.mark.parametrize(
        ("array", "ambiguity"),
        [
            (MicrophoneArray.circular(1, 0.1), "all"),
            (MicrophoneArray.linear(4, 0.05, axis="x"), "cone"),
            (MicrophoneArray.circular(2, 0.1), "cone"),
            (MicrophoneArray.circular(5, 0.1), "mirror"),
            (MicrophoneArray.from_positions([*SQUARE, [0, 0, 0.1]]), "none"),
            (MicrophoneArray.from_positions([*SQUARE, [0, 0, 0.001]]), "mirror"),
        ],
    )
    def test_ambiguity(self, array: MicrophoneArray, ambiguity: str) -> None:
        assert array.ambiguity == ambiguity

    @given(angles=st.tuples(*[st.floats(0, 2 * math.pi)] * 3), scale=st.floats(0.01, 3))
    def test_turning_and_scaling_leave_the_ambiguity(self, angles: tuple[float, float, float], scale: float) -> None:
        turn = np.eye(3)
        for (a, b), angle in zip([(0, 1), (1, 2), (0, 1)], angles, strict=True):
            step = np.eye(3)
            step[[a, b], [a, b]] = math.cos(angle)
            step[a, b], step[b, a] = -math.sin(angle), math.sin(angle)
            turn = step @ turn
        for array in (MicrophoneArray.linear(4, 0.1), MicrophoneArray.rectangular(3, 2, 0.1, 0.2)):
            turned = MicrophoneArray.from_positions(scale * array.positions @ turn.T + 0.3, layout="mic-first")
            assert turned.ambiguity == array.ambiguity
            assert turned.aperture == pytest.approx(scale * array.aperture)

    def test_an_even_line_aliases_where_its_spacing_is_half_a_wavelength(self) -> None:
        assert MicrophoneArray.linear(8, 0.05).aliasing_hz(343.0) == pytest.approx(3430.0)

    def test_a_single_microphone_does_not_alias(self) -> None:
        single = MicrophoneArray.circular(1, 0.1)
        assert (single.aperture, single.aliasing_hz()) == (0.0, math.inf)

    @given(arrays())
    def test_aperture_is_the_largest_distance(self, array: MicrophoneArray) -> None:
        pairs = itertools.combinations(array.positions.tolist(), 2)
        assert array.aperture == pytest.approx(max((math.dist(a, b) for a, b in pairs), default=0.0))

    def test_select_keeps_the_file_channels(self) -> None:
        chosen = MicrophoneArray.preset("respeaker-usb-4").select([3, 0])
        assert (chosen.channels, chosen.hardware_channels) == ((5, 2), 6)
        assert chosen.positions.tolist() == [[0, 0.032, 0], [-0.032, 0, 0]]
        again = MicrophoneArray.circular(4, 0.1).select([1, 3]).select([1])
        assert (again.channels, again.hardware_channels, again.names) == ((4,), 4, ("mic 4",))

    @pytest.mark.parametrize("indices", [[], [0, 0], [4], [-1]])
    def test_select_refuses_what_is_not_there(self, indices: list[int]) -> None:
        with pytest.raises(GeometryError, match="0 to 3"):
            MicrophoneArray.circular(4, 0.1).select(indices)


class TestFiles:
    @given(array=arrays(), suffix=st.sampled_from([".json", ".toml"]))
    def test_save_then_load_gives_the_same_array(self, array: MicrophoneArray, suffix: str) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"array{suffix}"
            array.save(path)
            loaded = MicrophoneArray.load(path)
            assert loaded == array
            assert hash(loaded) == hash(array)
            assert [entry.name for entry in Path(folder).iterdir()] == [path.name]

    def test_positions_alone_are_enough(self, tmp_path: Path) -> None:
        (tmp_path / "desk.toml").write_text("positions = [[0, 0, 0], [0.1, 0, 0], [0, 0.1, 0]]")
        array = MicrophoneArray.load(tmp_path / "desk.toml")
        assert (array.n_mics, array.name, array.file_channels) == (3, "desk", (1, 2, 3))

    @pytest.mark.parametrize(
        ("name", "text", "message"),
        [
            ("a.json", '{"positions": [[0, 0, 0],\n  [1, 2 3]]}', "line 2"),
            ("a.toml", "name = 'x'\npositions = [[0, 0, 0]", "line 2"),
            ("a.json", '{"positions": [[0, 0, 0]], "chanels": [1]}', "unknown key 'chanels'; did you mean 'channels'?"),
            ("a.json", '{"positions": [[0, 0, 0]], "x": 1}', "unknown key 'x'; known are positions"),
            ("a.json", '{"name": "x"}', "no key 'positions'"),
            ("a.json", '{"positions": "here"}', "positions is 'here' (str); a list"),
            ("a.json", '{"positions": [[0, 0, 0]], "sample_rate": "16k"}', "sample_rate is '16k'"),
            ("a.json", "[1, 2]", "a list came"),
            ("a.json", '{"positions": [[0, 0, 0], [0, 0, 0]]}', "microphones 1 and 2"),
            ("a.json", "\ufeff", "line 1"),
            ("a.json", '{"positions": [[0, 0, 0]], "gains_db": [1, 2]}', "gains_db: [1, 2] came for 1 microphones"),
            ("a.json", '{"positions": [[0, 0, 0]], "delays_us": ["1"]}', "delays_us: ['1'] came for 1 microphones"),
            ("a.json", '{"positions": [[0, 0, 0]], "delays": [0]}', "unknown key 'delays'; did you mean 'delays_us'?"),
            ("a.txt", "0 0 0", "suffix '.txt'"),
        ],
    )
    def test_a_wrong_file_is_refused_with_its_place(self, tmp_path: Path, name: str, text: str, message: str) -> None:
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        with pytest.raises(GeometryError, match=re.escape(message)) as caught:
            MicrophoneArray.load(path)
        assert str(path) in str(caught.value)

    def test_a_file_that_is_not_there_or_not_text_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(GeometryError, match="No such file"):
            MicrophoneArray.load(tmp_path / "none.json")
        (tmp_path / "sound.json").write_bytes(b"RIFF\xff\xfe")
        with pytest.raises(GeometryError, match="not UTF-8"):
            MicrophoneArray.load(tmp_path / "sound.json")

    def test_a_save_that_fails_leaves_the_old_file_alone(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        path = tmp_path / "array.json"
        MicrophoneArray.circular(4, 0.1).save(path)
        before = path.read_bytes()

        def refuse(*_: object) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "replace", refuse)
        with pytest.raises(ArraySceneError, match="No space left"):
            MicrophoneArray.circular(6, 0.1).save(path)
        assert path.read_bytes() == before
        assert list(tmp_path.iterdir()) == [path]

    def test_a_saved_file_is_readable_by_others_as_the_umask_says(self, tmp_path: Path) -> None:
        umask = os.umask(0o022)
        try:
            MicrophoneArray.circular(4, 0.1).save(tmp_path / "array.json")
        finally:
            os.umask(umask)
        assert stat.S_IMODE((tmp_path / "array.json").stat().st_mode) == 0o644

    def test_save_refuses_other_suffixes_and_missing_folders(self, tmp_path: Path) -> None:
        with pytest.raises(GeometryError, match=r"\.json or \.toml"):
            MicrophoneArray.circular(4, 0.1).save(tmp_path / "array.xml")
        with pytest.raises(ArraySceneError, match="cannot be written"):
            MicrophoneArray.circular(4, 0.1).save(tmp_path / "none" / "array.json")

    def test_a_dictionary_is_what_a_json_file_holds(self, tmp_path: Path) -> None:
        array = MicrophoneArray.preset("easycom-4")
        array.save(tmp_path / "a.json")
        assert json.loads((tmp_path / "a.json").read_text()) == array.to_dict()


class TestResolve:
    def test_what_a_user_may_say(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        array = MicrophoneArray.circular(6, 0.05)
        array.save(tmp_path / "mine.json")
        monkeypatch.chdir(tmp_path)
        assert MicrophoneArray.resolve(array) is array
        assert MicrophoneArray.resolve("circular:6:0.05") == array
        assert MicrophoneArray.resolve("mine.json") == array
        assert MicrophoneArray.resolve(tmp_path / "mine.json") == array
        assert MicrophoneArray.resolve("linear:4:5e-2") == MicrophoneArray.linear(4, 0.05)
        assert MicrophoneArray.resolve("Circular: 6 : 0.05") == array
        assert MicrophoneArray.resolve("rectangular:4x2:0.04") == MicrophoneArray.rectangular(4, 2, 0.04, 0.04)
        assert MicrophoneArray.resolve("spiral:16:0.2") == MicrophoneArray.spiral(16, 0.2)
        assert MicrophoneArray.resolve("spherical:32:0.042") == MicrophoneArray.spherical(32, 0.042)
        assert MicrophoneArray.resolve("cylinder:3x8:0.1:0.2") == MicrophoneArray.cylinder(3, 8, 0.1, 0.2)
        assert MicrophoneArray.resolve("random:8:0.2:3") == MicrophoneArray.random(8, 0.2, seed=3)
        assert MicrophoneArray.resolve("UMA 8").name == "uma-8"
        assert MicrophoneArray.resolve("uma8").name == "uma-8"

    def test_a_file_goes_before_a_device_of_the_same_name(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "uma-8").write_text("{}")
        monkeypatch.chdir(tmp_path)
        with pytest.raises(GeometryError, match=r"array file uma-8.*\.json, \.toml, \.xml, \.sofa"):
            MicrophoneArray.resolve("uma-8")

    @pytest.mark.parametrize(
        ("spec", "message"),
        [
            ("uma-9", "did you mean 'uma-8'?"),
            ("respeeker usb 4", "did you mean 'respeaker-usb-4'?"),
            ("xyzzy", "known are aria-gen1-large"),
            ("respeaker", "did you mean 'respeaker-6', 'respeaker-hat-4', 'respeaker-usb-4' or 'respeaker-usb-7'?"),
            ("circular:6", "circular:N:RADIUS"),
            ("sperical:4:0.1", "did you mean spherical:N:RADIUS?"),
            ("rectangular:4:0.05", "rectangular:NXxNY:SPACING"),
            ("cylinder:3x8:0.1", "cylinder:RINGSxN:RADIUS:HEIGHT"),
            ("12:5", "known are circular:N:RADIUS"),
            ("linear:six:0.05", "linear:N:SPACING"),
            ("circular:4:-1", "radius = -1.0"),
            ("none.toml", "No such file"),
            (4, "int came"),
        ],
    )
    def test_what_is_not_understood_gets_a_hint(self, spec, message: str) -> None:
        with pytest.raises(GeometryError, match=re.escape(message)):
            MicrophoneArray.resolve(spec)

    @given(st.text(alphabet=string.ascii_letters + string.digits + " :.-_", max_size=20))
    def test_any_other_word_gives_an_array_or_a_geometry_error(self, spec: str) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", GeometryWarning)
            try:
                assert MicrophoneArray.resolve(spec).n_mics >= 1
            except GeometryError:
                pass


def test_importing_the_module_needs_numpy_only() -> None:
    heavy = "{'torch', 'scipy', 'matplotlib', 'soundfile', 'soxr', 'numba', 'pyroomacoustics'}"
    code = f"import sys, arrayscene.array; print(*({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
