"""The network: every source alike, any number of them, whatever the level, and nothing out of nothing."""

import pytest
import torch

from arrayscene.errors import ShapeError
from arrayscene.networks import Evidence, SceneNet


def evidence(n_sources: int, n_freqs: int = 65, n_frames: int = 21) -> Evidence:
    generator = torch.Generator().manual_seed(n_sources)
    shape = (n_sources, n_freqs, n_frames)
    x, wrong, noise = (torch.randn(shape, dtype=torch.complex128, generator=generator) for _ in range(3))
    linear = x + 0.3 * wrong
    variances = torch.cat([linear, noise[:1]]).abs().square()
    return Evidence(x.sum(0) + 0.1 * noise[0], linear, 0.8 * x + 0.1 * wrong, variances)


@pytest.fixture(scope="module")
def network() -> SceneNet:
    """With last layers that do something."""
    torch.manual_seed(1)
    network = SceneNet(width=8, middle=10, deep=12, n_blocks=2)
    torch.nn.init.normal_(network.weights.weight, std=0.3)
    return network.requires_grad_(False)


def test_untrained_it_is_the_mean_of_pilot_and_filter() -> None:
    known = evidence(3)
    torch.testing.assert_close(SceneNet()(known), 0.5 * (known.linear + known.filtered), rtol=0, atol=1e-6)


@pytest.mark.parametrize("n_sources", [1, 2, 4])
def test_any_number_and_order_of_sources(network: SceneNet, n_sources: int) -> None:
    known = evidence(n_sources)
    x = network(known)
    assert x.shape == known.linear.shape
    assert x.dtype == known.linear.dtype
    order = list(range(n_sources))[::-1]
    turned = Evidence(known.mixture, known.linear[order], known.filtered[order], known.variances[[*order, n_sources]])
    torch.testing.assert_close(network(turned), x[order], rtol=0, atol=1e-5)


def test_it_does_something(network: SceneNet) -> None:
    known = evidence(2)
    mean = 0.5 * (known.linear + known.filtered)
    assert (network(known) - mean).abs().mean() > 0.05 * mean.abs().mean()


@pytest.mark.parametrize("level", [1e-4, 1e4])
def test_level_does_not_matter(network: SceneNet, level: float) -> None:
    known = evidence(2)
    louder = Evidence(known.mixture * level, known.linear * level, known.filtered * level, known.variances * level**2)
    torch.testing.assert_close(network(louder) / level, network(known), rtol=0, atol=1e-5)


def test_frequencies_above_8_khz_pass(network: SceneNet) -> None:
    known = evidence(2, n_freqs=600, n_frames=4)
    x, mean = network(known), 0.5 * (known.linear + known.filtered)
    assert torch.equal(x[:, 512:], mean[:, 512:])
    assert not torch.allclose(x[:, :512], mean[:, :512])


@pytest.mark.parametrize(("n_freqs", "n_frames"), [(65, 1), (5, 3), (1, 1), (8, 2)])
def test_few_frames_and_frequencies(network: SceneNet, n_freqs: int, n_frames: int) -> None:
    x = network(evidence(2, n_freqs, n_frames))
    assert x.shape == (2, n_freqs, n_frames)
    assert torch.isfinite(x.abs()).all()


def test_silence_stays_silent(network: SceneNet) -> None:
    x = network(Evidence(*(torch.zeros_like(part) for part in evidence(2))))
    assert not x.any()


def test_it_can_be_trained() -> None:
    torch.manual_seed(0)
    network, known = SceneNet(width=8, middle=10, deep=12, n_blocks=2), evidence(2)
    target = 0.3 * known.linear
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    losses = []
    for _ in range(20):
        optimizer.zero_grad()
        loss = (network(known) - target).abs().square().mean()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.7 * losses[0]


def test_parts_that_do_not_belong_together_are_refused(network: SceneNet) -> None:
    known = evidence(2)
    for wrong in (
        known._replace(linear=known.linear[0]),
        known._replace(filtered=known.filtered[:, 1:]),
        known._replace(variances=known.variances[1:]),
        known._replace(mixture=known.mixture[..., 1:]),
    ):
        with pytest.raises(ShapeError, match="SceneNet"):
            network(wrong)
