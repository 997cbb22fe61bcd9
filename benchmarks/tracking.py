"""Two talkers who cross: are they still told apart, and what does it cost?

Scenes of `arrayscene.worlds`: two speakers of the shared speech (those that `Speech.split` keeps for testing; the tracker was
tuned on the others) talk for 10 s and walk 1 to 4 m along straight lines, so that each is on the other's side at the end; T60
0.25 to 0.5 s, diffuse noise 15 to 30 dB and sensor noise 30 to 50 dB below. The array knows nothing but its geometry. "Identity
kept": for both talkers the track that is theirs before the crossing is theirs after it, and the two differ. "Turn back", for
comparison: the same two meet half way and go back; live the tracker has a prejudice against it, and when the recording has ended
the voices on both sides decide. GOSPA (cutoff 30 degrees, p 2) compares who sounds where frame by frame, every 64 ms, with the
azimuths of those who speak; the peak picker has the same detections and takes those above a threshold, the one with the best
GOSPA on these very scenes. "live": names and directions as they are given at the time; "smoothed": when the recording has ended.
Times are of one thread, by the processor's clock.
"""

from __future__ import annotations

import sys
import time
from typing import NamedTuple

import numpy as np
import torch
from common import ROOT, as_table, describe, page_head, shared_data, speech_unseen, write_page
from moving_scenes import RATE, Walkers, crossing_scene, turning_scene
from numpy.typing import NDArray

from arrayscene import MicrophoneArray
from arrayscene.localize import SRPPHAT, localization_stft
from arrayscene.metrics import gospa, track_measures
from arrayscene.report.palette import source_colour
from arrayscene.tracking import Follower, Track, track
from arrayscene.tracking.figure import tracks_figure
from arrayscene.worlds import Speech, World, WorldConfig

ARRAYS = ("respeaker-usb-4", "circular:8:0.05")
FIRST, N_SCENES = 6000, 20
THRESHOLDS = (0.8, 1.2, 1.6, 2.0, 2.5, 3.0)
GATE = np.deg2rad(20.0)


class Scored(NamedTuple):
    """Of one scene: live and smoothed identity kept, GOSPA in degrees of live, smoothed and each threshold, and more."""

    live_kept: bool
    kept: bool
    live_gospa: float
    gospa: float
    peaks_gospa: list[float]
    switches: int
    followed: float
    error: float
    n_tracks: int
    seconds: float


def main() -> None:
    torch.set_num_threads(1)
    speech = speech_unseen(shared_data())
    n = int(sys.argv[1]) if len(sys.argv) > 1 else N_SCENES
    rows = []
    for name in ARRAYS:
        scored = []
        for index in range(FIRST, FIRST + n):
            scored.append(_score(crossing_scene(index, name, speech)))
            print(name, index, scored[-1], flush=True)
        rows.append(_row(name, "cross", scored))
    turned = [_score(turning_scene(index, ARRAYS[0], speech)) for index in range(FIRST, FIRST + n // 2)]
    rows.append(_row(ARRAYS[0], "turn back", turned))
    _picture(crossing_scene(FIRST, ARRAYS[0], speech))
    lines = [*page_head("tracking", __doc__, describe()), *as_table(rows), ""]
    lines += ["![Azimuths of two talkers who cross: true (black), detected (grey), tracked](tracking.png)", ""]
    lines += ["Four talkers who stand, 8 microphones, live in blocks of 64 ms; share of one core:", ""]
    costs = _costs(speech)
    write_page("tracking", [*lines, *as_table(costs)])


def _score(scene: Walkers) -> Scored:
    assert scene.recording.array is not None
    follower = Follower(scene.recording.array, RATE)
    follower.step(scene.recording.samples[:, :8000], follower.init())
    start = time.process_time()
    frames, _ = follower.step(scene.recording.samples, follower.init())
    seconds = time.process_time() - start
    times = np.array([frame.detections.time for frame in frames])
    at = np.abs(scene.times[:, None] - times).argmin(axis=0)
    true, speaks = scene.azimuth[at], scene.active[at]

    names = max((int(frame.names.max(initial=0)) for frame in frames), default=0)
    live, live_sounds = np.full((len(times), names), np.nan), np.zeros((len(times), names), bool)
    for t, (_, frame, given, _) in enumerate(frames):
        for row in np.flatnonzero(given > 0):
            live[t, given[row] - 1] = np.arctan2(*frame.directed.vectors[row, 1::-1])
            live_sounds[t, given[row] - 1] = frame.activity[row] > 0.5
    found = track(scene.recording)
    smooth, sounds = _on_frames(found.tracks, times)
    peaks = []
    for threshold in THRESHOLDS:
        errors = []
        for t, (heard, *_) in enumerate(frames):
            kept = heard.vectors[heard.strength >= threshold]
            errors.append(gospa(_apart(np.arctan2(kept[:, 1], kept[:, 0]), true[t, speaks[t]])).value)
        peaks.append(float(np.degrees(np.mean(errors))))
    distances = np.nan_to_num(_apart_each(smooth, true), nan=9.0)
    follows = track_measures(distances, np.isfinite(smooth), np.ones_like(speaks), gate=GATE)
    return Scored(
        live_kept=_kept(live, true),
        kept=_kept(smooth, true),
        live_gospa=_mean_gospa(live, live_sounds, true, speaks),
        gospa=_mean_gospa(smooth, sounds, true, speaks),
        peaks_gospa=peaks,
        switches=follows.n_switches,
        followed=float(follows.kept.mean()),
        error=float(np.degrees(follows.mean_error)),
        n_tracks=len(found.tracks),
        seconds=seconds,
    )


def _row(name: str, walk: str, scored: list[Scored]) -> dict[str, object]:
    peaks = np.mean([one.peaks_gospa for one in scored], axis=0)
    return {
        "array": name,
        "they": walk,
        "scenes": len(scored),
        "identity kept, smoothed": f"{100 * np.mean([one.kept for one in scored]):.0f} %",
        "identity kept, live": f"{100 * np.mean([one.live_kept for one in scored]):.0f} %",
        "one track follows": f"{100 * np.mean([one.followed for one in scored]):.0f} % of the time",
        "switches a scene": f"{np.mean([one.switches for one in scored]):.2f}",
        "tracks a scene": f"{np.mean([one.n_tracks for one in scored]):.2f}",
        "mean error": f"{np.mean([one.error for one in scored]):.1f}°",
        "GOSPA smoothed": f"{np.mean([one.gospa for one in scored]):.1f}°",
        "GOSPA live": f"{np.mean([one.live_gospa for one in scored]):.1f}°",
        "GOSPA peak picker": f"{peaks.min():.1f}° (above {THRESHOLDS[int(peaks.argmin())]:g})",
        "live, share of a core": f"{100 * np.median([one.seconds for one in scored]) / 10:.1f} %",
    }


def _kept(azimuth: NDArray[np.float64], true: NDArray[np.float64]) -> bool:
    """Whether each talker has the same track before and after the two are closest, counted while they are apart."""
    apart = np.abs(np.angle(np.exp(1j * (true[:, 0] - true[:, 1]))))
    middle = int(apart.argmin())
    near = _apart_each(azimuth, true) < GATE
    near[apart < GATE] = False
    before, after = near[:middle].sum(axis=0), near[middle:].sum(axis=0)
    if len(before) < 2 or not (before.max(axis=0).all() and after.max(axis=0).all()):
        return False
    owner = before.argmax(axis=0)
    return bool(owner[0] != owner[1] and (owner == after.argmax(axis=0)).all())


def _mean_gospa(azimuth: NDArray, sounds: NDArray, true: NDArray, speaks: NDArray) -> float:
    values = [gospa(_apart(azimuth[t, sounds[t]], true[t, speaks[t]])).value for t in range(len(true))]
    return float(np.degrees(np.mean(values)))


def _on_frames(tracks: list[Track], times: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    azimuth, sounds = np.full((len(times), len(tracks)), np.nan), np.zeros((len(times), len(tracks)), bool)
    for n, one in enumerate(tracks):
        rows = np.searchsorted(times, one.times - 1e-6)
        azimuth[rows, n], sounds[rows, n] = one.azimuth, one.active
    return azimuth, sounds


def _apart(found: NDArray[np.float64], true: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.abs(np.angle(np.exp(1j * (found[:, None] - true[None]))))


def _apart_each(found: NDArray[np.float64], true: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.abs(np.angle(np.exp(1j * (found[:, :, None] - true[:, None]))))


def _costs(speech: Speech) -> list[dict[str, object]]:
    config = WorldConfig(
        sample_rate=RATE, duration=20.0, t60=(0.4, 0.4), arrays=("circular:8:0.05",), n_talkers=(4, 4), moving=0.0,
        separation=np.deg2rad(50.0), room_length=(6.0, 6.0), room_width=(5.0, 5.0), wall_distance=2.0, distance=(1.0, 1.8),
        point_noise=0.0,
    )  # fmt: skip
    scene = World(config, speech, seed=3, split="all").scene(0)
    samples = scene.mixture.numpy()
    follower = Follower(MicrophoneArray.resolve("circular:8:0.05"), RATE)
    block = follower.front.samples
    shares: dict[str, list[float]] = {"whole chain": [], "detections alone": [], "of the chain, tracker and identities": []}
    n_tracks = 0
    for _ in range(3):
        state, front = follower.init(), follower.front.init()
        start = time.process_time()
        for at in range(0, samples.shape[1], block):
            _, state = follower.step(samples[:, at : at + block], state)
        chain = time.process_time() - start
        n_tracks = len(state.identities.names)
        start = time.process_time()
        for at in range(0, samples.shape[1], block):
            _, front = follower.front.step(samples[:, at : at + block], front)
        alone = time.process_time() - start
        for name, seconds in zip(shares, (chain, alone, chain - alone), strict=True):
            shares[name].append(seconds / config.duration)
    stft = localization_stft(RATE)
    srp = SRPPHAT(follower.front.array, stft.frequencies(RATE))
    start = time.process_time()
    srp.survey(stft(torch.from_numpy(samples)))
    whole = (time.process_time() - start) / config.duration
    rows: list[dict[str, object]] = [{"what": name, "share": f"{100 * min(values):.1f} %"} for name, values in shares.items()]
    rows[0]["what"] = f"whole chain ({n_tracks} tracks at the end)"
    return [*rows, {"what": "SRPPHAT.survey of the whole recording, for comparison", "share": f"{100 * whole:.1f} %"}]


def _picture(scene: Walkers) -> None:
    figure = tracks_figure(track(scene.recording))
    axes = figure.axes[0]
    for talker in scene.azimuth.T:
        line = np.degrees(talker)
        line[1:][np.abs(np.diff(line)) > 180] = np.nan
        axes.plot(scene.times, line, color="black", linewidth=0.9, zorder=5)
    axes.plot([], [], color="black", linewidth=0.9, label="true")
    axes.plot([], [], color=source_colour(1).fill, linewidth=2.4, label="tracked")
    axes.legend(loc="upper right", fontsize=8, frameon=False)
    figure.savefig(ROOT / "results" / "tracking.png", dpi=110)


if __name__ == "__main__":
    main()
