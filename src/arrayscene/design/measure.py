"""Every figure of one array that a comparison shows."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from arrayscene.array import MicrophoneArray
from arrayscene.array_points import fibonacci_sphere
from arrayscene.decoders import DelayAndSum, LinearDecoder, Superdirective
from arrayscene.design.bounds import angle_error, angular_derivatives, direction_error, direction_information
from arrayscene.design.figures_of_merit import Figures, beam_pattern, figures_of_merit, main_lobe_width, toward_response
from arrayscene.design.purposes import Purpose
from arrayscene.design.speech import band_widths, speech_snr
from arrayscene.design.viewpoint import HORIZON, View, doubles, facing, tangents
from arrayscene.errors import GeometryError
from arrayscene.localize.grid import to_angles
from arrayscene.response import Response

Numbers = NDArray[np.float64]
Beam = Literal["delay_and_sum", "superdirective"]

BEAMS: Mapping[Beam, str] = {"delay_and_sum": "delay-and-sum", "superdirective": "superdirective"}

PATTERNS_PER_OCTAVE, CURVES_PER_OCTAVE = 12, 6
"""Frequencies of beam patterns and of curves over frequency."""

PATTERN_STEP = 2.0
"""Degrees between the directions of a beam pattern."""

CIRCLE_STEP = 3.0
"""Degrees between the directions of a curve over direction."""

LOOK_STEP = 10.0
"""Degrees between the azimuths that count."""

VIEW_ANGLE = 45.0
"""Degrees to each side that an imaging array looks."""

SNR_DB = tuple(range(-10, 31, 5))
"""Speech over sensor noise, 100 Hz to 8 kHz, at one microphone."""

JUDGED_SNR_DB = 10
"""At which SNR direction errors are compared."""

SECONDS = 1.0
"""Length of speech that direction errors are stated for."""

ALIKE = 0.98
"""Mean likeness of two directions' responses over the band from which on the array takes one for the other."""

NEAR = 10.0
"""Degrees; a double as near as that is no mistake worth counting."""

TENTH = 0.1

MOST_VALUES = 8_000_000
"""Values of covariances in memory at a time; 128 MB."""


@dataclass(frozen=True, eq=False)
class ArrayFigures:
    """What an array can do for a purpose.

    Attributes:
        array, label: the array, and what it is called in the comparison.
        view: the circle of the patterns and curves.
        pattern_frequencies, pattern_angles: (freq,) hertz and (angle,) radians of the patterns.
        patterns: (freq, angle) power relative to the looking direction, per decoder.
        frequencies: (freq,) hertz of `figures`.
        figures: directivity index and white noise gain, per decoder, in the purpose's directions.
        circle: (angle,) radians of the curves over direction.
        aliasing_hz: (angle,) where spatial aliasing begins; infinite where it does not up to `array_aliasing.AUDIBLE`.
        angle_error_deg: (snr, angle) lower bound on the error of the angle, at `SNR_DB`.
        numbers: single figures by name, see `Criterion.figure`.
    """

    array: MicrophoneArray
    label: str
    view: View
    pattern_frequencies: Numbers
    pattern_angles: Numbers
    patterns: Mapping[Beam, Numbers]
    frequencies: Numbers
    figures: Mapping[Beam, Figures]
    circle: Numbers
    aliasing_hz: Numbers
    angle_error_deg: Numbers
    numbers: Mapping[str, float]


def measure(
    array: MicrophoneArray, purpose: Purpose, label: str | None = None, progress: Callable[[float], None] | None = None
) -> ArrayFigures:
    """Compute every figure of an array for a purpose, from its geometry alone.

    Args:
        array: at least two microphones.
        purpose: which directions, band and decoder.
        label: what to call it; its name by default.
        progress: called with the share that is done.

    Raises: GeometryError for one microphone.

    Cost: 0.1 to 2 s on one core for 4 to 64 microphones.
    """
    label = label or array.name
    if array.n_mics < 2:
        raise GeometryError(f"array {label!r} has one microphone, which hears no direction; at least two are needed to compare")
    say = progress or (lambda done: None)
    view = facing(array) if purpose.looks == "view" else HORIZON
    fine, coarse = purpose.frequencies(PATTERNS_PER_OCTAVE), purpose.frequencies(CURVES_PER_OCTAVE)
    decoders: Mapping[Beam, LinearDecoder] = {
        "delay_and_sum": DelayAndSum(reference=None),
        "superdirective": Superdirective(10 ** (purpose.white_noise_gain_db / 10), reference=None),
    }
    angles = _once_round(PATTERN_STEP)
    around, ahead = (toward_response(array, toward, torch.tensor(fine)) for toward in (view.circle(angles), view.ahead[None]))
    patterns = {beam: beam_pattern(decoder, ahead, around) for beam, decoder in decoders.items()}
    say(0.3)
    toward = _looks(purpose, view)
    looks = toward_response(array, toward, torch.tensor(coarse))
    figures = {beam: _all_figures(array, decoder, toward, coarse) for beam, decoder in decoders.items()}
    say(0.6)
    circle = _once_round(CIRCLE_STEP)
    errors = np.degrees([angle_error(J).numpy() for J in _information(array, view.circle(circle), view.along(circle)[None])])
    aliasing = array.aliasing_limits(*to_angles(view.circle(circle)))
    say(0.8)
    numbers = _numbers(array, purpose, figures, looks, toward)
    numbers["angle_error_high_deg"] = worst(errors[SNR_DB.index(JUDGED_SNR_DB)], high=True)
    if purpose.looks != "azimuths":
        both = _information(array, toward, tangents(toward), (JUDGED_SNR_DB,))[0]
        numbers["direction_error_high_deg"] = worst(np.degrees(direction_error(both).numpy()), high=True)
    seen = aliasing if purpose.looks == "azimuths" else array.aliasing_limits(*to_angles(toward))
    numbers["aliasing_low_hz"] = float(seen.min())
    across = _across(array, view, purpose, patterns["delay_and_sum"], decoders["delay_and_sum"])
    numbers["main_lobe_deg"] = math.degrees(float(np.exp(np.log(across).mean())))
    say(1.0)
    return ArrayFigures(
        array=array, label=label, view=view, pattern_frequencies=fine, pattern_angles=angles, patterns=patterns,
        frequencies=coarse, figures=figures, circle=circle, aliasing_hz=aliasing, angle_error_deg=errors, numbers=numbers,
    )  # fmt: skip


def worst(values: Numbers, *, high: bool = False) -> float:
    """The value that all but the worst tenth reach; `high` where high values are bad."""
    # A value that occurs: between finite and infinite ones there is none.
    return float(np.quantile(values, 1 - TENTH if high else TENTH, method="higher" if high else "lower"))


def _looks(purpose: Purpose, view: View) -> Numbers:
    """(look, 3) unit vectors of the directions that count."""
    if purpose.looks == "azimuths":
        return view.circle(_once_round(LOOK_STEP))
    points = np.asarray(fibonacci_sphere(64 if purpose.looks == "sphere" else 256))
    if purpose.looks == "sphere":
        return points
    return points[points @ view.ahead >= math.cos(math.radians(VIEW_ANGLE))]


def _all_figures(array: MicrophoneArray, decoder: LinearDecoder, toward: Numbers, f: Numbers) -> Figures:
    """Figures of merit in all directions; as many at a time as memory for their covariances allows."""
    n_parts = math.ceil(len(toward) * len(f) * array.n_mics**2 / MOST_VALUES)
    parts = np.array_split(toward, min(n_parts, len(toward)))
    each = [figures_of_merit(decoder, toward_response(array, part, torch.tensor(f))) for part in parts]
    return Figures(*(np.concatenate(values, axis=1) for values in zip(*each, strict=True)))


def _numbers(
    array: MicrophoneArray, purpose: Purpose, figures: Mapping[Beam, Figures], looks: Response, toward: Numbers
) -> dict[str, float]:
    counted = purpose.in_band(looks.frequencies.numpy())
    numbers = {"n_mics": float(array.n_mics), "aperture_m": array.aperture}
    for beam in BEAMS:
        index = figures[beam].directivity_index_db[counted].mean(0)
        numbers[f"{beam}_index_db"], numbers[f"{beam}_index_low_db"] = float(index.mean()), worst(index)
    numbers["white_noise_gain_db"] = float(figures["delay_and_sum"].white_noise_gain_db[counted].mean())
    numbers["unambiguous"] = _unambiguous(array, purpose, looks, toward)
    return numbers


def _unambiguous(array: MicrophoneArray, purpose: Purpose, looks: Response, toward: Numbers) -> float:
    """Mean over the directions of 1 for those without a double among them, 1/2 for those with one, 0 for those on a cone."""
    images = doubles(array, toward, level=purpose.looks == "azimuths")
    counted = torch.tensor(purpose.in_band(looks.frequencies.numpy()))
    f, A = looks.frequencies[counted], looks.matrix()[counted]
    n_doubles = np.zeros(len(toward))
    for image in images:
        other = toward_response(array, image, f).matrix()
        product = (A.conj() * other).sum(-2).abs()
        likeness = (product / (A.norm(dim=-2) * other.norm(dim=-2)).clamp_min(1e-12)).mean(0).numpy()
        apart = (image * toward).sum(-1) < math.cos(math.radians(NEAR))
        if purpose.looks == "view":
            apart &= image @ facing(array).ahead >= math.cos(math.radians(VIEW_ANGLE))
        n_doubles += (likeness > ALIKE) & apart
    return float(np.mean([(1.0, 0.5, 0.0)[min(2, int(n))] for n in n_doubles]))


def _information(array: MicrophoneArray, toward: Numbers, along: Numbers, snr_db: tuple[int, ...] = SNR_DB) -> list[Tensor]:
    """Information about directions at each SNR, of speech between 100 Hz and 8 kHz."""
    f = 1000.0 * 2.0 ** (np.arange(-20, 19) / 6)
    A, dA = toward_response(array, toward, torch.tensor(f)).matrix(), angular_derivatives(array, toward, along, torch.tensor(f))
    spread, snapshots = torch.tensor(speech_snr(f)), torch.tensor(SECONDS * band_widths(f))
    return [direction_information(A, dA, 10 ** (level / 10) * spread, snapshots) for level in snr_db]


def _across(array: MicrophoneArray, view: View, purpose: Purpose, pattern: Numbers, decoder: LinearDecoder) -> Numbers:
    """(plane, freq) width of the main lobe in the plane of the pattern and in the one across it, in the purpose's band."""
    f = purpose.frequencies(PATTERNS_PER_OCTAVE)
    counted = np.flatnonzero(purpose.in_band(f))[:: PATTERNS_PER_OCTAVE // CURVES_PER_OCTAVE]
    angles, hertz = _once_round(PATTERN_STEP), torch.tensor(f[counted])
    ahead = toward_response(array, view.ahead[None], hertz)
    other = beam_pattern(decoder, ahead, toward_response(array, view.across().circle(angles), hertz))
    return main_lobe_width(np.stack([pattern[counted], other]), math.radians(PATTERN_STEP))


def _once_round(step: float) -> Numbers:
    """Radians from 0 to just below one turn, `step` degrees apart."""
    return np.asarray(np.radians(np.arange(0.0, 360.0, step)))
