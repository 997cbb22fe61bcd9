"""Hear what a diffusion does: two scenes, what simpler decoders make of them, the mean of the draws, and two draws.

    python examples/diffusion_sounds.py [FOLDER]

Writes WAV files, a picture of their spectrograms and a page, index.html, that plays them. In a room, A is unknown, and the
diffusion starts from what `auto` finds; draws hardly differ, and neither do they from the start. Three talkers at two
microphones without a room: A is known, but has no inverse, and the draws show what nobody can know.
"""

from __future__ import annotations

import sys
from html import escape
from pathlib import Path

import numpy as np
import soundfile
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from arrayscene import STFT, MicrophoneArray, load_voice, recover, simulate_scene
from arrayscene.choice import choose
from arrayscene.decoders import Decoder, DiffusionPosterior, PseudoInverse
from arrayscene.metrics import match_sources, si_sdr
from arrayscene.response import PlaneWave, Response
from arrayscene.simulate import Talker

RATE, SECONDS = 16000, 4
N = RATE * SECONDS

Sounds = dict[str, NDArray[np.float32]]
"""By what they are, one talker of a scene, as long as all others."""


def voices(*names: str) -> list[NDArray[np.float32]]:
    found = [load_voice(name)[RATE : RATE + N] for name in names]
    return [0.05 * voice / voice.std() for voice in found]


def draws(decoder: Decoder, y: torch.Tensor, A: Response, stft: STFT) -> list[NDArray[np.float32]]:
    """(source, sample) of two seeds."""
    with torch.inference_mode():
        found = [decoder(y, A, generator=torch.Generator().manual_seed(seed)) for seed in (1, 2)]
    return [stft.inverse(each.x, N).numpy() for each in found]


def in_a_room() -> Sounds:
    """Two talkers, three microphones, T60 0.3 s; only their number is told."""
    array = MicrophoneArray.circular(3, 0.1)
    said = voices("english-allison", "french-june")
    truth = simulate_scene(array, [Talker(said[0], 0.5), Talker(said[1], -2.0)], t60=0.3)
    auto = recover(truth.recording, n_sources=2)
    mean = recover(truth.recording, n_sources=2, method="diffusion", draws=4)
    choice = choose("diffusion", n_mics=3, n_sources=2, duration=SECONDS, sample_rate=RATE, draws=1)
    azimuths = torch.tensor([source.azimuth for source in auto.sources])
    A = PlaneWave(array, azimuths, frequencies=choice.stft.frequencies(RATE))
    samples = torch.from_numpy(np.asarray(truth.recording.samples))
    first, second = draws(choice.make(None), choice.stft(samples), A, choice.stft)
    targets = truth.images[:, 0]

    def allison(signals: NDArray[np.float32]) -> NDArray[np.float32]:
        found, target, _ = match_sources(signals, targets)
        return np.asarray(signals[found[list(target).index(0)]])

    return {
        "microphone": samples[0].numpy(),
        "auto": allison(np.stack([source.signal for source in auto.sources])),
        "mean of 4 draws": allison(np.stack([source.signal for source in mean.sources])),
        "a draw": allison(first),
        "another": allison(second),
        "truth": targets[0],
    }


def too_many() -> Sounds:
    """Three talkers, two microphones, no room; the directions are told."""
    stft, array = STFT(1024), MicrophoneArray.linear(2, 0.1)
    said = torch.from_numpy(np.stack(voices("english-allison", "french-june", "italian-carlo")))
    A = PlaneWave(array, torch.tensor([0.3, 1.3, 2.4]), frequencies=stft.frequencies(RATE))
    y = A(stft(said)) + stft(1e-3 * torch.randn(2, N, generator=torch.Generator().manual_seed(0)))
    settings = {"sigma": (1.5, 0.03), "n_steps": 12}
    with torch.inference_mode():
        inverse = PseudoInverse(0.01)(y, A).x
        mean = DiffusionPosterior(stft, draws=4, **settings)(y, A).x  # type: ignore[arg-type]
    first, second = draws(DiffusionPosterior(stft, draws=1, **settings), y, A, stft)  # type: ignore[arg-type]
    return {
        "microphone": stft.inverse(y, N)[0].numpy(),
        "pseudo-inverse": stft.inverse(inverse, N)[0].numpy(),
        "mean of 4 draws": stft.inverse(mean, N)[0].numpy(),
        "a draw": first[0],
        "another": second[0],
        "truth": said[0].numpy(),
    }


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    scenes = {"Two talkers in a room, nothing known": in_a_room(), "Three talkers, two microphones, A known": too_many()}
    picture = Figure(figsize=(13, 5.2), layout="constrained")
    FigureCanvasAgg(picture)
    rows = picture.subplots(len(scenes), 6, sharex=True, sharey=True)
    page = ["<!doctype html><meta charset='utf-8'><title>Diffusion, to hear</title><h1>Diffusion, to hear</h1>"]
    page += ["<img src='spectrograms.png' alt='Spectrograms of all sounds on this page' style='max-width: 100%'>"]
    for number, ((scene, sounds), axes) in enumerate(zip(scenes.items(), rows, strict=True), start=1):
        page.append(f"<h2>{escape(scene)}: one of them</h2><table>")
        for axis, (name, sound) in zip(axes, sounds.items(), strict=True):
            score = "" if name == "truth" else f"{si_sdr(sound, sounds['truth']):.1f} dB"
            file = f"{number}-{name.replace(' ', '-')}.wav"
            soundfile.write(folder / file, sound, RATE)
            page.append(f"<tr><td>{name}<td>{score}<td><audio controls src='{file}'></audio>")
            print(f"{scene}: {name} {score}")
            levels = STFT(512)(torch.from_numpy(np.asarray(sound))).abs().clamp_min(1e-6).log10().numpy() * 20
            axis.imshow(levels, origin="lower", aspect="auto", extent=(0, SECONDS, 0, 8), vmin=-45, vmax=15, cmap="magma")
            axis.set_title(f"{name}\n{score}" if score else name, fontsize=10)
        axes[0].set_ylabel(f"{scene.replace(', ', chr(10))}\n\nkHz", fontsize=9)
        page.append("</table>")
    for axis in rows[-1]:
        axis.set_xlabel("s")
    picture.savefig(folder / "spectrograms.png", dpi=80)
    (folder / "index.html").write_text("\n".join(page), encoding="utf-8")
    print(f"open {folder / 'index.html'}")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "diffusion-sounds"))
