"""What air does to sound on its way: its speed, and how much of it is absorbed."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from arrayscene import constants
from arrayscene.errors import GeometryError

REFERENCE_PRESSURE = 101325.0
"""Pascal, one standard atmosphere."""

REFERENCE_TEMPERATURE = 293.15
"""Kelvin, 20 degrees Celsius."""

TRIPLE_POINT = 273.16
"""Kelvin, of water."""


@dataclass(frozen=True)
class Air:
    """The state of the air that sound crosses.

    alpha(f) = f^2 [1.84e-11 (p_0 / p) (T / T_0)^(1/2) + (T / T_0)^(-5/2) (0.01275 e^(-2239.1 / T) / (f_O + f^2 / f_O)
    + 0.1068 e^(-3352 / T) / (f_N + f^2 / f_N))], with f_O and f_N the relaxation frequencies of oxygen and nitrogen.

    Args:
        temperature_c: degrees Celsius.
        relative_humidity: 0 dry to 1 saturated.
        pressure: pascal.

    Raises: GeometryError for a state outside of -20 to 50 degrees Celsius, 0 to 1 and 20 to 200 kPa.

    Reference: ISO 9613-1, "Attenuation of sound during propagation outdoors, part 1: calculation of the absorption of sound by
    the atmosphere", 1993.
    """

    temperature_c: float = 20.0
    relative_humidity: float = 0.5
    pressure: float = REFERENCE_PRESSURE

    def __post_init__(self) -> None:
        if not (-20 <= self.temperature_c <= 50 and 0 <= self.relative_humidity <= 1 and 2e4 <= self.pressure <= 2e5):
            raise GeometryError(
                f"Air: {self.temperature_c} degrees Celsius, relative humidity {self.relative_humidity}, {self.pressure} Pa came;"
                " -20 to 50 degrees, 0 to 1 (not percent) and 20000 to 200000 Pa are needed"
            )

    @property
    def speed_of_sound(self) -> float:
        """m/s."""
        return constants.speed_of_sound(self.temperature_c)

    def attenuation(self, frequencies: Tensor) -> Tensor:
        """Nepers a metre at each of the frequencies (hertz): an amplitude falls as e^(-alpha r). Differentiable in them.

        One neper is 8.686 dB.
        """
        pressure, kelvin = self.pressure / REFERENCE_PRESSURE, self.temperature_c + 273.15
        warmth = kelvin / REFERENCE_TEMPERATURE
        saturation = math.pow(10, 4.6151 - 6.8346 * math.pow(TRIPLE_POINT / kelvin, 1.261))
        # The share of water molecules, in percent, as the standard's own constants expect.
        water = 100 * self.relative_humidity * saturation / pressure
        oxygen = pressure * (24 + 4.04e4 * water * (0.02 + water) / (0.391 + water))
        nitrogen = pressure / math.sqrt(warmth) * (9 + 280 * water * math.exp(-4.170 * (1 / math.cbrt(warmth) - 1)))
        squared = frequencies.to(torch.float64).square()
        vibration = 0.01275 * math.exp(-2239.1 / kelvin) / (oxygen + squared / oxygen)
        vibration = vibration + 0.1068 * math.exp(-3352.0 / kelvin) / (nitrogen + squared / nitrogen)
        return squared * (1.84e-11 / pressure * math.sqrt(warmth) + math.pow(warmth, -2.5) * vibration)
