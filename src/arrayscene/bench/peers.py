"""Separators of other packages, where they are installed, as functions from samples to samples."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from arrayscene.stft import STFT

Samples = NDArray[np.float32]
Separator = Callable[[Samples], Samples]
"""From the mixture (mic, sample) to as many outputs (output, sample) as microphones."""

N_ITER: Final = 20
N_BASES: Final = 4


def _pyroomacoustics(method: str, **options: Any) -> Callable[[NDArray[Any]], NDArray[Any]]:
    def separate(frames: NDArray[Any]) -> NDArray[Any]:
        import pyroomacoustics

        # Its axes are (frame, freq, channel).
        decoded = getattr(pyroomacoustics.bss, method)(frames.transpose(2, 1, 0).copy(), n_iter=N_ITER, **options)
        return np.asarray(decoded).transpose(2, 1, 0)

    return separate


def _fastmnmf(method: str) -> Callable[[NDArray[Any]], NDArray[Any]]:
    return _pyroomacoustics(method, n_components=N_BASES)


def _torchiva(frames: NDArray[Any]) -> NDArray[Any]:
    import torchiva

    return np.asarray(torchiva.T_ISS(N_ITER, n_taps=0, model=torchiva.GaussModel())(torch.from_numpy(frames)[None])[0])


def _ssspy(frames: NDArray[Any]) -> NDArray[Any]:
    from ssspy.bss.iva import AuxGaussIVA

    return np.asarray(AuxGaussIVA(spatial_algorithm="ISS1")(frames.astype(np.complex128), n_iter=N_ITER))


_METHODS: Final[dict[str, tuple[str, Callable[[NDArray[Any]], NDArray[Any]], tuple[int, ...]]]] = {
    "AuxIVA-Gauss": ("pyroomacoustics", _pyroomacoustics("auxiva", proj_back=True, model="gauss"), (2048, 4096, 8192)),
    "AuxIVA-Laplace": ("pyroomacoustics", _pyroomacoustics("auxiva", proj_back=True, model="laplace"), (4096,)),
    "ILRMA": ("pyroomacoustics", _pyroomacoustics("ilrma", proj_back=True, n_components=N_BASES), (4096,)),
    "FastMNMF": ("pyroomacoustics", _fastmnmf("fastmnmf"), (4096,)),
    "FastMNMF2": ("pyroomacoustics", _fastmnmf("fastmnmf2"), (4096,)),
    "AuxIVA-ISS": ("torchiva", _torchiva, (4096,)),
    "AuxIVA-Gauss-ISS": ("ssspy", _ssspy, (4096,)),
}
"""Name of a method: its package, the call, and the windows that are tried."""


PEERS: Final = tuple(dict.fromkeys(package for package, _, _ in _METHODS.values()))
"""Packages that are compared with where they are installed."""


@cache
def importable(package: str) -> bool:
    """Whether a package is installed and works: some lack a dependency that their installation does not ask for."""
    try:
        import_module(package)
    except ImportError:
        return False
    return True


def peers() -> dict[str, Separator]:
    """Every separator of an installed peer, by "package method window"."""
    return {
        f"{package} {name} {n_fft}": _in_samples(call, n_fft)
        for name, (package, call, windows) in _METHODS.items()
        if importable(package)
        for n_fft in windows
    }


def _in_samples(call: Callable[[NDArray[Any]], NDArray[Any]], n_fft: int) -> Separator:
    stft = STFT(n_fft)

    def separate(samples: Samples) -> Samples:
        with np.errstate(all="ignore"):
            decoded = call(stft(torch.from_numpy(samples)).contiguous().numpy())
        frames = torch.from_numpy(np.ascontiguousarray(decoded))
        return np.asarray(stft.inverse(frames, samples.shape[-1]).float().numpy())

    return separate
