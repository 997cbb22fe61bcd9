"""Models of a rigid-sphere array beside its measured responses: SOFiA A2 and A3, 110 microphones on 87.5 mm, anechoic.

Needs the shared recordings (ARRAYSCENE_SHARED_DATA, or ../shared/data beside the repository). Four loudspeakers stood 2.5 m away
at azimuth 45, 15, -15 and -45 degrees; one microphone in a sphere was turned to 110 directions, one after the other. In A3 the
loudspeakers sound 16 ms after each other, so that each is a measurement of its own; in A2 they sound at once, at 0, -3, -6 and
-9 dB. Errors are normalised, after one complex gain a frequency and loudspeaker: |h - g a|^2 / |h|^2 over the microphones.
Sources of both models stand at 2.5 m, the speed of sound is that of the temperature noted with the data.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import matplotlib
import numpy as np
import torch
from common import ROOT, as_table, describe, page_head, shared_data, write_page
from scipy.io import loadmat
from scipy.optimize import minimize

from arrayscene import MicrophoneArray
from arrayscene.constants import speed_of_sound
from arrayscene.decoders import PseudoInverse
from arrayscene.localize import OMP
from arrayscene.response import MatrixResponse, PlaneWave, RigidSphere, SphericalWave, unit_vectors

matplotlib.use("Agg")
import matplotlib.pyplot as plt

NOMINAL = np.array([45.0, 15.0, -15.0, -45.0])
STARTS = (30, 735, 1440, 2145)
"""First sample of each loudspeaker in A3."""

WINDOW, LONG_WINDOW = 160, 670
"""Samples kept: 3.6 ms hold what a sphere does to sound but little of what the mount reflects; 15 ms are all there is."""

FREQUENCIES = torch.arange(200.0, 8001.0, 100.0, dtype=torch.float64)
BAND = (FREQUENCIES >= 500) & (FREQUENCIES <= 5000)
DISTANCE = 2.5
FADED = -6.0
"""dB below the best, relative to the model, from which on the first loudspeaker of A3 counts as faded out."""

MODELS = ("open field", "rigid sphere")

FINDINGS = """
Against the goals: with the rigid sphere the mean error is -15.2 dB for A2, -16.7 and -16.8 dB for the loudspeakers at 45 and 15
degrees and, outside the mount's shadow, -15.1 and -14.9 dB for the other two; over all microphones it is -13 dB for these. Above
3 kHz it is -11 to -16 dB. Azimuths are within 1 degree after one rotation that is common to both sets, not as they stand (up to
2.6 degrees).

What the data say, apart from the models:

- **Faded responses.** At 60 of the 110 places A3 was faded in over its first 45 ms: the loudspeaker at 45 degrees is 9 to 22 dB
  too weak there, the one at 15 degrees up to 6 dB. Their errors are taken over the 50 other places, their azimuths from phases.
- **The mount's shadow.** Microphones 95 to 160 degrees clockwise from a loudspeaker hear it up to 60 microseconds late and up to
  4 dB too weak; counter-clockwise they do not. The place moves with the loudspeaker, so it is something that turned with the
  microphone. The field around a sphere is the same on both sides. For the loudspeaker at -45 degrees, about which the grid is
  symmetric, the dotted line is what differs between the sides: no sphere with its source there comes below it. Rows with 92 and
  93 microphones leave that sector out.
- **Turned by about 1.3 degrees.** On the half of the sphere that faces it, every loudspeaker appears to the left of its nominal
  azimuth, by 1.1 to 1.5 degrees with the rigid sphere, by 0.8 to 1.8 with the open field. The mount's shadow adds up to 1 degree
  where all microphones are used. One number for both sets, the mean of the azimuths that the rigid sphere finds with all
  microphones, is given beside the nominal azimuths. Where the four of A2 are fitted together and microphones that fit badly count
  less, the largest error falls from 2.5 to 1.7 degrees and the loudspeakers agree within 0.4 degrees on how far all are turned:
  about 1.3 degrees, what the facing halves say as well. That is the rig's azimuth 0 against the loudspeakers', which no estimator
  that does not know the loudspeakers can take out: the goal of 1 degree is met relative to each other, not as they stand.
"""


class Measured:
    """One of the two sets: impulse responses (mic, sample), and the array as it was."""

    def __init__(self, name: str) -> None:
        content = loadmat(
            shared_data() / "measured" / "sofia_vsa_measured" / f"SOFiA_{name}_struct.mat",
            squeeze_me=True,
            struct_as_record=False,
        )[f"SOFiA_{name}_struct"]
        self.samples = content.irChOne.T.astype(np.float64)
        self.rate, self.speed = float(content.fs), speed_of_sound(float(content.avgAirTemp))
        azimuth, elevation = torch.tensor(content.azimuth), torch.tensor(math.pi / 2 - content.elevation)
        self.facing = unit_vectors(azimuth, elevation).numpy()
        self.array = MicrophoneArray(positions=content.radius * self.facing, name=name, body_radius=float(content.radius))

    def spectrum(self, start: int, length: int = WINDOW) -> np.ndarray:
        """(freq, mic) of the samples from `start` on, faded out over 32."""
        window = np.ones(length)
        window[-32:] = 0.5 + 0.5 * np.cos(np.pi * np.arange(1, 33) / 33)
        times = np.arange(start, start + length) / self.rate
        return np.exp(-2j * np.pi * np.outer(FREQUENCIES.numpy(), times)) @ (self.samples[:, start : start + length] * window).T

    def model(
        self,
        kind: str,
        azimuth: Sequence[float],
        elevation: float = 0.0,
        radius: float | None = None,
        distance: float | None = DISTANCE,
    ) -> np.ndarray:
        """(freq, mic, source) at azimuths in degrees."""
        places = torch.deg2rad(torch.tensor(np.asarray(azimuth)))
        up = torch.full_like(places, math.radians(elevation))
        radius = self.array.body_radius if radius is None else radius
        positions, known = torch.tensor(radius * self.facing), {"frequencies": FREQUENCIES, "speed_of_sound": self.speed}
        if kind == "rigid sphere":
            return RigidSphere(positions, places, up, body_radius=radius, distance=distance, **known).matrix().numpy()
        if distance is not None:
            return SphericalWave(positions, distance * unit_vectors(places, up), **known).matrix().numpy()
        return PlaneWave(positions, places, up, **known).matrix().numpy()


def error(H: np.ndarray, A: np.ndarray) -> np.ndarray:
    """(freq,) share of H (freq, mic) that the columns of A (freq, mic, source), each with a gain of its own, leave."""
    gains = np.linalg.pinv(A, rcond=1e-3) @ H[..., None]
    return (np.abs(H - (A @ gains)[..., 0]) ** 2).sum(1) / (np.abs(H) ** 2).sum(1)


def decibels(share: np.ndarray) -> float:
    """Mean over 0.5 to 5 kHz."""
    return 10 * math.log10(share[BAND.numpy()].mean())


def intact(A3: Measured) -> list[np.ndarray]:
    """(mic,) for each loudspeaker: where its response has its full level.

    At 60 of the 110 places A3 was faded in over its first 45 ms: the first loudspeaker is 9 to 22 dB too weak there, the second
    up to 6 dB, the third 0.7 dB, the last not at all.
    """
    model = A3.model("rigid sphere", NOMINAL[:1])[BAND, :, 0]
    level = 20 * np.log10(np.median(np.abs(A3.spectrum(STARTS[0])[BAND.numpy()] / model), axis=0))
    full = level > np.quantile(level, 0.9) + FADED
    return [full, full, np.ones_like(full), np.ones_like(full)]


def asymmetry(measured: Measured, H: np.ndarray, azimuth: float) -> np.ndarray:
    """(freq,) share of H that no field symmetric about the loudspeaker's direction explains: what its mirror images differ by."""
    double = 2 * math.radians(azimuth)
    across = np.array([[math.cos(double), math.sin(double), 0], [math.sin(double), -math.cos(double), 0], [0, 0, 1]])
    mean = np.zeros_like(H)
    for turn, flip in itertools.product((np.eye(3), across), (1, -1)):
        mean += H[:, ((measured.facing @ (turn @ np.diag([1, 1, flip])).T) @ measured.facing.T).argmax(1)] / 4
    return (np.abs(H - mean) ** 2).sum(1) / (np.abs(H) ** 2).sum(1)


def behind_the_mount(measured: Measured, azimuth: float) -> np.ndarray:
    """(mic,) whether a microphone stands 95 to 160 degrees clockwise from a loudspeaker, where something shadows it."""
    around = np.rad2deg(np.arctan2(measured.facing[:, 1], measured.facing[:, 0])) - azimuth
    around = (around + 180) % 360 - 180
    return (around < -95) & (around > -160)


def found_azimuth(A3: Measured, source: int, kind: str, mics: np.ndarray) -> float:
    """Degrees at which the model explains most of the phases, 0.5 to 5 kHz; levels are left out because some were faded."""
    H, scan = A3.spectrum(STARTS[source])[:, mics][BAND.numpy()], NOMINAL[source] + np.arange(-6, 6.01, 0.05)
    A = A3.model(kind, scan)[:, mics][BAND.numpy()]
    explained = np.abs(np.einsum("fms,fm->fs", A.conj(), H / np.abs(H))) ** 2 / (np.abs(A) ** 2).sum(1)
    return float(scan[explained.mean(0).argmax()])


def pursued(A2: Measured, kind: str) -> np.ndarray:
    """Degrees of the four loudspeakers that sound at once, found by the package's matching pursuit from 0.5 to 8 kHz."""
    H = torch.tensor(A2.spectrum(STARTS[0]).T)[..., None]
    array = A2.array if kind == "rigid sphere" else MicrophoneArray(positions=A2.array.positions)
    directions = OMP(array, FREQUENCIES, speed_of_sound=A2.speed)(H, 4)
    found = np.rad2deg(directions.azimuth)
    order = min(itertools.permutations(range(4)), key=lambda order: np.abs(found[list(order)] - NOMINAL).sum())
    return found[list(order)]


def refitted(A2: Measured, start: np.ndarray) -> np.ndarray:
    """Degrees of the same with the rigid sphere, all four fitted together from there, 0.5 to 8 kHz; microphones that fit badly,
    such as those in the mount's shadow, count less."""
    H, band = A2.spectrum(STARTS[0]), FREQUENCIES.numpy() >= 500

    def cost(azimuths: np.ndarray) -> float:
        A, weight = A2.model("rigid sphere", azimuths)[band], np.ones(A2.array.n_mics)
        for _ in range(6):
            root = np.sqrt(weight)[:, None]
            gains = np.linalg.pinv(A * root, rcond=1e-3) @ (H[band, :, None] * root)
            left = np.abs(H[band] - (A @ gains)[..., 0]) ** 2 / (np.abs(H[band]) ** 2).mean(1, keepdims=True)
            mean = left.mean(0)
            weight = 1 / (1 + mean / np.median(mean))
        return float(np.log(mean + 1e-3).sum())

    simplex = np.vstack([start, start + 2 * np.eye(4)])
    return np.asarray(minimize(cost, start, method="Nelder-Mead", options={"initial_simplex": simplex, "xatol": 0.05}).x)


def fits(A2: Measured, A3: Measured, rotation: float) -> list[dict[str, object]]:
    """Mean error of ever freer models: A3's two whole loudspeakers, and A2."""
    H = [A3.spectrum(start) for start in STARTS[2:]]
    at_once = A2.spectrum(STARTS[0])

    def errors(kind: str, shift: float, elevation: float = 0.0, radius: float | None = None, distance: float | None = DISTANCE):
        each = [
            decibels(error(h, A3.model(kind, [azimuth + shift], elevation, radius, distance)))
            for h, azimuth in zip(H, NOMINAL[2:], strict=True)
        ]
        return [*each, decibels(error(at_once, A2.model(kind, NOMINAL + shift, elevation, radius, distance)))]

    def cost(values: np.ndarray) -> float:
        return sum(errors("rigid sphere", values[0], values[1], 1e-3 * values[2], values[3]))

    # Shift and elevation in degrees, radius in millimetres, distance in metres.
    free = minimize(cost, [rotation, 0.0, 87.5, DISTANCE], method="Nelder-Mead", options={"maxiter": 60, "xatol": 0.02}).x
    rows = [
        ("open field, plane waves", errors("open field", 0.0, distance=None)),
        ("open field, from 2.5 m", errors("open field", 0.0)),
        (f"open field, from 2.5 m, all turned by {rotation:.1f} degrees", errors("open field", rotation)),
        ("rigid sphere, plane waves", errors("rigid sphere", 0.0, distance=None)),
        ("rigid sphere, from 2.5 m", errors("rigid sphere", 0.0)),
        (f"rigid sphere, from 2.5 m, all turned by {rotation:.1f} degrees", errors("rigid sphere", rotation)),
        (
            f"rigid sphere, fitted: turned by {free[0]:.1f}, elevated by {free[1]:.1f} degrees, radius {free[2]:.1f} mm,"
            f" distance {free[3]:.1f} m",
            errors("rigid sphere", free[0], free[1], 1e-3 * free[2], free[3]),
        ),
    ]
    names = ("A3, -15 deg", "A3, -45 deg", "A2, all at once")
    return [{"model": what} | {name: f"{value:.1f}" for name, value in zip(names, values, strict=True)} for what, values in rows]


def crosstalk(A3: Measured, rotation: float) -> list[dict[str, object]]:
    """What a pseudo-inverse built from each model lets through of one loudspeaker into the outputs of the three others."""
    rows = []
    for kind in MODELS:
        A = A3.model(kind, NOMINAL + rotation)
        response = MatrixResponse(torch.tensor(A), FREQUENCIES)
        row: dict[str, object] = {"pseudo-inverse of": kind}
        for source in (2, 3):
            H = torch.tensor(A3.spectrum(STARTS[source]).T)[..., None].expand(-1, -1, 2)
            x = PseudoInverse(1e-2, None)(H, response).x[:, BAND, 0].abs().square().numpy()
            leaked = np.delete(x, source, 0).sum() / x[source].sum()
            row[f"{NOMINAL[source]:.0f} deg into the others, dB"] = f"{10 * math.log10(leaked):.1f}"
        rows.append(row)
    return rows


def draw(A2: Measured, A3: Measured, rotation: float) -> None:
    """The error over frequency, for one loudspeaker of A3 and for A2."""
    figure, panels = plt.subplots(1, 2, figsize=(10, 4.4), sharey=True, layout="constrained")
    H = A3.spectrum(STARTS[3])
    cases = [
        (panels[0], A3, H, NOMINAL[3:], "A3: one loudspeaker, azimuth \N{MINUS SIGN}45°"),
        (panels[1], A2, A2.spectrum(STARTS[0]), NOMINAL, "A2: four loudspeakers at once"),
    ]
    kilohertz = FREQUENCIES.numpy() / 1000
    for axes, measured, spectrum, azimuths, title in cases:
        curves = [
            ("open field", "#D55E00", "--", measured.model("open field", azimuths)),
            ("rigid sphere", "#0072B2", "-", measured.model("rigid sphere", azimuths)),
            (f"rigid sphere, turned by {rotation:.1f}°", "#009E73", "-", measured.model("rigid sphere", azimuths + rotation)),
        ]
        for label, colour, style, A in curves:
            axes.plot(kilohertz, 10 * np.log10(error(spectrum, A)), color=colour, linestyle=style, linewidth=1.8, label=label)
        if len(azimuths) == 1:
            clear = ~behind_the_mount(measured, azimuths[0])
            share = error(spectrum[:, clear], measured.model("rigid sphere", azimuths)[:, clear])
            label = "rigid sphere, outside the mount's shadow"
            axes.plot(kilohertz, 10 * np.log10(share), color="#CC79A7", linewidth=1.8, label=label)
            floor = 10 * np.log10(asymmetry(measured, spectrum, azimuths[0]))
            axes.plot(kilohertz, floor, color="#595959", linestyle=":", linewidth=1.8, label="left/right asymmetry of the data")
        axes.axhline(-15, color="#1f2328", linewidth=0.8)
        axes.text(7.8, -15.2, "goal, \N{MINUS SIGN}15 dB", fontsize=8.5, va="top", ha="right")
        axes.axvspan(0.5, 5, color="#d0d4d9", alpha=0.35, linewidth=0)
        axes.set(xscale="log", xlim=(0.2, 8), ylim=(-35, 2), title=title, xlabel="frequency, kHz")
        axes.set_xticks([0.2, 0.5, 1, 2, 5, 8], ["0.2", "0.5", "1", "2", "5", "8"])
        axes.minorticks_off()
        axes.grid(color="#d0d4d9", linewidth=0.6)
        axes.legend(fontsize=8.5, loc="lower right")
    panels[0].set_ylabel("error after one gain a frequency, dB")
    (ROOT / "results").mkdir(exist_ok=True)
    figure.savefig(ROOT / "results" / "measured_sphere.png", dpi=150)


def directions(A2: Measured, A3: Measured) -> tuple[list[dict[str, object]], float]:
    """Azimuths found with each model, and the mean error of the rigid sphere's, in degrees."""
    whole = [np.ones(A3.array.n_mics, bool)] * 4
    front = [A3.facing @ unit_vectors(*torch.deg2rad(torch.tensor([angle, 0.0]))).numpy() > 0 for angle in NOMINAL]
    found = {
        (name, kind): np.array([found_azimuth(A3, source, kind, mics[source]) for source in range(4)])
        for name, mics in (("A3, one at a time", whole), ("A3, the half facing the loudspeaker", front))
        for kind in MODELS
    } | {("A2, four at once (OMP)", kind): pursued(A2, kind) for kind in MODELS}
    together = refitted(A2, found["A2, four at once (OMP)", "rigid sphere"])
    rotation = float(np.mean([f - NOMINAL for (name, kind), f in found.items() if kind == "rigid sphere" and "half" not in name]))
    found["A2, fitted together, robustly", "rigid sphere"] = together
    rows: list[dict[str, object]] = []
    for (name, kind), azimuths in found.items():
        row: dict[str, object] = {"set": name, "model": kind}
        row |= {f"{nominal:.0f}": f"{value:.1f}" for nominal, value in zip(NOMINAL, azimuths, strict=True)}
        row["largest error"] = f"{np.abs(azimuths - NOMINAL).max():.1f}"
        row[f"after turning all by {rotation:.1f}"] = f"{np.abs(azimuths - NOMINAL - rotation).max():.1f}"
        row["after turning by the row's own mean"] = f"{np.abs(azimuths - NOMINAL - (azimuths - NOMINAL).mean()).max():.1f}"
        rows.append(row)
    return rows, rotation


def main() -> None:
    A2, A3 = Measured("A2"), Measured("A3")
    whole, full = np.ones(A3.array.n_mics, bool), intact(A3)
    found, rotation = directions(A2, A3)
    variants = [("open field", 0.0), ("rigid sphere", 0.0), ("rigid sphere", rotation)]
    names = [kind + (f", turned by {shift:.1f}" if shift else "") for kind, shift in variants]

    cases = [(f"A3, {NOMINAL[n]:.0f} deg", A3, STARTS[n], NOMINAL[n : n + 1], full[n]) for n in range(4)]
    cases += [(f"A3, {NOMINAL[n]:.0f} deg", A3, STARTS[n], NOMINAL[n : n + 1], ~behind_the_mount(A3, NOMINAL[n])) for n in (2, 3)]
    cases += [("A2, all at once", A2, STARTS[0], NOMINAL, whole)]
    means: list[dict[str, object]] = []
    spread: list[dict[str, object]] = []
    for length, (name, measured, start, azimuths, mics) in itertools.product((WINDOW, LONG_WINDOW), cases):
        H = measured.spectrum(start, length)
        row: dict[str, object] = {"set": name, "microphones": int(mics.sum()), "window": f"{1e3 * length / measured.rate:.1f} ms"}
        for label, (kind, shift) in zip(names, variants, strict=True):
            share = error(H[:, mics], measured.model(kind, azimuths + shift)[:, mics])
            row[label] = f"{decibels(share):.1f}"
            if length == WINDOW:
                at = {f"{f:g} Hz": f"{10 * math.log10(share[int(f / 100) - 2]):.1f}" for f in (500, 1000, 2000, 3000, 4000, 5000)}
                spread.append({"set": name, "microphones": int(mics.sum()), "model": label} | at)
        if name == "A3, -45 deg" and mics.all():
            row["left/right asymmetry"] = f"{decibels(asymmetry(A3, H, NOMINAL[3])):.1f}"
        means.append(row)
    draw(A2, A3, rotation)

    talk, freer = crosstalk(A3, rotation), fits(A2, A3, rotation)
    lines = page_head("measured_sphere", __doc__, describe())
    lines += ["![error over frequency](measured_sphere.png)", "", *FINDINGS.strip().splitlines(), ""]
    lines += ["## Mean error over 0.5 to 5 kHz, dB", "", *as_table(means), ""]
    lines += ["## Azimuths found, degrees", "", *as_table(found), ""]
    lines += [f"## Crosstalk of a decoder for the four directions, turned by {rotation:.1f} degrees, 0.5 to 5 kHz", ""]
    lines += [*as_table(talk), "", "## Freer models, mean error over 0.5 to 5 kHz, dB (3.6 ms)", ""]
    lines += [
        *as_table(freer),
        "",
        "## Error over frequency, dB (3.6 ms)",
        "",
        *as_table(spread),
    ]
    write_page("measured_sphere", lines)


if __name__ == "__main__":
    main()
