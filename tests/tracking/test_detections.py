"""Frame-wise detections: the kernels against plain statements, plane waves where they come from, blocks against the whole."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from moving import RATE, plane_waves

from arrayscene.array import MicrophoneArray
from arrayscene.errors import GeometryError, ShapeError
from arrayscene.kernels import coherence_phases, coherence_phases_torch, vote_heaps, vote_heaps_torch
from arrayscene.tracking import Follower, FrameDirections
from arrayscene.worlds import diffuse_field

RING = MicrophoneArray.circular(4, 0.05)


@pytest.fixture(scope="module")
def front() -> FrameDirections:
    return FrameDirections(RING, RATE)


def test_phases_and_coherence_are_the_plain_statement() -> None:
    generator = np.random.default_rng(0)
    y = generator.standard_normal((8, 5, 3)) + 1j * generator.standard_normal((8, 5, 3))
    pairs = np.array([[0, 1], [0, 2], [1, 2]])
    found = coherence_phases(y.astype(np.complex64), 4, 2, pairs)
    plain = coherence_phases_torch(torch.from_numpy(y), 4, 2, torch.from_numpy(pairs))
    for one, other in zip(found, plain, strict=True):
        np.testing.assert_allclose(one, other.numpy(), rtol=1e-3, atol=1e-4)
    # One wavefront: all of it coherent.
    wave = y[:, :, :1] * np.exp(1j * np.arange(3))
    _, weights, _ = coherence_phases(wave.astype(np.complex64), 4, 2, pairs)
    np.testing.assert_allclose(weights, 1, atol=1e-5)


@settings(deadline=None, max_examples=10)
@given(st.integers(0, 1000))
def test_heaps_of_votes_are_the_plain_statement(seed: int) -> None:
    generator = np.random.default_rng(seed)
    middles = generator.uniform(-1, 1, (3, 2))
    places = middles[generator.integers(0, 3, 60)] + 0.05 * generator.standard_normal((60, 2))
    weights = generator.random(60) * (generator.random(60) > 0.2)
    means, masses = vote_heaps(places, weights, 4, narrow=0.1, wide=0.25)
    plain = vote_heaps_torch(torch.from_numpy(places), torch.from_numpy(weights), 4, narrow=0.1, wide=0.25)
    np.testing.assert_allclose(means, plain[0].numpy(), atol=1e-9)
    np.testing.assert_allclose(masses, plain[1].numpy(), atol=1e-9)


def test_two_heaps_by_hand() -> None:
    places = np.array([[0.0], [0.1], [1.0], [1.1], [1.2]])
    means, masses = vote_heaps(places, np.array([1.0, 1, 2, 2, 2]), 3, narrow=0.2, wide=0.3)
    np.testing.assert_allclose(masses, [6, 2, 0])
    np.testing.assert_allclose(means[:2, 0], [1.1, 0.05], atol=0.02)


def test_factored_steering_is_the_steering() -> None:
    """Of 28 pairs a band keeps a few patterns; their product must still be what the response says."""
    from arrayscene.response import far_field

    array = MicrophoneArray.circular(8, 0.05)
    front = FrameDirections(array, RATE)
    frequencies = front.stft.frequencies(RATE)
    first = front._first
    for bins, into, back in front.bands[::18]:
        band = frequencies[bins.start + first : bins.stop + first]
        grid = front.grid
        A = far_field(array, torch.tensor(grid.azimuth), torch.tensor(grid.elevation), frequencies=band).matrix().numpy()
        cross = A[:, front.pairs[:, 0]] * A[:, front.pairs[:, 1]].conj()
        whole = np.stack([cross.real, cross.imag], axis=1).reshape(-1, cross.shape[-1])
        assert into.shape[1] < len(into) / 4
        assert np.linalg.norm(into @ back - whole) <= 0.031 * np.linalg.norm(whole)


@settings(deadline=None, max_examples=4)
@given(st.floats(-180, 180))
def test_a_plane_wave_comes_from_where_it_comes(azimuth: float) -> None:
    front = FrameDirections(RING, RATE)
    samples = plane_waves(RING, [lambda t: np.full_like(t, azimuth)], 0.6)
    found, _ = front.step(samples, front.init())
    for frame in found[1:]:
        error = np.angle(np.exp(1j * (np.arctan2(frame.vectors[0, 1], frame.vectors[0, 0]) - np.radians(azimuth))))
        assert abs(np.degrees(error)) < 3
        assert frame.strength[0] > 3


def test_two_at_once(front: FrameDirections) -> None:
    samples = plane_waves(RING, [lambda t: np.full_like(t, 50.0), lambda t: np.full_like(t, -80.0)], 2)
    found, _ = front.step(samples, front.init())
    both = 0
    for frame in found:
        azimuth = np.degrees(np.arctan2(frame.vectors[:, 1], frame.vectors[:, 0]))
        both += all(np.abs(azimuth - true).min() < 8 for true in (50, -80))
    assert both > 0.6 * len(found)


def test_silence_is_nothing(front: FrameDirections) -> None:
    found, _ = front.step(np.zeros((4, RATE), np.float32), front.init())
    assert len(found) == RATE // front.samples
    assert all(not len(frame.vectors) for frame in found)


@settings(deadline=None, max_examples=3)
@given(st.lists(st.integers(0, 5000), min_size=1, max_size=8))
def test_blocks_of_any_length_give_the_same_frames(cuts: list[int]) -> None:
    """The whole chain: bit by bit, whatever is handed over at a time."""
    samples = plane_waves(RING, [lambda t: 30 * t, lambda t: -90 + 0 * t], 1.5)
    follower = Follower(RING, RATE)
    whole, _ = follower.step(samples, follower.init())
    state, parts, start = follower.init(), [], 0
    while start < samples.shape[1]:
        for length in cuts:
            more, state = follower.step(samples[:, start : start + length], state)
            parts += more
            start += length
        if not any(cuts):
            break
    if any(cuts):
        assert len(parts) == len(whole)
        for one, other in zip(parts, whole, strict=True):
            np.testing.assert_array_equal(one.names, other.names)
            np.testing.assert_array_equal(one.detections.vectors, other.detections.vectors)
            np.testing.assert_array_equal(one.frame.directed.vectors, other.frame.directed.vectors)
            np.testing.assert_array_equal(one.frame.activity, other.frame.activity)


def test_a_diffuse_field_has_the_strength_of_chance(front: FrameDirections) -> None:
    """Whatever the array: other noise than that which gauged it."""
    for array in (RING, MicrophoneArray.linear(3, 0.04)):
        gauged = front if array is RING else FrameDirections(array, RATE)
        generator = torch.Generator().manual_seed(5)
        field = diffuse_field(torch.tensor(array.positions)[None], 1, 3 * RATE, sample_rate=RATE, generator=generator)[
            0, 0
        ].numpy()
        found, _ = gauged.step(field, gauged.init())
        assert np.mean(np.concatenate([frame.strength for frame in found])) == pytest.approx(1, abs=0.15)


def test_what_does_not_fit_is_refused(front: FrameDirections) -> None:
    with pytest.raises(ShapeError, match=r"\(4, sample\)"):
        front.step(np.zeros((3, 100), np.float32), front.init())
    with pytest.raises(GeometryError, match="one microphone"):
        FrameDirections(MicrophoneArray.from_positions([[0.0, 0.0, 0.0]]), RATE)
