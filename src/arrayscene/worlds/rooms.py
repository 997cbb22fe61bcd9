"""Responses of many rectangular rooms at once: exact images early, a diffuse tail after them."""

from __future__ import annotations

import math
from typing import Final

import torch
from scipy.fft import next_fast_len
from torch import Tensor

from arrayscene.constants import SPEED_OF_SOUND
from arrayscene.errors import GeometryError, ShapeError
from arrayscene.response.shoebox import check_places, room_lengths
from arrayscene.worlds.decay import reverberant_energy, wall_absorption
from arrayscene.worlds.diffuse import diffuse_field
from arrayscene.worlds.images import HALF_WIDTH, image_sources, lay_pulses

HANDOVER: Final = (0.06, 0.08)
"""Seconds since the impulse between which the images fade out and the tail fades in."""

BANDS: Final = (125.0, 250.0, 500.0, 1000.0, 2000.0, 4000.0, 8000.0)
"""Hertz; the octaves in which a reverberation time may be given."""


_NEARLY_ALL: Final = 1 - 1e-12
"""Absorption that keeps logarithms finite where there is no reverberation."""


_RINGING: Final = 100
"""Milliseconds after which the filter of the lowest octave has rung out."""

_KNOT: Final = 0.004
"""Seconds between two computed values of the reverberant energy."""


def room_responses(
    size: Tensor,
    sources: Tensor,
    microphones: Tensor,
    t60: Tensor | float,
    *,
    generator: torch.Generator,
    sample_rate: int = 16000,
    band_t60: Tensor | None = None,
    handover: tuple[float, float] = HANDOVER,
    speed_of_sound: float = SPEED_OF_SOUND,
) -> Tensor:
    """Room impulse responses from every source to every microphone, for one room or for many.

    Until the hand-over the response is that of the image-source method: image i adds b_i / r_i at r_i / c, by a windowed sinc of
    81 samples, which is what pyroomacoustics does and in its scale: a source has amplitude 1 at 1 m in free air, and 40 samples
    stand before the time 0. After it, Gaussian noise goes on in its place with the energy that the images would have had
    (`reverberant_energy`) and the coherence of a diffuse field; the two fade so that the energy is kept. Images all
    have one sign, so that the image-source method piles up a pressure below 20 Hz which no room has; the tail has none.
    Walls absorb all frequencies alike unless `band_t60` is given: then every octave of the whole response decays at its own rate.

    Args:
        size: (scene, 3) or (3,) inner length, width and height in metres.
        sources: (scene, source, 3) or (source, 3) metres from the corner of the room.
        microphones: (scene, mic, 3) or (mic, 3) metres from the corner.
        t60: (scene,) or one number: seconds, as measured (see `wall_absorption`); 0 for the direct path alone.
        generator: for the tail; on the CPU.
        sample_rate: hertz.
        band_t60: (scene, 7) or (7,) seconds in the octaves `BANDS`, each as measured.
        handover: seconds, start and end of the fade.
        speed_of_sound: m/s.

    Returns:
        (scene, source, mic, tap) or (source, mic, tap) float32 on the device of `size`; as long as the longest T60. Rooms in one
        call get different tails from the same rooms in several calls.

    Raises:
        ShapeError: shapes that do not fit, or a hand-over that does not rise from 0.
        GeometryError: places outside the walls or on top of each other, or a T60 that the room cannot have.

    Cost: on one core 2 sources x 6 microphones in 6 x 5 x 3 m at 16 kHz took 30 ms for T60 = 0.6 s; the number of images does not
        grow with T60. On a CPU the same call gives the same bits; sums on a GPU may differ in the last.

    Reference: J. B. Allen and D. A. Berkley, "Image method for efficiently simulating small-room acoustics", J. Acoust. Soc. Am.
        65(4), 1979, eq. (10).
    """
    single = size.ndim == 1
    if single:
        size, sources, microphones = size[None], sources[None], microphones[None]
    _check(size, sources, microphones, handover)
    size, sources, microphones = (value.to(torch.float64) for value in (size, sources, microphones))
    seconds = torch.as_tensor(t60, dtype=torch.float64, device=size.device).expand(len(size))
    absorption = wall_absorption(size, seconds, speed_of_sound)
    bands = None if band_t60 is None else _bands(band_t60, seconds)
    n_taps = response_length(sources, microphones, seconds if bands is None else bands, sample_rate, speed_of_sound)
    out = early_responses(size, sources, microphones, absorption, n_taps, sample_rate, handover, speed_of_sound)
    if bool((seconds > 0).any()):
        out += tail_responses(
            size,
            microphones,
            sources.shape[1],
            absorption,
            n_taps,
            sample_rate,
            generator=generator,
            handover=handover,
            speed_of_sound=speed_of_sound,
        )
    if bands is not None:
        out = decay_in_bands(out, size, absorption, bands, sample_rate, speed_of_sound)
    return out[0] if single else out


def response_length(
    sources: Tensor, microphones: Tensor, t60: Tensor, sample_rate: int, speed_of_sound: float = SPEED_OF_SOUND
) -> int:
    """Samples until the longest T60 is over and the farthest source has arrived."""
    farthest = float(torch.cdist(sources, microphones).amax()) / speed_of_sound
    return math.ceil(max(float(t60.amax()), farthest) * sample_rate) + 2 * HALF_WIDTH + 2


def tail_responses(
    size: Tensor,
    microphones: Tensor,
    n_fields: int,
    absorption: Tensor,
    n_taps: int,
    sample_rate: int,
    *,
    generator: torch.Generator,
    handover: tuple[float, float] = HANDOVER,
    speed_of_sound: float = SPEED_OF_SOUND,
) -> Tensor:
    """What follows the images, for `n_fields` sources; the arguments of `room_responses`, with a scene axis.

    Returns:
        (scene, field, mic, tap) float32.

    Cost: as `diffuse_field`.
    """
    n_scenes, n_mics = microphones.shape[:2]
    out = torch.zeros(n_scenes, n_fields, n_mics, n_taps, dtype=torch.float32, device=size.device)
    start = math.floor(handover[0] * sample_rate) + HALF_WIDTH
    if n_taps <= start:
        return out
    field = diffuse_field(
        microphones, n_fields, n_taps - start, sample_rate=sample_rate, generator=generator, speed_of_sound=speed_of_sound
    )
    energy = _energy(size, absorption, n_taps, sample_rate, speed_of_sound)[:, start:] / sample_rate
    times = (torch.arange(start, n_taps, device=size.device) - HALF_WIDTH) / sample_rate
    level = (energy * (1 - fade_out(times, handover).square())).sqrt()
    out[..., start:] = field * level.to(out.dtype)[:, None, None]
    return out


def early_responses(
    size: Tensor,
    sources: Tensor,
    microphones: Tensor,
    absorption: Tensor,
    n_taps: int,
    sample_rate: int,
    handover: tuple[float, float] = HANDOVER,
    speed_of_sound: float = SPEED_OF_SOUND,
    orders: tuple[int, int | None] = (0, None),
) -> Tensor:
    """What the images bring until they have faded out; the arguments of `room_responses`, with a scene axis.

    Args:
        size: (scene, 3) metres.
        sources: (scene, source, 3) metres.
        microphones: (scene, mic, 3) metres.
        absorption: (scene,) share of energy that each wall swallows.
        n_taps: length.
        sample_rate: hertz.
        handover: seconds.
        speed_of_sound: m/s.
        orders: fewest and most reflections of the images that are laid down; the direct path has none and never fades.

    Returns:
        (scene, source, mic, tap) float32.

    Cost: O(images mic).
    """
    n_scenes, n_sources, n_mics = len(size), sources.shape[1], microphones.shape[1]
    out = torch.zeros(n_scenes * n_sources * n_mics, n_taps, dtype=torch.float32, device=size.device)
    center = microphones.mean(1)
    radius = (microphones - center[:, None]).norm(dim=-1).amax(-1)
    farthest = (sources - center[:, None]).norm(dim=-1).amax(-1)
    reach = torch.maximum(farthest, torch.full_like(radius, handover[1] * speed_of_sound)) + radius
    scene, source, places, count, strength = image_sources(size, sources, absorption, center, reach)
    wanted = (count >= orders[0]) & (count <= (orders[1] if orders[1] is not None else count))
    scene, source, places, count, strength = (value[wanted] for value in (scene, source, places, count, strength))
    distance = (places[:, None] - microphones[scene]).norm(dim=-1)
    delay = distance / speed_of_sound
    kept = torch.where(count[:, None] == 0, 1.0, fade_out(delay, handover))
    amplitude = strength[:, None] * kept / distance
    rows = (scene * n_sources + source)[:, None] * n_mics + torch.arange(n_mics, device=size.device)
    heard = amplitude > 0
    lay_pulses(out, rows[heard], delay[heard] * sample_rate, amplitude[heard])
    return out.view(n_scenes, n_sources, n_mics, n_taps)


def fade_out(times: Tensor, handover: tuple[float, float]) -> Tensor:
    """Amplitude of the images, 1 before the hand-over and 0 after it: a quarter of a cosine."""
    share = ((times.to(torch.float64) - handover[0]) / (handover[1] - handover[0])).clamp(0, 1)
    return torch.where(share < 1, torch.cos(share * math.pi / 2), 0.0)


def decay_in_bands(
    response: Tensor,
    size: Tensor,
    absorption: Tensor,
    band_t60: Tensor,
    sample_rate: int,
    speed_of_sound: float = SPEED_OF_SOUND,
) -> Tensor:
    """Make each octave of a response decay at its own rate: its energy becomes what walls of that octave's T60 would leave.

    Args:
        response: (scene, source, mic, tap) of walls with `absorption` (scene,).
        size: (scene, 3) metres.
        absorption: (scene,) share of energy; where it is 1, nothing changes.
        band_t60: (scene, 7) seconds in the octaves `BANDS`; between their centres the octaves overlap as triangles.
        sample_rate: hertz.
        speed_of_sound: m/s.

    Returns:
        (scene, source, mic, tap).

    Cost: eight transforms for each source and microphone.
    """
    n_taps = response.shape[-1]
    # Longer, so that a band's ringing does not wrap around.
    n_fft = int(next_fast_len(n_taps + _RINGING * sample_rate // 1000, real=True))
    spectrum = torch.fft.rfft(response, n=n_fft)
    octave = torch.log2(torch.fft.rfftfreq(n_fft, 1 / sample_rate, device=response.device).clamp(min=1.0) / BANDS[0])
    octave = octave.clamp(0, len(BANDS) - 1)
    flat = _energy(size, absorption, n_taps, sample_rate, speed_of_sound)
    dry = (absorption >= 1)[:, None]
    walls = wall_absorption(size[:, None].expand(-1, len(BANDS), -1), band_t60, speed_of_sound)
    out = torch.zeros_like(response)
    for band in range(len(BANDS)):
        # Neighbouring triangles over the octaves sum to 1.
        share = (1 - (octave - band).abs()).clamp(min=0)
        if bool((share > 0).any()):
            ratio = _energy(size, walls[:, band], n_taps, sample_rate, speed_of_sound) / flat
            level = torch.where(dry, 1.0, ratio.sqrt()).to(out.dtype)
            out += torch.fft.irfft(spectrum * share, n=n_fft)[..., :n_taps] * level[:, None, None]
    return out


def _energy(size: Tensor, absorption: Tensor, n_taps: int, sample_rate: int, speed_of_sound: float) -> Tensor:
    """(scene, tap) reverberant energy a second at each tap; its logarithm is so smooth that few values are computed."""
    last = max(n_taps - HALF_WIDTH, 1) / sample_rate
    n_knots = math.ceil(last / _KNOT) + 1
    knots = torch.arange(n_knots + 1, device=size.device) * _KNOT
    level = reverberant_energy(size, absorption.clamp(max=_NEARLY_ALL), knots, speed_of_sound).clamp(min=1e-300).log()
    place = (torch.arange(n_taps, device=size.device) - HALF_WIDTH).clamp(min=0).to(torch.float64) / sample_rate / _KNOT
    left = place.long()
    return torch.lerp(level[:, left], level[:, left + 1], place - left).exp()


def _bands(band_t60: Tensor, t60: Tensor) -> Tensor:
    bands = torch.as_tensor(band_t60, dtype=torch.float64, device=t60.device)
    if bands.shape[-1:] != (len(BANDS),) or not bool((torch.isfinite(bands) & (bands > 0)).all()):
        raise ShapeError(f"room_responses: band T60 of shape {tuple(bands.shape)} came; {len(BANDS)} positive seconds are wanted")
    return bands.expand(len(t60), len(BANDS))


def _check(size: Tensor, sources: Tensor, microphones: Tensor, handover: tuple[float, float]) -> None:
    shapes = [tuple(value.shape) for value in (size, sources, microphones)]
    if size.ndim != 2 or sources.ndim != 3 or microphones.ndim != 3 or len({shape[0] for shape in shapes}) > 1:
        raise ShapeError(
            f"room_responses: size, sources and microphones of shapes {shapes} came; (scene, 3), (scene, source, 3) and "
            "(scene, mic, 3) are wanted, or all three without the scene"
        )
    if not 0 < handover[0] < handover[1]:
        raise ShapeError(f"room_responses: hand-over {handover} s came; a start above 0 and an end after it are wanted")
    if any(shape[-1] != 3 for shape in shapes) or 0 in (sources.shape[1], microphones.shape[1]):
        raise GeometryError(
            f"room_responses: shapes {shapes} came; at least one source and microphone of three coordinates are wanted"
        )
    for walls, talkers, mics in zip(size, sources, microphones, strict=True):
        lengths, places, points = (value.detach().cpu().double().numpy() for value in (walls, talkers, mics))
        check_places(room_lengths(lengths), points, places)
