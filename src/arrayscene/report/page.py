"""The report: one HTML file that needs nothing else to be read and heard, and its pictures beside it."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from arrayscene.report import figures, sections
from arrayscene.report.audio import Playback, playback
from arrayscene.report.palette import COLOUR_MAP, frequency_ticks, source_colour, time_ticks, time_unit
from arrayscene.report.scene_json import source_file
from arrayscene.report.sentences import headline, minus, next_steps
from arrayscene.report.spectra import column_seconds, mel, overall_residual_db, spectrogram
from arrayscene.report.spectral_figures import (
    DYNAMIC_RANGE_DB,
    brightest_db,
    reliability_figure,
    spectrogram_figure,
    uncertainty_figure,
)
from arrayscene.scene import Scene

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MIXTURE_FILE = "sources/mixture.wav"
"""Written only when the page plays files."""


def write_page(scene: Scene, folder: Path) -> None:
    """Write report.html and its PNGs into `folder`, which exists.

    Cost: about a second for ten seconds of four sources, half of it matplotlib's import. Beyond two minutes the players hold MP3,
    beyond ten they play the WAV files beside the page; pictures never have more than a thousand columns.
    """
    player = playback([scene.mixture, *(source.signal for source in scene.sources)], scene.sample_rate)
    if player.coding == "file":
        from arrayscene.report.audio import write_wav

        write_wav(folder / _MIXTURE_FILE, scene.mixture, scene.sample_rate)
    with (folder / "report.html").open("w", encoding="utf-8") as page:
        page.writelines(_page(scene, folder, player))


def _page(scene: Scene, folder: Path, player: Playback) -> Iterator[str]:
    """The page in pieces, so that only one player's sound is in memory at a time."""
    residual_db = overall_residual_db(scene)
    name = ", ".join(Path(str(name)).name for name in scene.inputs) or "a recording"
    result = headline(scene, residual_db)
    yield (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>Audio scene of {escape(name)}</title><link rel="icon" href="data:,">'
        f"<style>{_asset('page.css')}</style></head>\n<body>"
        f'<header><p class="kicker">Audio scene of {escape(name)}</p><h1>{escape(result)}</h1>{sections.facts(scene)}</header>\n'
        "<main>"
    )
    yield sections.warnings(scene)
    yield sections.sources(scene)
    yield _where(scene, folder)
    yield from _listen(scene, folder, player)
    yield _trust(scene, folder, residual_db)
    yield _uncertainty(scene, folder)
    yield sections.next_steps(next_steps(scene, residual_db))
    yield sections.how(scene)
    yield sections.files(scene, [_MIXTURE_FILE] if player.coding == "file" else [])
    yield f"</main>\n<footer><p>{sections.CONVENTIONS}</p></footer><script>{_asset('page.js')}</script></body></html>\n"


def _where(scene: Scene, folder: Path) -> str:
    places = sections.places_in_words(scene)
    moves = any(source.path is not None for source in scene.sources)
    tracks = "Lines: tracks of the sources, bold where they sound." if moves else "Solid line: the source sounds."
    around = " Arcs: where each source has been while it sounded; its number stands where it was last." if moves else ""
    hint = " Dashed, with a question mark: mirror images that this array cannot rule out." if scene.ambiguity == "cone" else ""
    zero = f" Azimuth 0 is {scene.array.zero_direction}." if scene.array.zero_direction else ""
    return (
        '<section id="where"><h2>Where</h2><div class="pair">'
        + _figure(figures.top_view_figure(scene), folder, "array.png",
                  f"The array from above with the sources around it; {places}.",
                  f"The microphones from above, to scale, with file channels as numbers.{zero}{hint}{around}")
        + _figure(figures.polar_figure(scene), folder, "polar.png", f"Steered response power around the array; {places}.",
                  "Where the sound came from over the whole recording, the further out the more power.")
        + "</div>"
        + _figure(figures.sound_map_figure(scene), folder, "sound-map.png", f"Sound map over azimuth and time; {places}.",
                  "Sound map: the brighter, the more the microphones agree that sound came from there. "
                  f"{tracks}")
        + _figure(figures.activity_figure(scene), folder, "activity.png",
                  f"Activity timeline. {sections.activity_in_words(scene)}", "When each source sounds.")
        + "</section>\n"
    )  # fmt: skip


def _listen(scene: Scene, folder: Path, player: Playback) -> Iterator[str]:
    signals = [scene.mixture, *(source.signal for source in scene.sources)]
    names = ["Mixture", *(f"Source {number}" for number in range(1, len(signals)))]
    levels = [spectrogram(signal, scene.sample_rate) for signal in signals]
    seconds = column_seconds(len(scene.mixture), scene.sample_rate)
    # The page shows bare strips with axes of its own, which stay legible on a phone; the file is for papers and slides.
    _save(spectrogram_figure(levels, names, seconds, scene.duration, scene.sample_rate), folder / "spectrograms.png")
    high = brightest_db(levels)
    hint = escape(sections.how_it_plays(player))
    yield f'<section id="listen"><h2>Listen</h2><p class="lead on-screen">{hint}</p>{_colour_scale(high)}'
    for index, (signal, name, level) in enumerate(zip(signals, names, levels, strict=True)):
        file = _MIXTURE_FILE if index == 0 else source_file(index)
        span = scene.duration / max(seconds * level.shape[1], 1e-9)
        yield _voice(scene, index, name, _strip(level, high, span), player.source(signal, scene.sample_rate, file))
    yield "</section>\n"


def _voice(scene: Scene, index: int, name: str, strip: str, source: str) -> str:
    look = source_colour(index) if index else None
    badge = f'<span class="badge" style="--fill:{look.fill};--on-fill:{look.ink}">{index}</span>' if look else ""
    about = sections.source_in_words(scene, index) if index else f"what the microphone of channel {scene.reference_channel} heard"
    top = float(mel(scene.sample_rate / 2))
    pitch = "".join(f'<span style="bottom:{100 * float(mel(hz)) / top:.1f}%">{text}</span>'
                    for hz, text in frequency_ticks(scene.sample_rate))  # fmt: skip
    ticks = [tick for tick in time_ticks(scene.duration) if tick[0] <= 0.97 * scene.duration]
    clock = "".join(
        f'<span{" class=minor" if i % 2 else ""} style="left:{100 * at / max(scene.duration, 1e-9):.2f}%">{text}'
        f"{'' if i else ' ' + time_unit(scene.duration)}</span>"
        for i, (at, text) in enumerate(ticks)
    )
    return (
        f'<article class="voice" id="voice-{index}"><h3>{badge}{name} <small>{escape(about)}</small></h3>'
        f'<div class="strip"><div class="pitch" aria-hidden="true">{pitch}</div>'
        f'<div class="picture" data-player="player-{index}" data-seconds="{scene.duration:.3f}">'
        f'<img src="{strip}" alt="Spectrogram of {name.lower()}: {escape(about)}"><i class="playhead"></i></div></div>'
        f'<div class="strip clock" aria-hidden="true">{clock}</div>'
        f'<audio id="player-{index}" controls preload="metadata" aria-label="{name}, {escape(about)}" src="{escape(source)}">'
        "</audio></article>\n"
    )


def _trust(scene: Scene, folder: Path, residual_db: float) -> str:
    return (
        f'<section id="trust"><h2>How far to trust it</h2><p>{escape(sections.trust_in_words(scene, residual_db))}</p>'
        + _figure(reliability_figure(scene), folder, "reliability.png",
                  "Reliability, residual, condition number and noise gain over frequency. "
                  f"{sections.trust_in_words(scene, residual_db)}",
                  "Reliability: the share of what is returned that can be right; it falls where the sources look alike to the "
                  "array and where the recording holds more than them. Residual: energy that the sources do not explain, 0 dB "
                  "being all of it. Condition number: how alike the sources look to the array; 1 is ideal. Noise gain: of the "
                  "inverse of that response; above 0 dB, keeping the sources apart amplifies the "
                  "microphones' own noise. Thin: a frequency; bold: a third-octave band.")
        + sections.assumptions(scene)
        + "</section>\n"
    )  # fmt: skip


def _uncertainty(scene: Scene, folder: Path) -> str:
    """What draws of the sources leave open; nothing where there were none."""
    if not any(source.uncertainty is not None for source in scene.sources):
        return ""
    words = sections.uncertainty_in_words(scene)
    return (
        f'<section id="uncertainty"><h2>What is left open</h2><p>{escape(words)}</p>'
        + _figure(uncertainty_figure(scene), folder, "uncertainty.png",
                  f"Expected error of every source over frequency and time. {words}",
                  "Expected error of each source, relative to the source itself: dark, the draws agree; bright, they do not, and "
                  "the sound there may be the others'. Grey: the source is silent, or nobody knows.")
        + "</section>\n"
    )  # fmt: skip


def _figure(figure: Figure, folder: Path, name: str, alt: str, caption: str) -> str:
    picture = _save(figure, folder / name)
    return (
        f'<figure class="figure"><div class="sheet" tabindex="0">'
        f'<img src="data:image/png;base64,{picture}" alt="{escape(alt)}"></div>'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )


def _save(figure: Figure, path: Path) -> str:
    """Write the PNG and return it in base64."""
    # Light compression: a picture takes a tenth of the time and half as much space again.
    figure.savefig(path, metadata={"Software": None}, pil_kwargs={"compress_level": 1})
    return base64.b64encode(path.read_bytes()).decode("ascii")


def _strip(levels: NDArray[np.float32], high: float, span: float) -> str:
    """Spectrogram as a bare picture in the colours of the figures; `span` is the share of its columns inside the recording."""
    from PIL import Image

    shown = levels[::-1, : max(1, round(levels.shape[1] * span))]
    scaled = np.clip((shown - (high - DYNAMIC_RANGE_DB)) * (255.0 / DYNAMIC_RANGE_DB), 0, 255)
    image = Image.fromarray(scaled.astype(np.uint8))
    image.putpalette(_colours().tobytes())
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", compress_level=4)
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"


def _colour_scale(high: float) -> str:
    stops = ",".join(f"rgb({red},{green},{blue})" for red, green, blue in _colours()[::32])
    low, top = minus(f"{high - DYNAMIC_RANGE_DB:.0f}"), minus(f"{high:.0f}")
    return (
        f'<div class="scale"><span>{low} dB</span><i style="background:linear-gradient(90deg,{stops})"></i>'
        f"<span>{top} dB re full scale</span></div>"
    )


def _colours() -> NDArray[np.uint8]:
    """(256, 3) the colour map."""
    from matplotlib import colormaps

    return np.asarray(np.round(255 * colormaps[COLOUR_MAP](np.arange(256))[:, :3]), dtype=np.uint8)


def _asset(name: str) -> str:
    return files("arrayscene.report").joinpath(name).read_text(encoding="utf-8")
