"""Make the voices of src/arrayscene/assets/voices from Debian's Asterisk prompts.

    apt-get download asterisk-core-sounds-{en,es,fr,it,ru}-g722
    for package in asterisk-core-sounds-*.deb; do dpkg -x $package prompts; done
    pip install av
    python tools/make_voices.py prompts/usr/share/asterisk/sounds src/arrayscene/assets/voices

The cuts below lie in pauses between phrases; pauses longer than 0.2 s are shortened to 0.2 s, no word is touched, and the peak is
brought to -6 dB full scale.
"""

import sys
from pathlib import Path

import av
import numpy as np
import soundfile

# clip: (voice, prompt, start and end in seconds, level under the loudest 10 ms at which a frame counts as pause, dB)
CUTS = {
    "english-allison": ("en_US_f_Allison", "demo-congrats", 15.76, 23.7, -45),
    "spanish-allison": ("es_MX_f_Allison", "demo-congrats", 15.86, 23.1, -32),
    "french-june": ("fr_CA_f_June", "demo-congrats", 0.0, 7.77, -45),
    "italian-carlo": ("it_IT_m_Carlo", "demo-congrats", 5.7, 12.1, -45),
    "italian-carlo-2": ("it_IT_m_Carlo", "demo-instruct", 14.4, 22.3, -45),
    "russian-ivrvoice": ("ru_RU_f_IvrvoiceRU", "demo-congrats", 6.06, 12.35, -45),
}
LONGEST_PAUSE = 0.2
PEAK_DB = -6.0
FRAME = 0.01


def decode(path: Path) -> tuple[np.ndarray, int]:
    """(sample,) and rate of a raw G.722 file."""
    with av.open(str(path), format="g722") as container:
        frames = list(container.decode(audio=0))
    return np.concatenate([frame.to_ndarray().reshape(-1) for frame in frames]) / 32768, frames[0].sample_rate


def shorten_pauses(signal: np.ndarray, rate: int, threshold_db: float) -> np.ndarray:
    """Cut the middle out of long pauses, and the ends, with a 10 ms cross-fade at every joint."""
    size = int(FRAME * rate)
    level = 10 * np.log10(np.mean(signal[: len(signal) // size * size].reshape(-1, size) ** 2, axis=1) + 1e-12)
    speech = np.flatnonzero(level > level.max() + threshold_db)
    keep = int(LONGEST_PAUSE / FRAME / 2)
    breaks = np.flatnonzero(np.diff(speech) > 2 * keep)
    starts = np.concatenate([speech[:1], speech[breaks + 1]]) - keep
    ends = np.concatenate([speech[breaks], speech[-1:]]) + 1 + keep
    pieces = [signal[max(0, start) * size : end * size] for start, end in zip(starts, ends, strict=True)]
    fade = np.linspace(0, 1, size)
    joined = pieces[0]
    for piece in pieces[1:]:
        joint = joined[-size:] * (1 - fade) + piece[:size] * fade
        joined = np.concatenate([joined[:-size], joint, piece[size:]])
    return joined


def main(prompts: Path, target: Path) -> None:
    """Write one FLAC file a clip."""
    for name, (voice, prompt, start, end, threshold_db) in CUTS.items():
        signal, rate = decode(prompts / voice / f"{prompt}.g722")
        clip = shorten_pauses(signal[int(start * rate) : int(end * rate)], rate, threshold_db)
        clip *= 10 ** (PEAK_DB / 20) / np.abs(clip).max()
        soundfile.write(target / f"{name}.flac", clip, rate, subtype="PCM_16")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
