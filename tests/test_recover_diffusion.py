"""`recover --method diffusion`: sources that are never much worse than its start, and what it knows of its errors."""

import json
import math
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

from arrayscene import choice as choices
from arrayscene.array import MicrophoneArray
from arrayscene.decoders import DiffusionWarning
from arrayscene.errors import ShapeError
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
        # Within 6 dB of what they are.
        assert abs(source.uncertainty.overall_db - found) < 6
    written = json.loads((write_scene(scene, tmp_path / "scene") / "scene.json").read_text(encoding="utf-8"))
    assert [entry["error_db"] < 0 for entry in written["sources"]] == [True, True]
    page = (tmp_path / "scene" / "report.html").read_text(encoding="utf-8")
    assert "What is left open" in page
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
    assert "one source: nothing for the diffusion" in scene.why
    assert scene.sources[0].uncertainty is None


def test_a_prior_that_breaks_is_a_warning_of_the_scene(
    recording: tuple[Recording, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken:
        sample_rate, spectrum = RATE, torch.ones(2)

        def __call__(self, x: torch.Tensor, sigma: float) -> torch.Tensor:
            return x * math.nan

    whole = choices.DiffusionPosterior
    monkeypatch.setattr(choices, "DiffusionPosterior", lambda stft, start, **more: whole(stft, start, Broken(), **more))
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
