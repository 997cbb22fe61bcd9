"""The sound map as an image over one angle."""

import numpy as np
import pytest

from arrayscene.report.profile import direction_profile
from arrayscene.scene import SoundMap


def sound_map(azimuth_deg, elevation_deg=0.0, n_times=20):
    azimuth = np.radians(np.asarray(azimuth_deg, dtype=float))
    elevation = np.broadcast_to(np.radians(elevation_deg), azimuth.shape)
    power = np.tile(np.arange(len(azimuth), dtype=float)[:, None], n_times)
    return SoundMap(azimuth, elevation, 0.1 * np.arange(n_times) + 0.05, power)


def test_regular_circle_keeps_its_bins():
    profile = direction_profile(sound_map(np.arange(-175, 181, 5)))
    assert profile.full_circle
    assert profile.width_deg == 5
    assert profile.power.shape == (72, 20)
    assert (profile.start_s, profile.stop_s) == (pytest.approx(0.0), pytest.approx(2.0))


@pytest.mark.parametrize(("low", "high"), [(-90, 90), (0, 180), (90, 270), (-180, 0)])
def test_half_circle_shows_only_its_half(low, high):
    wrapped = 180.0 - (180.0 - np.arange(low, high + 1, 5.0)) % 360.0
    profile = direction_profile(sound_map(wrapped))
    assert not profile.full_circle
    assert profile.centres_deg[-1] - profile.centres_deg[0] == pytest.approx(180.0)
    inside, outside = (low + high) / 2, (low + high) / 2 + 180
    assert profile.place(inside) % 360 == pytest.approx(inside % 360)
    assert profile.place(outside) is None


def test_spread_points_fill_every_bin():
    rng = np.random.default_rng(0)
    profile = direction_profile(sound_map(rng.uniform(-180, 180, 800), rng.uniform(-90, 90, 800)))
    assert profile.full_circle
    assert np.isfinite(profile.power).all()


def test_vertical_line_is_shown_over_elevation():
    profile = direction_profile(sound_map(np.zeros(19), np.arange(-90, 91, 10)))
    assert profile.angle == "elevation"
    assert profile.power.shape[0] == 19


def test_long_maps_are_averaged():
    assert direction_profile(sound_map(np.arange(0, 360, 10), n_times=5001)).power.shape[1] <= 1000


def test_empty_map_has_no_profile():
    assert direction_profile(sound_map(np.arange(0, 360, 10), n_times=0)) is None
