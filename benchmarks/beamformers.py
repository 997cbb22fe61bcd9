"""The statistical beamformers beside pb_bss and pyroomacoustics: the same covariances, the same rooms, the same run.

Scenes of `room_scenes.py`: T60 0.25 to 0.5 s, talkers 0.8 to 2 m away, 8 s at 16 kHz, SNR 20 dB, windows of 64 ms.
Ideal ratio masks give one covariance for each talker and one for the noise; each talker is decoded against the rest. All packages
get the same complex128 covariances (loaded by 1e-6) and, where they need them, the same plane waves from the true directions, and
compute one filter for each talker. dB: SI-SDR gained over the first microphone, target each talker's reverberant image there. ms:
the best of fifteen calls, packages in turn, on one thread, the mean over the rooms, of the filters alone; for "covariances" of
frames and masks to matrices; for "all of it" of frames and masks to Souden's MVDR and its sources.

pyroomacoustics computes MVDR (`Beamformer.rake_max_sinr_weights`), from places and frequency by frequency; it has no LCMV with
exact zeros, no GEV and no Wiener filter that take covariances. pb_bss has no Wiener filter of full rank or by eigenvectors; its
`get_wmwf_vector` is `SoudenMVDR(mu=1)` here. It leaves the phase of GEV at each frequency as the eigenvector routine does, which
costs the decibels between the two; with the phase of the first microphone it scores as GEV here. As published, pb_bss (commit
0299369) does not run under numpy 2 (`get_mvdr_vector` passes `solve` a stack of vectors, the compiled eigenvector routine asks
for `np.complex`); the figures are from its files with those lines mended.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyroomacoustics as pra
import torch
from common import describe, write_table
from room_scenes import RATE, room_scene
from torch import Tensor

from arrayscene import STFT, MicrophoneArray
from arrayscene.decoders import LCMV, Masks, SoudenMVDR, Statistics, noise_covariance, rest_covariance
from arrayscene.decoders.gev import blind_analytic
from arrayscene.decoders.minimum_variance import distortionless_each
from arrayscene.decoders.mwf import souden, wiener
from arrayscene.kernels import principal
from arrayscene.linalg import load_diagonal
from arrayscene.metrics import si_sdr
from arrayscene.response import Response, far_field
from arrayscene.simulate import SimulatedScene

try:
    from pb_bss.extraction import beamformer as pb
except ImportError:
    pb = None

CASES = (("respeaker-usb-4", 2), ("respeaker-usb-4", 3), ("circular:8:0.1", 2))
N_SCENES, FIRST_SEED = 4, 900
TRANSFORM = STFT(1024)
FREQUENCIES = TRANSFORM.frequencies(RATE)
LOADING = 1e-6
REPEATS = 15

NO_PB_BSS = "not installed: pip install git+https://github.com/fgnt/pb_bss"


class Given(Statistics):
    """Covariances as they are, so that every decoder starts from the same."""

    def __init__(self, R: Tensor) -> None:
        super().__init__()
        self.R = R

    def forward(self, y: Tensor, response: Response | None = None) -> Tensor:
        return self.R


def main() -> None:
    torch.set_num_threads(1)
    rows: list[dict[str, object]] = []
    for spec, n_talkers in CASES:
        found = [_measure(spec, room_scene(spec, n_talkers, seed)) for seed in range(FIRST_SEED, FIRST_SEED + N_SCENES)]
        for method in found[0]:
            rows.append(_row(f"{spec}, {n_talkers}", method, [scene[method] for scene in found]))
            print(rows[-1], flush=True)
    write_table("beamformers", __doc__, describe() + (f"; pb_bss {NO_PB_BSS}" if pb is None else _pb_bss()), rows)


def _pb_bss() -> str:
    return f", pb_bss ({'compiled eigenvectors' if pb.c_gev_available else 'eigenvectors by a loop over scipy'})"


def _row(case: str, method: str, scenes: list[Mapping[str, tuple[float, float]]]) -> dict[str, object]:
    row: dict[str, object] = {"array, talkers": case, "method": method}
    mean = {package: np.mean([scene[package] for scene in scenes], axis=0) for package in scenes[0]}
    for package in ("arrayscene", "pb_bss", "pyroomacoustics"):
        gained, seconds = mean.get(package, (np.nan, np.nan))
        row[f"{package} dB"] = "" if np.isnan(gained) else f"{gained:.2f}"
        row[f"{package} ms"] = "" if np.isnan(seconds) else f"{1e3 * seconds:.2f}"
    own = mean["arrayscene"][1]
    row["times as fast"] = ", ".join(f"{mean[peer][1] / own:.1f}" for peer in ("pb_bss", "pyroomacoustics") if peer in mean)
    return row


def _measure(spec: str, scene: SimulatedScene) -> dict[str, dict[str, tuple[float, float]]]:
    """For each method and package the SI-SDR gained, and the seconds."""
    y = TRANSFORM(torch.from_numpy(scene.recording.samples))
    power = TRANSFORM(torch.from_numpy(np.stack([*scene.images[:, 0], scene.noise[0]]))).abs().square()
    masks = Masks((power[:-1] / power.sum(0).clamp_min(1e-30)).clamp(0, 1))
    azimuth, elevation = torch.tensor(scene.directions).T
    A = far_field(MicrophoneArray.resolve(spec), azimuth, elevation, frequencies=FREQUENCIES)
    found: dict[str, dict[str, tuple[float, float]]] = {}
    covariances = {"arrayscene": lambda: masks(y)}
    shares, frames = masks.shares(y).numpy(), y.numpy()
    if pb is not None:
        covariances["pb_bss"] = lambda: pb.get_power_spectral_density_matrix(_frequency_first(frames), _frequency_first(shares))
    found["covariances"] = {package: (np.nan, seconds) for package, seconds in _seconds(covariances).items()}
    R = masks(y)
    R = torch.cat([load_diagonal(R[..., :-1, :, :], 0.0), load_diagonal(noise_covariance(R)[..., None, :, :], LOADING)], dim=-3)
    methods = _filters(R, A, y, scene)
    for method, packages in methods.items():
        gained = {package: _gained(_applied(compute(), y), scene) for package, compute in packages.items()}
        found[method] = {package: (gained[package], seconds) for package, seconds in _seconds(packages).items()}
    whole = _whole(masks, y, shares, frames)
    gained = {package: _gained(torch.as_tensor(decode()), scene) for package, decode in whole.items()}
    found["all of it"] = {package: (gained[package], seconds) for package, seconds in _seconds(whole).items()}
    return found


def _filters(R: Tensor, A: Response, y: Tensor, scene: SimulatedScene) -> dict[str, dict[str, Callable[[], Any]]]:
    """Every method by every package that has it: a call that returns D (freq, source, mic)."""
    R_s, R_n = R[..., :-1, :, :].contiguous(), rest_covariance(R).contiguous()
    # As complex128 numbers that every package may take as they are.
    source, rest, noise = R_s.numpy(), R_n.numpy(), noise_covariance(R).contiguous().numpy()
    steering = A.matrix() / A.matrix()[:, :1]
    columns = steering.mT.contiguous().numpy()
    own = {
        "MVDR, steered": lambda: distortionless_each(R_n, steering),
        "LCMV, steered": lambda: LCMV(Given(R), loading=0.0).weights(steering, y, A),
        "MVDR, Souden": lambda: souden(R_s, R_n),
        "Souden, mu 1": lambda: souden(R_s, R_n, mu=1.0),
        "GEV": lambda: blind_analytic(principal(R_s, R_n), 0),
        "MWF, rank 1": lambda: wiener(R_s, R_n, rank=1),
        "MWF": lambda: wiener(R_s, R_n),
    }
    peers: dict[str, dict[str, Callable[[], Any]]] = {method: {} for method in own}
    peers["MVDR, steered"]["pyroomacoustics"] = lambda: _pyroomacoustics_mvdr(scene, rest, columns)
    if pb is not None:
        talkers = range(source.shape[1])
        by_source = columns.transpose(1, 0, 2).copy()
        unit = np.eye(len(talkers))
        peers["MVDR, steered"]["pb_bss"] = lambda: pb.get_mvdr_vector(columns, rest).conj()
        peers["LCMV, steered"]["pb_bss"] = lambda: np.stack(
            [pb.get_lcmv_vector(by_source, unit[k], noise).conj() for k in talkers], axis=1
        )
        peers["MVDR, Souden"]["pb_bss"] = lambda: pb.get_mvdr_vector_souden(source, rest, 0).conj()
        peers["Souden, mu 1"]["pb_bss"] = lambda: pb.get_wmwf_vector(source, rest, 0).conj()
        peers["GEV"]["pb_bss"] = lambda: pb.blind_analytic_normalization(pb.get_gev_vector(source, rest), rest).conj()
    return {method: {"arrayscene": own[method]} | peers[method] for method in own}


def _pyroomacoustics_mvdr(scene: SimulatedScene, rest: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Filters for the first microphone; its own are for the microphone that hears the talker first."""
    positions = scene.recording.array.positions
    beamformer = pra.Beamformer(positions.T, RATE, N=TRANSFORM.n_fft)
    D = np.empty(columns.shape, np.complex128)
    for k, (azimuth, elevation) in enumerate(scene.directions):
        toward = np.array([np.cos(elevation) * np.cos(azimuth), np.cos(elevation) * np.sin(azimuth), np.sin(elevation)])
        talker = SimpleNamespace(images=beamformer.center + 10 * toward[:, None])
        lead = positions @ toward
        for f, frequency in enumerate(FREQUENCIES.numpy()):
            beamformer.frequencies = np.array([frequency])
            beamformer.rake_max_sinr_weights(talker, R_n=rest[f, k], ff=True, attn=False)
            delay = (lead.max() - lead[0]) / pra.constants.get("c")
            D[f, k] = beamformer.weights[:, 0].conj() * np.exp(-2j * np.pi * frequency * delay)
    return D


def _whole(masks: Masks, y: Tensor, shares: np.ndarray, frames: np.ndarray) -> dict[str, Callable[[], Any]]:
    """Sources (source, freq, frame) from frames and masks."""
    decoders: dict[str, Callable[[], Any]] = {"arrayscene": lambda: SoudenMVDR(masks, loading=LOADING)(y).x}
    if pb is None:
        return decoders

    def decode() -> np.ndarray:
        by_frequency = _frequency_first(frames)
        R = pb.get_power_spectral_density_matrix(by_frequency, _frequency_first(shares))
        noise = R.sum(1, keepdims=True) - R[:, :-1]
        level = LOADING * np.trace(noise, axis1=-2, axis2=-1).real / noise.shape[-1]
        noise = noise + level[..., None, None] * np.eye(noise.shape[-1])
        w = pb.get_mvdr_vector_souden(R[:, :-1], noise, 0)
        return pb.apply_beamforming_vector(w.transpose(1, 0, 2), by_frequency[None])

    return decoders | {"pb_bss": decode}


def _frequency_first(frames: np.ndarray) -> np.ndarray:
    """As pb_bss has it; einsum is faster on a copy."""
    return np.ascontiguousarray(frames.transpose(1, 0, 2))


def _applied(D: Any, y: Tensor) -> Tensor:
    return torch.einsum("fsm,mft->sft", torch.as_tensor(D).to(y.dtype), y)


def _gained(x: Tensor, scene: SimulatedScene) -> float:
    images, heard = scene.images[:, 0], scene.recording.samples[:1]
    decoded = TRANSFORM.inverse(x, heard.shape[-1]).numpy()
    return float((si_sdr(decoded, images) - si_sdr(heard, images)).mean())


def _seconds(packages: Mapping[str, Callable[[], Any]]) -> dict[str, float]:
    """Best time of each package; in turn, so that a busy moment of the machine meets all of them."""
    best = dict.fromkeys(packages, np.inf)
    with torch.inference_mode():
        for repeat in range(REPEATS):
            for package, compute in packages.items():
                if repeat < 3 or package != "pyroomacoustics":
                    start = time.perf_counter()
                    compute()
                    best[package] = min(best[package], time.perf_counter() - start)
    return best


if __name__ == "__main__":
    main()
