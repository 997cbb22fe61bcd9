import copy
from pathlib import Path

import pytest
import torch
from torch import nn, optim

from arrayscene import STFT, AudioDiffusionNet, GeometryError, MicrophoneArray, RecordingError, ShapeError, load_voice
from arrayscene.networks import noise_to_signal, tikhonov_inverse
from arrayscene.networks.refinement import GainNetwork, band_triangles
from arrayscene.response import MatrixResponse, PlaneWave, even_azimuths

N_SAMPLES = 768


def scenes(n: int, *, n_sources: int = 4, n_samples: int = N_SAMPLES, seed: int = 0) -> torch.Tensor:
    """Two of the directions sound, with speech."""
    generator = torch.Generator().manual_seed(seed)
    speech = torch.from_numpy(load_voice("english-allison", 8000)) * 10
    audio = torch.zeros(n, n_sources, n_samples)
    for scene in audio:
        for place in torch.randperm(n_sources, generator=generator)[:2]:
            start = int(torch.randint(len(speech) - n_samples, (1,), generator=generator))
            scene[place] = speech[start : start + n_samples]
    return audio


def trained(model: AudioDiffusionNet, steps: int = 30) -> AudioDiffusionNet:
    torch.manual_seed(0)
    optimizer = optim.Adam(model.parameters(), lr=0.003)
    for step in range(steps):
        audio = scenes(32, n_sources=model.n_sources, seed=step)
        loss = nn.functional.mse_loss(model(audio), audio)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model


def test_capture_is_the_response_of_the_array() -> None:
    model = AudioDiffusionNet(snr_db=float("inf"))
    audio = scenes(3)
    y = model.capture(audio)
    assert y.shape == (3, 4, N_SAMPLES)
    stft = STFT(256, 128)
    A = PlaneWave(MicrophoneArray.circular(4, 0.05), even_azimuths(4), frequencies=stft.frequencies(8000))
    torch.testing.assert_close(y, stft.inverse(A(stft(audio)), N_SAMPLES), rtol=1e-4, atol=1e-5)


def test_a_source_in_front_comes_earlier_to_the_microphone_in_front() -> None:
    """The physics, in samples and not in frames: the microphone behind, 10 cm further away, hears it later."""
    model = AudioDiffusionNet(snr_db=float("inf"))
    audio = torch.zeros(4, 2048, dtype=torch.float64)
    audio[0] = torch.from_numpy(load_voice("french-june", 8000)[4000:6048])
    front, _, back, _ = model.capture(audio)
    spectrum = torch.fft.rfft(front) * torch.fft.rfft(back).conj()
    omega = 2 * torch.pi * torch.arange(len(spectrum)) / 2048
    lags = torch.arange(-6, 6, 0.02)
    correlation = (spectrum * torch.exp(-1j * omega * lags[:, None])).real.sum(-1)
    assert float(lags[correlation.argmax()]) == pytest.approx(0.1 / 343.2 * 8000, abs=0.05)


def test_capture_in_windows_is_as_good_as_exact_delays() -> None:
    """Beside one transform of the whole scene, in which a product is an exact (circular) delay."""
    model, n = AudioDiffusionNet(snr_db=float("inf")).double(), 4096
    audio = scenes(4, n_samples=2048).double()
    A = PlaneWave(MicrophoneArray.circular(4, 0.05), even_azimuths(4), frequencies=torch.fft.rfftfreq(n, 1 / 8000)).matrix()
    Y = torch.einsum("fms,bsf->bmf", A, torch.fft.rfft(audio, n))
    exact = torch.fft.irfft(Y, n)[..., 300:1748]
    error = (model.capture(audio)[..., 300:1748] - exact).square().mean() / exact.square().mean()
    assert 10 * torch.log10(error) < -70


@pytest.mark.parametrize("snr_db", [0.0, 20.0])
def test_sensor_noise_has_the_stated_power_in_every_scene(snr_db: float) -> None:
    audio = scenes(4, n_samples=8000) * torch.tensor([1.0, 0.01, 10.0, 0.0])[:, None, None]
    clean = AudioDiffusionNet(snr_db=float("inf")).capture(audio)
    noise = AudioDiffusionNet(snr_db=snr_db).capture(audio, generator=torch.Generator().manual_seed(0)) - clean
    measured = 10 * torch.log10(clean[:3].square().mean((-2, -1)) / noise[:3].square().mean((-2, -1)))
    torch.testing.assert_close(measured, torch.full((3,), snr_db), rtol=0, atol=0.2)
    assert not bool(noise[3].any())


def test_noise_is_the_generators_or_torchs_own() -> None:
    model, audio = AudioDiffusionNet(), scenes(2)
    first = model(audio, generator=torch.Generator().manual_seed(3))
    torch.testing.assert_close(first, model(audio, generator=torch.Generator().manual_seed(3)), rtol=0, atol=0)
    torch.manual_seed(3)
    torch.testing.assert_close(first, model(audio), rtol=0, atol=0)
    assert not torch.equal(first, model(audio))


@pytest.mark.parametrize("array", ["circular:6:0.05", "linear:3:0.04", "respeaker-usb-4", "zylia-zm1"])
def test_before_training_it_is_tikhonovs_inverse(array: str) -> None:
    azimuth = even_azimuths(5)
    model = AudioDiffusionNet(array, azimuth=azimuth, snr_db=15.0)
    y = model.capture(scenes(2, n_sources=5))
    A = model.A.to(torch.complex128)
    mu = noise_to_signal(A, 15.0)
    D = A.mH @ torch.linalg.inv(A @ A.mH + mu * torch.eye(model.n_mics))
    Y = model.stft(y.double())
    wanted = model.stft.inverse(MatrixResponse(D, model.stft.frequencies(8000))(Y), N_SAMPLES)
    torch.testing.assert_close(model.decode(y).double(), wanted, rtol=1e-3, atol=1e-3 * float(wanted.abs().max()))


def test_the_starting_mu_is_best_for_white_sources() -> None:
    """Least E |D y - x|^2 over mu for unit white sources, over all frequencies, in closed form."""
    A = AudioDiffusionNet().A.to(torch.complex128)
    for snr_db in (5.0, 25.0):
        sigma2 = 4 * 10 ** (-snr_db / 10)

        def expected(mu: float, sigma2: float = sigma2) -> float:
            D = tikhonov_inverse(A, mu)
            return float((D @ A - torch.eye(4)).abs().square().sum() + sigma2 * D.abs().square().sum())

        best = expected(noise_to_signal(A, snr_db))
        assert all(expected(noise_to_signal(A, snr_db) * factor) > best for factor in (0.7, 0.9, 1.1, 1.5))


def test_training_lowers_the_error_on_other_scenes_below_the_inverse() -> None:
    start = AudioDiffusionNet(snr_db=20.0)
    model, audio = trained(copy.deepcopy(start)), scenes(200, seed=1000)
    y = start.capture(audio, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        before, after = (float(nn.functional.mse_loss(net.decode(y), audio)) for net in (start, model))
    assert after < 0.75 * before
    assert torch.equal(model.A, start.A)


def test_every_parameter_learns() -> None:
    model = trained(AudioDiffusionNet(), steps=1)
    nn.functional.mse_loss(model(scenes(8)), scenes(8)).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert bool(parameter.grad.any()), name


def test_the_filter_reaches_one_frame_back_and_one_ahead() -> None:
    """A change of the recording changes the linear part of D up to one window and one hop away, and no further."""
    model = AudioDiffusionNet()
    with torch.no_grad():
        model.D.copy_(torch.randn(model.D.shape, generator=torch.Generator().manual_seed(0)))
    Y = model.stft(scenes(1))
    changed = Y.clone()
    changed[..., 3] += 1
    difference = (model._filter(changed) - model._filter(Y)).abs().amax((0, 1, 2, 3))
    assert (difference > 1e-6).nonzero().flatten().tolist() == [2, 3, 4]


def test_leading_axes_length_and_scale() -> None:
    model = trained(AudioDiffusionNet(), steps=3)
    y = model.capture(scenes(6))
    x = model.decode(y)
    torch.testing.assert_close(model.decode(y.reshape(2, 3, 4, -1)), x.reshape(2, 3, 4, -1))
    torch.testing.assert_close(model.decode(y[0]), x[0], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(model.decode(1e-3 * y), 1e-3 * x, rtol=1e-3, atol=1e-7)
    assert model(scenes(1, n_samples=5001)).shape == (1, 4, 5001)
    assert model.decode(y[..., :1]).shape == (6, 4, 1)
    assert not bool(model.decode(torch.zeros(1, 4, 500)).any())


def test_microphones_in_another_order_change_nothing() -> None:
    array = MicrophoneArray.circular(5, 0.05)
    order = [3, 0, 4, 1, 2]
    model, permuted = AudioDiffusionNet(array), AudioDiffusionNet(array.select(order))
    y = model.capture(scenes(2))
    torch.testing.assert_close(permuted.decode(y[:, order]), model.decode(y), rtol=1e-3, atol=1e-4)


def test_silence_leaves_finite_gradients() -> None:
    model, audio = AudioDiffusionNet(), torch.zeros(1, 4, 500, requires_grad=True)
    nn.functional.mse_loss(model(audio), torch.ones_like(audio)).backward()
    assert audio.grad is not None
    assert bool(torch.isfinite(audio.grad).all())
    assert all(bool(torch.isfinite(p.grad).all()) for p in model.parameters() if p.grad is not None)


def test_double_precision_and_a_move_to_another_device_take_everything_along() -> None:
    model, audio = trained(AudioDiffusionNet(), steps=3), scenes(2)
    y = model.capture(audio)
    torch.testing.assert_close(copy.deepcopy(model).double().decode(y.double()).float(), model.decode(y), rtol=1e-3, atol=1e-4)
    moved = copy.deepcopy(model).to("meta")
    assert all(tensor.is_meta for tensor in (*moved.parameters(), *moved.buffers()))


@pytest.mark.gpu
def test_it_trains_on_a_gpu() -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    model, audio = AudioDiffusionNet().cuda(), scenes(8).cuda()
    loss = nn.functional.mse_loss(model(audio), audio)
    loss.backward()
    assert loss.is_cuda
    torch.testing.assert_close(model.decode(audio).cpu(), AudioDiffusionNet().decode(audio.cpu()), rtol=1e-3, atol=1e-3)


def test_weights_come_back_for_their_own_array_only(tmp_path: Path) -> None:
    model = trained(AudioDiffusionNet("circular:5:0.04", snr_db=10.0), steps=3)
    torch.save(model.state_dict(), tmp_path / "weights.pt")
    with pytest.raises(GeometryError, match="another array"):
        AudioDiffusionNet("circular:5:0.08").load_state_dict(torch.load(tmp_path / "weights.pt", weights_only=True))
    other = AudioDiffusionNet("circular:5:0.04", snr_db=10.0)
    other.load_state_dict(torch.load(tmp_path / "weights.pt", weights_only=True))
    audio = scenes(2)
    torch.testing.assert_close(
        other(audio, generator=torch.Generator().manual_seed(0)), model(audio, generator=torch.Generator().manual_seed(0))
    )


@pytest.mark.parametrize(
    ("wrong", "kind"),
    [
        ({"n_taps": 2}, ShapeError),
        ({"snr_db": float("nan")}, ShapeError),
        ({"snr_db": -float("inf")}, ShapeError),
        ({"regularization": 0.0}, ShapeError),
        ({"n_fft": 255}, ShapeError),
        ({"array": "no such array"}, GeometryError),
        ({"azimuth": torch.tensor([float("nan")])}, GeometryError),
    ],
)
def test_impossible_settings_are_refused(wrong: dict[str, object], kind: type[Exception]) -> None:
    with pytest.raises(kind):
        AudioDiffusionNet(**wrong)  # type: ignore[arg-type]


def test_signals_that_do_not_fit_are_refused() -> None:
    model = AudioDiffusionNet("circular:6:0.05")
    for bad in (torch.zeros(3, 500), torch.zeros(500), torch.zeros(4, 0), torch.zeros(4, 500, dtype=torch.int16)):
        with pytest.raises(ShapeError, match="4 directions"):
            model.capture(bad)
    with pytest.raises(ShapeError, match="6 microphones"):
        model.decode(torch.zeros(4, 500))
    broken = torch.zeros(1, 6, 500)
    broken[0, 0, 100] = torch.inf
    with pytest.raises(RecordingError, match="NaN or infinite"):
        model.decode(broken)


def test_bands_cover_every_bin_once() -> None:
    for n_freqs, n_bands in ((129, 20), (9, 20), (513, 24), (3, 2)):
        triangles = band_triangles(n_freqs, n_bands)
        assert len(triangles) <= n_bands
        assert bool((triangles.sum(1) > 0).all())
        torch.testing.assert_close(triangles.sum(0), torch.ones(n_freqs))


def test_gains_start_at_one_and_stay_between_zero_and_two() -> None:
    gains = GainNetwork(4, 33)
    power = torch.rand(33, 4, 2, 5)
    assert bool((gains(power) == 1).all())
    with torch.no_grad():
        gains.out.normal_(0, 100)
        found = gains(power)
    assert 0 <= float(found.min()) < float(found.max()) <= 2
