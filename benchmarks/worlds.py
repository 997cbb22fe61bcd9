"""The fast simulator of `arrayscene.worlds` beside pyroomacoustics: early responses, T60, coherence of the tail, and time.

pyroomacoustics has the same walls, one thread, 343 m/s, and no high-pass behind the images unless
said otherwise. Rooms, places and T60 are drawn as a `WorldConfig` draws them.
"""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable

import numpy as np
import pyroomacoustics as pra
import torch
from common import as_table, describe, shared_folder, write_page
from scipy.signal import butter, fftconvolve, sosfiltfilt

from arrayscene import MicrophoneArray, Recording, recover
from arrayscene.metrics import match_sources
from arrayscene.response.shoebox import walls
from arrayscene.worlds import World, WorldConfig, room_responses
from arrayscene.worlds.decay import wall_absorption
from arrayscene.worlds.images import HALF_WIDTH
from arrayscene.worlds.rooms import HANDOVER

RATE = 16000
SPEED_OF_SOUND = 343.0
N_ROOMS, N_PEER_ROOMS = 40, 10
ABOVE = butter(4, 60, "highpass", fs=RATE, output="sos")
REPEATS = 5


def main() -> None:
    torch.set_num_threads(1)
    pra.constants.set("num_threads", 1)
    speech = (__doc__ or "").split("\n\n")
    lines = ["# worlds", "", *(" ".join(part.split()) + "\n" for part in speech), describe(), ""]
    for title, rows in (
        ("Early responses, until 57 ms", early()),
        ("T60, -5 to -35 dB, begun 5 ms after the direct path", reverberation()),
        ("Coherence of the tail, from 100 to 500 ms, of 200 tails", coherence()),
        ("Time for 2 sources x 6 microphones at 16 kHz, one thread, best of five", speed()),
        ("`recover` on the same 8 scenes made both ways", separation()),
        ("Scenes of 4 s at 16 kHz, with speech and noise, one thread", scenes()),
    ):
        lines += [f"## {title}", "", *as_table(rows), ""]
        print("\n".join(lines[-len(rows) - 5 :]), flush=True)
    write_page("worlds", lines[:-1])


def early() -> list[dict[str, object]]:
    """Error of the first 57 ms, relative to their energy."""
    plain, filtered = [], []
    for size, sources, microphones, t60 in drawn_rooms(N_ROOMS):
        order = math.ceil(0.09 * SPEED_OF_SOUND * math.sqrt(sum(1 / side**2 for side in size))) + 1
        mine = responses(size, sources, microphones, t60)
        theirs = peer_responses(size, sources, microphones, t60, order)
        last = round((HANDOVER[0] - 0.003) * RATE) + HALF_WIDTH
        plain += [error_db(one[:last], other[:last]) for one, other in zip(mine, theirs, strict=True)]
    for size, sources, microphones, t60 in drawn_rooms(N_PEER_ROOMS):
        mine = responses(size, sources, microphones, t60)
        theirs = peer_responses(size, sources, microphones, t60, min(walls(size, max(t60, 0.25))[1], 60), high_pass=True)
        for one, other in zip(mine, theirs, strict=True):
            heard, peer = sosfiltfilt(ABOVE, one), sosfiltfilt(ABOVE, other)
            filtered.append(error_db(heard[: round(0.05 * RATE)], peer[: round(0.05 * RATE)]))
    return [
        {"": "images as they are", "rooms": N_ROOMS, **spread("error dB", plain)},
        {
            "": "behind pyroomacoustics' high-pass, both above 60 Hz, until 50 ms",
            "rooms": N_PEER_ROOMS,
            **spread("error dB", filtered),
        },
    ]


def reverberation() -> list[dict[str, object]]:
    """Measured over wanted; positions of a room are averaged."""
    ours, peers = [], []
    for number, (size, sources, microphones, t60) in enumerate(drawn_rooms(N_ROOMS)):
        ours.append(100 * (np.mean([measured_t60(row) for row in responses(size, sources, microphones, t60)]) / t60 - 1))
        if number < N_PEER_ROOMS:
            order = min(walls(size, max(t60, 0.25))[1], 60)
            theirs = peer_responses(size, sources, microphones, t60, order)
            peers.append(100 * (np.mean([measured_t60(row) for row in theirs]) / t60 - 1))
    return [
        {"": "worlds", "rooms": N_ROOMS, **spread("deviation %", ours)},
        {"": "pyroomacoustics, the same walls", "rooms": N_PEER_ROOMS, **spread("deviation %", peers)},
    ]


def coherence() -> list[dict[str, object]]:
    """Largest deviation from sin(kd) / (kd) over frequency."""
    distances = (0.02, 0.05, 0.1, 0.2)
    place = np.array([3.0, 2.5, 1.2])
    microphones = place + np.array([[distance, 0.0, 0.0] for distance in (0.0, *distances)])
    source = np.array([[1.2, 1.0, 1.6]])
    late = []
    for seed in range(200):
        response = responses((6.0, 5.0, 3.0), source, microphones, 0.8, seed)
        late.append(torch.from_numpy(response[:, round(0.1 * RATE) : round(0.5 * RATE)]).double())
    spectra = torch.fft.rfft(torch.stack(late).unfold(-1, 512, 256) * torch.hann_window(512, dtype=torch.float64))
    spectra = spectra / spectra.abs().square().mean((1, 3), keepdim=True).sqrt()
    hertz = torch.fft.rfftfreq(512, 1 / RATE)
    rows: list[dict[str, object]] = []
    for number, distance in enumerate(distances, start=1):
        cross = (spectra[:, 0] * spectra[:, number].conj()).mean((0, 1))
        power = (spectra[:, 0].abs().square().mean((0, 1)) * spectra[:, number].abs().square().mean((0, 1))).sqrt()
        deviation = (cross / power - torch.sinc(2 * hertz * distance / SPEED_OF_SOUND)).abs()[2:-1]
        rows.append({"distance m": distance, "mean": f"{deviation.mean():.3f}", "largest": f"{deviation.max():.3f}"})
    return rows


def speed() -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    size = (6.0, 5.0, 3.0)
    sources = np.array([[1.5, 1.2, 1.6], [4.5, 4.0, 1.5]])
    microphones = np.array([3.0, 2.5, 1.2]) + MicrophoneArray.circular(6, 0.05).positions
    cases = ((0.3, 1.0, "whole decay"), (0.6, 1.0, "whole decay"), (0.6, 0.5, "later decay incomplete"))
    for t60, share, note in cases:
        order = round(share * walls(np.array(size), t60)[1])
        ours = best_time(lambda t60=t60: responses(size, sources, microphones, t60))
        theirs = best_time(lambda t60=t60, order=order: peer_responses(size, sources, microphones, t60, order), 2)
        row = {"T60 s": t60, "worlds s": f"{ours:.3f}", "pyroomacoustics s": f"{theirs:.2f}", "its order": f"{order}, {note}"}
        rows.append(row | {"ratio": f"{theirs / ours:.0f}"})
    bands = torch.tensor([0.7, 0.7, 0.65, 0.6, 0.55, 0.5, 0.4])
    banded = best_time(lambda: responses(size, sources, microphones, 0.6, bands=bands))
    rows.append({"T60 s": "0.6, seven octaves", "worlds s": f"{banded:.3f}"})
    return rows


def separation() -> list[dict[str, object]]:
    """SI-SDR of what `recover` finds, the target each talker's image at the first microphone."""
    folder = shared_folder()
    config = WorldConfig(
        arrays=("respeaker-usb-4",),
        duration=8.0,
        n_talkers=(2, 2),
        distance=(0.8, 2.0),
        separation=math.radians(35),
        moving=0.0,
        t60=(0.2, 0.5),
        **dict.fromkeys(("t60_low", "t60_high", "speech_share"), (1.0, 1.0)),
        **dict.fromkeys(("gain_error_db", "delay_error", "position_error", "point_noise", "clipping"), 0.0),
        diffuse_snr_db=(20.0, 30.0),
        images_at="all",
    )
    world = World(config, None if folder is None else folder / "speech_train/librispeech_train-clean-100", seed=3)
    scores: dict[str, list[float]] = {"worlds": [], "pyroomacoustics": []}
    for index in range(8):
        scene, plan = world.scene(index), world.plan(index)
        order = min(walls(plan.room_size, plan.t60)[1], 60)
        rows = peer_responses(tuple(plan.room_size), plan.starts, plan.microphones, plan.t60, order, high_pass=True)
        talkers = [scene.dry[talker].numpy() for talker in (0, 1) for _ in plan.microphones]
        heard = [fftconvolve(dry, row)[: scene.dry.shape[1]] for dry, row in zip(talkers, rows, strict=True)]
        peer = np.reshape(heard, scene.images.shape).astype(np.float32)
        for name, images in (("worlds", scene.images.numpy()), ("pyroomacoustics", peer)):
            found = recover(Recording(images.sum(0) + scene.noise.numpy(), RATE, array=scene.array))
            estimates = np.stack([source.signal for source in found.sources])
            scores[name].append(float(match_sources(estimates, images[:, 0])[2].mean()))
    return [
        {"": name, "mean SI-SDR dB": f"{np.mean(values):.1f}", "scenes": ", ".join(f"{value:.1f}" for value in values)}
        for name, values in scores.items()
    ]


def scenes() -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    six = WorldConfig(arrays=("circular:6:0.05",), n_talkers=(2, 2), moving=0)
    cases = (
        ("2 talkers, 6 microphones, nobody walks", six),
        ("2 talkers, 6 microphones, both walk", WorldConfig(arrays=("circular:6:0.05",), n_talkers=(2, 2), moving=1)),
        ("the default: 1 to 4 talkers, 2 to 16 microphones", WorldConfig()),
    )
    for name, config in cases:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            world = World(config, seed=1)
        world.scene(0)
        begun = time.perf_counter()
        for index in range(1, 21):
            world.scene(index)
        rows.append({"": name, "s a scene": f"{(time.perf_counter() - begun) / 20:.3f}"})
    return rows


def drawn_rooms(n: int) -> list[tuple[tuple[float, ...], np.ndarray, np.ndarray, float]]:
    """Size, (source, 3), (mic, 3) and T60 of scenes."""
    config = WorldConfig(n_talkers=(2, 2), moving=0, arrays=("circular",), n_mics=(4, 4))
    world = World(config, seed=7)
    plans = [world.plan(index) for index in range(n)]
    return [(tuple(plan.room_size), plan.starts, plan.microphones, plan.t60) for plan in plans]


def responses(
    size: tuple[float, ...],
    sources: np.ndarray,
    microphones: np.ndarray,
    t60: float,
    seed: int = 0,
    bands: torch.Tensor | None = None,
) -> np.ndarray:
    """(source and mic, tap)."""
    places = (torch.tensor(size), torch.from_numpy(sources), torch.from_numpy(microphones))
    found = room_responses(
        *places, t60, generator=torch.Generator().manual_seed(seed), band_t60=bands, speed_of_sound=SPEED_OF_SOUND
    )
    return found.flatten(0, 1).numpy()


def peer_responses(
    size: tuple[float, ...],
    sources: np.ndarray,
    microphones: np.ndarray,
    t60: float,
    order: int,
    high_pass: bool = False,
) -> list[np.ndarray]:
    """[source and mic] of (tap,)."""
    absorption = float(wall_absorption(torch.tensor(size), t60, SPEED_OF_SOUND))
    pra.constants.set("rir_hpf_enable", high_pass)
    room = pra.ShoeBox(size, fs=RATE, materials=pra.Material(absorption), max_order=order, air_absorption=False)
    for source in sources:
        room.add_source(source)
    room.add_microphone_array(microphones.T)
    room.compute_rir()
    return [np.asarray(row[source], dtype=np.float64) for source in range(len(sources)) for row in room.rir]


def measured_t60(response: np.ndarray) -> float:
    heard = sosfiltfilt(ABOVE, response.astype(np.float64))
    energy = heard[int(np.argmax(np.abs(response))) + round(0.005 * RATE) :] ** 2
    decay = np.cumsum(energy[::-1])[::-1]
    level = 10 * np.log10(decay / decay[0] + 1e-30)
    between = np.flatnonzero((level < -5) & (level > -35))
    return float(-60 / np.polyfit(between / RATE, level[between], 1)[0])


def error_db(found: np.ndarray, wanted: np.ndarray) -> float:
    return float(10 * np.log10(np.sum((found - wanted) ** 2) / np.sum(wanted**2)))


def spread(unit: str, values: list[float]) -> dict[str, object]:
    worst = max(values) if unit.endswith("dB") else max(values, key=abs)
    return {f"median {unit}": f"{np.median(values):.1f}", f"worst {unit}": f"{worst:.1f}"}


def best_time(work: Callable[[], object], repeats: int = REPEATS) -> float:
    times = []
    for _ in range(repeats):
        begun = time.perf_counter()
        work()
        times.append(time.perf_counter() - begun)
    return min(times)


if __name__ == "__main__":
    main()
