"""Beam patterns, directivity, white noise gain and main lobes of arrays whose figures are known."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from arrayscene import MicrophoneArray
from arrayscene.constants import SPEED_OF_SOUND
from arrayscene.decoders import DelayAndSum, Superdirective
from arrayscene.design.figures_of_merit import beam_pattern, figures_of_merit, main_lobe_width, toward_response
from arrayscene.design.viewpoint import FRONT, HORIZON, LEFT, UP, View, doubles, facing, tangents
from arrayscene.response import MatrixResponse

DECODERS = [DelayAndSum(reference=None), Superdirective(0.1, reference=None)]
CIRCLE = np.radians(np.arange(0.0, 360.0, 1.0))


def half_wave(spacing: float) -> torch.Tensor:
    return torch.tensor([SPEED_OF_SOUND / (2 * spacing)], dtype=torch.float64)


@pytest.mark.parametrize("M", [2, 5, 9])
def test_a_line_of_half_wavelengths_gains_its_number_of_microphones(M: int) -> None:
    array, f = MicrophoneArray.linear(M, 0.05), half_wave(0.05)
    looks = toward_response(array, HORIZON.circle(np.array([0.0, 0.6, np.pi / 2])), f)
    for decoder in DECODERS:
        figures = figures_of_merit(decoder, looks)
        np.testing.assert_allclose(figures.directivity_index_db, 10 * np.log10(M), atol=1e-9)
        np.testing.assert_allclose(figures.white_noise_gain_db, 10 * np.log10(M), atol=1e-9)


def test_two_close_microphones_at_endfire_make_a_hypercardioid() -> None:
    """Without a floor N^2 is the limit: 6 dB for two microphones."""
    looks = toward_response(MicrophoneArray.linear(2, 0.002, axis="x"), FRONT[None], torch.tensor([200.0]).double())
    figures = figures_of_merit(Superdirective(0.0, reference=None), looks)
    assert float(figures.directivity_index_db[0, 0]) == pytest.approx(20 * math.log10(2), abs=0.01)


def test_the_floor_of_the_white_noise_gain_is_met() -> None:
    f = torch.tensor([200.0, 1000.0, 4000.0]).double()
    looks = toward_response(MicrophoneArray.circular(6, 0.05), HORIZON.circle(np.array([0.0, 0.4])), f)
    figures = figures_of_merit(Superdirective(0.1, reference=None), looks)
    assert float(figures.white_noise_gain_db.min()) == pytest.approx(-10.0, abs=1e-3)
    assert (figures.directivity_index_db > figures_of_merit(DECODERS[0], looks).directivity_index_db - 1e-6).all()


@pytest.mark.parametrize("name", ["circular:6:0.05", "zylia-zm1", "zoom-h3vr"])
@pytest.mark.parametrize("decoder", DECODERS, ids=lambda decoder: type(decoder).__name__)
def test_a_beam_is_0_db_where_it_looks_and_agrees_with_its_directivity(name: str, decoder: DelayAndSum) -> None:
    array, f = MicrophoneArray.resolve(name), torch.tensor([500.0, 2000.0]).double()
    look = HORIZON.circle(np.array([0.5]))
    ahead = toward_response(array, look, f)
    # The mean of the pattern over the sphere is one over the directivity factor.
    nodes, weights = np.polynomial.legendre.leggauss(40)
    azimuth = np.arange(80) * 2 * np.pi / 80
    level = np.sqrt(1 - nodes**2)
    sphere = np.stack(
        [np.outer(level, np.cos(azimuth)), np.outer(level, np.sin(azimuth)), np.outer(nodes, np.ones(80))], -1
    ).reshape(-1, 3)
    np.testing.assert_allclose(beam_pattern(decoder, ahead, ahead), 1.0, atol=1e-12)
    mean = beam_pattern(decoder, ahead, toward_response(array, sphere, f)) @ np.repeat(weights, 80) / 160
    index = figures_of_merit(decoder, ahead).directivity_index_db[:, 0]
    np.testing.assert_allclose(-10 * np.log10(mean), index, atol=1e-6)


def test_the_main_lobe_of_a_long_line_has_the_textbook_width() -> None:
    array, f = MicrophoneArray.linear(20, 0.05), half_wave(0.05)
    ahead, around = (toward_response(array, HORIZON.circle(angles), f) for angles in (np.zeros(1), CIRCLE))
    width = main_lobe_width(beam_pattern(DECODERS[0], ahead, around), CIRCLE[1])
    assert float(width[0]) == pytest.approx(2 * math.asin(0.443 * 2 / 20), rel=0.005)


def test_a_lobe_that_never_falls_to_half_is_a_whole_turn_wide() -> None:
    power = np.stack([np.full(360, 1.0), 0.8 + 0.2 * np.cos(CIRCLE), np.where(np.arange(360) < 1, 1.0, 0.0)])
    widths = main_lobe_width(power, CIRCLE[1])
    np.testing.assert_allclose(widths[:2], 2 * np.pi)
    assert 0 < widths[2] < 2 * CIRCLE[1]


@given(st.floats(0.2, 2.5), st.floats(0.2, 2.5))
def test_a_lobe_is_as_wide_as_both_its_sides(left: float, right: float) -> None:
    """Each side falls to half its power at its own angle."""
    angle = np.where(CIRCLE <= np.pi, CIRCLE / left, (2 * np.pi - CIRCLE) / right)
    assert float(main_lobe_width(0.5 ** (angle**2), CIRCLE[1])) == pytest.approx(left + right, rel=1e-6)


def test_a_response_without_a_diffuse_field_is_refused() -> None:
    A = torch.ones(1, 2, 1, dtype=torch.complex128)
    with pytest.raises(ValueError, match="diffuse"):
        figures_of_merit(DECODERS[0], MatrixResponse(A, torch.tensor([100.0])))


@given(st.integers(0, 100), st.sampled_from([(1, False), (2, False), (1, True)]))
def test_doubles_sound_alike(seed: int, case: tuple[int, bool]) -> None:
    rank, level = case
    generator = np.random.default_rng(seed)
    turn = np.linalg.qr(generator.standard_normal((3, 3)))[0]
    spots = np.array([[0, 0, 0], [1, 2, 0], [2.5, -1, 0], [4, 1, 0], [5, 0, 0]]) * (0.03 if rank == 2 else [0.03, 0, 0])
    positions = spots @ turn
    if level:
        positions = np.column_stack([spots[:, :1] * [math.cos(seed), math.sin(seed)], np.zeros(5)])
    array = MicrophoneArray.from_positions(positions)
    toward = generator.standard_normal((3, 3)) * ([1.0, 1.0, 0.0] if level else 1.0)
    toward /= np.linalg.norm(toward, axis=1, keepdims=True)
    found = doubles(array, toward, level=level)
    assert found.shape[0] == (1 if level or rank == 2 else 17)
    f = torch.tensor([700.0, 3000.0]).double()
    heard = toward_response(array, toward, f).matrix()
    for image in found:
        torch.testing.assert_close(toward_response(array, image, f).matrix(), heard, rtol=1e-9, atol=1e-9)
    if level:
        assert np.abs(found[..., 2]).max() < 1e-12


def test_what_has_no_doubles() -> None:
    toward = HORIZON.circle(CIRCLE[::40])
    assert doubles(MicrophoneArray.preset("zylia-zm1"), toward).size == 0
    assert doubles(MicrophoneArray.circular(6, 0.05), toward, level=True).size == 0
    assert doubles(MicrophoneArray.linear(3, 0.05, axis="z"), toward, level=True).shape[0] > 1


@pytest.mark.parametrize(
    ("name", "ahead", "words"),
    [
        ("uma-16", FRONT, "0° is the front, 90° the left"),
        ("circular:6:0.05", UP, "0° is straight up, 90° the left"),
        ("linear:6:0.05", FRONT, "0° is the front, 90° the left"),
        ("zylia-zm1", FRONT, "0° is the front, 90° the left"),
    ],
)
def test_arrays_face_their_scene(name: str, ahead: np.ndarray, words: str) -> None:
    view = facing(MicrophoneArray.resolve(name))
    np.testing.assert_allclose(view.ahead, ahead, atol=1e-6)
    assert view.in_words() == words


def test_views_are_right_angled() -> None:
    array = MicrophoneArray.circular(5, 0.1).rotated(pitch=0.7, yaw=1.0)
    view = facing(array)
    assert abs(view.ahead @ view.side) < 1e-12
    assert "azimuth" in view.in_words()
    assert abs(view.across().side @ view.side) < 1e-12
    upright = facing(MicrophoneArray.linear(4, 0.1, axis="x"))
    np.testing.assert_allclose([upright.ahead, upright.side], [LEFT, FRONT], atol=1e-12)
    first, second = tangents(np.stack([FRONT, UP, view.ahead]))
    for step in (first, second):
        assert np.abs((step * [FRONT, UP, view.ahead]).sum(-1)).max() < 1e-12
    assert np.abs((first * second).sum(-1)).max() < 1e-12
    circle = View(FRONT, LEFT).circle(CIRCLE[:2])
    np.testing.assert_allclose((circle[1] - circle[0]) / CIRCLE[1], HORIZON.along(CIRCLE[:1])[0], atol=0.01)
