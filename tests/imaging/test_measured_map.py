"""Maps of measured sound: three loudspeakers around a rigid sphere of 110 microphones in an anechoic room."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.io import loadmat

from arrayscene import MicrophoneArray
from arrayscene.constants import speed_of_sound
from arrayscene.imaging import (
    CleanSC,
    Conventional,
    CovarianceFitting,
    CrossSpectra,
    Imager,
    ImagingMethod,
    MapGrid,
    third_octave,
)
from arrayscene.response import unit_vectors

STARTS = {15.0: 735, -15.0: 1440, -45.0: 2145}
"""First sample of each loudspeaker, by its azimuth in degrees."""

TURNED = 1.3
"""Degrees by which all are turned against the array; see benchmarks/results/measured_sphere.md."""


@pytest.mark.shared_data
@pytest.mark.parametrize("method", [Conventional(), CleanSC(), CovarianceFitting()], ids=lambda method: method.name)
def test_measured_loudspeakers_are_where_they_stood(shared_data: Path, method: ImagingMethod) -> None:
    path = shared_data / "measured" / "sofia_vsa_measured" / "SOFiA_A3_struct.mat"
    data = loadmat(path, squeeze_me=True, struct_as_record=False)["SOFiA_A3_struct"]
    facing = unit_vectors(torch.tensor(data.azimuth), torch.tensor(math.pi / 2 - data.elevation)).numpy()
    array = MicrophoneArray(positions=0.0875 * facing, body_radius=0.0875)
    hertz = np.arange(4500.0, 5600.0, 250.0)
    matrices = np.zeros((len(hertz), 110, 110), dtype=complex)
    for start, power in zip(STARTS.values(), (1.0, 0.5, 1.0), strict=True):
        times = np.arange(start, start + 160) / float(data.fs)
        h = np.exp(-2j * np.pi * np.outer(hertz, times)) @ data.irChOne[start : start + 160].astype(np.float64)
        matrices += power * h[:, :, None] * h[:, None, :].conj()
    spectra = CrossSpectra(torch.tensor(matrices), torch.tensor(hertz), 250.0, 1000)
    grid = MapGrid.sphere(2.5, math.radians(4))
    imager = Imager(array, grid, [third_octave(5000)], method=method, speed_of_sound=speed_of_sound(float(data.avgAirTemp)))
    found = imager.from_spectra(spectra).sources(within_db=8)
    azimuths = [math.degrees(math.atan2(source.position[1], source.position[0])) for source in found]
    assert len(found) == 3
    np.testing.assert_allclose(sorted(azimuths), np.array(sorted(STARTS)) + TURNED, atol=4)
    for source in found:
        assert abs(math.degrees(math.asin(source.position[2] / 2.5))) < 6
    weaker = next(source.level_db for source, azimuth in zip(found, azimuths, strict=True) if abs(azimuth + 15) < 6)
    assert max(source.level_db for source in found) - weaker == pytest.approx(3.0, abs=1.5)
