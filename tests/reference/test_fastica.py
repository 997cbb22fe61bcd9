"""FastICA against the papers' equations, and against what it is for."""

import numpy as np
import pytest
import torch
from ica_by_hand import complex_step, real_step

from arrayscene.decoders import FastICA, fast_ica
from arrayscene.decoders.fixed_point import Algorithm, Contrast, fixed_points
from arrayscene.errors import RecordingError, ShapeError
from arrayscene.metrics import match_sources, si_sdr
from arrayscene.response import MatrixResponse
from arrayscene.stft import STFT
from arrayscene.voices import load_voice

MIXER = np.array([[1.0, 0.6], [-0.4, 0.9]])


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def voices(n_samples: int = 80000) -> np.ndarray:
    return np.stack([load_voice(name)[:n_samples] for name in ("english-allison", "italian-carlo-2")]).astype(np.float32)


def white(kind: str, n_sources: int = 3, n_samples: int = 60) -> np.ndarray:
    """Sparse independent sources, turned and made white."""
    g = generator(1)
    x = g.laplace(size=(n_sources, n_samples)) ** 3
    if kind == "complex":
        x = x * np.exp(2j * np.pi * g.random(x.shape))
    y = g.standard_normal((n_sources, n_sources)) @ x
    values, vectors = np.linalg.eigh(y @ y.conj().T / n_samples)
    return np.diag(values**-0.5) @ vectors.conj().T @ y


@pytest.mark.parametrize(
    ("kind", "contrast"),
    [
        ("real", "logcosh"),
        ("real", "exp"),
        ("real", "kurtosis"),
        ("complex", "log"),
        ("complex", "sqrt"),
        ("complex", "kurtosis"),
    ],
)
def test_every_number_agrees_with_the_equations(kind: str, contrast: Contrast) -> None:
    z = white(kind)
    step = real_step if kind == "real" else complex_step
    start = fixed_points(torch.from_numpy(z), contrast, "symmetric", n_iter=0, tolerance=0).numpy()
    wanted = step(z, step(z, start, contrast), contrast)
    found = fixed_points(torch.from_numpy(z), contrast, "symmetric", n_iter=2, tolerance=0)
    np.testing.assert_allclose(found.numpy(), wanted, atol=1e-9)


@pytest.mark.parametrize("algorithm", ["symmetric", "deflation"])
@pytest.mark.parametrize("contrast", ["exp", "kurtosis", "log", "logcosh", "sqrt"])
def test_two_voices_on_a_mixer_come_apart(contrast: Contrast, algorithm: Algorithm) -> None:
    x = voices()
    y = torch.from_numpy(MIXER.astype(np.float32) @ x) + 0.1
    found = fast_ica(y, contrast=contrast, algorithm=algorithm)
    separated = (found.D @ (y - y.mean(-1, keepdim=True))).numpy()
    heard = MIXER[:1].T * (x - x.mean(-1, keepdims=True))
    estimate, target, score = match_sources(separated, heard)
    assert score.min() > 25
    # As heard at the first microphone, at the right strength, from the right column of the mixer.
    for e, t in zip(estimate, target, strict=True):
        assert np.linalg.norm(separated[e]) == pytest.approx(np.linalg.norm(heard[t]), rel=0.05)
        np.testing.assert_allclose(found.A[:, e], MIXER[:, t] / MIXER[0, t], atol=0.1)


def test_fewer_sources_than_channels_leave_the_noise_out() -> None:
    x = voices()
    mixer = np.concatenate([MIXER, [[0.3, 0.8]], [[-0.7, 0.2]]])
    y = mixer @ x + 1e-4 * generator().standard_normal((4, x.shape[1]))
    found = fast_ica(torch.from_numpy(y), 2)
    assert found.D.shape == (2, 4)
    assert match_sources(found.D.numpy() @ y, mixer[:1].T * x)[2].min() > 30


def test_frames_are_separated_as_samples_are() -> None:
    x, stft = voices(), STFT(512)
    y = torch.from_numpy(MIXER.astype(np.float32) @ x)
    estimate = FastICA(contrast="log")(stft(y))
    separated = stft.inverse(estimate.x, x.shape[1]).numpy()
    assert match_sources(separated, MIXER[:1].T * x)[2].min() > 22
    assert estimate.response is not None
    A = estimate.response.matrix()
    assert bool((A == A[:1]).all())


def test_outputs_follow_the_columns_of_a_response() -> None:
    x, stft = voices(), STFT(512)
    y = stft(torch.from_numpy(MIXER.astype(np.float32) @ x))
    for order in ([0, 1], [1, 0]):
        rough = torch.from_numpy(MIXER[:, order] + 0.2).to(torch.complex128).expand(stft.n_freqs, 2, 2)
        sources = stft.inverse(FastICA()(y, MatrixResponse(rough, stft.frequencies(16000))).x, x.shape[1]).numpy()
        assert si_sdr(sources, MIXER[0, order, None] * x[order]).min() > 20


def test_recordings_in_a_batch_come_out_as_they_do_alone() -> None:
    y = torch.from_numpy(np.stack([MIXER @ voices(8000), MIXER.T @ voices(8000)]))
    both = fast_ica(y)
    for item in range(2):
        torch.testing.assert_close(both.D[item], fast_ica(y[item]).D, rtol=1e-9, atol=1e-9)


def test_a_start_of_ones_own_finds_the_same_sources() -> None:
    y = torch.from_numpy(MIXER @ voices())
    found = fast_ica(y, tolerance=1e-12).D
    torch.testing.assert_close(
        fast_ica(y, tolerance=1e-12, generator=torch.Generator().manual_seed(5)).D, found, rtol=0, atol=1e-4
    )


@pytest.mark.parametrize("contrast", ["kurtosis", "logcosh"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.complex64])
def test_silence_copies_and_single_samples_give_finite_matrices(dtype: torch.dtype, contrast: Contrast) -> None:
    y = torch.from_numpy(voices(2000)).to(dtype)
    for samples in (0 * y, torch.cat([y, y[:1]]), torch.cat([y, 0 * y[:1]]), y[:1], y[:1, :1]):
        for algorithm in ("symmetric", "deflation"):
            D, A = fast_ica(samples, contrast=contrast, algorithm=algorithm)
            assert bool(torch.isfinite(D).all() & torch.isfinite(A).all())
            assert float((D @ samples).abs().max()) <= 2 * float(samples.abs().max())


def test_what_cannot_be_said_is_refused() -> None:
    y = torch.from_numpy(voices(2000))
    with pytest.raises(ShapeError, match="mic, sample"):
        fast_ica(y[0])
    with pytest.raises(ShapeError, match="more samples than microphones"):
        fast_ica(y.T)
    with pytest.raises(ShapeError, match="3 sources came for 2"):
        fast_ica(y, 3)
    with pytest.raises(ShapeError, match="'tanh'"):
        FastICA(contrast="tanh")  # type: ignore[arg-type]
    with pytest.raises(RecordingError, match="NaN"):
        fast_ica(y / 0)
