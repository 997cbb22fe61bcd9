"""`recover --method diffusion`: sources that are never much worse than its start, and what it knows of its errors."""

import json
import math
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.signal import resample_poly

from arrayscene import choice as choices
from arrayscene.array import MicrophoneArray
from arrayscene.decoders import DiffusionWarning
from arrayscene.errors import RecordingError, ShapeError
from arrayscene.networks import SceneNet, SpeechPrior, scene_net_bytes, speech_prior_bytes
from arrayscene.recording import Recording
from arrayscene.recovery import recover
from arrayscene.report import write_scene
from arrayscene.response import PlaneWave
from arrayscene.spread_grid import BINS, SECONDS, SpreadGrid
from arrayscene.stft import STFT
from arrayscene.voices import load_voice

RATE, ARRAY = 16000, MicrophoneArray.circular(4, 0.05)
DIRECTIONS = [0.7, -1.9]


@pytest.fixture(scope="module")
def recording() -> tuple[Recording, np.ndarray]:
    """Two voices for a second and a half as plane waves, some noise; and each at the first microphone."""
    stft = STFT(1024)
    voices = np.stack([load_voice(name)[RATE : RATE * 5 // 2] for name in ("english-allison", "italian-carlo-2")])
    A = PlaneWave(ARRAY, torch.tensor(DIRECTIONS), frequencies=stft.frequencies(RATE))
    each = [stft.inverse(A.select([k])(stft(torch.from_numpy(voices))[[k]]), voices.shape[-1]).numpy() for k in (0, 1)]
    noise = 1e-3 * np.random.default_rng(0).standard_normal(each[0].shape)
    return Recording((each[0] + each[1] + noise).astype(np.float32), RATE, ARRAY), np.stack([one[0] for one in each])


def error_db(signals: list[np.ndarray], truth: np.ndarray) -> float:
    orders = ([0, 1], [1, 0])
    return min(
        10 * math.log10(sum(np.sum((signals[a] - truth[k]) ** 2) for k, a in enumerate(o)) / np.sum(truth**2)) for o in orders
    )


def test_it_stays_near_its_start_and_knows_its_errors(recording: tuple[Recording, np.ndarray], tmp_path: Path) -> None:
    heard, truth = recording
    start = recover(heard, directions=DIRECTIONS, method="network")
    scene = recover(heard, directions=DIRECTIONS, method="diffusion", draws=2)
    first, found = (error_db([source.signal for source in s.sources], truth) for s in (start, scene))
    assert found < first + 0.5
    for source in scene.sources:
        assert source.uncertainty is not None
        assert source.uncertainty.power.shape == source.uncertainty.variance.shape == (513 // BINS + 1, math.ceil(1.5 / SECONDS))
        # Rather too much than too little; of a second and a half without reverberation, much too much.
        assert -3 < source.uncertainty.overall_db - found < 10
    written = json.loads((write_scene(scene, tmp_path / "scene") / "scene.json").read_text(encoding="utf-8"))
    assert [(entry["error_db"] < 0, entry["draws"]) for entry in written["sources"]] == [(True, 2), (True, 2)]
    page = (tmp_path / "scene" / "report.html").read_text(encoding="utf-8")
    assert "What is left open</h2><p>From 2 draws of each source. Expected error" in page
    assert (tmp_path / "scene" / "uncertainty.png").stat().st_size > 5000
    assert start.sources[0].uncertainty is None
    plain = write_scene(start, tmp_path / "plain")
    assert "What is left open" not in (plain / "report.html").read_text(encoding="utf-8")
    assert "error_db" not in (plain / "scene.json").read_text(encoding="utf-8")


def test_draws_belong_to_the_diffusion(recording: tuple[Recording, np.ndarray]) -> None:
    for method, draws in (("auto", 2), ("diffusion", 0)):
        with pytest.raises(ShapeError, match=f"draws={draws} came with method '{method}'"):
            recover(recording[0], directions=DIRECTIONS, method=method, draws=draws)


def test_one_source_has_nothing_to_draw(recording: tuple[Recording, np.ndarray]) -> None:
    scene = recover(recording[0], directions=DIRECTIONS[:1], method="diffusion")
    assert scene.method == "diffusion"
    assert scene.why == "one source: nothing for a diffusion to tell apart, so the noise of the quiet moments is taken out"
    assert scene.sources[0].uncertainty is None


def test_a_prior_of_ones_own_and_never_one_of_the_other_kind(recording: tuple[Recording, np.ndarray], tmp_path: Path) -> None:
    prior, network = tmp_path / "prior.safetensors", tmp_path / "network.safetensors"
    prior.write_bytes(speech_prior_bytes(SpeechPrior(width=4, n_blocks=1)))
    network.write_bytes(scene_net_bytes(SceneNet(width=4, deep=4, n_blocks=1)))
    own, shipped = (recover(recording[0], directions=DIRECTIONS, method="diffusion", weights=w, draws=1) for w in (prior, None))
    assert own.why.endswith(f"by a prior of speech (weights {prior})")
    assert not np.allclose(own.sources[0].signal, shipped.sources[0].signal)
    with pytest.raises(RecordingError, match=r"of a network came, .*'auto'; those of a prior .*arrayscene train prior"):
        recover(recording[0], directions=DIRECTIONS, method="diffusion", weights=network)
    with pytest.raises(RecordingError, match=r"of a prior came, .*'diffusion'; those of a network were wanted"):
        recover(recording[0], directions=DIRECTIONS, method="network", weights=prior)


def test_stopped_it_keeps_the_best_so_far_and_says_so(recording: tuple[Recording, np.ndarray]) -> None:
    seen: list[float] = []

    def progress(step: str, done: float) -> None:
        if step == "decode":
            seen.append(done)

    scene = recover(recording[0], directions=DIRECTIONS, method="diffusion", progress=progress, stop=lambda: len(seen) > 2)
    # The block, two steps, and the end.
    assert len(seen) == 4
    assert [words for words in scene.warnings if "interrupted; the best so far" in words]
    start, whole = (recover(recording[0], directions=DIRECTIONS, method=m) for m in ("network", "diffusion"))
    for other in (start, whole):
        assert not np.allclose(scene.sources[0].signal, other.sources[0].signal, atol=1e-5)
    assert scene.sources[0].uncertainty is not None
    assert math.isnan(scene.sources[0].uncertainty.overall_db)


def test_a_prior_that_breaks_is_a_warning_of_the_scene(
    recording: tuple[Recording, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken:
        sample_rate, spectrum = RATE, torch.ones(2)

        def __call__(self, x: torch.Tensor, sigma: float) -> torch.Tensor:
            return x * math.nan

    whole = choices.DiffusionPosterior
    monkeypatch.setattr(choices, "DiffusionPosterior", lambda stft, start, _, **more: whole(stft, start, Broken(), **more))
    with warnings.catch_warnings():
        warnings.simplefilter("error", DiffusionWarning)
        scene = recover(recording[0], directions=DIRECTIONS, method="diffusion")
    start = recover(recording[0], directions=DIRECTIONS, method="network")
    assert any("NaN or infinity in step 1, at sigma" in sentence for sentence in scene.warnings)
    np.testing.assert_allclose(scene.sources[0].signal, start.sources[0].signal, atol=1e-5)


def test_blocks_fall_into_their_cells() -> None:
    stft = STFT(64)
    grid = SpreadGrid(2, stft, 800, 3.0)
    x = torch.full((1, stft.n_freqs, 50), 2.0, dtype=torch.complex64)
    grid.add(x, torch.ones(1, stft.n_freqs, 50), [1], 2.0)
    silent, found = grid.found()
    assert not silent.power.any()
    assert not found.power[:, :19].any()
    assert found.power[:, 21:29].all()
    assert found.overall_db == pytest.approx(-6.02, abs=0.01)
    assert found.frequencies[0] == pytest.approx(3.5 * 800 / 64)
    assert not SpreadGrid(2, stft, 800, 3.0).found()


def test_above_what_the_prior_knows_the_start_is_left_alone_and_it_is_said(recording: tuple[Recording, np.ndarray]) -> None:
    wide = Recording(resample_poly(recording[0].samples, 3, 2, axis=1).astype(np.float32), 24000, ARRAY)
    start, scene = (recover(wide, directions=DIRECTIONS, method=method) for method in ("network", "diffusion"))
    assert any("resampled" in warning and "above 8 kHz" in warning for warning in scene.warnings)
    for before, after in zip(start.sources, scene.sources, strict=True):
        change = np.abs(np.fft.rfft(after.signal - before.signal)) ** 2
        frequencies = np.fft.rfftfreq(len(after.signal), 1 / 24000)
        assert change[frequencies > 8500].sum() < 1e-4 * change.sum()
