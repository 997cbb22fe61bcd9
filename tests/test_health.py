"""Health: what is wrong with a channel is found and named; nothing is found where nothing is wrong."""

import json
from pathlib import Path

import numpy as np
import pytest

from arrayscene.array import MicrophoneArray
from arrayscene.errors import RecordingError
from arrayscene.health import Health, check
from arrayscene.recording import Recording

RATE = 16000


def talk(n_mics: int = 4, seconds: float = 3.0, level: float = 0.05, seed: int = 0) -> np.ndarray:
    """Low-passed noise in syllables that reaches every microphone through its own room, with sensor noise 40 dB below."""
    rng = np.random.default_rng(seed)
    n = round(seconds * RATE)
    source = np.convolve(rng.standard_normal(n), np.exp(-np.arange(40) / 10.0), mode="same")
    source *= 0.6 + 0.4 * np.sin(2 * np.pi * 3.0 * np.arange(n) / RATE)
    rooms = rng.standard_normal((n_mics, 400)) * np.exp(-np.arange(400) / 80.0)
    heard = np.stack([np.convolve(source, room)[:n] for room in rooms])
    heard *= level / heard.std(axis=1, keepdims=True)
    return (heard + 0.01 * level * rng.standard_normal((n_mics, n))).astype(np.float32)


def kinds(health: Health) -> list[tuple[int | None, str, str]]:
    return [(finding.channel, finding.kind, finding.severity) for finding in health.findings]


def check_written(x: np.ndarray, path: Path, subtype: str) -> Health:
    Recording(x, RATE).write(path, subtype)
    return check(Recording.read(path))


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "FLOAT"])
@pytest.mark.parametrize("level", [0.15, 0.02, 0.002])
def test_nothing_is_found_where_nothing_is_wrong(tmp_path: Path, subtype: str, level: float) -> None:
    health = check_written(talk(level=level), tmp_path / "x.wav", subtype)
    assert health.findings == ()
    assert health.bad == ()
    assert health.good == (0, 1, 2, 3)
    np.testing.assert_allclose(health.rms_db, 20 * np.log10(level), atol=0.1)


@pytest.mark.parametrize("rate", [4000, 16000, 48000])
def test_close_microphones_and_low_sounds_are_no_duplicates(rate: int) -> None:
    """Two microphones 1 cm apart, a rumble at 60 Hz, ordinary sensor noise at -50 dB."""
    rng = np.random.default_rng(0)
    t = np.arange(3 * rate) / rate
    x = np.stack([0.3 * np.sin(2 * np.pi * 60 * (t - mic * 0.01 / 343)) for mic in range(4)])
    assert check(Recording(x + 0.001 * rng.standard_normal(x.shape), rate)).findings == ()


@pytest.mark.parametrize("frequency", [50.0, 440.0, 1000.0])
def test_a_steady_tone_is_not_clipped(tmp_path: Path, frequency: float) -> None:
    t = np.arange(2 * RATE) / RATE
    rng = np.random.default_rng(0)
    x = np.stack([0.6 * np.sin(2 * np.pi * frequency * t + mic) for mic in range(3)]) + 1e-4 * rng.standard_normal((3, len(t)))
    assert check_written(x, tmp_path / "x.wav", "PCM_16").findings == ()
    assert check_written(x, tmp_path / "x.wav", "PCM_U8").findings == ()


@pytest.mark.parametrize(
    ("dead", "subtype"), [("zeros", "FLOAT"), ("constant", "PCM_16"), ("last bit", "PCM_16"), ("faint", "PCM_24")]
)
def test_a_dead_channel_is_named_and_left_out(tmp_path: Path, dead: str, subtype: str) -> None:
    x = talk()
    rng = np.random.default_rng(1)
    x[2] = {
        "zeros": 0.0,
        "constant": 0.25,
        "last bit": -rng.integers(0, 2, x.shape[1]) / 2**15,
        "faint": 1e-4 * x[2] + 1e-5 * rng.standard_normal(x.shape[1]),
    }[dead]
    health = check_written(x, tmp_path / "x.wav", subtype)
    assert kinds(health) == [(3, "dead", "bad")]
    assert health.bad == (2,)
    assert "channel 3 is dead" in health.findings[0].message
    assert "left out" in health.findings[0].message


def test_most_channels_dead_still_leaves_the_others(tmp_path: Path) -> None:
    x = talk(5)
    x[1:4] = -np.random.default_rng(1).integers(0, 2, (3, x.shape[1])) / 2**15
    for health in (check_written(x, tmp_path / "x.wav", "PCM_16"), check(Recording(x, RATE))):
        assert health.good == (0, 4)


@pytest.mark.parametrize("gain", [1.0, -1.0, 0.5])
def test_a_duplicate_is_the_later_one(tmp_path: Path, gain: float) -> None:
    x = talk(level=0.1)
    x[3] = gain * x[1]
    health = check_written(x, tmp_path / "x.wav", "PCM_16")
    assert kinds(health) == [(4, "duplicate", "bad")]
    assert "channel 4 repeats channel 2" in health.findings[0].message


def test_a_shared_offset_makes_no_duplicate() -> None:
    health = check(Recording(talk(level=0.001) + 0.2, RATE))
    assert health.bad == ()
    assert kinds(health) == [(channel, "dc", "note") for channel in (1, 2, 3, 4)]
    np.testing.assert_allclose(health.dc, 0.2, atol=1e-3)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_invalid_samples_are_counted_and_placed(value: float) -> None:
    x = talk()
    x[0, 24000:24010] = value
    health = check(Recording(x, RATE), block_seconds=0.7)
    assert kinds(health) == [(1, "invalid", "bad")]
    assert "10 NaN or infinite samples, the first at 1.500 s" in health.findings[0].message
    assert np.isfinite(health.peak).all()


@pytest.mark.parametrize("top", [1.0, 0.4])
@pytest.mark.parametrize("subtype", ["PCM_16", "FLOAT"])
def test_clipping_at_and_below_full_scale(tmp_path: Path, top: float, subtype: str) -> None:
    x = talk()
    x[1] = np.clip(x[1] * top * 8, -top, top)
    health = check_written(x, tmp_path / "x.wav", subtype)
    assert ("clipped", "warning") in [found[1:] for found in kinds(health) if found[0] == 2]
    assert {found[0] for found in kinds(health)} == {2}
    message = next(finding.message for finding in health.findings if finding.kind == "clipped")
    assert ("full scale; it is used" in message) if top == 1.0 else ("flat tops at 0.400" in message)
    assert health.bad == ()


def test_a_recording_normalised_to_its_peak_is_not_clipped() -> None:
    x = talk()
    assert check(Recording(x / np.abs(x).max(), RATE)).findings == ()


def test_offset_of_one_channel() -> None:
    x = talk()
    x[2] += 0.03
    health = check(Recording(x, RATE))
    assert kinds(health) == [(3, "dc", "note")]
    assert "+0.03" in health.findings[0].message
    np.testing.assert_allclose(health.dc, [0, 0, 0.03, 0], atol=2e-3)


def test_levels_that_differ() -> None:
    x = talk()
    x[1] *= 0.15
    assert kinds(check(Recording(x, RATE))) == [(2, "level", "warning")]
    x = talk(level=0.0005)
    x[1] = 0.3 * np.random.default_rng(3).standard_normal(x.shape[1])
    health = check(Recording(x, RATE))
    assert kinds(health)[0] == (2, "level", "bad")
    assert health.bad == (1,)


def test_levels_that_fall_along_a_line_are_natural() -> None:
    """One talker at the end of a line: 20 dB of difference, evenly."""
    x = talk(16) * 10 ** (-np.arange(16)[:, None] * 1.3 / 20)
    assert check(Recording(x, RATE)).findings == ()


def test_everything_silent_or_bad_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="silent: none of its 3 channels"):
        check(Recording(np.zeros((3, 1000)), RATE))
    bits = -np.random.default_rng(0).integers(0, 2, (3, 1000)) / 2**15
    with pytest.raises(RecordingError, match=r"x\.wav: silent"):
        check_written(bits, tmp_path / "x.wav", "PCM_16")
    x = talk(2)
    x[0], x[1, 5] = 0.0, np.nan
    with pytest.raises(RecordingError, match=r"no channel can be used: channel 1 is dead.*channel 2 holds 1 NaN"):
        check(Recording(x, RATE))


def test_a_whisper_of_a_recording_is_warned_of() -> None:
    health = check(Recording(1e-6 * np.random.default_rng(0).standard_normal((2, RATE)), RATE))
    assert kinds(health) == [(None, "quiet", "warning")]


def test_float_samples_that_are_not_scaled_are_said(tmp_path: Path) -> None:
    """Integers written as floats; a few dB above full scale are what float files are for."""
    health = check_written(talk(level=2e4), tmp_path / "x.wav", "FLOAT")
    assert kinds(health) == [(None, "scale", "warning")]
    assert "dB above full scale: they are not scaled to +-1" in health.findings[0].message
    assert health.good == (0, 1, 2, 3)
    assert check_written(talk(level=1.0), tmp_path / "y.wav", "FLOAT").findings == ()


def test_channels_keep_their_file_numbers(tmp_path: Path) -> None:
    x = talk(6)
    x[4] = 0.0
    Recording(x, RATE).write(tmp_path / "x.wav")
    array = MicrophoneArray.linear(3, 0.05)
    health = check(Recording.read(tmp_path / "x.wav", array=array, channels=(6, 5, 2)))
    assert kinds(health) == [(5, "dead", "bad")]
    assert (health.bad, health.channels) == ((1,), (6, 5, 2))


@pytest.mark.parametrize("n_samples", [1, 2, 7])
def test_a_few_samples(n_samples: int) -> None:
    x = np.random.default_rng(0).uniform(-0.5, 0.5, (2, n_samples))
    if n_samples == 1:
        with pytest.raises(RecordingError, match="silent"):
            check(Recording(x, RATE))
    else:
        assert 0 not in check(Recording(x, RATE)).bad


def test_blocks_of_any_length_find_the_same() -> None:
    x = talk()
    x[0], x[2] = x[1], np.clip(x[2] * 30, -1, 1)
    whole, blocks = check(Recording(x, RATE), 100.0), check(Recording(x, RATE), 0.31)
    assert kinds(whole) == kinds(blocks)
    np.testing.assert_allclose(whole.rms_db, blocks.rms_db)


def test_json_is_plain() -> None:
    x = talk()
    x[3] = 0.0
    document = json.loads(json.dumps(check(Recording(x, RATE)).to_dict(), allow_nan=False))
    assert [channel["used"] for channel in document["channels"]] == [True, True, True, False]
    assert document["channels"][3]["rms_db"] is None
    assert document["findings"][0] == {
        "channel": 4,
        "kind": "dead",
        "severity": "bad",
        "message": "channel 4 is dead: every sample is 0; it is left out",
    }


@pytest.mark.shared_data
@pytest.mark.parametrize(("name", "dead"), [("noise_rec_one", ()), ("noise_rec_two", (1,)), ("xmas_noise_rec", (1, 2))])
def test_dead_channels_of_a_real_line(shared_data: Path, name: str, dead: tuple[int, ...]) -> None:
    health = check(Recording.read(shared_data / f"real_multichannel/spatialaudio_ula8_cc0/sfa/{name}.wav"))
    assert kinds(health) == [(channel, "dead", "bad") for channel in dead]


@pytest.mark.shared_data
def test_nothing_is_found_in_measured_responses(shared_data: Path) -> None:
    paths = sorted((shared_data / "measured/rs_mnmf_ula32/sources").glob("*.wav"))
    assert paths
    for path in [*paths, shared_data / "measured/gewandhaus_foa_rir_spaudiopy/IR_Gewandhaus_SH1.wav"]:
        assert check(Recording.read(path)).findings == (), path
