"""Methods of imaging on exact cross-spectral matrices: places, levels, symmetries, what is refused."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
import torch
from monopoles import covariance
from torch import Tensor

from arrayscene import MicrophoneArray
from arrayscene.errors import ArraySceneError, RecordingError, ShapeError
from arrayscene.imaging import (
    FORMULATIONS,
    CleanSC,
    Conventional,
    CovarianceFitting,
    Damas,
    Functional,
    ImagingMethod,
    MapGrid,
    grid_response,
    steering_vectors,
)

METHODS: list[ImagingMethod] = [
    Conventional(),
    Conventional(remove_diagonal=False),
    Functional(),
    CleanSC(),
    CleanSC(remove_diagonal=False),
    Damas(n_iter=400),
    Damas(remove_diagonal=False, n_iter=400),
    CovarianceFitting(),
    CovarianceFitting(remove_diagonal=False),
]
every_method = pytest.mark.parametrize("method", METHODS, ids=lambda method: method.in_words)

HERTZ = (2500.0, 4000.0)
MIDDLE, LEFT, RIGHT = 8 * 21 + 10, 5 * 21 + 3, 12 * 21 + 16

Transfer = Callable[[Sequence[float]], Tensor]


def decibels(power: Tensor) -> Tensor:
    return 10 * torch.log10(power)


@every_method
def test_one_source_has_its_level_at_its_place(method: ImagingMethod, transfer: Transfer) -> None:
    A = transfer(HERTZ)
    found = method(covariance(A, {LEFT: 3e-4}), A.to(torch.complex64))
    assert found.argmax(-1).tolist() == [LEFT] * len(HERTZ)
    np.testing.assert_allclose(decibels(found[:, LEFT]), 10 * np.log10(3e-4), atol=0.1)


@every_method
def test_two_sources_have_their_levels(method: ImagingMethod, transfer: Transfer) -> None:
    A = transfer(HERTZ)
    found = decibels(method(covariance(A, {LEFT: 1.0, RIGHT: 0.25}), A))
    # Beams pick up some of the other source through their side lobes;
    # DAMAS without the diagonal takes them for stronger than they are.
    loose = not method.shows_sources or (isinstance(method, Damas) and method.remove_diagonal)
    allowed = 0.7 if loose else 0.2
    np.testing.assert_allclose(found[:, LEFT], 0.0, atol=allowed)
    np.testing.assert_allclose(found[:, RIGHT], -6.02, atol=allowed)


@pytest.mark.parametrize("method", [method for method in METHODS if method.shows_sources], ids=lambda method: method.in_words)
def test_source_maps_are_empty_elsewhere(method: ImagingMethod, transfer: Transfer) -> None:
    A = transfer(HERTZ)
    found = method(covariance(A, {LEFT: 1.0, RIGHT: 0.25}), A)
    away = torch.ones(A.shape[-1], dtype=torch.bool)
    for source in (LEFT, RIGHT):
        for row in (-1, 0, 1):
            away[source + 21 * row - 1 : source + 21 * row + 2] = False
    assert float(found[:, away].sum(-1).max()) < 0.05


@every_method
def test_levels_follow_the_input(method: ImagingMethod, transfer: Transfer) -> None:
    A = transfer(HERTZ)
    C = covariance(A, {MIDDLE: 1.0, RIGHT: 0.1}, noise=0.01)
    loud, soft = method(C, A), method(1e-9 * C, A)
    torch.testing.assert_close(soft * 1e9, loud, rtol=1e-6, atol=1e-9)


@every_method
def test_single_precision_is_enough(method: ImagingMethod, transfer: Transfer) -> None:
    A = transfer(HERTZ)
    C = covariance(A, {LEFT: 1.0, RIGHT: 0.25}, noise=0.01)
    fine, coarse = method(C, A), method(C, A.to(torch.complex64))
    seen = fine > 0.01 * fine.max()
    assert float((decibels(coarse[seen]) - decibels(fine[seen])).abs().max()) < 1e-2


@every_method
def test_frequencies_do_not_depend_on_each_other(method: ImagingMethod, transfer: Transfer) -> None:
    A = transfer(HERTZ)
    C = covariance(A, {LEFT: 1.0}, noise=0.1)
    torch.testing.assert_close(method(C, A)[1:], method(C[1:], A[1:]), rtol=1e-9, atol=1e-12)


@every_method
def test_turning_array_and_grid_together_changes_nothing(
    method: ImagingMethod, spiral: MicrophoneArray, plane: MapGrid, transfer: Transfer
) -> None:
    A = transfer(HERTZ)
    C = covariance(A, {MIDDLE: 1.0}, noise=0.1)
    turned = spiral.rotated(yaw=0.4, pitch=0.3, roll=-1.0)
    rotation = np.linalg.lstsq(spiral.positions[:, :2], turned.positions, rcond=None)[0]
    rotation = np.vstack([rotation, np.cross(*rotation)])
    points = MapGrid("plane", plane.points @ rotation, plane.shape, plane.increment, plane.axes, plane.labels)
    again = grid_response(turned, points, torch.tensor(HERTZ, dtype=torch.float64)).matrix()
    expected, found = method(C, A), method(C, again)
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize(
    "method", [method for method in METHODS if "removed" in method.in_words], ids=lambda method: method.in_words
)
def test_without_its_diagonal_uncorrelated_noise_disappears(method: ImagingMethod, transfer: Transfer) -> None:
    A = transfer(HERTZ)
    clean, noisy = covariance(A, {LEFT: 1.0}), covariance(A, {LEFT: 1.0}, noise=100.0)
    # CLEAN-SC stops somewhat sooner where a component's diagonal is found by iteration.
    np.testing.assert_allclose(method(noisy, A), method(clean, A), atol=1e-3)


@pytest.mark.parametrize(
    "method", [method for method in METHODS if method.shows_sources and "removed" in method.in_words], ids=lambda m: m.in_words
)
def test_noise_of_a_short_recording_is_not_taken_for_sources(method: ImagingMethod, transfer: Transfer) -> None:
    """200 windows, noise 10 dB above the source in every microphone: without the diagonal little may appear elsewhere."""
    A = transfer((2500.0, 4000.0, 6000.0))
    g = torch.Generator().manual_seed(5)
    x = torch.randn(3, 1, 200, dtype=torch.complex128, generator=g)
    y = A[..., LEFT : LEFT + 1] @ x + 10**0.5 * torch.randn(3, 32, 200, dtype=torch.complex128, generator=g)
    found = method(y @ y.mH / 200, A)
    np.testing.assert_allclose(decibels(found.sum(-1)), 0.0, atol=2.5)


@every_method
def test_silence_gives_an_empty_map(method: ImagingMethod, transfer: Transfer) -> None:
    A = transfer(HERTZ)
    assert float(method(torch.zeros(2, 32, 32, dtype=torch.complex128), A).abs().max()) == 0.0


@every_method
def test_inputs_stay_as_they_were(method: ImagingMethod, transfer: Transfer) -> None:
    A = transfer(HERTZ)
    C = covariance(A, {LEFT: 1.0}, noise=0.1)
    before = C.clone(), A.clone()
    method(C, A)
    assert torch.equal(C, before[0])
    assert torch.equal(A, before[1])


@every_method
def test_what_is_not_finite_is_refused(method: ImagingMethod, transfer: Transfer) -> None:
    A = transfer(HERTZ)
    C = covariance(A, {LEFT: 1.0}).clone()
    C[0, 1, 2] = complex("nan")
    with pytest.raises(RecordingError, match="not finite"):
        method(C, A)


@every_method
def test_shapes_that_do_not_fit_are_refused(method: ImagingMethod, transfer: Transfer) -> None:
    A = transfer(HERTZ)
    C = covariance(A, {LEFT: 1.0})
    for wrong in ((C[0], A), (C, A[:1]), (C[:, :-1, :-1], A), (C, A.real), (C[:, :1, :1], A[:, :1])):
        with pytest.raises(ShapeError):
            method(*wrong)


@pytest.mark.parametrize(
    "make",
    [
        lambda: CleanSC(damping=0.0),
        lambda: CleanSC(n_iter=0),
        lambda: Damas(n_iter=0),
        lambda: Functional(exponent=0.5),
        lambda: CovarianceFitting(n_iter=0),
        lambda: CovarianceFitting(price=-1),
    ],
)
def test_settings_that_make_no_sense_are_refused(make: Callable[[], ImagingMethod]) -> None:
    with pytest.raises(ShapeError, match="came"):
        make()


def test_too_many_points_are_refused_before_the_memory_is_gone() -> None:
    A = torch.ones(1, 2, 20_000, dtype=torch.complex64)
    with pytest.raises(ShapeError, match="20000 points came"):
        Damas()(torch.eye(2, dtype=torch.complex128)[None], A)


def test_functional_beamforming_pushes_side_lobes_down(transfer: Transfer) -> None:
    A = transfer(HERTZ)
    C = covariance(A, {MIDDLE: 1.0})
    plain, sharp = Conventional(remove_diagonal=False)(C, A), Functional(exponent=32)(C, A)
    far = torch.ones(A.shape[-1], dtype=torch.bool)
    far.view(17, 21)[4:13, 6:15] = False
    assert float(decibels(plain[:, far].max())) > -20
    assert float(decibels(sharp[:, far].max())) < -100


def test_an_exponent_of_one_is_conventional(transfer: Transfer) -> None:
    A = transfer(HERTZ)
    C = covariance(A, {MIDDLE: 1.0, LEFT: 0.3}, noise=0.2)
    torch.testing.assert_close(Functional(exponent=1)(C, A), Conventional(remove_diagonal=False)(C, A))


def test_clean_sc_takes_coherent_sources_as_one(transfer: Transfer) -> None:
    """A source and its reflection are one component, at the louder place."""
    A = transfer(HERTZ)
    both = A[..., LEFT] + 0.5 * A[..., RIGHT]
    C = both[..., :, None] * both[..., None, :].conj()
    found = CleanSC()(C, A)
    assert float(found[:, RIGHT].max()) < 0.02
    assert found.argmax(-1).tolist() == [LEFT] * len(HERTZ)


@pytest.mark.parametrize("formulation", FORMULATIONS)
def test_formulations_as_published(formulation: str, transfer: Transfer) -> None:
    """Of one source: III gives its level at its place; IV is highest there; I and II hear unit phases and unit pressures."""
    A = transfer((3000.0,))
    h = steering_vectors(A, formulation)  # type: ignore[arg-type]
    a = A[0, :, LEFT]
    B = (h[0].conj() * a[:, None]).sum(0).abs().square()
    expected = {
        "classic": a.abs().mean().square(),
        "inverse": torch.tensor(1.0, dtype=torch.float64),
        "true level": torch.tensor(1.0, dtype=torch.float64),
        "true location": a.abs().square().mean(),
    }[formulation]
    torch.testing.assert_close(B[LEFT], expected)
    if formulation == "true location":
        assert int(B.argmax()) == LEFT


def test_an_unknown_formulation_is_refused(transfer: Transfer) -> None:
    with pytest.raises(ArraySceneError, match="true level"):
        steering_vectors(transfer((3000.0,)), "best")  # type: ignore[arg-type]


def test_formulations_by_phase_need_every_microphone_to_hear() -> None:
    A = torch.ones(1, 3, 2, dtype=torch.complex128)
    A[0, 1, 0] = 0
    assert bool(torch.isfinite(torch.view_as_real(steering_vectors(A, "true level"))).all())
    with pytest.raises(ArraySceneError, match="hears nothing"):
        steering_vectors(A, "inverse")
