"""DiffusionPosterior: draws that explain the recording, and a start that is given back when anything goes wrong."""

from __future__ import annotations

import copy
import math

import pytest
import torch
from torch import Tensor

from arrayscene.array import MicrophoneArray
from arrayscene.decoders import Decoder, DiffusionPosterior, DiffusionWarning, Estimate, PseudoInverse
from arrayscene.decoders.diffusion_posterior import INTERVAL
from arrayscene.decoders.microphone_noise import noise_power, white_noise
from arrayscene.diffusion import GaussianPrior
from arrayscene.errors import ShapeError
from arrayscene.response import MatrixResponse, PlaneWave, Response
from arrayscene.stft import STFT
from arrayscene.voices import load_voice

RATE, N = 8000, 3000
SHORT = STFT(128)
ARRAY = MicrophoneArray.circular(3, 0.1)


class White(GaussianPrior):
    """Sources of unit variance and no colour: everything about them is known in closed form."""

    def __init__(self, sample_rate: int = RATE) -> None:
        super().__init__(torch.tensor(1.0))
        self.sample_rate, self.spectrum = sample_rate, torch.ones(3)
        self.calls = 0

    def __call__(self, x: Tensor, sigma: float) -> Tensor:
        self.calls += 1
        return super().__call__(x, sigma)


class Known(Decoder):
    """A start: the truth, and an error of known size."""

    def __init__(self, x: Tensor, response: Response) -> None:
        super().__init__()
        self.x, self.response = x, response

    def init(self, y: Tensor, response: Response | None = None, *, generator: torch.Generator | None = None) -> int:
        return 0

    def step(self, y: Tensor, state: int) -> tuple[Estimate, int]:
        end = state + y.shape[-1]
        return Estimate(self.x[..., state:end], self.response, {}), end


def scene(n_sources: int = 2, n: int = N, noise: float = 0.1) -> tuple[Tensor, Tensor, Response]:
    """Frames of the microphones and of the sources, and the response."""
    generator = torch.Generator().manual_seed(11)
    azimuths = torch.linspace(0.4, 2.4, n_sources)
    response = PlaneWave(ARRAY, azimuths, frequencies=SHORT.frequencies(RATE))
    x = SHORT(torch.randn(n_sources, n, generator=generator))
    return response(x) + SHORT(noise * torch.randn(3, n, generator=generator)), x, response


def snr_db(found: Tensor, truth: Tensor) -> float:
    return float(10 * (truth.abs().square().sum() / (found - truth).abs().square().sum()).log10())


@pytest.mark.parametrize("method", ["proximal", "dps", "diffpir", "red-diff"])
def test_told_of_the_response_it_beats_the_inverse(method: str) -> None:
    y, x, response = scene()
    found = DiffusionPosterior(SHORT, prior=White(), method=method)(y, response)  # type: ignore[arg-type]
    # Low frequencies reach all microphones alike: the inverse has nothing but noise there.
    assert snr_db(found.x, x) > snr_db(PseudoInverse(0.1)(y, response).x, x) + 1
    assert snr_db(found.x, x) > 8
    assert snr_db(response(found.x), response(x)) > 10


def test_its_mean_and_spread_are_those_of_the_wiener_filter() -> None:
    y, x, response = scene(noise=0.3)
    decoder = DiffusionPosterior(SHORT, prior=White(), draws=32, sigma=(20.0, 0.01), n_steps=24)
    found = decoder(y, response)
    # Of sources and noise as they are: the covariance of y in every frequency, without looking at y.
    A, signal, noise = response.matrix().to(y.dtype), SHORT.n_fft / 2, 0.09 * SHORT.n_fft / 2
    R = signal * A @ A.mH + noise * torch.eye(3)
    gain = signal * A.mH @ torch.linalg.inv(R)
    wiener = torch.einsum("fsm,mft->sft", gain, y)
    assert abs(snr_db(found.x, x) - snr_db(wiener, x)) < 1.0
    spread = (signal * (1 - (gain @ A).diagonal(dim1=-2, dim2=-1).real)).sqrt().mT
    inner = slice(4, -4)
    ratio = found.stats["spread"][..., inner].square().mean(-1).sqrt() / spread
    assert 0.5 < float(ratio[:, 1:-1].median()) < 1.5
    inside = ((found.x - x).abs() < math.sqrt(math.log(10)) * found.stats["spread"])[..., inner]
    assert 0.8 < float(inside.double().mean()) < 0.97


def test_a_start_is_kept_as_far_as_its_errors_say() -> None:
    y, x, response = scene(noise=0.01)
    generator = torch.Generator().manual_seed(3)
    near = x + 0.1 * SHORT(torch.randn(2, N, generator=generator))
    found = DiffusionPosterior(SHORT, Known(near, response), White(), strength=1.0)(y, response)
    assert snr_db(found.x, x) > 17
    half = DiffusionPosterior(SHORT, Known(near, response), White(), strength=0.5)(y, response)
    torch.testing.assert_close(half.x, 0.5 * (near + found.x), rtol=1e-3, atol=1e-3)
    nothing = DiffusionPosterior(SHORT, Known(near, response), White(), strength=0.0)(y, response)
    torch.testing.assert_close(nothing.x, near)


def test_the_same_recording_gives_the_same_draws_and_another_seed_others() -> None:
    y, _, response = scene(n=2000)
    decoder = DiffusionPosterior(SHORT, PseudoInverse(0.1), White(), churn=1.0)
    first, again = decoder(y, response).x, decoder(y, response).x
    assert torch.equal(first, again)
    other = decoder(y, response, generator=torch.Generator().manual_seed(1)).x
    assert not torch.equal(first, other)


def test_particles_are_dropped_and_the_likeliest_draw_is_one_of_them() -> None:
    y, _, response = scene(n=2000)
    few, many = (DiffusionPosterior(SHORT, None, White(), draws=2, particles=p, churn=1.0)(y, response) for p in (1, 4))
    for found in (few, many):
        left = y - response(found.stats["likeliest"])
        assert snr_db(y - left, y) > 10
    assert not torch.equal(few.x, many.x)


def test_long_recordings_are_worked_on_in_stretches_that_join() -> None:
    y, x, response = scene(n=3 * RATE)
    whole, parts = (DiffusionPosterior(SHORT, None, White(), seconds=seconds, n_steps=4)(y, response) for seconds in (60.0, 1.2))
    assert snr_db(parts.x, x) > snr_db(whole.x, x) - 0.5
    assert parts.stats["spread"].shape == x.shape
    assert bool(torch.isfinite(parts.stats["spread"]).all())
    # No joint is heard.
    errors, undivided = ((found.x - x).abs().square().mean((0, 1))[8:-8] for found in (parts, whole))
    assert float(errors.max()) < 1.5 * float(undivided.max())


def test_memory_that_is_short_shrinks_the_stretches() -> None:
    y, x, response = scene(n=3 * RATE)

    class Hungry(White):
        def __call__(self, x: Tensor, sigma: float) -> Tensor:
            if x.shape[-1] > 1.5 * RATE:
                raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 1e12 bytes")
            return super().__call__(x, sigma)

    found = DiffusionPosterior(SHORT, None, Hungry(), n_steps=4)(y, response)
    assert snr_db(found.x, x) > 8

    class Insatiable(White):
        def __call__(self, x: Tensor, sigma: float) -> Tensor:
            raise MemoryError("none left")

    with pytest.raises(MemoryError):
        DiffusionPosterior(SHORT, None, Insatiable())(y, response)


def test_a_broken_prior_is_named_and_the_start_comes_out() -> None:
    y, x, response = scene(n=3000)

    class Broken(White):
        def __call__(self, x: Tensor, sigma: float) -> Tensor:
            clean = super().__call__(x, sigma)
            return clean * math.nan if self.calls == 3 else clean

    with pytest.warns(DiffusionWarning, match=r"NaN or infinity in step 3, at sigma 0\.\d+; what it started from comes out"):
        found = DiffusionPosterior(SHORT, Known(x, response), Broken(), n_fits=1)(y, response)
    torch.testing.assert_close(found.x, x)
    assert float(found.stats["stopped"]) == 1
    # Later parts are numbered as steps of the whole.
    with pytest.warns(DiffusionWarning, match=r"in step 3, at"):
        DiffusionPosterior(SHORT, Known(x, response), Broken(), n_fits=4)(y, response)
    with pytest.warns(DiffusionWarning, match="step 3"):
        informed = DiffusionPosterior(SHORT, None, Broken())(y, response)
    assert snr_db(informed.x, x) > 5


def test_an_interrupt_returns_the_best_so_far_only_when_asked_to() -> None:
    y, x, response = scene(n=3000)

    class Interrupted(White):
        def __call__(self, x: Tensor, sigma: float) -> Tensor:
            if self.calls == 5:
                raise KeyboardInterrupt
            return super().__call__(x, sigma)

    with pytest.raises(KeyboardInterrupt):
        DiffusionPosterior(SHORT, None, Interrupted())(y, response)
    with pytest.warns(DiffusionWarning, match="interrupted"):
        found = DiffusionPosterior(SHORT, None, Interrupted(), best_so_far=True)(y, response)
    assert snr_db(found.x, x) > 8


def test_after_a_stop_stretches_that_were_not_begun_are_the_start_s() -> None:
    y, x, response = scene(n=3 * RATE)
    near = x + 0.1 * SHORT(torch.randn(2, 3 * RATE, generator=torch.Generator().manual_seed(3)))
    seen: list[float] = []
    decoder = DiffusionPosterior(
        SHORT, Known(near, response), White(), seconds=1.2, progress=seen.append, stop=lambda: bool(seen) and seen[-1] > 0.45
    )
    with pytest.warns(DiffusionWarning, match="for the rest what it started from"):
        found = decoder(y, response)
    assert float(found.stats["stopped"]) >= 2
    assert max(seen) < 0.8
    torch.testing.assert_close(found.x[..., -20:-4], near[..., -20:-4], rtol=1e-3, atol=1e-3)
    assert float((found.x - near)[..., :100].abs().max()) > 0.01


@pytest.mark.parametrize("rate", [4000, 16000, 11025])
def test_a_prior_of_another_rate_is_resampled_to(rate: int) -> None:
    y, x, response = scene()
    own, other = (DiffusionPosterior(SHORT, None, White(r))(y, response).x for r in (RATE, rate))
    assert snr_db(other, x) > snr_db(own, x) - 1.5


def test_silence_one_source_and_a_source_that_is_not_there() -> None:
    y, x, response = scene(n=2000)
    silent = DiffusionPosterior(SHORT, PseudoInverse(0.1), White())(torch.zeros_like(y), response)
    assert not bool(silent.x.any())
    alone, one, to_one = scene(1, n=2000)
    found = DiffusionPosterior(SHORT, None, White())(alone, to_one)
    assert snr_db(found.x, one) > 10
    # The start found nobody in the second place.
    missing = torch.cat([x[:1], torch.zeros_like(x[:1])])
    heard = response(missing)
    kept = DiffusionPosterior(SHORT, Known(missing, response), White(), strength=1.0)(heard, response).x
    assert not bool(kept[1].any())
    assert snr_db(kept[0], x[0]) > 10


def test_progress_reaches_one() -> None:
    y, _, response = scene(n=3 * RATE)
    seen: list[float] = []
    DiffusionPosterior(SHORT, None, White(), seconds=1.5, progress=seen.append, n_steps=3)(y, response)
    assert seen == sorted(seen)
    assert seen[-1] == pytest.approx(1.0, abs=0.01)


def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(ShapeError, match="method 'magic' came"):
        DiffusionPosterior(SHORT, None, White(), method="magic")  # type: ignore[arg-type]
    for wrong in ({"draws": 0}, {"n_steps": 0}, {"sigma": (0.1, 0.2)}, {"seconds": 0.0}):
        with pytest.raises(ShapeError, match="1 or more of each"):
            DiffusionPosterior(SHORT, None, White(), **wrong)  # type: ignore[arg-type]
    y, _, _ = scene(n=1000)
    with pytest.raises(ShapeError, match="neither a start nor a response"):
        DiffusionPosterior(SHORT, None, White())(y)


def test_a_single_draw_errs_more_than_the_mean_and_says_so() -> None:
    y, x, response = scene(noise=0.3)
    one, many = (DiffusionPosterior(SHORT, None, White(), draws=k, sigma=(20.0, 0.01), n_steps=24)(y, response) for k in (1, 16))
    assert torch.equal(one.x, one.stats["likeliest"])
    spread, of_many = (found.stats["spread"][..., 4:-4].square().mean() for found in (one, many))
    assert 1.5 < float(spread / of_many) < 3
    inside = ((one.x - x).abs() < INTERVAL * one.stats["spread"])[..., 4:-4]
    assert 0.8 < float(inside.double().mean()) < 0.97


def test_single_draws_around_a_start_leave_its_error_alone() -> None:
    y, x, response = scene(n=2000)
    one = DiffusionPosterior(SHORT, Known(x, response), White(), draws=1)(y, response)
    assert bool(torch.isfinite(one.stats["spread"]).all())


@pytest.mark.parametrize(("layout", "n_sources"), [("linear:2:0.1", 3), ("circular:3:0.05", 3), ("circular:4:0.05", 2)])
def test_the_truth_lies_in_the_stated_intervals(layout: str, n_sources: int) -> None:
    """With the shipped prior, talkers as plane waves in time, and noise 30 dB below each."""
    stft, rate, n = STFT(1024), 16000, 24000
    names = ("english-allison", "french-june", "italian-carlo-2")[:n_sources]
    voices = torch.stack([torch.from_numpy(load_voice(name)[rate : rate + n]) for name in names])
    voices = voices / voices.std(-1, keepdim=True)
    array, azimuths = MicrophoneArray.resolve(layout), torch.tensor([0.3, 1.4, 2.5])[:n_sources]
    response = PlaneWave(array, azimuths, frequencies=stft.frequencies(rate))
    fine = PlaneWave(array, azimuths, frequencies=torch.linspace(0, rate / 2, n + 1))
    spectra = torch.einsum("fms,sf->mf", fine.matrix().to(torch.complex64), torch.fft.rfft(voices, n=2 * n))
    heard = torch.fft.irfft(spectra, n=2 * n)[:, :n]
    y = stft(heard + 10**-1.5 * torch.randn(heard.shape, generator=torch.Generator().manual_seed(5)))
    found = DiffusionPosterior(stft, sigma=(1.5, 0.03), n_steps=12)(y, response)
    inside = (found.x - stft(voices)).abs() <= INTERVAL * found.stats["spread"]
    assert 0.8 < float(inside.double().mean()) < 0.97


@pytest.mark.parametrize("noise_db", [-15, -30])
def test_white_noise_is_found_under_as_many_voices_as_microphones(noise_db: int) -> None:
    stft, n = STFT(1024), 32000
    voices = torch.stack([torch.from_numpy(load_voice(name)[16000 : 16000 + n]) for name in ("english-allison", "french-june")])
    voices = voices / voices.std(-1, keepdim=True)
    response = PlaneWave(MicrophoneArray.linear(2, 0.1), torch.tensor([0.6, 2.0]), frequencies=stft.frequencies(16000))
    noise = 10 ** (noise_db / 20) * torch.randn(2, n, generator=torch.Generator().manual_seed(5))
    y = response(stft(voices)) + stft(noise)
    with_gap = torch.cat([y, torch.zeros_like(y[..., :20])], dim=-1)
    for heard, bound in ((y, 3), (with_gap, 5)):
        found = white_noise(heard, torch.ones(513))
        assert abs(10 * math.log10(float(found) / 512) - noise_db) < bound
    assert float(white_noise(torch.zeros(2, 513, 9, dtype=torch.complex64), torch.ones(513))) > 0


def test_noise_is_told_from_sources_whose_responses_are_known() -> None:
    y, _, response = scene(noise=0.2)
    power = noise_power(y, response.matrix())
    assert power.shape == (SHORT.n_freqs,)
    wanted = 0.04 * SHORT.n_fft / 2
    assert abs(float(power.median()) / wanted - 1) < 0.2


@pytest.mark.parametrize("n_sources", [2, 3])
def test_scenes_of_a_batch_are_decoded_as_each_alone(n_sources: int) -> None:
    y, x, response = scene(n_sources, n=2000)
    decoder = DiffusionPosterior(SHORT, None, White(), n_steps=4)
    alone, found = decoder(y, response), decoder(torch.stack([y, 3 * y]), response)
    for n, scale in enumerate((1, 3)):
        for one, other in ((alone.x, found.x[n]), (alone.stats["spread"], found.stats["spread"][n])):
            torch.testing.assert_close(other / scale, one, rtol=1e-2, atol=1e-2 * float(x.abs().max()))


@pytest.mark.gpu
def test_sixteen_scenes_at_once_on_a_gpu() -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    y, x, response = scene()
    # At the lowest frequencies all microphones hear alike, and in single precision rounding decides.
    y = y.to(torch.complex128)
    decoder = DiffusionPosterior(SHORT, None, White())
    alone = decoder(y, response).x
    A = MatrixResponse(response.matrix(), response.frequencies).cuda()
    batch = torch.stack([y * (1 + n) for n in range(16)]).cuda()
    found = copy.deepcopy(decoder).cuda()(batch, A).x
    assert found.device.type == "cuda"
    for n in range(16):
        torch.testing.assert_close(found[n].cpu() / (1 + n), alone, rtol=1e-2, atol=1e-2 * float(x.abs().max()))
