"""`locate` with measured responses: places from a line of 0.93 m in a room, azimuths from its parts and from a rigid sphere.

Needs the shared recordings (ARRAYSCENE_SHARED_DATA, or ../shared/data beside the repository). rs_mnmf_ula32: loudspeakers 0.3
to 0.6 m in front of 32 microphones, T60 over 1 s; 8 s of speech and sensor noise 30 dB below; every other channel was
recorded one sample (48 kHz) late, which the array's description says (`delays`). SOFiA A2 and A3: 110 microphones on a rigid
sphere, anechoic, four loudspeakers at once (coherent: one noise from all) and one after the other, of A3 the
microphones whose responses were not faded in. The count is not told.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soxr
from common import as_table, describe, page_head, shared_data, write_page
from localization import RATE, SECONDS, SOUND, speech
from measured_line import STEP, line_positions, line_responses
from measured_sphere import LONG_WINDOW, NOMINAL, STARTS, Measured, intact
from scipy.optimize import least_squares
from scipy.signal import fftconvolve

from arrayscene import MicrophoneArray, Recording, locate
from arrayscene.localize import LocatedSource

LATE = 1 / 48000
"""Seconds by which every other channel of rs_mnmf_ula32, the first among them, is late: one sample. Fitted to the arrival times
of the direct sound, all six loudspeakers agree on it within 0.1 samples; with it the fit leaves 0.6 mm instead of 3.6 mm."""


def main() -> None:
    root = shared_data()
    placed, parts, sphere = line_places(root), line_azimuths(root), sphere_azimuths()
    worst = {key: 100 * max(float(row[key]) for row in placed) for key in ("error", "its error", "found to fit")}
    lines = page_head("localization_measured", __doc__, describe())
    lines += ["## Places, whole line, metres", "", *as_table(placed), ""]
    lines += [
        f"The largest error is {worst['error']:.0f} cm. The places that fit the arrival times of the direct sound best are up to"
        f" {worst['its error']:.0f} cm from the stated ones, and at most {worst['found to fit']:.0f} cm from those found.",
        "",
    ]
    lines += ["## Azimuths, parts of the line, degrees", "", *as_table(parts), ""]
    lines += ["## Azimuths, sphere, degrees", "", *as_table(sphere), ""]
    lines += [
        "Both sets are turned by 1.3 degrees as a whole and the mount shadows a sector: [measured_sphere](measured_sphere.md)."
    ]
    write_page("localization_measured", lines)


def _through(response: np.ndarray, clip: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Speech through a response, and sensor noise 30 dB below."""
    y = fftconvolve(response, np.resize(clip, SECONDS * RATE)[None], axes=1)[:, : SECONDS * RATE]
    y = 0.05 * y / y[0].std()
    return (y + 0.05 * 10 ** (-30 / 20) * generator.standard_normal(y.shape)).astype(np.float32)


def line_places(root: Path) -> list[dict]:
    """One or two talkers, all 32 microphones."""
    responses, truth = line_responses(root)
    fine, _ = line_responses(root, 48000)
    generator = np.random.default_rng(0)
    clips = speech()
    array = _part(np.arange(32))
    rows = []
    for talkers in ((0,), (1,), (2,), (3,), (4,), (5,), (0, 2), (3, 5), (1, 5), (0, 5)):
        y = sum(_through(responses[n], clips[n](), generator) for n in talkers)
        found = locate(Recording(y, RATE, array))
        places = [s.position[:2] for s in found.sources if s.position is not None]
        for n in talkers:
            nearest = min(places, key=lambda place: np.linalg.norm(place - truth[n]), default=np.full(2, np.nan))
            direct = _direct_fit(fine[n])
            rows.append(
                {
                    "talkers": " and ".join(str(m + 1) for m in talkers),
                    "stated": "{:.2f}, {:.2f}".format(*truth[n]),
                    "found": "{:.2f}, {:.2f}".format(*nearest),
                    "error": f"{np.linalg.norm(nearest - truth[n]):.3f}",
                    "fit of direct sound": "{:.2f}, {:.2f}".format(*direct),
                    "its error": f"{np.linalg.norm(direct - truth[n]):.3f}",
                    "found to fit": f"{np.linalg.norm(nearest - direct):.3f}",
                    "sources without a distance": sum(s.position is None for s in found.sources),
                }
            )
        print(rows[-1], flush=True)
    return rows


def _direct_fit(response: np.ndarray, rate: int = 48000, finer: int = 8) -> np.ndarray:
    """(2,) the place whose distances fit the arrival times of the direct sound in a measured response (mic, tap)."""
    spectrum = np.fft.rfft(response, axis=1)
    frequencies = np.fft.rfftfreq(response.shape[1], 1 / rate)
    spectrum = spectrum * ((frequencies > 300) & (frequencies < 8000))
    fine = np.abs(np.fft.irfft(spectrum, finer * response.shape[1], axis=1))
    first = (fine > 0.5 * fine.max(axis=1, keepdims=True)).argmax(axis=1)
    arrival = np.array([f + fine[m, f : f + 12 * finer].argmax() for m, f in enumerate(first)]) / (finer * rate)
    arrival -= LATE * (np.arange(len(response)) % 2 == 0)
    along = STEP * np.arange(len(response))

    def late(parameters: np.ndarray) -> np.ndarray:
        return np.hypot(parameters[0], parameters[1] - along) - SOUND * arrival - parameters[2]

    starts = [(x, y, 0.0) for x in (0.2, 0.4, 0.7) for y in (0.1, 0.45, 0.8)]
    fits = [least_squares(late, start, loss="soft_l1", f_scale=0.005) for start in starts]
    return min(fits, key=lambda fit: fit.cost).x[:2]


def line_azimuths(root: Path) -> list[dict]:
    """One talker, four or eight neighbouring microphones; angles from the middle of the part."""
    responses, truth = line_responses(root)
    fine, _ = line_responses(root, 48000)
    direct = [_direct_fit(response) for response in fine]
    generator = np.random.default_rng(1)
    clips = speech()
    rows = []
    for n_mics, stride in ((2, 1), (4, 1), (8, 1), (8, 2)):
        off, off_direct, told = [], [], []
        for n in range(6):
            y = _through(responses[n], clips[n](), generator)
            for first in range(0, 32 - (n_mics - 1) * stride, 8):
                mics = first + stride * np.arange(n_mics)
                found = locate(Recording(y[mics], RATE, _part(mics)))
                for place, errors in ((truth[n], off), (direct[n], off_direct)):
                    wanted = np.arctan2(place[1] - STEP * mics.mean(), place[0])
                    if place is direct[n]:
                        told += [s.distance / np.linalg.norm(place) for s in found.sources if s.distance is not None]
                    seen = [abs(np.degrees(_from_middle(s, mics) - wanted)) for s in found.sources]
                    errors.append(min(seen, default=90.0))
        for name, errors in (("stated places", off), ("fit of direct sound", off_direct)):
            rows.append(
                {
                    "microphones": n_mics,
                    "spacing m": STEP * stride,
                    "against": name,
                    "cases": len(errors),
                    "distances told": len(told) if errors is off_direct else "",
                    "within 20 %": f"{np.mean(np.abs(np.array(told) - 1) <= 0.2):.0%}" if errors is off_direct and told else "",
                    "median": f"{np.median(errors):.1f}",
                    "within 2": f"{np.mean(np.array(errors) <= 2):.0%}",
                    "within 5": f"{np.mean(np.array(errors) <= 5):.0%}",
                }
            )
        print(rows[-2:], flush=True)
    return rows


def _part(mics: np.ndarray) -> MicrophoneArray:
    return MicrophoneArray.from_positions(line_positions(mics), name="line", layout="mic-first", delays=LATE * (mics % 2 == 0))


def _from_middle(source: LocatedSource, mics: np.ndarray) -> float:
    if source.position is None:
        return source.azimuth
    return float(np.arctan2(source.position[1] - STEP * mics.mean(), source.position[0]))


def sphere_azimuths() -> list[dict]:
    """Noise through the four loudspeakers' measured responses, one at a time (A3) and together (A2)."""
    generator = np.random.default_rng(2)
    noise = generator.standard_normal(2 * RATE)
    rows = []
    for name, cases in (("A3", [(start, (n,)) for n, start in enumerate(STARTS)]), ("A2", [(STARTS[0], (0, 1, 2, 3))])):
        measured = Measured(name)
        full = intact(measured)
        for start, loudspeakers in cases:
            # Some of the responses in A3 were faded in; see measured_sphere.
            mics = np.flatnonzero(full[loudspeakers[0]]) if name == "A3" else np.arange(measured.array.n_mics)
            response = soxr.resample(measured.samples[mics, start : start + LONG_WINDOW].T, measured.rate, RATE).T
            y = fftconvolve(response, noise[None], axes=1)[:, : 2 * RATE]
            found = locate(Recording((0.05 * y / y.std()).astype(np.float32), RATE, measured.array.select(mics)))
            azimuths = np.sort([np.degrees(s.azimuth) for s in found.sources])[::-1]
            wanted = NOMINAL[list(loudspeakers)]
            off = [azimuths[np.abs(azimuths - w).argmin()] - w for w in wanted] if len(azimuths) else []
            rows.append(
                {
                    "set": name,
                    "microphones": len(mics),
                    "loudspeakers": ", ".join(f"{w:.0f}" for w in wanted),
                    "found": ", ".join(f"{a:.1f}" for a in azimuths),
                    "elevations": ", ".join(f"{np.degrees(s.elevation):.1f}" for s in found.sources),
                    "method": found.method,
                    "largest error": f"{np.abs(off).max():.1f}" if len(off) else "",
                    "after turning by 1.3": f"{np.abs(np.array(off) - 1.3).max():.1f}" if len(off) else "",
                }
            )
        print(rows[-1], flush=True)
    return rows


if __name__ == "__main__":
    main()
