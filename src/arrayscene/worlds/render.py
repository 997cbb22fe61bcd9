"""From a plan and speech to what the microphones hear."""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import torch
from scipy.fft import next_fast_len
from torch import Tensor

from arrayscene.worlds.config import WorldConfig
from arrayscene.worlds.decay import wall_absorption
from arrayscene.worlds.diffuse import diffuse_field
from arrayscene.worlds.motion import Walk, early_window, walking_image
from arrayscene.worlds.plan import ScenePlan
from arrayscene.worlds.rooms import early_responses, response_length, room_responses

PEAK: Final = 0.98
"""Highest amplitude of a mixture that is not meant to be clipped, full scale 1.0."""

_SLOPE_FROM: Final = 100.0
"""Hertz above which the spectrum of a noise falls."""


class Sound(NamedTuple):
    """The signals of a scene, float32, full scale 1.0; "mic" is 1 where only the first microphone is kept.

    `mixture` is the sum of `images` and `noise`, clipped at full scale where the plan says so.

    Attributes:
        mixture: (mic, sample) what all microphones hear.
        images: (talker, mic, sample) each talker alone, reverberation included.
        early: (talker, mic, sample) the direct path and what follows it within the configured time.
        dry: (talker, sample) what each talker says, as heard at 1 m in free air.
        noise: (mic, sample) all that no talker said.
    """

    mixture: Tensor
    images: Tensor
    early: Tensor
    dry: Tensor
    noise: Tensor


def render(config: WorldConfig, plan: ScenePlan, speech: Tensor, point: Tensor | None, generator: torch.Generator) -> Sound:
    """Make the sound of a plan.

    Args:
        config: of the world; its sample rate, length and targets count here.
        plan: of the scene.
        speech: (talker, sample) with silence where nobody speaks; only the shapes count. The sound is made on its device.
        point: (sample,) of the noise with a place, if the plan has one.
        generator: for tails and noises, on the CPU.

    Cost: see `World.scene`.
    """
    device, rate = speech.device, config.sample_rate
    images, early, heard_point = _heard(config, plan, speech, point, generator)
    # What follows is measured at the first microphone, and before the microphones' errors.
    levels = 10 ** (torch.tensor(plan.levels_db, dtype=torch.float32, device=device) / 20)
    gains = levels / _rms(images[:, 0])
    dry = speech * gains[:, None]
    images *= gains[:, None, None]
    early *= gains[:, None, None]
    clean = _rms(images[:, 0].sum(0))
    microphones = torch.tensor(plan.microphones, device=device)[None]
    diffuse = diffuse_field(microphones, 1, speech.shape[-1], sample_rate=rate, generator=generator)[0, 0]
    diffuse = _coloured(diffuse, plan.slope_db, rate)
    noise = diffuse * (clean * 10 ** (-plan.diffuse_snr_db / 20) / _rms(diffuse[0]))
    if heard_point is not None and plan.point_snr_db is not None:
        noise += heard_point * (clean * 10 ** (-plan.point_snr_db / 20) / _rms(heard_point[0]))
    kept = slice(None) if config.images_at == "all" else slice(0, 1)
    heard = _through_channels(torch.cat([images, noise[None]]), plan, rate)
    sensor = torch.randn(noise.shape, generator=generator).to(device) * (clean * 10 ** (-plan.sensor_snr_db / 20))
    images, noise = heard[:-1], heard[-1] + sensor
    mixture = images.sum(0) + noise
    early = _through_channels(early[:, kept], plan, rate)

    scale = _scale(mixture, plan)
    mixture = (mixture * scale).clamp(-1.0, 1.0)
    return Sound(mixture, images[:, kept] * scale, early * scale, dry * scale, noise[kept] * scale)


def _heard(
    config: WorldConfig, plan: ScenePlan, speech: Tensor, point: Tensor | None, generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Images and early targets, (talker, mic, sample) each, and the noise with a place, (mic, sample), at perfect microphones."""
    device, rate = speech.device, config.sample_rate
    size, microphones, starts, ends, band_t60 = (
        torch.tensor(value, dtype=torch.float64, device=device)
        for value in (plan.room_size, plan.microphones, plan.starts, plan.ends, plan.band_t60)
    )
    t60 = torch.tensor(plan.t60, dtype=torch.float64, device=device)
    images = torch.zeros(len(speech), len(microphones), speech.shape[-1], device=device)
    early = torch.zeros_like(images)
    walks = (starts != ends).any(-1)

    still = torch.nonzero(~walks).flatten()
    sources = starts[still]
    if point is not None:
        sources = torch.cat([sources, torch.tensor(plan.point_place, dtype=torch.float64, device=device)[None]])
    heard_point = None
    if len(sources):
        bands = band_t60 if plan.t60 > 0 else None
        responses = room_responses(size, sources, microphones, t60, generator=generator, sample_rate=rate, band_t60=bands)
        images[still] = _convolve(speech[still], responses[: len(still)])
        if config.early > 0:
            targets = responses * early_window(sources, microphones, config.early, responses.shape[-1], rate)
        else:
            free = torch.ones(1, dtype=torch.float64, device=device)
            n_taps = response_length(sources[None], microphones[None], torch.zeros(1), rate)
            targets = early_responses(size[None], sources[None], microphones[None], free, n_taps, rate)[0]
        early[still] = _convolve(speech[still], targets[: len(still)])
        if point is not None:
            heard_point = _convolve(_coloured(point, plan.slope_db, rate)[None], responses[len(still) :])[0]

    absorption = wall_absorption(size, t60)
    for talker in torch.nonzero(walks).flatten().tolist():
        start, end = starts[talker], ends[talker]
        n_taps = response_length(torch.stack([start, end])[None], microphones[None], band_t60, rate)
        room = Walk(size, microphones, absorption, band_t60, n_taps, rate)
        images[talker], early[talker] = walking_image(speech[talker], start, end, room, config.early, generator=generator)
    return images, early, heard_point


def _scale(mixture: Tensor, plan: ScenePlan) -> Tensor:
    peak = mixture.abs().amax().clamp(min=1e-12)
    if plan.clip_db is not None:
        return 10 ** (plan.clip_db / 20) / peak
    return torch.minimum(10 ** (plan.level_db / 20) / _rms(mixture[0]), PEAK / peak)


def _convolve(signals: Tensor, responses: Tensor) -> Tensor:
    """(source, mic, sample) from (source, sample) and (source, mic, tap), cut to the length of the signals."""
    n_samples = signals.shape[-1]
    if len(signals) == 0:
        return responses.new_zeros(*responses.shape[:2], n_samples)
    n_fft = int(next_fast_len(n_samples + responses.shape[-1], real=True))
    spectrum = torch.fft.rfft(signals, n=n_fft)[:, None] * torch.fft.rfft(responses, n=n_fft)
    images: Tensor = torch.fft.irfft(spectrum, n=n_fft)[..., :n_samples]
    return images


def _through_channels(signals: Tensor, plan: ScenePlan, rate: int) -> Tensor:
    """(..., mic, sample) with the gain and delay of each channel; padded, so that a delay does not wrap around."""
    n_mics, n_samples = signals.shape[-2:]
    gains = torch.tensor(10 ** (plan.gains_db[:n_mics] / 20), dtype=torch.float32, device=signals.device)
    delays = torch.tensor(plan.delays[:n_mics], dtype=torch.float32, device=signals.device)
    if not bool(delays.any()):
        return signals * gains[:, None]
    n_fft = int(next_fast_len(n_samples + 256, real=True))
    hertz = torch.fft.rfftfreq(n_fft, 1 / rate, device=signals.device)
    response = torch.polar(gains[:, None].expand(-1, len(hertz)), -2 * math.pi * hertz * delays[:, None])
    heard: Tensor = torch.fft.irfft(torch.fft.rfft(signals, n=n_fft) * response, n=n_fft)[..., :n_samples]
    return heard


def _coloured(noise: Tensor, slope_db: float, rate: int) -> Tensor:
    """White noise with a spectrum that changes by so many dB an octave above 100 Hz."""
    n_samples = noise.shape[-1]
    n_fft = int(next_fast_len(n_samples, real=True))
    octaves = torch.log2(torch.fft.rfftfreq(n_fft, 1 / rate, device=noise.device).clamp(min=_SLOPE_FROM) / _SLOPE_FROM)
    coloured: Tensor = torch.fft.irfft(torch.fft.rfft(noise, n=n_fft) * 10 ** (slope_db * octaves / 20), n=n_fft)
    return coloured[..., :n_samples]


def _rms(signal: Tensor) -> Tensor:
    return signal.square().mean(-1).sqrt().clamp(min=1e-12)
