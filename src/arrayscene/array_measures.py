"""What a layout of microphones can tell apart, as properties of MicrophoneArray: size, ambiguity, aliasing."""

from __future__ import annotations

import math
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from arrayscene.arguments import check_whole
from arrayscene.array_aliasing import AUDIBLE, LOBE, aliasing_limits
from arrayscene.array_checks import distances
from arrayscene.constants import SPEED_OF_SOUND
from arrayscene.errors import GeometryError

FLAT = 0.02
"""Share of the aperture below which an array counts as flat along an axis: delays across it tell too little to localise by."""


class LayoutMeasures:
    """The measures of MicrophoneArray (abstract: it says where the microphones are).

    Attributes:
        positions: (M, 3) metres.
    """

    positions: NDArray[np.float64]

    @property
    def n_mics(self) -> int:
        """Number of microphones M."""
        return len(self.positions)

    @cached_property
    def aperture(self) -> float:
        """Largest distance between two microphones, metres; 0 for a single one."""
        return float(distances(self.positions).max(initial=0.0))

    def aliasing_hz(self, speed_of_sound: float = SPEED_OF_SOUND) -> float:
        """Frequency above which even the closest microphones are more than half a wavelength apart: c / (2 d_min).

        For an even line this is the exact limit of its worst direction: above it two directions give the same phases at all
        microphones. Irregular layouts decline more gently, because their other distances disagree with the false directions:
        `aliasing_limits` says where each direction really begins to alias. Infinite for a single microphone.

        Args:
            speed_of_sound: m/s.

        Reference: H. L. Van Trees, Optimum Array Processing, 2002, section 2.4 (spatial sampling, d <= lambda / 2).
        """
        if self.n_mics == 1:
            return math.inf
        return speed_of_sound / (2.0 * float(distances(self.positions).min()))

    def aliasing_limits(
        self,
        azimuth: ArrayLike,
        elevation: ArrayLike = 0.0,
        *,
        threshold: float = LOBE,
        highest: float = AUDIBLE,
        speed_of_sound: float = SPEED_OF_SOUND,
    ) -> NDArray[np.float64]:
        """Frequency from which each direction has a grating lobe; see `arrayscene.array_aliasing.aliasing_limits`.

        Args:
            azimuth: (direction,) radians.
            elevation: (direction,) radians.
            threshold: how alike two directions' responses are, from 0 to 1, to count; -3 dB by default.
            highest: hertz, up to which to look.
            speed_of_sound: m/s.

        Returns:
            (direction,) hertz; infinite where there is none up to `highest`.
        """
        return aliasing_limits(
            self.positions,
            self.axes_rank,
            azimuth,
            elevation,
            threshold=threshold,
            highest=highest,
            speed_of_sound=speed_of_sound,
        )

    @cached_property
    def axes_rank(self) -> int:
        """Number of dimensions that the array spans: 0 a point, 1 a line, 2 a plane, 3 space.

        A principal axis counts where the array's extent along it is more than 2 % of the aperture; below that the delays
        across it are too small to tell the two sides apart.
        """
        if self.n_mics == 1:
            return 0
        centred = self.positions - self.positions.mean(axis=0)
        _, _, axes = np.linalg.svd(centred, full_matrices=False)
        extent = np.ptp(centred @ axes.T, axis=0)
        return int(np.count_nonzero(extent > FLAT * self.aperture))

    @property
    def ambiguity(self) -> str:
        """Directions that the array cannot tell apart (free field, omnidirectional microphones).

        "none" for a three-dimensional array; "mirror" for a flat one, which hears a direction and its mirror image in the plane
        alike; "cone" for a line, which knows only the angle to itself; "all" for a single microphone.
        """
        return ("all", "cone", "mirror", "none")[self.axes_rank]

    def spread(self, n: int) -> list[int]:
        """Indices (from 0, in order) of at most `n` microphones: the first, then always the one farthest from those before it.

        Cost: O(n M).
        """
        check_whole("spread: n", n, error=GeometryError)
        chosen, distance = [0], np.full(self.n_mics, np.inf)
        while len(chosen) < min(n, self.n_mics):
            distance = np.minimum(distance, np.linalg.norm(self.positions - self.positions[chosen[-1]], axis=1))
            chosen.append(int(np.argmax(distance)))
        return sorted(chosen)
