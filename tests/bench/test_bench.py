"""The benchmark makes the same scenes every time, scores what a method can do, and writes down what it found."""

from pathlib import Path

import numpy as np
import pytest

from arrayscene.bench import make_scenes, run
from arrayscene.bench.page import HEADINGS, markdown, quality_over_time, rows, table, write
from arrayscene.bench.peers import peers
from arrayscene.bench.run import Result
from arrayscene.errors import RecordingError, ShapeError


def test_a_scene_depends_on_its_number_alone() -> None:
    pytest.importorskip("pyroomacoustics", reason="scenes are rooms that pyroomacoustics simulates")
    both = make_scenes("triangle", 2, seconds=1.0)
    (second,) = make_scenes("triangle", 1, seconds=1.0, first=1)
    np.testing.assert_array_equal(both[1].samples, second.samples)
    assert not np.allclose(both[0].samples, second.samples)
    assert second.samples.shape == (3, 16000)
    assert second.targets.shape == (2, 16000)


def test_methods_of_ours_and_peers_are_scored_alike() -> None:
    pytest.importorskip("pyroomacoustics", reason="scenes are rooms that pyroomacoustics simulates")
    scenes = {"triangle": make_scenes("triangle", 1, seconds=2.5), "pair": make_scenes("pair", 1, seconds=2.5)}
    peer = next(name for name in peers() if name.startswith("pyroomacoustics AuxIVA"))
    found = run(["delay-and-sum", peer], scenes)
    # A determined peer has no result where there are more talkers than microphones.
    assert [(result.method, result.kind) for result in found] == [
        ("delay-and-sum", "triangle"),
        ("delay-and-sum", "pair"),
        (peer, "triangle"),
    ]
    assert all(np.isfinite(result.gain_db) and result.seconds > 0 and result.peak_mb > 50 for result in found)


def test_speech_and_kinds_that_are_not_there_are_named(tmp_path: Path) -> None:
    with pytest.raises(ShapeError, match="scenes 'none' came; known are triangle"):
        make_scenes("none", 1)
    with pytest.raises(RecordingError, match="0 audio files were found; a scene needs 2"):
        make_scenes("triangle", 1, speech=tmp_path)


def test_the_page_is_a_table_and_a_picture(tmp_path: Path) -> None:
    nan = float("nan")
    bench = [
        Result("mvdr", "triangle", 2.0, 2.0, nan, nan, True, 0.5, 300.0),
        Result("auto, counting", "triangle", 12.0, 12.0, 0.9, 2.5, True, 1.0, 400.0),
        Result("auto, counting", "triangle", 10.0, 10.0, 0.7, 1.5, False, 3.0, 500.0),
    ]
    best, other = rows(bench)
    assert best == (
        "2 talkers, 3 microphones on 20 cm",
        "auto, counting",
        "11.00",
        "10.0",
        "11.00",
        "0.80",
        "2.00",
        "50 %",
        "2.00",
        "500",
    )
    assert other[1:5] == ("mvdr", "2.00", "2.0", "2.00")
    assert other[5:8] == ("", "", "")
    assert "| " + " | ".join(HEADINGS) + " |" in markdown(bench)
    written, picture = write(bench, tmp_path / "new")
    assert "auto, counting" in written.read_text()
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["separation.md", "separation.png"]


def test_columns_without_a_value_are_left_out() -> None:
    nan = float("nan")
    plain = Result("mvdr", "triangle", 2.0, 2.0, nan, nan, True, 0.5, 300.0)
    headings, cells = table([plain, plain._replace(method="auto", gain_db=1.0)])
    assert headings == ("scenes", "method", "SI-SDR gain dB", "worst dB", "SI-SDR dB", "seconds", "MB")
    assert [row[1:] for row in cells] == [
        ("mvdr", "2.00", "2.0", "2.00", "0.50", "300"),
        ("auto", "1.00", "1.0", "2.00", "0.50", "300"),
    ]
    page = markdown([plain])
    for heading in ("ESTOI", "PESQ", "count right"):
        assert heading not in page
    headings, _ = table([plain, plain._replace(method="auto", pesq=2.5)])
    assert "PESQ" in headings
    assert "ESTOI" not in headings


def test_names_in_the_picture_do_not_overlap() -> None:
    nan = float("nan")
    names = [f"a method with a long name {number}" for number in range(9)]
    bench = [
        Result(name, "triangle", 5.0 + 0.05 * number, 5.0, nan, nan, True, 2.0 + 0.03 * (number % 3), 100.0)
        for number, name in enumerate(names)
    ]
    figure = quality_over_time(bench)
    figure.draw_without_rendering()
    (axes,) = figure.axes
    boxes = [text.get_window_extent() for text in axes.texts]
    assert sorted(text.get_text() for text in axes.texts) == names
    frame = axes.get_window_extent()
    for number, box in enumerate(boxes):
        assert frame.x0 <= box.x0 < box.x1 <= frame.x1
        for other in boxes[:number]:
            assert min(box.x1, other.x1) <= max(box.x0, other.x0) or min(box.y1, other.y1) <= max(box.y0, other.y0)
