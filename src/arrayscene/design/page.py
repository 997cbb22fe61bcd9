"""A comparison of arrays as one HTML page that needs nothing else, for the screen and for A4 paper."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from importlib.resources import files
from pathlib import Path

import numpy as np

from arrayscene.array_aliasing import AUDIBLE
from arrayscene.design import layouts, patterns, plots
from arrayscene.design.compare import EQUAL, Comparison, advice, good_at, headline, reasons, weak_at
from arrayscene.design.facts import CHANNEL_MBIT, costs, facts
from arrayscene.design.markup import items, name, picture, table, text
from arrayscene.design.measure import JUDGED_SNR_DB, SECONDS, SNR_DB
from arrayscene.design.wording import end_in_words, value_in_words
from arrayscene.folder import write_whole
from arrayscene.report.palette import hertz_in_words
from arrayscene.report.sentences import minus

SNAPSHOT = 0.032
"""Seconds of a snapshot, as the page counts them."""

UNKNOWN = (
    "The microphones themselves: their self-noise, sensitivity, and how well they match. Sensor noise is taken as equal in all; a"
    " mismatch of 1 dB or of some degrees of phase costs a superdirective decoder much of its gain at low frequencies.",
    "The room: reverberation limits direction finding to degrees, far above the lower bound, which knows sensor noise alone.",
    "The device around the microphones, unless the array states a rigid sphere or cylinder: the shadow of a housing, a table or"
    " a head tells some directions apart and hides others.",
    "The distance: sources are taken to be far away, so that their waves are plane. Prices, wiring, and how the channels are"
    " synchronised.",
)


def write_page(comparison: Comparison, path: Path) -> None:
    """Write the page whole or not at all.

    Raises: ArraySceneError where the file cannot be written.

    Cost: about 0.3 s an array and 1 s for the rest on one core, drawing.
    """
    write_whole(path, "".join(_page(comparison)).encode("utf-8"))


def _page(comparison: Comparison) -> Iterator[str]:
    title = f"Microphone arrays for {comparison.purpose.title}"
    tiles = "".join(f"<div><dt>{name(entry)}</dt><dd>{entry.points:.0f} of 100</dd></div>" for entry in comparison.ranked)
    yield (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>{escape(title)}</title><link rel="icon" href="data:,">'
        f"<style>{_asset('report', 'page.css')}{_asset('design', 'compare.css')}</style></head>\n<body>"
        f'<header><p class="kicker">{escape(title)}</p><h1>{text(headline(comparison), comparison)}</h1>'
        f'<dl class="facts">{tiles}</dl></header>\n<main>'
    )
    for section in (_why, _layout, _patterns, _over_frequency, _aliasing, _errors, _method):
        yield section(comparison)
    yield (
        "</main>\n<footer><p>x front, y left, z up; azimuth counter-clockwise from the front, seen from above. Every figure"
        " follows from the positions, directivities and rigid bodies that the arrays state; nothing was measured. Made by"
        " arrayscene.</p></footer></body></html>\n"
    )


def _why(comparison: Comparison) -> str:
    purpose, why = comparison.purpose, reasons(comparison)
    parts = [f'<section id="why"><h2>Why</h2><p class="lead">{text(purpose.scene, comparison)}</p>']
    if why:
        parts.append(items(why, comparison))
    parts.append('<div class="cards">')
    for entry in comparison.ranked:
        parts.append(f'<article class="card"><h3>{name(entry)} <small>{entry.points:.0f} of 100</small></h3>')
        for heading, lines in (("Good at", good_at(entry)), ("Weak at", weak_at(entry)), ("Mind", advice(entry, purpose))):
            if lines:
                parts.append(f"<h4>{heading}</h4>{items(lines, comparison)}")
        parts.append("</article>")
    parts.append(f"</div><h3>Points</h3>{_points(comparison)}</section>\n")
    return "".join(parts)


def _points(comparison: Comparison) -> str:
    rows = []
    for i, criterion in enumerate(comparison.purpose.criteria):
        ends = (end_in_words(end, criterion.unit) for end in (criterion.poor, criterion.good))
        row = [f"{escape(criterion.label)}<small>{escape(criterion.why)}</small>", text(" to ".join(ends), comparison)]
        for entry in comparison.entries:
            value, points = value_in_words(entry.scores[i].value, criterion.unit), entry.scores[i].points
            row.append(f"{text(value, comparison)}<small>{points:.0f} of {criterion.weight}</small>")
        rows.append(row)
    rows.append(["<b>All</b>", "", *(f"<b>{entry.points:.0f}</b>" for entry in comparison.entries)])
    return table(["figure", "from no points to all", *map(name, comparison.entries)], rows)


def _layout(comparison: Comparison) -> str:
    each = [facts(entry) + costs(entry, comparison) for entry in comparison.entries]
    rows = [[escape(line[0][0]), *(escape(words) for _, words in line)] for line in zip(*each, strict=True)]
    named = ", ".join(f"{entry.label}: {entry.figures.array.n_mics} microphones" for entry in comparison.entries)
    caption = (
        "Microphones from above, front up the page, each array to its own scale; beneath, from the side, those that have"
        " height. Grey: the rigid body around which sound is computed. Strokes: where directional microphones look."
    )
    return (
        f'<section id="layout"><h2>Layout and cost</h2>'
        f"{picture(layouts.layout_figure(comparison), f'Microphone positions of {named}.', caption)}"
        f"{table(['', *map(name, comparison.entries)], rows)}"
        '<p class="lead">Decoding: operations of one adaptive decoder for each bin, which grow as the square of the number of'
        f" microphones. Data: channels at 48 kHz and 24 bit, {CHANNEL_MBIT:.2f} Mbit/s each.</p></section>\n"
    )


def _patterns(comparison: Comparison) -> str:
    purpose = comparison.purpose
    floor, middle = minus(f"{purpose.white_noise_gain_db:.0f} dB"), minus(f"{-patterns.PATTERN_RANGE_DB:.0f} dB")
    lead = (
        "Level of sound from each direction when the array looks to 0°, relative to the same sound from 0°. Polar: one curve an"
        f" octave, the rim is 0 dB, the middle {middle}; thin above the aliasing limit. Maps: direction from {minus('-180')}° to"
        " 180° across, frequency upwards; white dashes: where spatial aliasing begins for this looking direction. Superdirective:"
        f" the highest directivity that keeps a white noise gain of {floor}."
    )
    parts = [f'<section id="patterns"><h2>Beam patterns</h2><p class="lead">{text(lead, comparison)}</p>']
    for entry in comparison.entries:
        alt = f"Beam patterns of {entry.label}, delay-and-sum and superdirective, polar and over frequency."
        parts.append(
            f'<div class="together"><h3>{name(entry)} <small>{escape(entry.figures.view.in_words())}</small></h3>'
            f"{picture(patterns.pattern_figure(entry, purpose), alt)}</div>"
        )
    return "".join(parts) + "</section>\n"


def _over_frequency(comparison: Comparison) -> str:
    low, high = (hertz_in_words(hertz) for hertz in comparison.purpose.band)
    outside = "; what lies outside is grey" if comparison.purpose.band != comparison.purpose.shown else ""
    looks = {"azimuths": "all azimuths", "sphere": "all directions", "view": "the directions in view"}[comparison.purpose.looks]
    caption = (
        "Directivity index: what is gained against sound from everywhere. White noise gain: what is gained against the"
        f" microphones' own noise; below 0 dB it is amplified. Lines: mean over {looks}; shaded: the middle 80 % of them. {low}"
        f" to {high} count{outside}."
    )
    each = "; ".join(
        f"{entry.label}: {value_in_words(entry.figures.numbers['delay_and_sum_index_db'], 'dB')} with delay-and-sum,"
        f" {value_in_words(entry.figures.numbers['superdirective_index_db'], 'dB')} superdirective"
        for entry in comparison.entries
    )
    alt = f"Directivity index and white noise gain over frequency. Mean directivity index of {each}."
    return f'<section id="frequency"><h2>Over frequency</h2>{picture(plots.curves_figure(comparison), alt, caption)}</section>\n'


def _aliasing(comparison: Comparison) -> str:
    rows, lowest = [], []
    for entry in comparison.entries:
        ends = [float(np.quantile(entry.figures.aliasing_hz, share, method="lower")) for share in (0.0, 0.5, 1.0)]
        words = [value_in_words(hertz, "Hz") for hertz in ends]
        rows.append([name(entry), *(text(value, comparison) for value in words)])
        lowest.append(f"{entry.label}: {words[0]}")
    caption = (
        "Frequency from which sound from a direction is also heard from another one, over direction; further out is better; at"
        f" the rim there is none below {hertz_in_words(AUDIBLE)}."
    )
    alt = f"Aliasing limit over direction. In the worst direction, {'; '.join(lowest)}."
    return (
        '<section id="aliasing"><h2>Spatial aliasing</h2><div class="pair">'
        f"{picture(plots.aliasing_figure(comparison), alt, caption)}"
        f"<div>{table(['', 'worst direction', 'median', 'best direction'], rows)}"
        '<p class="lead">An alias is another direction whose response agrees within 3 dB, apart from the main lobe; free field'
        " and omnidirectional microphones are assumed. Above the limit a linear decoder does not keep the two apart.</p></div>"
        "</div></section>\n"
    )


def _errors(comparison: Comparison) -> str:
    rows, worst = [], []
    levels = (0, 10, 20)
    for entry in comparison.entries:
        errors = [entry.figures.angle_error_deg[SNR_DB.index(level)] for level in levels]
        median = [value_in_words(float(np.quantile(error, 0.5, method="lower")), "°") for error in errors]
        high = value_in_words(entry.figures.numbers["angle_error_high_deg"], "°")
        rows.append([name(entry), *median, high])
        worst.append(f"{entry.label}: {high}")
    heads = ["", *(f"median at {level} dB" for level in levels), f"worst tenth at {JUDGED_SNR_DB} dB"]
    what = "azimuth of a source level with the array"
    if comparison.purpose.looks == "view":
        what = "angle in the plane of the patterns"
    caption = (
        f"No unbiased method can tell the {what} with a lower standard error (Cramér-Rao bound): one source, {SECONDS:g} s of"
        " sound with the average spectrum of speech, 100 Hz to 8 kHz, in sensor noise of that SNR, power and noise unknown at"
        f" each frequency; {SECONDS / SNAPSHOT:.0f} snapshots of {1e3 * SNAPSHOT:.0f} ms. T seconds divide it by the square root"
        " of T. Where a curve leaves the top the angle is not told. The bound is local: mirror images and aliases are not in it."
    )
    alt = f"Lower bound on the direction error. Worst tenth of directions, {'; '.join(worst)}."
    return (
        f'<section id="errors"><h2>Least direction error</h2>{picture(plots.errors_figure(comparison), alt, caption)}'
        f"{table(heads, rows)}</section>\n"
    )


def _method(comparison: Comparison) -> str:
    return (
        '<section id="method"><h2>How it is judged, and what this page does not know</h2>'
        "<p>Every figure earns points in proportion between its two ends, on a logarithmic scale for hertz, degrees and lengths;"
        " more than the upper end earns nothing more. Figures over frequency are averaged evenly in octaves. The points of an"
        " array do not depend on which others are shown. The weights are a judgement, not a measurement: arrays at most"
        f" {EQUAL:.0f} points apart count as equal, and of equal ones that with the fewest microphones is recommended. “Worst"
        " tenth” is what nine tenths of the directions reach.</p>"
        f"<p>What it does not know:</p>{items(UNKNOWN, comparison)}</section>\n"
    )


def _asset(package: str, file: str) -> str:
    return files(f"arrayscene.{package}").joinpath(file).read_text(encoding="utf-8")
