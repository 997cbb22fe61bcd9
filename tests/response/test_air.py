"""The absorption of air against the standard's own table."""

import math

import pytest
import torch

from arrayscene.errors import GeometryError
from arrayscene.response import Air


# Degrees Celsius, humidity, third-octave band above 1 kHz, dB a kilometre: ISO 9613-1, table 1, made with exact mid-bands.
@pytest.mark.parametrize(
    ("temperature_c", "humidity", "band", "db_per_km"),
    [(-20, 0.10, -13, 0.589), (20, 0.15, 8, 175), (20, 0.80, -13, 0.0501), (20, 0.80, 0, 5.15), (20, 0.80, 10, 105)],
)
def test_attenuation_is_that_of_the_standard(temperature_c: float, humidity: float, band: int, db_per_km: float) -> None:
    frequency = torch.tensor([1000 * 10 ** (band / 10)], dtype=torch.float64)
    found = 1000 * 20 / math.log(10) * float(Air(temperature_c, humidity).attenuation(frequency))
    assert found == pytest.approx(db_per_km, rel=0.005)


def test_absorption_vanishes_with_the_frequency_and_grows_with_it() -> None:
    alpha = Air().attenuation(torch.linspace(0, 20000, 50, dtype=torch.float64))
    assert float(alpha[0]) == 0
    assert bool((alpha.diff() > 0).all())


def test_sound_is_faster_in_warm_air() -> None:
    assert Air(0.0).speed_of_sound == pytest.approx(331.3)
    assert Air(30.0).speed_of_sound == pytest.approx(349.0, abs=0.5)


@pytest.mark.parametrize(
    "state", [{"relative_humidity": 50}, {"temperature_c": 293}, {"pressure": 101.3}, {"pressure": math.nan}]
)
def test_other_units_are_refused(state: dict[str, float]) -> None:
    with pytest.raises(GeometryError, match="not percent"):
        Air(**state)
