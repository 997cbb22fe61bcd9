"""Pictures and folders of sound maps."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from monopoles import recorded

from arrayscene import MicrophoneArray
from arrayscene.errors import RecordingError, ShapeError
from arrayscene.imaging import Conventional, Imager, MapGrid, SoundMap, map_figure, sound_map, third_octave, write_map
from arrayscene.imaging.view import looks_towards, plane_in_front

BANDS = [third_octave(2500), third_octave(4000)]
PLACE = (-0.25, 0.2, 0.6)


@pytest.fixture(scope="module")
def found(spiral: MicrophoneArray, plane: MapGrid) -> SoundMap:
    return sound_map(recorded(spiral, [(PLACE, 0.1)], seconds=0.5), plane, BANDS, method=Conventional())


def test_a_plane_in_metres_with_its_band_and_range(found: SoundMap) -> None:
    figure = map_figure(found, 1, range_db=20, microphones=True)
    axes, bar = figure.axes
    assert axes.get_xlabel() == "x, front (m)"
    assert axes.get_ylabel() == "y, left (m)"
    assert axes.get_aspect() == 1.0
    assert figure.get_suptitle() == "4 kHz third octave, conventional beamforming"
    low, high = axes.images[0].get_clim()
    assert high == pytest.approx(found.levels_db[1].max())
    assert high - low == pytest.approx(20)
    assert "dBFS" in bar.get_ylabel()
    # A cell around each point: half an increment beyond the outermost.
    assert axes.images[0].get_extent() == pytest.approx([-0.525, 0.525, -0.425, 0.425])
    ring = next(line for line in axes.lines if line.get_marker() == "o")
    assert (ring.get_xdata()[0], ring.get_ydata()[0]) == pytest.approx(PLACE[:2], abs=0.01)
    crosses = next(line for line in axes.lines if line.get_marker() == "+")
    assert len(crosses.get_xdata()) == found.array.n_mics


def test_pixels_are_where_the_points_are(found: SoundMap) -> None:
    values = map_figure(found).axes[0].images[0].get_array()
    row, column = np.unravel_index(np.argmax(values), values.shape)
    v, u = found.grid.axes
    assert (u[column], v[row]) == pytest.approx(PLACE[:2], abs=0.01)


def test_left_is_left_where_the_plane_stands(spiral: MicrophoneArray) -> None:
    standing = spiral.rotated(pitch=-math.pi / 2)
    grid = MapGrid.plane(0.6, (-0.4, 0.4), (-0.4, 0.4), 0.1)
    shown = sound_map(recorded(standing, [((0.6, 0.2, 0.1), 0.1)], seconds=0.5), grid, BANDS)
    np.testing.assert_allclose(shown.sources(1)[0].position, (0.6, 0.2, 0.1), atol=0.03)
    axes = map_figure(shown).axes[0]
    assert axes.xaxis_inverted()
    assert axes.get_xlabel() == "y, left (m)"


@pytest.mark.parametrize(
    "grid", [MapGrid.sphere(0.8, 0.2), MapGrid.box((-0.3, 0.3), (-0.3, 0.3), (0.4, 0.8), 0.1)], ids=lambda grid: grid.kind
)
def test_spheres_and_boxes(grid: MapGrid, spiral: MicrophoneArray, tmp_path: Path) -> None:
    shown = sound_map(recorded(spiral, [((0.1, -0.1, 0.6), 0.1)], seconds=0.5), grid, BANDS)
    figure = map_figure(shown, microphones=True)
    figure.savefig(tmp_path / "map.png")
    assert len(figure.axes) == (2 if grid.kind == "sphere" else 4)


def test_bands_and_ranges_that_are_refused(found: SoundMap) -> None:
    with pytest.raises(ShapeError, match="bands 0 to 1"):
        map_figure(found, 2)
    with pytest.raises(ShapeError, match="such as 15"):
        map_figure(found, range_db=0)


def test_a_folder_holds_numbers_and_pictures(found: SoundMap, spiral: MicrophoneArray, plane: MapGrid, tmp_path: Path) -> None:
    silence_then_sound = recorded(spiral, [(PLACE, 0.1)], seconds=0.4)
    frames = Imager(spiral, plane, BANDS, method=Conventional()).frames(silence_then_sound, 0.2)
    folder = write_map(found, tmp_path / "new" / "map", frames=frames)
    document = json.loads((folder / "map.json").read_text(encoding="utf-8"))
    assert document["pictures"] == ["map-2.5-khz-third-octave.png", "map-4-khz-third-octave.png", "map-all-bands.png"]
    assert all((folder / name).stat().st_size > 1000 for name in document["pictures"])
    assert sorted(path.name for path in (folder / "frames").iterdir()) == ["frame-0001.png", "frame-0002.png"]
    assert document["frames"] == {"n_frames": 2, "start_s": [0.0, 0.2], "duration_s": 0.2}
    with np.load(folder / "map.npz") as numbers, np.load(folder / "frames.npz") as parts:
        np.testing.assert_array_equal(numbers["power"], found.power)
        np.testing.assert_array_equal(numbers["points"], plane.points)
        assert parts["power"].shape == (2, *found.power.shape)
    with pytest.raises(RecordingError, match="holds a sound map already"):
        write_map(found, folder)
    assert [path.name for path in folder.parent.iterdir()] == ["map"]


def test_a_folder_that_cannot_be_filled_is_not_there(found: SoundMap, tmp_path: Path) -> None:
    with pytest.raises(ShapeError):
        write_map(found, tmp_path / "map", range_db=-1)
    assert list(tmp_path.iterdir()) == []


def test_where_arrays_look() -> None:
    """Flat ones to the side that faces the front or, lying, upwards; others to the front."""
    np.testing.assert_allclose(looks_towards(MicrophoneArray.resolve("spiral:16:0.3")), (0, 0, 1), atol=1e-9)
    np.testing.assert_allclose(looks_towards(MicrophoneArray.preset("uma-16")), (1, 0, 0), atol=1e-9)
    np.testing.assert_allclose(looks_towards(MicrophoneArray.preset("eigenmike-em32")), (1, 0, 0))
    grid = plane_in_front(MicrophoneArray.preset("uma-16"), 2.0)
    assert grid.shape == (41, 41)
    np.testing.assert_allclose(grid.points[:, 0], 2.0)
    assert np.ptp(grid.points[:, 1]) == pytest.approx(2.8)
