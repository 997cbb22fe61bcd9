"""Whatever way the outputs of the frequencies were shuffled, alignment puts them in one order."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from arrayscene.decoders.permutation import TABLE, align, best_order, in_order, likeness, loudness
from arrayscene.errors import ShapeError


def talkers(n_sources: int, n_freqs: int, seed: int, n_frames: int = 120) -> Tensor:
    """(freq, source, frame) shares of talkers that come and go at all frequencies, not quite alike at any two."""
    g = torch.Generator().manual_seed(seed)
    level = 3 * torch.randn(n_sources, n_frames // 5, generator=g).repeat_interleave(5, dim=-1)
    return (level + torch.randn(n_freqs, n_sources, n_frames, generator=g)).softmax(-2)


def shuffled(activities: Tensor, seed: int) -> tuple[Tensor, Tensor]:
    """The activities in another order at each frequency, and that order."""
    g = torch.Generator().manual_seed(seed)
    order = torch.rand(activities.shape[:-1], generator=g).argsort(-1)
    return in_order(activities, order), order


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 7), st.integers(1, 40), st.integers(0, 10**6))
def test_any_shuffle_is_undone(n_sources: int, n_freqs: int, seed: int) -> None:
    activities, order = shuffled(talkers(n_sources, n_freqs, seed), seed + 1)
    found = align(activities)
    assert torch.equal(found.sort(-1).values, torch.arange(n_sources).expand(n_freqs, -1))
    # In one order at all frequencies; which one, nobody can say.
    whole = order.gather(-1, found)
    assert bool((whole == whole[:1]).all())


@settings(deadline=None, max_examples=20)
@given(st.integers(2, 4), st.integers(0, 10**6))
def test_a_start_says_which_order_the_whole_is_in(n_sources: int, seed: int) -> None:
    activities, order = shuffled(talkers(n_sources, 30, seed), seed + 1)
    right = order.argsort(-1)
    # Two thirds of the frequencies know it, the others are wrong.
    start = right.clone()
    start[::3] = right[::3].roll(1, -1)
    assert torch.equal(align(activities, start=start), right)


def test_batches_and_devices_are_kept() -> None:
    both = torch.stack([shuffled(talkers(3, 20, seed), seed)[0] for seed in (1, 2)])
    found = align(both.double())
    for item in range(2):
        assert torch.equal(found[item], align(both[item]))


def test_noisy_frequencies_count_for_little() -> None:
    """Where noise rules, activities follow the level of the whole, and many such frequencies outvote the others."""
    clean, order = shuffled(talkers(2, 20, 3), 4)
    loud = torch.zeros(200, 2, 120)
    loud[:, 0, :60] = 1
    loud += 0.5 * torch.rand(loud.shape, generator=torch.Generator().manual_seed(0))
    activities = torch.cat([clean, loud])
    weights = torch.cat([torch.ones(20), torch.full((200,), 1e-3)])
    whole = order.gather(-1, align(activities, weights)[:20])
    assert float((whole == whole.mode(0).values).float().mean()) == 1


def test_loudness_tells_frequencies_with_sound_from_those_without() -> None:
    y = torch.ones(2, 3, 10, dtype=torch.complex64) * torch.tensor([1.0, 0.01, 0.0])[:, None]
    found = loudness(y)
    assert found.shape == (3,)
    assert float(found[0]) > 0.5
    assert float(found[1]) < 1e-3
    assert not bool(loudness(0 * y).any())


@pytest.mark.parametrize("n", [2, TABLE, TABLE + 1])
def test_best_order_is_the_best_there_is(n: int) -> None:
    g = torch.Generator().manual_seed(n)
    right = torch.rand(2, 4, n, generator=g).argsort(-1)
    score = torch.rand(2, 4, n, n, generator=g).scatter_add(-1, right[..., None], torch.full((2, 4, n, 1), float(n)))
    assert torch.equal(best_order(score), right)


def test_likeness_orders_columns_by_a_response_with_fewer() -> None:
    A = torch.randn(3, 6, 4, dtype=torch.complex128, generator=torch.Generator().manual_seed(0))
    wanted = A[..., [2, 0]] * torch.tensor([0.5j, -3])
    order = best_order(likeness(A, wanted))
    assert order[:, :2].tolist() == [[2, 0]] * 3


def test_activities_without_their_axes_are_refused() -> None:
    for wrong in (torch.ones(3, 4), torch.ones(3, 4, 5, dtype=torch.complex64), torch.ones(0, 2, 3)):
        with pytest.raises(ShapeError, match="freq, source, frame"):
            align(wrong)
