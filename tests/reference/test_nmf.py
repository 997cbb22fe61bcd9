"""ILRMA and FastMNMF against the papers' equations, their kernels against plain statements, and what they are for."""

import math
from itertools import pairwise

import nmf_by_hand
import numpy as np
import pytest
import torch
from closeness import assert_equal
from torch import Tensor

from arrayscene.decoders import ILRMA, AuxIVA, Decoder, FastMNMF, PseudoInverse
from arrayscene.decoders.majorization import SWEEPS
from arrayscene.errors import ShapeError
from arrayscene.kernels import (
    Whitened,
    component_weights,
    fastmnmf_update,
    fastmnmf_update_torch,
    ilrma_update,
    ilrma_update_torch,
    output_power,
    whiten,
)
from arrayscene.response import MatrixResponse

PRECISION = [(torch.complex64, 1e-4), (torch.complex128, 1e-10)]

UNTOUCHED = AuxIVA(n_iter=0)
"""A start that leaves the microphones as they are."""


def gauss(generator: np.random.Generator, *shape: int) -> np.ndarray:
    return generator.standard_normal(shape) + 1j * generator.standard_normal(shape)


def mixture(
    n_sources: int = 3, n_mics: int = 3, n_freqs: int = 32, n_frames: int = 300, spread: float = 0.0
) -> tuple[Tensor, Tensor, Tensor]:
    """y (mic, freq, frame), images at microphone 1, and A: notes that come and go, with some of each from all around."""
    g = np.random.default_rng(2)
    notes, activity = g.gamma(0.3, size=(n_sources, n_freqs, 3)), g.gamma(0.3, size=(n_sources, 3, n_frames))
    level = np.sqrt(notes @ activity)[:, None]
    A, B = gauss(g, n_freqs, n_mics, n_sources), spread * gauss(g, n_sources, n_freqs, n_mics, n_mics)
    images = np.einsum("fms,sft->smft", A, gauss(g, n_sources, n_freqs, n_frames))
    images = level * (images + np.einsum("sfmn,snft->smft", B, gauss(g, n_sources, n_mics, n_freqs, n_frames)))
    return torch.tensor(images.sum(0)), torch.tensor(images[:, 0]), torch.tensor(A)


def distortion(x: Tensor, images: Tensor) -> list[float]:
    """Per image, the power that the output nearest to it leaves, relative to the image's."""
    error = (images[:, None] - x.to(images)).abs().square().sum(dim=(-2, -1)) / images.abs().square().sum(dim=(-2, -1))[:, None]
    return error.amin(1).tolist()


def case(
    dtype: torch.dtype, n_sources: int, *leading: int, n_freqs: int = 5, n_mics: int = 3, n_bases: int = 2, n_frames: int = 40
) -> tuple[Whitened, Tensor, Tensor, Tensor]:
    """As many components as channels, T and V whose first activation is silent."""
    g = torch.Generator().manual_seed(5)
    y = torch.randn(*leading, n_freqs, n_mics, n_frames, dtype=dtype, generator=g)
    real = y.real.dtype
    W = torch.randn(*leading, n_freqs, n_mics, n_mics, dtype=torch.complex128, generator=g)
    T = torch.rand(*leading, n_freqs, n_sources, n_bases, dtype=real, generator=g)
    V = torch.rand(*leading, n_sources, n_bases, n_frames, dtype=real, generator=g) ** 3
    V[..., 0, 0, :] = 0
    return whiten(y, torch.full((*leading, n_freqs), 1e-3, dtype=real)), W, T, V


def assert_close(found: tuple[Tensor, ...], wanted: tuple[Tensor, ...], allowed: float) -> None:
    for one, other in zip(found, wanted, strict=True):
        assert one.dtype == other.dtype
        assert float((one - other).abs().max() / other.abs().max()) < allowed


@pytest.mark.parametrize("leading", [(), (2, 3)])
@pytest.mark.parametrize("tail", [0.0, 0.3])
@pytest.mark.parametrize(("dtype", "allowed"), PRECISION)
def test_ilrma_kernel(dtype: torch.dtype, allowed: float, tail: float, leading: tuple[int, ...]) -> None:
    factors = case(dtype, 3, *leading)
    before = [factor.clone() for factor in factors[1:]]
    assert_close(ilrma_update(*factors, tail, 2), ilrma_update_torch(*factors, tail, 2), allowed)
    assert all(torch.equal(*pair) for pair in zip(factors[1:], before, strict=True))


@pytest.mark.parametrize("leading", [(), (2, 3)])
@pytest.mark.parametrize("n_sources", [2, 4])
@pytest.mark.parametrize("n_places", [1, 5])
@pytest.mark.parametrize(("dtype", "allowed"), PRECISION)
def test_fastmnmf_kernel(dtype: torch.dtype, allowed: float, n_places: int, n_sources: int, leading: tuple[int, ...]) -> None:
    white, *factors = case(dtype, n_sources, *leading)
    factors.append(torch.rand(*leading, n_places, n_sources, 3, dtype=white.parts.dtype))
    before = [factor.clone() for factor in factors]
    assert_close(fastmnmf_update(white, *factors, 2), fastmnmf_update_torch(white, *factors, 2), allowed)
    assert all(torch.equal(*pair) for pair in zip(factors, before, strict=True))


SIZES = [
    {"n_freqs": 37, "n_mics": 4, "n_bases": 9, "n_frames": 75},
    {"n_freqs": 32, "n_mics": 2, "n_bases": 1, "n_frames": 32},
    {"n_freqs": 3, "n_mics": 7, "n_bases": 4, "n_frames": 131},
]
"""More frequencies, microphones, bases and frames than are worked on at once, and just as many."""


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("dtype", "allowed"), PRECISION)
def test_kernels_of_any_size(dtype: torch.dtype, allowed: float, size: dict[str, int]) -> None:
    for tail in (0.0, 0.3):
        factors = case(dtype, size["n_mics"], **size)
        assert_close(ilrma_update(*factors, tail, 2), ilrma_update_torch(*factors, tail, 2), allowed)
    for n_places in (1, size["n_freqs"]):
        white, *factors = case(dtype, 2, **size)
        factors.append(torch.rand(n_places, 2, size["n_mics"], dtype=white.parts.dtype))
        assert_close(fastmnmf_update(white, *factors, 2), fastmnmf_update_torch(white, *factors, 2), allowed)


@pytest.mark.parametrize("nu", [None, 3.0])
@pytest.mark.parametrize(("dtype", "allowed"), [(torch.complex128, 1e-5), (torch.complex64, 2e-3)])
def test_ilrma_is_the_equations(nu: float | None, dtype: torch.dtype, allowed: float) -> None:
    y, _, _ = mixture(n_freqs=5, n_frames=40)
    wanted = nmf_by_hand.ilrma(y.numpy(), 2, nu or math.inf, 3, SWEEPS["iss"], 8000.0, reference=1)
    assert_equal(ILRMA(n_bases=2, student_nu=nu, n_iter=3, start=UNTOUCHED, reference=1), y.to(dtype), wanted, allowed)


@pytest.mark.parametrize("model", [1, 2])
@pytest.mark.parametrize(("dtype", "allowed"), [(torch.complex128, 1e-5), (torch.complex64, 2e-3)])
def test_fastmnmf_is_the_equations(model: int, dtype: torch.dtype, allowed: float) -> None:
    y, _, _ = mixture(n_freqs=5, n_frames=40, spread=0.3)
    wanted, A = nmf_by_hand.fastmnmf(y.numpy(), model, 2, 3, SWEEPS["iss"], 8000.0, reference=1)
    decoder = FastMNMF(model=model, n_bases=2, n_iter=3, start=UNTOUCHED, reference=1)
    found = decoder(y.to(dtype)).response
    assert found is not None
    assert float((found.matrix() - torch.tensor(A)).abs().max() / np.abs(A).max()) < allowed
    assert_equal(decoder, y.to(dtype), wanted, allowed)


@pytest.mark.parametrize("nu", [math.inf, 2.0])
def test_no_round_of_ilrma_lowers_the_likelihood(nu: float) -> None:
    y, _, _ = mixture()
    white = whiten(y.movedim(0, 1).contiguous(), torch.full((y.shape[1],), 1e-9, dtype=torch.float64))
    _, W, T, V = case(torch.complex128, 3)
    W, T, V = W.new_ones(32, 1, 1) * W[:1], torch.rand(32, 3, 2, dtype=T.dtype), torch.rand(3, 2, 300, dtype=T.dtype)

    def cost() -> float:
        R = torch.einsum("fkb,kbt->fkt", T, V) + 1e-3
        ratio = output_power(white.parts, W, pooled=False) / R
        loss = ratio if math.isinf(nu) else (1 + nu / 2) * torch.log1p(2 / nu * ratio)
        return float((loss + R.log()).mean(-1).sum() - 2 * torch.linalg.slogdet(W)[1].sum())

    values = [cost()]
    for _ in range(12):
        W, T, V = ilrma_update(white, W, T, V, 0.0 if math.isinf(nu) else 2 / (2 + nu), 3)
        values.append(cost())
    assert all(later < earlier for earlier, later in pairwise(values))


@pytest.mark.parametrize("n_places", [1, 32])
def test_no_round_of_fastmnmf_lowers_the_likelihood(n_places: int) -> None:
    y, _, _ = mixture(spread=0.3)
    white = whiten(y.movedim(0, 1).contiguous(), torch.full((y.shape[1],), 1e-9, dtype=torch.float64))
    g = torch.Generator().manual_seed(1)
    Q = torch.randn(32, 3, 3, dtype=torch.complex128, generator=g)
    T, V, G = (torch.rand(shape, dtype=torch.float64, generator=g) for shape in ((32, 4, 2), (4, 2, 300), (n_places, 4, 3)))

    def cost() -> float:
        weights = component_weights(T, V, G)
        loss = output_power(white.parts, Q, pooled=False) * weights - weights.log()
        return float(loss.mean(-1).sum() - 2 * torch.linalg.slogdet(Q)[1].sum())

    values = [cost()]
    for _ in range(12):
        Q, T, V, G = fastmnmf_update(white, Q, T, V, G, 3)
        values.append(cost())
    assert all(later < earlier for earlier, later in pairwise(values))


def test_ilrma_separates_notes() -> None:
    y, images, _ = mixture()
    assert max(distortion(ILRMA(n_bases=3)(y.to(torch.complex64)).x, images)) < 0.01


def test_student_t_sources_are_better_parted_by_their_own_model() -> None:
    y, images, A = mixture(n_frames=150)
    # Now and then every source is far louder than its spectra say.
    chance = torch.tensor(np.sqrt(4 / np.random.default_rng(2).chisquare(4, size=images.shape)))
    images = images * chance
    y = torch.einsum("fms,sft->mft", A / A[:, :1], images).to(torch.complex64)
    gaussian, student = (distortion(ILRMA(n_bases=3, student_nu=nu)(y).x, images) for nu in (None, 2.0))
    assert sum(student) < 0.75 * sum(gaussian)


@pytest.mark.parametrize("make", [ILRMA, FastMNMF])
def test_outputs_follow_the_sources_of_the_response(make: type[ILRMA | FastMNMF]) -> None:
    y, images, A = mixture()
    order = [2, 0]
    estimate = make(n_bases=3)(y, MatrixResponse(A[..., order], torch.linspace(0, 8000, 32)))
    assert estimate.x.shape[0] == 2
    for found, wanted in zip(estimate.x, images[order], strict=True):
        assert distortion(found[None], wanted[None])[0] < 0.15
    assert estimate.response is not None
    wanted = A[..., order] / A[:, :1, order]
    error = torch.linalg.vector_norm(estimate.response.matrix() - wanted, dim=-2) / torch.linalg.vector_norm(wanted, dim=-2)
    assert float(error.median()) < 0.1


def test_fastmnmf_takes_out_more_of_spread_sources_than_a_matrix_can() -> None:
    y, images, _ = mixture(spread=0.3)
    y = y.to(torch.complex64)
    linear, filtered = (distortion(decoder(y).x, images) for decoder in (ILRMA(n_bases=3), FastMNMF(n_bases=3, n_iter=20)))
    assert sum(filtered) < 0.85 * sum(linear)


def test_fastmnmf_with_a_response_parts_more_sources_than_microphones() -> None:
    y, images, A = mixture(n_sources=4)
    response = MatrixResponse(A, torch.linspace(0, 8000, 32))
    linear = distortion(PseudoInverse(0.1)(y, response).x, images)
    assert sum(distortion(FastMNMF(n_bases=3)(y, response).x, images)) < 0.5 * sum(linear)


def test_fewer_sources_are_the_loudest() -> None:
    y, images, _ = mixture(n_sources=2)
    noise = 0.05 * torch.randn(y.shape, dtype=y.dtype, generator=torch.Generator().manual_seed(0))
    x = FastMNMF(2, n_bases=3)((y + noise).to(torch.complex64)).x
    assert x.shape[0] == 2
    assert max(distortion(x, images)) < 0.1


@pytest.mark.parametrize("decoder", [ILRMA(), FastMNMF(), FastMNMF(model=2)], ids=["ILRMA", "FastMNMF1", "FastMNMF2"])
@pytest.mark.parametrize("trouble", ["duplicate", "silent", "loud", "tone", "eight", "few frames", "quiet"])
def test_bad_recordings_come_out_finite_and_whole(decoder: Decoder, trouble: str) -> None:
    """All outputs together are what the reference microphone heard."""
    y, _, _ = mixture(n_mics=8 if trouble == "eight" else 3)
    if trouble == "duplicate":
        y[2] = y[0]
    elif trouble == "silent":
        y[1] = 0
    elif trouble == "loud":
        y[1] *= 1e3
    elif trouble == "tone":
        y[:, torch.arange(32) != 7] = 0
    elif trouble == "few frames":
        y = y[..., :2]
    elif trouble == "quiet":
        y *= 1e-15
    for dtype in (torch.complex64, torch.complex128):
        x = decoder(y.to(dtype)).x
        assert bool(torch.isfinite(x.abs()).all())
        left = (x.sum(0) - y[0]).abs().square().sum() / y[0].abs().square().sum()
        assert float(left) < 1e-3


def test_wrong_numbers_are_refused() -> None:
    y, _, A = mixture(n_sources=4)
    response = MatrixResponse(A, torch.linspace(0, 8000, 32))
    with pytest.raises(ShapeError, match="n_bases=0"):
        ILRMA(n_bases=0)
    with pytest.raises(ShapeError, match="student_nu=0"):
        ILRMA(student_nu=0.0)
    with pytest.raises(ShapeError, match="model=3"):
        FastMNMF(model=3)
    with pytest.raises(ShapeError, match="4 sources came for 3 microphones"):
        FastMNMF(4)(y)
    with pytest.raises(ShapeError, match="4 sources came for 3 microphones"):
        FastMNMF(model=2)(y, response)
    with pytest.raises(ShapeError, match="4 sources came for 3 microphones"):
        ILRMA()(y, response)
    state = FastMNMF().init(y)
    with pytest.raises(ShapeError, match="frames up to 301"):
        FastMNMF().step(y[..., :1], state._replace(position=300))
