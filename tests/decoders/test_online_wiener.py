"""Online filters: the same whatever the pieces, better the longer they listen, and what they refuse."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from arrayscene import Recording, ShapeError, recover
from arrayscene.decoders import Decoder, OnlineRefined, OnlineWiener
from arrayscene.metrics import match_sources
from arrayscene.networks import SceneNet, load_scene_net
from arrayscene.response import PlaneWave, far_field
from arrayscene.stft import STFT
from arrayscene.worlds import World, WorldConfig, WorldScene

SHORT = STFT(1024)
POSITIONS = torch.tensor([[0.05, 0, 0], [-0.02, 0.04, 0], [-0.02, -0.04, 0]], dtype=torch.float64)


def known(n_frames: int, stft: STFT = SHORT) -> tuple[torch.Tensor, PlaneWave]:
    """Two sources that take turns, complex128."""
    response = PlaneWave(POSITIONS, torch.tensor([0.3, 2.0]), frequencies=stft.frequencies(16000))
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, stft.n_freqs, n_frames, dtype=torch.complex128, generator=generator)
    return response(x * torch.rand(2, 1, n_frames, generator=generator).square()), response


@pytest.fixture(scope="module")
def scene() -> WorldScene:
    """Shipped voices."""
    config = WorldConfig(
        duration=4.0,
        moving=0.0,
        clipping=0.0,
        n_talkers=(2, 2),
        n_mics=(4, 4),
        t60=(0.3, 0.4),
        arrays=("circular",),
        separation=0.8,
    )
    return World(config, seed=5, split="all").scene(1)


def decoded(scene: WorldScene, decoder: Decoder) -> np.ndarray:
    response = far_field(
        scene.array, scene.azimuths[:, 0], scene.elevations[:, 0], frequencies=SHORT.frequencies(scene.sample_rate)
    )
    return SHORT.inverse(decoder(SHORT(scene.mixture), response).x, scene.mixture.shape[-1]).numpy()


def score(x: np.ndarray, scene: WorldScene, start: int = 0) -> float:
    """SI-SDR in dB."""
    return float(match_sources(x[:, start:], scene.images[:, 0, start:].numpy())[2].mean())


@pytest.mark.parametrize("decoder", [OnlineWiener(), OnlineRefined()], ids=["wiener", "refined"])
@pytest.mark.parametrize("sizes", [[1] * 26, [3, 5, 1, 17], [25, 1]], ids=str)
def test_pieces_of_any_size_give_the_same(decoder: Decoder, sizes: list[int]) -> None:
    stft = STFT(128)
    y, response = known(26, stft)
    state, start, parts = decoder.init(y, response), 0, []
    for size in sizes:
        estimate, state = decoder.step(y[..., start : start + size], state)
        parts.append(estimate.x)
        start += size
    whole = decoder(y, response).x
    torch.testing.assert_close(torch.cat(parts, dim=-1), whole, rtol=0, atol=1e-5 * float(whole.abs().max()))


def test_a_frame_knows_nothing_of_later_ones() -> None:
    y, response = known(24, STFT(128))
    other = y.clone()
    other[..., 10:] *= 5
    for decoder in (OnlineWiener(), OnlineRefined()):
        assert torch.equal(decoder(other, response).x[..., :10], decoder(y, response).x[..., :10])


def test_it_separates_and_the_network_helps(scene: WorldScene) -> None:
    mixture = score(np.repeat(scene.mixture[:1].numpy(), 2, axis=0), scene)
    wiener, refined = score(decoded(scene, OnlineWiener()), scene), score(decoded(scene, OnlineRefined()), scene)
    assert wiener > mixture + 3
    assert refined > wiener + 0.5


def test_it_learns_while_it_listens(scene: WorldScene) -> None:
    start = scene.mixture.shape[-1] // 2
    # The second half after the first, and by itself.
    late = replace(scene, mixture=scene.mixture[:, start:], images=scene.images[..., start:])
    assert score(decoded(scene, OnlineWiener()), scene, start) > score(decoded(late, OnlineWiener()), late) + 0.2


def test_what_was_learnt_of_a_source_that_pauses_is_kept() -> None:
    y, response = known(40, STFT(128))
    decoder = OnlineWiener(forgetting=0.9)
    _, state = decoder.step(y, decoder.init(y, response))
    # A long time of the other one alone.
    only = response(torch.stack([y[0], 0 * y[0]])).repeat(1, 1, 5)
    _, later = decoder.step(only, state)
    kept, gone = (later.counts / state.counts)[..., 1].mean(), later.R[..., 0, :, :] - state.R[..., 0, :, :]
    assert kept > 0.5
    assert gone.abs().mean() > 0.1 * state.R[..., 0, :, :].abs().mean()


def test_nothing_is_learnt_from_silence() -> None:
    y, response = known(8, STFT(128))
    decoder = OnlineWiener()
    state = decoder.step(y, decoder.init(y, response))[1]
    later = decoder.step(torch.zeros_like(y), state)[1]
    for name in ("S", "R", "counts"):
        assert torch.equal(getattr(later, name), getattr(state, name))


def test_recover_takes_them_by_name(scene: WorldScene) -> None:
    recording = Recording(scene.mixture.numpy(), scene.sample_rate, scene.array)
    directions = [(float(scene.azimuths[n, 0]), float(scene.elevations[n, 0])) for n in (0, 1)]
    scores = {}
    for method in ("online-wiener", "online-network"):
        found = recover(recording, directions=directions, method=method, moving=False)
        assert found.method == method
        scores[method] = score(np.stack([source.signal for source in found.sources]), scene)
    assert scores["online-network"] > scores["online-wiener"] + 0.5
    alone = recover(recording, directions=directions[:1], method="online-network", moving=False)
    assert "one source" in alone.why


def test_what_cannot_be_is_refused() -> None:
    y, response = known(4, STFT(128))
    with pytest.raises(ShapeError, match="no response came"):
        OnlineWiener()(y)
    for wrong in ({"block": 0}, {"forgetting": 1.0}, {"prior": 0.0}, {"direct": -1.0}):
        with pytest.raises(ShapeError, match="OnlineWiener"):
            OnlineWiener(**wrong)  # type: ignore[arg-type]
    with pytest.raises(ShapeError, match="sees frames of the future"):
        OnlineRefined(network=SceneNet(width=4, deep=4, n_blocks=1))
    assert load_scene_net(causal=True).causal
    assert not load_scene_net().causal
    assert OnlineWiener()(y, response).x.shape == (2, 65, 4)
