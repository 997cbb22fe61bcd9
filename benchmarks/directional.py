"""What directions alone are worth: every directional decoder, told the true directions and nothing else, in simulated rooms.

No oracle covariances: what a decoder needs to know of sources and noise it takes from the recording and the directions. Scenes
of `room_scenes.py`: T60 0.25 to 0.5 s, talkers 0.8 to 2 m away, at least 35 degrees apart, 8 s at 16 kHz, SNR 20 dB; windows of
64 ms, for decoders that learn a covariance of the recording 256 ms. SI-SDR improvement over the first microphone; target: each
talker's reverberant image there. "above" is the same for the frequencies above the array's aliasing limit.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import torch
from common import describe, write_table
from room_scenes import RATE, room_scene

from arrayscene import STFT, MicrophoneArray
from arrayscene.decoders import (
    GEV,
    LCMV,
    MPDR,
    SDWMWF,
    AuxIVA,
    Decoder,
    DelayAndSum,
    Hybrid,
    Masking,
    MultichannelWiener,
    PseudoInverse,
    SoudenMVDR,
    Superdirective,
    Tikhonov,
)
from arrayscene.metrics import si_sdr
from arrayscene.response import far_field

CASES = (("respeaker-usb-4", 2), ("respeaker-usb-4", 3), ("circular:4:0.08", 2))
N_SCENES = 4
FIRST_SEED = 500
SHORT, LONG = STFT(1024), STFT(4096)

DECODERS: dict[str, tuple[Callable[[float], Decoder], STFT]] = {
    "delay-and-sum": (lambda limit: DelayAndSum(), SHORT),
    "pseudo-inverse": (lambda limit: PseudoInverse(0.1), SHORT),
    "Tikhonov, noise level": (lambda limit: Tikhonov("noise"), SHORT),
    "superdirective": (lambda limit: Superdirective(), SHORT),
    "MPDR": (lambda limit: MPDR(), LONG),
    "LCMV": (lambda limit: LCMV(), SHORT),
    "masked delay-and-sum": (lambda limit: Masking(), SHORT),
    "masked pseudo-inverse": (lambda limit: Masking(PseudoInverse(0.1)), SHORT),
    "hybrid: pseudo-inverse, masks above aliasing": (lambda limit: Hybrid(PseudoInverse(0.1), limit), SHORT),
    "Souden MVDR, masks from directions": (lambda limit: SoudenMVDR(), LONG),
    "GEV, masks from directions": (lambda limit: GEV(), LONG),
    "SDW-MWF, masks from directions": (lambda limit: SDWMWF(), LONG),
    "AuxIVA from directions": (lambda limit: AuxIVA(model="banded", n_iter=30), LONG),
    "AuxIVA from directions, Wiener filter": (
        lambda limit: MultichannelWiener(AuxIVA(model="banded", n_iter=30), SHORT, LONG),
        SHORT,
    ),
}


def main() -> None:
    rows: dict[str, dict[str, object]] = {name: {"decoder": name} for name in DECODERS}
    for spec, n_talkers in CASES:
        scores: dict[str, list[tuple[float, float, float]]] = {name: [] for name in DECODERS}
        for seed in range(FIRST_SEED, FIRST_SEED + N_SCENES):
            scene = room_scene(spec, n_talkers, seed)
            for name in DECODERS:
                scores[name].append(_score(name, spec, scene))
        for name, values in scores.items():
            overall, above, seconds = np.mean(values, axis=0)
            rows[name][f"{spec}, {n_talkers}: dB"] = f"{overall:.2f}"
            rows[name][f"{spec}, {n_talkers}: above"] = f"{above:.2f}"
            rows[name][f"{spec}, {n_talkers}: s"] = f"{seconds:.2f}"
            print(spec, n_talkers, name, f"{overall:.2f} above {above:.2f}, {seconds:.2f} s", flush=True)
    write_table("directional", __doc__, describe(), list(rows.values()))


def _score(name: str, spec: str, scene: object) -> tuple[float, float, float]:
    make, stft = DECODERS[name]
    array = MicrophoneArray.resolve(spec)
    y, images = torch.from_numpy(scene.recording.samples), scene.images[:, 0].astype(np.float32)
    azimuth, elevation = torch.tensor(scene.directions).T
    response = far_field(array, azimuth, elevation, frequencies=stft.frequencies(RATE))
    decoder = make(array.aliasing_hz())
    with torch.inference_mode():
        start = time.perf_counter()
        found = stft.inverse(decoder(stft(y), response).x, y.shape[-1]).numpy()
        seconds = time.perf_counter() - start
    bands = [_high(signals, array.aliasing_hz()) for signals in (found, images, y[:1].numpy())]
    return (
        float((si_sdr(found, images) - si_sdr(y[:1].numpy(), images)).mean()),
        float((si_sdr(bands[0], bands[1]) - si_sdr(bands[2], bands[1])).mean()),
        seconds,
    )


def _high(signals: np.ndarray, limit: float) -> np.ndarray:
    """The part above a frequency."""
    spectrum = np.fft.rfft(signals)
    spectrum[..., np.fft.rfftfreq(signals.shape[-1], 1 / RATE) < limit] = 0
    return np.fft.irfft(spectrum, signals.shape[-1]).astype(np.float32)


if __name__ == "__main__":
    main()
