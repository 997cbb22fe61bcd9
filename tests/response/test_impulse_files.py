"""Impulse responses in files: what is read is what was written, and every defect is named."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from arrayscene.errors import ArraySceneError, GeometryError, RecordingError, ShapeError
from arrayscene.response import ImpulseResponses

RATE = 16000
SAMPLES = np.random.default_rng(0).uniform(-0.5, 0.5, (3, 2, 50))
ENTRIES = [
    {"file": "a.wav", "azimuth_deg": 30},
    {"file": "b.wav", "azimuth_deg": -90, "elevation_deg": 20},
    {"file": "c.flac", "azimuth_deg": 180},
]


def write_folder(folder: Path, entries: list[dict[str, Any]] = ENTRIES, index: str = "index.json") -> Path:
    folder.mkdir(exist_ok=True)
    for entry, samples in zip(entries, SAMPLES, strict=False):
        if str(entry.get("file", "")).endswith((".wav", ".flac")):
            subtype = "FLOAT" if str(entry["file"]).endswith(".wav") else "PCM_24"
            soundfile.write(folder / str(entry["file"]), samples.T, RATE, subtype=subtype)
    (folder / index).write_text(json.dumps({"responses": entries}))
    return folder


def test_a_folder_of_sound_files(tmp_path: Path) -> None:
    found = ImpulseResponses.load(write_folder(tmp_path / "ring"))
    np.testing.assert_allclose(found.samples, SAMPLES, atol=1e-6)
    np.testing.assert_allclose(np.rad2deg(found.azimuth), [30, -90, 180])
    np.testing.assert_allclose(np.rad2deg(found.elevation), [0, 20, 0])
    assert (found.sample_rate, found.distance, found.name) == (RATE, None, "ring")


def test_the_same_index_in_other_formats(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "ring")
    (folder / "index.json").unlink()
    rows = [("a.wav", 1, 1, 0), ("b.wav", 0, -2, 0), ("c.flac", 0, 0, 1.5)]
    (folder / "index.csv").write_text("file,x,y,z\n" + "".join(f"{f},{x},{y},{z}\n" for f, x, y, z in rows))
    table = ImpulseResponses.load(folder)
    np.testing.assert_allclose(np.rad2deg(table.azimuth), [45, -90, 0])
    np.testing.assert_allclose(np.rad2deg(table.elevation), [0, 0, 90])
    np.testing.assert_allclose(table.distance, [math.sqrt(2), 2, 1.5])
    (folder / "index.csv").unlink()
    lines = "".join(f'[[responses]]\nfile = "{f}"\nx = {x}\ny = {y}\nz = {z}\n' for f, x, y, z in rows)
    (folder / "index.toml").write_text('name = "places"\n' + lines)
    places = ImpulseResponses.load(folder)
    np.testing.assert_array_equal(places.azimuth, table.azimuth)
    assert places.name == "places"


def test_empty_cells_of_a_table_are_not_given(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "ring")
    (folder / "index.json").unlink()
    (folder / "index.csv").write_text("file,azimuth_deg,elevation_deg,distance_m\na.wav,30,,\nb.wav,-90,20,\n")
    found = ImpulseResponses.load(folder)
    assert found.distance is None
    np.testing.assert_allclose(np.rad2deg(found.elevation), [0, 20])


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    given = ImpulseResponses(
        SAMPLES, RATE, np.array([0.1, -2.0, 3.0]), np.array([0.0, 0.5, -1.0]), np.array([1.0, 1.5, 2.0]), "x"
    )
    given.save(tmp_path / "saved")
    found = ImpulseResponses.load(tmp_path / "saved")
    np.testing.assert_allclose(found.samples, SAMPLES, atol=1e-7)
    for field in ("azimuth", "elevation", "distance"):
        np.testing.assert_allclose(getattr(found, field), getattr(given, field), atol=1e-12)
    assert found.name == "x"


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"file": "lost.wav"}, RecordingError, "lost.wav"),
        ({"azimuth": 3}, GeometryError, "response 1: unknown key 'azimuth'; did you mean 'azimuth_deg'"),
        ({"azimuth_deg": "left"}, GeometryError, "response 1: azimuth_deg is 'left'"),
        ({"azimuth_deg": float("nan")}, GeometryError, "finite number"),
        ({"elevation_deg": 91}, GeometryError, "elevation_deg is 91"),
        ({"distance_m": 1.0}, GeometryError, "response 2 has no distance_m"),
        ({"distance_m": -1.0}, GeometryError, "distance_m is -1"),
        ({"x": 1.0}, GeometryError, "or x, y and z"),
        ({"file": None}, GeometryError, "no 'file'"),
    ],
)
def test_a_wrong_entry_is_named(tmp_path: Path, change: dict[str, Any], error: type[Exception], words: str) -> None:
    write_folder(tmp_path)
    (tmp_path / "index.json").write_text(json.dumps({"responses": [ENTRIES[0] | change, *ENTRIES[1:]]}))
    with pytest.raises(error, match=words):
        ImpulseResponses.load(tmp_path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "index.json: Expecting"),
        ("[]", "no list 'responses'"),
        ('{"responses": []}', "no response is listed"),
        ('{"responses": ["a.wav"]}', "no list 'responses'"),
        ('{"responses": [{"file": "a.wav"}]}', "no direction came"),
        ('{"responses": [{"file": "a.wav", "x": 0, "y": 0, "z": 0}]}', "at the array's origin"),
    ],
)
def test_a_malformed_index(tmp_path: Path, text: str, words: str) -> None:
    write_folder(tmp_path)
    (tmp_path / "index.json").write_text(text)
    with pytest.raises(GeometryError, match=words):
        ImpulseResponses.load(tmp_path)


def test_files_that_do_not_fit_each_other(tmp_path: Path) -> None:
    write_folder(tmp_path)
    soundfile.write(tmp_path / "b.wav", SAMPLES[1].T, 2 * RATE)
    with pytest.raises(ShapeError, match=r"response 2: b.wav has 2 channels at 32000 Hz, a.wav 2 at 16000 Hz"):
        ImpulseResponses.load(tmp_path)
    soundfile.write(tmp_path / "b.wav", SAMPLES[1, :1].T, RATE)
    with pytest.raises(ShapeError, match=r"b.wav has 1 channels"):
        ImpulseResponses.load(tmp_path)
    soundfile.write(tmp_path / "b.wav", np.full((50, 2), np.nan), RATE, subtype="FLOAT")
    with pytest.raises(ShapeError, match="response 2 holds NaN"):
        ImpulseResponses.load(tmp_path)


def test_a_folder_without_an_index_or_with_two(tmp_path: Path) -> None:
    with pytest.raises(GeometryError, match="none of them found"):
        ImpulseResponses.load(tmp_path)
    write_folder(tmp_path)
    (tmp_path / "index.csv").write_text("file\n")
    with pytest.raises(GeometryError, match=r"index.json and index.csv found"):
        ImpulseResponses.load(tmp_path)


def test_a_path_that_is_neither(tmp_path: Path) -> None:
    for name, found in (
        ("nowhere", "nothing found"),
        ("sound.wav", "a file of another kind found"),
        ("lost.sofa", "No such file"),
    ):
        if name == "sound.wav":
            soundfile.write(tmp_path / name, SAMPLES[0].T, RATE)
        with pytest.raises(ArraySceneError, match=f"{name}: {found}"):
            ImpulseResponses.load(tmp_path / name)


class TestSofa:
    """Files made by sofar itself."""

    @pytest.fixture(autouse=True)
    def with_sofar(self) -> None:
        self.sofar = pytest.importorskip("sofar", reason="SOFA files are read with sofar: pip install arrayscene[sofa]")

    def write(self, path: Path, **entries: Any) -> Path:
        sofa = self.sofar.Sofa("SimpleFreeFieldHRIR", verify=False)
        sofa.Data_IR, sofa.Data_SamplingRate, sofa.Data_Delay = SAMPLES, RATE, np.zeros((1, 2))
        sofa.SourcePosition = np.array([[30.0, 0, 2], [270, 20, 2], [180, 0, 2]])
        for entry, value in entries.items():
            setattr(sofa, entry, value)
        self.sofar.write_sofa(str(path), sofa)
        return path

    def spoil(self, path: Path, entry: str, values: Any) -> None:
        """Put an array of any shape in the place of one, which sofar itself refuses."""
        netcdf = pytest.importorskip("netCDF4")
        values = np.asarray(values, dtype=np.float64)
        with netcdf.Dataset(path, "a") as file:
            file.renameVariable(entry, f"{entry}_was")
            names = [f"{entry}_{axis}" for axis in range(values.ndim)]
            for name, size in zip(names, values.shape, strict=True):
                file.createDimension(name, size)
            file.createVariable(entry, "f8", names)[:] = values

    def test_directions_distances_and_samples(self, tmp_path: Path) -> None:
        found = ImpulseResponses.load(self.write(tmp_path / "head.sofa"))
        np.testing.assert_allclose(found.samples, SAMPLES)
        np.testing.assert_allclose(np.rad2deg(found.azimuth), [30, -90, 180])
        np.testing.assert_allclose(np.rad2deg(found.elevation), [0, 20, 0], atol=1e-9)
        np.testing.assert_allclose(found.distance, 2)
        assert (found.sample_rate, found.name) == (RATE, "head.sofa")

    def test_sources_are_seen_from_the_listener(self, tmp_path: Path) -> None:
        # The listener stands at (1, 1, 0) and looks to the left of the room; the source is 2 m ahead of it, 1 m above.
        path = self.write(
            tmp_path / "room.sofa",
            Data_IR=SAMPLES[:1],
            SourcePosition=np.array([[1.0, 3, 1]]),
            SourcePosition_Type="cartesian",
            SourcePosition_Units="metre",
            ListenerPosition=np.array([[1.0, 1, 0]]),
            ListenerView=np.array([[0.0, 1, 0]]),
            ListenerUp=np.array([[0.0, 0, 1]]),
        )
        found = ImpulseResponses.load(path)
        np.testing.assert_allclose([found.azimuth[0], found.elevation[0]], [0, math.atan(0.5)], atol=1e-9)

    def test_a_head_that_turns_hears_the_source_turn_the_other_way(self, tmp_path: Path) -> None:
        path = self.write(
            tmp_path / "turned.sofa",
            SourcePosition=np.array([[0.0, 0, 2]]),
            ListenerView=np.array([[0.0, 0, 1], [40, 0, 1], [-90, 0, 1]]),
            ListenerView_Type="spherical",
            ListenerView_Units="degree, degree, metre",
        )
        np.testing.assert_allclose(np.rad2deg(ImpulseResponses.load(path).azimuth), [0, -40, 90], atol=1e-9)

    def test_delays_are_part_of_the_response(self, tmp_path: Path) -> None:
        found = ImpulseResponses.load(self.write(tmp_path / "late.sofa", Data_Delay=np.array([[0.0, 7.0]])))
        np.testing.assert_allclose(found.samples[:, 0, :50], SAMPLES[:, 0], atol=1e-12)
        np.testing.assert_allclose(found.samples[:, 1, 7:57], SAMPLES[:, 1], atol=1e-12)

    @pytest.mark.parametrize(
        ("entry", "values", "words"),
        [
            ("ReceiverPosition", np.ones((3, 3, 1)), "Data.IR has 2 receivers, ReceiverPosition 3"),
            ("Data.IR", np.full((3, 2, 50), np.nan), "Data_IR holds missing values"),
            ("Data.IR", np.ones((3, 2)), r"Data.IR has shape \(3, 2\)"),
            ("Data.IR", np.zeros((3, 2, 50)), "response 1 is silent"),
            ("SourcePosition", np.zeros((3, 3)), "measurement 1 lies at the listener"),
            ("SourcePosition", np.ones((2, 3)), r"SourcePosition has shape \(2, 3\) for 3 measurements"),
            ("Data.SamplingRate", [-1], r"Data.SamplingRate is \[-1.0\]"),
            ("Data.SamplingRate", [44100, 48000], r"\[44100.0, 48000.0\] hertz; one positive rate"),
            ("Data.Delay", [[-3.0, 0.0]], "Data.Delay has shape"),
            ("ListenerUp", [[1.0, 0, 0]], "parallel"),
        ],
    )
    def test_inconsistent_files(self, tmp_path: Path, entry: str, values: Any, words: str) -> None:
        path = self.write(tmp_path / "odd.sofa")
        self.spoil(path, entry, values)
        with pytest.raises((GeometryError, ShapeError), match=words):
            ImpulseResponses.load(path)

    def test_a_file_without_impulse_responses(self, tmp_path: Path) -> None:
        sofa = self.sofar.Sofa("SimpleFreeFieldHRTF")
        self.sofar.write_sofa(str(tmp_path / "spectra.sofa"), sofa)
        with pytest.raises(GeometryError, match=r"data of type 'TF' .* impulse responses, type 'FIR'"):
            ImpulseResponses.load(tmp_path / "spectra.sofa")

    def test_a_file_cut_short(self, tmp_path: Path) -> None:
        whole = self.write(tmp_path / "whole.sofa").read_bytes()
        (tmp_path / "cut.sofa").write_bytes(whole[: len(whole) // 2])
        with pytest.raises(GeometryError, match=r"cut short|damaged"):
            ImpulseResponses.load(tmp_path / "cut.sofa")
