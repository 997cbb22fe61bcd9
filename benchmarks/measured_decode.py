"""Two talkers decoded with measured responses: dummy heads of two microphones, a ring, and a line of 32 in an office.

Needs the shared recordings (ARRAYSCENE_SHARED_DATA, or ../shared/data beside the repository). Every recording is two of the
shipped voices, equally loud, convolved with impulse responses, plus sensor noise at -40 dB; every decoder is called alike:
decoder(y, response). SI-SDR in dB, mean of both talkers; target: each talker's image at the first microphone. AuxIVA, which
starts from A and learns on, is left out for 32 microphones: it took 18 s and was no better. "Open field" knows where the talkers
are.

- KEMAR and KU 100: SOFA files, anechoic. The responses of the two directions themselves, and of all within 4 degrees of them, are
  left out of the set that A is interpolated from. "error of A" is what the interpolation states of itself, and the true error,
  0.2 to 8 kHz. Beside it a rigid sphere of 87.5 mm with an ear on each side, and the same ears in the open field. (The KU 100's
  file says that its first receiver is the right ear; by its delays it is the left one.)
- Ring: six microphones, 50 mm, in a room of 5 x 4 x 2.6 m with T60 0.25 s simulated by pyroomacoustics; A from the first 60 ms of
  its impulse responses.
- Line: 32 microphones, 30 mm apart, measured in an office (rs_mnmf_ula32). After 120 ms its files hold noise of the measurement,
  which stays as it is to their end at 1 s: voices are convolved with the first 120 ms, and once with all of it.
"""

from __future__ import annotations

import itertools
import math
from typing import NamedTuple

import numpy as np
import soxr
import torch
from common import as_table, describe, shared_data, write_page
from measured_line import line_positions, line_responses
from scipy.signal import fftconvolve

from arrayscene import STFT, MicrophoneArray, load_voice, simulate_scene
from arrayscene.decoders import LCMV, MPDR, AuxIVA, Decoder, DelayAndSum, PseudoInverse
from arrayscene.metrics import si_sdr
from arrayscene.response import ImpulseResponses, MeasuredResponse, PlaneWave, Response, RigidSphere, SphericalWave, unit_vectors
from arrayscene.simulate import Talker

RATE, SECONDS = 16000, 6
NEAR_DEG = 4.0
MOST_FOR_AUXIVA = 8


class Case(NamedTuple):
    """A recording, what is true of it, and the responses to decode it with."""

    name: str
    stft: STFT
    images: np.ndarray
    responses: dict[str, Response]
    note: str = ""


def main() -> None:
    rows = []
    for case in itertools.chain(heads(), [ring()], lines()):
        y = case.images.sum(0)
        y = (y + 0.01 * y[0].std() * np.random.default_rng(0).standard_normal(y.shape)).astype(np.float32)
        frames = case.stft(torch.tensor(y))
        before = si_sdr(y[:1], case.images[:, 0]).mean()
        for label, response in case.responses.items():
            row: dict[str, object] = {"array": case.name, "A": label, "mixture": f"{before:.1f}"}
            for name, decoder in decoders().items():
                if name == "AuxIVA" and len(y) > MOST_FOR_AUXIVA:
                    continue
                x = case.stft.inverse(decoder(frames, response).x, y.shape[-1]).numpy()
                row[name] = f"{si_sdr(x, case.images[:, 0]).mean():.1f}"
            row["error of A"] = case.note if "measured" in label else ""
            rows.append(row)
            print(row, flush=True)
    page = ["# measured_decode", "", *(__doc__ or "").strip().splitlines(), "", describe(), ""]
    write_page("measured_decode", [*page, *as_table(rows)])


def decoders() -> dict[str, Decoder]:
    """Called alike for every array."""
    return {
        "delay-and-sum": DelayAndSum(),
        "pseudo-inverse": PseudoInverse(1e-3),
        "LCMV": LCMV(),
        "MPDR": MPDR(),
        "AuxIVA": AuxIVA(model="banded"),
    }


def heads() -> list[Case]:
    """Two dummy heads, two pairs of talkers each."""
    folder, cases, stft = shared_data() / "hrtf", [], STFT(1024)
    frequencies = stft.frequencies(RATE)
    files = {"KEMAR": folder / "share" / "MIT_KEMAR_normal_pinna.sofa", "KU 100": folder / "FHK_HRIR_L2354.sofa"}
    for (name, path), pair in itertools.product(files.items(), ([(30, 0), (-50, 0)], [(-20, 10), (75, 20)])):
        head = ImpulseResponses.load(path)
        toward = unit_vectors(*torch.deg2rad(torch.tensor(pair, dtype=torch.float64)).T).numpy()
        true = head.select((head.vectors @ toward.T).argmax(0).tolist())
        away = (head.vectors @ true.vectors.T).max(1) < math.cos(math.radians(NEAR_DEG))
        azimuth, elevation = torch.tensor(true.azimuth), torch.tensor(true.elevation)
        measured = MeasuredResponse(head.select(np.flatnonzero(away).tolist()), azimuth, elevation, frequencies=frequencies)
        exact, found = MeasuredResponse(true, frequencies=frequencies).matrix(), measured.matrix()
        band = (frequencies > 200) & (frequencies < 8000)
        stated = float(measured.interpolation_error()[band].mean())
        error = float(((found - exact).abs().square().sum(1) / exact.abs().square().sum(1))[band].mean())
        ears = MicrophoneArray(positions=np.array([[0, 0.0875, 0], [0, -0.0875, 0]]), body_radius=0.0875)
        responses = {
            "measured": measured,
            "rigid sphere": RigidSphere(ears, azimuth, elevation, frequencies=frequencies),
            "open field": PlaneWave(torch.tensor(ears.positions), azimuth, elevation, frequencies=frequencies),
        }
        at = ", ".join(f"{round(a)}/{round(e)}" for a, e in np.rad2deg([true.azimuth, true.elevation]).T)
        note = f"stated {10 * math.log10(stated):.0f}, true {10 * math.log10(error):.0f} dB"
        cases.append(Case(f"{name}, {at}", stft, convolve(true), responses, note))
    return cases


def ring() -> Case:
    """Six microphones in a simulated room."""
    array = MicrophoneArray.circular(6, 0.05)
    azimuth, click = np.deg2rad([40.0, -65.0]), np.eye(1, RATE // 2)[0]
    talkers = [Talker(click, a, distance=1.5) for a in azimuth]
    scenes = [simulate_scene(array, [talker], room_size=(5, 4, 2.6), t60=0.25, snr_db=math.inf) for talker in talkers]
    measured = ImpulseResponses(
        np.concatenate([scene.images for scene in scenes]), RATE, azimuth, np.zeros(2), np.full(2, 1.5), "ring"
    )
    return in_room("ring of 6", measured, array, {"measured, 60 ms": 0.06})


def lines() -> list[Case]:
    """The office, two pairs of places."""
    responses, places = line_responses(shared_data())
    positions = line_positions(np.arange(32))
    center = positions.mean(axis=0)
    array, cases = MicrophoneArray(positions=positions - center), []
    for pair in ((0, 3), (1, 4)):
        samples = np.stack([responses[n] for n in pair])
        offset = places[list(pair), :2] - center[:2]
        azimuth, distance = np.arctan2(offset[:, 1], offset[:, 0]), np.hypot(*offset.T)
        whole = ImpulseResponses(samples, RATE, azimuth, np.zeros(2), distance, "office")
        name = f"line of 32, places {pair[0] + 1} and {pair[1] + 1}"
        kept = {"measured, 60 ms": 0.06, "measured, 120 ms": 0.12}
        cases += [in_room(name, whole.early(0.12), array, kept), in_room(f"{name}, 1 s of response", whole, array, kept)]
    return cases


def in_room(name: str, measured: ImpulseResponses, array: MicrophoneArray, kept: dict[str, float]) -> Case:
    """A case whose A is the early part of what was measured, beside spherical waves from the same places."""
    stft = STFT(4096)
    frequencies = stft.frequencies(RATE)
    responses: dict[str, Response] = {
        label: MeasuredResponse(measured.early(seconds), frequencies=frequencies) for label, seconds in kept.items()
    }
    assert measured.distance is not None
    places = torch.tensor(measured.distance[:, None] * measured.vectors)
    responses["open field"] = SphericalWave(array, places, frequencies=frequencies)
    return Case(name, stft, convolve(measured), responses)


def convolve(measured: ImpulseResponses) -> np.ndarray:
    """(talker, mic, sample) images of two voices, equally loud at the first microphone."""
    voices = [load_voice(name)[: SECONDS * RATE] for name in ("english-allison", "italian-carlo")]
    images = np.stack(
        [
            fftconvolve(soxr.resample(response.T, measured.sample_rate, RATE).T, voice[None], axes=1)[:, : SECONDS * RATE]
            for response, voice in zip(measured.samples, voices, strict=True)
        ]
    )
    return 0.05 * images / images[:, :1].std(axis=-1, keepdims=True)


if __name__ == "__main__":
    main()
