"""Cross-spectral matrices and bands: levels, sums, what is refused."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from monopoles import RATE, recorded
from scipy.signal import csd

from arrayscene import MicrophoneArray, Recording
from arrayscene.errors import RecordingError, ShapeError
from arrayscene.imaging import cross_spectra, octave, third_octave, third_octaves
from arrayscene.imaging.bands import band_weights


def noise(n_mics: int = 3, seconds: float = 4.0, level: float = 0.1) -> np.ndarray:
    return (level * np.random.default_rng(3).standard_normal((n_mics, round(seconds * RATE)))).astype(np.float32)


def test_bins_sum_to_the_mean_square() -> None:
    samples = noise()
    spectra = cross_spectra(Recording(samples, RATE), n_fft=512)
    power = spectra.matrices.diagonal(dim1=-2, dim2=-1).real.sum(0)
    np.testing.assert_allclose(power, np.square(samples).mean(axis=1), rtol=0.01)


def test_as_scipy_has_it() -> None:
    samples = noise()
    found = cross_spectra(Recording(samples, RATE), n_fft=256)
    hertz, expected = csd(samples[1], samples[0], RATE, "hann", 256, 128, detrend=False, scaling="density")
    np.testing.assert_allclose(found.frequencies, hertz)
    # scipy conjugates its first argument.
    np.testing.assert_allclose(found.matrices[:, 0, 1], expected * found.bin_width, rtol=1e-3, atol=1e-9)
    assert found.n_averages == (samples.shape[1] - 128) // 128


def test_a_sine_has_its_mean_square_in_its_third_octave() -> None:
    time = np.arange(2 * RATE) / RATE
    samples = 0.5 * np.sin(2 * np.pi * 1000 * time + np.array([[0.0], [1.0]]))
    spectra = cross_spectra(Recording(samples.astype(np.float32), RATE))
    weights = band_weights([third_octave(1000), third_octave(2000)], spectra.frequencies, spectra.bin_width)
    levels = weights @ spectra.matrices[:, 0, 0].real
    assert 10 * math.log10(levels[0]) == pytest.approx(10 * math.log10(0.125), abs=0.02)
    assert levels[1] < 1e-9


def test_white_noise_has_as_much_as_the_band_is_wide() -> None:
    samples = noise(2, 20.0, 1.0)
    spectra = cross_spectra(Recording(samples, RATE))
    for band in (third_octave(500), third_octave(4000), octave(1000)):
        level = band_weights([band], spectra.frequencies, spectra.bin_width) @ spectra.matrices[:, 0, 0].real
        assert float(level) == pytest.approx((band.high - band.low) / (RATE / 2), rel=0.05)


def test_long_recordings_go_through_in_blocks() -> None:
    """Windows across the borders of blocks are not lost."""
    samples = noise(2, 12.3)
    spectra = cross_spectra(Recording(samples, RATE), n_fft=1024)
    assert spectra.n_averages == (samples.shape[1] - 512) // 512
    one = cross_spectra(Recording(samples[:, : 4 * RATE], RATE), n_fft=1024)
    assert one.matrices.shape == spectra.matrices.shape


def test_a_delay_turns_the_phase_as_stated(spiral: MicrophoneArray) -> None:
    """C = a a^H of a with a phase of -2 pi f tau for a delay tau."""
    samples = noise(1, 4.0)
    late = np.vstack([samples[0], np.roll(samples[0], 4)])
    spectra = cross_spectra(Recording(late, RATE), n_fft=256)
    at = int(np.argmin(np.abs(spectra.frequencies.numpy() - 500)))
    expected = -2 * np.pi * float(spectra.frequencies[at]) * 4 / RATE
    assert float(torch.angle(spectra.matrices[at, 1, 0])) == pytest.approx(expected, abs=0.02)


def test_matrices_are_hermitian_and_positive(spiral: MicrophoneArray) -> None:
    spectra = cross_spectra(recorded(spiral, [((0.1, 0.1, 0.6), 0.1)], seconds=1.0, noise=0.01), n_fft=256)
    torch.testing.assert_close(spectra.matrices, spectra.matrices.mH)
    assert float(torch.linalg.eigvalsh(spectra.matrices).min()) > -1e-9


def test_a_range_of_bins() -> None:
    spectra = cross_spectra(Recording(noise(), RATE), n_fft=256, lowest=1000, highest=2000)
    assert float(spectra.frequencies[0]) + spectra.bin_width / 2 > 1000
    assert float(spectra.frequencies[-1]) - spectra.bin_width / 2 < 2000
    fewer = spectra.between(1200, 1300)
    assert 1 <= len(fewer.frequencies) < len(spectra.frequencies)
    with pytest.raises(ShapeError, match="there are bins from"):
        spectra.between(3000, 4000)


@pytest.mark.parametrize(
    ("samples", "options", "message"),
    [
        (noise(1), {}, "1 channel came"),
        (noise(2, 0.01), {}, "at least one window"),
        (np.zeros((2, RATE), np.float32), {}, "silent"),
        (np.full((2, RATE), np.nan, np.float32), {}, "not finite"),
    ],
)
def test_recordings_that_no_map_can_be_made_of(samples: np.ndarray, options: dict[str, int], message: str) -> None:
    with pytest.raises(RecordingError, match=message):
        cross_spectra(Recording(samples, RATE), **options)


@pytest.mark.parametrize(("options", "message"), [({"n_fft": 15}, "n_fft = 15"), ({"lowest": 9000.0}, "reaches to 8000 Hz")])
def test_windows_and_ranges_that_are_refused(options: dict[str, float], message: str) -> None:
    with pytest.raises(ShapeError, match=message):
        cross_spectra(Recording(noise(), RATE), **options)  # type: ignore[arg-type]


def test_third_octaves_are_those_of_the_standard() -> None:
    """Exact centres and edges of IEC 61260-1, base ten."""
    band = third_octave(2000)
    assert band.centre == pytest.approx(1995.262, abs=0.001)
    assert (band.low, band.high) == pytest.approx((1778.279, 2238.721), abs=0.001)
    assert octave(63).centre == pytest.approx(63.096, abs=0.001)
    assert band.name == "2 kHz third octave"
    names = [one.name.split(" third")[0] for one in third_octaves(20, 22500)]
    assert names[:6] == ["25 Hz", "31.5 Hz", "40 Hz", "50 Hz", "63 Hz", "80 Hz"]
    assert names[-4:] == ["10 kHz", "12.5 kHz", "16 kHz", "20 kHz"]
    edges = third_octaves(20, 22500)
    assert all(low.high == pytest.approx(high.low) for low, high in pairwise(edges))


@pytest.mark.parametrize(("make", "hertz"), [(third_octave, 1100), (octave, 1250), (third_octave, 5), (third_octave, 1e6)])
def test_what_is_no_nominal_centre_is_refused(make: object, hertz: float) -> None:
    with pytest.raises(ShapeError, match="came"):
        make(hertz)  # type: ignore[operator]
