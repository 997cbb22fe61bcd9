"""The same maps as acoular, where it is installed."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
import torch
from monopoles import covariance

from arrayscene import MicrophoneArray
from arrayscene.imaging import FORMULATIONS, CleanSC, Conventional, Damas, Functional, ImagingMethod, MapGrid, grid_response

HERTZ = (1500.0, 3000.0)
STEERING: list[ImagingMethod] = [Conventional(steering=formulation) for formulation in FORMULATIONS]


@pytest.fixture(scope="module")
def acoular() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module = pytest.importorskip("acoular", reason="acoular is not installed")
        module.config.global_caching = "none"
    return module


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("method", "kind", "options"),
    [
        *((method, "BeamformerBase", {"r_diag": True}) for method in STEERING),
        (Conventional(remove_diagonal=False), "BeamformerBase", {"r_diag": False}),
        (Functional(exponent=8), "BeamformerFunctional", {"gamma": 8}),
        (CleanSC(), "BeamformerCleansc", {"r_diag": True}),
        (CleanSC(n_iter=5, damping=0.9), "BeamformerCleansc", {"r_diag": True, "n_iter": 5, "damp": 0.9}),
        (Damas(n_iter=20), "BeamformerDamas", {"r_diag": True, "n_iter": 20, "calcmode": "full"}),
        (Damas(remove_diagonal=False, n_iter=20), "BeamformerDamas", {"r_diag": False, "n_iter": 20, "calcmode": "full"}),
    ],
    ids=str,
)
def test_maps_are_acoulars(
    acoular: Any,
    spiral: MicrophoneArray,
    method: ImagingMethod,
    kind: str,
    options: dict[str, Any],
) -> None:
    array = spiral.select(range(0, 32, 2))
    plane = MapGrid.plane((-0.4, 0.4), (-0.4, 0.4), 0.6, 0.1)
    # In acoular's order, y first.
    points = plane.points.reshape(*plane.shape, 3).transpose(1, 0, 2).reshape(-1, 3)
    grid = MapGrid("plane", points, plane.shape, plane.increment, plane.axes, plane.labels)
    A = grid_response(array, grid, torch.tensor(HERTZ, dtype=torch.float64), 343.0).matrix()
    C = covariance(A, {20: 1.0, 50: 0.3}, noise=0.1)
    steering = acoular.SteeringVector(
        grid=acoular.RectGrid(x_min=-0.4, x_max=0.4, y_min=-0.4, y_max=0.4, z=0.6, increment=0.1),
        mics=acoular.MicGeom(pos_total=array.positions.T.copy()),
        steer_type=getattr(method, "steering", "true level"),
        env=acoular.Environment(c=343.0),
    )
    spectra = acoular.PowerSpectraImport(csm=C.numpy().copy(), frequencies=np.array(HERTZ))
    expected = getattr(acoular, kind)(freq_data=spectra, steer=steering, cached=False, **options).result[:]
    np.testing.assert_allclose(method(C, A).clamp_min(0.0), np.asarray(expected), rtol=1e-4, atol=1e-4)
