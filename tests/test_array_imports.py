"""Arrays out of other packages' files and objects: acoular's XML, SOFA receivers, pyroomacoustics."""

import os
import re
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from arrayscene.array import MicrophoneArray
from arrayscene.errors import DeviceError, GeometryError
from arrayscene.sofa_file import read_sofa

SHARED_DATA = Path(os.environ.get("ARRAYSCENE_SHARED_DATA", Path(__file__).parents[2] / "shared" / "data"))

ACOULAR = """<?xml version="1.1" encoding="utf-8"?><MicArray name="desk">
  <!-- a comment -->
  <pos Name="Point 1" x="0.021" y="-0.063" z="0.0"/>
  <pos Name="Point 2"\tx="\t0.063"\ty="\t-0.063" z="0" />
</MicArray>"""

# Ten entities of ten each nine levels deep are gigabytes.
BOMB = (
    '<!DOCTYPE a [<!ENTITY e0 "boom">'
    + "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 10))
    + ']><a><pos Name="&e9;" x="0" y="0" z="0"/></a>'
)


class TestAcoular:
    def test_positions_and_names_are_kept(self, tmp_path: Path) -> None:
        (tmp_path / "mics.xml").write_text(ACOULAR)
        array = MicrophoneArray.load(tmp_path / "mics.xml")
        assert array.positions.tolist() == [[0.021, -0.063, 0], [0.063, -0.063, 0]]
        assert (array.name, array.names) == ("desk", ("Point 1", "Point 2"))
        assert "+z" in array.zero_direction
        assert MicrophoneArray.resolve(str(tmp_path / "mics.xml")) == array

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ('<MicArray>\n<pos x="1" y="2"', "line 2"),
            ("", "line 1"),
            ("<MicArray></MicArray>", "<MicArray> without a <pos"),
            ('<a><pos Name="left" x="0,1" y="0" z="0"/></a>', "<pos> 'left' has '0,1' for x"),
            ('<a><pos x="0" z="0"/></a>', "<pos> 'mic 1' has no y"),
            ('<a><pos x="0" y="0" z="inf"/></a>', "'inf' for z"),
            ('<a><pos x="0" y="0" z="0"/><pos x="0" y="0" z="0"/></a>', "microphones 1 and 2"),
            ('<?xml version="1.0" encoding="klingon"?><a/>', "klingon"),
            (BOMB, "DOCTYPE"),
            ('<!DOCTYPE a SYSTEM "file:///etc/hostname"><a/>', "DOCTYPE"),
        ],
        ids=range(10),
    )
    def test_broken_files_are_refused_with_their_place(self, tmp_path: Path, text: str, message: str) -> None:
        path = tmp_path / "mics.xml"
        path.write_text(text)
        with pytest.raises(GeometryError, match=re.escape(message)) as caught:
            MicrophoneArray.load(path)
        assert str(path) in str(caught.value)

    def test_huge_and_missing_files_are_refused(self, tmp_path: Path) -> None:
        with (tmp_path / "huge.xml").open("wb") as file:
            file.truncate(11_000_000)
        with pytest.raises(GeometryError, match="11000000 bytes"):
            MicrophoneArray.load(tmp_path / "huge.xml")
        with pytest.raises(GeometryError, match="No such file"):
            MicrophoneArray.load(tmp_path / "none.xml")


def write_sofa(path: Path, positions: object, kind: str = "cartesian", units: str = "metre") -> Path:
    sofar = pytest.importorskip("sofar", reason="SOFA files are written with sofar: pip install arrayscene[sofa]")
    sofa = sofar.Sofa("GeneralFIR")
    positions = np.asarray(positions, dtype=float)
    sofa.ReceiverPosition, sofa.ReceiverPosition_Type, sofa.ReceiverPosition_Units = positions, kind, units
    sofa.Data_IR = np.zeros((1, len(positions), 8))
    sofa.Data_Delay = np.zeros((1, len(positions)))
    sofa.Data_SamplingRate = 44100
    sofar.write_sofa(str(path), sofa)
    return path


class TestSofa:
    def test_cartesian_receivers(self, tmp_path: Path) -> None:
        places = [[0, 0.09, 0], [0, -0.09, 0], [0.05, 0, 0.02]]
        array = MicrophoneArray.load(write_sofa(tmp_path / "head.sofa", places))
        assert array.positions.tolist() == places
        assert (array.name, array.sample_rate, array.source) == ("head", 44100, "receivers of head.sofa")

    def test_spherical_receivers(self, tmp_path: Path) -> None:
        places = [[0, 0, 0.1], [90, 0, 0.1], [180, -30, 0.2]]
        array = MicrophoneArray.load(write_sofa(tmp_path / "a.sofa", places, "spherical", "degree, degree, metre"))
        np.testing.assert_allclose(array.positions, [[0.1, 0, 0], [0, 0.1, 0], [-0.2 * 3**0.5 / 2, 0, -0.1]], atol=1e-12)

    def test_receivers_that_move_are_refused(self, tmp_path: Path) -> None:
        netcdf = pytest.importorskip("netCDF4")
        with netcdf.Dataset(tmp_path / "a.sofa", "w") as file:
            file.Conventions = "SOFA"
            for axis, size in {"R": 2, "C": 3, "M": 2}.items():
                file.createDimension(axis, size)
            receivers = file.createVariable("ReceiverPosition", "f8", ("R", "C", "M"))
            receivers[:] = [[[0, 0], [0, 0], [0, 0]], [[0.1, 0], [0, 0.1], [0, 0]]]
        with pytest.raises(GeometryError, match="move"):
            MicrophoneArray.load(tmp_path / "a.sofa")

    @pytest.mark.parametrize(
        ("positions", "message"),
        [([[0, 0, 0], [0, 0, 0]], "microphones 1 and 2"), ([[0, 0, 0], [0, np.nan, 0]], "ReceiverPosition holds missing values")],
    )
    def test_receivers_without_places_are_refused(self, tmp_path: Path, positions: object, message: str) -> None:
        with pytest.raises(GeometryError, match=message):
            MicrophoneArray.load(write_sofa(tmp_path / "a.sofa", positions))

    def test_other_units_are_refused(self, tmp_path: Path) -> None:
        sofar, netcdf = pytest.importorskip("sofar"), pytest.importorskip("netCDF4")
        assert sofar
        path = write_sofa(tmp_path / "a.sofa", [[0, 0, 0], [0, 9, 0]])
        with netcdf.Dataset(path, "a") as file:
            file["ReceiverPosition"].Units = "centimetre"
        with pytest.raises(GeometryError, match="'cartesian' in 'centimetre'"):
            MicrophoneArray.load(path)

    def test_a_file_without_receivers_is_refused(self, tmp_path: Path) -> None:
        netcdf = pytest.importorskip("netCDF4")
        with netcdf.Dataset(tmp_path / "a.sofa", "w") as file:
            file.Conventions = "SOFA"
        with pytest.raises(GeometryError, match="no entry ReceiverPosition"):
            MicrophoneArray.load(tmp_path / "a.sofa")
        with netcdf.Dataset(tmp_path / "b.sofa", "w") as file:
            file.title = "weather"
        with pytest.raises(GeometryError, match="not marked as SOFA"):
            MicrophoneArray.load(tmp_path / "b.sofa")

    @pytest.mark.parametrize("kept", [9, 100, 3000, -500])
    def test_a_file_that_breaks_off_is_refused(self, tmp_path: Path, kept: int) -> None:
        path = write_sofa(tmp_path / "a.sofa", np.eye(3) * 0.1)
        path.write_bytes(path.read_bytes()[:kept])
        with pytest.raises(GeometryError, match="damaged or cut short"):
            read_sofa(path)

    def test_what_is_no_sofa_file_is_refused(self, tmp_path: Path) -> None:
        pytest.importorskip("sofar")
        (tmp_path / "link.sofa").write_text("other.sofa")
        with pytest.raises(GeometryError, match=r"starts with b'other\.so', which is not netCDF-4"):
            read_sofa(tmp_path / "link.sofa")
        with pytest.raises(GeometryError, match="No such file"):
            read_sofa(tmp_path / "none.sofa")
        shutil.copy(tmp_path / "link.sofa", tmp_path / "link.SOFA")
        with pytest.raises(GeometryError, match="small letters"):
            read_sofa(tmp_path / "link.SOFA")

    def test_without_sofar_it_says_what_to_install(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(__import__("sys").modules, "sofar", None)
        with pytest.raises(DeviceError, match=r"arrayscene\[sofa\]"):
            read_sofa(tmp_path / "a.sofa")

    @pytest.mark.shared_data
    @pytest.mark.skipif(not SHARED_DATA.exists(), reason=f"no shared recordings at {SHARED_DATA}")
    @pytest.mark.parametrize(
        ("name", "half", "rate"), [("share/MIT_KEMAR_normal_pinna.sofa", 0.09, 44100), ("FHK_HRIR_L2354.sofa", 0.0875, 48000)]
    )
    def test_ears_of_real_heads(self, name: str, half: float, rate: int) -> None:
        pytest.importorskip("sofar")
        array = MicrophoneArray.load(SHARED_DATA / "hrtf" / name)
        # The files hold single precision.
        np.testing.assert_allclose(sorted(array.positions.tolist()), [[0, -half, 0], [0, half, 0]], atol=1e-7)
        assert array.sample_rate == rate


class TestPyroomacoustics:
    def test_positions_are_axis_first_even_for_three_microphones(self) -> None:
        block = np.array([[0.0, 0.1, 0.2], [0.3, 0.5, 0.7], [0.2, 0.0, 0.1]])
        array = MicrophoneArray.from_pyroomacoustics(block, name="mine")
        assert array.positions.tolist() == block.T.tolist()
        assert (array.name, array.directivity, array.sample_rate) == ("mine", None, None)

    def test_flat_positions_get_a_height(self) -> None:
        array = MicrophoneArray.from_pyroomacoustics(SimpleNamespace(R=np.array([[0.0, 0.1], [0.0, 0.2]])))
        assert array.positions.tolist() == [[0, 0, 0], [0.1, 0.2, 0]]

    def test_objects_of_the_package(self) -> None:
        pra = pytest.importorskip("pyroomacoustics", reason="pip install arrayscene[rooms]")
        places = np.array([[0.0, 0.1, 0.2, 0.3], [0.0, 0.0, 0.1, 0.1], [1.0, 1.0, 1.0, 1.1]])
        patterns = [None, *(pra.directivities.CardioidFamily([1, 2, 2], p=p, gain=2.0) for p in (0.0, 0.25, 0.5))]
        array = MicrophoneArray.from_pyroomacoustics(pra.MicrophoneArray(places, fs=16000, directivity=patterns))
        np.testing.assert_array_equal(array.positions, places.T)
        assert array.sample_rate == 16000
        np.testing.assert_allclose(array.directivity, [1, 0, 0.25, 0.5], atol=1e-12)
        np.testing.assert_allclose(array.orientations[1:], [[1 / 3, 2 / 3, 2 / 3]] * 3)
        np.testing.assert_allclose(array.gains_db, [0, *[20 * np.log10(2)] * 3])
        beamformer = pra.Beamformer(places[:2], fs=16000)
        assert MicrophoneArray.from_pyroomacoustics(beamformer).n_mics == 4

    @pytest.mark.parametrize(
        "pattern", [object(), SimpleNamespace(get_response=lambda a, c, degrees: np.cos(a) ** 2), SimpleNamespace(get_response=1)]
    )
    def test_other_directivities_are_refused(self, pattern: object) -> None:
        microphones = SimpleNamespace(R=np.eye(3) * 0.1, directivity=[None, pattern, None])
        with pytest.raises(GeometryError, match=r"microphone 2 has the directivity .* \(its \.R\)"):
            MicrophoneArray.from_pyroomacoustics(microphones)

    def test_what_is_no_array_is_refused(self) -> None:
        with pytest.raises(GeometryError, match="real numbers"):
            MicrophoneArray.from_pyroomacoustics("circular")
