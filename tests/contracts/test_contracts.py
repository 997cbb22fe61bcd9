"""Every response and every decoder keeps the contracts of `arrayscene.testing`; a class without a case here fails."""

import copy
import importlib
import inspect
import pkgutil
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

from arrayscene import decoders, response
from arrayscene.array import MicrophoneArray
from arrayscene.array_points import fibonacci_sphere
from arrayscene.decoders import MVDR, AuxIVA, Decoder, DelayAndSum, MultichannelWiener, PseudoInverse, QuietNoiseWiener
from arrayscene.diffusion import GaussianPrior
from arrayscene.response import MatrixResponse, PlaneWave, Response, RigidCylinder, RigidSphere, SphericalWave
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
AROUND = POSITIONS * torch.tensor([[1.0], [1.3], [1.6]]) + torch.tensor([0.0, 0.0, 0.02])
SHARES, AXES = torch.tensor([0.9, 0.5, 0.1], dtype=torch.float64), torch.tensor([[1.0, 0, 0], [0, 2, 1], [-1, 0, 1]]).double()
DIRECTIONAL = replace(ARRAY, directivity=tuple(SHARES.tolist()), orientations=AXES.numpy())
ENCODER = torch.tensor([[1.0, 1, 1], [1, -1, 0]], dtype=torch.float64)


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


def sphere_of_waves(n: int) -> PlaneWave:
    points = torch.tensor(fibonacci_sphere(n))
    return PlaneWave(ARRAY, torch.atan2(points[:, 1], points[:, 0]), torch.asin(points[:, 2]), frequencies=FREQUENCIES)


def white() -> GaussianPrior:
    """A prior of another rate than the recording's, as a diffusion takes it."""
    prior = GaussianPrior(torch.tensor(1.0))
    prior.sample_rate, prior.spectrum = 12000, torch.ones(3)  # type: ignore[attr-defined]
    return prior


def plane_wave(n_sources: int) -> PlaneWave:
    return PlaneWave(ARRAY, torch.linspace(0.4, 2.3, n_sources), frequencies=FREQUENCIES)


def convolutive_taps(frequencies: torch.Tensor) -> torch.Tensor:
    """(freq, mic, source, tap) plane waves and decaying noise after them."""
    generator = torch.Generator().manual_seed(3)
    direct = PlaneWave(ARRAY, AZIMUTHS, frequencies=frequencies).matrix()
    late = torch.randn(*direct.shape, 3, dtype=torch.complex128, generator=generator) * torch.tensor([0.5, 0.2, 0.1])
    return torch.cat([direct[..., None], late], dim=-1)


def measured() -> response.ImpulseResponses:
    """Decaying noise from 40 directions, which changes smoothly with the direction."""
    toward, rng = fibonacci_sphere(40), np.random.default_rng(0)
    samples = np.zeros((40, 3, 24))
    samples[..., 4:] = rng.standard_normal((1, 3, 20)) * np.exp(-np.arange(20) / 4) + 0.2 * toward[:, :, None]
    return response.ImpulseResponses(samples, RATE, np.arctan2(toward[:, 1], toward[:, 0]), np.arcsin(toward[:, 2]))


RESPONSES: dict[str, tuple[Response, dict[str, Any]]] = {
    "MeasuredResponse": (
        response.MeasuredResponse(measured(), AZIMUTHS, 0.2, frequencies=FREQUENCIES),
        {
            "build": lambda a, e: response.MeasuredResponse(measured(), a, e, frequencies=FEW),
            "inputs": [wants_gradient(AZIMUTHS), wants_gradient(AZIMUTHS / 4)],
            "batches": False,
        },
    ),
    "MeasuredResponse, as measured": (response.MeasuredResponse(measured().select([3, 11]), frequencies=FREQUENCIES), {}),
    "RoomResponse": (
        response.RoomResponse(ARRAY, PLACES, room_size=(4, 3, 2.5), t60=0.15, max_order=4, frequencies=FREQUENCIES),
        {
            "build": lambda p, places: response.RoomResponse(
                p, places, room_size=(4, 3, 2.5), absorption=0.4, max_order=2, frequencies=FEW
            ),
            "inputs": [wants_gradient(POSITIONS), wants_gradient(PLACES)],
            "batches": False,
        },
    ),
    "PlaneWave": (
        PlaneWave(ARRAY, AZIMUTHS, 0.2, frequencies=FREQUENCIES),
        {
            "build": lambda p, a, e: PlaneWave(p, a, e, frequencies=FEW),
            "inputs": [wants_gradient(POSITIONS), wants_gradient(AZIMUTHS), wants_gradient(AZIMUTHS / 4)],
            "plane_waves": lambda a, e: PlaneWave(ARRAY, a, e, frequencies=FREQUENCIES),
        },
    ),
    "PlaneWave, directional microphones": (
        PlaneWave(DIRECTIONAL, AZIMUTHS, 0.2, frequencies=FREQUENCIES),
        {
            "build": lambda p, share, axes: PlaneWave(
                p, AZIMUTHS, 0.2, frequencies=FEW, directivity=response.Directivity(share, axes)
            ),
            "inputs": [wants_gradient(POSITIONS), wants_gradient(SHARES), wants_gradient(AXES)],
            "plane_waves": lambda a, e: PlaneWave(DIRECTIONAL, a, e, frequencies=FREQUENCIES),
        },
    ),
    "RigidSphere": (
        RigidSphere(replace(ARRAY, body_radius=0.05), AZIMUTHS, 0.2, frequencies=FREQUENCIES),
        {
            "build": lambda p, a, e: RigidSphere(p, a, e, frequencies=FEW, body_radius=0.04),
            "inputs": [wants_gradient(AROUND), wants_gradient(AZIMUTHS), wants_gradient(AZIMUTHS / 4)],
            "plane_waves": lambda a, e: RigidSphere(replace(ARRAY, body_radius=0.05), a, e, frequencies=FREQUENCIES),
        },
    ),
    "RigidSphere, sources nearby": (
        RigidSphere(AROUND, AZIMUTHS, 0.2, frequencies=FREQUENCIES, body_radius=0.04, distance=0.15),
        {
            "build": lambda p, a, e: RigidSphere(p, a, e, frequencies=FEW, body_radius=0.04, distance=0.15),
            "inputs": [wants_gradient(AROUND), wants_gradient(AZIMUTHS), wants_gradient(AZIMUTHS / 4)],
            "plane_waves": lambda a, e: RigidSphere(AROUND, a, e, frequencies=FREQUENCIES, body_radius=0.04),
        },
    ),
    "RigidCylinder": (
        RigidCylinder(replace(ARRAY, body_radius=0.05, body_shape="cylinder"), AZIMUTHS, 0.2, frequencies=FREQUENCIES),
        {
            "build": lambda p, a, e: RigidCylinder(p, a, e, frequencies=FEW, body_radius=0.04),
            "inputs": [wants_gradient(AROUND), wants_gradient(AZIMUTHS), wants_gradient(AZIMUTHS / 4)],
        },
    ),
    "RigidCylinder, around it": (
        RigidCylinder(AROUND, AZIMUTHS, AZIMUTHS / 4, frequencies=FREQUENCIES, body_radius=0.04),
        {"plane_waves": lambda a, e: RigidCylinder(AROUND, a, e, frequencies=FREQUENCIES, body_radius=0.04)},
    ),
    "SphericalWave": (
        SphericalWave(ARRAY, PLACES, frequencies=FREQUENCIES),
        {
            "build": lambda p, places: SphericalWave(p, places, frequencies=FEW),
            "inputs": [wants_gradient(POSITIONS), wants_gradient(PLACES)],
            "plane_waves": lambda a, e: PlaneWave(ARRAY, a, e, frequencies=FREQUENCIES),
        },
    ),
    "SphericalWave, directional microphones in humid air": (
        SphericalWave(DIRECTIONAL, PLACES, frequencies=FREQUENCIES, air=response.Air(relative_humidity=0.9)),
        {
            "build": lambda p, places, share, axes: SphericalWave(
                p, places, frequencies=FEW, directivity=response.Directivity(share, axes), air=response.Air()
            ),
            "inputs": [wants_gradient(POSITIONS), wants_gradient(PLACES), wants_gradient(SHARES), wants_gradient(AXES)],
            "plane_waves": lambda a, e: PlaneWave(DIRECTIONAL, a, e, frequencies=FREQUENCIES),
        },
    ),
    "Selection": (
        PlaneWave(ARRAY, AZIMUTHS, frequencies=FREQUENCIES).select([1, 0], [2, 0]),
        {
            "build": lambda p: PlaneWave(p, AZIMUTHS, frequencies=FEW).select([1], [2, 0]),
            "inputs": [wants_gradient(POSITIONS)],
            "plane_waves": lambda a, e: PlaneWave(ARRAY, a, e, frequencies=FREQUENCIES).select(mics=[2, 0]),
        },
    ),
    "Joined": (
        response.Joined([SphericalWave(ARRAY, PLACES, frequencies=FREQUENCIES), plane_wave(2)]),
        {
            "build": lambda p, places: response.Joined(
                [SphericalWave(p, places, frequencies=FEW), PlaneWave(ARRAY, 0.3, frequencies=FEW)]
            ),
            "inputs": [wants_gradient(POSITIONS), wants_gradient(PLACES)],
            "plane_waves": lambda a, e: PlaneWave(ARRAY, a, e, frequencies=FREQUENCIES),
        },
    ),
    "AtFrequencies": (
        response.AtFrequencies(plane_wave(2), FEW),
        {
            "build": lambda p: response.AtFrequencies(PlaneWave(p, AZIMUTHS, frequencies=FREQUENCIES), FEW),
            "inputs": [wants_gradient(POSITIONS)],
            "plane_waves": lambda a, e: response.AtFrequencies(PlaneWave(ARRAY, a, e, frequencies=FREQUENCIES), FEW),
        },
    ),
    "Cascade": (
        response.Cascade(plane_wave(2), ENCODER),
        {
            "build": lambda encoder: response.Cascade(PlaneWave(ARRAY, AZIMUTHS, frequencies=FEW), encoder),
            "inputs": [wants_gradient(ENCODER)],
            # Leading axes of a matrix are frequencies.
            "batches": False,
            "plane_waves": lambda a, e: response.Cascade(PlaneWave(ARRAY, a, e, frequencies=FREQUENCIES), ENCODER),
        },
    ),
    "Cascade, by frequency": (
        response.Cascade(plane_wave(2), ENCODER * torch.linspace(0.5, 2, len(FREQUENCIES))[:, None, None]),
        {"any_frequency": False},
    ),
    "ConvolutiveResponse": (
        response.ConvolutiveResponse(convolutive_taps(FREQUENCIES), FREQUENCIES),
        {
            "any_frequency": False,
            "build": lambda taps: response.ConvolutiveResponse(torch.complex(taps, -taps), FEW),
            "inputs": [wants_gradient(convolutive_taps(FEW).real)],
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
    "MVDR, noise from directions": (lambda: MVDR(decoders.FromDirections()), 2, {}),
    # Chosen loadings are held, not differentiated.
    "Tikhonov": (decoders.Tikhonov, 2, {"gradients": False}),
    "Tikhonov, more sources than microphones": (decoders.Tikhonov, 5, {"gradients": False}),
    "Tikhonov, L-curve": (partial(decoders.Tikhonov, "l-curve"), 5, {"gradients": False}),
    "Tikhonov, cross-validation": (partial(decoders.Tikhonov, "gcv", reference=None), 2, {"gradients": False}),
    "Tikhonov, given": (partial(decoders.Tikhonov, 0.1), 5, {}),
    "TruncatedSVD": (decoders.TruncatedSVD, 2, {}),
    "TruncatedSVD, rank": (partial(decoders.TruncatedSVD, rank=1), 5, {}),
    "MinimumNorm": (decoders.MinimumNorm, 5, {}),
    "MPDR": (decoders.MPDR, 2, {"gradients": False}),
    "MPDR, certain": (partial(decoders.MPDR, 0.0, reference=2), 4, {}),
    "LCMV": (decoders.LCMV, 2, {}),
    "LCMV, noise from directions": (lambda: decoders.LCMV(decoders.FromDirections()), 2, {}),
    "Superdirective": (decoders.Superdirective, 2, {}),
    # These are made for one array, with its microphones in their order.
    "Differential": (lambda: decoders.Differential(ARRAY), 2, {"permutation": False}),
    "AmbisonicsEncoder": (lambda: decoders.AmbisonicsEncoder(sphere_of_waves(60), 1), 0, {"permutation": False}),
    "GSC": (decoders.GSC, 2, {}),
    "GEV": (decoders.GEV, 2, {}),
    "GEV, reference scale, more sources than microphones": (partial(decoders.GEV, scale="reference", reference=1), 5, {}),
    "GEV, following": (lambda: decoders.GEV(decoders.Recursive(decoders.FromDirections(), 0.9, block=7)), 2, {}),
    "SoudenMVDR": (decoders.SoudenMVDR, 2, {}),
    "SoudenMVDR, more sources than microphones": (partial(decoders.SoudenMVDR, reference=2), 5, {}),
    "SoudenMVDR, following": (lambda: decoders.SoudenMVDR(decoders.Recursive(decoders.FromDirections(), 0.9)), 2, {}),
    "SDWMWF": (decoders.SDWMWF, 2, {}),
    "SDWMWF, rank 1": (partial(decoders.SDWMWF, mu=0.0, rank=1), 2, {}),
    "SDWMWF, rank 2, one source": (partial(decoders.SDWMWF, mu=3.0, rank=2), 1, {}),
    "SDWMWF, clustering": (lambda: decoders.SDWMWF(decoders.Clustering(decoders.FromDirections(), 2)), 2, {}),
    "WMPDR": (decoders.WMPDR, 2, {}),
    "WMPDR, more sources than microphones": (decoders.WMPDR, 5, {}),
    "WMPDR, taps": (partial(decoders.WMPDR, taps=2, delay=2), 2, {}),
    "AuxIVA": (partial(AuxIVA, n_iter=5), 2, {}),
    "AuxIVA, Laplace": (partial(AuxIVA, model="laplace", n_iter=5, reference=1), 3, {}),
    "AuxIVA, banded": (partial(AuxIVA, model="banded", n_iter=5), 2, {}),
    "AuxIVA, generalised Gauss by many sweeps": (partial(AuxIVA, model=0.5, update="iss", n_iter=5), 2, {}),
    "AuxIVA, by projection": (partial(AuxIVA, update="ip", n_iter=3), 2, {}),
    "AuxIVA, by projection with adjustment": (partial(AuxIVA, update="ipa", n_iter=3), 2, {"gradients": False}),
    "AuxIVA, held to directions": (partial(AuxIVA, update="iss", n_iter=5, directional=3e-3), 2, {}),
    # Blind, its first outputs are the microphones in their order.
    "AuxIVA, blind": (partial(AuxIVA, 2, n_iter=5), 0, {"permutation": False}),
    "OverIVA": (partial(decoders.OverIVA, n_iter=5), 2, {}),
    "OverIVA, one source by projection": (partial(decoders.OverIVA, update="ip", n_iter=5, reference=1), 1, {}),
    "OverIVA, held to directions": (partial(decoders.OverIVA, n_iter=5, directional=3e-3), 2, {}),
    "OverIVA, blind": (partial(decoders.OverIVA, 2, n_iter=5), 0, {"permutation": False}),
    "OnlineAuxIVA": (partial(decoders.OnlineAuxIVA, directional=3e-3), 2, {}),
    "OnlineAuxIVA, as many sources as microphones": (partial(decoders.OnlineAuxIVA, model="laplace", block=7), 3, {}),
    "OnlineAuxIVA, blind": (partial(decoders.OnlineAuxIVA, 2, update="ip", n_sweeps=2), 0, {"permutation": False}),
    "OnlineWiener": (decoders.OnlineWiener, 2, {}),
    "OnlineWiener, more sources than microphones": (partial(decoders.OnlineWiener, block=3, strength=1.0, reference=1), 5, {}),
    # As of `Refined`.
    "OnlineRefined": (decoders.OnlineRefined, 2, {"gradients": False, "single": 2e-2}),
    "OnlineRefined, one source": (decoders.OnlineRefined, 1, {"gradients": False, "single": 2e-2}),
    # The iterations end where nothing changes any more, which is not the same for other starts and precisions.
    "FastICA": (decoders.FastICA, 2, {"permutation": False, "gradients": False}),
    "FastICA, one after the other": (
        partial(decoders.FastICA, 2, algorithm="deflation", contrast="kurtosis", reference=1),
        0,
        {"permutation": False, "gradients": False},
    ),
    "FrequencyDomainICA": (partial(decoders.FrequencyDomainICA, n_iter=5), 2, {}),
    "FrequencyDomainICA, by steering": (partial(decoders.FrequencyDomainICA, algorithm="iss", beta=0.5, n_iter=5), 3, {}),
    "FrequencyDomainICA, fixed points, blind": (
        partial(decoders.FrequencyDomainICA, 2, algorithm="fastica", n_iter=5),
        0,
        {"permutation": False, "gradients": False},
    ),
    "ILRMA": (partial(decoders.ILRMA, n_iter=5), 2, {}),
    "ILRMA, Student's t": (partial(decoders.ILRMA, n_bases=2, student_nu=10.0, n_iter=5, reference=1), 3, {}),
    "ILRMA, blind": (partial(decoders.ILRMA, 2, n_iter=5), 0, {"permutation": False}),
    "FastMNMF": (partial(decoders.FastMNMF, n_iter=5), 2, {}),
    "FastMNMF, model 2": (partial(decoders.FastMNMF, model=2, n_bases=2, n_iter=5, reference=1), 3, {}),
    # Its start is blind then: the microphones in their order.
    "FastMNMF, more sources than microphones": (partial(decoders.FastMNMF, n_iter=5), 5, {"permutation": False}),
    "FastMNMF, blind": (partial(decoders.FastMNMF, 2, n_iter=5), 0, {"permutation": False}),
    # Neither the pilot's sweeps nor the statistics are claimed to be differentiable.
    "MultichannelWiener": (lambda: MultichannelWiener(AuxIVA(n_iter=3), SHORT, LONG), 2, {"gradients": False}),
    "MultichannelWiener, linear pilot": (lambda: MultichannelWiener(PseudoInverse(0.1), SHORT, LONG), 5, {"gradients": False}),
    "MultichannelWiener, half": (
        lambda: MultichannelWiener(PseudoInverse(0.1), SHORT, LONG, strength=0.5),
        2,
        {"gradients": False},
    ),
    # Conjugate gradients that end early round otherwise in single precision.
    "DiffusionPosterior": (
        lambda: decoders.DiffusionPosterior(SHORT, PseudoInverse(0.1), white(), n_steps=3),
        2,
        {"gradients": False, "single": 1e-2},
    ),
    "DiffusionPosterior, informed": (
        lambda: decoders.DiffusionPosterior(SHORT, None, white(), n_steps=3),
        2,
        {"gradients": False},
    ),
    # Its network rounds to bfloat16 where the processor is fast at that.
    "Refined": (
        lambda: decoders.Refined(MultichannelWiener(PseudoInverse(0.1), SHORT, LONG)),
        2,
        {"gradients": False, "single": 2e-2},
    ),
    "Refined, one source": (
        lambda: decoders.Refined(MultichannelWiener(DelayAndSum(), SHORT, LONG)),
        1,
        {"gradients": False, "single": 2e-2},
    ),
    "BelowSpeech": (lambda: decoders.BelowSpeech(PseudoInverse(0.1), SHORT), 2, {}),
    "BelowSpeech, blind": (lambda: decoders.BelowSpeech(AuxIVA(n_iter=3), SHORT), 0, {"permutation": False}),
    "GuidedIVA": (lambda: decoders.GuidedIVA(decoders.SDWMWF(), SHORT, LONG), 2, {"gradients": False}),
    # The rows that AuxIVA adds to its start for idle outputs have no gradient.
    "WarmStart": (lambda: decoders.WarmStart(decoders.SDWMWF(), AuxIVA(n_iter=3)), 2, {"gradients": False}),
    # The microphones are its sources, so they are permuted too.
    "WPE": (partial(decoders.WPE, 2, delay=2), 2, {"permutation": False}),
    "WPE, blind, smoothed, as many taps as there are frames": (partial(decoders.WPE, 30, context=1), 0, {"permutation": False}),
    "RecursiveWPE": (partial(decoders.RecursiveWPE, 2, delay=2, block=7), 0, {"permutation": False}),
    "Dereverberated": (lambda: decoders.Dereverberated(AuxIVA(n_iter=3), decoders.WPE(2, delay=2)), 2, {}),
    "Dereverberated, recursive": (
        lambda: decoders.Dereverberated(DelayAndSum(), decoders.RecursiveWPE(2, delay=2, block=7)),
        2,
        # The loading goes round the microphones in their order.
        {"permutation": False},
    ),
    # So do sweeps over the past.
    "TISS": (partial(decoders.TISS, n_iter=3), 2, {"permutation": False}),
    "TISS, banded": (
        partial(decoders.TISS, taps=1, delay=1, model="banded", n_iter=3, reference=1),
        3,
        {"permutation": False},
    ),
    "TISS, blind": (partial(decoders.TISS, 2, n_iter=3), 0, {"permutation": False}),
    "Masking": (decoders.Masking, 2, {}),
    "Masking, clustering": (lambda: decoders.Masking(statistics=decoders.Clustering(decoders.FromDirections(), 2)), 2, {}),
    "Masking, blind": (lambda: decoders.Masking(statistics=decoders.Clustering(decoders.BlindClustering(4, 3), 2)), 0, {}),
    "SDWMWF, blind clustering, more sources than microphones": (
        lambda: decoders.SDWMWF(decoders.Clustering(decoders.BlindClustering(n_iter=3), 2)),
        4,
        {},
    ),
    "Hybrid": (partial(decoders.Hybrid, PseudoInverse(1e-2), 1500.0), 2, {}),
    "AntiAliasing": (partial(decoders.AntiAliasing, PseudoInverse(1e-2), 1500.0), 2, {}),
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
@pytest.mark.parametrize("name", RESPONSES)
def test_response_on_the_gpu(name: str) -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    case = RESPONSES[name][0]
    moved = copy.deepcopy(case).to("cuda")
    for wanted, found in ((case.matrix(), moved.matrix()), (case.diffuse(), moved.diffuse())):
        assert (wanted is None) == (found is None)
        if wanted is not None and found is not None:
            assert found.device.type == "cuda"
            torch.testing.assert_close(found.cpu(), wanted, rtol=0, atol=1e-9)


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
