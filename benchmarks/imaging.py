"""Acoustic imaging beside acoular: milliseconds a frequency on one core, and how far the maps differ.

64 microphones in a disc of 1 m, 41 x 41 points at 0.7 m, steering vectors of formulation III, three sources 0, 6 and 12 dB down
and noise at -10 dB in every microphone, 500 windows, at 1, 1.6, 2.5, 4 and 8 kHz. Both get the same matrices; all but functional
beamforming leave the diagonal out. Process time of one thread each, the least of the runs by turns, one process; acoular
computes in double precision, arrayscene in single, and both make steering vectors and point spread anew in every run, as they
come. Largest difference of maps where they are within 20 dB of the highest value.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import replace

os.environ["NUMBA_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
import torch
from common import ROOT, describe, write_table

from arrayscene import MicrophoneArray
from arrayscene.imaging import CleanSC, Conventional, CovarianceFitting, Damas, Functional, ImagingMethod, MapGrid, grid_response
from arrayscene.imaging.method import beams
from arrayscene.imaging.transfer import transfer_chunks
from arrayscene.kernels import nonnegative_sweeps, point_spread

try:
    import acoular
    import acoular.fastFuncs
except ImportError:
    acoular = None

HERTZ = (1000.0, 1600.0, 2500.0, 4000.0, 8000.0)
SHOWN = 3
RUNS = 3
SOURCES = {16 * 41 + 9: 1.0, 25 * 41 + 30: 0.25, 33 * 41 + 16: 0.0625}


def main() -> None:
    if acoular is None:
        print("skipped: acoular is not installed; pip install acoular")
        return
    torch.set_num_threads(1)
    acoular.config.global_caching = "none"
    array, plane = MicrophoneArray.resolve("spiral:64:0.5"), MapGrid.plane((-0.5, 0.5), (-0.5, 0.5), 0.7, 0.025)
    # In acoular's order, y first: sweeps of DAMAS depend on it until they have converged.
    points = plane.points.reshape(*plane.shape, 3).transpose(1, 0, 2).reshape(-1, 3)
    grid = replace(plane, points=points)
    C = matrices(array, grid)
    methods: dict[str, tuple[ImagingMethod, Callable[[], object]]] = {
        "conventional": (Conventional(), lambda: beamformer(acoular.BeamformerBase, C, array, r_diag=True)),
        "functional, exponent 16": (
            Functional(exponent=16),
            lambda: beamformer(acoular.BeamformerFunctional, C, array, gamma=16, r_diag=False),
        ),
        "CLEAN-SC": (CleanSC(), lambda: beamformer(acoular.BeamformerCleansc, C, array, r_diag=True)),
        "CLEAN-SC, 30 components": (
            CleanSC(n_iter=30),
            lambda: beamformer(acoular.BeamformerCleansc, C, array, r_diag=True, n_iter=30),
        ),
        "DAMAS, 100 sweeps": (
            Damas(n_iter=100),
            lambda: beamformer(acoular.BeamformerDamas, C, array, r_diag=True, n_iter=100, calcmode="full"),
        ),
    }
    rows, maps = [], {}
    for name, (method, make) in methods.items():
        ours, theirs = [np.inf], [np.inf]
        for run in range(RUNS):
            if run == 0:
                image(method, C, array, grid)
            mine, spent = timed(lambda method=method: image(method, C, array, grid))
            ours.append(spent)
            other, spent = timed(lambda make=make: make().result[:])
            theirs.append(spent)
        other = np.asarray(other).reshape(len(HERTZ), -1)
        maps[name] = (mine, other)
        seen = (mine > 0.01 * mine.max(axis=1, keepdims=True)) & (other > 0)
        difference = np.abs(10 * np.log10(mine[seen] / other[seen]))
        rows.append(
            {
                "method": name,
                "arrayscene (ms)": f"{1e3 * min(ours) / len(HERTZ):.1f}",
                "acoular (ms)": f"{1e3 * min(theirs) / len(HERTZ):.1f}",
                "times as long": f"{min(theirs) / min(ours):.1f}",
                "largest difference (dB)": f"{difference.max():.4f}",
            }
        )
    rows.append(sweeps(C, array, grid))
    rows.append(fitting(C, array, grid))
    sides = f"{describe()}, acoular {acoular.__version__}"
    write_table("imaging", __doc__, sides, rows)
    draw(maps)


def sweeps(C: torch.Tensor, array: MicrophoneArray, grid: MapGrid) -> dict[str, object]:
    """The 100 sweeps of DAMAS alone at 4 kHz, from the same map and point spread, which both have in memory."""
    (_, A), *_ = transfer_chunks(grid_response(array, grid, torch.tensor(HERTZ[SHOWN : SHOWN + 1]), 343.0),
                                 torch.tensor(HERTZ[SHOWN : SHOWN + 1]), 1681)  # fmt: skip
    y, W = beams(C[SHOWN : SHOWN + 1], A, "true level", remove_diagonal=False)
    S, y = point_spread(W[0], A[0], remove_diagonal=False), y[0]
    double, target = S.mT.to(torch.float64).contiguous().numpy(), y.to(torch.float64).numpy()

    def theirs() -> np.ndarray:
        x = target.copy()
        acoular.fastFuncs.damasSolverGaussSeidel(double, target, 100, 1.0, x)
        return x

    ours = [timed(lambda: nonnegative_sweeps(S, y, y, 100)[0].numpy()) for _ in range(RUNS + 1)]
    others = [timed(theirs) for _ in range(RUNS + 1)]
    mine, other = ours[0][0], others[0][0]
    seen = mine > 0.01 * mine.max()
    spent, longer = (min(seconds for _, seconds in runs) for runs in (ours, others))
    return {
        "method": "100 sweeps of DAMAS alone, 4 kHz",
        "arrayscene (ms)": f"{1e3 * spent:.1f}",
        "acoular (ms)": f"{1e3 * longer:.1f}",
        "times as long": f"{longer / spent:.1f}",
        "largest difference (dB)": f"{np.abs(10 * np.log10(mine[seen] / other[seen])).max():.4f}",
    }


def fitting(C: torch.Tensor, array: MicrophoneArray, grid: MapGrid) -> dict[str, object]:
    """Covariance fitting at 4 kHz beside the same least squares by scipy's active sets: seconds, and what is left of C."""
    from scipy.optimize import nnls

    (_, A), *_ = transfer_chunks(
        grid_response(array, grid, torch.tensor(HERTZ[SHOWN : SHOWN + 1]), 343.0), torch.tensor(HERTZ[SHOWN : SHOWN + 1]), 1681
    )
    method = CovarianceFitting(price=0)
    method(C[SHOWN : SHOWN + 1], A)
    ours, spent = timed(lambda: method(C[SHOWN : SHOWN + 1], A).numpy()[0])
    a = A[0].to(torch.complex128).numpy()
    upper = np.triu_indices(array.n_mics, 1)
    columns = (a[:, None] * a.conj())[upper]
    system, target = (
        np.vstack([columns.real, columns.imag]),
        np.concatenate([C[SHOWN].numpy()[upper].real, C[SHOWN].numpy()[upper].imag]),
    )
    theirs, other = timed(lambda: nnls(system, target, maxiter=20_000)[0])
    left = [float(np.linalg.norm(system @ x - target) / np.linalg.norm(target)) for x in (ours, theirs)]
    return {
        "method": f"covariance fitting, 4 kHz, beside scipy's nnls; left of C {left[0]:.4f} and {left[1]:.4f}",
        "arrayscene (ms)": f"{1e3 * spent:.1f}",
        "acoular (ms)": f"scipy {1e3 * other:.1f}",
        "times as long": f"{other / spent:.1f}",
        "largest difference (dB)": "",
    }


def matrices(array: MicrophoneArray, grid: MapGrid) -> torch.Tensor:
    """(freq, mic, mic) sampled from complex Gaussian sources and noise."""
    g = torch.Generator().manual_seed(3)
    hertz = torch.tensor(HERTZ, dtype=torch.float64)
    a = grid_response(array, grid, hertz, 343.0).matrix()[..., list(SOURCES)]
    levels = torch.tensor(list(SOURCES.values()), dtype=torch.float64)
    x = torch.randn(len(HERTZ), len(SOURCES), 500, dtype=torch.complex128, generator=g) * levels.sqrt()[:, None]
    noise = torch.randn(len(HERTZ), array.n_mics, 500, dtype=torch.complex128, generator=g)
    y = a @ x + 0.1**0.5 * noise
    return y @ y.mH / 500


def image(method: ImagingMethod, C: torch.Tensor, array: MicrophoneArray, grid: MapGrid) -> np.ndarray:
    """(freq, point), a frequency at a time as `Imager` does it."""
    hertz = torch.tensor(HERTZ, dtype=torch.float64)
    response = grid_response(array, grid, hertz, 343.0)
    found = []
    for first, A in transfer_chunks(response, hertz, grid.n_points):
        found += [method(C[first + i, None], a[None]) for i, a in enumerate(A)]
    return torch.cat(found).numpy()


def beamformer(kind: type, C: torch.Tensor, array: MicrophoneArray, **options: object) -> object:
    """One of acoular's, on the same matrices and the same points."""
    spectra = acoular.PowerSpectraImport(csm=C.numpy().copy(), frequencies=np.array(HERTZ))
    x = np.round(np.linspace(-0.5, 0.5, 41), 9)
    grid = acoular.RectGrid(x_min=x[0], x_max=x[-1], y_min=x[0], y_max=x[-1], z=0.7, increment=0.025)
    steering = acoular.SteeringVector(
        grid=grid,
        mics=acoular.MicGeom(pos_total=array.positions.T.copy()),
        steer_type="true level",
        env=acoular.Environment(c=343.0),
    )
    return kind(freq_data=spectra, steer=steering, cached=False, **options)


def timed(call: Callable[[], np.ndarray]) -> tuple[np.ndarray, float]:
    start = time.process_time()
    result = call()
    return result, time.process_time() - start


def draw(maps: dict[str, tuple[np.ndarray, np.ndarray]]) -> None:
    """results/imaging.png: both packages' maps at 4 kHz, 20 dB."""
    from matplotlib import colormaps
    from matplotlib.figure import Figure

    colours = colormaps["magma_r"].with_extremes(under="white", bad="white")
    figure = Figure(figsize=(2.3 * len(maps), 5.2), dpi=100, facecolor="white", layout="constrained")
    axes = figure.subplots(2, len(maps), sharex=True, sharey=True, squeeze=False)
    for column, (name, both) in enumerate(maps.items()):
        for row, (whose, power) in enumerate(zip(("arrayscene", "acoular"), both, strict=True)):
            with np.errstate(divide="ignore", invalid="ignore"):
                level = 10 * np.log10(power[SHOWN].reshape(41, 41).T / power[SHOWN].max())
            axes[row, column].imshow(level, origin="lower", extent=(-0.51, 0.51) * 2, vmin=-20, vmax=0, cmap=colours)
            axes[row, column].set_title(f"{name}\n{whose}" if row == 0 else whose, fontsize=8)
            axes[row, column].tick_params(labelsize=7)
    figure.supxlabel("x (m), 4 kHz, 20 dB below the maximum", fontsize=8)
    figure.savefig(ROOT / "results" / "imaging.png")


if __name__ == "__main__":
    main()
