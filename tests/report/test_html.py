"""The page: well formed, needs nothing from outside, and says what it shows to everybody."""

import base64
import io
import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise

import numpy as np
import pytest
import soundfile

from arrayscene.array import MicrophoneArray
from arrayscene.report import audio, write_scene

VOID = {"meta", "link", "img", "br", "hr", "input"}


class Page(HTMLParser):
    """Every element with its attributes, every word; fails on tags that do not match."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.words, self._open = [], "", []
        self.feed(text)
        self.close()
        assert not self._open

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        if not {"script", "style"} & set(self._open):
            self.words += data

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


def read(scene, tmp_path):
    return Page((write_scene(scene, tmp_path / "scene") / "report.html").read_text(encoding="utf-8"))


def decode(source):
    return soundfile.read(io.BytesIO(base64.b64decode(source.split(",", 1)[1])), dtype="float32")


LINE = MicrophoneArray.linear(4, 0.05)
UPRIGHT = MicrophoneArray.linear(4, 0.05, axis="z")
MANY = MicrophoneArray.circular(24, 0.1)


@pytest.mark.parametrize("given", [{}, {"n_sources": 0}, {"n_sources": 9}, {"array": LINE}, {"array": UPRIGHT}, {"array": MANY}])
def test_page_needs_nothing_else(make_scene, tmp_path, given):
    page = read(make_scene(**given), tmp_path)
    text = (tmp_path / "scene" / "report.html").read_text(encoding="utf-8")
    for _, attributes in page.elements:
        for name in ("src", "href", "srcset", "poster", "data"):
            assert not re.match(r"\s*(https?:)?//", attributes.get(name) or "")
    assert "@import" not in text
    assert not re.search(r"url\(\s*['\"]?(?!data:)", text)
    assert all(image["src"].startswith("data:image/png;base64,") for image in page.all("img"))


def test_every_signal_has_a_labelled_player(make_scene, tmp_path):
    scene = make_scene()
    page = read(scene, tmp_path)
    players = page.all("audio")
    assert [player["aria-label"].split(",")[0] for player in players] == ["Mixture", "Source 1", "Source 2", "Source 3"]
    for player, signal in zip(players, [scene.mixture, *(source.signal for source in scene.sources)], strict=True):
        samples, rate = decode(player["src"])
        assert rate == scene.sample_rate
        np.testing.assert_allclose(samples, signal, atol=1e-4)
    assert {link["data-plays"] for link in page.all("a") if "data-plays" in link} <= {player["id"] for player in players}


def test_pictures_have_words_and_headings_have_order(make_scene, tmp_path):
    page = read(make_scene(), tmp_path)
    assert len(page.all("img")) == 5 + 4
    assert all(len(image["alt"]) > 20 for image in page.all("img"))
    assert len(page.all("h1")) == 1
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch(r"h\d", tag)]
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert page.all("html") == [{"lang": "en"}]


def test_page_says_what_was_found(make_scene, tmp_path):
    page = read(make_scene(warnings=["Channel 3 is silent."]), tmp_path)
    assert "Three sources at 30° (front left), \N{MINUS SIGN}75° (right) and 150° (back left)" in page.words
    assert "energy is left unexplained" in page.words
    for words in (
        "Channel 3 is silent.",
        "Speed of sound 343.2 m/s.",
        "as many microphones as sources",
        "Mend what the warnings name",
    ):
        assert words in page.words


def test_line_array_is_told_apart(make_scene, tmp_path):
    page = read(make_scene(array=LINE), tmp_path)
    assert "or mirrored: 150°" in page.words
    assert "mirror image" in page.words


def test_nothing_found_is_said(make_scene, tmp_path):
    page = read(make_scene(n_sources=0, mixture=np.zeros(24000, dtype=np.float32)), tmp_path)
    assert "No source was found in this recording." in page.words
    assert [player["aria-label"].split(",")[0] for player in page.all("audio")] == ["Mixture"]


def test_unknown_direction_and_silence_are_said(make_scene, tmp_path):
    scene = make_scene(n_sources=1)
    unknown = replace(scene.sources[0], azimuth=None, elevation=None, active=np.empty((0, 2)), level_db=-np.inf)
    page = read(replace(scene, sources=[unknown]), tmp_path)
    assert "direction unknown" in page.words
    assert "silent" in page.words


def test_names_from_files_cannot_break_the_page(make_scene, tmp_path):
    hostile = '<script>alert("x")</script> & "quoted".wav'
    page = read(make_scene(n_sources=1, inputs=[hostile], warnings=[hostile], why=hostile, method=hostile), tmp_path)
    assert len(page.all("script")) == 1
    assert hostile in page.words


def test_one_frame_is_enough(make_scene, tmp_path):
    assert "sources" in read(make_scene(seconds=0.02), tmp_path).words


@pytest.mark.parametrize(("amplitude", "gain_db"), [(0.01, 1), (5.0, -1)])
def test_very_quiet_or_too_loud_sound_is_moved_together(make_scene, tmp_path, amplitude, gain_db):
    scene = make_scene(amplitude=amplitude)
    page = read(scene, tmp_path)
    stated = re.search(r"is (raised|lowered) by (?:the same )?(\d+) dB", page.words)
    assert (stated[1] == "raised") == (gain_db > 0)
    factor = 10 ** (np.sign(gain_db) * int(stated[2]) / 20)
    for player, signal in zip(page.all("audio"), [scene.mixture, *(s.signal for s in scene.sources)], strict=True):
        np.testing.assert_allclose(decode(player["src"])[0], np.clip(factor * signal, -1, 1), atol=1e-4)


def test_longer_recordings_hold_mp3_and_long_ones_link(make_scene, tmp_path, monkeypatch):
    monkeypatch.setattr(audio, "LOSSLESS_SECONDS", 1.0)
    page = read(make_scene(n_sources=1), tmp_path / "middle")
    assert all(player["src"].startswith("data:audio/mpeg;base64,") for player in page.all("audio"))
    assert "MP3" in page.words
    monkeypatch.setattr(audio, "EMBEDDED_SECONDS", 2.0)
    page = read(make_scene(n_sources=1), tmp_path / "long")
    links = [player["src"] for player in page.all("audio")]
    assert links == ["sources/mixture.wav", "sources/source-1.wav"]
    assert all((tmp_path / "long" / "scene" / link).exists() for link in links)
    assert "keep them beside the page" in page.words


def test_an_hour_gives_pictures_of_ordinary_size(make_scene, tmp_path):
    scene = make_scene(n_sources=1, seconds=3600.0, sample_rate=4000)
    page = read(scene, tmp_path)
    assert (tmp_path / "scene" / "report.html").stat().st_size < 2_000_000
    assert "1:00:00 h" in page.words


def test_drawings_in_the_page_are_valid(make_scene, tmp_path):
    read(make_scene(), tmp_path)
    text = (tmp_path / "scene" / "report.html").read_text(encoding="utf-8")
    drawings = re.findall(r"<svg.*?</svg>", text)
    assert len(drawings) == 3
    for drawing in drawings:
        ET.fromstring(drawing)
