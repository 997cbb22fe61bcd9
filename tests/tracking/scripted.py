"""Detections made by hand: who is where, how strongly, and what noise does to it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from arrayscene.tracking import Detections, Followed, Identities, Space, Tracker, TrackerConfig

FRAME = 0.064
CIRCLE = Space(np.eye(3)[:2], None, 2 * math.pi)
SPHERE = Space(np.eye(3), None, 4 * math.pi)
BANDS = 12

Path = Callable[[float], float | None]
"""Azimuth in degrees at a time in seconds; None: silent."""


def detections(
    paths: Sequence[Path],
    seconds: float,
    *,
    noise_deg: float = 2.0,
    strength: float = 4.0,
    detected: float = 0.8,
    false: float = 0.5,
    melt_deg: float = 0.0,
    voices: Sequence[np.ndarray] | None = None,
    seed: int = 0,
) -> list[Detections]:
    """Frames of detections of these sources, each detected with a probability, and weak false ones anywhere."""
    generator = np.random.default_rng(seed)
    frames = []
    for index in range(int(seconds / FRAME)):
        time = (index + 0.5) * FRAME
        here = [(n, path(time)) for n, path in enumerate(paths)]
        heard = [(n, azimuth) for n, azimuth in here if azimuth is not None and generator.random() < detected]
        if len(heard) == 2 and abs(heard[0][1] - heard[1][1]) < melt_deg:
            heard = [heard[generator.integers(2)]]
        found = [(azimuth + noise_deg * generator.standard_normal(), strength, n) for n, azimuth in heard]
        found += [(generator.uniform(-180, 180), 0.6, -1) for _ in range(generator.poisson(false))]
        angles = np.radians([azimuth for azimuth, _, _ in found])
        strengths = np.array([s for _, s, _ in found])
        bands = np.full((len(found), BANDS), np.nan)
        for row, (_, _, n) in enumerate(found):
            if n >= 0 and voices is not None:
                bands[row] = voices[n] + 6 * generator.standard_normal() + 4 * generator.standard_normal(BANDS)
        vectors = np.stack([np.cos(angles), np.sin(angles), np.zeros(len(found))], axis=-1)
        frames.append(Detections(time, vectors, strengths, strengths, bands))
    return frames


def followed(frames: Sequence[Detections], config: TrackerConfig | None = None, space: Space = CIRCLE) -> list[Followed]:
    """What tracker and identities make of them."""
    tracker, identities = Tracker(space, FRAME, config), Identities()
    state, named = tracker.init(), identities.init()
    found = []
    for heard in frames:
        frame, state = tracker.step(heard, state)
        names, verdicts, named = identities.step(frame, heard, named)
        found.append(Followed(heard, frame, names, tuple(verdicts)))
    return found


def azimuths(found: Sequence[Followed], name: int) -> np.ndarray:
    """(frame,) degrees of an identity as it was given live; nan where it is not there."""
    values = np.full(len(found), np.nan)
    for index, (_, frame, names, _) in enumerate(found):
        for row in np.flatnonzero(names == name):
            x, y, _ = frame.directed.vectors[row]
            values[index] = math.degrees(math.atan2(y, x))
    return values


def names_of(found: Sequence[Followed]) -> set[int]:
    """All identities that were ever given."""
    return {int(name) for followed in found for name in followed.names if name > 0}
