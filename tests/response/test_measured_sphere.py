"""The rigid sphere beside a measured one: 110 microphones in an anechoic room, four loudspeakers at once."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.io import loadmat

from arrayscene.constants import speed_of_sound
from arrayscene.response import RigidSphere, SphericalWave, unit_vectors

WINDOW = slice(30, 190)
"""Samples in which the loudspeakers' direct sound arrives; what the mount reflects comes later."""


@pytest.mark.shared_data
def test_a_measured_sphere_is_a_rigid_sphere(shared_data: Path) -> None:
    path = shared_data / "measured" / "sofia_vsa_measured" / "SOFiA_A2_struct.mat"
    data = loadmat(path, squeeze_me=True, struct_as_record=False)["SOFiA_A2_struct"]
    positions = 0.0875 * unit_vectors(torch.tensor(data.azimuth), torch.tensor(math.pi / 2 - data.elevation))
    azimuth = torch.deg2rad(torch.tensor([45.0, 15.0, -15.0, -45.0], dtype=torch.float64))
    frequencies = torch.arange(500.0, 5001.0, 100.0, dtype=torch.float64)
    known = {"frequencies": frequencies, "speed_of_sound": speed_of_sound(float(data.avgAirTemp))}
    times = np.arange(WINDOW.start, WINDOW.stop) / float(data.fs)
    H = np.exp(-2j * np.pi * np.outer(frequencies.numpy(), times)) @ data.irChOne[WINDOW].astype(np.float64)

    def mean_error_db(A: np.ndarray) -> float:
        gains = np.linalg.pinv(A, rcond=1e-3) @ H[..., None]
        left = np.abs(H - (A @ gains)[..., 0]) ** 2
        return 10 * math.log10((left.sum(1) / (np.abs(H) ** 2).sum(1)).mean())

    sphere = RigidSphere(positions, azimuth, body_radius=0.0875, distance=2.5, **known)
    open_field = SphericalWave(positions, 2.5 * unit_vectors(azimuth, torch.zeros(4, dtype=torch.float64)), **known)
    assert mean_error_db(sphere.matrix().numpy()) < -14.5
    assert mean_error_db(open_field.matrix().numpy()) > -6
