"""Responses of rooms: pyroomacoustics early, a diffuse field late, and the T60 that was asked for."""

import math

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from arrayscene.array import MicrophoneArray
from arrayscene.constants import SPEED_OF_SOUND
from arrayscene.errors import GeometryError, ShapeError
from arrayscene.worlds.decay import reverberant_energy, wall_absorption
from arrayscene.worlds.diffuse import diffuse_field
from arrayscene.worlds.images import HALF_WIDTH
from arrayscene.worlds.rooms import BANDS, HANDOVER, early_responses, room_responses

RATE = 16000

sizes = st.tuples(st.floats(3, 10), st.floats(3, 8), st.floats(2.5, 4))
shares = st.tuples(*[st.floats(0.15, 0.85)] * 3)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def places(size: tuple[float, ...], *at: tuple[float, ...]) -> torch.Tensor:
    return torch.tensor(at, dtype=torch.float64) * torch.tensor(size, dtype=torch.float64)


def ring(center: torch.Tensor, n_mics: int = 4, radius: float = 0.05) -> torch.Tensor:
    return center + torch.tensor(MicrophoneArray.circular(n_mics, radius).positions)


def pyroomacoustics_responses(
    size: tuple[float, ...], sources: torch.Tensor, microphones: torch.Tensor, absorption: float, order: int
) -> list[list[np.ndarray]]:
    """[source][mic], without the high-pass that pyroomacoustics puts behind the image-source method."""
    pra = pytest.importorskip("pyroomacoustics", reason="the reference is pyroomacoustics: pip install arrayscene[rooms]")
    before = pra.constants.get("rir_hpf_enable")
    pra.constants.set("rir_hpf_enable", False)
    try:
        room = pra.ShoeBox(size, fs=RATE, materials=pra.Material(absorption), max_order=order, air_absorption=False)
        for source in sources.numpy():
            room.add_source(source)
        room.add_microphone_array(microphones.numpy().T)
        room.compute_rir()
        return [[np.asarray(row[source]) for row in room.rir] for source in range(len(sources))]
    finally:
        pra.constants.set("rir_hpf_enable", before)


def measured_t60(response: np.ndarray) -> float:
    """From -5 to -35 dB of the Schroeder integral above 60 Hz, begun 5 ms after the direct path."""
    from scipy.signal import butter, sosfiltfilt

    heard = sosfiltfilt(butter(4, 60, "highpass", fs=RATE, output="sos"), response.astype(np.float64))
    energy = heard[int(np.argmax(np.abs(response))) + round(0.005 * RATE) :] ** 2
    decay = np.cumsum(energy[::-1])[::-1]
    level = 10 * np.log10(decay / decay[0])
    between = np.flatnonzero((level < -5) & (level > -35))
    return float(-60 / np.polyfit(between / RATE, level[between], 1)[0])


@settings(max_examples=8, deadline=None)
@given(size=sizes, source=shares, t60=st.floats(0.2, 0.8))
def test_early_part_is_that_of_pyroomacoustics(size: tuple[float, ...], source: tuple[float, ...], t60: float) -> None:
    microphones = ring(places(size, (0.45, 0.5, 0.4))[0])
    sources = places(size, source)
    if float(torch.cdist(sources, microphones).min()) < 0.3:
        return
    absorption = float(wall_absorption(torch.tensor(size), t60))
    order = math.ceil(0.09 * 343 / min(size) * math.sqrt(3)) + 1
    wanted = pyroomacoustics_responses(size, sources, microphones, absorption, order)[0]
    # pyroomacoustics has 343 m/s; after 58 ms the fade may begin under the windowed sinc.
    found = room_responses(torch.tensor(size), sources, microphones, t60, generator=generator(), speed_of_sound=343.0)[0]
    last = round((HANDOVER[0] - 0.0025) * RATE) + HALF_WIDTH
    for mine, theirs in zip(found.numpy(), wanted, strict=True):
        error = np.sum((mine[:last] - theirs[:last]) ** 2) / np.sum(theirs[:last] ** 2)
        assert 10 * np.log10(error) < -40


@settings(max_examples=10, deadline=None)
@given(size=sizes, t60=st.floats(0.2, 0.8), seed=st.integers(0, 99))
def test_t60_is_the_one_asked_for(size: tuple[float, ...], t60: float, seed: int) -> None:
    # In a corridor sound along it dies away more slowly, and the decay depends on the place.
    assume(max(size) <= 2.5 * min(size))
    microphones = ring(places(size, (0.7, 0.35, 0.4))[0], radius=0.1)
    response = room_responses(
        torch.tensor(size), places(size, (0.2, 0.75, 0.55), (0.3, 0.2, 0.5)), microphones, t60, generator=generator(seed)
    )
    found = np.mean([measured_t60(row) for row in response.reshape(-1, response.shape[-1]).numpy()])
    assert found == pytest.approx(t60, rel=0.1)


def test_bands_decay_at_their_own_rates() -> None:
    from scipy.signal import butter, sosfiltfilt

    size, wanted = (6.0, 5.0, 3.0), (0.8, 0.7, 0.65, 0.6, 0.5, 0.45, 0.3)
    generate = np.random.default_rng(0)
    found = {band: [] for band in BANDS[2:6]}
    for seed in range(4):
        sources = torch.tensor(generate.uniform([0.5, 0.5, 1.0], [5.5, 4.5, 2.0], (2, 3)))
        response = room_responses(
            torch.tensor(size),
            sources,
            ring(torch.tensor([3.0, 2.5, 1.2])),
            0.6,
            band_t60=torch.tensor(wanted),
            generator=generator(seed),
        )
        for band in found:
            octave = butter(3, [band / math.sqrt(2), band * math.sqrt(2)], "bandpass", fs=RATE, output="sos")
            heard = sosfiltfilt(octave, response.numpy())
            found[band] += [measured_t60(row) for row in heard.reshape(-1, heard.shape[-1])]
    for band, times in found.items():
        assert np.mean(times) == pytest.approx(wanted[BANDS.index(band)], rel=0.1), band


def test_equal_bands_change_nothing() -> None:
    arguments = (torch.tensor([5.0, 4.0, 3.0]), torch.tensor([[1.0, 1.0, 1.5]]), torch.tensor([[3.0, 2.0, 1.2]]), 0.4)
    flat = room_responses(*arguments, generator=generator())
    banded = room_responses(*arguments, generator=generator(), band_t60=torch.full((7,), 0.4, dtype=torch.float64))
    torch.testing.assert_close(banded, flat, atol=1e-5, rtol=0)


def test_the_tail_goes_on_with_the_level_of_the_images() -> None:
    """Between 80 and 300 ms, above the lowest frequencies, where pyroomacoustics' images pile up."""
    from scipy.signal import butter, sosfiltfilt

    size, t60 = (5.0, 4.0, 3.0), 0.5
    sources = torch.tensor([[1.2, 1.0, 1.6], [3.9, 3.1, 1.4]])
    microphones = ring(torch.tensor([2.6, 1.8, 1.3]), 2)
    absorption = float(wall_absorption(torch.tensor(size), t60))
    high = butter(4, 60, "highpass", fs=RATE, output="sos")

    def level_db(response: np.ndarray, start: float, stop: float) -> float:
        heard = sosfiltfilt(high, response)[round(start * RATE) : round(stop * RATE)]
        return float(10 * np.log10(np.mean(heard**2)))

    wanted = pyroomacoustics_responses(size, sources, microphones, absorption, 45)
    found = room_responses(torch.tensor(size), sources, microphones, t60, generator=generator(), speed_of_sound=343.0)
    for start, stop in ((0.02, 0.06), (0.06, 0.08), (0.08, 0.12), (0.12, 0.2), (0.2, 0.3)):
        theirs = np.mean([level_db(row, start, stop) for rows in wanted for row in rows])
        ours = np.mean([level_db(row, start, stop) for rows in found.numpy() for row in rows])
        assert ours == pytest.approx(theirs, abs=1.0), (start, stop)


def test_tail_has_the_coherence_of_a_diffuse_field() -> None:
    size, spacing = (6.0, 5.0, 3.0), 0.06
    microphones = torch.tensor([[3.0, 2.5, 1.2], [3.0 + spacing, 2.5, 1.2], [3.0, 2.5 + 2 * spacing, 1.2]])
    tails = [
        room_responses(torch.tensor(size), places(size, (0.2, 0.2, 0.5)), microphones, 0.8, generator=generator(seed))[0]
        for seed in range(60)
    ]
    late = torch.stack(tails)[..., round(0.1 * RATE) : round(0.5 * RATE)].double()
    blocks = late.unfold(-1, 512, 256) * torch.hann_window(512, dtype=torch.float64)
    spectra = torch.fft.rfft(blocks)
    # Late blocks are quieter: each counts alike.
    spectra = spectra / spectra.abs().square().mean((1, 3), keepdim=True).sqrt()
    cross = torch.einsum("nmbf,nkbf->mkf", spectra, spectra.conj())
    power = torch.einsum("mmf->mf", cross).real
    hertz = torch.fft.rfftfreq(512, 1 / RATE)
    for one, other in ((0, 1), (0, 2), (1, 2)):
        found = cross[one, other] / (power[one] * power[other]).sqrt()
        distance = float((microphones[one] - microphones[other]).norm())
        wanted = torch.sinc(2 * hertz * distance / SPEED_OF_SOUND)
        assert float((found - wanted).abs()[2:-1].max()) < 0.1


@settings(max_examples=10, deadline=None)
@given(n_mics=st.integers(1, 16), seed=st.integers(0, 99))
def test_a_diffuse_field_has_unit_power_in_any_array(n_mics: int, seed: int) -> None:
    array = torch.tensor(MicrophoneArray.random(n_mics, 0.3, seed=seed).positions)
    field = diffuse_field(array[None], 2, 16000, sample_rate=RATE, generator=generator(seed))
    assert field.shape == (1, 2, n_mics, 16000)
    assert float(field.square().mean()) == pytest.approx(1, rel=0.1)


def test_without_reverberation_only_the_direct_path_is_left() -> None:
    source, microphone = torch.tensor([[1.0, 1.0, 1.5]]), torch.tensor([[3.0, 2.0, 1.2]])
    response = room_responses(torch.tensor([5.0, 4.0, 3.0]), source, microphone, 0.0, generator=generator())[0, 0]
    distance = float((source - microphone).norm())
    taps = torch.arange(len(response), dtype=torch.float64)
    spectrum = (response * torch.exp(-2j * math.pi * 1000 / RATE * (taps - HALF_WIDTH))).sum()
    expected = np.exp(-2j * np.pi * 1000 * distance / SPEED_OF_SOUND) / distance
    assert abs(complex(spectrum) - expected) < 1e-3 / distance


def test_many_rooms_at_once_are_those_one_by_one() -> None:
    """The images; the tails are drawn anew."""
    size = torch.tensor([[5.0, 4.0, 3.0], [8.0, 7.0, 3.5]])
    sources = torch.tensor([[[1.0, 1.0, 1.5]], [[6.0, 2.0, 1.6]]])
    microphones = torch.tensor([[[3.0, 2.0, 1.2], [3.1, 2.0, 1.2]], [[4.0, 3.0, 1.0], [4.0, 3.2, 1.1]]])
    together = room_responses(size, sources, microphones, torch.tensor([0.3, 0.6]), generator=generator())
    assert together.shape[:3] == (2, 1, 2)
    last = round(HANDOVER[0] * RATE)
    for room, t60 in enumerate((0.3, 0.6)):
        alone = room_responses(size[room], sources[room], microphones[room], t60, generator=generator())
        torch.testing.assert_close(together[room, ..., :last], alone[..., :last], atol=1e-6, rtol=0)


def test_the_generator_decides() -> None:
    arguments = (torch.tensor([5.0, 4.0, 3.0]), torch.tensor([[1.0, 1.0, 1.5]]), torch.tensor([[3.0, 2.0, 1.2]]), 0.4)
    first, again, other = (room_responses(*arguments, generator=generator(seed)) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_reverberant_energy_begins_with_that_of_all_images() -> None:
    size = torch.tensor([5.0, 4.0, 3.0])
    energy = reverberant_energy(size, torch.tensor(0.3), torch.tensor([0.0]))
    assert float(energy) == pytest.approx(4 * math.pi * SPEED_OF_SOUND / 60, rel=1e-6)


def test_images_are_counted_by_their_reflections() -> None:
    size, source, microphone = (
        torch.tensor([[5.0, 4.0, 3.0]]),
        torch.tensor([[[1.0, 1.0, 1.5]]]),
        torch.tensor([[[3.0, 2.0, 1.2]]]),
    )
    arguments = (size, source, microphone, torch.tensor([0.3]), 2000, RATE)
    whole = early_responses(*arguments)
    split = early_responses(*arguments, orders=(0, 1)) + early_responses(*arguments, orders=(2, None))
    torch.testing.assert_close(split, whole, atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"t60": 0.02}, GeometryError, "sound lasts at least"),
        ({"t60": -1.0}, GeometryError, "T60 of"),
        ({"t60": math.nan}, GeometryError, "T60 of"),
        ({"size": torch.tensor([[5.0, 4.0, 3.0]])}, ShapeError, "size"),
        ({"size": torch.tensor([5.0, 4.0])}, GeometryError, "three coordinates"),
        ({"sources": torch.tensor([[9.0, 1.0, 1.0]])}, GeometryError, "source 1 stands at (9.00"),
        ({"microphones": torch.tensor([[1.0, 1.0, 9.0]])}, GeometryError, "microphone 1"),
        ({"sources": torch.tensor([[3.0, 2.0, 1.2]])}, GeometryError, "from microphone 1"),
        ({"sources": torch.zeros(0, 3)}, GeometryError, "at least one"),
        ({"handover": (0.08, 0.06)}, ShapeError, "hand-over"),
        ({"band_t60": torch.ones(3)}, ShapeError, "band T60"),
    ],
)
def test_impossible_rooms_are_refused(change: dict[str, object], error: type[Exception], message: str) -> None:
    arguments = {
        "size": torch.tensor([5.0, 4.0, 3.0]),
        "sources": torch.tensor([[1.0, 1.0, 1.5]]),
        "microphones": torch.tensor([[3.0, 2.0, 1.2]]),
        "t60": 0.4,
    }
    with pytest.raises(error) as caught:
        room_responses(**(arguments | change), generator=generator())
    assert message in str(caught.value)
