"""`arrayscene simulate`: talkers in a room around an array, with the truth beside the recording."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from arrayscene.cli.progress import progress_bar
from arrayscene.errors import GeometryError, RecordingError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

DEFAULT_RATE = 16000
ARRAY_HEIGHT = 0.9
"""Metres; a device on a table."""

DATA_SET = Path("simulated-scenes")
"""Where many scenes are written unless told otherwise."""


class Wishes(NamedTuple):
    """What a user fixes for every scene of a data set; None where it is drawn."""

    array: str | None
    talkers: int | None
    t60: float | None
    snr: float | None
    duration: float | None
    room: tuple[float, float, float] | None


def simulate(
    array: Annotated[str | None, typer.Option(metavar="NAME|FILE", help="A preset (`arrayscene array list`) or a file.")] = None,
    talkers: Annotated[int | None, typer.Option(metavar="N", min=1, max=20, help="How many talkers; default: 3.")] = None,
    t60: Annotated[float | None, typer.Option(metavar="S", help="Reverberation time in seconds; 0: none; default: 0.4.")] = None,
    snr: Annotated[float | None, typer.Option(metavar="DB", help="Mixture over sensor noise; default: 25.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same scenes.")] = 1,
    duration: Annotated[float | None, typer.Option(metavar="S", help="Length in seconds; default: 8.")] = None,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="New or empty folder to write.")] = None,
    voices: Annotated[
        list[Path] | None, typer.Option(metavar="FILE", help="A talker's speech, mono; one for each; default: shipped voices.")
    ] = None,
    room: Annotated[str | None, typer.Option(metavar="LxWxH", help="Room in metres; default: 6x4x2.7.")] = None,
    scenes: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Write a data set of N scenes; what is not said is drawn for each.")
    ] = None,
    config: Annotated[Path | None, typer.Option(metavar="FILE", help="With --scenes: a world as TOML or JSON.")] = None,
    speech: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="With --scenes: speech, a folder for each speaker; default: shipped voices."),
    ] = None,
    split: Annotated[
        str | None, typer.Option(metavar="NAME", help="With --scenes: speakers for train, for test, or all, the default.")
    ] = None,
) -> None:
    """Simulate talkers in a room: writes mixture.wav, truth.json, array.json and what each talker sounds like alone.

    With --scenes, a data set of many different ones.
    """
    if scenes is not None:
        from arrayscene.cli.simulate_world import simulate_world

        if voices:
            raise RecordingError("--voices with --scenes came; give the folder of all the speech with --speech")
        wishes = Wishes(array, talkers, t60, snr, duration, None if room is None else _room_size(room))
        simulate_world(wishes, scenes=scenes, seed=seed, out=out or DATA_SET, config=config, speech=speech, split=split or "all")
        return
    for name, value in (("--config", config), ("--speech", speech), ("--split", split)):
        if value is not None:
            raise RecordingError(f"{name} without --scenes came; say how many scenes with --scenes N")
    talkers, t60, snr = talkers or 3, 0.4 if t60 is None else t60, 25.0 if snr is None else snr
    duration, out = 8.0 if duration is None else duration, out or Path("simulated-scene")
    if array is None:
        raise GeometryError("no array came; say which with --array NAME or --array FILE; `arrayscene array list` shows the names")
    if not 0.1 <= duration <= 600:
        raise RecordingError(f"--duration {duration:g} came; give 0.1 to 600 seconds")
    size = _room_size(room or "6x4x2.7")

    import math

    import numpy as np

    from arrayscene.array import MicrophoneArray
    from arrayscene.simulate import check_new, random_talkers, simulate_scene, write_simulation

    check_new(out)
    microphones = MicrophoneArray.resolve(array)
    rate = microphones.sample_rate or DEFAULT_RATE
    names, signals = _speech(talkers, voices or [], rate, round(duration * rate))
    generator = np.random.default_rng(seed)
    center = (size[0] / 2, size[1] / 2, min(ARRAY_HEIGHT, size[2] / 2))
    people = random_talkers(signals, room_size=size, array_center=center, seed=generator)
    with progress_bar() as progress:
        if progress is not None:
            progress("simulate the room", 0.0)
        scene = simulate_scene(
            microphones, people, sample_rate=rate, room_size=size, t60=t60, array_center=center, snr_db=snr, seed=generator
        )
    settings = {
        "room_m": list(size),
        "array_center_m": list(center),
        "t60_s": t60,
        "snr_db": snr if math.isfinite(snr) else None,
        "seed": seed,
        "array": microphones.name,
    }
    write_simulation(scene, out, names=names, settings=settings)
    for name, (azimuth, elevation), distance in zip(names, scene.directions, scene.distances, strict=True):
        print(f"{name}: azimuth {math.degrees(azimuth):z.0f}°, elevation {math.degrees(elevation):z.0f}°, {distance:.2f} m")
    if microphones.body_radius is not None:
        print(f"simulated without the {microphones.name}'s body: take {out / 'array.json'}, not the preset, to recover it")
    print(f"recover it: arrayscene recover {out / 'mixture.wav'} --array {out / 'array.json'}")


def _speech(n_talkers: int, files: list[Path], rate: int, n_samples: int) -> tuple[list[str], list[NDArray[np.float32]]]:
    """A name and a signal of `n_samples` for each talker; short speech is repeated."""
    import numpy as np

    if files and len(files) != n_talkers:
        raise RecordingError(f"{len(files)} --voices for {n_talkers} talkers came; give one file for each talker")
    if files:
        names = [path.stem for path in files]
        signals = [_read_mono(path, rate) for path in files]
    else:
        from arrayscene.voices import load_voice, voice_names

        known = voice_names()
        if n_talkers > len(known):
            raise RecordingError(f"--talkers {n_talkers} came; {len(known)} voices are shipped; give your own with --voices FILE")
        names = known[:n_talkers]
        signals = [load_voice(name, rate) for name in names]
    return names, [np.resize(signal, n_samples) for signal in signals]


def _read_mono(path: Path, rate: int) -> NDArray[np.float32]:
    from arrayscene.recording import Recording

    recording = Recording.read(path, sample_rate=rate)
    if recording.n_mics != 1:
        raise RecordingError(f"{path}: {recording.n_mics} channels came; a talker's speech is one channel; convert it first")
    signal: NDArray[np.float32] = recording.samples[0]
    return signal


def _room_size(text: str) -> tuple[float, float, float]:
    try:
        length, width, height = (float(part) for part in text.lower().split("x"))
    except ValueError:
        raise GeometryError(f"--room {text!r} came; give length x width x height in metres, such as 6x4x2.7") from None
    return length, width, height
