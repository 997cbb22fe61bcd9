"""Decoding with measured responses: one call for a head, a ring and a line, on simulated and on real measurements."""

import math
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from scipy.signal import fftconvolve

from arrayscene import STFT, MicrophoneArray, load_voice
from arrayscene.array_points import fibonacci_sphere
from arrayscene.decoders import PseudoInverse
from arrayscene.metrics import si_sdr
from arrayscene.response import ImpulseResponses, MeasuredResponse, PlaneWave, Response, RigidSphere, unit_vectors

RATE = 16000


def images_of(measured: ImpulseResponses) -> np.ndarray:
    """(talker, mic, sample) two voices through two responses, equally loud at the first microphone."""
    voices = [load_voice(name, int(measured.sample_rate))[:60000] for name in ("english-allison", "italian-carlo")]
    images = np.stack([fftconvolve(h, v[None], axes=1)[:, :60000] for h, v in zip(measured.samples, voices, strict=True)])
    return images / images[:, :1].std(axis=-1, keepdims=True)


def decoded(images: np.ndarray, response: Response, stft: STFT) -> float:
    """Mean SI-SDR in dB of the talkers, as heard at the first microphone."""
    frames = stft(torch.tensor(images.sum(0)))
    x = PseudoInverse(1e-3)(frames, response).x
    return float(si_sdr(stft.inverse(x, images.shape[-1]).numpy(), images[:, 0]).mean())


def head(vectors: np.ndarray) -> ImpulseResponses:
    """A sphere with an ear on each side."""
    ears = torch.tensor([[0, 0.0875, 0], [0, -0.0875, 0]], dtype=torch.float64)
    azimuth, elevation = torch.tensor(np.arctan2(vectors[:, 1], vectors[:, 0])), torch.tensor(np.arcsin(vectors[:, 2]))
    frequencies = torch.fft.rfftfreq(128, 1 / RATE, dtype=torch.float64)
    A = RigidSphere(ears, azimuth, elevation, body_radius=0.0875, frequencies=frequencies).matrix()
    taper = torch.cos((frequencies / 8000).clamp(0.7, 1).sub(0.7) / 0.3 * math.pi) / 2 + 0.5
    A = A * (taper * torch.polar(torch.ones_like(taper), -2 * torch.pi * frequencies * 40 / RATE))[:, None, None]
    samples = torch.fft.irfft(A, n=128, dim=0).permute(2, 1, 0).numpy()
    return ImpulseResponses(samples, RATE, azimuth.numpy(), elevation.numpy())


def test_a_head_between_its_directions_from_a_folder(tmp_path: Path) -> None:
    head(fibonacci_sphere(300)).save(tmp_path / "head")
    toward = unit_vectors(torch.tensor([0.6, -0.9]), torch.tensor([0.1, 0.0])).numpy()
    images, stft = images_of(head(toward)), STFT(1024)
    frequencies = stft.frequencies(RATE)
    measured = MeasuredResponse(
        ImpulseResponses.load(tmp_path / "head"), torch.tensor([0.6, -0.9]), torch.tensor([0.1, 0.0]), frequencies=frequencies
    )
    open_field = PlaneWave(torch.tensor([[0, 0.0875, 0], [0, -0.0875, 0]]), torch.tensor([0.6, -0.9]), frequencies=frequencies)
    assert decoded(images, measured, stft) > 25
    assert decoded(images, open_field, stft) < 10


def test_a_ring_in_a_room() -> None:
    pytest.importorskip("pyroomacoustics", reason="rooms need pyroomacoustics: pip install arrayscene[rooms]")
    from arrayscene.simulate import Talker, simulate_scene

    array, click = MicrophoneArray.circular(6, 0.05), np.eye(1, 6000)[0]
    scenes = [simulate_scene(array, [Talker(click, azimuth)], t60=0.2, snr_db=math.inf) for azimuth in (0.7, -1.1)]
    measured = ImpulseResponses(np.concatenate([scene.images for scene in scenes]), RATE, np.array([0.7, -1.1]), np.zeros(2))
    stft = STFT(4096)
    frequencies = stft.frequencies(RATE)
    images = images_of(measured)
    early = decoded(images, MeasuredResponse(measured.early(0.06), frequencies=frequencies), stft)
    assert early > decoded(images, PlaneWave(array, torch.tensor([0.7, -1.1]), frequencies=frequencies), stft) + 8


@pytest.mark.shared_data
def test_kemar_as_an_array_of_two_microphones(shared_data: Path) -> None:
    pytest.importorskip("sofar", reason="SOFA files are read with sofar: pip install arrayscene[sofa]")
    kemar = ImpulseResponses.load(shared_data / "hrtf" / "share" / "MIT_KEMAR_normal_pinna.sofa")
    assert (kemar.n_directions, kemar.n_mics, kemar.sample_rate) == (710, 2, 44100)
    toward = unit_vectors(torch.deg2rad(torch.tensor([30.0, -50.0])), torch.zeros(2)).numpy()
    rows = (kemar.vectors @ toward.T).argmax(axis=0).tolist()
    true, others = kemar.select(rows), kemar.select([row for row in range(710) if row not in rows])
    images, stft = images_of(true), STFT(2048)
    azimuth, elevation = torch.tensor(true.azimuth), torch.tensor(true.elevation)
    measured = MeasuredResponse(others, azimuth, elevation, frequencies=stft.frequencies(44100))
    assert decoded(images, measured, stft) > 25


@pytest.mark.shared_data
def test_a_line_of_32_microphones_in_an_office(shared_data: Path) -> None:
    folder = shared_data / "measured" / "rs_mnmf_ula32" / "sources"
    samples = np.stack([soundfile.read(folder / f"rir_source_{n}.wav")[0].T for n in (1, 4)])
    # After 120 ms the files hold noise of the measurement.
    measured = ImpulseResponses(samples, 48000, np.array([0.9, 0.7]), np.zeros(2)).early(0.12)
    images, stft = images_of(measured), STFT(8192)
    assert decoded(images, MeasuredResponse(measured, frequencies=stft.frequencies(48000)), stft) > 10
