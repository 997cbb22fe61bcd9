"""Frame-wise detections: the kernels against plain statements, plane waves where they come from, blocks against the whole."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from moving import RATE, plane_waves

from arrayscene.array import MicrophoneArray
from arrayscene.errors import GeometryError, ShapeError
from arrayscene.kernels.votes import cluster_votes, coherence_phases
from arrayscene.tracking import Follower, FrameDirections
from arrayscene.worlds import diffuse_field

RING = MicrophoneArray.circular(4, 0.05)


@pytest.fixture(scope="module")
def front() -> FrameDirections:
    return FrameDirections(RING, RATE)


def test_phases_and_coherence_by_hand() -> None:
    generator = np.random.default_rng(0)
    y = (generator.standard_normal((8, 5, 3)) + 1j * generator.standard_normal((8, 5, 3))).astype(np.complex64)
    pairs = np.array([[0, 1], [0, 2], [1, 2]])
    phases, weights = np.empty((3, 5, 2, 3), np.float32), np.empty((3, 5), np.float32)
    levels = np.empty((3, 5), np.float32)
    coherence_phases(y, 4, 2, pairs, phases, weights, levels)
    for t in range(3):
        part = y[2 * t : 2 * t + 4].astype(complex)
        own = np.mean(np.abs(part) ** 2, axis=0)
        cross = np.mean(part[..., pairs[:, 0]] * part[..., pairs[:, 1]].conj(), axis=0)
        coherence = np.abs(cross) / np.sqrt(own[:, pairs[:, 0]] * own[:, pairs[:, 1]])
        np.testing.assert_allclose(weights[t], coherence.mean(axis=1) ** 2, rtol=1e-4)
        np.testing.assert_allclose(levels[t], own.mean(axis=1), rtol=1e-5)
        np.testing.assert_allclose(phases[t, :, 0] + 1j * phases[t, :, 1], cross / np.abs(cross), atol=1e-4)


def test_heaps_of_votes() -> None:
    generator = np.random.default_rng(1)
    places = np.concatenate(
        [[0.0, 0.0] + 0.03 * generator.standard_normal((30, 2)), [1.0, 0.5] + 0.03 * generator.standard_normal((20, 2))]
    )
    weights = np.concatenate([np.ones(30), 2 * np.ones(20)])
    found, masses, spreads = np.empty((3, 2)), np.empty(3), np.empty(3)
    cluster_votes(places, weights.copy(), 0.1, 0.3, found, masses, spreads)
    np.testing.assert_allclose(masses, [40, 30, 0])
    np.testing.assert_allclose(found[:2], [[1.0, 0.5], [0.0, 0.0]], atol=0.02)
    # Votes without weight are not there.
    cluster_votes(places, np.where(np.arange(50) < 30, weights, 0.0), 0.1, 0.3, found, masses, spreads)
    np.testing.assert_allclose(masses, [30, 0, 0])
    assert spreads[0] == pytest.approx(2 * 0.03**2, rel=0.5)


def test_factored_steering_is_the_steering() -> None:
    """Of 28 pairs a band keeps a few patterns; their product must still be what the response says."""
    from arrayscene.response import far_field

    array = MicrophoneArray.circular(8, 0.05)
    front = FrameDirections(array, RATE)
    frequencies = front.stft.frequencies(RATE)
    first = front._first
    for bins, into, back in front.bands[:: len(front.bands) - 1]:
        band = frequencies[bins.start + first : bins.stop + first]
        grid = front.grid
        A = far_field(array, torch.tensor(grid.azimuth), torch.tensor(grid.elevation), frequencies=band).matrix().numpy()
        cross = A[:, front.pairs[:, 0]] * A[:, front.pairs[:, 1]].conj()
        whole = np.stack([cross.real, cross.imag], axis=1).reshape(-1, cross.shape[-1])
        assert into.shape[1] < len(into) / 4
        assert np.linalg.norm(into @ back - whole) <= 0.031 * np.linalg.norm(whole)


@settings(deadline=None, max_examples=5)
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


@settings(deadline=None, max_examples=4)
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
