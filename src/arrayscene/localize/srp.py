"""SRP-PHAT: the steered power of phase-transformed cross-spectra, by band and frame, and the votes of its maxima."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from arrayscene.arguments import check_kind, check_whole
from arrayscene.array import MicrophoneArray
from arrayscene.constants import SPEED_OF_SOUND
from arrayscene.errors import ShapeError
from arrayscene.linalg import squared_abs
from arrayscene.localize.grid import Grid, direction_grid
from arrayscene.localize.peaks import Directions, find_directions
from arrayscene.response import Response, far_field
from arrayscene.stft import STFT

BAND_RATIO = 1.25
LOWEST_HZ, HIGHEST_HZ = 200.0, 6000.0
SMOOTHING = 4
"""Frames over which cross-spectra are averaged; with the window of `localization_stft` about 56 ms."""

MAX_MICS = 8
"""Microphones used, spread as widely as possible: more pairs cost time and tell little."""

CONTRAST = 8.0
"""Slope of shares by steered power: a source whose power is 0.3 above another's gets eleven times as much."""

N_UPDATES = 60
"""Multiplicative updates of a fit; after so many it stands still."""

QUIET = 0.02
"""Share of a band's mean power below which a frame does not vote."""

STEEPNESS = 3
"""Votes weigh this power of how far the strongest direction rises above the mean of all: lobes of low bands are so wide that they
tell little, and microphones so coherent there that they would outvote the others."""

RINGING = 0.7
"""What is left of a sound 16 ms later (half of `SMOOTHING` frames) in a room that rings for 0.6 s: what decays no faster may be
reverberation alone, whose directions are those of reflections, and votes little."""


class Survey(NamedTuple):
    """What SRP-PHAT saw.

    Attributes:
        by_band: (band, direction) weight of the frames whose maximum lies in each direction of the grid.
        power: (direction, time) normalised steered power, -1 to 1, averaged over bands.
        where, weight: (band, time) each single vote: its direction, as an index into the grid, and what it weighs.
        coherence: (band, time) of the microphones in that direction, 0 to 1.
    """

    by_band: NDArray[np.float64]
    power: NDArray[np.float32]
    where: NDArray[np.int32]
    weight: NDArray[np.float32]
    coherence: NDArray[np.float32]

    @property
    def votes(self) -> NDArray[np.float64]:
        """(direction,) votes of all bands."""
        return np.asarray(self.by_band.sum(axis=0))

    @property
    def n_votes(self) -> float:
        """How many equal votes these are worth."""
        weight = self.weight.astype(np.float64)
        return float(weight.sum() ** 2 / max(np.square(weight).sum(), np.finfo(float).tiny))


def localization_stft(sample_rate: int) -> STFT:
    """The transform that `SRPPHAT` is tuned for: 32 ms windows, quarter hops, short enough for one talker to dominate a bin."""
    hop = max(round(0.008 * sample_rate), 8)
    return STFT(4 * hop, hop)


def voting_bands(frequencies: Tensor, aliasing_hz: float) -> list[slice]:
    """Bins of the bands that vote: a third of an octave wide, each half over the next.

    At least 400 Hz wide, so that each holds enough bins to tell a maximum from chance, and up to twice the aliasing limit: above
    it a band has more grating lobes than it has use.
    """
    highest = min(max(2 * aliasing_hz, 2000.0), HIGHEST_HZ, 0.95 * float(frequencies[-1]))
    found = []
    low = LOWEST_HZ
    while low < highest:
        inside = ((frequencies >= low) & (frequencies < min(max(low * BAND_RATIO, low + 400.0), highest))).nonzero()[:, 0]
        low = max(low * BAND_RATIO**0.5, low + 200.0)
        if len(inside) >= 3:
            found.append(slice(int(inside[0]), int(inside[-1]) + 1))
    return found


class SRPPHAT(nn.Module):
    """Steered response power with phase transform, in bands a third of an octave wide.

    P(u, b, t) = sum_pq sum_f in b W(f, t) Re{ C_pq(f, t) / |C_pq(f, t)| e^{-j arg(A_p A_q*)(f, u)} } / (pairs sum_f W)

    A is the array's far-field response (around its rigid body if it has one), C the coherence over a few frames and W its mean
    square over the pairs, so that bins in which one wavefront dominates count most. In every band and frame the strongest
    direction gets a vote; talkers are the peaks of the votes. Votes of narrow bands keep weak talkers apart from strong ones,
    which an average of the power does not.

    Args:
        array: microphones.
        frequencies: (freq,) hertz of the frames.
        grid: directions to scan; those that the array can tell apart by default.
        response: what the array hears from every direction of `grid`, such as a measured one; by default plane waves, around the
            array's rigid body if it has one.
        speed_of_sound: m/s.

    Raises: ShapeError where the frequencies leave no band, or the response has not one source a direction.

    Cost: O(frame freq pair direction), as real matrix products.

    References: J. H. DiBiase, "A high-accuracy, low-latency technique for talker localization in reverberant environments using
    microphone arrays", 2000 (SRP-PHAT); S. Mohan et al., "Localization of multiple acoustic sources with small arrays using a
    coherence test", JASA 2008 (coherence).
    """

    def __init__(
        self,
        array: MicrophoneArray,
        frequencies: Tensor,
        *,
        grid: Grid | None = None,
        response: Response | None = None,
        speed_of_sound: float = SPEED_OF_SOUND,
    ) -> None:
        super().__init__()
        check_kind("SRPPHAT: frequencies", frequencies, Tensor, "a tensor of hertz, such as stft.frequencies(sample_rate),")
        self.array, self.grid = array, direction_grid(array) if grid is None else grid
        self.mics, self.n_freqs = array.spread(MAX_MICS), len(frequencies)
        self.pairs = torch.tensor(list(combinations(range(len(self.mics)), 2)))
        first, second = self.pairs.T
        known = None if response is None else self._known(response, frequencies)
        toward = far_field(
            array.select(self.mics),
            torch.tensor(self.grid.azimuth),
            torch.tensor(self.grid.elevation),
            frequencies=frequencies,
            speed_of_sound=speed_of_sound,
        )
        aliasing_hz = array.aliasing_hz(speed_of_sound)
        self.bands: list[tuple[slice, Tensor]] = []
        unaliased: list[bool] = []
        for bins in voting_bands(frequencies, aliasing_hz):
            A = toward.matrix(frequencies[bins]).to(torch.complex64) if known is None else known[bins]
            cross = A[:, first] * A[:, second].conj()
            cross = (cross / cross.abs().clamp_min(1e-20)).permute(2, 1, 0)
            steering = torch.cat([cross.real, cross.imag], dim=1).flatten(1).contiguous()
            self.bands.append((bins, steering))
            unaliased.append(bool(frequencies[bins].mean() < aliasing_hz))
        if not self.bands:
            raise ShapeError(f"SRPPHAT: frequencies up to {float(frequencies[-1]):.0f} Hz leave no band above {LOWEST_HZ:.0f} Hz")
        self.unaliased: NDArray[np.bool_] = np.array(unaliased)

    def forward(self, y: Tensor, n_sources: int | None = None) -> Directions:
        """Directions of the sources in frames (mic, freq, frame), strongest first; counted unless `n_sources` is given."""
        if n_sources is not None:
            check_whole("SRPPHAT: n_sources", n_sources)
        survey = self.survey(y)
        return find_directions(survey.by_band, self.grid, n_sources, unaliased=self.unaliased, n_votes=survey.n_votes)

    def survey(self, y: Tensor) -> Survey:
        """Votes and power of frames (mic, freq, frame); votes of several blocks of a recording may be added.

        Raises: ShapeError for frames of another number of microphones.
        """
        self._check(y)
        y = y.to(torch.complex64)
        n_directions = len(self.grid.azimuth)
        votes = torch.zeros(len(self.bands), n_directions, dtype=torch.float64)
        n_times = max((y.shape[-1] - SMOOTHING) // (SMOOTHING // 2) + 1, 1)
        power = torch.zeros(n_times, n_directions)
        where = torch.zeros(len(self.bands), n_times, dtype=torch.int64)
        votes_of, coherence = torch.zeros(len(self.bands), n_times), torch.zeros(len(self.bands), n_times)
        for n, (band, steering) in enumerate(self.bands):
            steered, level, weight = self._steered(y[:, band], steering)
            power += steered
            best, where[n] = steered.max(-1)
            loud = level.mean(0)
            share = weight.mean(0) * (loud > QUIET * loud.mean())
            coherence[n] = best.clamp_min(0) * share.sqrt()
            votes_of[n] = (best - steered.mean(-1)).clamp_min(0) ** STEEPNESS * share * _fresh(loud)
            votes[n].index_add_(0, where[n], votes_of[n].double())
        average = (power / len(self.bands)).T.contiguous().numpy()
        return Survey(votes.numpy(), average, where.numpy().astype(np.int32), votes_of.numpy(), coherence.numpy())

    def shares(self, y: Tensor, indices: Sequence[int], *, reverberant: bool = True) -> Tensor:
        """(source, band, time) share that waves from each of some directions have of the power; they sum to 1.

        In every band and moment the coherence is fitted by sum_s m_s A_p A_q*(f, u_s), m >= 0, in the least squares over pairs
        and over bins by their power. What the fit leaves, reverberation and noise, is shared in proportion. A decaying room fits
        directions from which nothing comes, so there the mean is taken with e^{8 P_s} / sum_r e^{8 P_r} of the steered powers P.

        Args:
            y: (mic, freq, frame) frames.
            indices: directions of the sources on the grid.
            reverberant: whether the sources' own waves leave much of the power over.

        Cost: O(frame freq pair source) and `N_UPDATES` small products a band and moment.

        Raises: ShapeError for frames of another number of microphones.

        Reference: F. Sha et al., "Multiplicative updates for nonnegative quadratic programming", Neural Computation 2007.
        """
        self._check(y)
        y = y.to(torch.complex64)
        fitted, steered = [], []
        for band, steering in self.bands:
            steered.append(self._steered(y[:, band], steering[list(indices)])[0].T)
            coherence, level = self._coherence(y[:, band])
            weight = level / level.sum(0, keepdim=True).clamp_min(1e-30)
            toward = steering[list(indices)].reshape(len(indices), 2, len(self.pairs), -1)
            seen = torch.einsum("scpf,cpft,ft->st", toward, coherence, weight).clamp_min(0)
            alike = torch.einsum("scpf,rcpf,ft->srt", toward, toward, weight)
            fitted.append(_non_negative(alike, seen))
        m = torch.stack(fitted, dim=1)
        total = m.sum(0, keepdim=True)
        shares = torch.where(total > 1e-6, m / total.clamp_min(1e-6), 1 / len(indices))
        if not reverberant:
            return shares
        return (shares + torch.softmax(CONTRAST * torch.stack(steered, dim=1), dim=0)) / 2

    def _steered(self, y: Tensor, steering: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(time, direction) steered power of the frames of a band; (freq, time) level and weight of its bins."""
        coherence, level = self._coherence(y)
        size = coherence.square().sum(0).sqrt()
        audible = level > 0.05 * level.mean(0, keepdim=True)
        weight = size.mean(0).square() * audible
        phase = (coherence * (weight / size.clamp_min(1e-9))).flatten(0, 1).movedim(-1, 0).flatten(1)
        return phase @ steering.T / (len(self.pairs) * weight.sum(0).clamp_min(1e-9))[:, None], level, weight

    def _coherence(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """(part, pair, freq, time) real and imaginary coherence of frames over some of them, and (freq, time) their level."""
        first, second = self.pairs.T
        part = y[self.mics]
        own = _smooth(squared_abs(part))
        cross = part[first] * part[second].conj()
        return _smooth(torch.stack([cross.real, cross.imag])) / (own[first] * own[second]).sqrt().clamp_min(1e-20), own.mean(0)

    def _known(self, response: Response, frequencies: Tensor) -> Tensor:
        """(freq, mic, direction) a given response at the microphones that are used."""
        A = response.matrix(frequencies)
        if A.shape != (len(frequencies), self.array.n_mics, len(self.grid.azimuth)):
            raise ShapeError(
                f"SRPPHAT: a response of {tuple(A.shape)} came; ({len(frequencies)} frequencies, {self.array.n_mics} microphones,"
                f" {len(self.grid.azimuth)} directions of the grid) is needed"
            )
        return A[:, self.mics].to(torch.complex64)

    def _check(self, y: Tensor) -> None:
        check_kind("SRPPHAT", y, Tensor, "a tensor of frames (mic, freq, frame)")
        if y.ndim != 3 or y.shape[0] != self.array.n_mics or y.shape[1] != self.n_freqs or not y.is_complex():
            raise ShapeError(
                f"SRPPHAT: {y.dtype} frames of shape {tuple(y.shape)} came; complex ({self.array.n_mics}, {self.n_freqs}, frame)"
                " is needed"
            )


def _fresh(level: Tensor) -> Tensor:
    """(time,) share, 0 to 1, of the level (time,) of a band that is not what earlier sound leaves in a ringing room."""
    # The loudest of l(s) r^(t - s) over s < t, as a running maximum of l(s) r^-s, in logarithms.
    decay = np.log(RINGING) * torch.arange(len(level), dtype=torch.float64)
    loudest = (level.double().clamp_min(1e-300).log() - decay).cummax(0).values
    earlier = torch.cat([loudest.new_full((1,), -torch.inf), loudest[:-1]]) + decay
    fresh: Tensor = (1 - (earlier - level.double().clamp_min(1e-300).log()).exp()).clamp(0, 1)
    return fresh.float()


def _smooth(frames: Tensor) -> Tensor:
    """Averages over `SMOOTHING` frames at half that hop; fewer frames are averaged as they are."""
    if frames.shape[-1] < SMOOTHING:
        return frames.mean(-1, keepdim=True)
    hop = SMOOTHING // 2
    whole = frames[..., : frames.shape[-1] // hop * hop]
    halves = whole.reshape(*whole.shape[:-1], -1, hop).sum(-1)
    averages: Tensor = (halves[..., :-1] + halves[..., 1:]) / SMOOTHING
    return averages


def _non_negative(quadratic: Tensor, linear: Tensor) -> Tensor:
    """(source, time) m >= 0 of least m^T Q m / 2 - b^T m, for Q (source, source, time) and b (source, time) >= 0."""
    above, below = quadratic.clamp_min(0), (-quadratic).clamp_min(0)
    m = torch.full_like(linear, 1 / len(linear))
    for _ in range(N_UPDATES):
        a, c = torch.einsum("srt,rt->st", above, m), torch.einsum("srt,rt->st", below, m)
        m = m * (linear + (linear.square() + 4 * a * c).sqrt()) / (2 * a).clamp_min(1e-9)
    return m
