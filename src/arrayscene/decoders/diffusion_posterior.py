"""DiffusionPosterior: sources drawn from what is known of speech, of the recording, and of another decoder's errors."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Final, NamedTuple

import torch
from torch import Tensor

from arrayscene.arguments import check_kind
from arrayscene.decoders.base import Decoder, Estimate, check_decoder
from arrayscene.decoders.posterior_problem import METHODS, Found, Method, Settings, Stretch, unknown
from arrayscene.decoders.posterior_sampling import sample, start_of
from arrayscene.decoders.transforms import resynthesised
from arrayscene.diffusion import Prior
from arrayscene.errors import ConvergenceError, ShapeError
from arrayscene.networks import load_speech_prior
from arrayscene.response import Response
from arrayscene.stft import STFT

OVERLAP: Final = 0.5
"""Seconds over which stretches fade into each other."""

SHORTEST: Final = 1.0
"""Seconds, below which stretches do not shrink any further."""

INTERVAL: Final = 1.5174
"""Radius, in units of the spread, of the disc that holds 90 % of a complex Gaussian variable."""


class DiffusionWarning(UserWarning):
    """The diffusion stopped early; what came out is what it started from, or the best so far."""


class _StoppedError(Exception):
    """Somebody said so."""


class Draws(NamedTuple):
    """What the diffusion makes of a recording, and how far it has been handed out.

    Attributes:
        mean: (..., source, freq, frame) of the draws.
        likeliest: likewise, the draw that explains the recording best.
        spread: likewise, real: the standard deviation of the sources, given everything that is known.
        response: the A that was found or given.
        position: frames already decoded.
        stopped: stretches whose diffusion ended early.
    """

    mean: Tensor
    likeliest: Tensor
    spread: Tensor
    response: Response | None
    position: int
    stopped: Tensor


class DiffusionPosterior(Decoder):
    """Posterior sampling with a diffusion prior of speech: several draws of the sources, their mean, and how far they spread.

    Drawn from p(x | y) ~ p(x) p(y | x) p(start | x): the prior of every source by itself, y = A x + n, and what another decoder
    found, whose errors are known in size. From the start plus noise, the noise is taken out in steps; each step asks the prior
    for E[x | noisy x], weighs it against the recording and the start (`arrayscene.diffusion.proximal`), and goes on from there. A
    is the response that is given, or, with a start, the convolutive one that predicts the microphones from the sources, fitted
    anew along the way. Draws come in pairs of opposite noise, so that it hardly remains in their mean.

    Args:
        stft: of the frames that come in, windows of about 64 ms.
        start: decoder of whole recordings that finds the sources blindly, or from what it is told of A. None: informed, from
            the response that is given alone, which must hold for these frames.
        prior: of the sources; None: the one of speech that the package ships. Another rate than the recording's is resampled to
            and back, above its half rate nothing is known.
        method: "proximal" (exact for a Gaussian prior), or for comparison "dps", "diffpir", "red-diff".
        draws: how many; 1 gives a single sample, which errs more than the mean of several.
        particles: start so many times as many draws, and keep the likeliest after a third of the way.
        n_steps: calls of the prior for each draw.
        sigma: first and last level of the noise, relative to a source.
        churn: see `arrayscene.diffusion.stochastic`.
        strength: with a start, 1 takes the mean of the draws; less adds the share that is missing of the start, which errs
            otherwise.
        trust: weight of the start, relative to what its errors say; 0 forgets it, but for where the noise begins.
        recording: with a start, weight of y = A x + n, likewise.
        n_taps: frames in which a source is heard, of the A that is fitted.
        n_fits: times that it is fitted.
        seconds: longest stretch that is worked on at once; longer ones fade into each other. Halved where memory is short.
        best_so_far: whether an interrupt (Ctrl-C) returns what there is by then.
        progress: called with the fraction done.
        stop: asked after every step; once it says so, what there is by then comes out.
        reference: microphone, from 0, at which the sources are heard.

    A prior that returns NaN ends the diffusion of a stretch: a `DiffusionWarning` names step and noise level, and the start comes
    out. After an interrupt or a stop, stretches that were not begun come out as the start has them. `stats["stopped"]` counts
    both. Other stats: "likeliest" and "spread" as of `Draws`. Without a generator, the same recording gives the same draws.

    Cost: the start's, and draws * n_steps calls of the prior and proximal steps: for 4 s, 2 talkers, 2 draws and 6 steps about
    4 s on one core with units for bfloat16, 6 s without. Not differentiable.

    Raises: ShapeError for settings that make no sense, a response that is missing, or frames that `stft` did not make.

    Reference: Z. Xu et al., "ArrayDPS: Unsupervised blind speech separation with a diffusion prior", ICML 2025, for the idea;
    with proximal steps in place of gradients through the prior, and a start that is not forgotten.
    """

    reference: int

    def __init__(
        self,
        stft: STFT,
        start: Decoder | None = None,
        prior: Prior | None = None,
        *,
        method: Method = "proximal",
        draws: int = 2,
        particles: int = 1,
        n_steps: int = 6,
        sigma: tuple[float, float] = (0.5, 0.03),
        rho: float = 4.0,
        churn: float = 0.0,
        strength: float = 0.6,
        trust: float = 1.0,
        recording: float = 6.0,
        n_taps: int = 12,
        n_fits: int = 2,
        seconds: float = 12.0,
        best_so_far: bool = False,
        progress: Callable[[float], None] | None = None,
        stop: Callable[[], bool] | None = None,
        reference: int = 0,
    ) -> None:
        super().__init__()
        check_kind("DiffusionPosterior: stft", stft, STFT, "the STFT of the frames")
        if start is not None:
            check_decoder("DiffusionPosterior: start", start)
        if method not in METHODS:
            raise ShapeError(f"DiffusionPosterior: method {method!r} came; there are {', '.join(METHODS)}")
        if min(draws, particles, n_steps, n_taps, n_fits) < 1 or not 0 < sigma[1] <= sigma[0] or seconds <= 0:
            raise ShapeError(
                f"DiffusionPosterior: draws={draws}, particles={particles}, n_steps={n_steps}, n_taps={n_taps}, n_fits={n_fits}, "
                f"sigma={sigma}, seconds={seconds} came; 1 or more of each, and noise that falls, are needed"
            )
        if start is not None and start.block is not None:
            raise ShapeError(f"DiffusionPosterior: {type(start).__name__} learns block by block; take one of whole recordings")
        # Gradients through the prior ("dps") need weights that were not made in inference mode.
        with torch.inference_mode(False):
            self.prior = load_speech_prior() if prior is None else prior
        self.settings = Settings(
            method, draws, particles, n_steps, sigma, rho, churn, trust, recording, n_taps, n_fits, reference
        )
        self.stft, self.start, self.strength, self.seconds = stft, start, strength, seconds
        self.best_so_far, self.progress, self.stop, self.reference = best_so_far, progress, stop, reference

    def init(self, y: Tensor, response: Response | None = None, *, generator: torch.Generator | None = None) -> Draws:
        """Start, and draw."""
        if self.start is None and response is None:
            raise ShapeError(
                "DiffusionPosterior: neither a start nor a response came; one of them is needed to tell sources apart"
            )
        samples = resynthesised(y, self.stft, "DiffusionPosterior")
        rate = float(self.prior.sample_rate) if response is None else 2 * float(response.frequencies[-1])
        first = None if self.start is None else self.start(y, response, generator=generator)
        generator = torch.Generator().manual_seed(0) if generator is None else generator
        with torch.inference_mode(False), torch.no_grad():
            # Clones of what inference made are like any other tensor.
            start = None if first is None else resynthesised(first.x.clone(), self.stft, "DiffusionPosterior")
            whole = Stretch(samples.clone(), start, response if first is None else None, rate)
            found, stopped = self._joined(whole, generator)
            n_frames = y.shape[-1]
            x = self.stft(found.start)[..., :n_frames] if first is None else first.x.clone()
            mean, likeliest = (x + self._share * self.stft(part)[..., :n_frames] for part in (found.mean, found.likeliest))
            A = response if first is None else first.response
            return Draws(mean, likeliest, self._stated(found)[..., :n_frames], A, 0, stopped)

    def step(self, y: Tensor, state: Draws) -> tuple[Estimate, Draws]:
        """The next frames."""
        end = state.position + y.shape[-1]
        if end > state.mean.shape[-1]:
            raise ShapeError(
                f"DiffusionPosterior: frames up to {end} came after an init with {state.mean.shape[-1]}; it knows those only, so"
                " init with the whole recording"
            )
        now = slice(state.position, end)
        stats = {"likeliest": state.likeliest[..., now], "spread": state.spread[..., now], "stopped": state.stopped}
        return Estimate(state.mean[..., now], state.response, stats), state._replace(position=end)

    @property
    def _share(self) -> float:
        return 1.0 if self.start is None else self.strength

    def _stated(self, found: Found) -> Tensor:
        """Standard deviation of the truth around the mean."""
        if self.start is None:
            return found.spread
        # Draws alone are too sure: they all believe the same fitted A. With the start's error, 90 % intervals held 91 % of the
        # bins of scenes 6003 to 6007, and what they held in all was 3 dB less than stated.
        both = (found.error.square() + found.spread.square()).sqrt()
        return torch.where(both.isnan(), found.error, both)

    def _joined(self, whole: Stretch, generator: torch.Generator) -> tuple[Found, Tensor]:
        """All stretches, faded into each other, and how many of them stopped early."""
        n, hop = whole.samples.shape[-1], self.stft.hop
        overlap, longest = round(OVERLAP * whole.rate / hop) * hop, max(round(self.seconds * whole.rate / hop), 1) * hop
        joined: Found | None = None
        done = stopped = 0
        over = False
        while done < n:
            begin = max(done - overlap, 0)
            # A remainder shorter than the overlap comes along.
            end = n if n - begin - longest <= overlap else begin + max(longest, 2 * overlap)
            try:
                part, reason, over = self._drawn(_cut(whole, begin, end), generator, begin / n, (end - begin) / n, over)
            except (MemoryError, RuntimeError) as error:
                least = round(SHORTEST * whole.rate / hop) * hop
                if "memory" not in f"{type(error).__name__} {error}".lower() or min(longest, end - begin) <= least:
                    raise
                longest = max(min(longest, end - begin) // 2 // hop * hop, least)
                continue
            if reason is not None:
                warnings.warn(DiffusionWarning(reason), stacklevel=5)
                stopped += 1
            joined = part if joined is None else _faded(joined, part, begin, done, hop)
            done = end
        assert joined is not None
        return joined, torch.tensor(float(stopped))

    def _drawn(
        self, stretch: Stretch, generator: torch.Generator, before: float, share: float, over: bool
    ) -> tuple[Found, str | None, bool]:
        """One stretch, why it stopped early if it did, and whether all is over; then it is the start, or the best so far."""
        latest: list[Tensor] = []

        def report(step: int, change: Tensor) -> None:
            latest[:] = [change]
            if self.progress is not None:
                self.progress(before + share * step / self.settings.n_steps)
            if step < self.settings.n_steps and self._told_to_stop():
                raise _StoppedError

        try:
            if over or self._told_to_stop():
                raise _StoppedError
            return sample(stretch, self.stft, self.prior, self.settings, generator, report), None, False
        except ConvergenceError as error:
            reason, change = f"{error}; what it started from comes out", None
        except (KeyboardInterrupt, _StoppedError) as end:
            if isinstance(end, KeyboardInterrupt) and not self.best_so_far:
                raise
            over = True
            reason = "diffusion: interrupted; the best so far comes out, and for the rest what it started from"
            change = latest[-1] if latest else None
        start = start_of(stretch, self.stft, self.prior, self.settings)
        change = torch.zeros_like(start) if change is None else change
        nobody_knows = unknown(start, self.stft)
        return Found(start, change, change, nobody_knows, nobody_knows), reason, over

    def _told_to_stop(self) -> bool:
        return self.stop is not None and self.stop()


def _cut(whole: Stretch, begin: int, end: int) -> Stretch:
    start = None if whole.start is None else whole.start[..., begin:end]
    return whole._replace(samples=whole.samples[..., begin:end], start=start)


def _faded(before: Found, after: Found, begin: int, done: int, hop: int) -> Found:
    """Two stretches as one: the second begins at a sample, the first is done at another."""
    both = done - begin
    rising = (torch.arange(both, device=before.mean.device) + 0.5).to(before.mean) / max(both, 1)

    def joined(old: Tensor, new: Tensor) -> Tensor:
        middle = torch.lerp(old[..., begin:], new[..., :both], rising)
        return torch.cat([old[..., :begin], middle, new[..., both:]], dim=-1)

    spread, error = (
        torch.cat([old[..., : done // hop], new[..., both // hop :]], dim=-1)
        for old, new in zip(before[3:], after[3:], strict=True)
    )
    start, mean, likeliest = (joined(old, new) for old, new in zip(before[:3], after[:3], strict=True))
    return Found(start, mean, likeliest, spread, error)
