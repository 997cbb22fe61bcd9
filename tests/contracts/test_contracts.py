"""Every response and every decoder keeps the contracts of `arrayscene.testing`; a class without a case here fails."""

import importlib
import inspect
import pkgutil
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from types import ModuleType
from typing import Any

import pytest
import torch

from arrayscene import decoders, response
from arrayscene.array import MicrophoneArray
from arrayscene.decoders import MVDR, AuxIVA, Decoder, DelayAndSum, MultichannelWiener, PseudoInverse, QuietNoiseWiener
from arrayscene.response import MatrixResponse, PlaneWave, Response, RigidSphere, SphericalWave
from arrayscene.stft import STFT
from arrayscene.testing import check_decoder, check_response

RATE = 8000
SHORT, LONG = STFT(64), STFT(256)
FREQUENCIES = SHORT.frequencies(RATE)
ARRAY = MicrophoneArray.circular(3, 0.05)
POSITIONS = torch.tensor(ARRAY.positions)
AZIMUTHS = torch.tensor([0.4, 2.3], dtype=torch.float64)
PLACES = torch.tensor([[0.4, 0.3, 0.1], [-0.2, 0.5, 0.0]], dtype=torch.float64)
FEW = FREQUENCIES[[3, 9, 20]]


def wants_gradient(values: torch.Tensor) -> torch.Tensor:
    return values.clone().requires_grad_()


def recording(n_sources: int, n_frames: int = 30) -> torch.Tensor:
    """(mic, freq, frame) sources that come and go, as plane waves, and sensor noise in which the first fifth lies alone."""
    generator = torch.Generator().manual_seed(7)
    x = torch.randn(n_sources, SHORT.n_freqs, n_frames, dtype=torch.complex128, generator=generator)
    x = x * torch.rand(n_sources, 1, n_frames, dtype=torch.float64, generator=generator) ** 2
    x[..., : n_frames // 5] = 0
    noise = torch.randn(3, SHORT.n_freqs, n_frames, dtype=torch.complex128, generator=generator)
    return plane_wave(n_sources)(x) + 0.1 * noise


def plane_wave(n_sources: int) -> PlaneWave:
    return PlaneWave(ARRAY, torch.linspace(0.4, 2.3, n_sources), frequencies=FREQUENCIES)


RESPONSES: dict[str, tuple[Response, dict[str, Any]]] = {
    "PlaneWave": (
        PlaneWave(ARRAY, AZIMUTHS, 0.2, frequencies=FREQUENCIES),
        {
            "build": lambda p, a, e: PlaneWave(p, a, e, frequencies=FEW),
            "inputs": [wants_gradient(POSITIONS), wants_gradient(AZIMUTHS), wants_gradient(AZIMUTHS / 4)],
        },
    ),
    # Its series is summed in numpy, which cannot compute on the "meta" device.
    "RigidSphere": (RigidSphere(replace(ARRAY, body_radius=0.05), AZIMUTHS, 0.2, frequencies=FREQUENCIES), {"device": "cpu"}),
    "SphericalWave": (
        SphericalWave(ARRAY, PLACES, frequencies=FREQUENCIES),
        {
            "build": lambda p, places: SphericalWave(p, places, frequencies=FEW),
            "inputs": [wants_gradient(POSITIONS), wants_gradient(PLACES)],
        },
    ),
    "MatrixResponse": (
        MatrixResponse(PlaneWave(ARRAY, AZIMUTHS, frequencies=FREQUENCIES).matrix() * 0.5, FREQUENCIES),
        {"any_frequency": False},
    ),
    "MatrixResponse, one for each recording": (
        MatrixResponse(torch.stack([plane_wave(2).matrix(), plane_wave(2).matrix().conj()]), FREQUENCIES),
        {"any_frequency": False},
    ),
}

# How many sources are looked for (0: the decoder is not told), and what is not promised.
DECODERS: dict[str, tuple[Callable[[], Decoder], int, dict[str, Any]]] = {
    "DelayAndSum": (DelayAndSum, 2, {}),
    "PseudoInverse": (PseudoInverse, 2, {}),
    "PseudoInverse, more sources than microphones": (partial(PseudoInverse, 0.1), 5, {}),
    "PseudoInverse, scale of A": (partial(PseudoInverse, 0.0, reference=None), 2, {}),
    "MVDR": (MVDR, 2, {}),
    "MVDR, last microphone": (partial(MVDR, reference=2), 4, {}),
    "AuxIVA": (partial(AuxIVA, n_iter=5), 2, {}),
    "AuxIVA, Laplace": (partial(AuxIVA, model="laplace", n_iter=5, reference=1), 3, {}),
    "AuxIVA, banded": (partial(AuxIVA, model="banded", n_iter=5), 2, {}),
    # Blind, its first outputs are the microphones in their order.
    "AuxIVA, blind": (partial(AuxIVA, 2, n_iter=5), 0, {"permutation": False}),
    # Neither the pilot's sweeps nor the statistics are claimed to be differentiable.
    "MultichannelWiener": (lambda: MultichannelWiener(AuxIVA(n_iter=3), SHORT, LONG), 2, {"gradients": False}),
    "MultichannelWiener, linear pilot": (lambda: MultichannelWiener(PseudoInverse(0.1), SHORT, LONG), 5, {"gradients": False}),
    "QuietNoiseWiener": (QuietNoiseWiener, 1, {}),
    "QuietNoiseWiener, blind": (QuietNoiseWiener, 0, {}),
}


def concrete(package: ModuleType, base: type) -> set[str]:
    """Names of the classes of a package that derive from `base` and have no subclass of their own."""
    modules = [importlib.import_module(f"{package.__name__}.{info.name}") for info in pkgutil.iter_modules(package.__path__)]
    found = {value for module in modules for value in vars(module).values() if inspect.isclass(value) and issubclass(value, base)}
    return {a.__name__ for a in found if not any(b is not a and issubclass(b, a) for b in found)}


@pytest.mark.parametrize(("package", "base", "cases"), [(response, Response, RESPONSES), (decoders, Decoder, DECODERS)])
def test_every_class_has_a_case(package: ModuleType, base: type, cases: dict[str, Any]) -> None:
    assert concrete(package, base) == {name.split(",")[0] for name in cases}


@pytest.mark.parametrize("name", RESPONSES)
def test_response(name: str) -> None:
    case, claims = RESPONSES[name]
    check_response(case, **claims)


@pytest.mark.parametrize("name", DECODERS)
def test_decoder(name: str) -> None:
    make, n_sources, claims = DECODERS[name]
    check_decoder(make(), recording(n_sources or 2), plane_wave(n_sources) if n_sources else None, **claims)


@pytest.mark.gpu
@pytest.mark.parametrize("name", DECODERS)
def test_decoder_on_the_gpu(name: str) -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    make, n_sources, _ = DECODERS[name]
    y, known = recording(n_sources or 2), plane_wave(n_sources) if n_sources else None
    decoder = make()
    wanted = decoder(y, known).x
    found = decoder.to("cuda")(y.cuda(), None if known is None else known.to("cuda")).x
    decoder.to("cpu")
    assert found.device.type == "cuda"
    torch.testing.assert_close(found.cpu(), wanted, rtol=1e-6, atol=1e-6)
