"""The causal network: the same whatever the pieces, and nothing of the future."""

import pytest
import torch
from test_scene_net import evidence

from arrayscene.errors import ShapeError
from arrayscene.networks import Evidence, SceneNet, SceneNetState

N_FRAMES = 37


@pytest.fixture(scope="module")
def network() -> SceneNet:
    """With last layers that do something."""
    torch.manual_seed(1)
    network = SceneNet(width=8, middle=10, deep=12, n_blocks=4, causal=True)
    torch.nn.init.normal_(network.weights.weight, std=0.3)
    return network.requires_grad_(False)


def part(known: Evidence, start: int, end: int) -> Evidence:
    return Evidence(*(value[..., start:end] for value in known))


def in_pieces(network: SceneNet, known: Evidence, sizes: list[int]) -> torch.Tensor:
    state, start, found = SceneNetState(), 0, []
    for size in sizes:
        x, state = network.step(part(known, start, start + size), state)
        found.append(x)
        start += size
    assert start == known.mixture.shape[-1]
    return torch.cat(found, dim=-1)


@pytest.mark.parametrize("sizes", [[1] * N_FRAMES, [4] * 9 + [1], [3, 5, 1, 28], [2, 2, 33], [36, 1]])
def test_pieces_of_any_size_give_the_whole(network: SceneNet, sizes: list[int]) -> None:
    known = evidence(2, n_frames=N_FRAMES)
    whole = network(known)
    assert (whole - 0.5 * (known.linear + known.filtered)).abs().mean() > 0.05 * whole.abs().mean()
    torch.testing.assert_close(in_pieces(network, known, sizes), whole, rtol=0, atol=1e-5)


@pytest.mark.parametrize("frame", [0, 1, 6, 15, 20])
def test_a_frame_knows_nothing_of_later_ones(network: SceneNet, frame: int) -> None:
    known = evidence(2, n_frames=N_FRAMES)
    loud = torch.ones(N_FRAMES, dtype=torch.float64)
    loud[frame + 1 :] = 7.0
    other = Evidence(*(value * loud for value in known[:3]), known.variances * loud.square())
    found, wanted = network(other), network(known)
    assert torch.equal(found[..., : frame + 1], wanted[..., : frame + 1])
    assert not torch.allclose(found[..., frame + 1 :], 7 * wanted[..., frame + 1 :], rtol=1e-3)


def test_a_frame_knows_much_of_earlier_ones(network: SceneNet) -> None:
    known = evidence(2, n_frames=N_FRAMES)
    last = network(known)[..., -1]
    for start in (8, 24, 36):
        alone = network(part(known, start, N_FRAMES))[..., -1]
        assert (alone - last).abs().max() > 1e-4 * last.abs().max()


def test_several_recordings_at_once_are_each_alone(network: SceneNet) -> None:
    known = evidence(3, n_frames=11)
    both = Evidence(*(torch.stack([value, 0.1 * value.flip(-1)]) for value in known))
    first, state = network.step(part(both, 0, 6), SceneNetState())
    x = torch.cat([first, network.step(part(both, 6, 11), state)[0]], dim=-1)
    torch.testing.assert_close(x[0], network(known), rtol=0, atol=1e-5)
    torch.testing.assert_close(x[1], network(Evidence(*(value[1] for value in both))), rtol=0, atol=1e-5)


def test_the_state_that_came_in_stays_as_it_was(network: SceneNet) -> None:
    known = evidence(2, n_frames=12)
    _, state = network.step(part(known, 0, 5), SceneNetState())
    first, _ = network.step(part(known, 5, 12), state)
    again, _ = network.step(part(known, 5, 12), state)
    assert torch.equal(first, again)


def test_silence_before_the_first_sound_is_not_taken_for_its_level(network: SceneNet) -> None:
    known = evidence(2, n_frames=9)
    silence = Evidence(*(torch.zeros_like(value) for value in known))
    x, state = network.step(silence, SceneNetState())
    assert not x.any()
    assert state.n_frames is not None
    assert state.n_frames == 0
    _, later = network.step(known, state)
    _, alone = network.step(known, SceneNetState())
    assert later.level is not None
    assert alone.level is not None
    assert torch.equal(later.level, alone.level)


def test_it_can_be_trained() -> None:
    torch.manual_seed(0)
    network, known = SceneNet(width=8, middle=10, deep=12, n_blocks=2, causal=True), evidence(2)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    losses = []
    for _ in range(20):
        optimizer.zero_grad()
        loss = (network(known) - 0.3 * known.linear).abs().square().mean()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.7 * losses[0]


def test_a_network_that_looks_ahead_takes_no_steps() -> None:
    with pytest.raises(ShapeError, match="causal=True"):
        SceneNet(width=8, middle=10, deep=12, n_blocks=1).step(evidence(2), SceneNetState())


def test_parts_that_do_not_belong_together_are_refused(network: SceneNet) -> None:
    known = evidence(2)
    with pytest.raises(ShapeError, match="SceneNet"):
        network(known._replace(mixture=known.mixture[..., 1:]))
