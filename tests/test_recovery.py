"""The main job end to end: a recording in, a scene out; what it promises, and what it refuses."""

import re
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest

pytest.importorskip("pyroomacoustics", reason="a room is simulated with pyroomacoustics")

from hypothesis import given, settings
from hypothesis import strategies as st

from arrayscene import listening
from arrayscene.array import MicrophoneArray
from arrayscene.errors import ArraySceneError, GeometryError, RecordingError, ShapeError
from arrayscene.methods import METHODS
from arrayscene.metrics import angular_error, match_sources, si_sdr
from arrayscene.recording import Recording
from arrayscene.recovery import recover
from arrayscene.report.scene_json import scene_to_dict
from arrayscene.scene import Scene, Source
from arrayscene.simulate import SimulatedScene, Talker, simulate_scene
from arrayscene.voices import load_voice

RATE = 16000
ARRAY = MicrophoneArray.circular(4, 0.05)
AZIMUTHS = np.radians([40.0, -110.0])


@pytest.fixture(scope="module")
def truth() -> SimulatedScene:
    """Two voices for four seconds in a room with some reverberation."""
    n_samples = 4 * RATE
    voices = ("english-allison", "italian-carlo-2")
    talkers = [
        Talker(load_voice(voice)[:n_samples], azimuth, distance=1.0) for voice, azimuth in zip(voices, AZIMUTHS, strict=True)
    ]
    return simulate_scene(ARRAY, talkers, room_size=(5.0, 4.0, 2.6), t60=0.25, snr_db=30.0)


@pytest.fixture(scope="module")
def scene(truth: SimulatedScene) -> Scene:
    return recover(truth.recording)


def changed(truth: SimulatedScene, change: Callable[[np.ndarray], None], seconds: float | None = None) -> Recording:
    """The recording after `change` has worked on a copy of its samples."""
    n_samples = None if seconds is None else round(seconds * RATE)
    samples = truth.recording.samples[:, :n_samples].copy()
    change(samples)
    return Recording(samples, RATE, ARRAY)


def azimuth_errors(scene: Scene) -> list[float]:
    """Degrees from each true talker to the nearest recovered source."""
    found = [source.azimuth for source in scene.sources if source.azimuth is not None]
    return [min(float(np.degrees(angular_error(azimuth, 0.0, true, 0.0))) for azimuth in found) for true in AZIMUTHS]


def nearest(scene: Scene, azimuth: float) -> Source:
    return min(scene.sources, key=lambda source: float(angular_error(source.azimuth, 0.0, azimuth, 0.0)))


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


def warned(scene: Scene, *words: str) -> bool:
    return any(all(re.search(word, sentence) for word in words) for sentence in scene.warnings)


def test_talkers_are_counted_and_found(scene: Scene) -> None:
    assert len(scene.sources) == 2
    assert max(azimuth_errors(scene)) < 10


def test_every_talker_is_clearer_than_in_the_recording(truth: SimulatedScene, scene: Scene) -> None:
    images = truth.images[:, 0]
    before = si_sdr(truth.recording.samples[:1], images)
    estimates, targets, after = match_sources(np.stack([source.signal for source in scene.sources]), images)
    assert (after - before > 3).all(), f"{before} dB before, {after} dB after"
    # And the signal that is called by a direction is the one that came from there.
    for estimate, target in zip(estimates, targets, strict=True):
        azimuth = scene.sources[estimate].azimuth
        assert azimuth is not None
        assert np.degrees(angular_error(azimuth, 0.0, AZIMUTHS[target], 0.0)) < 10


def test_the_scene_fits_the_recording(truth: SimulatedScene, scene: Scene) -> None:
    recording = truth.recording
    np.testing.assert_allclose(scene.mixture, recording.samples[0] - recording.samples[0].mean(), atol=1e-6)
    assert (scene.sample_rate, scene.reference_channel, scene.ambiguity) == (RATE, 1, "mirror")
    levels = [source.level_db for source in scene.sources]
    assert levels == sorted(levels, reverse=True)
    for source in scene.sources:
        assert source.signal.dtype == np.float32
        assert source.signal.shape == scene.mixture.shape
        assert np.isfinite(source.signal).all()
        assert 0 < source.confidence <= 1
        # Both voices were put at -26 dB.
        assert -34 < source.level_db < -20
        assert ((source.active >= 0) & (source.active <= 4)).all()
        assert (source.active[:, 0] < source.active[:, 1]).all()
    assert scene.sound_map.power.shape == (len(scene.sound_map.azimuth), len(scene.sound_map.times))
    figures = scene.reliability
    for values in (figures.residual_db, figures.condition, figures.noise_gain_db):
        assert values.shape == figures.frequencies.shape
        assert np.isfinite(values).all()
    assert ((figures.reliability >= 0) & (figures.reliability <= 1)).all()
    speech = (figures.frequencies > 300) & (figures.frequencies < 4000)
    assert figures.residual_db[speech].mean() < -3
    # Far below the first aliasing the talkers look alike to so small an array.
    assert figures.reliability[speech].mean() > 0.5
    assert scene.why
    assert any("channel 1" in sentence for sentence in scene.assumptions)
    assert set(scene.timings) == {"check", "localise", "decode", "measure"}


def test_the_recording_stays_as_it_was(truth: SimulatedScene, scene: Scene) -> None:
    np.testing.assert_array_equal(truth.recording.samples, truth.images.sum(axis=0) + truth.noise)


def test_the_same_recording_gives_the_same_scene(truth: SimulatedScene, scene: Scene) -> None:
    for first, second in zip(scene.sources, recover(truth.recording).sources, strict=True):
        np.testing.assert_array_equal(first.signal, second.signal)


@pytest.mark.parametrize("gain", [0.02, 20.0])
def test_a_louder_recording_gives_louder_signals(truth: SimulatedScene, scene: Scene, gain: float) -> None:
    louder = recover(Recording(gain * truth.recording.samples, RATE, ARRAY))
    for source, same in zip(scene.sources, louder.sources, strict=True):
        assert same.azimuth == pytest.approx(source.azimuth, abs=0.02)
        assert same.level_db == pytest.approx(source.level_db + 20 * np.log10(gain), abs=0.2)
        np.testing.assert_allclose(same.signal / gain, source.signal, atol=0.005 * np.abs(source.signal).max())


def test_progress_names_every_step_and_reaches_its_end(truth: SimulatedScene) -> None:
    heard: list[tuple[str, float]] = []
    recover(truth.recording, progress=lambda step, fraction: heard.append((step, fraction)))
    assert list(dict.fromkeys(step for step, _ in heard)) == ["check", "localise", "decode", "measure"]
    for step in ("check", "localise", "decode", "measure"):
        fractions = [fraction for name, fraction in heard if name == step]
        assert fractions == sorted(fractions)
        assert (fractions[0], fractions[-1]) == (0, 1)


def test_given_directions_are_used(truth: SimulatedScene) -> None:
    given = [(0.8, 0.1), (-1.9, 0.0)]
    found = recover(truth.recording, directions=given)
    assert sorted((source.azimuth, source.elevation) for source in found.sources) == sorted(given)
    assert any("user" in sentence for sentence in found.assumptions)
    by_azimuth = recover(truth.recording, directions=np.array([0.8, -1.9], np.float32), method="delay-and-sum")
    assert sorted(source.azimuth for source in by_azimuth.sources) == pytest.approx([-1.9, 0.8])


def test_given_directions_without_sound_are_doubted(truth: SimulatedScene) -> None:
    right = recover(truth.recording, directions=[tuple(d) for d in truth.directions], method="delay-and-sum")
    assert not warned(right, "Hardly any sound")
    wrong = recover(truth.recording, directions=[azimuth + np.pi for azimuth in truth.directions[:, 0]], method="delay-and-sum")
    assert warned(wrong, "Hardly any sound")
    assert max(source.confidence for source in wrong.sources) < min(source.confidence for source in right.sources)


@pytest.mark.parametrize(("directions", "words"), [([1.0, 1.0], "are the same"), ([59.0, 162.0], "radians")])
def test_directions_that_cannot_be_meant_are_refused(
    truth: SimulatedScene, directions: list[tuple[float, float] | float], words: str
) -> None:
    with pytest.raises(GeometryError, match=words):
        recover(truth.recording, directions=directions)


def test_known_stretches_tell_who_is_where_and_leave_the_rest_silent(truth: SimulatedScene) -> None:
    """The second talker is cut to begin later; its direction comes from when it is alone."""
    images = truth.images.copy()
    images[0, :, 3 * RATE :] = 0
    images[1, :, : 3 * RATE // 2] = 0
    noise = 1e-4 * np.random.default_rng(0).standard_normal(images[0].shape)
    recording = Recording((images.sum(0) + noise).astype(np.float32), RATE, ARRAY)
    activity = {"anna": np.array([[0.0, 3.0]]), "bob": [[1.5, 4.0]]}
    found = {source.name: source for source in recover(recording, activity=activity).sources}
    for name, azimuth, image in zip(activity, AZIMUTHS, images[:, 0], strict=True):
        assert found[name].azimuth == pytest.approx(azimuth, abs=np.radians(5))
        assert si_sdr(found[name].signal, image) > 10
        np.testing.assert_array_equal(found[name].active, activity[name])
    assert not found["anna"].signal[int(3.3 * RATE) :].any()
    assert not found["bob"].signal[: int(1.4 * RATE)].any()
    swapped = {
        source.name: source for source in recover(recording, activity={"b": activity["bob"], "a": activity["anna"]}).sources
    }
    assert si_sdr(swapped["a"].signal, images[0, 0]) > 10


@pytest.mark.parametrize(
    ("request_", "error", "message"),
    [
        ({"activity": {}}, ShapeError, "activity of nobody"),
        ({"activity": {"anna": [[2.0, 1.0]]}}, ShapeError, "'anna'"),
        ({"activity": {"anna": [[90.0, 91.0]]}}, ShapeError, "'anna' is not active within"),
        ({"activity": {"anna": [[0.0, 1.0]]}, "n_sources": 2}, ShapeError, "leave n_sources out"),
        ({"activity": {"anna": [[0.0, 1.0]]}, "directions": [0.0, 1.0]}, ShapeError, "one for each"),
        ({"method": "guided"}, ShapeError, "when each source sounds"),
    ],
)
def test_activity_that_makes_no_sense_is_refused(
    truth: SimulatedScene, request_: dict[str, object], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        recover(truth.recording, **request_)  # type: ignore[arg-type]


def test_a_speaker_who_is_never_heard_is_named(truth: SimulatedScene) -> None:
    def silence(samples: np.ndarray) -> None:
        samples[:, 2 * RATE :] = 0

    with pytest.raises(RecordingError, match="nothing is heard while bob"):
        recover(changed(truth, silence), activity={"anna": [[0.0, 2.0]], "bob": [[2.5, 4.0]]})


@pytest.mark.parametrize(
    ("bob", "said"),
    [
        ([[1.0, 3.0]], "bob never sounds alone, so its direction was looked for while others sound too"),
        ([[1.0, 4.0]], None),
        ([[2.0, 3.6]], "bob sounds alone for 0.6 s only, so its direction was looked for while others sound too"),
        ([[3.1, 3.8]], "bob is heard for 0.7 s only, so its direction is rough"),
    ],
)
def test_a_speaker_of_whom_too_little_is_heard_alone_is_named(
    truth: SimulatedScene, bob: list[list[float]], said: str | None
) -> None:
    activity = {"anna": [[0.0, 3.0]], "bob": bob}
    found = recover(truth.recording, activity=activity, method="delay-and-sum")
    words = [warning for warning in found.warnings if "direction" in warning]
    assert words == [] if said is None else len(words) == 1 and said in words[0], words
    assert not warned(recover(truth.recording, activity=activity, directions=AZIMUTHS.tolist(), method="delay-and-sum"), "alone")


def test_one_speaker_is_alone(truth: SimulatedScene) -> None:
    found = recover(truth.recording, activity={"anna": [[0.0, 0.8]]}, method="delay-and-sum")
    assert warned(found, "anna is heard for 0.8 s only")
    assert not warned(found, "others")


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_half_a_second_is_at_worst_not_explained(seed: int) -> None:
    """Steady noises, of which the response at single frequencies is found wrong by far."""
    array = MicrophoneArray.circular(6, 0.1)
    generator = np.random.default_rng(seed)
    talkers = [Talker(generator.standard_normal(RATE // 2), azimuth, distance=1.2) for azimuth in (0.5, -2.0, 2.2)]
    scene = recover(simulate_scene(array, talkers, t60=0.3, snr_db=10, seed=seed).recording, n_sources=3)
    assert scene.reliability.residual_db.max() <= 1e-6
    residual = scene_to_dict(scene)["residual_db"]
    assert -8 < residual < -1


@pytest.mark.parametrize("n_sources", [1, 2, 3])
def test_a_given_count_is_kept(truth: SimulatedScene, n_sources: int) -> None:
    found = recover(truth.recording, n_sources=n_sources, method="delay-and-sum")
    assert len(found.sources) == n_sources
    if n_sources >= 2:
        assert max(azimuth_errors(found)) < 10


def test_more_sources_than_microphones_are_tried_with_a_warning(truth: SimulatedScene) -> None:
    directions = [-2.5, -1.9, 0.0, 0.7, 2.0]
    found = recover(truth.recording.segment(0, 1.5), directions=directions)
    assert len(found.sources) == 5
    assert all(np.isfinite(source.signal).all() for source in found.sources)
    assert "5 sources" in found.why
    found = recover(truth.recording.segment(0, 1.5), n_sources=5, method="mvdr")
    assert warned(found, "5 sources", "4 microphones")
    with pytest.raises(ShapeError, match="at most 4"):
        recover(truth.recording, directions=directions, method="auxiva")


@pytest.mark.parametrize("method", METHODS)
def test_every_method_keeps_the_length(truth: SimulatedScene, method: str) -> None:
    recording = truth.recording.segment(0, 1.5)
    directions = AZIMUTHS[:1] if method == "denoise" else AZIMUTHS
    activity = {"anna": [[0.0, 1.0]], "bob": [[0.4, 1.5]]} if method == "guided" else None
    found = recover(recording, directions=directions, activity=activity, method=method)
    assert len(found.sources) == len(directions)
    assert method in (found.method, "auto")
    for source in found.sources:
        assert source.signal.shape == (recording.n_samples,)
        assert np.isfinite(source.signal).all()
        assert source.signal.any()


@pytest.mark.parametrize(
    ("channel", "damage", "words"),
    [
        (2, lambda row, others: np.zeros_like(row), "dead"),
        (3, lambda row, others: others[0], "repeats"),
        (4, lambda row, others: np.where(np.arange(len(row)) == 999, np.nan, row), "NaN"),
        (1, lambda row, others: np.full_like(row, np.inf), "NaN or infinite"),
    ],
)
def test_a_bad_channel_is_left_out_with_a_warning(
    truth: SimulatedScene, channel: int, damage: Callable[[np.ndarray, np.ndarray], np.ndarray], words: str
) -> None:
    def break_channel(samples: np.ndarray) -> None:
        samples[channel - 1] = damage(samples[channel - 1], np.delete(samples, channel - 1, axis=0))

    found = recover(changed(truth, break_channel))
    assert warned(found, f"channel {channel}", words, "left out")
    assert found.array.n_mics == 3
    assert found.reference_channel == (2 if channel == 1 else 1)
    assert max(azimuth_errors(found)) < 10
    assert all(np.isfinite(source.signal).all() for source in found.sources)


def test_an_offset_is_taken_out(truth: SimulatedScene, scene: Scene) -> None:
    def lift(samples: np.ndarray) -> None:
        samples += np.array([[0.1], [-0.05], [0.02], [0.0]], np.float32)

    found = recover(changed(truth, lift))
    np.testing.assert_allclose(found.mixture, scene.mixture, atol=1e-5)
    for source, same in zip(scene.sources, found.sources, strict=True):
        assert correlation(source.signal, same.signal) > 0.999


def test_noise_holds_no_source_and_says_so() -> None:
    found = recover(Recording(0.01 * np.random.default_rng(0).standard_normal((4, 3 * RATE)), RATE, ARRAY))
    assert not found.sources
    assert warned(found, "[Nn]o direction")
    assert np.isfinite(found.reliability.condition).all()
    assert found.mixture.any()


def test_a_pause_is_silent_in_every_source(truth: SimulatedScene) -> None:
    def pause(samples: np.ndarray) -> None:
        samples[:, RATE : 2 * RATE] = 0

    for source in recover(changed(truth, pause), directions=AZIMUTHS).sources:
        middle, rest = source.signal[RATE + 4096 : 2 * RATE - 4096], source.signal
        assert np.isfinite(rest).all()
        assert np.abs(middle).max() < 0.02 * np.abs(rest).max()


@pytest.mark.parametrize("seconds", [0.03, 0.1, 0.5])
def test_a_very_short_recording_is_tried_with_a_warning(truth: SimulatedScene, seconds: float) -> None:
    recording = truth.recording.segment(0.5, 0.5 + seconds)
    for found in (recover(recording), recover(recording, n_sources=2)):
        assert warned(found, "short")
        assert all(source.signal.shape == (recording.n_samples,) for source in found.sources)
        assert all(np.isfinite(source.signal).all() for source in found.sources)
    assert len(found.sources) == 2
    assert len(recover(recording).sources) <= 2


def test_a_tone_above_the_aliasing_limit_is_one_source_that_may_be_elsewhere() -> None:
    hertz, delays = 5000.0, ARRAY.positions @ np.array([np.cos(0.5), np.sin(0.5), 0.0]) / 343.2
    generator = np.random.default_rng(0)
    samples = np.sin(2 * np.pi * hertz * (np.arange(RATE) / RATE + delays[:, None])) + 0.01 * generator.standard_normal((4, RATE))
    found = recover(Recording(0.1 * samples.astype(np.float32), RATE, ARRAY))
    assert len(found.sources) == 1
    fitting = [found.sources[0].azimuth, *(azimuth for azimuth, _ in found.sources[0].alternatives)]
    assert len(fitting) > 2
    assert min(abs(azimuth - 0.5) for azimuth in fitting if azimuth is not None) < 0.05
    assert warned(found, "tone")
    assert warned(found, "spatial aliasing")
    assert scene_to_dict(found)["sources"][0]["ambiguity"] == "aliasing"


def test_a_long_recording_is_joined_from_blocks_without_clicks(truth: SimulatedScene, monkeypatch: pytest.MonkeyPatch) -> None:
    recording = Recording(np.tile(truth.recording.samples, 2), RATE, ARRAY)
    for method, alike in (("auto", 0.9), ("delay-and-sum", 0.999)):
        whole = recover(recording, directions=AZIMUTHS, method=method)
        with monkeypatch.context() as patch:
            patch.setattr(listening, "BLOCK_SECONDS", 5.0)
            assert listening.block_count(recording) == 2
            joined = recover(recording, directions=AZIMUTHS, method=method)
        np.testing.assert_array_equal(joined.mixture, whole.mixture)
        for azimuth in AZIMUTHS:
            one, other = nearest(whole, azimuth).signal, nearest(joined, azimuth).signal
            assert correlation(one, other) > alike
            assert np.abs(np.diff(other)).max() < 1.5 * np.abs(np.diff(one)).max()


def test_talkers_of_different_blocks_are_one_list(truth: SimulatedScene, monkeypatch: pytest.MonkeyPatch) -> None:
    recording = Recording(np.tile(truth.recording.samples, 2), RATE, ARRAY)
    monkeypatch.setattr(listening, "BLOCK_SECONDS", 3.0)
    found = recover(recording, method="delay-and-sum")
    assert len(found.sources) == 2
    assert max(azimuth_errors(found)) < 10


@settings(deadline=None)
@given(st.integers(1, 200_000), st.floats(1.5, 9.0))
def test_blocks_cover_the_recording_as_often_as_they_are_counted(n_samples: int, block_seconds: float) -> None:
    recording = Recording(np.zeros((1, n_samples), np.float32), 4000)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(listening, "BLOCK_SECONDS", block_seconds)
        blocks = [(start, start + samples.shape[1]) for start, samples in listening.blocks(recording, np.zeros(1))]
        assert len(blocks) == listening.block_count(recording)
    assert (blocks[0][0], blocks[-1][1]) == (0, n_samples)
    for (start, stop), (following, end) in pairwise(blocks):
        assert stop - following == 4000
        assert end - following == pytest.approx(stop - start, abs=len(blocks))


def test_a_line_says_that_front_and_back_look_alike(truth: SimulatedScene) -> None:
    line = MicrophoneArray.linear(4, 0.04)
    voice = load_voice("french-june")[: 2 * RATE]
    recording = simulate_scene(line, [Talker(voice, np.radians(150.0))], t60=0.0).recording
    found = recover(recording, n_sources=1)
    assert found.ambiguity == "cone"
    assert warned(found, "mirror")
    assert np.degrees(found.sources[0].azimuth) == pytest.approx(30, abs=5)


def test_an_upright_line_keeps_quiet_about_azimuth(truth: SimulatedScene) -> None:
    recording = Recording(truth.recording.samples, RATE, MicrophoneArray.linear(4, 0.04, axis="z"))
    found = recover(recording, n_sources=1)
    assert found.sources[0].azimuth is None
    assert found.sources[0].elevation is not None


def noise(n_mics: int, n_samples: int) -> np.ndarray:
    return 0.1 * np.random.default_rng(0).standard_normal((n_mics, n_samples))


@pytest.mark.parametrize(
    ("samples", "array", "options", "kind", "words"),
    [
        (np.zeros((4, RATE)), ARRAY, {}, RecordingError, "silent"),
        (noise(4, RATE) * [[1], [0], [0], [0]], ARRAY, {}, RecordingError, "1 of 4 channels"),
        (np.full((4, RATE), np.nan), ARRAY, {}, RecordingError, "NaN"),
        (noise(1, RATE), ARRAY, {}, RecordingError, "1 channel came"),
        (noise(6, RATE), ARRAY, {}, RecordingError, "6 channels came"),
        (noise(1, RATE), MicrophoneArray.from_positions([[0, 0, 0]]), {}, GeometryError, "one microphone"),
        (noise(4, 1), ARRAY, {}, RecordingError, "at least"),
        (noise(4, RATE // 100), ARRAY, {}, RecordingError, "0.010 s"),
        (noise(4, RATE), None, {}, GeometryError, "no array"),
        (noise(4, RATE), "respeaker-usb-44", {}, GeometryError, "did you mean 'respeaker-usb-4'"),
        (noise(4, RATE), ARRAY, {"method": "magic"}, ShapeError, "magic.*wiener"),
        (noise(4, RATE), ARRAY, {"n_sources": 0}, ShapeError, "n_sources=0"),
        (noise(4, RATE), ARRAY, {"n_sources": 2, "directions": [0.0]}, ShapeError, "leave n_sources out"),
        (noise(4, RATE), ARRAY, {"directions": []}, GeometryError, "empty"),
        (noise(4, RATE), ARRAY, {"directions": [float("nan")]}, GeometryError, "finite"),
        (noise(4, RATE), ARRAY, {"directions": [(0.1, 0.2, 0.3)]}, GeometryError, "azimuth"),
        (noise(4, RATE), ARRAY, {"directions": [0.1, 2.0], "method": "denoise"}, ShapeError, "one source"),
    ],
)
def test_what_cannot_be_used_is_refused(
    samples: np.ndarray,
    array: MicrophoneArray | str | None,
    options: dict[str, object],
    kind: type[ArraySceneError],
    words: str,
) -> None:
    with pytest.raises(kind, match=words):
        recover(Recording(samples, RATE), array, **options)


def test_swapped_channels_are_suspected_and_right_ones_are_not() -> None:
    talkers = [Talker(load_voice("english-allison"), 0.6), Talker(load_voice("french-june"), -1.9)]
    array = MicrophoneArray.preset("uma-8")
    recording = simulate_scene(array, talkers, t60=0.3).recording
    assert not [warning for warning in recover(recording, method="delay-and-sum").warnings if "array check" in warning]
    order = [0, 1, 3, 2, 4, 5, 6]
    wired = Recording(np.ascontiguousarray(recording.samples[order]), recording.sample_rate, recording.array)
    (warning,) = [warning for warning in recover(wired, method="delay-and-sum").warnings if "array check" in warning]
    assert "Channels 3 and 4 are swapped" in warning
    assert "--array ARRAY" in warning
