"""Physical constants; never mutable."""

import math
from typing import Final

REFERENCE_PRESSURE: Final = 20e-6
"""Pascal at 0 dB SPL."""


def speed_of_sound(temperature_c: float = 20.0) -> float:
    """Speed of sound in dry air, in m/s.

    c = 331.3 sqrt(1 + T / 273.15), the ideal-gas law with 331.3 m/s at 0 degrees Celsius.
    """
    return 331.3 * math.sqrt(1.0 + temperature_c / 273.15)


SPEED_OF_SOUND: Final = speed_of_sound()
"""Metres per second at 20 degrees Celsius (343.2)."""
