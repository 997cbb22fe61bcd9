"""Which decoder for which recording, in which windows, and why."""

from __future__ import annotations

from typing import Final, NamedTuple

from arrayscene.decoders import MVDR, AuxIVA, Decoder, DelayAndSum, MultichannelWiener, PseudoInverse, QuietNoiseWiener
from arrayscene.errors import ShapeError
from arrayscene.stft import STFT

PILOT_SECONDS: Final = 0.256
"""Window of the linear decoders: long enough to hold most of a room's response, short enough to gather statistics."""

FILTER_SECONDS: Final = 0.064
"""Window of the Wiener filter: about as long as speech stays the same."""

SHORTEST_TO_LEARN: Final = 1.0
"""Seconds below which statistics of the recording say less than its geometry."""

MAX_MICS: Final = 8
"""Microphones that a learning decoder uses: its cost grows with their square."""

N_ITER: Final = 30
"""Sweeps of AuxIVA; more bring little."""

METHODS: Final = ("auto", "auxiva", "auxiva-laplace", "delay-and-sum", "denoise", "mvdr", "pseudo-inverse", "wiener")


class Choice(NamedTuple):
    """A decoder, the transform of its frames, its name, the reason, and how many microphones it can use."""

    decoder: Decoder
    stft: STFT
    method: str
    why: str
    max_mics: int | None


def choose(method: str, *, n_mics: int, n_sources: int, duration: float, sample_rate: int) -> Choice:
    """The decoder called `method`, or with "auto" the one that suits the recording.

    Args:
        method: one of `METHODS`.
        n_mics: microphones at hand.
        n_sources: most sources that sound at the same time.
        duration: seconds that the decoder can learn from.
        sample_rate: hertz.

    Raises: ShapeError for a method that does not exist, or that cannot separate so many sources.
    """
    if method not in METHODS:
        raise ShapeError(f"method {method!r} came; there are {', '.join(METHODS)}")
    pilot_stft = STFT(fast_length(PILOT_SECONDS * sample_rate))
    filter_stft = STFT(fast_length(FILTER_SECONDS * sample_rate))
    why = "asked for by the user"
    learnable = n_sources <= min(n_mics, MAX_MICS) and duration >= SHORTEST_TO_LEARN
    if method == "auto":
        method = "denoise" if n_sources <= 1 else "wiener"
        if n_sources == 0:
            why = "no source was found, so there is nothing to decode"
        elif n_sources == 1:
            why = "one source: nothing to separate it from, so the noise of the quiet moments is taken out"
        elif learnable:
            why = f"{n_sources} sources, {n_mics} microphones: a separation that starts from the directions, then a Wiener filter"
        elif duration < SHORTEST_TO_LEARN:
            why = f"{duration:.2f} s are too short to learn a separation from: directions and a Wiener filter only"
        else:
            why = (
                f"{n_sources} sources are too many for {n_mics} microphones to separate linearly: directions and a Wiener filter"
            )
    if method == "denoise":
        if n_sources > 1:
            raise ShapeError(f"method 'denoise' recovers one source, {n_sources} came; take auto or wiener")
        return Choice(QuietNoiseWiener(), filter_stft, method, why, MAX_MICS)
    if method == "wiener":
        if learnable:
            decoder = MultichannelWiener(AuxIVA(model="banded", n_iter=N_ITER), filter_stft, pilot_stft)
        else:
            decoder = MultichannelWiener(PseudoInverse(loading=0.1), filter_stft, filter_stft)
        return Choice(decoder, filter_stft, method, why, MAX_MICS)
    if method.startswith("auxiva"):
        if n_sources > min(n_mics, MAX_MICS):
            raise ShapeError(
                f"method {method!r} separates at most {min(n_mics, MAX_MICS)} sources here, {n_sources} came;"
                " auto and mvdr take more"
            )
        return Choice(AuxIVA(model="laplace" if method == "auxiva-laplace" else "gauss"), pilot_stft, method, why, MAX_MICS)
    linear: dict[str, Decoder] = {"delay-and-sum": DelayAndSum(), "mvdr": MVDR(), "pseudo-inverse": PseudoInverse(loading=1e-2)}
    stft = pilot_stft if duration >= SHORTEST_TO_LEARN else filter_stft
    return Choice(linear[method], stft, method, why, None)


def fast_length(n: float) -> int:
    """The window length nearest to n samples (in ratio) that is 2^k or 3 2^k: fast to transform, quarter hops whole."""
    lengths = [factor << k for k in range(3, 20) for factor in (2, 3)]
    return min(lengths, key=lambda length: abs(length - n) / min(length, n))
