"""The configuration: a page that is read, written and checked."""

from pathlib import Path

import pytest

from arrayscene.errors import ArraySceneError, RecordingError
from arrayscene.training import TrainingConfig
from arrayscene.training.network import NetworkConfig


@pytest.mark.parametrize("suffix", [".toml", ".json"])
def test_what_was_written_is_read(suffix: str, tmp_path: Path) -> None:
    config = NetworkConfig(seed=3, speech="my speech", learning_rate=1e-4, crop=20)
    config.save(tmp_path / f"config{suffix}")
    assert NetworkConfig.load(tmp_path / f"config{suffix}") == config


def test_what_a_file_leaves_out_keeps_its_default(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("n_steps = 7\nlearning_rate = 1\n")
    assert NetworkConfig.load(tmp_path / "config.toml") == NetworkConfig(n_steps=7, learning_rate=1.0)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("n_step = 3", "n_step'; did you mean 'n_steps'"),
        ("batch = 0", "batch = 0 came; 1 or more"),
        ("batch = 2.5", "batch = 2.5 came; a whole number"),
        ("batch = true", "batch = True came; a whole number"),
        ("speech = 3", "speech = 3 came; a word"),
        ("learning_rate = nan", "learning_rate = nan came; a number"),
        ("precision = '8'", "precision = '8' came; one of 32, 16-mixed, bf16-mixed"),
        ("ema = 1.0", "ema = 1.0 came"),
        ("narrowband = 2", "narrowband = 2.0 came"),
        ("duration = -1", "duration = -1.0 came"),
        ("n_steps =", "not valid"),
    ],
)
def test_mistakes_in_a_file_are_named(line: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(line)
    with pytest.raises(ArraySceneError, match=message) as found:
        NetworkConfig.load(path)
    assert str(path) in str(found.value)


def test_a_missing_file_and_other_suffixes_are_named(tmp_path: Path) -> None:
    with pytest.raises(ArraySceneError, match=r"none.toml: No such file"):
        TrainingConfig.load(tmp_path / "none.toml")
    with pytest.raises(ArraySceneError, match=r"'.yaml' came"):
        TrainingConfig().save(tmp_path / "config.yaml")
    with pytest.raises(RecordingError, match="did you mean 'batch'"):
        TrainingConfig().with_changes(batches=2)
