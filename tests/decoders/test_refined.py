"""The shipped network after a Wiener filter: closer to the truth on voices, rooms and arrays that it does not know."""

import numpy as np
import pytest
import torch

from arrayscene import Recording, ShapeError, recover
from arrayscene.decoders import MultichannelWiener, PseudoInverse, Refined
from arrayscene.metrics import match_sources
from arrayscene.networks import SceneNet
from arrayscene.response import PlaneWave
from arrayscene.stft import STFT
from arrayscene.worlds import World, WorldConfig

SHORT, LONG = STFT(1024), STFT(4096)


def scores(n_scenes: int, method: str, **changes: object) -> float:
    """Mean SI-SDR in dB, of shipped voices."""
    fixed = {"duration": 4.0, "moving": 0.0, "clipping": 0.0, "n_talkers": (2, 2), "n_mics": (4, 4), "t60": (0.3, 0.4)}
    world = World(WorldConfig(**{**fixed, "arrays": ("circular",), "separation": 0.8, **changes}), seed=5, split="all")  # type: ignore[arg-type]
    found = []
    for index in range(n_scenes):
        scene = world.scene(index)
        directions = [
            (float(azimuth), float(elevation))
            for azimuth, elevation in zip(scene.azimuths[:, 0], scene.elevations[:, 0], strict=True)
        ]
        recording = Recording(scene.mixture.numpy(), scene.sample_rate, scene.array)
        signals = np.stack([source.signal for source in recover(recording, directions=directions, method=method).sources])
        found.append(match_sources(signals, scene.images[:, 0].numpy())[2].mean())
    return float(np.mean(found))


@pytest.mark.parametrize("rate", [8000, 16000])
def test_it_comes_closer_to_the_truth(rate: int) -> None:
    assert scores(2, "network", sample_rate=rate) > scores(2, "wiener", sample_rate=rate) + 0.2


def test_more_talkers_than_microphones() -> None:
    crowd = {"n_talkers": (3, 3), "n_mics": (2, 2), "duration": 2.0}
    assert scores(1, "network", **crowd) > scores(1, "wiener", **crowd)


def known(n_frames: int = 40) -> tuple[torch.Tensor, PlaneWave]:
    positions = torch.tensor([[0.05, 0, 0], [-0.02, 0.04, 0], [-0.02, -0.04, 0]], dtype=torch.float64)
    response = PlaneWave(positions, torch.tensor([0.3, 2.0]), frequencies=SHORT.frequencies(16000))
    x = torch.randn(2, SHORT.n_freqs, n_frames, dtype=torch.complex64, generator=torch.Generator().manual_seed(0))
    return response(x.to(torch.complex128)).to(torch.complex64), response


def test_strength_is_the_share_of_the_network() -> None:
    y, response = known()
    wiener = MultichannelWiener(PseudoInverse(0.1), SHORT, LONG, strength=0.5)
    none, half, whole = (Refined(wiener, strength=share)(y, response).x for share in (0.0, 0.5, 1.0))
    torch.testing.assert_close(none, wiener(y, response).x)
    torch.testing.assert_close(half, 0.5 * (none + whole))
    assert not torch.allclose(none, whole, rtol=0.1)


def test_another_network_may_be_given() -> None:
    y, response = known()
    wiener = MultichannelWiener(PseudoInverse(0.1), SHORT, LONG, strength=0.5)
    # Untrained, it is half a filter.
    torch.testing.assert_close(Refined(wiener, SceneNet())(y, response).x, wiener(y, response).x, rtol=0, atol=1e-4)


def test_frames_after_the_recording_are_refused() -> None:
    y, response = known()
    decoder = Refined(MultichannelWiener(PseudoInverse(0.1), SHORT, LONG))
    _, state = decoder.step(y, decoder.init(y, response))
    with pytest.raises(ShapeError, match="Refined: frames up to 41 came after an init with 40"):
        decoder.step(y[..., :1], state)
    with pytest.raises(ShapeError, match="its STFT makes 513"):
        decoder(y[:, :257])
    with pytest.raises(ShapeError, match="a causal network came"):
        Refined(MultichannelWiener(PseudoInverse(0.1), SHORT, LONG), SceneNet(width=4, deep=4, n_blocks=1, causal=True))


def test_one_source_is_not_separated_from_itself() -> None:
    world = World(WorldConfig(duration=2.0, moving=0.0, n_talkers=(1, 1), n_mics=(4, 4)), seed=1, split="all")
    scene = world.scene(0)
    recording = Recording(scene.mixture.numpy(), scene.sample_rate, scene.array)
    found = recover(recording, n_sources=1, method="network")
    alike = recover(recording, n_sources=1, method="denoise")
    assert "one source" in found.why
    np.testing.assert_array_equal(found.sources[0].signal, alike.sources[0].signal)
