"""Which decoder for which recording, in which windows, and why."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal, NamedTuple

from arrayscene.decoders import (
    GEV,
    ILRMA,
    LCMV,
    MPDR,
    MVDR,
    SDWMWF,
    TISS,
    WMPDR,
    WPE,
    AuxIVA,
    BlindClustering,
    Clustering,
    Decoder,
    DelayAndSum,
    Dereverberated,
    FastMNMF,
    FrequencyDomainICA,
    FromDirections,
    GuidedIVA,
    Masking,
    MultichannelWiener,
    OnlineAuxIVA,
    OverIVA,
    PseudoInverse,
    QuietNoiseWiener,
    SoudenMVDR,
    Superdirective,
    Tikhonov,
    WarmStart,
)
from arrayscene.errors import ShapeError
from arrayscene.stft import STFT

SECONDS: Final = {"longest": 0.512, "longer": 0.384, "long": 0.256, "middle": 0.128, "short": 0.064}
"""Windows: long ones hold most of a room's response, short ones are about as long as speech stays the same."""

SHORTEST_TO_LEARN: Final = 1.0
"""Seconds below which a separation has too little to learn from, and masks in shorter windows do better."""

LONG_ENOUGH: Final = 4.0
"""Seconds from which on the longest windows separate better."""

MAX_MICS: Final = 8
"""Microphones that a learning decoder uses: its cost grows with their square."""

N_ITER: Final = 4
"""Sweeps of AuxIVA after a start from masks; more bring nothing in the mean and lose a talker now and then."""

GUIDE_STRENGTH: Final = 0.7
"""Strength of the Wiener filter whose variances guide the second separation."""

STRENGTH: Final = 0.5
"""Strength of the last Wiener filter."""


def _masks() -> Clustering:
    return Clustering(FromDirections())


class _Plain(NamedTuple):
    """A decoder that a user may ask for: how it is made, its window, and whether it learns covariances of all microphones."""

    make: Callable[[], Decoder]
    window: Literal["long", "middle", "short"]
    learns: bool


_PLAIN: Final = {
    "auxiva": _Plain(AuxIVA, "long", True),
    "auxiva-laplace": _Plain(lambda: AuxIVA(model="laplace"), "long", True),
    "cacgmm": _Plain(lambda: Masking(DelayAndSum(), Clustering(BlindClustering(), 10)), "middle", True),
    "delay-and-sum": _Plain(DelayAndSum, "long", False),
    "fdica": _Plain(FrequencyDomainICA, "long", True),
    "fastmnmf": _Plain(FastMNMF, "long", True),
    "gev": _Plain(lambda: GEV(_masks()), "long", True),
    "ilrma": _Plain(ILRMA, "long", True),
    "lcmv": _Plain(lambda: LCMV(_masks()), "long", True),
    "masking": _Plain(lambda: Masking(DelayAndSum(), _masks()), "short", True),
    "mpdr": _Plain(MPDR, "long", True),
    "mvdr": _Plain(lambda: MVDR(_masks()), "long", True),
    "mwf": _Plain(lambda: SDWMWF(_masks()), "long", True),
    "online": _Plain(lambda: OnlineAuxIVA(forgetting=0.98, directional=1e-2), "long", True),
    "overiva": _Plain(OverIVA, "long", True),
    "pseudo-inverse": _Plain(lambda: PseudoInverse(loading=1e-2), "long", False),
    "souden-mvdr": _Plain(lambda: SoudenMVDR(_masks()), "long", True),
    "superdirective": _Plain(Superdirective, "long", False),
    "tikhonov": _Plain(Tikhonov, "long", False),
    "tiss": _Plain(lambda: TISS(model="banded", loading=1e-3), "long", True),
    "wmpdr": _Plain(lambda: WMPDR(_masks()), "long", True),
}

METHODS: Final = tuple(sorted([*_PLAIN, "auto", "denoise", "wiener", "wpe"]))

_LINEAR_ONLY: Final = ("auxiva", "auxiva-laplace", "fdica", "ilrma", "lcmv", "online", "overiva", "tiss")
"""Methods that separate at most as many sources as there are microphones."""


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
    transforms = {name: STFT(fast_length(seconds * sample_rate)) for name, seconds in SECONDS.items()}
    n_used = min(n_mics, MAX_MICS)
    why = "asked for by the user"
    if method == "auto":
        method = "denoise" if n_sources <= 1 else "wiener"
        if n_sources == 0:
            why = "no source was found, so there is nothing to decode"
        elif n_sources == 1:
            why = "one source: nothing to separate it from, so the noise of the quiet moments is taken out"
        elif duration < SHORTEST_TO_LEARN:
            why = f"{duration:.2f} s are too short to learn a separation from: a Wiener filter with masks from the directions"
        elif n_sources <= n_used:
            why = (
                f"{n_sources} sources, {n_mics} microphones: masks from the directions, a separation that starts from them,"
                " a second one that its Wiener filter guides, and half a Wiener filter more"
            )
        else:
            why = (
                f"{n_sources} sources are too many for {n_mics} microphones to separate linearly: masks from the directions, then"
                " a Wiener filter"
            )
    if method == "denoise":
        if n_sources > 1:
            raise ShapeError(f"method 'denoise' recovers one source, {n_sources} came; take auto or wiener")
        return Choice(QuietNoiseWiener(), transforms["short"], method, why, MAX_MICS)
    if method == "wiener":
        decoder, stft = _wiener(n_sources <= n_used, duration, transforms)
        return Choice(decoder, stft, method, why, MAX_MICS)
    if method == "wpe":
        one = QuietNoiseWiener(), transforms["short"]
        decoder, stft = one if n_sources <= 1 else _wiener(n_sources <= n_used, duration, transforms)
        return Choice(Dereverberated(decoder, WPE(8, delay=4, context=1)), stft, method, why, MAX_MICS)
    plain = _PLAIN[method]
    if method in _LINEAR_ONLY and n_sources > n_used:
        raise ShapeError(
            f"method {method!r} separates at most {n_used} sources here, {n_sources} came; auto, mwf and masking take more"
        )
    window = plain.window if duration >= SHORTEST_TO_LEARN else "short"
    return Choice(plain.make(), transforms[window], method, why, MAX_MICS if plain.learns else None)


def _wiener(separable: bool, duration: float, transforms: dict[str, STFT]) -> tuple[Decoder, STFT]:
    """What recovers most, and its transform; figures in docs/architecture.md."""
    masked = SDWMWF(_masks())
    if duration < SHORTEST_TO_LEARN:
        return masked, transforms["middle"]
    short = transforms["short"]
    if not separable:
        return MultichannelWiener(masked, short, transforms["long"]), short
    # Long windows need time: each frequency has few frames to learn from.
    wide, widest = ("longer", "longest") if duration >= LONG_ENOUGH else ("long", "long")
    first = WarmStart(masked, AuxIVA(model="banded", update="iss", n_iter=N_ITER, n_sweeps=1, loading=1e-3))
    guide = MultichannelWiener(first, short, transforms[wide], strength=GUIDE_STRENGTH)
    second = GuidedIVA(guide, transforms[widest], short)
    return MultichannelWiener(second, short, transforms[widest], strength=STRENGTH), short


def fast_length(n: float) -> int:
    """The window length nearest to n samples (in ratio) that is 2^k or 3 2^k: fast to transform, quarter hops whole."""
    lengths = [factor << k for k in range(3, 20) for factor in (2, 3)]
    return min(lengths, key=lambda length: abs(length - n) / min(length, n))
