"""Microphone arrays out of SOFA files: where the receivers are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from arrayscene.errors import GeometryError
from arrayscene.sofa_file import read_sofa, sofa_positions, sofa_values


def read_receivers(path: Path) -> dict[str, Any]:
    """The receivers of a SOFA file as fields of an array file; SOFA's frame, relative to the listener, is this package's.

    Args:
        path: a .sofa file whose `ReceiverPosition` is Cartesian or spherical, and the same for all measurements.

    Returns:
        positions, zero_direction, source and, where the file has one whole number of hertz, sample_rate.

    Raises:
        GeometryError: a file that cannot be read, or receivers without places or that move.
        DeviceError: sofar is not installed.
    """
    sofa = read_sofa(path)
    receivers = sofa_positions(sofa, path, "ReceiverPosition")
    places = receivers.reshape(len(receivers), 3, -1)
    if np.ptp(places, axis=2).max() > 1e-6:
        raise GeometryError(f"SOFA file {path}: the receivers move from measurement to measurement; a rigid array was wanted")
    fields: dict[str, Any] = {
        "positions": places[:, :, 0].tolist(),
        "zero_direction": "+x, the view of the SOFA file's listener",
        "source": f"receivers of {path.name}",
    }
    if hasattr(sofa, "Data_SamplingRate"):
        rate = sofa_values(sofa, path, "Data_SamplingRate").ravel()
        if rate.size == 1 and rate[0] >= 1 and rate[0] == round(rate[0]):
            fields["sample_rate"] = int(rate[0])
    return fields
