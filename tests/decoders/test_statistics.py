"""Whose sound it is: masks, segments, recursion, directions and clustering."""

import numpy as np
import pytest
import torch

from arrayscene.array import MicrophoneArray
from arrayscene.decoders import Clustering, FromDirections, Masks, Recursive, Segments, noise_covariance, rest_covariance
from arrayscene.errors import ShapeError
from arrayscene.linalg import weighted_covariance
from arrayscene.response import PlaneWave
from arrayscene.stft import STFT

TRANSFORM, RATE = STFT(256), 16000
FREQUENCIES = TRANSFORM.frequencies(RATE)
ARRAY = MicrophoneArray.circular(4, 0.05)
AZIMUTHS = torch.tensor([0.3, 1.9])


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def randn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, dtype=torch.complex128, generator=generator(seed))


def sparse_scene(n_frames: int = 60) -> tuple[torch.Tensor, torch.Tensor, PlaneWave]:
    """The class (source 0, source 1, noise) that owns each (freq, frame), the frames, and the response."""
    response = PlaneWave(ARRAY, AZIMUTHS, frequencies=FREQUENCIES)
    owner = torch.randint(0, 3, (len(FREQUENCIES), n_frames), generator=generator(1))
    x = randn(2, len(FREQUENCIES), n_frames) * torch.stack([owner == 0, owner == 1])
    return owner, response(x) + 0.02 * randn(4, len(FREQUENCIES), n_frames, seed=2), response


def test_what_masks_leave_over_is_noise() -> None:
    mask = torch.tensor([[[0.5, 1.0, 0.9]], [[0.2, 0.0, 0.9]]])
    shares = Masks(mask).shares(randn(3, 1, 3))
    wanted = [[[0.5, 1.0, 0.5]], [[0.2, 0.0, 0.5]], [[0.3, 0.0, 0.0]]]
    torch.testing.assert_close(shares, torch.tensor(wanted))


def test_the_rest_of_a_source_is_all_else() -> None:
    y = randn(3, 2, 50)
    mask = torch.rand(2, 2, 50, generator=generator(), dtype=torch.float64) / 2
    R = Masks(mask)(y)
    parts = [weighted_covariance(y, part[None])[:, 0] for part in (*mask, 1 - mask.sum(0))]
    torch.testing.assert_close(noise_covariance(R), parts[2])
    torch.testing.assert_close(rest_covariance(R), torch.stack([parts[1] + parts[2], parts[0] + parts[2]], dim=1))


def test_segments_share_overlaps_and_give_pauses_to_the_noise() -> None:
    shares = Segments([[(0, 3)], [(2, 4), (6, 7)]]).shares(randn(2, 1, 8))
    wanted = [[1, 1, 0.5, 0, 0, 0, 0, 0], [0, 0, 0.5, 1, 0, 0, 1, 0], [0, 0, 0, 0, 1, 1, 0, 1]]
    torch.testing.assert_close(shares[:, 0], torch.tensor(wanted, dtype=torch.float64))


def test_segments_with_noise_given_leave_other_pauses_out() -> None:
    shares = Segments([[(0, 2)]], noise=[(5, 6)]).shares(randn(2, 1, 8), start=1)
    wanted = [[1, 0, 0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 1, 0, 0, 0]]
    torch.testing.assert_close(shares[:, 0], torch.tensor(wanted, dtype=torch.float64))


def test_segments_in_seconds_hold_only_frames_that_lie_inside() -> None:
    """Sound from the very first to the very last sample of the segment shows in the chosen frames, nothing else does."""
    start, end = 0.1, 0.2
    inside = torch.zeros(1, RATE // 2, dtype=torch.float64)
    inside[:, round(start * RATE) : round(end * RATE)] = 1
    outside = 1 - inside
    segments = Segments.in_seconds([[(start, end)]], stft=TRANSFORM, sample_rate=RATE)
    chosen = segments.shares(TRANSFORM(inside)[None])[0, 0] > 0
    assert not bool(TRANSFORM(outside)[..., chosen].any())
    assert int(chosen.sum()) == (round((end - start) * RATE) - TRANSFORM.n_fft) // TRANSFORM.hop + 1


def test_a_segment_shorter_than_a_window_has_no_frame() -> None:
    segments = Segments.in_seconds([[(0.1, 0.101)]], stft=TRANSFORM, sample_rate=RATE)
    assert not bool(segments.shares(randn(2, 1, 100))[0].any())


def test_recursion_is_the_recursion_frame_by_frame() -> None:
    y = randn(3, 2, 30)
    mask = torch.rand(1, 2, 30, generator=generator(), dtype=torch.float64)
    forgetting, block = 0.8, 4
    state = Recursive(Masks(mask), forgetting, block)(y)
    shares = torch.cat([mask, 1 - mask])
    for f in range(2):
        for k in range(2):
            outer = [torch.outer(y[:, f, t], y[:, f, t].conj()) for t in range(30)]
            w = shares[k, f]
            R = sum((w[t] + 1e-3) * outer[t] for t in range(block)) / (w[:block] + 1e-3).sum()
            for t in range(block, 30):
                R = (1 - (1 - forgetting) * w[t]) * R + (1 - forgetting) * w[t] * outer[t]
            torch.testing.assert_close(state[f, k], R)


def test_a_source_that_pauses_keeps_its_covariance() -> None:
    y = randn(3, 2, 40)
    mask = torch.ones(1, 2, 40)
    mask[..., 20:] = 0
    recursive = Recursive(Masks(mask), 0.9, block=10)
    before = recursive(y[..., :20])
    torch.testing.assert_close(recursive(y)[:, 0], before[:, 0])
    assert not torch.allclose(recursive(y)[:, 1], before[:, 1])


def test_directions_tell_whose_sound_a_bin_is() -> None:
    owner, y, response = sparse_scene()
    shares = FromDirections().shares(y, response)
    torch.testing.assert_close(shares.sum(0), torch.ones_like(shares[0]))
    assert float((shares.argmax(0) == owner)[owner != 2].double().mean()) > 0.9
    assert float(shares[2][owner == 2].mean()) > 5 * float(shares[2][owner != 2].mean())


def test_directions_do_it_frame_by_frame() -> None:
    _, y, response = sparse_scene()
    directions = FromDirections()
    torch.testing.assert_close(directions.shares(y, response)[..., 5:9], directions.shares(y[..., 5:9], response))


def test_clustering_sharpens_what_directions_begin() -> None:
    owner, y, response = sparse_scene()
    # The room is not what the directions say: another phase and gain at every microphone and frequency.
    room = 1 + 0.7 * randn(4, len(FREQUENCIES), 1, seed=5)
    start = FromDirections()

    def right(shares: torch.Tensor) -> float:
        return float((shares.argmax(0) == owner).double().mean())

    begun = right(start.shares(room * y, response))
    sharpened = right(Clustering(start, 10).shares(room * y, response))
    assert sharpened > begun + 0.15


def test_clustering_keeps_a_source_out_of_frames_that_its_start_denies_it() -> None:
    _, y, _ = sparse_scene()
    shares = Clustering(Segments([[(0, 60)], [(0, 30)]]), 5).shares(y)
    assert float(shares[1, :, 30:].max()) < 1e-12
    assert float(shares[1, :, :30].mean()) > 0.1


@pytest.mark.parametrize("n_frames", [1, 2])
def test_silence_and_few_frames_give_finite_shares(n_frames: int) -> None:
    _, y, response = sparse_scene(n_frames)
    for frames in (0 * y, y, y.to(torch.complex64), (1e-30 * y).to(torch.complex64)):
        for statistics in (FromDirections(), Clustering(FromDirections(), 3), Recursive(FromDirections())):
            assert bool(torch.isfinite(statistics(frames, response).abs()).all())


def test_what_cannot_be_said_is_refused() -> None:
    y = randn(3, 2, 30)
    with pytest.raises(ShapeError, match="source, freq, frame"):
        Masks(torch.ones(2, 30))
    with pytest.raises(ShapeError, match="outside 0 to 1"):
        Masks(2 * torch.ones(1, 2, 30))
    with pytest.raises(ShapeError, match="mask of 20"):
        Masks(torch.ones(1, 2, 20))(y)
    with pytest.raises(ShapeError, match="mask of 40"):
        Masks(torch.ones(1, 2, 40))(y)
    with pytest.raises(ShapeError, match="5 frequencies"):
        Masks(torch.ones(1, 5, 30))(y)
    with pytest.raises(ShapeError, match="no response"):
        FromDirections()(y)
    with pytest.raises(ShapeError, match="direct=0"):
        FromDirections(direct=0)
    with pytest.raises(ShapeError, match="no source"):
        Segments([])
    with pytest.raises(ShapeError, match="start <= end"):
        Segments([[(3, 2)]])
    with pytest.raises(ShapeError, match="forgetting=1"):
        Recursive(FromDirections(), 1.0)
    with pytest.raises(ShapeError, match="frame by frame"):
        Recursive(Clustering(FromDirections()))
    with pytest.raises(ShapeError, match="whole"):
        Clustering(Recursive(FromDirections()))


def test_a_boolean_mask_will_do() -> None:
    y = randn(3, 2, 30)
    mask = torch.from_numpy(np.arange(30) % 2 == 0).expand(1, 1, 30)
    torch.testing.assert_close(Masks(mask)(y)[:, 0], weighted_covariance(y[..., ::2], torch.ones(1, 1, 15))[:, 0])
