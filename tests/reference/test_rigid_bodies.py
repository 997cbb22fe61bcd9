"""Rigid bodies against their series in 30 digits, up to k r = 60."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from rigid_by_hand import cylinder, sphere

from arrayscene.constants import SPEED_OF_SOUND
from arrayscene.response import Response, RigidCylinder, RigidSphere

ROWS: list[dict[str, float]] = json.loads(Path(__file__).with_name("rigid_by_hand.json").read_text())
AZIMUTH = 0.7


def pressure(kind: type[Response], row: dict[str, float], **options: Any) -> complex:
    """Of a wave that comes from AZIMUTH, at the microphone that the row describes."""
    angle = torch.tensor(AZIMUTH + row["angle"], dtype=torch.float64)
    x, y = row["r"] * torch.cos(angle), row["r"] * torch.sin(angle)
    spherical = kind is RigidSphere
    position = torch.stack([x, y, torch.zeros_like(x) if spherical else torch.full_like(x, row["z"])])[None]
    frequency = torch.tensor([row["k"] * SPEED_OF_SOUND / (2 * torch.pi)], dtype=torch.float64)
    elevation = 0.0 if spherical else row["elevation"]
    A = kind(position, AZIMUTH, elevation, frequencies=frequency, body_radius=0.1, **options).matrix()
    return complex(A.squeeze())


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"k {row['k']:g}, r {row['r']:g}")
def test_bodies_agree_with_the_slow_series(row: dict[str, float]) -> None:
    for name, found in {
        "sphere": pressure(RigidSphere, row),
        "sphere_near": pressure(RigidSphere, row, distance=0.25),
        "cylinder": pressure(RigidCylinder, row),
    }.items():
        wanted = complex(row[f"{name}_real"], row[f"{name}_imag"])
        assert abs(found - wanted) < 1e-10 * max(1.0, abs(wanted)), name


def test_the_slow_series_still_give_the_stored_numbers() -> None:
    row = ROWS[0]
    assert sphere(row["k"], 0.1, row["r"], row["angle"]) == pytest.approx(
        complex(row["sphere_real"], row["sphere_imag"]), abs=1e-15
    )
    found = cylinder(row["k"], 0.1, row["r"], row["angle"], row["z"], row["elevation"])
    assert found == pytest.approx(complex(row["cylinder_real"], row["cylinder_imag"]), abs=1e-15)
