"""The folder: whole or not at all, and never at the price of somebody's files."""

import errno
import json
import os
import re

import numpy as np
import pytest
import soundfile

from arrayscene.errors import RecordingError
from arrayscene.report import check_target, page, write_scene, writer

RTTM = re.compile(r"SPEAKER (\S+) 1 (\d+\.\d{3}) (\d+\.\d{3}) <NA> <NA> (\S+) <NA> <NA>")


def contents(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def test_folder_is_complete(make_scene, tmp_path):
    folder = write_scene(make_scene(), tmp_path / "new" / "scene")
    pictures = {"activity.png", "array.png", "polar.png", "reliability.png", "sound-map.png", "spectrograms.png"}
    written = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert written == pictures | {"scene.json", "scene.rttm", "report.html", *(f"sources/source-{n}.wav" for n in (1, 2, 3))}
    assert set(json.loads((folder / "scene.json").read_text())["files"]) == written
    assert contents(tmp_path / "new") == ["scene", *(f"scene/{name}" for name in contents(folder))]


def test_sources_are_exact(make_scene, tmp_path):
    scene = make_scene(amplitude=3.0)
    folder = write_scene(scene, tmp_path / "scene", report=False)
    for number, source in enumerate(scene.sources, start=1):
        samples, rate = soundfile.read(folder / f"sources/source-{number}.wav", dtype="float32")
        assert rate == scene.sample_rate
        np.testing.assert_array_equal(samples, source.signal)
    assert soundfile.info(folder / "sources/source-1.wav").subtype == "FLOAT"


def test_without_the_report_only_data_is_written(make_scene, tmp_path):
    folder = write_scene(make_scene(n_sources=1), tmp_path / "scene", report=False)
    assert contents(folder) == ["scene.json", "scene.rttm", "sources", "sources/source-1.wav"]


def test_rttm_is_ordered_and_has_no_spaces_in_names(make_scene, tmp_path):
    folder = write_scene(make_scene(), tmp_path / "scene", report=False)
    lines = [RTTM.fullmatch(line) for line in (folder / "scene.rttm").read_text().splitlines()]
    assert all(lines)
    assert len(lines) == 6
    onsets = [float(line[2]) for line in lines]
    assert onsets == sorted(onsets)
    assert {line[1] for line in lines} == {"meeting_room"}
    assert {line[4] for line in lines} == {"source-1", "source-2", "source-3"}


def test_nothing_found_still_writes_everything(make_scene, tmp_path):
    folder = write_scene(make_scene(n_sources=0), tmp_path / "scene")
    assert (folder / "scene.rttm").read_text() == ""
    assert (folder / "report.html").exists()


def test_empty_folder_is_taken(make_scene, tmp_path):
    (tmp_path / "scene").mkdir()
    assert (write_scene(make_scene(n_sources=1), tmp_path / "scene", report=False) / "scene.json").exists()


def test_finished_folder_has_the_usual_permissions(make_scene, tmp_path):
    (tmp_path / "usual").mkdir()
    folder = write_scene(make_scene(n_sources=0), tmp_path / "scene", report=False)
    assert folder.stat().st_mode == (tmp_path / "usual").stat().st_mode


def test_earlier_scene_is_kept_unless_told(make_scene, tmp_path):
    folder = write_scene(make_scene(), tmp_path / "scene", report=False)
    before = (folder / "scene.json").read_text()
    with pytest.raises(RecordingError, match="holds a scene already"):
        write_scene(make_scene(n_sources=1), folder, report=False)
    assert (folder / "scene.json").read_text() == before


def test_overwriting_leaves_nothing_of_the_earlier_scene(make_scene, tmp_path):
    folder = write_scene(make_scene(n_sources=3), tmp_path / "scene", report=False)
    write_scene(make_scene(n_sources=1), folder, overwrite=True, report=False)
    assert contents(folder) == ["scene.json", "scene.rttm", "sources", "sources/source-1.wav"]
    assert contents(tmp_path)[0] == "scene"
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("text", [None, "{}", "not json", '{"format": "arrayscene.scene"}', "[]"])
def test_folders_of_others_are_refused(tmp_path, overwrite, text):
    (tmp_path / "thesis.docx").write_text("years of work")
    if text is not None:
        (tmp_path / "scene.json").write_text(text)
    with pytest.raises(RecordingError, match="files that are not a scene"):
        check_target(tmp_path, overwrite)


def test_a_note_left_in_a_scene_is_not_lost(make_scene, tmp_path):
    folder = write_scene(make_scene(n_sources=1), tmp_path / "scene", report=False)
    (folder / "sources" / "my notes.txt").write_text("source 1 is Anna")
    with pytest.raises(RecordingError, match=r"1 other file \(sources/my notes.txt\)"):
        write_scene(make_scene(), folder, overwrite=True, report=False)
    assert (folder / "sources" / "my notes.txt").exists()


def test_a_file_in_the_way_is_refused(tmp_path):
    (tmp_path / "scene").write_text("mine")
    with pytest.raises(RecordingError, match="is a file"):
        check_target(tmp_path / "scene")
    with pytest.raises(RecordingError, match="is a file"):
        check_target(tmp_path / "scene" / "inner")


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="the superuser may write anywhere")
def test_a_folder_that_cannot_be_written_is_refused(make_scene, tmp_path):
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(RecordingError, match="cannot be written"):
            write_scene(make_scene(n_sources=0), tmp_path / "scene", report=False)
    finally:
        tmp_path.chmod(0o700)


def test_a_parent_that_takes_nothing_is_refused(tmp_path, monkeypatch):
    def refuse(path, *_):
        raise OSError(errno.EROFS, "Read-only file system")

    check_target(tmp_path / "new" / "scene")
    assert list(tmp_path.iterdir()) == []
    # Not by permissions, which the superuser has even where nothing can be written.
    monkeypatch.setattr(os, "mkdir", refuse)
    with pytest.raises(RecordingError, match=r"cannot be written \(Read-only file system\)"):
        check_target(tmp_path / "new" / "scene")


@pytest.mark.parametrize(
    ("failure", "raised", "words"),
    [
        (KeyboardInterrupt(), KeyboardInterrupt, "^$"),
        (OSError(errno.ENOSPC, "No space left on device"), RecordingError, "disk is full"),
        (PermissionError(errno.EACCES, "Permission denied"), RecordingError, "Permission denied"),
        (ValueError("a fault"), ValueError, "a fault"),
    ],
)
def test_a_failure_midway_leaves_nothing(make_scene, tmp_path, monkeypatch, failure, raised, words):
    def fail(scene, folder):
        (folder / "report.html").write_text("half a")
        raise failure

    monkeypatch.setattr(page, "write_page", fail)
    with pytest.raises(raised, match=words):
        write_scene(make_scene(), tmp_path / "deep" / "down" / "scene")
    assert contents(tmp_path) == []


def test_a_failure_midway_keeps_the_earlier_scene(make_scene, tmp_path, monkeypatch):
    folder = write_scene(make_scene(), tmp_path / "scene", report=False)
    before = contents(tmp_path)

    def interrupt(scene):
        raise KeyboardInterrupt

    monkeypatch.setattr(writer, "rttm", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_scene(make_scene(n_sources=1), folder, overwrite=True)
    assert contents(tmp_path) == before


def test_a_failed_swap_puts_the_earlier_scene_back(make_scene, tmp_path, monkeypatch):
    folder = write_scene(make_scene(), tmp_path / "scene", report=False)
    before = contents(tmp_path)
    rename = writer.Path.rename

    def interrupted(self, target):
        if self.name.endswith(".partial"):
            raise KeyboardInterrupt
        return rename(self, target)

    monkeypatch.setattr(writer.Path, "rename", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_scene(make_scene(n_sources=1), folder, overwrite=True, report=False)
    assert contents(tmp_path) == before


def test_a_wav_cut_short_by_a_full_disk_is_noticed(make_scene, tmp_path, monkeypatch):
    def short_write(*arguments, **options):
        raise AssertionError

    monkeypatch.setattr(soundfile, "write", short_write)
    with pytest.raises(RecordingError, match="could not be written whole"):
        write_scene(make_scene(), tmp_path / "scene")
    assert contents(tmp_path) == []
