"""A walking talker: the exact part against a slow sum, a standing one against the static response, and the power of the rest."""

import math

import numpy as np
import torch

from arrayscene.constants import SPEED_OF_SOUND
from arrayscene.worlds.decay import wall_absorption
from arrayscene.worlds.images import HALF_WIDTH
from arrayscene.worlds.motion import Walk, _exact, _oversampled, early_window, walking_image
from arrayscene.worlds.rooms import early_responses, room_responses

RATE = 16000
SIZE = torch.tensor([6.0, 5.0, 3.0], dtype=torch.float64)
MICROPHONES = torch.tensor([[3.0, 2.5, 1.2], [3.05, 2.5, 1.2]], dtype=torch.float64)
START, END = (torch.tensor(place, dtype=torch.float64) for place in ([1.5, 1.2, 1.6], [2.3, 1.8, 1.6]))


def room(t60: float) -> Walk:
    absorption = wall_absorption(SIZE, t60)
    return Walk(
        SIZE, MICROPHONES, absorption, torch.full((7,), max(t60, 0.1), dtype=torch.float64), round(t60 * RATE) + 400, RATE
    )


def speechlike(n_samples: int) -> torch.Tensor:
    """Noise between 100 Hz and 6 kHz that fades in and out."""
    spectrum = torch.fft.rfft(torch.randn(n_samples, generator=torch.Generator().manual_seed(0)))
    hertz = torch.fft.rfftfreq(n_samples, 1 / RATE)
    signal = torch.fft.irfft(spectrum * ((hertz > 100) & (hertz < 6000)), n=n_samples)
    return signal * torch.sin(torch.linspace(0, math.pi, n_samples)).square()


def convolved(dry: torch.Tensor, responses: torch.Tensor) -> torch.Tensor:
    n_fft = len(dry) + responses.shape[-1]
    return torch.fft.irfft(torch.fft.rfft(dry, n=n_fft) * torch.fft.rfft(responses, n=n_fft), n=n_fft)[..., : len(dry)]


def error_db(found: torch.Tensor, wanted: torch.Tensor) -> float:
    return float(10 * torch.log10((found - wanted).square().sum() / wanted.square().sum()))


def by_hand(dry: np.ndarray, times: list[int]) -> np.ndarray:
    """(mic, time) of the direct path and first reflections, each sample summed over the whole signal in float64."""
    spectrum = np.fft.rfft(dry)
    spectrum[0] /= 2
    frequencies = np.arange(len(spectrum))
    strength = math.sqrt(1 - float(wall_absorption(SIZE, 0.4)))
    size, start, end = SIZE.numpy(), START.numpy(), END.numpy()
    out = np.zeros((len(MICROPHONES), len(times)))
    for mic, microphone in enumerate(MICROPHONES.numpy()):
        for place, time in enumerate(times):
            for order in ((0, 0, 0), (1, 0, 0), (-1, 0, 0), (0, 1, 0), (0, -1, 0), (0, 0, 1), (0, 0, -1)):
                emitted = float(time)
                for _ in range(6):
                    talker = start + emitted / (len(dry) - 1) * (end - start)
                    image = np.where(np.array(order) % 2 == 0, talker, size - talker) + np.array(order) * size
                    distance = np.linalg.norm(image - microphone)
                    emitted = time - distance / SPEED_OF_SOUND * RATE
                value = 2 / len(dry) * np.sum(np.real(spectrum * np.exp(2j * np.pi * frequencies * emitted / len(dry))))
                out[mic, place] += value * strength ** np.abs(order).sum() / distance
    return out


def test_exact_images_are_those_of_a_slow_sum() -> None:
    dry = speechlike(16000)
    times = list(range(3000, 13000, 211))
    found = _exact(_oversampled(dry), START, END, room(0.4), 0, 1)[:, [time + HALF_WIDTH for time in times]]
    wanted = torch.from_numpy(by_hand(dry.double().numpy(), times))
    assert error_db(found.double(), wanted) < -50


def test_who_hardly_moves_sounds_like_one_who_stands() -> None:
    dry, here = speechlike(16000), START + 1e-6
    dry_room = room(0.12)
    image, early = walking_image(dry, START, here, dry_room, 0.05, generator=torch.Generator())
    responses = room_responses(SIZE, START[None], MICROPHONES, 0.12, generator=torch.Generator())
    # The tail, which is drawn anew, is 30 dB below so short a reverberation.
    assert error_db(image, convolved(dry, responses[0])) < -25
    targets = responses * early_window(START[None], MICROPHONES, 0.05, responses.shape[-1], RATE)
    assert error_db(early, convolved(dry, targets[0])) < -35


def test_the_direct_path_alone() -> None:
    dry = speechlike(8000)
    image, early = walking_image(dry, START, START + 1e-6, room(0.0), 0.0, generator=torch.Generator())
    free = torch.ones(1, dtype=torch.float64)
    direct = early_responses(SIZE[None], START[None, None], MICROPHONES[None], free, 400, RATE)[0, 0]
    assert error_db(early, convolved(dry, direct)) < -50
    torch.testing.assert_close(image, early)


def test_reverberation_neither_swells_nor_fades_on_the_way() -> None:
    """Power of what is not exact, over four quarters of a walk of 2 m."""
    dry = torch.randn(48000, generator=torch.Generator().manual_seed(1))
    far = START + torch.tensor([0.0, 2.0, 0.0], dtype=torch.float64)
    image, _ = walking_image(dry, START, far, room(0.5), 0.05, generator=torch.Generator().manual_seed(2))
    rest = (image - _exact(_oversampled(dry), START, far, room(0.5), 0, 1))[:, 8000:]
    level = 10 * torch.log10(rest.reshape(2, 4, -1).square().mean((0, 2)))
    assert float(level.max() - level.min()) < 3
