"""Where the sources are, how many and how loud: `locate`, which is not told the count, beside pyroomacoustics, which is.

Rooms: T60 0.25 to 0.6 s, two or three talkers 1 to 2 m away and at least 30 degrees apart, ReSpeaker USB 4 and ReSpeaker 6,
SNR 15 to 25 dB, 8 s of LibriSpeech at 16 kHz (shipped voices where the shared recordings are not there); in half of the
scenes the talkers are equally loud at the array, in the others within 3 dB. An error is the difference in azimuth to the
source assigned to a talker; false is a source that is not within 10 degrees of a talker of its own. The thresholds of
`locate` were chosen on other rooms and speakers. pyroomacoustics: windows of 32 ms, 0.5 to 4 kHz, one degree, all frames.

Speed: process time on one core, from frames to map, minimum of several, in turns with the peer; the maps are compared too.

`localization_measured.py` does the same with measured responses.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pyroomacoustics as pra
import soundfile as sf
import torch
from common import as_table, describe, page_head, shared_folder, speech_files, write_page
from scipy.optimize import linear_sum_assignment

from arrayscene import MicrophoneArray, load_voice, locate, simulate_scene, voice_names
from arrayscene.activity import active_level_db, active_segments
from arrayscene.localize import MUSIC, Grid, Located, NormMUSIC, SRPMap
from arrayscene.localize.grid import to_angles
from arrayscene.simulate import SimulatedScene, random_talkers
from arrayscene.stft import STFT

RATE, SECONDS, FIRST, N_SCENES = 16000, 8, 9000, 48
ARRAYS = ("respeaker-usb-4", "respeaker-6")
PEERS = ("NormMUSIC", "SRP", "MUSIC")
SOUND = 343.0
"""Speed of sound that pyroomacoustics assumes."""


def main() -> None:
    scored, by_case, levels = rooms(N_SCENES)
    lines = page_head("localization", __doc__, describe())
    lines += [f"## {N_SCENES} rooms", "", *as_table(scored), "", *as_table(by_case), ""]
    lines += ["## Levels and error bars", "", *as_table(levels), ""]
    fast = speed()
    lines += ["## Speed, 8 s of ReSpeaker 6", "", *as_table(fast), ""]
    lines += ["Measured responses: [localization_measured](localization_measured.md)."]
    write_page("localization", lines)


def scene(seed: int, t60: float | None = None) -> SimulatedScene:
    """Room number `seed`; without reverberation where `t60` is 0."""
    generator = np.random.default_rng(seed)
    n_talkers = (2, 3)[seed // 2 % 2]
    room = tuple(generator.uniform([4.5, 4.0, 2.5], [8.0, 6.5, 3.2]))
    center = (*generator.uniform([1.6, 1.6], [room[0] - 1.6, room[1] - 1.6]), generator.uniform(0.8, 1.4))
    clips = speech()
    chosen = generator.choice(len(clips), n_talkers, replace=False)
    talkers = random_talkers(
        [np.resize(np.roll(clip, -int(generator.integers(len(clip)))), SECONDS * RATE) for clip in (clips[c]() for c in chosen)],
        room_size=room,
        array_center=center,
        seed=generator,
        separation=np.deg2rad(30),
        distances=(1.0, 2.0),
    )
    if seed % 8 >= 4:
        talkers = [replace(talker, level_db=-26 + float(generator.uniform(-3, 3))) for talker in talkers]
    drawn, snr = float(generator.uniform(0.25, 0.6)), float(generator.uniform(15, 25))
    return simulate_scene(
        MicrophoneArray.preset(ARRAYS[seed % 2]),
        talkers,
        sample_rate=RATE,
        room_size=room,
        t60=drawn if t60 is None else t60,
        array_center=center,
        snr_db=snr,
        seed=generator,
    )


def speech() -> list[Callable[[], np.ndarray]]:
    root = shared_folder()
    if root is None:
        return [lambda name=name: load_voice(name, RATE) for name in voice_names()]
    # The other speakers served for choosing thresholds.
    return [lambda path=path: sf.read(str(path), dtype="float32")[0] for path in speech_files(root)[125:]]


def rooms(n_scenes: int) -> tuple[list[dict], list[dict], list[dict]]:
    """Rows on accuracy by method, on `locate` by array and talkers, and on levels and error bars."""
    errors: dict[str, list[np.ndarray]] = {}
    false: dict[str, list[int]] = {}
    right: dict[str, list[bool]] = {}
    seconds: dict[str, float] = {}
    cases: dict[tuple[str, int], list[tuple[np.ndarray, int]]] = {}
    azimuth_bars, level_rows = [], {"rooms": [], "no reverberation": []}
    for number in range(n_scenes):
        made = scene(FIRST + number)
        array, truth = made.recording.array, made.directions[:, 0]
        start = time.process_time()
        found = locate(made.recording)
        seconds["locate, counting"] = seconds.get("locate, counting", 0) + time.process_time() - start
        azimuths = {"locate, counting": _azimuths(found)}
        azimuths["locate, told"] = _azimuths(locate(made.recording, n_sources=len(truth)))
        frames = STFT(512, 128)(torch.from_numpy(made.recording.samples)).numpy()
        for name in PEERS:
            start = time.process_time()
            grid = np.deg2rad(np.arange(-180.0, 180.0))
            peer = getattr(pra.doa, name)(array.positions.T, RATE, 512, c=SOUND, num_src=len(truth), azimuth=grid)
            peer.locate_sources(frames, num_src=len(truth))
            azimuths[f"pyroomacoustics {name}, told"] = list(np.atleast_1d(peer.azimuth_recon))
            key = f"pyroomacoustics {name}, told"
            seconds[key] = seconds.get(key, 0) + time.process_time() - start
        for method, guess in azimuths.items():
            error, wrong, _ = assigned(guess, truth)
            errors.setdefault(method, []).append(error)
            false.setdefault(method, []).append(wrong)
            right.setdefault(method, []).append(len(guess) == len(truth))
        error, wrong, pairs = assigned(azimuths["locate, counting"], truth)
        cases.setdefault((array.name, len(truth)), []).append((error, wrong))
        azimuth_bars += [(error[t], np.degrees(found.sources[s].azimuth_error)) for s, t in pairs if error[t] < 15]
        level_rows["rooms"] += _level_errors(made, found, pairs)
        if number % 3 == 0:
            dry = scene(FIRST + number, 0.0)
            heard = locate(dry.recording)
            _, _, pairs = assigned(_azimuths(heard), dry.directions[:, 0])
            level_rows["no reverberation"] += _level_errors(dry, heard, pairs)
        print(number, array.name, {k: v[-1].round(1).tolist() for k, v in errors.items()}, flush=True)
    rows = [
        {"method": method} | _figures(np.concatenate(errors[method]), false[method], right[method])
        | {"s a scene": f"{seconds[method] / n_scenes:.2f}" if method in seconds else ""}
        for method in errors
    ]  # fmt: skip
    by_case = [
        {"array": name, "talkers": n, "scenes": len(found)}
        | _figures(np.concatenate([e for e, _ in found]), [w for _, w in found], None)
        for (name, n), found in sorted(cases.items())
    ]
    levels = []
    for name, values in level_rows.items():
        off, bar = np.array(values).T
        levels.append(
            {
                "what": f"level, {name}",
                "sources": len(off),
                "mean error": f"{np.abs(off).mean():.2f} dB",
                "95 %": f"{np.quantile(np.abs(off), 0.95):.2f} dB",
                "largest": f"{np.abs(off).max():.2f} dB",
                "within the error bar": f"{np.mean(np.abs(off) <= bar):.0%}",
                "within two": f"{np.mean(np.abs(off) <= 2 * bar):.0%}",
            }
        )
    off, bar = np.array(azimuth_bars).T
    levels.append(
        {
            "what": "azimuth, rooms",
            "sources": len(off),
            "mean error": f"{off.mean():.2f} deg",
            "95 %": f"{np.quantile(off, 0.95):.2f} deg",
            "largest": f"{off.max():.2f} deg",
            "within the error bar": f"{np.mean(off <= bar):.0%}",
            "within two": f"{np.mean(off <= 2 * bar):.0%}",
        }
    )
    return rows, by_case, levels


def _azimuths(found: Located) -> list[float]:
    """Radians; a source overhead has none and is far from every talker."""
    return [np.inf if source.azimuth is None else source.azimuth for source in found.sources]


def assigned(guess: list[float], truth: np.ndarray) -> tuple[np.ndarray, int, list[tuple[int, int]]]:
    """(talker,) degrees of error, 180 for a missed one; how many sources are false; pairs (source, talker)."""
    error, pairs = np.full(len(truth), 180.0), []
    if not len(guess):
        return error, 0, pairs
    turn = np.array(guess)[:, None] - truth[None]
    away = np.where(np.isfinite(turn), np.degrees(np.abs(np.angle(np.exp(1j * np.nan_to_num(turn, posinf=0.0))))), 180.0)
    for s, t in zip(*linear_sum_assignment(np.minimum(away, 30.0)), strict=True):
        if away[s, t] < 30:
            error[t] = away[s, t]
            pairs.append((int(s), int(t)))
    return error, len(guess) - int((error <= 10).sum()), pairs


def _figures(error: np.ndarray, false: list[int], right: list[bool] | None) -> dict[str, str]:
    row = {
        "within 5 deg": f"{np.mean(error <= 5):.1%}",
        "within 10 deg": f"{np.mean(error <= 10):.1%}",
        "median deg": f"{np.median(error):.2f}",
        "false a scene": f"{np.mean(false):.3f}",
    }
    return row if right is None else row | {"count right": f"{np.mean(right):.0%}"}


def _level_errors(made: SimulatedScene, found: Located, pairs: list[tuple[int, int]]) -> list[tuple[float, float]]:
    """Error of each level against that of the talker's image while it is active, and its error bar."""
    rows = []
    for s, t in pairs:
        image = made.images[t, 0]
        true = active_level_db(image, active_segments(image, RATE), RATE)
        rows.append((found.sources[s].level_db - true, found.sources[s].level_error_db))
    return rows


def speed() -> list[dict]:
    """Maps over 2,562 directions of the sphere: ours, the peer's, in turns, and how equal they are."""
    made = scene(FIRST + 1)
    array, stft = made.recording.array, STFT(512, 128)
    frames = stft(torch.from_numpy(made.recording.samples))
    for_peer = frames.numpy().astype(np.complex128)
    frequencies = stft.frequencies(RATE)
    rows = []
    for ours, name in ((SRPMap, "SRP"), (MUSIC, "MUSIC"), (NormMUSIC, "NormMUSIC")):
        start = time.process_time()
        peer = getattr(pra.doa, name)(array.positions.T, RATE, 512, c=SOUND, num_src=2, dim=3, n_grid=2562)
        peer_setup = time.process_time() - start
        points = np.stack([peer.grid.x, peer.grid.y, peer.grid.z], axis=-1)
        start = time.process_time()
        mine = ours(array, frequencies, grid=Grid(*to_angles(points), points), masked=False, speed_of_sound=SOUND)
        setup = time.process_time() - start
        took: dict[str, list[float]] = {"ours": [], "peer": []}
        for _ in range(7):
            start = time.process_time()
            power = mine.power(frames, 2)
            took["ours"].append(time.process_time() - start)
            start = time.process_time()
            peer.locate_sources(for_peer, num_src=2)
            took["peer"].append(time.process_time() - start)
        line = np.polyfit(power.numpy(), peer.grid.values, 1)
        off = np.abs(np.polyval(line, power.numpy()) - peer.grid.values).max() / np.ptp(peer.grid.values)
        best = {key: min(values) for key, values in took.items()}
        rows.append(
            {
                "map": name,
                "directions": len(points),
                "arrayscene ms": f"{1e3 * best['ours']:.1f}",
                "pyroomacoustics ms": f"{1e3 * best['peer']:.0f}",
                "times as fast": f"{best['peer'] / best['ours']:.1f}",
                "largest difference of the maps": f"{off:.0e} of their range",
                "set-up ms": f"{1e3 * setup:.0f} and {1e3 * peer_setup:.0f}",
            }
        )
        print(rows[-1], flush=True)
    return rows


if __name__ == "__main__":
    main()
