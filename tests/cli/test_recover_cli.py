"""`arrayscene recover`: what it writes, what it prints, and what bad input leaves behind (nothing)."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import typer
from refusal import assert_refused
from typer.testing import CliRunner

from arrayscene.array import MicrophoneArray
from arrayscene.cli.main import app
from arrayscene.constants import SPEED_OF_SOUND

RATE = 16000
ARRAY = MicrophoneArray.circular(4, 0.05)
CIRCLE = ("--array", "circular:4:0.05")
COMMAND = typer.main.get_command(app).commands["recover"]  # type: ignore[attr-defined]


def run(*arguments: object):
    return CliRunner().invoke(app, ["recover", *map(str, arguments)])


def heard(seconds: float = 2.0) -> np.ndarray:
    """(4, sample): noise that comes and goes, one plane wave from 60 and one from -100 degrees, and sensor noise."""
    generator = np.random.default_rng(0)
    n_samples = round(seconds * RATE)
    frequencies = np.fft.rfftfreq(n_samples, 1 / RATE)
    total = 1e-3 * generator.standard_normal((4, n_samples))
    for index, azimuth in enumerate(np.radians([60, -100])):
        gate = np.sin(np.pi * (3 + index) * np.arange(n_samples) / RATE + index) > -0.3
        spectrum = np.fft.rfft(0.05 * gate * generator.laplace(size=n_samples))
        arrival = -ARRAY.positions @ [np.cos(azimuth), np.sin(azimuth), 0] / SPEED_OF_SOUND
        total += np.fft.irfft(spectrum * np.exp(-2j * np.pi * frequencies * arrival[:, None]), n_samples)
    return total


def write(name: str, samples: np.ndarray, rate: int = RATE) -> Path:
    soundfile.write(name, samples.T, rate, subtype="FLOAT")
    return Path(name)


def test_a_scene_and_a_table() -> None:
    result = run(write("take.wav", heard()), *CIRCLE, "--sources", 2)
    assert result.exit_code == 0, result.output
    assert "open take-scene/report.html" in result.stdout
    document = json.loads(Path("take-scene/scene.json").read_text(encoding="utf-8"))
    assert len(document["sources"]) == 2
    for source in document["sources"]:
        assert source["file"] in result.stdout
        signal, rate = soundfile.read(Path("take-scene") / source["file"])
        assert (len(signal), rate) == (2 * RATE, RATE)
    found = sorted(source["azimuth_deg"] for source in document["sources"])
    assert found == pytest.approx([-100, 60], abs=10)
    assert sorted(path.name for path in Path().iterdir()) == ["take-scene", "take.wav"]


def test_json_is_the_whole_of_stdout() -> None:
    result = run(write("take.wav", heard()), *CIRCLE, "--sources", 1, "--json", "--no-report")
    assert json.loads(result.stdout) == json.loads(Path("take-scene/scene.json").read_text(encoding="utf-8"))
    assert not Path("take-scene/report.html").exists()


def test_quiet_says_nothing() -> None:
    result = run(write("take.wav", heard()), *CIRCLE, "--sources", 1, "--quiet", "--no-report")
    assert (result.exit_code, result.output) == (0, "")


def test_positions_in_centimetres_are_told_once_and_not_where_quiet() -> None:
    Path("centimetres.json").write_text(json.dumps({"positions": (100 * ARRAY.positions).tolist()}))
    take = write("take.wav", heard(1.0))
    for quiet, times in (((), 1), (("--quiet",), 0)):
        result = run(take, "--array", "centimetres.json", "--overwrite", "--no-report", *quiet)
        assert result.exit_code == 0
        assert result.stderr.count("positions are in metres") == times


def test_who_says_how_many_there_are_is_not_asked() -> None:
    result = run(write("take.wav", heard()), *CIRCLE, "--sources", 5, "--no-report")
    assert "told apart in part only" in result.stderr
    assert "say how many" not in result.stderr


def test_one_file_a_microphone_a_stretch_and_given_directions() -> None:
    files = [write(f"mic{index}.wav", row[None]) for index, row in enumerate(heard())]
    options = ("--start", 0.5, "--stop", 1.5, "--directions", "60,-100:0", "--out", "there", "--no-report")
    result = run(*files, *CIRCLE, *options)
    assert result.exit_code == 0, result.output
    document = json.loads(Path("there/scene.json").read_text(encoding="utf-8"))
    assert document["duration_s"] == pytest.approx(1.0)
    assert document["start_s"] == 0.5
    assert document["assumptions"][0] == "The scene begins at 0.5 s of the file, and its times count from there."
    assert "times count from --start, 0.5 s" in result.stdout
    assert max(stop for source in document["sources"] for _, stop in source["active"]) <= 1.0
    assert len(document["sources"]) == 2


def test_speakers_of_a_diarisation_keep_their_names() -> None:
    turns = ("SPEAKER take 1 0.5 1.0 <NA> <NA> anna <NA> <NA>", "SPEAKER take 1 1.0 1.5 <NA> <NA> bob <NA> <NA>")
    Path("who.rttm").write_text("\n".join(turns), encoding="utf-8")
    result = run(write("take.wav", heard(3.0)), *CIRCLE, "--activity", "who.rttm", "--out", "out", "--start", 0.5)
    assert result.exit_code == 0, result.output
    document = json.loads(Path("out/scene.json").read_text(encoding="utf-8"))
    assert {source["name"]: source["active"] for source in document["sources"]} == {"anna": [[0, 1]], "bob": [[0.5, 2]]}
    assert " 0.500 1.500 <NA> <NA> bob " in Path("out/scene.rttm").read_text(encoding="utf-8")
    assert "anna" in result.stdout


def test_an_earlier_scene_is_replaced_only_when_told() -> None:
    take = write("take.wav", heard(1.0))
    options = (*CIRCLE, "--sources", 1, "--no-report")
    assert run(take, *options).exit_code == 0
    before = Path("take-scene/scene.json").stat().st_mtime_ns
    assert run(take, *options).exit_code == 2
    assert Path("take-scene/scene.json").stat().st_mtime_ns == before
    assert run(take, *options, "--overwrite").exit_code == 0
    assert Path("take-scene/scene.json").stat().st_mtime_ns != before


def one_bad_sample(value: float) -> np.ndarray:
    samples = heard(1.0)
    samples[:, 100] = value
    return samples


def truncated() -> list[object]:
    content = write("whole.wav", heard(1.0)).read_bytes()
    Path("bad.wav").write_bytes(content[: len(content) // 2])
    Path("whole.wav").unlink()
    return ["bad.wav"]


def text(content: str) -> Callable[[], list[object]]:
    def make() -> list[object]:
        Path("bad.wav").write_text(content)
        return ["bad.wav"]

    return make


def sound(samples: Callable[[], np.ndarray], rate: int = RATE) -> Callable[[], list[object]]:
    return lambda: [write("bad.wav", samples(), rate)]


def two_files(first: np.ndarray, second: np.ndarray, second_rate: int = RATE) -> Callable[[], list[object]]:
    return lambda: [write("a.wav", first), write("b.wav", second, second_rate)]


def array_file(positions: list[list[float]]) -> Callable[[], list[object]]:
    def make() -> list[object]:
        Path("array.json").write_text(json.dumps({"positions": positions}))
        return [write("bad.wav", heard(1.0)[: len(positions)]), "--array", "array.json"]

    return make


def with_options(*options: object) -> Callable[[], list[object]]:
    return lambda: [write("take.wav", heard(1.0)), *options]


BAD: dict[str, tuple[Callable[[], list[object]], str]] = {
    "missing file": (lambda: ["nowhere.wav"], "nowhere.wav"),
    "empty file": (text(""), "bad.wav"),
    "not audio": (text("hello"), "bad.wav"),
    "mono": (sound(lambda: heard(1.0)[:1]), "4 microphones"),
    "fewer channels": (sound(lambda: heard(1.0)[:3]), "3 channels"),
    "more channels": (sound(lambda: np.tile(heard(1.0), (2, 1))), "8 channels"),
    "all silent": (sound(lambda: np.zeros((4, RATE))), ""),
    "all NaN": (sound(lambda: np.full((4, RATE), np.nan)), ""),
    "no samples": (sound(lambda: np.zeros((4, 0))), "bad.wav"),
    "one sample": (sound(lambda: np.full((4, 1), 0.1)), ""),
    "low rate": (sound(lambda: heard(1.0), 2000), "2000"),
    "different length": (two_files(heard(1.0)[:1], heard(0.5)[:1]), "one length"),
    "different rate": (two_files(heard(1.0)[:1], heard(1.0)[:1], 8000), "one rate"),
    "coincident microphones": (array_file([[0, 0, 0], [0, 0, 0], [0.1, 0, 0], [0, 0.1, 0]]), "microphone"),
    "unknown preset": (with_options("--array", "respaker-usb-4"), "respeaker-usb-4"),
    "output under a file": (with_options("--out", "take.wav/out"), "take.wav"),
    "output is a file": (with_options("--out", "take.wav"), "take.wav"),
    "no such channel": (with_options("--channels", "1,2,3,9"), "9"),
    "channels are no numbers": (with_options("--channels", "1,two"), "1,two"),
    "directions are no numbers": (with_options("--directions", "left"), "left"),
    "direction beyond the zenith": (with_options("--directions", "0:100"), "elevation"),
    "stretch outside": (with_options("--start", 5), "1.000 s"),
    "no sources": (with_options("--sources", 0), "0"),
    "negative number of sources": (with_options("--sources", -2), "-2"),
    "a number of sources that is none": (with_options("--sources", "nan"), "--sources"),
    "a beginning that is no number": (with_options("--start", "nan"), "nan s to the end"),
    "an end that is no number": (with_options("--stop", "nan"), "0.0 s to nan s"),
    "a direction that is no number": (with_options("--directions", "nan"), "azimuth lies in"),
    "an elevation that is no number": (with_options("--directions", "10:nan"), "elevation"),
    "a rate beyond all": (with_options("--rate", 100_000_000), "100000000 Hz"),
    "output is the root": (with_options("--out", "/"), "/"),
    "unknown method": (with_options("--method", "magic"), "magic"),
    "no diarisation": (with_options("--activity", "nowhere.rttm"), "nowhere.rttm"),
    "guided by nothing": (with_options("--method", "guided"), "RTTM"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_line_and_2_and_nothing_is_written(case: str) -> None:
    make, message = BAD[case]
    arguments = make()
    before = sorted(Path().rglob("*"))
    array = () if "--array" in arguments else CIRCLE
    assert_refused(run(*arguments, *array), message, before)


@pytest.mark.parametrize("option", [parameter.opts[0] for parameter in COMMAND.params if getattr(parameter, "opts", ())])
def test_an_empty_word_is_noticed(option: str) -> None:
    """As where a variable of the shell is not set."""
    before = sorted(Path().iterdir())
    for words in ((option, ""), (f"{option}=",)) if option.startswith("--") else (("",),):
        result = run("take.wav", *CIRCLE, *words)
        assert result.exit_code == 2
        assert "is a variable of the shell not set?" in result.stderr
        assert words[0].rstrip("=") in result.stderr
    assert sorted(Path().iterdir()) == before


def test_three_by_three_positions_are_refused_unless_told() -> None:
    result = run(*array_file([[0, 0, 0], [0.1, 0, 0], [0, 0.1, 0]])())
    assert result.exit_code in (0, 2)
    assert ("error: " in result.stderr) == (result.exit_code == 2)


def test_no_array_says_where_to_find_one() -> None:
    result = run(write("take.wav", heard(1.0)))
    assert result.exit_code == 2
    assert "arrayscene array list" in result.stderr
    assert not Path("take-scene").exists()


def test_a_folder_with_other_files_is_left_alone() -> None:
    Path("take-scene").mkdir()
    Path("take-scene/notes.txt").write_text("mine")
    for overwrite in ((), ("--overwrite",)):
        result = run(write("take.wav", heard(1.0)), *CIRCLE, *overwrite)
        assert result.exit_code == 2
        assert [path.name for path in Path("take-scene").iterdir()] == ["notes.txt"]


def dead_channel() -> np.ndarray:
    samples = heard(1.0)
    samples[2] = 0
    return samples


def duplicate_channel() -> np.ndarray:
    samples = heard(1.0)
    samples[3] = samples[1]
    return samples


DOUBTFUL: dict[str, tuple[Callable[[], list[object]], str]] = {
    "truncated": (truncated, "bad.wav"),
    "clipped": (sound(lambda: np.clip(20 * heard(1.0), -1, 1)), "clip"),
    "dead channel": (sound(dead_channel), "channel 3"),
    "duplicate channel": (sound(duplicate_channel), "channel 4"),
    "NaN in every channel": (sound(lambda: one_bad_sample(np.nan)), ""),
    "infinite in every channel": (sound(lambda: one_bad_sample(np.inf)), ""),
    "a tenth of a second": (sound(lambda: heard(0.1)), ""),
}


@pytest.mark.parametrize("case", DOUBTFUL)
def test_doubtful_input_warns_or_is_refused(case: str) -> None:
    make, message = DOUBTFUL[case]
    result = run(*make(), *CIRCLE, "--no-report")
    assert result.exit_code in (0, 2), result.output
    assert "Traceback" not in result.output
    kind = "warning: " if result.exit_code == 0 else "error: "
    spoken = [line for line in result.stderr.splitlines() if line.startswith(kind)]
    assert any(message in line for line in spoken), result.stderr
    assert (Path("bad-scene") / "scene.json").exists() == (result.exit_code == 0)
    assert not [path for path in Path().iterdir() if path.name.startswith(".")]


def test_weights_of_ones_own(tmp_path: Path) -> None:
    from arrayscene.networks import SceneNet, scene_net_bytes

    take = write("take.wav", heard())
    Path("untrained.safetensors").write_bytes(scene_net_bytes(SceneNet(width=4, deep=4, n_blocks=1)))
    options = (*CIRCLE, "--sources", 2, "--method", "network", "--no-report", "--json")
    texts = [run(take, *options, *more).stdout for more in (("--out", "a"), ("--out", "b", "--weights", "untrained.safetensors"))]
    first, second = (json.loads(text) for text in texts)
    assert "weights untrained.safetensors" in second["why"]
    assert [source["level_db"] for source in first["sources"]] != [source["level_db"] for source in second["sources"]]
    missing = run(take, *options, "--weights", "none.safetensors", "--out", "c")
    assert (missing.exit_code, "none.safetensors: No such file" in missing.stderr) == (2, True)
    Path("broken.safetensors").write_bytes(b"RIFF" * 30)
    broken = run(take, *options, "--weights", "broken.safetensors", "--out", "c")
    assert (broken.exit_code, "not a whole safetensors file" in broken.stderr) == (2, True)
    other = run(take, *CIRCLE, "--method", "mvdr", "--weights", "untrained.safetensors", "--out", "c")
    assert (other.exit_code, "method 'mvdr'" in other.stderr) == (2, True)
    ahead = run(take, *CIRCLE, "--method", "online-network", "--weights", "untrained.safetensors", "--out", "c")
    assert (ahead.exit_code, "no causal network" in ahead.stderr) == (2, True)
    assert not Path("c").exists()


@pytest.mark.skipif(os.name == "nt", reason="sends SIGINT")
@pytest.mark.parametrize("times", [1, 2])
def test_the_first_ctrl_c_keeps_the_best_so_far_and_the_second_nothing(times: int) -> None:
    """The interrupts come within the first call of the prior."""
    take = write("take.wav", heard(1.2))
    # A test that runs in the background is started with SIGINT ignored, and would hand that on.
    program = "import signal, time; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    program += "from arrayscene.networks import SpeechPrior as P; f = P.forward; o = open\n"
    program += "P.forward = lambda *a: (o('started', 'w').close(), time.sleep(0.8), f(*a))[2]\n"
    program += "from arrayscene.cli.main import main; main()"
    options = (*CIRCLE, "--sources", "2", "--method", "diffusion", "--no-report")
    process = subprocess.Popen([sys.executable, "-c", program, "recover", take, *options], stderr=subprocess.PIPE, text=True)
    while not Path("started").exists():
        assert process.poll() is None, process.stderr.read() if process.stderr else ""
    process.send_signal(signal.SIGINT)
    assert process.stderr is not None
    said = process.stderr.readline()
    assert "the best so far is being written; Ctrl-C again ends at once" in said
    if times == 2:
        process.send_signal(signal.SIGINT)
    _, rest = process.communicate(timeout=120)
    assert process.returncode == 130
    Path("started").unlink()
    if times == 2:
        assert rest == "interrupted: nothing was written\n"
        assert [path.name for path in Path().iterdir()] == ["take.wav"]
    else:
        document = json.loads(Path("take-scene/scene.json").read_text(encoding="utf-8"))
        assert len(document["sources"]) == 2
        assert any("interrupted; the best so far" in words for words in document["warnings"])
        assert "interrupted; the best so far" in rest
