"""From a file to a scene: make a recording with known truth, recover it, compare.

Run it with `python examples/recover_a_recording.py [FOLDER]`; with a recording of your own, start at `Recording.read`.
"""

import math
import sys
from pathlib import Path

from arrayscene import MicrophoneArray, Recording, load_voice, recover, simulate_scene, write_scene
from arrayscene.simulate import Talker


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    array = MicrophoneArray.preset("respeaker-usb-4")
    talkers = [
        Talker(load_voice("english-allison"), azimuth=math.radians(40), distance=1.0),
        Talker(load_voice("italian-carlo-2"), azimuth=math.radians(-110), distance=1.2),
    ]
    simulate_scene(array, talkers, t60=0.2).recording.write(folder / "two-people.wav")

    recording = Recording.read(folder / "two-people.wav", array=array)
    scene = recover(recording, n_sources=2)

    print(f"true azimuths: {', '.join(f'{math.degrees(talker.azimuth):.0f}' for talker in talkers)} degrees")
    for number, source in enumerate(scene.sources, start=1):
        azimuth = "unknown" if source.azimuth is None else f"{math.degrees(source.azimuth):.0f} degrees"
        print(f"source {number}: azimuth {azimuth}, {source.level_db:.1f} dBFS, confidence {source.confidence:.2f}")
    print(f"decoder: {scene.method}; {scene.why}")
    print(f"open {write_scene(scene, folder / 'two-people-scene', overwrite=True) / 'report.html'}")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "."))
