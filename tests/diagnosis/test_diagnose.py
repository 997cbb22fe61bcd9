"""`diagnose` finds what was done to the channels, and leaves alone what was not."""

from dataclasses import replace

import numpy as np
import pytest
from fields import RATE, field, irregular, shuffled
from hypothesis import given, settings
from hypothesis import strategies as st

from arrayscene.array import MicrophoneArray
from arrayscene.diagnosis import Diagnosis, diagnose, suspicion
from arrayscene.diagnosis.correction import corrected_array
from arrayscene.diagnosis.hypothesis import Hypothesis
from arrayscene.diagnosis.symmetry import isometries, simplest
from arrayscene.equalizer import Equalizer
from arrayscene.errors import GeometryError, RecordingError
from arrayscene.recording import Recording

RING = MicrophoneArray.circular(6, 0.05)
LINE = MicrophoneArray.linear(5, 0.04)
ODD = irregular(5)


def kinds(diagnosis: Diagnosis) -> list[str]:
    return [finding.kind for finding in diagnosis.findings]


def carried(diagnosis: Diagnosis) -> tuple[int, ...]:
    """The microphone that each channel carries, as the corrected array says."""
    assert diagnosis.corrected is not None
    order = [0] * diagnosis.array.n_mics
    for mic, channel in enumerate(diagnosis.corrected.file_channels):
        order[channel - 1] = mic
    return tuple(order)


def with_electronics(recording: Recording, gains_db: np.ndarray, delays: np.ndarray) -> Recording:
    undo = Equalizer(tuple((10 ** (-gains_db / 20)).tolist()), tuple((-delays).tolist()))
    return Recording(undo.apply(recording.samples, RATE), RATE, recording.array)


@pytest.mark.parametrize("array", [RING, LINE, ODD, MicrophoneArray.preset("uma-8"), MicrophoneArray.circular(3, 0.05)])
def test_a_correct_array_fits(array: MicrophoneArray) -> None:
    recording = Recording(field(array).samples, RATE, replace(array, channels=None, hardware_channels=None))
    diagnosis = diagnose(recording)
    assert diagnosis.fits, diagnosis.findings
    assert diagnosis.corrected is None
    assert suspicion(recording) == []


@pytest.mark.parametrize(
    ("array", "order", "message"),
    [
        (LINE, [0, 2, 1, 3, 4], "Channels 2 and 3 are swapped."),
        (ODD, [1, 2, 3, 4, 0], "The numbering of the channels is shifted by 1: microphone 1 is in channel 5, "),
        (ODD, [4, 3, 2, 1, 0], "The channels are in reverse order: microphone 1 is in channel 5, "),
        (ODD, [1, 2, 0, 4, 3], "The channels are in another order: microphone 1 is in channel 3, "),
    ],
)
def test_orders_are_named_and_written_down(array: MicrophoneArray, order: list[int], message: str) -> None:
    recording = shuffled(field(array), order)
    diagnosis = diagnose(recording)
    assert kinds(diagnosis) == ["order"]
    found = diagnosis.findings[0]
    assert found.message.startswith(message)
    assert found.confidence > 0.9
    assert suspicion(recording) == [found.message]
    assert carried(diagnosis) == tuple(order)
    assert diagnosis.corrected is not None
    assert diagnose(Recording(recording.samples, RATE).with_array(diagnosis.corrected)).fits


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (MicrophoneArray.linear(6, 0.04), "another array"),
        (MicrophoneArray.circular(6, 0.1), "times too large"),
    ],
)
def test_another_array_is_suspected(said: MicrophoneArray, words: str) -> None:
    recording = field(MicrophoneArray.circular(6, 0.05))
    assert suspicion(recording) == []
    (sentence,) = suspicion(Recording(recording.samples, RATE, said))
    assert words in sentence


def test_orders_that_are_symmetries_cannot_be_heard() -> None:
    turned = diagnose(shuffled(field(RING), [2, 3, 4, 5, 0, 1]))
    assert turned.fits
    assert "cannot show how the array is turned" in turned.ambiguities[0]
    assert "12 numberings" in turned.ambiguities[0]
    swapped = diagnose(shuffled(field(MicrophoneArray.circular(4, 0.05)), [0, 2, 1, 3]))
    assert swapped.findings[0].message == "Channels 2 and 3 are swapped, or, which sounds the same, 1 and 4."
    symmetries = isometries(swapped.array)
    assert simplest(carried(swapped), symmetries) == simplest((0, 2, 1, 3), symmetries)


@given(order=st.permutations(range(5)), seed=st.integers(0, 3))
@settings(max_examples=4, deadline=None)
def test_any_order_is_found(order: list[int], seed: int) -> None:
    array = irregular(5, seed=3)
    diagnosis = diagnose(shuffled(field(array, seed=seed), order))
    assert (carried(diagnosis) if diagnosis.corrected else tuple(range(5))) == tuple(order)


@pytest.mark.parametrize("array", [RING, ODD])
def test_an_inverted_channel_is_named_and_cannot_be_written_down(array: MicrophoneArray) -> None:
    recording = field(array)
    samples = recording.samples.copy()
    samples[2] *= -1
    diagnosis = diagnose(Recording(samples, RATE, array))
    assert kinds(diagnosis) == ["polarity"]
    assert diagnosis.findings[0].channels == (3,)
    assert diagnosis.corrected is None
    assert len(suspicion(Recording(samples, RATE, array))) == 1


def test_late_and_quiet_channels_are_measured() -> None:
    delays, gains = np.zeros(5), np.zeros(5)
    delays[1], gains[4] = 190e-6, -7.0
    recording = with_electronics(field(ODD), gains, delays)
    diagnosis = diagnose(recording)
    assert sorted(kinds(diagnosis)) == ["delay", "gain"]
    assert diagnosis.corrected is not None
    np.testing.assert_allclose(diagnosis.corrected.delays, delays, atol=12e-6)
    np.testing.assert_allclose(diagnosis.corrected.gains_db, gains, atol=0.5)
    assert diagnose(Recording(recording.samples, RATE, diagnosis.corrected)).fits


def test_all_faults_at_once() -> None:
    array, order = irregular(6, seed=4), [3, 1, 0, 5, 2, 4]
    delays = np.array([0.0, 0.0, 0.0, 250e-6, 0.0, 0.0])
    recording = with_electronics(shuffled(field(array, seed=2), order), np.zeros(6), delays)
    samples = recording.samples.copy()
    samples[5] *= -1
    diagnosis = diagnose(Recording(samples, RATE, array))
    assert sorted(kinds(diagnosis)) == ["delay", "order", "polarity"]
    assert carried(diagnosis) == tuple(order)
    assert diagnosis.corrected is not None
    assert diagnosis.corrected.delays is not None
    # The delay goes with the channel: file channel 4 carries microphone 6.
    assert diagnosis.corrected.delays[5] == pytest.approx(250e-6, abs=15e-6)


def test_gains_and_delays_that_the_array_knows_are_kept() -> None:
    delays, gains = np.array([0, 150e-6, 0, 0, 0]), np.array([0, 6.0, 0, 0, 0])
    array = replace(ODD, delays=tuple(delays), gains_db=tuple(gains))
    recording = with_electronics(field(ODD), gains, delays)
    assert diagnose(Recording(recording.samples, RATE, array)).fits
    # Gains and delays belong to the channels: where those are swapped, they go along.
    swapped = diagnose(
        Recording(recording.samples[[0, 2, 1, 3, 4]], RATE, replace(array, delays=(0, 0, 150e-6, 0, 0), gains_db=None))
    )
    assert sorted(kinds(swapped)) == ["gain", "order"]
    assert swapped.corrected is not None
    assert swapped.corrected.channels == (1, 3, 2, 4, 5)
    np.testing.assert_allclose(swapped.corrected.gains_db, gains, atol=0.5)
    np.testing.assert_allclose(swapped.corrected.delays, delays, atol=1e-7)


def test_a_map_to_a_device_s_channels_stays_one() -> None:
    device = replace(ODD, channels=(2, 3, 4, 5, 6), hardware_channels=8)
    recording = shuffled(field(ODD), [0, 1, 3, 2, 4])
    of_device = Recording(recording.samples, RATE, device, channels=device.channels)
    corrected = diagnose(of_device).corrected
    assert corrected is not None
    assert (corrected.channels, corrected.hardware_channels) == ((2, 3, 5, 4, 6), 8)
    extracted = diagnose(Recording(recording.samples, RATE, device)).corrected
    assert extracted is not None
    assert (extracted.channels, extracted.hardware_channels) == ((1, 2, 4, 3, 5), None)


def test_dead_channels_are_left_out_first() -> None:
    array = irregular(6, seed=1)
    samples = shuffled(field(array), [0, 1, 2, 4, 3, 5]).samples.copy()
    samples[1] = 0
    diagnosis = diagnose(Recording(samples, RATE, array))
    assert "channel 2 is dead" in diagnosis.notes[0]
    assert diagnosis.array.n_mics == 5
    assert diagnosis.corrected is not None
    assert diagnosis.corrected.channels == (1, 2, 3, 5, 4, 6)


@pytest.mark.parametrize("factor", [0.4, 2.0])
def test_another_size_is_found(factor: float) -> None:
    wrong = MicrophoneArray(positions=ODD.positions * factor)
    diagnosis = diagnose(Recording(field(ODD).samples, RATE, wrong))
    assert kinds(diagnosis) == ["size"]
    assert ("too large" if factor > 1 else "too small") in diagnosis.findings[0].message
    assert diagnosis.corrected is not None
    assert diagnosis.corrected.aperture == pytest.approx(ODD.aperture, rel=0.3)


def test_another_layout_fits_no_way() -> None:
    diagnosis = diagnose(field(MicrophoneArray.circular(7, 0.05)).with_array(MicrophoneArray.linear(7, 0.016)))
    assert {"misfit", "size"} & set(kinds(diagnosis))
    assert all(finding.confidence < 0.6 for finding in diagnosis.findings if finding.kind in ("order", "polarity", "delay"))


def test_known_azimuths_show_mirrors_and_turns() -> None:
    azimuths = (0.4, -1.9, 1.5)
    recording = field(RING, azimuths, diffuse=0.3)
    assert diagnose(recording, azimuths=azimuths).fits
    mirrored = diagnose(shuffled(recording, [0, 5, 4, 3, 2, 1]), azimuths=azimuths)
    assert kinds(mirrored) == ["mirror"]
    assert carried(mirrored) == (0, 5, 4, 3, 2, 1)
    turned = diagnose(Recording(recording.samples, RATE, RING.rotated(yaw=-0.9)), azimuths=azimuths)
    assert kinds(turned) == ["rotation"]
    assert turned.corrected is not None
    assert np.degrees(np.arctan2(*turned.corrected.positions[0, [1, 0]])) == pytest.approx(0.0, abs=4.0)


def test_corrected_positions_are_micrometres() -> None:
    ring = MicrophoneArray.circular(6, 0.05)
    for array, digits in ((ring, 6), (replace(ring, body_radius=0.05), 12)):
        swapped = Hypothesis((1, 0, 2, 3, 4, 5), (1,) * 6, (0.0,) * 6)
        corrected = corrected_array(Recording(field(ring).samples, RATE, array), swapped, [0.0] * 6, why="")
        np.testing.assert_allclose(corrected.positions, ring.positions, atol=5.1e-7)
        numbers = corrected.positions.ravel().tolist()
        assert all(len(repr(number).partition(".")[2]) <= digits for number in numbers), numbers
        assert "-0.0" not in map(repr, numbers)
        # Off its surface every microphone would have a radius of its own to compute.
        assert digits == 6 or np.ptp(np.linalg.norm(corrected.positions, axis=1)) < 5e-12


def test_evenly_spread_azimuths_leave_a_choice_and_others_are_said_to_be_unheard() -> None:
    azimuths = (0.4, 0.4 + 2 * np.pi / 3, 0.4 - 2 * np.pi / 3)
    recording = field(ODD, azimuths, diffuse=0.3)
    even = diagnose(recording, azimuths=azimuths)
    assert even.fits
    assert "would fit as well if the array were" in even.ambiguities[0]
    quiet = diagnose(field(ODD, azimuths[:2], diffuse=0.3), azimuths=azimuths)
    assert quiet.fits
    assert "Hardly anything is heard from -97 degrees" in quiet.ambiguities[0]
    nobody = diagnose(field(ODD, azimuths[:1], diffuse=0.3), azimuths=[*azimuths, 1.5])
    assert kinds(nobody) == ["azimuths"]
    assert nobody.corrected is None


def test_noise_in_most_of_the_band_does_not_hide_an_order() -> None:
    recording = shuffled(field(ODD, seconds=4.0), [0, 1, 3, 2, 4])
    spectrum = np.fft.rfft(recording.samples)
    frequencies = np.fft.rfftfreq(recording.n_samples, 1 / RATE)
    tonal = np.fft.irfft(spectrum * ((frequencies > 800) & (frequencies < 1800)), recording.n_samples)
    noise = np.random.default_rng(0).standard_normal(tonal.shape)
    noisy = Recording((tonal + 0.1 * tonal.std() * noise).astype(np.float32), RATE, ODD)
    assert [finding.message for finding in diagnose(noisy).findings] == ["Channels 3 and 4 are swapped."]


def test_sound_from_one_side_alone_is_believed_by_half() -> None:
    recording = shuffled(field(ODD, (0.4,), diffuse=0.0), [0, 1, 3, 2, 4])
    diagnosis = diagnose(recording)
    assert all(finding.confidence <= 0.5 for finding in diagnosis.findings)
    assert any("comes from one side" in sentence for sentence in diagnosis.ambiguities)
    assert suspicion(recording) == []


def test_one_known_azimuth_leaves_a_choice_and_says_so() -> None:
    recording = field(RING, (0.5,), diffuse=0.3)
    diagnosis = diagnose(Recording(recording.samples, RATE, RING.rotated(yaw=-1.2)), azimuths=[0.5])
    assert kinds(diagnosis) == ["rotation"]
    assert "may as well be mirrored" in diagnosis.findings[0].message
    assert diagnosis.findings[0].confidence <= 0.5


def test_a_reversed_line_shows_with_a_known_azimuth_only() -> None:
    recording = shuffled(field(LINE, (0.9,), diffuse=0.3), [4, 3, 2, 1, 0])
    assert diagnose(recording).fits
    diagnosis = diagnose(recording, azimuths=[0.9])
    assert kinds(diagnosis) == ["mirror"]
    assert carried(diagnosis) == (4, 3, 2, 1, 0)


def test_what_tells_nothing_gives_no_verdict() -> None:
    noise = np.random.default_rng(0).standard_normal((4, 4 * RATE)) * 0.1
    ring = MicrophoneArray.circular(4, 0.05)
    unrelated = diagnose(Recording(noise, RATE, ring))
    assert (kinds(unrelated), unrelated.clear, unrelated.fits) == (["unclear"], False, False)
    assert "no two channels hear the same sound" in unrelated.findings[0].message
    short = diagnose(field(ring, seconds=0.5))
    assert "too short" in short.findings[0].message
    assert suspicion(Recording(noise, RATE, ring)) == []
    with pytest.raises(RecordingError, match="silent"):
        diagnose(Recording(np.zeros((4, RATE)), RATE, ring))
    with pytest.raises(GeometryError, match="no array"):
        diagnose(Recording(noise, RATE))
    with pytest.raises(GeometryError, match="one microphone"):
        diagnose(Recording(noise[:1], RATE, MicrophoneArray.circular(1, 0.05)))


def test_two_microphones_tell_polarity_but_no_order() -> None:
    pair = MicrophoneArray.linear(2, 0.06)
    samples = field(pair).samples.copy()
    assert diagnose(Recording(samples[::-1], RATE, pair)).fits
    samples[1] *= -1
    assert kinds(diagnose(Recording(samples, RATE, pair))) == ["polarity"]


def test_as_json() -> None:
    import json

    content = json.loads(json.dumps(diagnose(shuffled(field(ODD), [1, 0, 2, 3, 4])).to_dict()))
    assert content["findings"][0]["kind"] == "order"
    assert content["findings"][0]["channels"] == [1, 2]
    assert content["corrected"]["channels"] == [2, 1, 3, 4, 5]
    assert content["scores"]["as corrected"] > 0


def test_progress_is_reported() -> None:
    steps: list[tuple[str, float]] = []
    diagnose(field(LINE), progress=lambda step, done: steps.append((step, done)))
    assert {step for step, _ in steps} >= {"order", "size"}
    assert all(0 <= done <= 1 for _, done in steps)
