"""Weights from files: the right ones, or a sentence about what is wrong with them."""

import hashlib
from importlib.resources import files
from pathlib import Path

import pytest
import torch

from arrayscene.diffusion import whitened
from arrayscene.errors import RecordingError, ShapeError
from arrayscene.networks import SceneNet, load_scene_net, load_speech_prior, scene_net_bytes
from arrayscene.networks.tensor_file import from_bytes, to_bytes
from arrayscene.networks.weights import checked
from arrayscene.voices import load_voice

SMALL = SceneNet(width=4, deep=4, n_blocks=1)
CONTENT = scene_net_bytes(SMALL, recipe="none")


def written(folder: Path, content: bytes) -> Path:
    path = folder / "weights.safetensors"
    path.write_bytes(content)
    return path


def test_the_shipped_weights_are_whole_and_small() -> None:
    before = torch.get_rng_state()
    network = load_scene_net()
    assert torch.equal(torch.get_rng_state(), before)
    assert sum(value.numel() for value in network.parameters()) < 1_000_000
    assert network.weights.weight.abs().max() > 0
    assert not any(value.requires_grad for value in network.parameters())
    folder = files("arrayscene") / "assets" / "weights"
    assert len((folder / "scene-net.safetensors").read_bytes()) < 2_000_000
    assert "CC BY 4.0" in (folder / "scene-net.md").read_text(encoding="utf-8")


def test_the_shipped_causal_weights_are_whole_and_small() -> None:
    network = load_scene_net(causal=True)
    assert network.causal
    assert network.weights.weight.abs().max() > 0
    folder = files("arrayscene") / "assets" / "weights"
    assert len((folder / "scene-net-causal.safetensors").read_bytes()) < 2_000_000
    assert "CC BY 4.0" in (folder / "scene-net-causal.md").read_text(encoding="utf-8")


def test_a_file_says_whether_its_network_is_causal(tmp_path: Path) -> None:
    assert "causal" not in from_bytes(CONTENT, "content")[1]
    assert not load_scene_net(written(tmp_path, CONTENT), causal=True).causal
    live = SceneNet(width=4, deep=4, n_blocks=1, causal=True)
    assert load_scene_net(written(tmp_path, scene_net_bytes(live))).causal


def test_the_shipped_prior_is_whole_and_takes_noise_out() -> None:
    prior = load_speech_prior()
    folder = files("arrayscene") / "assets" / "weights"
    assert len((folder / "speech-prior.safetensors").read_bytes()) < 16_000_000
    assert "CC BY 4.0" in (folder / "speech-prior.md").read_text(encoding="utf-8")
    # A Spaniard of the test's side: no speaker of the training.
    voice = torch.from_numpy(load_voice("spanish-allison")[16000:48000])
    clean = whitened(voice / voice.std(), prior, 16000)
    clean = clean / clean.std()
    noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))
    for sigma in (0.1, 0.4, 1.0):
        noisy = clean + sigma * noise
        gain = 10 * ((noisy / (1 + sigma**2) - clean).square().mean() / (prior(noisy, sigma) - clean).square().mean()).log10()
        assert float(gain) > 1.5
    # Several levels at once are each alone.
    both = prior(torch.stack([noisy, noisy]), torch.tensor([0.4, 1.0]))
    torch.testing.assert_close(both[1], prior(noisy, 1.0), rtol=1e-3, atol=1e-3)
    with pytest.raises(ShapeError, match="SpeechPrior"):
        prior(torch.ones(4, dtype=torch.int64), 0.1)


def test_two_networks_do_not_share_weights() -> None:
    first, second = load_scene_net(), load_scene_net()
    first.weights.bias.zero_()
    assert second.weights.bias.any()


def test_what_was_written_is_loaded(tmp_path: Path) -> None:
    found = load_scene_net(written(tmp_path, CONTENT))
    for name, value in SMALL.state_dict().items():
        # Stored with half the bits.
        assert torch.equal(found.state_dict()[name], value.half().float())


def test_a_wrong_hash_is_named() -> None:
    sums = f"{hashlib.sha256(CONTENT).hexdigest()}  my.safetensors\n"
    assert checked(CONTENT, sums, "my.safetensors") == CONTENT
    for damaged in (CONTENT[:-1], CONTENT[:-1] + bytes([CONTENT[-1] ^ 1]), b""):
        with pytest.raises(RecordingError, match=r"my.safetensors.*SHA-256"):
            checked(damaged, sums, "my.safetensors")
    with pytest.raises(RecordingError, match=r"other.safetensors"):
        checked(CONTENT, sums, "other.safetensors")


def test_a_truncated_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=r"weights.safetensors.*not a whole"):
        load_scene_net(written(tmp_path, CONTENT[:-4]))
    with pytest.raises(RecordingError, match=r"weights.safetensors.*not a whole"):
        load_scene_net(written(tmp_path, CONTENT[:100]))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=r"nowhere.safetensors.*No such file"):
        load_scene_net(tmp_path / "nowhere.safetensors")


def test_other_versions_and_shapes_are_refused(tmp_path: Path) -> None:
    tensors, metadata = from_bytes(CONTENT, "content")
    other = to_bytes(tensors, metadata | {"architecture": "scene-net-0"})
    with pytest.raises(RecordingError, match=r"'scene-net-0'.*'scene-net-2'"):
        load_scene_net(written(tmp_path, other))
    with pytest.raises(RecordingError, match="'unknown'"):
        load_scene_net(written(tmp_path, to_bytes(tensors)))
    for wrong in (metadata | {"deep": "6"}, metadata | {"width": "many"}):
        with pytest.raises(RecordingError, match="not those of a scene-net-2"):
            load_scene_net(written(tmp_path, to_bytes(tensors, wrong)))
    missing = {name: value for name, value in tensors.items() if name != "stem.bias"}
    with pytest.raises(RecordingError, match="not those of a scene-net-2"):
        load_scene_net(written(tmp_path, to_bytes(missing, metadata)))


def test_weights_with_nan_are_refused(tmp_path: Path) -> None:
    tensors, metadata = from_bytes(CONTENT, "content")
    tensors["stem.bias"][0] = torch.nan
    with pytest.raises(RecordingError, match="NaN"):
        load_scene_net(written(tmp_path, to_bytes(tensors, metadata)))
