"""The mirror image of a direction is one that the array truly cannot tell apart."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from arrayscene.report.mirror import mirror_direction


def towards(azimuth, elevation):
    return np.array([np.cos(elevation) * np.cos(azimuth), np.cos(elevation) * np.sin(azimuth), np.sin(elevation)])


angles = st.tuples(st.floats(-3.1, 3.1), st.floats(-1.5, 1.5))


@given(direction=angles, axis=angles)
def test_on_a_line_both_have_the_same_delays(direction, axis):
    line = np.linspace(-0.1, 0.1, 5)[:, None] * towards(*axis)
    image = mirror_direction(line + np.array([1.0, 2.0, 0.5]), *direction, "cone")
    if image is not None:
        np.testing.assert_allclose(line @ towards(*image), line @ towards(*direction), atol=1e-7)


@given(direction=angles, normal=angles, seed=st.integers(0, 100))
def test_on_a_plane_both_have_the_same_delays(direction, normal, seed):
    spread = np.random.default_rng(seed).uniform(-0.1, 0.1, (6, 3))
    n = towards(*normal)
    positions = spread - np.outer(spread @ n, n)
    image = mirror_direction(positions, *direction, "mirror")
    difference = (positions - positions.mean(axis=0)) @ (towards(*image) - towards(*direction))
    np.testing.assert_allclose(difference, 0.0, atol=1e-8)


def test_a_solid_array_has_none():
    assert mirror_direction(np.eye(3), 0.3, 0.1, "none") is None
