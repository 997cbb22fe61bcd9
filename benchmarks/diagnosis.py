"""How often `diagnose` finds what is wrong with an array's channels, and how often it blames a correct array.

Simulated rooms of 4 to 7 by 3.5 to 6 m, T60 0.4 s unless said otherwise, 10 s at 16 kHz, 1 to 3 talkers 0.8 to 2.2 m away, SNR
20 dB, LibriSpeech speakers and rooms that were not used for tuning; the measured sets are the line of 32 microphones
(rs_mnmf_ula32, T60 over 1 s, loudspeakers 0.25 to 0.8 m away, its own dry clips) and the rigid sphere (sofia_vsa_measured:
anechoic, four loudspeakers over 90 degrees). An order counts as right if it is the true one up to the array's
isometries, and nothing else is blamed; faults that are isometries are not counted. Seconds are those of a shared machine. Needs
the shared recordings.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile as sf
import soxr
import torch
from common import as_table, describe, page_head, shared_data, speech_files, write_page
from measured_line import line_positions, line_responses
from measured_sphere import LONG_WINDOW, NOMINAL, STARTS, Measured
from scipy.signal import fftconvolve

from arrayscene import MicrophoneArray, Recording, simulate_scene
from arrayscene.diagnosis import Diagnosis, Place, calibrate, diagnose, suspicion
from arrayscene.diagnosis.symmetry import Order, isometries, simplest
from arrayscene.equalizer import Equalizer
from arrayscene.simulate import SimulatedScene, random_talkers

RATE, SECONDS, SEEDS, FIRST_SEED = 16000, 10, 7, 9000
ARRAYS = (
    "respeaker-usb-4", "respeaker-hat-4", "kinect-v1", "linear:4:0.035", "irregular:4", "circular:5:0.05", "irregular:5",
    "respeaker-6", "chime3-6", "linear:6:0.04", "flat:6", "irregular:6", "uma-8", "circular:8:0.05", "linear:8:0.03",
    "irregular:8",
)  # fmt: skip

Table = list[dict[str, object]]


class Case(NamedTuple):
    """A recording, the array that is claimed, and the order in which the rows really carry its microphones."""

    samples: np.ndarray
    array: MicrophoneArray
    order: Order


def main() -> None:
    torch.set_num_threads(1)
    root = shared_data()
    sections: dict[str, Callable[[Path], Table]] = {
        "Order of the channels, by array": simulated_orders,
        "Order of the channels, other rooms and recordings (three arrays of each kind)": other_rooms,
        "Confidence of those that a fault was planted in": confidences,
        "Late, inverted and weak channels": other_faults,
        "Mirrored and turned arrays, azimuths of all talkers known": mirrors,
        "Another size than the file's": sizes,
        "Order of the channels, measured responses": measured,
        "Calibration from one talker at a known place": calibrations,
    }
    chosen = [name for name in sections if not sys.argv[1:] or any(word.lower() in name.lower() for word in sys.argv[1:])]
    lines = page_head("diagnosis", __doc__, describe())
    for name in chosen:
        table = [f"## {name}", "", *as_table(sections[name](root)), ""]
        lines += table
        if sys.argv[1:]:
            print("\n".join(table), flush=True)
        else:
            write_page("diagnosis", lines[:-1])


OUTCOMES: list[tuple[float, bool]] = []
"""(confidence, right) of every planted fault in simulated rooms."""


def simulated_orders(root: Path) -> Table:
    table: Table = []
    for name in ARRAYS:
        cases = [case for seed in range(SEEDS) for case in _order_cases(_scene(root, name, FIRST_SEED + seed), seed)]
        table.append({"array": name} | _score_orders(cases))
        print(table[-1], flush=True)
    return [*table, _total(table)]


def other_rooms(root: Path) -> Table:
    kinds: dict[str, dict[str, float]] = {
        "T60 0, one talker": {"t60": 0.0, "n_talkers": 1},
        "T60 0.15 s, one talker": {"t60": 0.15, "n_talkers": 1},
        "T60 0.8 s": {"t60": 0.8},
        "3 s": {"seconds": 3},
        "SNR 5 dB": {"snr_db": 5},
        "white noise from one place": {"n_talkers": 0},
    }
    table: Table = []
    for kind, options in kinds.items():
        names = [name for n, name in enumerate(ARRAYS) if n % 5 == len(table) % 5]
        scenes = [_scene(root, name, FIRST_SEED + 100 + seed, **options) for name in names for seed in range(3)]
        cases = [case for n, scene in enumerate(scenes) for case in _order_cases(scene, n)]
        table.append({"recording": kind} | _score_orders(cases))
        print(table[-1], flush=True)
    return table


def confidences(root: Path) -> Table:
    table: Table = []
    for low, high in ((0.0, 0.5), (0.5, 0.9), (0.9, 0.99), (0.99, 1.01)):
        inside = [right for sure, right in OUTCOMES if low <= sure < high]
        share = f"{100 * np.mean(inside):.0f} %" if inside else "-"
        table.append({"confidence": f"{low:g} to {min(high, 1):g}", "cases": len(inside), "right": share})
    return table


def other_faults(root: Path) -> Table:
    names = ARRAYS[::2]
    found: dict[str, list[tuple[bool, float]]] = {}
    for n, name in enumerate(names):
        for seed in (0, 1):
            scene = _scene(root, name, FIRST_SEED + 200 + seed)
            array, y = _believed(scene), scene.recording.samples
            generator = np.random.default_rng(1000 * n + seed)
            row = int(generator.integers(array.n_mics))
            late = float(generator.uniform(80e-6, 400e-6) * generator.choice([-1, 1]))
            gain = float(generator.uniform(4, 10) * generator.choice([-1, 1]))
            one = np.eye(array.n_mics)[row]
            inverted = diagnose(Recording(y * (1 - 2 * one[:, None]).astype(np.float32), RATE, array))
            found.setdefault("inverted", []).append((_blamed(inverted) == {("polarity", row + 1)}, 0.0))
            delayed = diagnose(Recording(_electronics(y, 0 * one, late * one), RATE, array))
            error = 1e6 * abs((delayed.corrected.delays or [0] * array.n_mics)[row] - late) if delayed.corrected else np.nan
            found.setdefault("late by 80 to 400 us; error in us", []).append((_blamed(delayed) == {("delay", row + 1)}, error))
            louder = diagnose(Recording(_electronics(y, gain * one, 0 * one), RATE, array))
            error = abs((louder.corrected.gains_db or [0] * array.n_mics)[row] - gain) if louder.corrected else np.nan
            found.setdefault("4 to 10 dB off; error in dB", []).append((_blamed(louder) == {("gain", row + 1)}, error))
            order = _random_order(array, generator)
            mixed = _electronics(y[list(order)], 0 * one, late * one) * (1 - 2 * np.roll(one, 1)[:, None]).astype(np.float32)
            diagnosis = diagnose(Recording(mixed, RATE, array))
            right = _same_order(diagnosis, Case(mixed, array, order)) and {"polarity", "delay"} <= {
                f.kind for f in diagnosis.findings
            }
            found.setdefault("all in another order, one late, one inverted", []).append((right, 0.0))
    return [
        {
            "fault": kind,
            "cases": len(of),
            "right": _percent([right for right, _ in of]),
            "median error": _median([e for _, e in of]),
        }
        for kind, of in found.items()
    ]


def mirrors(root: Path) -> Table:
    """Files that mirror or turn the array, and correct ones; the azimuths of all talkers are known."""
    table: Table = []

    def add(name: str, cases: list[tuple[np.ndarray, MicrophoneArray, np.ndarray]]) -> None:
        table.append({"set": name} | _score_turns(cases))
        print(table[-1], flush=True)

    for n in (1, 2, 3):
        scenes = [
            _scene(root, name, FIRST_SEED + 300 + seed, n_talkers=n)
            for name in ("respeaker-usb-4", "respeaker-6", "uma-8", "circular:8:0.05", "flat:6", "linear:6:0.04")
            for seed in (0, 1)
        ]
        add(f"rooms, talkers: {n}", [(scene.recording.samples, _believed(scene), scene.directions[:, 0]) for scene in scenes])
    for talkers in ((3,), (1, 3), (0, 1, 3)):
        azimuths = np.deg2rad(NOMINAL[list(talkers)])
        spheres = [_sphere(root, n_mics, seed, talkers) for n_mics, seed in ((8, 0), (8, 1), (16, 0))]
        add(f"measured sphere, talkers: {len(talkers)}", [(*sphere, azimuths) for sphere in spheres])
    for n in (1, 2, 3):
        # The sources of `_line` with these seeds.
        lines = [_line(root, n_mics, seed) for n_mics, seed in ((8, n - 1), (8, n + 2), (16, n - 1))]
        add(f"measured line, talkers: {n}", [(*line[:2], line[2]) for line in lines])
    return table


def _score_turns(cases: list[tuple[np.ndarray, MicrophoneArray, np.ndarray]]) -> dict[str, object]:
    told, named, alone = [], [], []
    for samples, array, azimuths in cases:
        known, is_line = azimuths.tolist(), array.ambiguity == "cone"
        alone.append(diagnose(Recording(samples, RATE, array), azimuths=known).corrected is None)
        mirrored, turned = replace(array, positions=array.positions * [1.0, -1.0, 1.0]), array.rotated(yaw=-1.2)
        wrongs = [(mirrored, "the other way round")] if is_line else [(mirrored, "mirrored"), (turned, "turned by")]
        for wrong, words in wrongs:
            diagnosis = diagnose(Recording(samples, RATE, wrong), azimuths=known)
            right = diagnosis.corrected is not None and _turned_right(diagnosis.corrected, array)
            said = " ".join([*(finding.message for finding in diagnosis.findings), *diagnosis.ambiguities])
            if _looks_alike(azimuths, array):
                named.append(right or words in said)
            else:
                told.append(right)
    return {
        "can be told": len(told),
        "corrected": _percent(told),
        "cannot": len(named),
        "corrected or named": _percent(named),
        "correct files": len(alone),
        "left alone": _percent(alone),
    }


def _looks_alike(azimuths: np.ndarray, array: MicrophoneArray) -> bool:
    """Whether turning or mirroring puts the talkers where talkers are, within 12 degrees: then nothing tells the one."""
    if array.ambiguity == "cone":
        along = np.stack([np.cos(azimuths), np.sin(azimuths)], axis=1) @ np.ptp(array.positions, axis=0)[:2]
        along = np.sort(along) / np.linalg.norm(np.ptp(array.positions, axis=0))
        return bool(np.abs(along + along[::-1]).max() < np.sin(np.deg2rad(12)))
    for side in (1, -1):
        for angle in np.deg2rad(np.arange(20 if side == 1 else 0, 341 if side == 1 else 360, 2)):
            apart = np.abs(np.angle(np.exp(1j * (side * azimuths[:, None] + angle - azimuths[None]))))
            if max(apart.min(0).max(), apart.min(1).max()) < np.deg2rad(12):
                return True
    return False


def sizes(root: Path) -> Table:
    table: Table = []
    for factor in (0.1, 0.5, 2.0, 100.0):
        right = []
        for name in ARRAYS[::3]:
            scene = _scene(root, name, FIRST_SEED + 400)
            array = _believed(scene)
            wrong = replace(array, positions=factor * array.positions)
            diagnosis = diagnose(Recording(scene.recording.samples, RATE, wrong))
            if diagnosis.corrected is None or not any(finding.kind == "size" for finding in diagnosis.findings):
                right.append(False)
                continue
            right.append(bool(0.67 < diagnosis.corrected.aperture / array.aperture < 1.5))
        table.append({"file's size over the true one": factor, "cases": len(right), "found within a factor 1.5": _percent(right)})
        print(table[-1], flush=True)
    return table


def measured(root: Path) -> Table:
    table: Table = []
    for n_mics in (8, 16, 32):
        cases = [case for seed in range(6) for case in _order_cases_of(*_line(root, n_mics, seed)[:2], seed)]
        table.append({"set": f"line, {n_mics} of 32 microphones"} | _score_orders(cases))
        print(table[-1], flush=True)
    for n_mics in (6, 8, 16):
        talkers = [(1, 2, 3), (0, 3), (0, 1, 2, 3), (1, 3), (0, 1, 3), (0, 2)]
        cases = [case for seed in range(6) for case in _order_cases_of(*_sphere(root, n_mics, seed, talkers[seed]), seed)]
        table.append({"set": f"sphere, {n_mics} of 110 microphones, 2 to 4 talkers"} | _score_orders(cases))
        print(table[-1], flush=True)
    cases = [case for seed in range(6) for case in _order_cases_of(*_sphere(root, 8, seed), seed)]
    table.append({"set": "sphere, 8 of 110 microphones, one sound from all four loudspeakers"} | _score_orders(cases))
    cases = _order_cases_of(*_sphere(root, 110, 0, (0, 1, 3)), 0)[:2]
    table.append({"set": "sphere, all 110 microphones, one swap"} | _score_orders(cases))
    return table


def calibrations(root: Path) -> Table:
    gains, delays = [], []
    for n, name in enumerate(ARRAYS):
        scene = _scene(root, name, FIRST_SEED + 500, n_talkers=1)
        array, generator = _believed(scene), np.random.default_rng(n)
        gain, late = generator.uniform(-4, 4, array.n_mics), generator.uniform(-2e-4, 2e-4, array.n_mics)
        y = _electronics(scene.recording.samples, gain, late)
        azimuth, elevation = scene.directions[0]
        found = calibrate(Recording(y, RATE, array), Place(azimuth, elevation, float(scene.distances[0])))
        gains.append(np.abs(_centred(np.array(found.gains_db) - gain)).max())
        delays.append(1e6 * np.abs(_centred(np.array(found.delays) - late)).max())
    return [
        {"largest error of a channel": what, "median": f"{np.median(of):.1f}", "90 %": f"{np.percentile(of, 90):.1f}"}
        for what, of in (("gain, dB (planted: up to 4)", gains), ("delay, us (planted: up to 200)", delays))
    ]


def _scene(
    root: Path,
    name: str,
    seed: int,
    *,
    t60: float = 0.4,
    n_talkers: float | None = None,
    seconds: float = SECONDS,
    snr_db: float = 20,
) -> SimulatedScene:
    generator = np.random.default_rng([seed, *name.encode()])
    clips = speech_files(root)[125:]
    array = _array(name, generator)
    room = tuple(generator.uniform([4.0, 3.5, 2.5], [7.0, 6.0, 3.2]))
    center = (*generator.uniform([1.3, 1.3], [room[0] - 1.3, room[1] - 1.3]), generator.uniform(0.8, 1.4))
    n = int(generator.integers(1, 4)) if n_talkers is None else int(n_talkers)
    samples = int(seconds * RATE)
    signals = [
        np.resize(sf.read(str(clips[i]), dtype="float32")[0], samples)
        for i in generator.choice(len(clips), max(n, 1), replace=False)
    ]
    if n == 0:
        signals = [generator.standard_normal(samples).astype(np.float32)]
    talkers = random_talkers(
        signals, room_size=room, array_center=center, seed=generator, separation=np.deg2rad(30), distances=(0.8, 2.2)
    )
    return simulate_scene(
        array, talkers, sample_rate=RATE, room_size=room, t60=t60, array_center=center, snr_db=snr_db, seed=generator
    )


def _array(name: str, generator: np.random.Generator) -> MicrophoneArray:
    kind, _, number = name.partition(":")
    if kind not in ("irregular", "flat"):
        return MicrophoneArray.resolve(name)
    n, size = int(number), generator.uniform(0.06, 0.2)
    while True:
        positions = generator.uniform(-0.5, 0.5, (n, 3)) * size * [1, 1, kind == "irregular"]
        apart = np.linalg.norm(positions[:, None] - positions[None], axis=-1)[np.triu_indices(n, 1)]
        if apart.min() > 0.15 * size:
            return MicrophoneArray.from_positions(positions, name=name, layout="mic-first")


def _believed(scene: SimulatedScene) -> MicrophoneArray:
    """The array of a scene without a map to a device's files: rows are its microphones."""
    assert scene.recording.array is not None
    return replace(scene.recording.array, channels=None, hardware_channels=None)


def _order_cases(scene: SimulatedScene, seed: int) -> list[Case]:
    return _order_cases_of(scene.recording.samples, _believed(scene), seed)


def _order_cases_of(samples: np.ndarray, array: MicrophoneArray, seed: int) -> list[Case]:
    """As it is, two swapped, reversed or shifted, and shuffled."""
    generator = np.random.default_rng(seed)
    n = array.n_mics
    plain = np.arange(n)
    swapped = plain.copy()
    pair = generator.choice(n, 2, replace=False)
    swapped[pair] = swapped[pair[::-1]]
    regular = plain[::-1] if generator.random() < 0.5 else np.roll(plain, int(generator.integers(1, n)))
    orders = [plain, swapped, regular, generator.permutation(n)]
    cases = [Case(np.ascontiguousarray(samples[order]), array, tuple(order.tolist())) for order in orders]
    symmetries = isometries(array)
    return [case for k, case in enumerate(cases) if k == 0 or simplest(case.order, symmetries) != tuple(range(n))]


def _score_orders(cases: list[Case]) -> dict[str, object]:
    correct, faulty, seconds, quick, warned = [], [], [], [], []
    for case in cases:
        recording = Recording(case.samples, RATE, case.array)
        start = time.perf_counter()
        diagnosis = diagnose(recording)
        seconds.append(time.perf_counter() - start)
        right = _same_order(diagnosis, case) and all(finding.kind == "order" for finding in diagnosis.findings)
        start = time.perf_counter()
        suspicious = bool(suspicion(recording))
        if case.order == tuple(range(case.array.n_mics)):
            quick.append(time.perf_counter() - start)
            correct.append(right)
            warned.append(suspicious)
        else:
            faulty.append(right)
            if case.array.n_mics <= 8:
                OUTCOMES.append((diagnosis.confidence if diagnosis.findings else 0.0, right))
    return {
        "correct": len(correct),
        "blamed": len(correct) - sum(correct),
        "warned of by recover": sum(warned),
        "faulty": len(faulty),
        "corrected": sum(faulty),
        "share": _percent(faulty),
        "diagnose s": f"{np.median(seconds):.1f}",
        "suspicion s": f"{np.median(quick):.2f}" if quick else "-",
    }


def _total(table: Table) -> dict[str, object]:
    total: dict[str, object] = {"array": "all"}
    for column in ("correct", "blamed", "warned of by recover", "faulty", "corrected"):
        total[column] = sum(int(str(row[column])) for row in table)
    total["share"] = f"{100 * int(str(total['corrected'])) / int(str(total['faulty'])):.1f} %"
    return total


def _same_order(diagnosis: Diagnosis, case: Case) -> bool:
    """Whether the corrected array says what the rows carry, up to isometries."""
    n = case.array.n_mics
    channels = range(1, n + 1) if diagnosis.corrected is None else diagnosis.corrected.file_channels
    order = [0] * n
    for mic, channel in enumerate(channels):
        order[channel - 1] = mic
    symmetries = isometries(case.array)
    return simplest(tuple(order), symmetries) == simplest(case.order, symmetries)


def _turned_right(corrected: MicrophoneArray, array: MicrophoneArray) -> bool:
    """Whether the corrected array points where the true one does, within about 10 degrees, and is no mirror image of it."""
    rows = np.argsort(corrected.file_channels)
    truth, found = array.positions - array.positions.mean(0), corrected.positions[rows] - corrected.positions.mean(0)
    return bool(np.linalg.norm(found - truth) < 2 * np.sin(np.deg2rad(10) / 2) * np.linalg.norm(truth))


def _blamed(diagnosis: Diagnosis) -> set[tuple[str, int]]:
    return {(finding.kind, channel) for finding in diagnosis.findings for channel in finding.channels or (0,)}


def _electronics(samples: np.ndarray, gains_db: np.ndarray, delays: np.ndarray) -> np.ndarray:
    """What channels with these gains and delays would have written."""
    undo = Equalizer(tuple((10 ** (-gains_db / 20)).tolist()), tuple((-delays).tolist()))
    return undo.apply(np.ascontiguousarray(samples), RATE)


def _random_order(array: MicrophoneArray, generator: np.random.Generator) -> Order:
    return tuple(generator.permutation(array.n_mics).tolist())


def _line(root: Path, n_mics: int, seed: int) -> tuple[np.ndarray, MicrophoneArray, np.ndarray]:
    """Also the azimuths of the sources, from the middle of the line."""
    responses, places = line_responses(root)
    generator = np.random.default_rng([seed, n_mics])
    stride = int(generator.integers(1, (32 - 1) // (n_mics - 1) + 1)) if n_mics < 32 else 1
    mics = int(generator.integers(0, 32 - (n_mics - 1) * stride)) + stride * np.arange(n_mics)
    clips = sorted((root / "measured" / "rs_mnmf_ula32" / "audio").glob("*/*.wav"))
    y = np.zeros((n_mics, SECONDS * RATE))
    sources = generator.choice(6, 1 + seed % 3, replace=False)
    for source in sources:
        clip = sf.read(clips[generator.integers(len(clips))], always_2d=True)[0][:, 0]
        y += _image(responses[source][mics], clip)
    positions = line_positions(mics)
    toward = places[sources] - positions.mean(axis=0)[:2]
    array = MicrophoneArray.from_positions(positions, name="line", layout="mic-first")
    return _noisy(y, generator), array, np.arctan2(toward[:, 1], toward[:, 0])


def _sphere(root: Path, n_mics: int, seed: int, talkers: tuple[int, ...] = ()) -> tuple[np.ndarray, MicrophoneArray]:
    """Talkers at some of the four loudspeakers, one clip each; without, one clip from all four of them."""
    generator = np.random.default_rng([seed, n_mics])
    measured = Measured("A2" if seed % 2 and not talkers else "A3")
    mics = np.sort(generator.choice(110, n_mics, replace=False))
    samples = measured.samples.T
    # In A3 the loudspeakers sound one after the other.
    stretches = [samples[STARTS[talker] : STARTS[talker] + LONG_WINDOW] for talker in talkers] or [samples]
    clips = sorted((root / "measured" / "rs_mnmf_ula32" / "audio").glob("*male/*.wav"))
    y = np.zeros((n_mics, SECONDS * RATE))
    for stretch, clip in zip(stretches, generator.choice(len(clips), len(stretches), replace=False), strict=True):
        response = soxr.resample(stretch, measured.rate, RATE).T[mics]
        y += _image(response, sf.read(clips[clip], always_2d=True)[0][:, 0])
    whole = measured.array
    array = MicrophoneArray(positions=whole.positions[mics], name="sphere", body_radius=whole.body_radius)
    return _noisy(y, generator), array


def _image(response: np.ndarray, clip: np.ndarray) -> np.ndarray:
    image = fftconvolve(response, np.resize(clip, SECONDS * RATE)[None], axes=1)[:, : SECONDS * RATE]
    return np.asarray(image / image.std() * 0.05)


def _noisy(y: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    return np.asarray(y + 0.1 * y.std() * generator.standard_normal(y.shape), dtype=np.float32)


def _centred(values: np.ndarray) -> np.ndarray:
    return np.asarray(values - (np.median(values) if values.ndim == 1 else values.mean(axis=0)))


def _percent(values: list[bool]) -> str:
    return f"{100 * np.mean(values):.0f} %" if values else "-"


def _median(values: list[float]) -> str:
    known = [value for value in values if np.isfinite(value)]
    return f"{np.median(known):.1f}" if any(known) else ""


if __name__ == "__main__":
    main()
