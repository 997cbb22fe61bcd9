"""Which array for which purpose: what is obvious comes out, equal arrays are said to be equal, mistakes are named."""

import dataclasses
import json
import math
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from arrayscene import MicrophoneArray
from arrayscene.design.compare import EQUAL, Comparison, advice, compare, good_at, headline, reasons, weak_at
from arrayscene.design.measure import measure
from arrayscene.design.numbers_json import dumps
from arrayscene.design.page import write_page
from arrayscene.design.purposes import PURPOSES, Criterion
from arrayscene.errors import ArraySceneError, GeometryError


@pytest.fixture(scope="module")
def conference() -> Comparison:
    return compare(["circular:4:0.05", "linear:4:0.05"], "conference")


@pytest.mark.parametrize("purpose", PURPOSES.values(), ids=PURPOSES)
def test_points_add_up_to_a_hundred(purpose) -> None:
    assert sum(criterion.weight for criterion in purpose.criteria) == 100
    numbers = measure(MicrophoneArray.circular(4, 0.04), purpose).numbers
    for criterion in purpose.criteria:
        assert math.isfinite(numbers[criterion.figure])
        assert criterion.share(criterion.poor) == 0
        assert criterion.share(criterion.good) == 1


def test_points_grow_towards_the_good_end_and_know_infinity() -> None:
    error = Criterion("e", "error", 10, 10.0, 0.1, "°", "")
    assert error.share(1.0) == pytest.approx(0.5)
    assert [error.share(value) for value in (math.inf, 20.0, 0.01)] == [0, 0, 1]
    limit = Criterion("f", "limit", 10, 1000.0, 4000.0, "Hz", "")
    assert limit.share(2000.0) == pytest.approx(0.5)
    assert [limit.share(value) for value in (500.0, math.inf)] == [0, 1]


@pytest.mark.parametrize(
    ("purpose", "better", "worse"),
    [
        ("conference", "circular:6:0.05", "linear:6:0.05"),
        ("conference", "circular:8:0.05", "circular:3:0.02"),
        ("robot", "spherical:8:0.05", "linear:8:0.02"),
        ("robot", "spherical:8:0.05", "circular:8:0.05"),
        ("robot", "spherical:8:0.05", "spherical:8:0.5"),
        ("recognition", "circular:12:0.05", "circular:3:0.05"),
        ("recognition", "linear:8:0.04", "linear:2:0.04"),
        ("imaging", "spiral:24:0.25", "circular:6:0.05"),
        ("imaging", "spiral:16:0.2", "linear:16:0.02"),
        ("imaging", "spiral:24:0.25", "rectangular:5x5:0.1"),
    ],
)
def test_the_obviously_better_array_wins(purpose: str, better: str, worse: str) -> None:
    comparison = compare([worse, better], purpose)
    assert comparison.best == [comparison.entries[1]]
    assert comparison.entries[1].points - comparison.entries[0].points > 2 * EQUAL


def test_points_do_not_depend_on_the_others(conference: Comparison) -> None:
    alone = compare(["circular:4:0.05"], "conference").entries[0]
    assert alone.scores == conference.entries[0].scores


def test_a_turned_and_reordered_array_is_equal() -> None:
    ring = MicrophoneArray.circular(5, 0.05)
    turned = dataclasses.replace(ring.rotated(yaw=2 * math.pi / 5), name="turned")
    comparison = compare([ring, turned], "conference")
    assert [entry.rank for entry in comparison.entries] == [1, 1]
    assert "are equal" in headline(comparison)
    assert "alike in every figure" in reasons(comparison)[0]


def test_of_equal_arrays_that_with_fewer_microphones_is_recommended() -> None:
    comparison = compare(["linear:3:0.05", "linear:2:0.1"], "robot")
    if abs(comparison.entries[0].points - comparison.entries[1].points) <= EQUAL:
        assert comparison.best[0].label == "linear-2-0.1m"
        assert "linear-2-0.1m does it with the fewest microphones" in headline(comparison)
    pair = compare(["uma8", "circular:6:0.043"], "conference")
    assert [entry.label for entry in pair.best] == ["circular-6-0.043m", "uma-8"]
    assert "circular-6-0.043m does it with the fewest microphones" in headline(pair)


def test_the_recommendation_says_what_decided(conference: Comparison) -> None:
    assert headline(conference).startswith("For a conference take circular-4-0.05m: ")
    assert "unambiguous azimuths (100 % against" in reasons(conference)[0]
    ring, line = conference.entries
    assert any("unambiguous" in text for text in good_at(ring))
    assert any("unambiguous" in text for text in weak_at(line))
    assert any("wall or a screen" in text for text in advice(line, conference.purpose))
    assert not any("mirror" in text for text in advice(ring, conference.purpose))
    single = compare(["linear:2:0.1"], "robot")
    assert "poorly suited to a robot" in headline(single)
    assert reasons(single) == []


def test_directional_microphones_can_resolve_doubles() -> None:
    """Cardioids that look to both sides of their line tell front from back."""
    line = np.column_stack([np.zeros(4), np.linspace(-0.06, 0.06, 4), np.zeros(4)])
    sides = np.array([[1.0, 0, 0], [-1.0, 0, 0]] * 2)
    omni = MicrophoneArray.from_positions(line, name="omni")
    cardioids = MicrophoneArray.from_positions(line, name="cardioids", directivity=0.5, orientations=sides)
    alike = MicrophoneArray.from_positions(line, name="alike", directivity=0.5, orientations=sides[[0, 0, 0, 0]])
    shares = [measure(array, PURPOSES["conference"]).numbers["unambiguous"] for array in (omni, cardioids, alike)]
    assert max(shares[0], shares[2]) < 0.6
    assert shares[1] > 0.9


@pytest.mark.parametrize(
    ("arrays", "purpose", "kind", "message"),
    [
        (["uma8"], "party", ArraySceneError, "known are conference, robot, recognition, imaging"),
        (["uma8"], "robots", ArraySceneError, "did you mean 'robot'"),
        (["uma8", "UMA-8"], "robot", GeometryError, "came twice"),
        (["uma8", "circular:1:0.05"], "robot", GeometryError, "has one microphone"),
        (["uma-9"], "robot", GeometryError, "did you mean 'uma-8'"),
        ([], "robot", GeometryError, "0 arrays came"),
        ([f"circular:{n}:0.05" for n in range(2, 10)], "robot", GeometryError, "8 arrays came; one to 7"),
    ],
)
def test_mistakes_are_named(arrays: list[str], purpose: str, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        compare(arrays, purpose)


def test_json_holds_the_numbers(conference: Comparison) -> None:
    content = json.loads(dumps(conference))
    ring, line = content["arrays"]
    assert content["recommended"] == "circular-4-0.05m"
    assert ring["points"] == pytest.approx(sum(ring["points_by_figure"].values()), abs=0.3)
    assert (ring["n_mics"], ring["ambiguity"], line["ambiguity"]) == (4, "mirror", "cone")
    sizes = {len(line["over_frequency"]["frequency_hz"]), len(line["over_frequency"]["superdirective"]["directivity_index_db"])}
    assert sizes == {39}
    assert line["angle_error_deg"]["worst_tenth"][0] > line["angle_error_deg"]["median"][0]
    assert ring["patterns"]["delay_and_sum_db"][0][0] == pytest.approx(0.0, abs=0.01)
    assert None in json.loads(dumps(compare(["spiral:12:0.02"], "conference")))["arrays"][0]["over_direction"]["aliasing_hz"]


class Reader(HTMLParser):
    """Tags that are opened and closed, and what the page points to."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []
        self.alts: list[str] = []
        self.words = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ("meta", "link", "img", "br"):
            self.open.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href")]
        self.alts += [value or "" for name, value in attrs if name == "alt"]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data


def read(path: Path) -> Reader:
    reader = Reader()
    reader.feed(path.read_text(encoding="utf-8"))
    reader.close()
    assert reader.open == []
    return reader


def test_the_page_needs_nothing_else(conference: Comparison, tmp_path: Path) -> None:
    write_page(conference, tmp_path / "page.html")
    page = read(tmp_path / "page.html")
    assert all(link.startswith("data:") for link in page.links)
    assert len(page.alts) == 6
    assert all(page.alts)
    for words in ("circular-4-0.05m", "Beam patterns", "Spatial aliasing", "Least direction error", "self-noise", "Mbit/s"):
        assert words in page.words
    write_page(conference, tmp_path / "again.html")
    assert (tmp_path / "again.html").read_bytes() == (tmp_path / "page.html").read_bytes()


def test_any_name_can_be_shown(tmp_path: Path) -> None:
    names = ["<b>$x_1$</b> & name", "span", "a very long name of an array that nobody would want to read in a table"]
    arrays = [dataclasses.replace(MicrophoneArray.circular(3 + i, 0.05), name=name) for i, name in enumerate(names)]
    write_page(compare(arrays, "imaging"), tmp_path / "page.html")
    assert all(name in read(tmp_path / "page.html").words for name in names)


def test_arrays_of_one_name_are_told_apart() -> None:
    other = dataclasses.replace(MicrophoneArray.circular(4, 0.05), name="uma-8")
    assert [entry.label for entry in compare(["uma8", other], "recognition").entries] == ["uma8", "uma-8"]
    twins = [dataclasses.replace(MicrophoneArray.circular(n, 0.05), name="mine") for n in (3, 4)]
    assert [entry.label for entry in compare(twins, "recognition").entries] == ["mine (1)", "mine (2)"]


def test_a_page_that_cannot_be_written_leaves_nothing(conference: Comparison, tmp_path: Path) -> None:
    with pytest.raises(ArraySceneError, match="cannot be written"):
        write_page(conference, tmp_path / "nowhere" / "page.html")
    assert list(tmp_path.iterdir()) == []
