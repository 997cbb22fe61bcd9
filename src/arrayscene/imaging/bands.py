"""Frequency bands: third octaves and octaves of IEC 61260, and sums of bins over them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from arrayscene.errors import ShapeError

G = 10**0.3
"""Octave ratio of base-ten filters (IEC 61260-1, equation 1)."""

REFERENCE = 1000.0
"""Hertz, the centre from which all others are counted."""

_MARKS = (1.0, 1.25, 1.6, 2.0, 2.5, 3.15, 4.0, 5.0, 6.3, 8.0)


class Band(NamedTuple):
    """A range of frequencies.

    Attributes:
        low, high: edges, hertz.
        centre: hertz, exact midband frequency.
        name: as a person says it, such as "2 kHz third octave".
    """

    low: float
    high: float
    centre: float
    name: str


def third_octave(nominal: float) -> Band:
    """The third octave whose nominal centre, 25 Hz to 20 kHz, this is: 1000, 1250, 1600, 2000 ...

    Raises: ShapeError for a number that is no nominal centre.

    Reference: IEC 61260-1:2014, section 5 and annex E (centres f_m = 1000 Hz G^(x/3), edges f_m G^(+-1/6)).
    """
    return _fraction(nominal, 3)


def octave(nominal: float) -> Band:
    """The octave whose nominal centre this is: 31.5, 63, 125 ... 16000.

    Raises: ShapeError for a number that is no nominal centre.

    Reference: IEC 61260-1:2014, section 5.
    """
    return _fraction(nominal, 1)


def third_octaves(low: float, high: float) -> list[Band]:
    """All third octaves that lie wholly within low to high hertz."""
    steps = range(-17, 14)
    bands = [_band(step, 3) for step in steps]
    return [band for band in bands if band.low >= low and band.high <= high]


def band_weights(bands: Sequence[Band], frequencies: Tensor, bin_width: float) -> Tensor:
    """(band, freq) share of each bin that lies in each band: the bin's power is taken as spread evenly over its width.

    Raises: ShapeError for a band without any bin.
    """
    if not len(bands):
        raise ShapeError("bands: none came; name at least one, such as 1000")
    low = torch.tensor([band.low for band in bands], dtype=torch.float64)[:, None]
    high = torch.tensor([band.high for band in bands], dtype=torch.float64)[:, None]
    half = bin_width / 2
    shared = torch.minimum(frequencies + half, high) - torch.maximum(frequencies - half, low)
    weights = (shared / bin_width).clamp(0.0, 1.0)
    empty = [band.name for band, row in zip(bands, weights, strict=True) if not float(row.sum()) > 0]
    if empty:
        raise ShapeError(
            f"bands: {', '.join(empty)} hold no bin; there are bins from {float(frequencies[0]):g} to"
            f" {float(frequencies[-1]):g} Hz"
        )
    return weights


def _fraction(nominal: float, denominator: int) -> Band:
    kind = "octave" if denominator == 1 else "third octave"
    if not 20 <= nominal <= 21000:
        raise ShapeError(f"{kind}: {nominal:g} Hz came; a nominal centre from 25 Hz to 20 kHz was wanted")
    step = round(denominator * math.log(nominal / REFERENCE) / math.log(G))
    band = _band(step, denominator)
    if abs(_nominal(band.centre) - nominal) > 0.01 * nominal:
        raise ShapeError(f"{kind}: {nominal:g} Hz came, which is no nominal centre; {_nominal(band.centre):g} Hz is the nearest")
    return band


def _band(step: int, denominator: int) -> Band:
    centre = REFERENCE * G ** (step / denominator)
    edge = G ** (0.5 / denominator)
    kind = "octave" if denominator == 1 else "third octave"
    return Band(centre / edge, centre * edge, centre, f"{_spoken(_nominal(centre))} {kind}")


def _nominal(centre: float) -> float:
    decade = 10 ** math.floor(math.log10(centre) + 0.02)
    return float(f"{min(_MARKS, key=lambda mark: abs(math.log(mark * decade / centre))) * decade:g}")


def _spoken(hertz: float) -> str:
    return f"{hertz:g} Hz" if hertz < 1000 else f"{hertz / 1000:g} kHz"
