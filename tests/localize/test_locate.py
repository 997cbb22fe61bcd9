"""`locate`: what it finds, what it says it cannot know, and what becomes of bad input."""

from collections.abc import Sequence

import numpy as np
import pytest
from scipy.signal import fftconvolve
from waves import RATE, bursts, heard, noise, tone

from arrayscene.array import MicrophoneArray
from arrayscene.errors import GeometryError, RecordingError, ShapeError
from arrayscene.localize import Located, locate
from arrayscene.localize.measuring import known_distances
from arrayscene.recording import Recording
from arrayscene.simulate import random_talkers, simulate_scene
from arrayscene.voices import load_voice, voice_names

USB = MicrophoneArray.preset("respeaker-usb-4")
SIX = MicrophoneArray.preset("respeaker-6")
PAIR = MicrophoneArray.linear(2, 0.1)


def azimuths(located: Located) -> list[float]:
    return sorted(float(np.degrees(source.azimuth)) for source in located.sources if source.azimuth is not None)


@pytest.mark.parametrize("array", [USB, SIX], ids=lambda array: array.name)
@pytest.mark.parametrize("kind", [noise, bursts])
def test_sources_are_counted_found_and_measured(array: MicrophoneArray, kind: object) -> None:
    sources = [(kind(2.0, 1), (37.0, 0.0)), (0.5 * kind(2.0, 2), (-80.0, 0.0))]  # type: ignore[operator]
    recording = heard(array, *sources)
    located = locate(recording)
    assert azimuths(located) == pytest.approx([-80, 37], abs=4)
    first, second = sorted(located.sources, key=lambda source: -source.level_db)
    assert first.level_db - second.level_db == pytest.approx(6, abs=2.5)
    for source in located.sources:
        assert source.elevation is None
        assert source.distance is None
        assert source.position is None
        assert source.level_1m_db is None
        assert source.ambiguity == "mirror"
        assert 0 < source.confidence <= 1
        assert source.azimuth_error is not None
        assert 0 < np.degrees(source.azimuth_error) < 10


def test_one_source_has_the_level_of_the_recording_and_spl_where_it_is_known() -> None:
    recording = heard(USB, (noise(1.0, 0), (20.0, 0.0)), level=0.02)
    source = locate(recording, full_scale_spl_db=120.0).sources[0]
    assert source.level_db == pytest.approx(20 * np.log10(0.02), abs=0.5)
    assert source.spl_db == pytest.approx(source.level_db + 120)
    assert source.spl_1m_db is None
    assert locate(recording).sources[0].spl_db is None


@pytest.mark.parametrize("method", ["votes", "music", "normmusic", "srp"])
def test_every_method_finds_one_source(method: str) -> None:
    located = locate(heard(SIX, (noise(1.0, 3), (-140.0, 0.0))), n_sources=1, method=method)
    assert located.method == method
    assert azimuths(located) == pytest.approx([-140], abs=3)


def test_a_machine_and_noise_are_two_sources() -> None:
    hum = np.sum([tone(2.0, 120.0 * n) / np.sqrt(n) for n in range(1, 40)], axis=0)
    located = locate(heard(SIX, (hum, (100.0, 0.0)), (noise(2.0, 1), (-30.0, 0.0))))
    assert azimuths(located) == pytest.approx([-30, 100], abs=5)


def test_a_tetrahedron_tells_elevation() -> None:
    corners = [[0.03, 0.03, 0.03], [0.03, -0.03, -0.03], [-0.03, 0.03, -0.03], [-0.03, -0.03, 0.03]]
    located = locate(heard(MicrophoneArray.from_positions(corners), (noise(1.0, 4), (60.0, -35.0))))
    assert azimuths(located) == pytest.approx([60], abs=3)
    elevation = located.sources[0].elevation
    assert elevation is not None
    assert np.degrees(elevation) == pytest.approx(-35, abs=3)
    assert located.sources[0].ambiguity == "none"


def test_a_source_overhead_has_no_azimuth_and_may_be_below() -> None:
    located = locate(heard(SIX, (noise(1.0, 5), (0.0, 90.0))))
    assert len(located.sources) == 1
    source = located.sources[0]
    assert source.azimuth is None
    assert source.elevation == pytest.approx(np.pi / 2)
    assert source.ambiguity == "mirror"
    assert source.alternatives[0] == (None, pytest.approx(-np.pi / 2, abs=1e-3))


@pytest.mark.parametrize("signal", [noise(1.0, 6), bursts(1.0, 6)])
def test_one_pair_names_the_other_side_of_its_cone(signal: np.ndarray) -> None:
    located = locate(heard(PAIR, (signal, (37.0, 0.0))))
    assert azimuths(located) == pytest.approx([37], abs=3)
    assert located.sources[0].ambiguity == "cone"
    mirrored = located.sources[0].alternatives[0][0]
    assert mirrored is not None
    assert np.degrees(mirrored) == pytest.approx(143, abs=3)


@pytest.mark.parametrize(("array", "hertz"), [(USB, 5000), (USB, 7500), (SIX, 5000), (PAIR, 3000)])
def test_a_tone_above_the_aliasing_limit_is_ambiguous_and_the_truth_is_among_the_answers(
    array: MicrophoneArray, hertz: float
) -> None:
    located = locate(heard(array, (tone(1.0, hertz), (37.0, 0.0))))
    assert len(located.sources) == 1
    source = located.sources[0]
    assert source.ambiguity == "aliasing"
    possible = [source.azimuth, *(azimuth for azimuth, _ in source.alternatives)]
    assert min(abs(np.degrees(azimuth) - 37) for azimuth in possible if azimuth is not None) < 8
    assert any("tone" in sentence for sentence in located.warnings)


def test_a_tone_below_it_is_not() -> None:
    source = locate(heard(USB, (tone(1.0, 1000), (37.0, 0.0)))).sources[0]
    assert source.ambiguity == "mirror"
    assert np.degrees(source.azimuth or 0) == pytest.approx(37, abs=3)


def test_two_sources_in_one_place_are_one() -> None:
    located = locate(heard(SIX, (noise(1.0, 7), (28.0, 0.0)), (bursts(1.0, 8), (28.0, 0.0))))
    assert azimuths(located) == pytest.approx([28], abs=3)


def test_a_click_is_found() -> None:
    click = np.zeros(RATE)
    click[8000] = 1
    source = locate(heard(SIX, (click, (28.0, 0.0)), snr_db=60)).sources[0]
    assert np.degrees(source.azimuth or 0) == pytest.approx(28, abs=5)


def test_clipped_input_is_named_and_still_found() -> None:
    samples = 20 * heard(SIX, (noise(1.0, 9), (-60.0, 0.0))).samples
    located = locate(Recording(np.clip(samples, -1, 1), RATE, SIX))
    assert azimuths(located) == pytest.approx([-60], abs=4)
    assert any("clip" in sentence for sentence in located.warnings)


def test_rumble_ten_times_as_loud_as_speech_does_not_vote() -> None:
    recording = heard(SIX, (bursts(2.0, 10), (-60.0, 0.0)))
    thump = 0.5 * np.exp(-((np.arange(recording.n_samples) / RATE - 1.0) ** 2) / 0.02**2)
    located = locate(Recording(recording.samples + thump.astype(np.float32), RATE, SIX))
    assert azimuths(located) == pytest.approx([-60], abs=4)


def test_sensor_noise_alone_holds_nobody_and_says_so() -> None:
    located = locate(Recording(1e-3 * np.random.default_rng(0).standard_normal((6, 2 * RATE)), RATE, SIX))
    assert not located.sources
    assert any("No direction" in sentence for sentence in located.warnings)


def test_long_recordings_are_worked_on_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    from arrayscene.localize import measuring, surveyed

    recording = heard(USB, (bursts(2.0, 1), (37.0, 0.0)), (bursts(2.0, 2), (-80.0, 0.0)))
    whole = locate(recording, method="votes")
    monkeypatch.setattr(surveyed, "BLOCK_SECONDS", 0.8)
    monkeypatch.setattr(measuring, "BLOCK_SECONDS", 0.8)
    parts = locate(recording, method="votes")
    assert azimuths(parts) == pytest.approx(azimuths(whole), abs=2)
    levels = [sorted(source.level_db for source in located.sources) for located in (whole, parts)]
    assert levels[0] == pytest.approx(levels[1], abs=0.5)


@pytest.mark.parametrize(
    ("samples", "array", "options", "error", "words"),
    [
        (np.zeros((4, RATE)), USB, {}, RecordingError, "silen|dead"),
        (np.ones((4, 100)) * 0.1, USB, {}, RecordingError, "0.006 s"),
        (np.ones((4, RATE)), None, {}, GeometryError, "no array"),
        (np.ones((4, RATE)), USB, {"method": "tops"}, ShapeError, "tops"),
        (np.ones((4, RATE)), USB, {"n_sources": 0}, ShapeError, "n_sources=0"),
        (np.ones((1, RATE)), MicrophoneArray.from_positions([[0.0, 0.0, 0.0]]), {}, GeometryError, "one microphone"),
    ],
)
def test_what_cannot_be_used_is_refused(
    samples: np.ndarray, array: MicrophoneArray | None, options: dict, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        locate(Recording(samples, RATE, array), **options)


CORNERS = [[-2.5, -2.0, 0.0], [2.5, -2.0, 0.0], [2.5, 2.0, 0.0], [-2.5, 2.0, 0.0]]


@pytest.mark.filterwarnings("ignore:positions are in metres")
def test_microphones_in_the_corners_of_a_room_are_refused_with_a_reason() -> None:
    array = MicrophoneArray.from_positions(CORNERS)
    with pytest.raises(GeometryError, match=r"stand up to 6\.4 m apart"):
        locate(heard(array, (noise(0.5, 1), (0.5, 0.7, 0.1))))


def near(located: Located, places: Sequence[Sequence[float]]) -> list[float]:
    """Metres from every true place to the nearest position that was found."""
    found = [source.position for source in located.sources if source.position is not None]
    return [min(float(np.linalg.norm(position - place)) for position in found) for place in np.array(places)]


@pytest.mark.filterwarnings("ignore:positions are in metres")
def test_two_small_arrays_far_apart_tell_places_and_no_ghosts() -> None:
    two = MicrophoneArray.combine([USB, USB], [[-1.5, 0, 0], [1.5, 0, 0]])
    places = [(0.3, 1.5, 0.0), (-1.2, -1.6, 0.0)]
    recording = heard(two, (bursts(3.0, 1), places[0]), (bursts(3.0, 2), places[1]))
    located = locate(recording)
    assert len(located.sources) == 2
    assert max(near(located, places)) < 0.2
    for source in located.sources:
        assert source.distance == pytest.approx(float(np.linalg.norm(source.position)), abs=1e-6)
        assert source.distance_error is not None
        assert 0 < source.distance_error < 0.5
        assert source.level_1m_db is not None


def test_a_long_line_tells_distance_and_names_the_mirrored_place() -> None:
    line = MicrophoneArray.linear(16, 0.06)
    located = locate(heard(line, (bursts(2.0, 3), (1.0, 0.3, 0.0))))
    assert len(located.sources) == 1
    source = located.sources[0]
    assert near(located, [(1.0, 0.3, 0.0)])[0] < 0.15
    assert source.ambiguity == "cone"
    assert source.level_1m_db is not None
    assert source.alternatives[0][0] == pytest.approx(np.pi - (source.azimuth or 0), abs=0.02)


def test_a_source_too_far_for_the_array_has_no_distance() -> None:
    source = locate(heard(MicrophoneArray.linear(16, 0.06), (bursts(2.0, 3), (40.0, 12.0, 0.0)))).sources[0]
    assert source.distance is None
    assert source.position is None
    assert np.degrees(source.azimuth or 0) == pytest.approx(16.7, abs=2)


def test_distances_of_directions_that_are_known_already() -> None:
    line = MicrophoneArray.linear(16, 0.06)
    azimuth = np.array([-1.0, np.arctan2(0.3, 1.0)])
    recording = heard(line, (bursts(2.0, 3), (1.0, 0.3, 0.0)))
    assert known_distances(recording, np.zeros(16), azimuth, np.zeros(2)) == [None, pytest.approx(1.04, abs=0.15)]
    small = heard(USB, (bursts(1.0, 3), (1.0, 0.3, 0.0)))
    assert known_distances(small, np.zeros(4), azimuth, np.zeros(2)) == [None, None]


def test_peaks_of_maps_that_no_moment_supports_are_doubted() -> None:
    """Told to find three where two sound, a map takes its third highest peak from noise."""
    found = locate(heard(SIX, (bursts(2.0, 1), (40.0, 0.0)), (bursts(2.0, 2), (-80.0, 0.0))), n_sources=3, method="srp")
    assert len(found.sources) == 3
    assert found.sources[0].confidence > 1.5 * found.sources[2].confidence
    assert any("few votes" in warning for warning in found.warnings)


def test_error_bars_of_lines_grow_towards_their_ends() -> None:
    line = MicrophoneArray.linear(4, 0.04)
    axis = 90.0 if abs(line.positions[:, 1]).max() > abs(line.positions[:, 0]).max() else 0.0
    broad, end = (locate(heard(line, (noise(1.0, 3), (axis - away, 0.0)))).sources[0] for away in (85.0, 25.0))
    assert broad.azimuth_error is not None
    assert end.azimuth_error is not None
    assert end.azimuth_error > 1.5 * broad.azimuth_error


def test_sources_above_a_wide_flat_array_have_places() -> None:
    ring = MicrophoneArray.circular(12, 0.3)
    places = [(-0.2, 0.15, 0.6), (0.9, -0.7, 0.3)]
    recording = heard(ring, (bursts(2.0, 1), places[0]), (bursts(2.0, 2), places[1]))
    located = locate(recording)
    assert len(located.sources) == 2
    assert max(near(located, places)) < 0.15
    for source in located.sources:
        assert source.elevation is not None
        assert source.distance_error is not None
        assert source.ambiguity == "mirror"
    assert locate(heard(ring, (noise(1.0, 2), (30.0, 0.0)))).sources[0].distance is None


@pytest.mark.parametrize("place", [(0.1, 0.5, 0.0), (0.35, 0.4, 0.0)])
def test_a_short_line_tells_the_distance_of_a_near_source(place: tuple[float, float, float]) -> None:
    line = MicrophoneArray.from_positions([[0.03 * m - 0.105, 0.0, 0.0] for m in range(8)])
    (source,) = locate(heard(line, (bursts(2.0, 3), place))).sources
    assert source.distance == pytest.approx(np.hypot(*place[:2]), rel=0.1)
    assert source.distance_error is not None
    assert abs(source.distance - np.hypot(*place[:2])) < 3 * source.distance_error
    (far,) = locate(heard(line, (bursts(2.0, 3), (60.0, 0.0)))).sources
    assert far.distance is None


@pytest.mark.parametrize("rate", [8000, 16000])
def test_a_wide_triangle_makes_no_ghosts_of_two_talkers(rate: int) -> None:
    triangle, room, center = MicrophoneArray.circular(3, 0.1), (6.0, 5.0, 2.8), (3.2, 2.3, 1.2)
    for seed in (0, 1, 5):
        voices = [load_voice(name, rate)[: 4 * rate] for name in voice_names()[seed % 4 :][:2]]
        talkers = random_talkers(voices, room_size=room, array_center=center, seed=seed, separation=np.deg2rad(50))
        made = simulate_scene(
            triangle, talkers, sample_rate=rate, room_size=room, t60=0.3, array_center=center, snr_db=25, seed=seed
        )
        assert azimuths(locate(made.recording)) == pytest.approx(sorted(np.degrees(made.directions[:, 0])), abs=5)


@pytest.mark.parametrize("seconds", [0.3, 0.9])
def test_rooms_that_ring_for_long_are_named_where_sources_were_counted(seconds: float) -> None:
    """Bursts of noise from above, each dying away at its own pace at every microphone."""
    generator = np.random.default_rng(0)
    burst = generator.standard_normal(6 * RATE) * (np.arange(6 * RATE) % RATE < RATE // 6)
    tail = generator.standard_normal((6, RATE)) * 10 ** (-3 * np.arange(RATE) / RATE / seconds)
    sound = np.stack([fftconvolve(burst, one)[: 6 * RATE] for one in 0.02 * tail]) + burst
    recording = Recording((0.01 * sound).astype(np.float32), RATE, SIX)
    assert any("rings for about" in sentence for sentence in locate(recording).warnings) == (seconds > 0.6)
    assert not any("rings for about" in sentence for sentence in locate(recording, n_sources=1).warnings)
