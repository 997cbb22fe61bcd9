"""What a network sees of a separation's sources, and the sources that its answer makes of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numba import njit
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from arrayscene.kernels.dispatch import FASTMATH, compiled
from arrayscene.kernels.memory import frames_first
from arrayscene.linalg import squared_abs

N_FEATURES: Final = 17
"""Of a source in a bin."""

N_PARTS: Final = 4
"""What sources are made of: pilot, filtered, all other pilots, and the rest of the recording."""

BAND: Final = 4
"""Bins of a band."""

MULTIPLE: Final = 4
"""Bands and frames come in multiples of this, with zeros at the end."""

LEAST: Final = 1e-5
"""Power of what is silent, relative to the recording's mean at the frequency."""

_WORDS: Final = {torch.float32: torch.int32, torch.bfloat16: torch.int16}
"""Numba knows no bfloat16: kernels read and write bits."""

TOGETHER: Final = 8

_LN_2: Final = 0.6931471805599453


def band_features(
    mixture: Tensor,
    linear: Tensor,
    filtered: Tensor,
    variances: Tensor,
    n_bands: int,
    dtype: torch.dtype,
    mean: Tensor | None = None,
) -> Tensor:
    """(..., source, feature bin, band, frame) of about unit variance, the bins of a band side by side.

    Powers, of a source, of all others and of the recording, are relative to the recording's mean at each frequency, and
    logarithmic; phases are those between two spectra, times the root of both powers over the sum with what is silent.

    Args:
        mixture: (..., freq, frame) complex recording.
        linear: (..., source, freq, frame) complex sources of a linear pilot.
        filtered: (..., source, freq, frame) complex sources of a filter.
        variances: (..., source + 1, freq, frame) real, of each source and of the rest.
        n_bands: of the lowest frequencies.
        dtype: of the result.
        mean: (..., freq, frame) real, the recording's mean power as it is known in each frame; that of all frames if None.

    Returns: channels last in memory, as convolutions read them.
    """
    if not (_single(variances, mixture, linear, filtered) and variances.dtype == torch.float32 and dtype in _WORDS):
        return band_features_torch(mixture, linear, filtered, variances, n_bands, dtype, mean)
    n_sources, _, n_frames = linear.shape[-3:]
    padded = (n_bands + -n_bands % MULTIPLE, n_frames + -n_frames % MULTIPLE)
    result = torch.empty((*linear.shape[:-2], *padded, N_FEATURES * BAND), dtype=dtype)
    result[..., n_bands:, :, :] = 0
    result[..., n_frames:, :] = 0
    out = result.view(torch.uint64).view(-1, n_sources, *padded, N_FEATURES * BAND * dtype.itemsize // 8).numpy()
    flat = (frames_first(mixture, 2), *(frames_first(part, 3) for part in (linear, filtered, variances)), out)
    known = [None] * len(out) if mean is None else frames_first(mean.to(variances.dtype), 2)
    for frames, pilots, found, v, features, level in zip(*flat, known, strict=True):
        level = _mean_power(frames)[None] if level is None else level
        _features(frames, pilots, found, v, level, features, n_bands)
    return result.movedim(-1, -3)


def band_features_torch(
    mixture: Tensor,
    linear: Tensor,
    filtered: Tensor,
    variances: Tensor,
    n_bands: int,
    dtype: torch.dtype,
    mean: Tensor | None = None,
) -> Tensor:
    """The same in plain torch: the readable statement that the kernel is held to."""
    n, n_frames = n_bands * BAND, linear.shape[-1]
    mixture, linear, filtered, variances = (part[..., :n, :] for part in (mixture, linear, filtered, variances))
    mixture = mixture[..., None, :, :]
    total = linear.sum(-3, keepdim=True)
    rest, noise = total - linear, mixture - total
    y, own, taken, left, quiet = (squared_abs(part) for part in (mixture, linear, filtered, rest, noise))
    mean = y.mean(-1, keepdim=True) if mean is None else mean[..., None, :n, :]
    mean = mean + 1e-3 * mean.mean(-2, keepdim=True) + torch.finfo(y.dtype).tiny * 1e6
    scale = (mean * LEAST).sqrt()
    share = 1 / mean
    sources, noises = variances[..., :-1, :, :], variances[..., -1:, :, :]

    def level(power: Tensor) -> Tensor:
        return (power * share + LEAST).log() / 2.4 + 1.25

    def others(power: Tensor) -> Tensor:
        return power.sum(-3, keepdim=True) - power

    def phase(a: Tensor, b: Tensor, size: Tensor) -> tuple[Tensor, Tensor]:
        share = 2 / size
        return (a.real * b.real + a.imag * b.imag) * share - 1, (a.imag * b.real - a.real * b.imag) * share

    sizes = [power.sqrt() + scale for power in (y, own, taken, left, quiet)]
    features = [
        *(level(own), level(taken), level(sources)),
        *(level(others(own)), level(others(taken)), level(others(sources))),
        *(level(y), level(quiet), level(noises)),
        *phase(linear, mixture, sizes[1] * sizes[0]),
        *phase(filtered, linear, sizes[2] * sizes[1]),
        *phase(filtered, rest, sizes[2] * sizes[3]),
        *phase(linear, noise, sizes[1] * sizes[4]),
    ]
    # Rounded before they are brought into the order in which convolutions read: (source, band, frame, feature, bin).
    seen = torch.stack([feature.expand_as(own).mT for feature in features], dim=-3).to(dtype)
    bands = seen.reshape(*seen.shape[:-1], n_bands, BAND)
    ordered = bands.transpose(-4, -2).flatten(-2)
    return functional.pad(ordered, (0, 0, 0, -n_frames % MULTIPLE, 0, -n_bands % MULTIPLE)).movedim(-1, -3)


def combination(weights: Tensor, mixture: Tensor, linear: Tensor, filtered: Tensor) -> Tensor:
    """a_k linear_k + b_k filtered_k + c_k sum_{j != k} linear_j + d_k rest, the mean of both where there are no weights.

    Args:
        weights: (..., source, part bin, band, frame) real, real parts of all before imaginary ones; those of bands and frames
            that the sources lack are not looked at.
        mixture: as in `band_features`.
        linear: likewise.
        filtered: likewise.

    Returns: (..., source, freq, frame) complex.
    """
    if not (_single(weights, mixture, linear, filtered) and weights.dtype in _WORDS):
        return combination_torch(weights, mixture, linear, filtered)
    n_sources, n_freqs, n_frames = linear.shape[-3:]
    result = torch.empty((*linear.shape[:-2], n_frames, n_freqs), dtype=linear.dtype)
    channels_last = weights.movedim(-3, -1).contiguous().view(_WORDS[weights.dtype])
    flat = (
        frames_first(mixture, 2),
        frames_first(linear, 3),
        frames_first(filtered, 3),
        result.view(-1, n_sources, n_frames, n_freqs).numpy(),
    )
    shift = 32 - 8 * weights.dtype.itemsize
    for answers, *one in zip(channels_last.view(-1, n_sources, *channels_last.shape[-3:]).numpy(), *flat, strict=True):
        _combined(answers, shift, *one)
    return result.mT


def combination_torch(weights: Tensor, mixture: Tensor, linear: Tensor, filtered: Tensor) -> Tensor:
    """The same in plain torch: the readable statement that the kernel is held to."""
    n_freqs, n_frames = linear.shape[-2:]
    n_bands = n_freqs // BAND
    n = min(n_bands, weights.shape[-2]) * BAND
    a = weights[..., :n_bands, :n_frames].to(mixture.real.dtype)
    a = a.reshape(*a.shape[:-3], 2 * N_PARTS, BAND, *a.shape[-2:]).movedim(-4, 0).transpose(-3, -2).flatten(-3, -2)
    a = torch.complex(a[:N_PARTS], a[N_PARTS:])
    total = linear.sum(-3, keepdim=True)
    parts = (linear, filtered, total - linear, mixture[..., None, :, :] - total)
    found = sum(weight * part[..., :n, :] for weight, part in zip(a, parts, strict=True))
    return torch.cat([found, 0.5 * (linear + filtered)[..., n:, :]], dim=-2)


def _single(real: Tensor, *spectra: Tensor) -> bool:
    """Whether a kernel may take them: they work in single precision alone."""
    return compiled(real, *spectra) and all(spectrum.dtype == torch.complex64 for spectrum in spectra)


@njit(cache=True, nogil=True, fastmath=FASTMATH, error_model="numpy")
def _features(
    mixture: NDArray[Any],
    linear: NDArray[Any],
    filtered: NDArray[Any],
    variances: NDArray[Any],
    mean: NDArray[Any],
    out: NDArray[Any],
    n_bands: int,
) -> None:
    """Write out (source, band, frame, word), words of 64 bits that hold the bins of a band, or half of them.

    The mean power is that of one frame, which stands for all, or of every frame.
    """
    n_sources, n_frames = linear.shape[:2]
    n_freqs = n_bands * BAND
    share, scale = _scales(mean[0], n_freqs)
    # Recording, rest, sum of the pilots, then the pilots and the filtered ones.
    spectra = np.empty((3 + 2 * n_sources, 2, n_freqs), np.float32)
    sizes = np.empty((3 + 2 * n_sources, n_freqs), np.float32)
    # Of pilots, filtered and variances, the sums over sources last.
    powers = np.empty((3, n_sources + 1, n_freqs), np.float32)
    rows, short = np.empty((N_FEATURES, n_freqs), np.float32), np.empty((N_FEATURES, n_freqs), np.uint16)
    bits = rows.view(np.int32)
    n_words = out.shape[3] // N_FEATURES
    words = short.view(np.uint64) if n_words == 1 else rows.view(np.uint64)
    # Frames of a band lie side by side in the result: some are gathered first, so that whole lines of memory are written.
    gathered = np.empty((n_sources, n_bands, TOGETHER, N_FEATURES * n_words), np.uint64)
    for t in range(n_frames):
        if 0 < t < len(mean):
            share, scale = _scales(mean[t], n_freqs)
        _spectra(mixture[t], linear[:, t], filtered[:, t], spectra)
        powers[:, n_sources] = 0
        for k in range(n_sources):
            for f in range(n_freqs):
                powers[2, k, f] = variances[k, t, f]
            for kind in range(2):
                _power(spectra[3 + kind * n_sources + k], powers[kind, k])
                _size(powers[kind, k], scale, sizes[3 + kind * n_sources + k])
            for kind in range(3):
                powers[kind, n_sources] += powers[kind, k]
        for part in range(2):
            _power(spectra[part], rows[6 + part])
            _size(rows[6 + part], scale, sizes[part])
        for f in range(n_freqs):
            rows[8, f] = variances[n_sources, t, f]
        for n in range(6, 9):
            _level(rows[n], share)
        for k in range(n_sources):
            for kind in range(3):
                own, total = powers[kind, k], powers[kind, n_sources]
                for f in range(n_freqs):
                    rows[kind, f] = own[f]
                for f in range(n_freqs):
                    rows[3 + kind, f] = total[f] - own[f]
            for n in range(6):
                _level(rows[n], share)
            pilot, found = 3 + k, 3 + n_sources + k
            _phase(spectra[pilot], spectra[0], sizes[pilot], sizes[0], rows[9], rows[10])
            _phase(spectra[found], spectra[pilot], sizes[found], sizes[pilot], rows[11], rows[12])
            # All other pilots, in the place of their sum.
            spectra[2] -= spectra[pilot]
            _power(spectra[2], sizes[2])
            _size(sizes[2], scale, sizes[2])
            _phase(spectra[found], spectra[2], sizes[found], sizes[2], rows[13], rows[14])
            spectra[2] += spectra[pilot]
            _phase(spectra[pilot], spectra[1], sizes[pilot], sizes[1], rows[15], rows[16])
            if n_words == 1:
                for n in range(N_FEATURES):
                    for f in range(n_freqs):
                        short[n, f] = (bits[n, f] + 0x7FFF + ((bits[n, f] >> 16) & 1)) >> 16
            for b in range(n_bands):
                for n in range(N_FEATURES):
                    for i in range(n_words):
                        gathered[k, b, t % TOGETHER, n * n_words + i] = words[n, b * n_words + i]
        n_gathered = t % TOGETHER + 1
        if n_gathered == TOGETHER or t == n_frames - 1:
            out[:, :n_bands, t + 1 - n_gathered : t + 1] = gathered[:, :, :n_gathered]


@njit(cache=True, nogil=True, fastmath=FASTMATH, error_model="numpy")
def _mean_power(mixture: NDArray[Any]) -> NDArray[Any]:
    """(freq,) of all frames."""
    n_frames, n_freqs = mixture.shape
    mean = np.zeros(n_freqs, np.float32)
    for t in range(n_frames):
        for f in range(n_freqs):
            value = mixture[t, f]
            mean[f] += value.real * value.real + value.imag * value.imag
    return mean / np.float32(n_frames)


@njit(cache=True, nogil=True, fastmath=FASTMATH, error_model="numpy")
def _scales(power: NDArray[Any], n_freqs: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """One over the recording's mean power at each frequency, and the root of what is silent there."""
    mean = power[:n_freqs].copy()
    mean += np.float32(1e-3) * mean.mean() + np.float32(np.finfo(np.float32).tiny * 1e6)
    return np.float32(1) / mean, np.sqrt(mean * np.float32(LEAST))


@njit(cache=True, nogil=True, fastmath=FASTMATH, error_model="numpy")
def _spectra(mixture: NDArray[Any], linear: NDArray[Any], filtered: NDArray[Any], spectra: NDArray[Any]) -> None:
    n_sources = len(linear)
    _split(mixture, spectra[0])
    spectra[2] = 0
    for k in range(n_sources):
        _split(linear[k], spectra[3 + k])
        _split(filtered[k], spectra[3 + n_sources + k])
        spectra[2] += spectra[3 + k]
    spectra[1] = spectra[0] - spectra[2]


@njit(cache=True, nogil=True, fastmath=FASTMATH, error_model="numpy")
def _split(spectrum: NDArray[Any], parts: NDArray[Any]) -> None:
    for f in range(parts.shape[1]):
        value = spectrum[f]
        parts[0, f], parts[1, f] = value.real, value.imag


@njit(cache=True, nogil=True, fastmath=FASTMATH, error_model="numpy")
def _power(parts: NDArray[Any], power: NDArray[Any]) -> None:
    real, imag = parts
    for f in range(len(power)):
        power[f] = real[f] * real[f] + imag[f] * imag[f]


@njit(cache=True, nogil=True, fastmath=FASTMATH, error_model="numpy")
def _size(power: NDArray[Any], scale: NDArray[Any], size: NDArray[Any]) -> None:
    for f in range(len(size)):
        size[f] = np.sqrt(power[f]) + scale[f]


@njit(cache=True, nogil=True, fastmath=FASTMATH, error_model="numpy")
def _phase(
    a: NDArray[Any], b: NDArray[Any], size_a: NDArray[Any], size_b: NDArray[Any], real: NDArray[Any], imag: NDArray[Any]
) -> None:
    p, q = a
    u, v = b
    for f in range(len(real)):
        weight = np.float32(2) / (size_a[f] * size_b[f])
        real[f] = (p[f] * u[f] + q[f] * v[f]) * weight - np.float32(1)
        imag[f] = (q[f] * u[f] - p[f] * v[f]) * weight


@njit(cache=True, nogil=True, fastmath=FASTMATH, error_model="numpy")
def _level(row: NDArray[Any], share: NDArray[Any]) -> None:
    """log(power share + LEAST) / 2.4 + 1.25 in place, by the exponent and a series of the mantissa, which vectorise."""
    bits = row.view(np.int32)
    for f in range(len(row)):
        row[f] = row[f] * share[f] + np.float32(LEAST)
    for f in range(len(row)):
        exponent = (bits[f] - 0x3F3504F3) >> 23
        bits[f] -= exponent << 23
        mantissa = row[f]
        u = (mantissa - np.float32(1)) / (mantissa + np.float32(1))
        v = u * u
        series = np.float32(2) * u * (np.float32(1) + v * (np.float32(1 / 3) + v * (np.float32(0.2) + v * np.float32(1 / 7))))
        row[f] = (np.float32(exponent) * np.float32(_LN_2) + series) * np.float32(1 / 2.4) + np.float32(1.25)


@njit(cache=True, nogil=True, fastmath=FASTMATH, error_model="numpy")
def _combined(
    weights: NDArray[Any], shift: int, mixture: NDArray[Any], linear: NDArray[Any], filtered: NDArray[Any], out: NDArray[Any]
) -> None:
    """Write out (source, frame, freq), from bits of weights that become those of numbers of 32 bits when they are shifted."""
    n_sources, n_frames, n_freqs = linear.shape
    n_bands = weights.shape[1]
    n = n_bands * BAND
    # Pilots' sum and the rest, then pilot, filtered, other pilots and rest again of one source.
    parts = np.empty((1 + N_PARTS, 2, n), np.float32)
    bits = np.empty((2 * N_PARTS, n), np.int32)
    a = bits.view(np.float32)
    real, imag = np.empty(n, np.float32), np.empty(n, np.float32)
    half = np.float32(0.5)
    for t in range(n_frames):
        parts[0] = 0
        for k in range(n_sources):
            _split(linear[k, t], parts[2])
            parts[0] += parts[2]
        _split(mixture[t], parts[1])
        parts[1] -= parts[0]
        for k in range(n_sources):
            for b in range(n_bands):
                answer = weights[k, b, t]
                for part in range(2 * N_PARTS):
                    for i in range(BAND):
                        bits[part, b * BAND + i] = np.int32(answer[part * BAND + i]) << shift
            _split(linear[k, t], parts[2])
            _split(filtered[k, t], parts[3])
            parts[4] = parts[0] - parts[2]
            real[:], imag[:] = 0, 0
            for part in range(N_PARTS):
                p, q = parts[2 + part] if part < 3 else parts[1]
                u, v = a[part], a[N_PARTS + part]
                for f in range(n):
                    real[f] += u[f] * p[f] - v[f] * q[f]
                for f in range(n):
                    imag[f] += u[f] * q[f] + v[f] * p[f]
            found = out[k, t]
            for f in range(n):
                found[f] = complex(real[f], imag[f])
            for f in range(n, n_freqs):
                found[f] = half * (linear[k, t, f] + filtered[k, t, f])


def compiled_before() -> bool:
    """Whether numba's cache holds the last kernel that a recovery compiles."""
    folder = _combined.stats.cache_path
    return folder is not None and any(Path(folder).glob(f"*.{_combined.py_func.__qualname__}-*.nbi"))
