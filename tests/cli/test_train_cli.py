"""`arrayscene train`: what it says, what it refuses, and what it leaves for the same command to go on with."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from arrayscene.cli.main import app

pytest.importorskip("lightning_fabric", reason="training needs Lightning Fabric: pip install arrayscene[train]")

# The shipped voices are fewer than a scene may have talkers.
pytestmark = pytest.mark.filterwarnings("ignore::arrayscene.worlds.SpeechWarning")

SMALL = "n_examples = 1\nn_validation = 1\nduration = 1.0\ncrop = 24\nn_steps = 2\nevery = 2\nwidth = 4\ndeep = 4\n"


def run(*arguments: object):
    return CliRunner().invoke(app, ["train", *map(str, arguments)])


def test_a_training_with_the_shipped_voices() -> None:
    Path("small.toml").write_text(SMALL)
    words = ("network", "--config", "small.toml", "--seed", 3, "--accelerator", "cpu")
    result = run(*words)
    assert result.exit_code == 0, result.output
    assert "the six shipped voices" in result.stderr
    assert "step 2 of 2: loss" in result.stderr
    assert "network_db" in result.stderr
    assert "wrote network-training/weights.safetensors, after 2 of 2 steps" in result.stdout
    assert "seed = 3" in Path("network-training/config.toml").read_text()
    # Once more there is nothing left to do, and other values are refused.
    assert run(*words).exit_code == 0
    refused = run(*words, "--lr", 1)
    assert refused.exit_code == 2
    assert "learning_rate = 0.0015, not 1.0" in refused.stderr


def test_a_configuration_to_start_from() -> None:
    result = run("network", "--show-config", "--steps", 7, "--speech", "mine")
    assert result.exit_code == 0
    assert "n_steps = 7\n" in result.stdout
    assert 'speech = "mine"\n' in result.stdout
    Path("all.toml").write_text(result.stdout)
    assert run("network", "--config", "all.toml", "--show-config").stdout == result.stdout
    assert not Path("network-training").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("netwrk",), "recipe 'netwrk' came; did you mean 'network'?"),
        (("network", "--config", "none.toml"), "none.toml: No such file"),
        (("network", "--config", "wrong.toml"), "wrong.toml: NetworkConfig: there is no 'n_step'; did you mean 'n_steps'"),
        (("network", "--steps", 0), "--steps 0 came"),
        (("network", "--precision", "8"), "--precision '8' came"),
        (("network", "--accelerator", "abacus"), "accelerator 'abacus' came"),
        (("network", "--minutes", 0), "0.0 minutes came"),
        (("network", "--speech", "nowhere", "--accelerator", "cpu"), "speech nowhere: no such folder"),
    ],
)
def test_what_cannot_be_trained_is_one_line(words: tuple[object, ...], message: str) -> None:
    Path("wrong.toml").write_text("n_step = 3")
    result = run(*words)
    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stderr.splitlines()[-1].startswith("error: ")
    assert [path.name for path in Path().iterdir()] == ["wrong.toml"]


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="sends SIGINT")
def test_ctrl_c_writes_a_checkpoint_and_says_how_to_go_on() -> None:
    Path("small.toml").write_text(SMALL.replace("n_steps = 2", "n_steps = 100000"))
    # A test that runs in the background is started with SIGINT ignored, and would hand that on.
    code = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); from arrayscene.cli.main import main; main()"
    words = ["train", "network", "--config", "small.toml", "--out", "here", "--accelerator", "cpu"]
    process = subprocess.Popen([sys.executable, "-c", code, *words], stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    while "loss" not in process.stderr.readline():
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted: the checkpoint in here is of step" in stderr
    assert "the same command goes on from there" in stderr
    assert (Path("here") / "checkpoint.pt").exists()
