"""The parts of the report that are words and tables."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from typing import Final

from arrayscene.report.audio import EMBEDDED_SECONDS, Playback
from arrayscene.report.json_values import degrees
from arrayscene.report.mirror import mirror_direction
from arrayscene.report.palette import clock, hertz_in_words, source_colour
from arrayscene.report.scene_json import source_file
from arrayscene.report.sentences import active_seconds, direction, minus, percent
from arrayscene.scene import Scene, Source

CONVENTIONS: Final = (
    "Azimuth counts counter-clockwise from the front, so left is positive; elevation counts up from the horizon. "
    "Levels are RMS while the source sounds, in dB re full scale at the reference microphone."
)


def facts(scene: Scene) -> str:
    """The recording at a glance."""
    entries = {
        "Duration": _duration(scene.duration),
        **({"Begins at": f"{_duration(scene.start)} of the file"} if scene.start else {}),
        "Sample rate": f"{scene.sample_rate / 1000:g} kHz",
        "Microphones": f"{len(scene.array.positions)} ({scene.array.name})",
        "Reference channel": str(scene.reference_channel),
        "Method": scene.method,
    }
    return '<dl class="facts">' + "".join(f"<div><dt>{k}</dt><dd>{escape(v)}</dd></div>" for k, v in entries.items()) + "</dl>"


def warnings(scene: Scene) -> str:
    """The warnings, before anything else; nothing when there are none."""
    if not scene.warnings:
        return ""
    return f'<section class="warnings" id="warnings"><h2>Warnings</h2>{_list(scene.warnings)}</section>\n'


def sources(scene: Scene) -> str:
    """One row a source."""
    if not scene.sources:
        return '<section id="sources"><h2>Sources</h2><p>None. The mixture can be heard below.</p></section>\n'
    distances = any(source.distance is not None for source in scene.sources)
    head = ["", "Direction", *(["Distance"] if distances else []), "Level", "Active", "Confidence", "Listen"]
    rows = "".join(_row(scene, source, number, distances) for number, source in enumerate(scene.sources, start=1))
    cells = "".join(f'<th scope="col">{text or "No."}</th>' for text in head)
    return (
        '<section id="sources"><h2>Sources</h2><table class="sources"><thead><tr>'
        f"{cells}</tr></thead><tbody>{rows}</tbody></table></section>\n"
    )


def next_steps(steps: Sequence[str]) -> str:
    """What to do next."""
    return f'<section id="next"><h2>What to do next</h2>{_list(steps)}</section>\n'


def assumptions(scene: Scene) -> str:
    """What was taken for granted; nothing when nothing was."""
    return f"<h3>What was assumed</h3>{_list(scene.assumptions)}" if scene.assumptions else ""


def how(scene: Scene) -> str:
    """Method, the reason for it, and where the time went."""
    total = sum(scene.timings.values())
    steps = "".join(f"<tr><td>{escape(step)}</td><td>{seconds:.2f} s</td></tr>" for step, seconds in scene.timings.items())
    table = f'<div><h3>Time spent: {total:.1f} s</h3><table class="plain"><tbody>{steps}</tbody></table></div>'
    time = table if scene.timings else ""
    inputs = "".join(f"<li><code>{escape(str(name))}</code></li>" for name in scene.inputs)
    heard = f"<h3>Inputs</h3><ul>{inputs}</ul>" if inputs else ""
    return (
        '<section id="how"><h2>How it was done</h2><div class="columns">'
        f"<div><h3>Method: {escape(scene.method)}</h3><p>{escape(scene.why)}</p>{heard}</div>{time}</div></section>\n"
    )


def files(scene: Scene, played: Sequence[str]) -> str:
    """What else is in the folder; `played` are files that only the players need."""
    entries = {"scene.json": "everything on this page as numbers", "scene.rttm": "who sounds when, for diarisation tools"}
    entries |= {source_file(n): f"source {n} alone, 32-bit float, as long as the input" for n in range(1, len(scene.sources) + 1)}
    entries |= dict.fromkeys(played, "the mixture, for the player above")
    entries["spectrograms.png"] = "the spectrograms above as one picture"
    listed = "".join(f'<li><a href="{file}"><code>{file}</code></a>: {what}</li>' for file, what in entries.items())
    return f'<section id="files"><h2>Files beside this page</h2><ul>{listed}</ul></section>\n'


def source_in_words(scene: Scene, number: int) -> str:
    """Direction and level of source `number`, counted from 1."""
    source = scene.sources[number - 1]
    return f"{direction(source)}, {_level(source)}"


def places_in_words(scene: Scene) -> str:
    """Every source's direction, for those who cannot see the pictures."""
    places = [f"source {number} at {direction(source)}" for number, source in enumerate(scene.sources, start=1)]
    return "; ".join(places) or "no source was found"


def activity_in_words(scene: Scene) -> str:
    """How long every source sounds."""
    parts = [f"source {n} sounds for {_duration(active_seconds(source))}" for n, source in enumerate(scene.sources, start=1)]
    return ("; ".join(parts) or "no source was found").capitalize() + "."


def trust_in_words(scene: Scene, residual_db: float) -> str:
    """The overall residual and the aliasing limit as sentences."""
    said = []
    if math.isfinite(residual_db):
        said.append(
            f"What the sources and their directions do not explain is {percent(residual_db)} of the energy "
            f"(residual {minus(f'{residual_db:.1f}')} dB)."
        )
    aliasing = scene.reliability.aliasing_hz
    if aliasing < scene.sample_rate / 2:
        limit = hertz_in_words(aliasing)
        said.append(f"Above {limit} some other direction looks like that of a source to this array; below it none does.")
    return " ".join(said) or "The recording is silent, so there is nothing to explain."


def uncertainty_in_words(scene: Scene) -> str:
    """How many draws there were, and the expected error of every source."""
    known = [(n, source.uncertainty) for n, source in enumerate(scene.sources, start=1) if source.uncertainty is not None]
    said = [
        f"source {n}: {minus(f'{open_.overall_db:.1f}')} dB" if math.isfinite(open_.overall_db) else f"source {n}: not known"
        for n, open_ in known
    ]
    draws = max((open_.draws for _, open_ in known), default=0)
    counted = {0: "", 1: "From a single draw of each source, which cannot differ from others. "}
    return counted.get(draws, f"From {draws} draws of each source. ") + (
        f"Expected error, relative to the source: {'; '.join(said)}."
    )


def how_it_plays(player: Playback) -> str:
    """What the listener should know about sound and level."""
    said = ["All pictures share one time axis and one colour scale; click into one to hear it from there."]
    if player.coding == "file":
        said.append(
            f"The page holds up to {EMBEDDED_SECONDS / 60:.0f} minutes at the usual sample rates; this recording is beyond that, "
            "so the players use the WAV files in the folder sources; keep them beside the page."
        )
    elif player.coding == "mp3":
        said.append("The players hold MP3 to keep the page small; the WAV files beside it are exact.")
    if player.gain_db > 0:
        said.append(f"The recording is quiet: every player is raised by the same {player.gain_db:.0f} dB. The WAV files are not.")
    elif player.gain_db < 0:
        said.append(f"Some sound exceeds full scale: every player is lowered by {-player.gain_db:.0f} dB. The WAV files are not.")
    elif player.coding != "file":
        said.append("Players keep the levels of the recording.")
    return " ".join(said)


def _row(scene: Scene, source: Source, number: int, distances: bool) -> str:
    look = source_colour(number)
    seconds = active_seconds(source)
    share = 100.0 * seconds / scene.duration if scene.duration else 0.0
    mirrored = ""
    if scene.ambiguity == "cone" and source.azimuth is not None:
        image = mirror_direction(scene.array.positions, source.azimuth, source.elevation, scene.ambiguity)
        mirrored = f"<small>or mirrored: {minus(f'{degrees(image[0], 0):.0f}°')}</small>" if image else ""
    called = f"<b>{escape(source.name)}</b> " if source.name else ""
    distance = ""
    if distances:
        distance = f'<td data-label="Distance">{"unknown" if source.distance is None else f"{source.distance:.2f} m"}</td>'
    return (
        f'<tr><td><span class="badge" style="--fill:{look.fill};--on-fill:{look.ink}">{number}</span></td>'
        f'<td class="direction"><span class="where">{_compass(source, look.fill)}'
        f"<span>{called}{escape(direction(source))}{mirrored}</span></span></td>"
        f'{distance}<td class="first" data-label="Level">{_level(source)}</td>'
        f'<td data-label="Active">{_duration(seconds)}<small>{share:.0f} %</small></td>'
        f'<td data-label="Confidence">{source.confidence:.2f}'
        f'<span class="gauge" aria-hidden="true"><i style="width:{100 * source.confidence:.0f}%"></i></span></td>'
        f'<td class="play"><a class="listen" href="#voice-{number}" data-plays="player-{number}"><span>Play</span>'
        f'<span class="unseen"> source {number}</span></a></td></tr>'
    )


def _compass(source: Source, colour: str) -> str:
    ring = '<circle class="compass-ring" cx="22" cy="22" r="17"/><line class="compass-front" x1="22" y1="1" x2="22" y2="9"/>'
    if source.azimuth is None:
        return f'<svg viewBox="0 0 44 44" role="img" aria-label="azimuth unknown">{ring}</svg>'
    x, y = 22 - 17 * math.sin(source.azimuth), 22 - 17 * math.cos(source.azimuth)
    return (
        f'<svg viewBox="0 0 44 44" role="img" aria-label="compass, front is up">{ring}'
        f'<line x1="22" y1="22" x2="{x:.1f}" y2="{y:.1f}" stroke="{colour}" stroke-width="3"/>'
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4.5" fill="{colour}"/></svg>'
    )


def _level(source: Source) -> str:
    return minus(f"{source.level_db:.1f} dB") if math.isfinite(source.level_db) else "silent"


def _duration(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds <= 120 else clock(seconds, seconds) + (" min" if seconds < 3600 else " h")


def _list(sentences: Sequence[str]) -> str:
    return "<ul>" + "".join(f"<li>{escape(sentence)}</li>" for sentence in sentences) + "</ul>"
