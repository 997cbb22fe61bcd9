"""Responses with memory: the filter against a loop, and forward convolutive prediction against the truth."""

import pytest
import torch

from arrayscene.errors import ShapeError
from arrayscene.linalg import fit_response
from arrayscene.response import Cascade, ConvolutiveResponse, Joined, MatrixResponse, fit_convolutive
from drawn import randn

N_FREQS, N_MICS, N_SOURCES, N_TAPS = 3, 3, 2, 4
FREQUENCIES = torch.arange(N_FREQS) * 500.0


TAPS = randn(N_FREQS, N_MICS, N_SOURCES, N_TAPS)


def test_capture_is_the_sum_over_past_frames() -> None:
    x = randn(N_SOURCES, N_FREQS, 7, seed=1)
    y = ConvolutiveResponse(TAPS, FREQUENCIES)(x)
    for f in range(N_FREQS):
        for t in range(7):
            wanted = sum(TAPS[f, :, :, k] @ x[:, f, t - k] for k in range(min(t + 1, N_TAPS)))
            torch.testing.assert_close(y[:, f, t], wanted)


def test_one_tap_is_a_matrix() -> None:
    x = randn(N_SOURCES, N_FREQS, 7, seed=1)
    whole, matrix = ConvolutiveResponse(TAPS[..., :1], FREQUENCIES), MatrixResponse(TAPS[..., 0], FREQUENCIES)
    torch.testing.assert_close(whole(x), matrix(x))
    torch.testing.assert_close(whole.adjoint(matrix(x)), matrix.adjoint(matrix(x)))


def test_a_selection_keeps_its_memory() -> None:
    x = randn(N_SOURCES, N_FREQS, 7, seed=1)
    response = ConvolutiveResponse(TAPS, FREQUENCIES)
    x[0] = 0
    torch.testing.assert_close(response.select([1], [2, 0])(x[1:]), response(x)[[2, 0]])


def test_prediction_finds_the_taps_that_made_the_recording() -> None:
    x = randn(N_SOURCES, N_FREQS, 60, seed=1)
    y = ConvolutiveResponse(TAPS, FREQUENCIES)(x)
    torch.testing.assert_close(fit_convolutive(y, x, N_TAPS, loading=0.0), TAPS)
    longer = fit_convolutive(y, x, N_TAPS + 2, loading=0.0)
    torch.testing.assert_close(longer[..., N_TAPS:], torch.zeros_like(longer[..., N_TAPS:]))


def test_prediction_is_the_weighted_least_squares_solution() -> None:
    x, y = randn(N_SOURCES, N_FREQS, 30, seed=1), randn(N_MICS, N_FREQS, 30, seed=2)
    found = fit_convolutive(y, x, 3, floor=0.1, loading=0.0)
    power = y.abs().square().mean(0)
    weights = 1 / (power + 0.1 * power.max())
    for f in range(N_FREQS):
        rows = [
            [x[s, f, t - k] if t >= k else torch.zeros((), dtype=x.dtype) for s in range(2) for k in range(3)] for t in range(30)
        ]
        design = torch.stack([torch.stack(row) for row in rows])
        root = weights[f].sqrt()[:, None]
        wanted = torch.linalg.lstsq(root * design, root * y[:, f].T).solution.T
        torch.testing.assert_close(found[f], wanted.reshape(N_MICS, 2, 3))


def test_memory_explains_reverberation_that_a_matrix_does_not() -> None:
    x = randn(N_SOURCES, N_FREQS, 200, seed=1)
    y = ConvolutiveResponse(TAPS, FREQUENCIES)(x) + 0.01 * randn(N_MICS, N_FREQS, 200, seed=3)

    def left(response: torch.nn.Module) -> float:
        return float((y - response(x)).abs().square().sum() / y.abs().square().sum())

    assert left(ConvolutiveResponse(fit_convolutive(y, x, N_TAPS), FREQUENCIES)) < 1e-3
    assert left(MatrixResponse(fit_response(y, x), FREQUENCIES)) > 0.5


def test_batches_are_fitted_one_by_one_and_precision_is_double_inside() -> None:
    x, y = randn(2, N_SOURCES, N_FREQS, 30, seed=1), randn(2, N_MICS, N_FREQS, 30, seed=2)
    both = fit_convolutive(y, x, 3)
    torch.testing.assert_close(both[1], fit_convolutive(y[1], x[1], 3))
    single = fit_convolutive(y.to(torch.complex64), x.to(torch.complex64), 3)
    assert single.dtype == torch.complex128
    torch.testing.assert_close(single, both, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("n_frames", [1, 3])
def test_silence_twins_and_few_frames_stay_finite(n_frames: int) -> None:
    x, y = randn(N_SOURCES, N_FREQS, n_frames, seed=1), randn(N_MICS, N_FREQS, n_frames, seed=2)
    for sources in (x, 0 * x, x[:1].expand(2, -1, -1), 1e-20 * x.to(torch.complex64), 1e15 * x.to(torch.complex64)):
        for frames in (y, 0 * y, y.to(torch.complex64)):
            assert bool(torch.isfinite(fit_convolutive(frames, sources, N_TAPS).abs()).all())


def test_scale_goes_where_it_belongs() -> None:
    x, y = randn(N_SOURCES, N_FREQS, 40, seed=1), randn(N_MICS, N_FREQS, 40, seed=2)
    found = fit_convolutive(y, x, N_TAPS)
    torch.testing.assert_close(fit_convolutive(1e4 * y, x, N_TAPS), 1e4 * found)
    torch.testing.assert_close(fit_convolutive(y, 1e4 * x, N_TAPS), 1e-4 * found)


def test_more_frequencies_than_fit_in_memory_at_once_are_all_fitted() -> None:
    x, y = randn(1, 150, 20, seed=1), randn(2, 150, 20, seed=2)
    found = fit_convolutive(y, x, 2)
    assert found.shape == (150, 2, 1, 2)
    loud = y.abs().square().mean(0).flatten().argmax() // 20
    torch.testing.assert_close(found[loud], fit_convolutive(y[:, loud : loud + 1], x[:, loud : loud + 1], 2)[0])


def test_prediction_is_differentiable() -> None:
    y, x = randn(2, 1, 8, seed=1).requires_grad_(), randn(1, 1, 8, seed=2).requires_grad_()
    torch.autograd.gradcheck(lambda frames, sources: fit_convolutive(frames, sources, 2), (y, x))


def test_what_does_not_fit_is_refused() -> None:
    x, y = randn(N_SOURCES, N_FREQS, 8, seed=1), randn(N_MICS, N_FREQS, 8, seed=2)
    for call in (
        lambda: fit_convolutive(y, x[..., 1:]),
        lambda: fit_convolutive(y, x, 0),
        lambda: ConvolutiveResponse(TAPS.real, FREQUENCIES),
        lambda: ConvolutiveResponse(TAPS[..., 0], FREQUENCIES),
        lambda: ConvolutiveResponse(TAPS, FREQUENCIES[1:]),
        lambda: ConvolutiveResponse(TAPS, FREQUENCIES).adjoint(x),
        lambda: Joined([ConvolutiveResponse(TAPS, FREQUENCIES)]),
        lambda: Cascade(ConvolutiveResponse(TAPS, FREQUENCIES), torch.eye(N_MICS)),
    ):
        with pytest.raises(ShapeError):
            call()
