"""A comparison of arrays as JSON: the numbers of the page, in the units that people use."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arrayscene.design.compare import Comparison, Entry, advice, good_at, headline, reasons, weak_at
from arrayscene.design.facts import decoding_cost, n_channels
from arrayscene.design.measure import BEAMS, SECONDS, SNR_DB, Beam
from arrayscene.report.json_values import number

FORMAT = "arrayscene-array-comparison-1"


def dumps(comparison: Comparison) -> str:
    """The comparison as JSON text; what is infinite or not told is null."""
    purpose = comparison.purpose
    content = {
        "format": FORMAT,
        "purpose": purpose.name,
        "scene": purpose.scene,
        "band_hz": list(purpose.band),
        "white_noise_gain_floor_db": purpose.white_noise_gain_db,
        "recommendation": headline(comparison),
        "recommended": comparison.best[0].label,
        "equal": [entry.label for entry in comparison.best],
        "reasons": reasons(comparison),
        "criteria": [
            {"figure": criterion.figure, "label": criterion.label, "weight": criterion.weight,
             "no_points_at": criterion.poor, "full_points_at": criterion.good}
            for criterion in purpose.criteria
        ],
        "arrays": [_array(entry, comparison) for entry in comparison.entries],
    }  # fmt: skip
    return json.dumps(content, indent=2, ensure_ascii=False)


def _array(entry: Entry, comparison: Comparison) -> dict[str, Any]:
    figures, array, octaves = entry.figures, entry.figures.array, comparison.purpose.octaves
    return {
        "label": entry.label,
        "name": array.name,
        "rank": entry.rank,
        "points": number(entry.points, 1),
        "points_by_figure": {score.criterion.figure: number(score.points, 1) for score in entry.scores},
        "good_at": good_at(entry),
        "weak_at": weak_at(entry),
        "advice": advice(entry, comparison.purpose),
        "n_mics": array.n_mics,
        "n_channels": n_channels(array),
        "ambiguity": array.ambiguity,
        "decoding_cost_relative": number(decoding_cost(entry, comparison), 2),
        "figures": {name: number(value, 4) for name, value in figures.numbers.items()},
        "over_frequency": {
            "frequency_hz": _numbers(figures.frequencies, 1),
            **{
                beam: {
                    "directivity_index_db": _numbers(figures.figures[beam].directivity_index_db.mean(1), 2),
                    "white_noise_gain_db": _numbers(figures.figures[beam].white_noise_gain_db.mean(1), 2),
                }
                for beam in BEAMS
            },
        },
        "over_direction": {
            "meaning": figures.view.in_words(),
            "angle_deg": _numbers(np.degrees(figures.circle), 1),
            "aliasing_hz": _numbers(figures.aliasing_hz, 0),
        },
        "angle_error_deg": {
            "seconds": SECONDS,
            "snr_db": list(SNR_DB),
            "median": _numbers(np.quantile(figures.angle_error_deg, 0.5, axis=1, method="lower"), 4),
            "worst_tenth": _numbers(np.quantile(figures.angle_error_deg, 0.9, axis=1, method="higher"), 4),
        },
        "patterns": {
            "angle_deg": _numbers(np.degrees(figures.pattern_angles), 1),
            "frequency_hz": list(octaves),
            **{f"{beam}_db": [_numbers(_octave(entry, beam, hertz), 1) for hertz in octaves] for beam in BEAMS},
        },
    }


def _octave(entry: Entry, beam: Beam, hertz: float) -> NDArray[np.float64]:
    nearest = int(np.argmin(np.abs(entry.figures.pattern_frequencies - hertz)))
    return np.asarray(10 * np.log10(np.maximum(entry.figures.patterns[beam][nearest], 1e-9)))


def _numbers(values: NDArray[np.float64], digits: int) -> list[float | None]:
    return [number(value, digits) for value in values.tolist()]
