"""Which decoder for which recording, in which windows, and why."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

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
    BelowSpeech,
    BlindClustering,
    Clustering,
    Decoder,
    DelayAndSum,
    Dereverberated,
    DiffusionPosterior,
    FastMNMF,
    FrequencyDomainICA,
    FromDirections,
    GuidedIVA,
    Masking,
    MultichannelWiener,
    OnlineAuxIVA,
    OnlineRefined,
    OnlineWiener,
    OverIVA,
    PseudoInverse,
    QuietNoiseWiener,
    Refined,
    Segments,
    SoudenMVDR,
    Superdirective,
    Tikhonov,
    WarmStart,
)
from arrayscene.decoders import guided as guided_separation
from arrayscene.errors import ShapeError
from arrayscene.methods import METHODS
from arrayscene.naming import one_of
from arrayscene.networks import SceneNet, SpeechPrior
from arrayscene.stft import STFT

SECONDS: Final = {"slowest": 0.768, "longest": 0.512, "longer": 0.384, "long": 0.256, "middle": 0.128, "short": 0.064}
"""Windows: long ones hold most of a room's response, short ones are about as long as speech stays the same."""

SHORTEST_TO_LEARN: Final = 1.0
"""Seconds below which a separation has too little to learn from, and masks in shorter windows do better."""

LONG_ENOUGH: Final = 4.0
"""Seconds from which on windows longer than "long" separate better."""

DRY: Final = 0.29
"""T60 in seconds, as `decay_time` finds it, below which shorter windows separate better."""

RINGING: Final = 0.55
"""The same above which longer ones do."""

MAX_MICS: Final = 8
"""Microphones that a learning decoder uses: its cost grows with their square."""

MOST_TRAINED: Final = 4
"""Sources in the largest scenes that the network was trained on."""

ROUNDS: Final = 3
"""Rounds of the clustering that refines masks from directions; two more bring nothing."""

N_ITER: Final = 4
"""Sweeps of AuxIVA after a start from masks; more bring nothing in the mean and lose a talker now and then."""

HELD: Final = 5e-3
"""How strongly AuxIVA's outputs are held to their directions: free ones drift to other sources, and lose 3 to 5 dB."""

GUIDE_STRENGTH: Final = 0.7
"""Strength of the Wiener filter whose variances guide the second separation."""

STRENGTH: Final = 0.5
"""Strength of the last Wiener filter."""

DRAWS: Final = 2
"""Draws of a diffusion."""

REFINED_STRENGTH: Final = 0.85
"""Share of the network in its results."""

GUIDED_BY_NETWORK: Final = 3
"""Sources from which on the network refines the guide too: 1 dB better with three, nothing with two."""


_NOBODY: Final = "no source was found, so there is nothing to decode"

Stretches = Sequence[ArrayLike]
"""For each source, (segment, 2) start and end in seconds of when it sounds."""


class _Plain(NamedTuple):
    """A decoder that a user may ask for: how it is made, its window, and whether it learns covariances of all microphones."""

    make: Callable[[Clustering], Decoder]
    window: Literal["long", "middle", "short"]
    learns: bool


_PLAIN: Final = {
    "auxiva": _Plain(lambda _: AuxIVA(directional=HELD), "long", True),
    "auxiva-laplace": _Plain(lambda _: AuxIVA(model="laplace", directional=HELD), "long", True),
    "cacgmm": _Plain(lambda _: Masking(DelayAndSum(), Clustering(BlindClustering(), 10)), "middle", True),
    "delay-and-sum": _Plain(lambda _: DelayAndSum(), "long", False),
    "fdica": _Plain(lambda _: FrequencyDomainICA(), "long", True),
    "fastmnmf": _Plain(lambda _: FastMNMF(), "long", True),
    "gev": _Plain(GEV, "long", True),
    "ilrma": _Plain(lambda _: ILRMA(), "long", True),
    "lcmv": _Plain(LCMV, "long", True),
    "masking": _Plain(lambda masks: Masking(DelayAndSum(), masks), "short", True),
    "mpdr": _Plain(lambda _: MPDR(), "long", True),
    "mvdr": _Plain(MVDR, "long", True),
    "mwf": _Plain(SDWMWF, "long", True),
    "online": _Plain(lambda _: OnlineAuxIVA(forgetting=0.98, directional=1e-2), "long", True),
    "online-wiener": _Plain(lambda _: OnlineWiener(), "short", True),
    "overiva": _Plain(lambda _: OverIVA(), "long", True),
    "pseudo-inverse": _Plain(lambda _: PseudoInverse(loading=1e-2), "long", False),
    "souden-mvdr": _Plain(SoudenMVDR, "long", True),
    "superdirective": _Plain(lambda _: Superdirective(), "long", False),
    "tikhonov": _Plain(lambda _: Tikhonov(), "long", False),
    "tiss": _Plain(lambda _: TISS(model="banded", loading=1e-3), "long", True),
    "wmpdr": _Plain(WMPDR, "long", True),
}

SUITED_TO_ROOMS: Final = ("auto", "diffusion", "network", "wiener", "wpe")
"""Methods whose windows depend on the reverberation."""

_LINEAR_ONLY: Final = ("auxiva", "auxiva-laplace", "fdica", "ilrma", "lcmv", "online", "overiva", "tiss")
"""Methods that separate at most as many sources as there are microphones."""


class Choice(NamedTuple):
    """A decoder, the transform of its frames, its name, the reason, and how many microphones it can use.

    Attributes:
        make: the decoder, of sources whose stretches are known, or None.
        stft: of the frames that it decodes.
        method: name.
        why: one sentence.
        max_mics: most microphones; None: all.
    """

    make: Callable[[Stretches | None], Decoder]
    stft: STFT
    method: str
    why: str
    max_mics: int | None


def method_called(name: str) -> str:
    """The one of `METHODS` that is meant; case and punctuation do not matter. Raises: ShapeError for none."""
    return one_of(name, METHODS, "method")


def choose(
    method: str,
    *,
    n_mics: int,
    n_sources: int,
    duration: float,
    sample_rate: int,
    guided: bool = False,
    reverberation: float | None = None,
    network: SceneNet | None = None,
    prior: SpeechPrior | None = None,
    draws: int | None = None,
) -> Choice:
    """The decoder called `method`, or with "auto" the one that suits the recording.

    Args:
        method: one of `METHODS`.
        n_mics: microphones at hand.
        n_sources: most sources that sound at the same time.
        duration: seconds that the decoder can learn from.
        sample_rate: hertz.
        guided: whether it is known when each source sounds.
        reverberation: T60 in seconds, if known; windows are as long as it asks for.
        network: what "network", "auto" and "online-network" refine with, and "diffusion" starts from; None: the one that the
            package ships.
        prior: what "diffusion" draws with; None: likewise.
        draws: of "diffusion"; None: `DRAWS`.

    Raises: ShapeError for a method that does not exist, that cannot separate so many sources, or that needs to be told when each
        sounds.
    """
    method = method_called(method)
    transforms = {name: STFT(fast_length(seconds * sample_rate)) for name, seconds in SECONDS.items()}
    n_used = min(n_mics, MAX_MICS)
    why = "asked for by the user"
    if method == "auto":
        trained = 2 <= n_sources <= MOST_TRAINED and duration >= SHORTEST_TO_LEARN
        method = "denoise" if n_sources <= 1 and not guided else "network" if trained else "wiener"
        why = _reason(n_sources, n_mics, n_used, duration) + (", each within its stretches" if guided else "")
    if method in _LINEAR_ONLY and n_sources > n_used:
        raise ShapeError(
            f"method {method!r} separates at most {n_used} sources here, {n_sources} came; auto, mwf and masking take more"
        )

    def masks(stft: STFT, stretches: Stretches | None) -> Clustering:
        return Clustering(FromDirections(active=_touching(stretches, stft, sample_rate)), ROUNDS)

    separable = n_sources <= n_used
    if method == "denoise":
        if n_sources > 1:
            raise ShapeError(f"method 'denoise' recovers one source, {n_sources} came; take auto or wiener")
        return Choice(lambda _: QuietNoiseWiener(), transforms["short"], method, why, MAX_MICS)
    if method == "guided":
        if not guided:
            raise ShapeError("method 'guided' needs to know when each source sounds: an activity, such as an RTTM file")
        short = transforms["short"]
        return Choice(lambda s: guided_separation(s or (), stft=short, sample_rate=sample_rate), short, method, why, MAX_MICS)
    if method in ("network", "diffusion") and n_sources <= 1:
        return Choice(lambda _: QuietNoiseWiener(), transforms["short"], method, _alone(method, n_sources), MAX_MICS)
    if method in ("network", "diffusion") and duration < SHORTEST_TO_LEARN:
        why = _too_short(method, duration)
    if method in ("wiener", "network", "diffusion"):
        refined = 0 if method == "wiener" else n_sources
        make, stft = _wiener(separable, duration, reverberation, transforms, masks, refined=refined, network=network)
        if method == "diffusion" and duration >= SHORTEST_TO_LEARN:
            why = f"{why}: draws around what the network finds, by a prior of speech"
            n_draws = DRAWS if draws is None else draws
            return Choice(lambda s: DiffusionPosterior(stft, make(s), prior, draws=n_draws), stft, method, why, MAX_MICS)
        return Choice(make, stft, method, why, MAX_MICS)
    if method == "wpe":
        make, stft = _wiener(separable, duration, reverberation, transforms, masks)
        if n_sources <= 1:
            make, stft = (lambda _: QuietNoiseWiener()), transforms["short"]
        return Choice(lambda s: Dereverberated(make(s), WPE(8, delay=4, context=1)), stft, method, why, MAX_MICS)
    if method == "online-network":
        if n_sources <= 1:
            why = "one source: nothing for the network to take apart, so its filter alone is left" if n_sources else _NOBODY
            return Choice(lambda _: OnlineWiener(), transforms["short"], method, why, MAX_MICS)
        return Choice(lambda _: OnlineRefined(network=network), transforms["short"], method, why, MAX_MICS)
    plain = _PLAIN[method]
    stft = transforms[plain.window if duration >= SHORTEST_TO_LEARN else "short"]
    return Choice(lambda s: plain.make(masks(stft, s)), stft, method, why, MAX_MICS if plain.learns else None)


def _reason(n_sources: int, n_mics: int, n_used: int, duration: float) -> str:
    """Why "auto" takes what it takes."""
    if n_sources == 0:
        return _NOBODY
    if n_sources == 1:
        return "one source: nothing to separate it from, so the noise of the quiet moments is taken out"
    if duration < SHORTEST_TO_LEARN:
        return f"{duration:.2f} s are too short to learn a separation from: a Wiener filter with masks from the directions"
    trained = n_sources <= MOST_TRAINED
    if n_sources <= n_used:
        return (
            f"{n_sources} sources, {n_mics} microphones: masks from the directions, a separation that starts from them,"
            f" a second one that its Wiener filter guides, and {'a' if trained else 'half a'} Wiener filter more"
            f"{', refined by a network' if trained else ''}"
        )
    return (
        f"{n_sources} sources are too many for {n_mics} microphones to separate linearly: masks from the directions, then"
        f" a Wiener filter{' that a network refines' if trained else ''}"
    )


def _alone(method: str, n_sources: int) -> str:
    """Why one source is only freed from noise."""
    if n_sources == 0:
        return _NOBODY
    job = "the network to take apart" if method == "network" else "a diffusion to tell apart"
    return f"one source: nothing for {job}, so the noise of the quiet moments is taken out"


def _too_short(method: str, duration: float) -> str:
    """Why the method is not what decodes."""
    job = "that the network refines" if method == "network" else "that a diffusion could start from"
    return f"{duration:.2f} s are too short for the separation {job}: a Wiener filter with masks from the directions"


def _touching(stretches: Stretches | None, stft: STFT, sample_rate: int) -> Segments | None:
    """The frames that hold any of the stretches; `Segments` counts those that lie wholly inside."""
    if stretches is None:
        return None
    reach = stft.n_fft / sample_rate
    wider = [np.clip(np.reshape(of_one, (-1, 2)) + np.array([-reach, reach]), 0, None) for of_one in stretches]
    return Segments.in_seconds(wider, stft=stft, sample_rate=sample_rate)


def _windows(duration: float, reverberation: float | None) -> tuple[str, str]:
    """Names of the windows of the first separation and of the guided one."""
    if duration < LONG_ENOUGH:
        # Each frequency has few frames to learn from.
        return "long", "long"
    if reverberation is not None and reverberation < DRY:
        return "long", "longer"
    if reverberation is not None and reverberation > RINGING and duration >= 1.5 * LONG_ENOUGH:
        return "longest", "slowest"
    return "longer", "longest"


def _wiener(
    separable: bool,
    duration: float,
    reverberation: float | None,
    transforms: dict[str, STFT],
    masks: Callable[[STFT, Stretches | None], Clustering],
    *,
    refined: int = 0,
    network: SceneNet | None = None,
) -> tuple[Callable[[Stretches | None], Decoder], STFT]:
    """What recovers most, and its transform; figures in docs/architecture.md. `refined`: sources that a network makes better."""
    short, middle, long = (transforms[name] for name in ("short", "middle", "long"))

    def better(wiener: MultichannelWiener, least: int = 1) -> Decoder:
        return Refined(wiener, network, strength=REFINED_STRENGTH) if refined >= least else wiener

    if duration < SHORTEST_TO_LEARN:
        return lambda s: SDWMWF(masks(middle, s)), middle
    if not separable:
        return lambda s: BelowSpeech(better(MultichannelWiener(SDWMWF(masks(long, s)), short, long)), short), short
    wide, widest = (transforms[name] for name in _windows(duration, reverberation))
    if duration >= LONG_ENOUGH:
        # Half-overlapping frames tell the first separation as much as the guided one learns from twice as many.
        wide = STFT(wide.n_fft, wide.n_fft // 2)

    # Variances for the guided separation need no finer frames; the network does.
    brief = short if refined >= GUIDED_BY_NETWORK else STFT(short.n_fft, short.n_fft // 2)

    def make(stretches: Stretches | None) -> Decoder:
        separation = AuxIVA(model="banded", update="iss", n_iter=N_ITER, n_sweeps=1, loading=1e-3)
        first = WarmStart(SDWMWF(masks(wide, stretches)), separation)
        guide = better(MultichannelWiener(first, brief, wide, strength=GUIDE_STRENGTH), GUIDED_BY_NETWORK)
        last = better(MultichannelWiener(GuidedIVA(guide, widest, brief), short, widest, strength=STRENGTH))
        return BelowSpeech(last, short)

    return make, short


def fast_length(n: float) -> int:
    """The window length nearest to n samples (in ratio) that is 2^k or 3 2^k: fast to transform, quarter hops whole."""
    lengths = [factor << k for k in range(3, 20) for factor in (2, 3)]
    return min(lengths, key=lambda length: abs(length - n) / min(length, n))
