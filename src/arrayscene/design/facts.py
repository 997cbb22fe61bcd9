"""What an array is and takes, in words and numbers."""

from __future__ import annotations

from arrayscene.array import MicrophoneArray
from arrayscene.design.compare import Comparison, Entry
from arrayscene.design.wording import ambiguity_in_words, value_in_words

CHANNEL_MBIT = 48_000 * 24 / 1e6
"""Megabits a second of one channel at 48 kHz and 24 bit."""


def n_channels(array: MicrophoneArray) -> int:
    """Channels that are converted and recorded: the device's own, where it writes more than its microphones."""
    return array.hardware_channels or array.n_mics


def decoding_cost(entry: Entry, comparison: Comparison) -> float:
    """Operations of an adaptive decoder a bin, M^2, relative to the array with the fewest microphones."""
    fewest = min(other.figures.array.n_mics for other in comparison.entries)
    return (entry.figures.array.n_mics / fewest) ** 2


def facts(entry: Entry) -> list[tuple[str, str]]:
    """Label and words of what the array is."""
    array = entry.figures.array
    body = "free air"
    if array.body_radius is not None:
        body = f"rigid {array.body_shape}, radius {value_in_words(array.body_radius, 'm')}"
    return [
        ("Microphones", str(array.n_mics)),
        ("Directivity", directivity_in_words(array)),
        ("Aperture", value_in_words(array.aperture, "m")),
        ("Around them", body),
        ("Ambiguity of the layout", ambiguity_in_words(array)),
        ("Azimuth 0", array.zero_direction),
    ]


def costs(entry: Entry, comparison: Comparison) -> list[tuple[str, str]]:
    """Label and words of what the array takes."""
    channels = n_channels(entry.figures.array)
    return [
        ("Recording channels", str(channels)),
        ("Data", f"{channels * CHANNEL_MBIT:.1f} Mbit/s"),
        ("Decoding, relative", f"{decoding_cost(entry, comparison):.3g}"),
    ]


def directivity_in_words(array: MicrophoneArray) -> str:
    """Omnidirectional, cardioid, ... or the range of p."""
    if array.directivity is None or min(array.directivity) == 1:
        return "omnidirectional"
    low, high = min(array.directivity), max(array.directivity)
    if low != high:
        return f"p = {low:g} to {high:g}"
    return {0.5: "cardioid", 0.25: "hypercardioid", 0.0: "figure of eight"}.get(low, f"p = {low:g}")
