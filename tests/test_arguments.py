"""Arguments of a wrong kind end in an error of the package that says what came, not in one of Python's own."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from arrayscene import decoders as d
from arrayscene import localize, metrics, simulate
from arrayscene.arguments import shown
from arrayscene.array import MicrophoneArray
from arrayscene.datasets import AudioDiffusionDataset
from arrayscene.errors import ArraySceneError
from arrayscene.health import check
from arrayscene.recording import Recording
from arrayscene.recovery import recover
from arrayscene.report import write_scene
from arrayscene.response import MatrixResponse, PlaneWave, far_field
from arrayscene.stft import STFT
from arrayscene.tracking import track
from arrayscene.worlds import World

ARRAY = MicrophoneArray.circular(4, 0.05)
SAMPLES = (0.1 * np.random.default_rng(0).standard_normal((4, 4000))).astype(np.float32)
HEARD = Recording(SAMPLES, 16000, ARRAY)
FRAMES = STFT(256)
Y = FRAMES(torch.from_numpy(SAMPLES))
F = FRAMES.frequencies(16000)
A = far_field(ARRAY, torch.tensor([0.0, 2.0]), frequencies=F)
TALKER = simulate.Talker(SAMPLES[0], 0.5)
ANY: Any = None

CALLS: dict[str, Callable[[], object]] = {
    "recording: rows of different length": lambda: Recording([[0.1], [0.1, 0.2]], 16000),  # type: ignore[arg-type]
    "recording: rate": lambda: Recording(SAMPLES, "16000"),  # type: ignore[arg-type]
    "recording: rate NaN": lambda: Recording(SAMPLES, float("nan")),  # type: ignore[arg-type]
    "recording: channels": lambda: Recording(SAMPLES, 16000, ARRAY, channels="abcd"),  # type: ignore[arg-type]
    "recording: one channel": lambda: Recording(SAMPLES, 16000, ARRAY, channels=3),  # type: ignore[arg-type]
    "read: samples": lambda: Recording.read(SAMPLES),  # type: ignore[arg-type]
    "read: a number": lambda: Recording.read(3),  # type: ignore[arg-type]
    "select: one row": lambda: HEARD.select(1),  # type: ignore[arg-type]
    "select: half a row": lambda: HEARD.select([1.5]),  # type: ignore[list-item]
    "segment": lambda: HEARD.segment("a"),  # type: ignore[arg-type]
    "blocks": lambda: list(HEARD.blocks(float("nan"))),
    "write": lambda: HEARD.write(3),  # type: ignore[arg-type]
    "recover: samples": lambda: recover(SAMPLES, ARRAY),  # type: ignore[arg-type]
    "recover: a tensor": lambda: recover(torch.from_numpy(SAMPLES), ARRAY),  # type: ignore[arg-type]
    "recover: a list": lambda: recover(SAMPLES.tolist(), ARRAY),
    "recover: nothing": lambda: recover(ANY),
    "recover: no method": lambda: recover(HEARD, method=ANY),
    "recover: half a source": lambda: recover(HEARD, n_sources=2.5),  # type: ignore[arg-type]
    "recover: sources": lambda: recover(HEARD, n_sources="2"),  # type: ignore[arg-type]
    "recover: one direction": lambda: recover(HEARD, directions=3),  # type: ignore[arg-type]
    "recover: directions": lambda: recover(HEARD, directions=["a"]),  # type: ignore[list-item]
    "recover: a text of directions": lambda: recover(HEARD, directions="30"),  # type: ignore[arg-type]
    "recover: a file of activity": lambda: recover(HEARD, activity="meeting.rttm"),  # type: ignore[arg-type]
    "recover: activity": lambda: recover(HEARD, activity={"anna": "b"}),
    "recover: weights": lambda: recover(HEARD, weights=3),  # type: ignore[arg-type]
    "recover: draws": lambda: recover(HEARD, method="diffusion", draws=1.5),  # type: ignore[arg-type]
    "recover: moving": lambda: recover(HEARD, moving="yes"),  # type: ignore[arg-type]
    "recover: progress": lambda: recover(HEARD, progress=3),  # type: ignore[arg-type]
    "write_scene": lambda: write_scene(HEARD, "scene"),  # type: ignore[arg-type]
    "locate: no method": lambda: localize.locate(HEARD, method=ANY),
    "locate: sources": lambda: localize.locate(HEARD, n_sources=1.5),  # type: ignore[arg-type]
    "locate: level": lambda: localize.locate(HEARD, full_scale_spl_db="a"),  # type: ignore[arg-type]
    "track: samples": lambda: track(SAMPLES, ARRAY),  # type: ignore[arg-type]
    "track: sources": lambda: track(HEARD, max_sources="a"),  # type: ignore[arg-type]
    "check": lambda: check(SAMPLES),  # type: ignore[arg-type]
    "STFT": lambda: STFT("a"),  # type: ignore[arg-type]
    "STFT: float": lambda: STFT(512.0),  # type: ignore[arg-type]
    "STFT: a number": lambda: FRAMES(torch.tensor(1.0)),
    "STFT: rate": lambda: FRAMES.frequencies(ANY),
    "STFT: numpy back": lambda: FRAMES.inverse(Y.numpy(), 100),  # type: ignore[arg-type]
    "circular": lambda: MicrophoneArray.circular(-1, 0.1),
    "circular: angle": lambda: MicrophoneArray.circular(4, 0.1, start_angle="a"),  # type: ignore[arg-type]
    "preset": lambda: MicrophoneArray.preset(3),  # type: ignore[arg-type]
    "load": lambda: MicrophoneArray.load(3),  # type: ignore[arg-type]
    "save": lambda: ARRAY.save(3),  # type: ignore[arg-type]
    "array: select": lambda: ARRAY.select(1),  # type: ignore[arg-type]
    "rotated": lambda: ARRAY.rotated("a"),  # type: ignore[arg-type]
    "spread": lambda: ARRAY.spread("a"),  # type: ignore[arg-type]
    "aliasing": lambda: ARRAY.aliasing_limits("a"),
    "simulate: samples": lambda: simulate.simulate_scene(ARRAY, [SAMPLES[0]]),  # type: ignore[list-item]
    "simulate: array": lambda: simulate.simulate_scene(3, [TALKER]),  # type: ignore[arg-type]
    "simulate: azimuth": lambda: simulate.simulate_scene(ARRAY, [simulate.Talker(SAMPLES[0], ANY)]),
    "simulate: T60": lambda: simulate.simulate_scene(ARRAY, [TALKER], t60="a"),  # type: ignore[arg-type]
    "SRPPHAT: array": lambda: localize.SRPPHAT("x", F),  # type: ignore[arg-type]
    "SRPPHAT: rate": lambda: localize.SRPPHAT(ARRAY, 16000),  # type: ignore[arg-type]
    "SRPPHAT: numpy": lambda: localize.SRPPHAT(ARRAY, F)(Y.numpy()),  # type: ignore[arg-type]
    "SRPPHAT: other frequencies": lambda: localize.SRPPHAT(ARRAY, F)(Y[:, :100]),
    "far_field: array": lambda: far_field("x", 0.5, frequencies=F),  # type: ignore[arg-type]
    "far_field: azimuth": lambda: far_field(ARRAY, ANY, frequencies=F),
    "plane wave: frequencies": lambda: PlaneWave(ARRAY, 0.5, frequencies=ANY),
    "matrix response": lambda: MatrixResponse(SAMPLES, F),  # type: ignore[arg-type]
    "response: numpy": lambda: A(SAMPLES),
    "decoder: numpy": lambda: d.DelayAndSum()(Y.numpy(), A),
    "decoder: another array": lambda: d.DelayAndSum()(Y[:3], A),
    "decoder: reference": lambda: d.DelayAndSum(9)(Y, A),
    "decoder: loading": lambda: d.PseudoInverse("a"),  # type: ignore[arg-type]
    "MVDR": lambda: d.MVDR("a"),  # type: ignore[arg-type]
    "masking: no decoder": lambda: d.Masking("a"),  # type: ignore[arg-type]
    "warm start": lambda: d.WarmStart(d.DelayAndSum(), ANY),
    "Wiener filter": lambda: d.MultichannelWiener(d.DelayAndSum(), 1024, FRAMES),  # type: ignore[arg-type]
    "masks from directions: numpy": lambda: d.FromDirections()(Y.numpy(), A),
    "masks from directions: a matrix": lambda: d.FromDirections()(Y, A.matrix()),
    "masks from directions: another array": lambda: d.FromDirections()(Y[:3], A),
    "masks from directions: one microphone": lambda: d.FromDirections()(Y[0], A),
    "masks from directions: powers": lambda: d.FromDirections()(Y.abs(), A),
    "masks from directions: NaN": lambda: d.FromDirections()(torch.full_like(Y, torch.nan), A),
    "masks from directions: a number": lambda: d.FromDirections()(1.5, A),
    "masks from directions: shares": lambda: d.FromDirections().shares(SAMPLES, A),  # type: ignore[arg-type]
    "blind clustering: numpy": lambda: d.BlindClustering(2)(Y.numpy()),
    "blind clustering: one microphone": lambda: d.BlindClustering(2)(Y[0]),
    "blind clustering: powers": lambda: d.BlindClustering(2)(Y.abs()),
    "blind clustering: a matrix": lambda: d.BlindClustering(2)(Y, SAMPLES),
    "blind clustering: sources": lambda: d.BlindClustering("a"),  # type: ignore[arg-type]
    "clustering of nothing": lambda: d.Clustering("a"),  # type: ignore[arg-type]
    "masks": lambda: d.Masks(SAMPLES),  # type: ignore[arg-type]
    "segments": lambda: d.Segments([["a", "b"]]),
    "guided": lambda: d.guided([[(0.0, 3.0)]], stft=1024, sample_rate=16000),  # type: ignore[arg-type]
    "hybrid": lambda: d.Hybrid(d.DelayAndSum(), "a"),  # type: ignore[arg-type]
    "SI-SDR": lambda: metrics.si_sdr("a", "b"),
    "data set": lambda: AudioDiffusionDataset(root=3),  # type: ignore[arg-type]
    "world": lambda: World(3),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("call", CALLS)
def test_wrong_arguments_are_refused_in_words(call: str) -> None:
    with pytest.raises(ArraySceneError, match=r"came|sample rate"):
        CALLS[call]()


def test_lists_numpy_numbers_and_names_are_welcome() -> None:
    again = Recording(SAMPLES.tolist(), int(np.int64(16000)), ARRAY, channels=np.arange(4) + 1)  # type: ignore[arg-type]
    np.testing.assert_array_equal(again.samples, SAMPLES)
    assert HEARD.select(np.array([2, 0])).channels == (3, 1)  # type: ignore[arg-type]
    assert STFT(np.int64(256)).n_freqs == 129  # type: ignore[arg-type]
    assert ARRAY.select(np.array([1, 3])).n_mics == 2  # type: ignore[arg-type]
    assert len(recover(HEARD, n_sources=np.int64(1), method="delay-and-sum").sources) == 1  # type: ignore[arg-type]
    assert len(recover(HEARD, directions=np.array([0.1, 1.0]), method="delay-and-sum").sources) == 2  # type: ignore[arg-type]


def test_what_came_is_shown_in_short() -> None:
    assert shown("a") == "'a' (str)"
    assert shown(SAMPLES) == "ndarray of shape (4, 4000)"
    assert shown(None) == "None"
    assert len(shown(list(range(1000)))) < 60
