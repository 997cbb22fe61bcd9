"""The transform gives back what went in, whole or block by block, for any window, hop, length and blocks."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from arrayscene.stft import STFT


@st.composite
def transforms(draw: st.DrawFn) -> STFT:
    hop = draw(st.integers(1, 24))
    overlap = draw(st.integers(2, 8).filter(lambda ratio: ratio * hop % 2 == 0 and ratio * hop >= 4))
    return STFT(hop * overlap, hop)


def noise(*shape: int) -> torch.Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(sum(shape)))


@settings(deadline=None)
@given(transforms(), st.integers(1, 400), st.lists(st.integers(1, 3), max_size=2))
def test_the_inverse_gives_back_every_sample(stft: STFT, n_samples: int, leading: list[int]) -> None:
    samples = noise(*leading, n_samples)
    frames = stft(samples)
    assert frames.shape == (*leading, stft.n_freqs, stft.n_frames(n_samples))
    torch.testing.assert_close(stft.inverse(frames, n_samples), samples, rtol=0, atol=1e-12)


@settings(deadline=None)
@given(transforms(), st.lists(st.integers(1, 9), min_size=1, max_size=6))
def test_blocks_equal_the_whole_and_come_after_the_stated_latency(stft: STFT, sizes: list[int]) -> None:
    samples = noise(2, sum(sizes) * stft.hop)
    state, frames, rebuilt = stft.init(samples), [], []
    for block in samples.split([size * stft.hop for size in sizes], dim=-1):
        part, state = stft.step(block, state)
        out, state = stft.step_inverse(part, state)
        frames.append(part)
        rebuilt.append(out)
    torch.testing.assert_close(torch.cat(frames, dim=-1), stft(samples)[..., : sum(sizes)], rtol=0, atol=1e-12)
    late = torch.cat(rebuilt, dim=-1)
    n_done = samples.shape[-1] - stft.latency
    assert not late[..., : stft.latency].abs().gt(1e-12).any()
    if n_done > 0:
        torch.testing.assert_close(late[..., stft.latency :], samples[..., :n_done], rtol=0, atol=1e-12)


@settings(deadline=None)
@given(transforms(), st.integers(1, 200))
def test_frames_see_nothing_of_the_future(stft: STFT, n_samples: int) -> None:
    samples = noise(n_samples)
    changed = samples.clone()
    changed[n_samples // 2 :] += 1
    seen = n_samples // 2 // stft.hop
    torch.testing.assert_close(stft(samples)[:, :seen], stft(changed)[:, :seen], rtol=0, atol=0)
