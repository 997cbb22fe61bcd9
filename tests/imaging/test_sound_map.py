"""Sound maps of recordings: places and levels, references, regions, sources, frames, what is refused."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
from monopoles import RATE, recorded

from arrayscene import MicrophoneArray, Recording
from arrayscene.errors import ArraySceneError, GeometryError, RecordingError, ShapeError
from arrayscene.imaging import (
    Band,
    CleanSC,
    Conventional,
    Damas,
    Imager,
    MapGrid,
    SoundMap,
    grid_response,
    sound_map,
    third_octave,
)
from arrayscene.imaging.limits import aliasing_onset, rayleigh_resolution
from arrayscene.response import MatrixResponse

LEFT, RIGHT = (-0.25, 0.2, 0.6), (0.3, -0.1, 0.6)
BANDS = [third_octave(2500), third_octave(4000)]


def band_level(band: Band, rms: float) -> float:
    """dB of white noise of this root mean square in a band."""
    return 20 * math.log10(rms) + 10 * math.log10((band.high - band.low) / (RATE / 2))


@pytest.fixture(scope="module")
def recording(spiral: MicrophoneArray) -> Recording:
    return recorded(spiral, [(LEFT, 0.1), (RIGHT, 0.05)], noise=0.02)


@pytest.fixture(scope="module")
def cleaned(recording: Recording, plane: MapGrid) -> SoundMap:
    return sound_map(recording, plane, BANDS)


def test_sources_have_their_places_and_levels(cleaned: SoundMap) -> None:
    for index, band in enumerate(BANDS):
        first, second = cleaned.sources(index)
        np.testing.assert_allclose(first.position, LEFT, atol=0.01)
        np.testing.assert_allclose(second.position, RIGHT, atol=0.01)
        assert first.level_db == pytest.approx(band_level(band, 0.1), abs=0.5)
        assert second.level_db == pytest.approx(band_level(band, 0.05), abs=0.7)


def test_beams_find_the_same(recording: Recording, plane: MapGrid) -> None:
    beams = sound_map(recording, plane, BANDS, method=Conventional())
    first, *_ = beams.sources(1)
    np.testing.assert_allclose(first.position, LEFT, atol=0.01)
    assert first.level_db == pytest.approx(band_level(BANDS[1], 0.1), abs=0.5)
    with pytest.raises(ShapeError, match="cannot be summed"):
        beams.integrate(LEFT, 0.1)


def test_regions_add_up(cleaned: SoundMap, plane: MapGrid) -> None:
    left = plane.points[:, 0] < 0
    sides = cleaned.integrate(left), cleaned.integrate(~left)
    whole = cleaned.integrate(np.ones(plane.n_points, dtype=bool))
    np.testing.assert_allclose(10 * np.log10(sum(10 ** (side / 10) for side in sides)), whole)
    np.testing.assert_allclose(cleaned.integrate(LEFT, 0.12), sides[0], atol=0.3)
    for where, radius in ((np.ones(3, dtype=bool), None), ((9.0, 9.0, 9.0), 0.1), ((1.0, 2.0), 0.1)):
        with pytest.raises(ShapeError, match="integrate"):
            cleaned.integrate(where, radius)


def test_bands_add_up(cleaned: SoundMap) -> None:
    total = cleaned.total()
    assert len(total.bands) == 1
    np.testing.assert_allclose(total.power[0], cleaned.power.sum(axis=0))
    assert (total.bands[0].low, total.bands[0].high) == (BANDS[0].low, BANDS[1].high)


def test_levels_at_one_metre(recording: Recording, plane: MapGrid, cleaned: SoundMap) -> None:
    """The pressure of a monopole falls with distance: at 1 m it is r times that at the array's origin."""
    near = sound_map(recording, plane, BANDS, reference="1 m")
    expected = cleaned.sources(0)[0].level_db + 20 * math.log10(np.linalg.norm(LEFT))
    assert near.sources(0)[0].level_db == pytest.approx(expected, abs=0.05)
    assert near.to_dict()["level_reference"] == "1 m from the source"


def test_calibrated_levels_are_sound_pressure_levels(recording: Recording, plane: MapGrid, cleaned: SoundMap) -> None:
    calibrated = sound_map(recording, plane, BANDS, pascal=2.0)
    assert calibrated.unit == "dB SPL"
    expected = cleaned.sources(0)[0].level_db + 20 * math.log10(2.0 / 20e-6)
    assert calibrated.sources(0)[0].level_db == pytest.approx(expected, abs=1e-6)


def test_gains_of_the_channels_are_taken_out(spiral: MicrophoneArray, recording: Recording, plane: MapGrid) -> None:
    gains = np.linspace(-6, 6, spiral.n_mics)
    crooked = MicrophoneArray.from_positions(spiral.positions, gains_db=gains)
    heard = Recording(recording.samples * (10 ** (gains / 20))[:, None].astype(np.float32), RATE, crooked)
    found = sound_map(heard, plane, BANDS[:1])
    np.testing.assert_allclose(found.power, sound_map(recording, plane, BANDS[:1]).power, rtol=1e-3, atol=1e-9)


def test_any_response_can_be_used(recording: Recording, plane: MapGrid, cleaned: SoundMap, spiral: MicrophoneArray) -> None:
    imager = Imager(spiral, plane, BANDS)
    n_fft = imager.window_length(RATE)
    hertz = torch.arange(n_fft // 2 + 1, dtype=torch.float64) * (RATE / n_fft)
    used = hertz[((hertz[:, None] + RATE / n_fft / 2 > torch.tensor([band.low for band in BANDS]))
                  & (hertz[:, None] - RATE / n_fft / 2 < torch.tensor([band.high for band in BANDS]))).any(1)]  # fmt: skip
    free = grid_response(spiral, plane, used)
    measured = MatrixResponse(free.matrix(), used)
    for response in (free, measured):
        found = sound_map(recording, plane, BANDS, response=response)
        np.testing.assert_allclose(found.power, cleaned.power, rtol=1e-3, atol=1e-7)
    with pytest.raises(GeometryError, match="points"):
        sound_map(recording, plane, BANDS, response=free.select([0, 1, 2]))


def test_directions_around_a_rigid_sphere() -> None:
    array = MicrophoneArray.preset("eigenmike-em32")
    grid = MapGrid.sphere(step=math.radians(8))
    toward = grid.points[100]
    from arrayscene.response import RigidSphere

    n = 2 * RATE
    hertz = torch.fft.rfftfreq(n, 1 / RATE, dtype=torch.float64)
    azimuth, elevation = math.atan2(toward[1], toward[0]), math.asin(toward[2])
    response = RigidSphere(array, azimuth, elevation, frequencies=hertz).matrix()[:, :, 0]
    rng = np.random.default_rng(1)
    spectrum = torch.fft.rfft(torch.from_numpy(0.1 * rng.standard_normal(n)))
    samples = torch.fft.irfft(response.mT * spectrum, n)
    band = third_octave(4000)
    found = sound_map(Recording(samples.numpy(), RATE, array), grid, [band], method=CleanSC())
    (source,) = found.sources()
    assert np.degrees(np.arccos(source.position @ toward)) < 3
    assert source.level_db == pytest.approx(band_level(band, 0.1), abs=0.6)


def test_a_near_sphere_and_planes_around_a_rigid_sphere() -> None:
    """Points at different distances get the near field of their own."""
    array = MicrophoneArray.preset("eigenmike-em32")
    hertz = torch.tensor([1000.0, 3000.0], dtype=torch.float64)
    plane = MapGrid.plane(0.5, (-0.4, 0.4), (-0.4, 0.4), 0.2)
    from arrayscene.response import RigidSphere

    A = grid_response(array, plane, hertz).matrix()
    for point in (0, 7, 12):
        x, y, z = plane.points[point]
        distance = float(np.linalg.norm(plane.points[point]))
        exact = RigidSphere(array, math.atan2(y, x), math.asin(z / distance), frequencies=hertz, distance=distance).matrix()
        assert float((A[..., point] - exact[..., 0]).abs().max()) < 0.01
    with pytest.raises(GeometryError, match="body"):
        grid_response(array, MapGrid.sphere(0.043, 0.3), hertz)


def test_sources_in_a_box(spiral: MicrophoneArray) -> None:
    box = MapGrid.box((-0.3, 0.3), (-0.2, 0.2), (0.4, 0.8), 0.1)
    found = sound_map(recorded(spiral, [((0.1, -0.1, 0.5), 0.1)], seconds=1.0), box, BANDS)
    source = found.sources(1)[0]
    np.testing.assert_allclose(source.position, (0.1, -0.1, 0.5), atol=0.02)


def test_frames_follow_what_happens(spiral: MicrophoneArray, plane: MapGrid) -> None:
    first, second = (recorded(spiral, [(place, 0.1)], seconds=0.5) for place in (LEFT, RIGHT))
    silence = np.zeros((spiral.n_mics, RATE // 2), np.float32)
    joined = Recording(np.hstack([first.samples, silence, second.samples, silence[:, :100]]), RATE, spiral)
    maps = list(Imager(spiral, plane, BANDS[1:]).frames(joined, 0.5))
    assert [one.start for one in maps] == [0.0, 0.5, 1.0]
    np.testing.assert_allclose(maps[0].sources()[0].position, LEFT, atol=0.01)
    assert not maps[1].power.any()
    assert maps[1].sources() == []
    assert maps[1].levels_db.max() == -math.inf
    np.testing.assert_allclose(maps[2].sources()[0].position, RIGHT, atol=0.01)
    for every in (0.001, 100.0):
        with pytest.raises(RecordingError, match="one every"):
            next(Imager(spiral, plane, BANDS).frames(joined, every))


def test_maps_can_be_written_as_json(cleaned: SoundMap) -> None:
    words = json.loads(json.dumps(cleaned.to_dict(), allow_nan=False))
    assert words["level_unit"] == "dBFS"
    assert words["bands"][0]["sources"][0]["position_m"] == pytest.approx(LEFT, abs=0.01)
    assert words["grid"]["n_points"] == cleaned.grid.n_points


def test_limits_are_stated(spiral: MicrophoneArray, plane: MapGrid) -> None:
    assert rayleigh_resolution(spiral, plane, 2000) == pytest.approx(2 * rayleigh_resolution(spiral, plane, 4000))
    coarse = MicrophoneArray.resolve("rectangular:4x4:0.1")
    towards = MapGrid.plane(1.0, (-1.0, 1.0), (-0.5, 0.5), 0.1)
    onset = aliasing_onset(coarse, towards, 8000)
    # Between half a wavelength and a whole one from microphone to microphone.
    assert 343 / 0.2 <= onset <= 343 / 0.1
    words = " ".join(Imager(coarse, towards, [third_octave(250), third_octave(5000)]).warnings)
    assert "250 Hz third octave" in words
    assert "5 kHz third octave" in words
    assert Imager(spiral, plane, [third_octave(4000)]).warnings == ()


def test_few_windows_are_mentioned(spiral: MicrophoneArray, plane: MapGrid) -> None:
    short = recorded(spiral, [(LEFT, 0.1)], seconds=0.1)
    assert any("windows for 32 microphones" in words for words in sound_map(short, plane, BANDS).warnings)


def test_recordings_and_bands_that_are_refused(spiral: MicrophoneArray, plane: MapGrid, recording: Recording) -> None:
    with pytest.raises(RecordingError, match="no array"):
        sound_map(Recording(recording.samples, RATE), plane, BANDS)
    with pytest.raises(RecordingError, match="silent"):
        sound_map(Recording(np.zeros((32, RATE), np.float32), RATE, spiral), plane, BANDS)
    with pytest.raises(ShapeError, match="Nyquist"):
        sound_map(recording, plane, [third_octave(8000)])
    with pytest.raises(ShapeError, match="none came"):
        sound_map(recording, plane, [])
    with pytest.raises(ShapeError, match="no distance"):
        sound_map(recording, MapGrid.sphere(), BANDS, reference="1 m")
    with pytest.raises(ShapeError, match="'array' or '1 m'"):
        sound_map(recording, plane, BANDS, reference="microphone 1")
    with pytest.raises(ShapeError, match="pascal"):
        sound_map(recording, plane, BANDS, pascal=0.0)
    mono = Recording(recording.samples[:1], RATE, MicrophoneArray.from_positions([[0.0, 0.0, 0.0]]))
    with pytest.raises(RecordingError, match="1 channel"):
        sound_map(mono, plane, BANDS)


def test_points_where_no_source_can_be_are_refused(spiral: MicrophoneArray, recording: Recording) -> None:
    x, y, _ = spiral.positions[4]
    with pytest.raises(GeometryError, match="microphone 5"):
        sound_map(recording, MapGrid.plane((x, x + 0.2), (y, y + 0.2), 0.0, 0.1), BANDS)
    with pytest.raises(GeometryError, match="origin"):
        sound_map(recording, MapGrid.plane((-0.1, 0.1), (-0.1, 0.1), 0.0, 0.1), BANDS)


def test_two_microphones_make_a_map(plane: MapGrid) -> None:
    pair = MicrophoneArray.from_positions([[-0.1, 0.0, 0.0], [0.1, 0.0, 0.0]])
    found = sound_map(recorded(pair, [(RIGHT, 0.1)]), plane, [third_octave(1000)], method=Damas())
    assert any("one line" in words for words in found.warnings)
    assert found.power.max() > 0


@pytest.mark.parametrize(
    "make",
    [
        lambda: MapGrid.plane((0, 1), (0, 1), (0, 1), 0.1),
        lambda: MapGrid.plane((0, 1), 1.0, 1.0, 0.1),
        lambda: MapGrid.plane((1, 0), (0, 1), 1.0, 0.1),
        lambda: MapGrid.plane((0, 1), (0, 1), 1.0, 0.0),
        lambda: MapGrid.plane((0, 1), (0, 1), 1.0, 1e-5),
        lambda: MapGrid.plane((0, math.nan), (0, 1), 1.0, 0.1),
        lambda: MapGrid.facing((0, 0, 0), 1, 1, 0.1),
        lambda: MapGrid.facing((1, 0), 1, 1, 0.1),
        lambda: MapGrid.sphere(-1.0),
        lambda: MapGrid.sphere(1.0, 0.0),
        lambda: MapGrid.box((0, 1), (0, 1), (1, 1), 0.1),
    ],
)
def test_grids_that_are_none(make: object) -> None:
    with pytest.raises(ArraySceneError, match=r"came|needed|origin"):
        make()  # type: ignore[operator]


def test_progress_goes_to_the_end(recording: Recording, plane: MapGrid, spiral: MicrophoneArray) -> None:
    seen: dict[str, list[float]] = {}
    Imager(spiral, plane, BANDS, method=Conventional()).image(
        recording, lambda step, done: seen.setdefault(step, []).append(done)
    )
    assert list(seen) == ["cross spectra", "conventional beamforming"]
    assert all(done == sorted(done) and done[-1] == 1.0 for done in seen.values())


def test_maps_and_grids_cannot_be_changed(cleaned: SoundMap) -> None:
    for values in (cleaned.power, cleaned.grid.points):
        with pytest.raises(ValueError, match="read-only"):
            values[0, 0] = 1.0
    points = np.ones((1, 3))
    MapGrid("sphere", points, (1,), 0.1)
    points[0, 0] = 2.0


def test_half_a_sphere() -> None:
    half, whole = MapGrid.sphere(2.0, 0.1, towards=(0, 0, 1)), MapGrid.sphere(2.0, 0.1)
    assert half.n_points == pytest.approx(whole.n_points / 2, abs=1)
    assert half.points[:, 2].min() >= 0
    with pytest.raises(GeometryError, match="three finite numbers"):
        MapGrid.sphere(towards=(0, 1))


def test_planes_of_any_orientation() -> None:
    front = MapGrid.facing((2.0, 0.0, 0.0), 1.0, 0.5, 0.25)
    same = MapGrid.plane(2.0, (-0.5, 0.5), (-0.25, 0.25), 0.25)
    np.testing.assert_allclose(front.points, same.points, atol=1e-12)
    slanted = MapGrid.facing((1.0, 1.0, -1.0), 1.0, 1.0, 0.5)
    np.testing.assert_allclose((slanted.points - [1, 1, -1]) @ [1, 1, -1], 0, atol=1e-12)
    assert slanted.shape == (3, 3)
    above = MapGrid.facing((0.0, 0.0, 2.0), 1.0, 1.0, 0.5)
    np.testing.assert_allclose(above.points[:, 2], 2.0)
