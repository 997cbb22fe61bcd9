"""AudioDiffusionNet beside Tikhonov's inverse with its best mu, on the same noisy captures of speakers not heard in training.

Four directions (front, left, back, right), a ring of four microphones of radius 5 cm, 8 kHz, one to three people at once, white
sensor noise. Each network is trained for one SNR by the loop of examples/train_audio_diffusion.py: batches of 64, MSELoss, Adam
with a rate of 0.001, epochs of 100 steps; nothing is chosen by the test. The first speech is what AudioDiffusionDataset fills an
empty folder with, the voices of the package (100 epochs for 20 dB, 30 for the others); the second a folder of WAV files of three
rates, 60 readers of LibriSpeech (20 epochs; needs the shared recordings, left out without them). The mu of the baseline is the
one of least error on the very captures that are scored, from 41 that are 1 dB apart; with one for each frequency it is chosen
from the same 41 at each of the 129. All errors are mean squared errors of the samples.
"""

from __future__ import annotations

import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import matplotlib
import torch
from common import ROOT, as_table, describe, page_head, shared_folder, speech_files, write_page
from torch import Tensor, nn, optim
from torch.utils.data import DataLoader

from arrayscene import AudioDiffusionDataset, AudioDiffusionNet, Recording
from arrayscene.datasets import DatasetWarning
from arrayscene.networks import noise_to_signal

matplotlib.use("Agg")
import matplotlib.pyplot as plt

EPOCHS, EPOCHS_OWN, N_READERS = {20: 100, 10: 30, 30: 30}, {20: 20, 10: 20, 30: 20}, 60
"""Epochs by SNR in dB."""

RATES = (16000, 22050, 48000)
LONG = 16000
"""Samples of a scene of two seconds, 21 times as long as those of the training."""


class Run(NamedTuple):
    """One training, and everything that is said of it."""

    speech: str
    snr_db: int
    base: float
    row: dict[str, object]
    losses: list[float]
    scores: list[tuple[int, float]]


def main(most_epochs: int) -> None:
    torch.set_num_threads(1)
    runs: list[Run] = []
    with tempfile.TemporaryDirectory() as scratch:
        for speech, root, epochs in folders(Path(scratch)):
            for snr_db, n_epochs in epochs.items():
                runs.append(run(speech, root, snr_db, min(n_epochs, most_epochs)))
                write(runs)


def folders(scratch: Path) -> Iterator[tuple[str, Path, dict[int, int]]]:
    yield "voices of the package", scratch / "data", EPOCHS
    shared = shared_folder()
    if shared is None:
        return
    own = scratch / "recordings"
    own.mkdir()
    for number, path in enumerate(speech_files(shared)[:: 251 // N_READERS][:N_READERS]):
        Recording.read(path, sample_rate=RATES[number % len(RATES)]).write(own / f"{path.stem}.wav")
    yield "folder of WAV files", own, EPOCHS_OWN


def run(speech: str, root: Path, snr_db: int, epochs: int) -> Run:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DatasetWarning)
        dataset, test = AudioDiffusionDataset(root), AudioDiffusionDataset(root, train=False)
        long = AudioDiffusionDataset(root, train=False, n_samples=LONG, n_scenes=60)
    assert not set(dataset.speakers) & set(test.speakers)
    torch.manual_seed(0)
    model = AudioDiffusionNet(snr_db=snr_db)
    x, y = captured(model, test)
    best, each = tikhonov(model, x, y)
    x_long, y_long = captured(model, long)
    loader = DataLoader(dataset, batch_size=64, shuffle=True)
    criterion, optimizer = nn.MSELoss(), optim.Adam(model.parameters(), lr=0.001)
    losses: list[float] = []
    scores, start = [(0, error(model, x, y))], time.perf_counter()
    row: dict[str, object] = {
        "speech": speech,
        "SNR, dB": snr_db,
        "epochs": epochs,
        "speakers": f"{len(dataset.speakers)} / {len(test.speakers)}",
        "start": f"{scores[0][1]:.4f}",
        "Tikhonov, best mu": f"{best:.4f}",
        "one mu a frequency": f"{each:.4f}",
    }
    for epoch in range(epochs):
        total = 0.0
        for audio, _ in loader:
            output = model(audio)
            loss = criterion(output, audio)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item()
        losses.append(total / len(loader))
        if epoch in (0, 1, 2, 4, 9) or (epoch + 1) % 10 == 0 or epoch + 1 == epochs:
            scores.append((epoch + 1, error(model, x, y)))
            print(speech, snr_db, scores[-1], f"{scores[-1][1] / best:.3f}", f"{time.perf_counter() - start:.0f} s", flush=True)
    final = scores[-1][1]
    row |= {
        "trained": f"{final:.4f}",
        "below best mu": f"{100 * (1 - final / best):.0f} %",
        "below one mu a frequency": f"{100 * (1 - final / each):.0f} %",
        "on scenes of 2 s": f"{100 * (1 - error(model, x_long, y_long) / tikhonov(model, x_long, y_long)[0]):.0f} %",
        "minutes": f"{(time.perf_counter() - start) / 60:.1f}",
    }
    return Run(speech, snr_db, best, row, losses, scores)


def captured(model: AudioDiffusionNet, dataset: AudioDiffusionDataset) -> tuple[Tensor, Tensor]:
    """All scenes of a dataset, and what the microphones hear of them, the same at every call."""
    x = torch.stack([dataset[index][0] for index in range(len(dataset))])
    return x, model.capture(x, generator=torch.Generator().manual_seed(1))


@torch.no_grad()
def error(model: AudioDiffusionNet, x: Tensor, y: Tensor) -> float:
    parts = [model.decode(part) for part in y.split(64)]
    return float(nn.functional.mse_loss(torch.cat(parts), x))


@torch.no_grad()
def tikhonov(model: AudioDiffusionNet, x: Tensor, y: Tensor) -> tuple[float, float]:
    """Least error of Tikhonov's inverse with one mu for all frequencies, and with one for each."""
    centre = noise_to_signal(model.A, model.snr_db)
    X = model.stft(x)
    found, at_frequency, inverses = [], [], []
    for step in range(-20, 21):
        fixed = AudioDiffusionNet(snr_db=model.snr_db, regularization=centre * 10 ** (step / 10))
        decoded = torch.cat([fixed.decode(part) for part in y.split(64)])
        found.append(float(nn.functional.mse_loss(decoded, x)))
        at_frequency.append((model.stft(decoded) - X).abs().square().mean((0, 1, 3)))
        inverses.append(fixed.D.clone())
    choice = torch.stack(at_frequency).argmin(0)
    fixed.D.copy_(torch.stack(inverses)[choice, torch.arange(len(choice))])
    return min(found), error(fixed, x, y)


def write(runs: list[Run]) -> None:
    runs = sorted(runs, key=lambda one: (one.speech != runs[0].speech, one.snr_db))
    draw(runs)
    rows = [one.row for one in runs]
    lines = page_head("audio_diffusion", __doc__, describe())
    lines += [
        "![loss curves](audio_diffusion.png)",
        "",
        '"Start" is the network before training: Tikhonov\'s inverse with the mu that the SNR alone gives. "Speakers" are those'
        " of training and test. Scenes of 2 s are decoded by the network trained on 0.1 s, and compared with their own best mu.",
        "",
        *as_table(rows),
    ]
    write_page("audio_diffusion", lines)


def draw(runs: list[Run]) -> None:
    """Loss of the training and of the test over epochs, relative to the best Tikhonov inverse."""
    kinds = list(dict.fromkeys(one.speech for one in runs))
    figure, panels = plt.subplots(
        1, len(kinds), figsize=(5.2 * len(kinds), 4.2), sharey=True, layout="constrained", squeeze=False
    )
    for axes, kind in zip(panels[0], kinds, strict=True):
        for colour, one in zip(("#D55E00", "#0072B2", "#009E73"), [one for one in runs if one.speech == kind], strict=False):
            axes.plot(
                range(1, len(one.losses) + 1), [loss / one.base for loss in one.losses], color=colour, linewidth=1.0, alpha=0.5
            )
            epochs, values = zip(*one.scores, strict=True)
            label = f"{one.snr_db} dB"
            axes.plot(
                epochs, [value / one.base for value in values], "o-", color=colour, linewidth=1.8, markersize=4, label=label
            )
        axes.axhline(1.0, color="#1f2328", linewidth=0.8)
        axes.axhline(0.7, color="#1f2328", linewidth=0.8, linestyle=":")
        axes.text(0.98, 1.02, "Tikhonov, best mu", fontsize=8.5, ha="right", va="bottom", transform=axes.get_yaxis_transform())
        axes.text(0.98, 0.71, "30 % less", fontsize=8.5, ha="right", va="bottom", transform=axes.get_yaxis_transform())
        axes.set(title=kind, xlabel="epoch", xscale="symlog", yscale="log", xlim=(0, None), ylim=(0.08, 1.3))
        axes.set_xticks([0, 1, 10, 100], ["0", "1", "10", "100"])
        axes.set_yticks([0.1, 0.2, 0.3, 0.5, 0.7, 1.0], ["0.1", "0.2", "0.3", "0.5", "0.7", "1"])
        axes.minorticks_off()
        axes.grid(color="#d0d4d9", linewidth=0.6)
        axes.legend(title="SNR (pale: training)", fontsize=8.5, loc="lower left")
    panels[0, 0].set_ylabel("mean squared error, relative")
    (ROOT / "results").mkdir(exist_ok=True)
    figure.savefig(ROOT / "results" / "audio_diffusion.png", dpi=150)
    plt.close(figure)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else max(EPOCHS.values()))
