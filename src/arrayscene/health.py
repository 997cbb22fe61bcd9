"""Health of a recording: which channels are dead, duplicate, broken, clipped, offset or at another level."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal, NoReturn

import numpy as np

from arrayscene.arguments import check_kind
from arrayscene.channel_figures import ChannelFigures, FloatArray, channel_figures
from arrayscene.errors import RecordingError
from arrayscene.recording import Recording

Severity = Literal["note", "warning", "bad"]

DEAD_DB: Final = 40.0
"""A channel so far below the median of the others hears nothing."""

LEVEL_DB: Final = 12.0
"""A channel so far from the median of the others is worth a warning: gains of healthy microphones differ by a few dB.

Along a line of metres with a talker at one end the levels themselves differ by 20 dB (seen in measured responses of 32
microphones), so a channel must also lie more than three robust standard deviations of the others from their median.
"""

DIGITAL_SILENCE_DB: Final = -90.0
"""RMS re full scale of a 16-bit input that only toggles its last bit; such channels do not count as "the others"."""

DUPLICATE_DB: Final = -60.0
"""Two channels are one signal if the best gain leaves less than this; two real microphones differ at least by their noise."""

UNSCALED_DB: Final = 20.0
"""Peaks so far above full scale, which only float samples reach, are of files in another unit: integers, volts, pascals."""

RAIL: Final = 0.9999
"""Full scale, less the last step of 16 bits."""

CLIPPED_SHARE: Final = 1e-5
"""Share of the samples at the largest value from which on a channel is called clipped."""

MIN_CLIPPED: Final = 5
"""And at least so many of them: a recording normalised to its peak has one or two."""

MIN_FLAT_TOP: Final = 0.1
"""Below this peak, equal neighbours at the top of a wave are the converter's steps, not clipping."""

NOTHING_LEFT_DB: Final = -80.0
"""What resampling leaves of a sound that lies above its limit: rounding and the noise of 16 bits."""

HARDLY_LEFT_DB: Final = -40.0
"""Where resampling leaves less than this, the sound that the user means is probably gone; of speech it leaves over -3 dB."""

_STEPS: Final = {"PCM_U8": 2.0**-7, "PCM_S8": 2.0**-7, "PCM_16": 2.0**-15, "PCM_24": 2.0**-23, "PCM_32": 2.0**-31}

_FLAT_TOP_STEPS: Final = 3000.0
"""Steps of the sample format that a peak must have for its flat top to mean clipping; 8-bit audio never has as many."""


@dataclass(frozen=True)
class Finding:
    """One thing found.

    Attributes:
        channel: file channel, counted from 1; None for the whole recording.
        kind: "invalid", "dead", "duplicate", "level", "clipped", "dc", "quiet", "scale" or "band".
        severity: "bad" (the channel is left out), "warning" or "note".
        message: what was found, with figures, and what is done about it.
    """

    channel: int | None
    kind: str
    severity: Severity
    message: str


@dataclass(frozen=True)
class Health:
    """What `check` found.

    Attributes:
        findings: in the order of the channels.
        bad: rows (counted from 0) to leave out: invalid, dead, duplicate (the later one) or far too loud.
        dc: (mic,) mean of every channel, full scale 1.0; to be subtracted.
        peak: (mic,) largest magnitude.
        rms_db: (mic,) level without the mean, dB re full scale (amplitude 1.0); -inf for a constant channel.
        channels: file channel of every row, counted from 1.
    """

    findings: tuple[Finding, ...]
    bad: tuple[int, ...]
    dc: FloatArray
    peak: FloatArray
    rms_db: FloatArray
    channels: tuple[int, ...]

    @property
    def good(self) -> tuple[int, ...]:
        """Rows (counted from 0) to keep, what `Recording.select` takes."""
        return tuple(row for row in range(len(self.channels)) if row not in self.bad)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON: channels counted from 1, levels in dB (None for a constant channel)."""
        return {
            "channels": [
                {
                    "channel": channel,
                    "used": row not in self.bad,
                    "rms_db": float(self.rms_db[row]) if np.isfinite(self.rms_db[row]) else None,
                    "peak": float(self.peak[row]),
                    "dc": float(self.dc[row]),
                }
                for row, channel in enumerate(self.channels)
            ],
            "findings": [
                {"channel": f.channel, "kind": f.kind, "severity": f.severity, "message": f.message} for f in self.findings
            ],
        }


def check(recording: Recording, block_seconds: float = 10.0) -> Health:
    """Find the channels that cannot be used and what is odd about the others.

    Invalid samples are looked for first, then dead channels, duplicates and levels, each among the channels that are
    left, so that one broken channel does not spoil the judgement of the others. A simulation without sensor noise can
    give two symmetrical microphones one and the same signal; then one of them counts as a duplicate.

    Args:
        recording: any number of channels; long files are read block by block.
        block_seconds: seconds held in memory at a time.

    Raises:
        RecordingError: every channel is silent or otherwise bad, with the reasons; resampling has left nothing; or a file breaks
            off.

    Cost: one pass over the recording; memory of some blocks.
    """
    check_kind("check", recording, Recording, "a Recording(samples, sample_rate)")
    case = _Case(recording, channel_figures(recording, block_seconds))
    found: dict[int, list[Finding]] = {row: [] for row in range(recording.n_mics)}
    left = list(found)
    for judge in (case.invalid, case.dead, case.duplicate, case.too_loud):
        found.update({finding_row: [finding] for finding_row, finding in judge(left)})
        left = [row for row in left if not found[row]]
    if not left:
        _refuse(recording, [finding for findings in found.values() for finding in findings])
    for row in left:
        found[row] = [*case.level(row, left), *case.clipping(row), *case.offset(row)]
    bad = tuple(row for row in found if row not in left)
    findings = (
        tuple(finding for row in sorted(found) for finding in found[row])
        + case.quiet(left)
        + case.unscaled(left)
        + case.band(left)
    )
    return Health(findings, bad, case.figures.dc, case.figures.peak, case.rms_db, recording.channels)


class _Case:
    """One recording's figures and how they are judged; rows count from 0, `rows` are those not yet found bad."""

    def __init__(self, recording: Recording, figures: ChannelFigures) -> None:
        self.recording, self.figures = recording, figures
        with np.errstate(divide="ignore"):
            self.rms_db: FloatArray = 10.0 * np.log10(figures.power)
        self.step = _STEPS.get(recording.subtype or "", 0.0)

    def invalid(self, rows: list[int]) -> Iterator[tuple[int, Finding]]:
        for row in rows:
            if count := self.figures.invalid[row]:
                first = self.figures.first_invalid[row] / self.recording.sample_rate
                yield self._bad(row, "invalid", f"holds {count} NaN or infinite samples, the first at {first:.3f} s")

    def dead(self, rows: list[int]) -> Iterator[tuple[int, Finding]]:
        loudest = max((self.rms_db[row] for row in rows), default=0.0)
        heard = [row for row in rows if self.rms_db[row] > min(DIGITAL_SILENCE_DB, loudest - DEAD_DB)]
        for row in rows:
            level, below = self.rms_db[row], -self._above_others(row, heard)
            if self.figures.power[row] == 0.0:
                yield self._bad(row, "dead", f"is dead: every sample is {self.figures.dc[row]:.3g}")
            elif self.figures.span[row] <= 1.01 * self.step:
                yield self._bad(row, "dead", f"is dead: its samples differ by one step at most ({level:.1f} dB RMS)")
            elif below > DEAD_DB:
                yield self._bad(row, "dead", f"is dead: {level:.1f} dB RMS, {below:.1f} dB below the median of the others")

    def duplicate(self, rows: list[int]) -> Iterator[tuple[int, Finding]]:
        kept: list[int] = []
        for row in rows:
            residual = self.figures.residual[row]
            first = next((other for other in kept if residual[other] < 10.0 ** (DUPLICATE_DB / 10.0)), None)
            if first is None:
                kept.append(row)
                continue
            gain = self.rms_db[row] - self.rms_db[first]
            rest = f"{10.0 * np.log10(residual[first]):.0f} dB" if residual[first] > 1e-12 else "nothing"
            twin = self.recording.channels[first]
            yield self._bad(row, "duplicate", f"repeats channel {twin} (gain {gain:+.1f} dB, {rest} left after it)")

    def too_loud(self, rows: list[int]) -> Iterator[tuple[int, Finding]]:
        for row in rows:
            if (above := self._above_others(row, rows)) > DEAD_DB:
                yield self._bad(row, "level", f"is {above:.1f} dB above the median of the others: noise or a broken input")

    def level(self, row: int, rows: list[int]) -> Iterator[Finding]:
        above = self._above_others(row, rows)
        if abs(above) > max(LEVEL_DB, 3.0 * self._spread([other for other in rows if other != row])):
            side = "above" if above > 0 else "below"
            yield self._odd(row, "level", "warning", f"is {abs(above):.1f} dB {side} the median of the others; check its gain")

    def clipping(self, row: int) -> Iterator[Finding]:
        """Clipping at full scale, or below it.

        Below full scale it shows as three or more equal samples in a row, again and again, at the largest value; a
        smooth wave whose peak is thousands of steps high hardly ever has two.
        """
        figures, n = self.figures, self.recording.n_samples
        enough = max(MIN_CLIPPED, CLIPPED_SHARE * n)
        at_rail = flat = 0
        for extreme, count, runs in (
            (figures.top[row], figures.at_top[row], figures.flat_top[row]),
            (-figures.bottom[row], figures.at_bottom[row], figures.flat_bottom[row]),
        ):
            if min(RAIL, 1.0 - 1.01 * self.step) <= extreme <= 1.0:
                at_rail += int(count)
            elif extreme >= max(MIN_FLAT_TOP, _FLAT_TOP_STEPS * self.step, 0.5 * figures.peak[row]):
                flat += int(runs)
        if at_rail >= enough:
            share = f"is clipped: {100.0 * at_rail / n:.3g} % of its samples lie at full scale"
            yield self._odd(row, "clipped", "warning", f"{share}; it is used as it is, record with less gain")
        elif flat >= enough:
            top = f"is clipped: its waves have flat tops at {figures.peak[row]:.3f} of full scale ({flat} samples)"
            yield self._odd(row, "clipped", "warning", f"{top}; it is used as it is, record with less gain")

    def offset(self, row: int) -> Iterator[Finding]:
        dc, rms = self.figures.dc[row], self.figures.power[row] ** 0.5
        if abs(dc) > 0.01 * max(1.0, self.figures.peak[row]) or abs(dc) > max(0.1 * rms, 2.0 * self.step, 1e-4):
            yield self._odd(row, "dc", "note", f"has a DC offset of {dc:+.4f} of full scale; it is subtracted")

    def quiet(self, rows: list[int]) -> tuple[Finding, ...]:
        loudest = self.rms_db[rows].max()
        if loudest >= DIGITAL_SILENCE_DB:
            return ()
        message = f"the loudest channel has {loudest:.1f} dB RMS: there may be no sound at all; it is used as it is"
        return (Finding(None, "quiet", "warning", message),)

    def unscaled(self, rows: list[int]) -> tuple[Finding, ...]:
        peak = float(self.figures.peak[rows].max())
        if peak <= 10.0 ** (UNSCALED_DB / 20.0):
            return ()
        message = (
            f"the samples reach {peak:.0f}, {20.0 * np.log10(peak):.0f} dB above full scale: they are not scaled to +-1, so"
            " levels in dBFS mean little; they are used as they are"
        )
        return (Finding(None, "scale", "warning", message),)

    def band(self, rows: list[int]) -> tuple[Finding, ...]:
        """Whether resampling has left anything of the sound."""
        with np.errstate(divide="ignore"):
            left_db = float(10.0 * np.log10(self.figures.left[rows].max()))
        rate = self.recording.sample_rate
        if left_db < NOTHING_LEFT_DB:
            raise RecordingError(
                f"{_name(self.recording)}: nothing is left of its sound at {rate} Hz: all of it lies above {rate / 2:g} Hz;"
                " take a higher rate"
            )
        if left_db >= HARDLY_LEFT_DB:
            return ()
        message = (
            f"resampling to {rate} Hz left {left_db:.0f} dB of the sound, the rest lies above {rate / 2:g} Hz: what is found is"
            " noise, unless you mean what is left; else take a higher rate"
        )
        return (Finding(None, "band", "warning", message),)

    def _above_others(self, row: int, rows: list[int]) -> float:
        others = [self.rms_db[other] for other in rows if other != row]
        return float(self.rms_db[row] - np.median(others)) if others else 0.0

    def _spread(self, rows: list[int]) -> float:
        """Standard deviation of the levels in dB, estimated from the median of the distances from the median."""
        levels = self.rms_db[rows]
        return 1.4826 * float(np.median(np.abs(levels - np.median(levels)))) if rows else 0.0

    def _bad(self, row: int, kind: str, what: str) -> tuple[int, Finding]:
        return row, self._odd(row, kind, "bad", f"{what}; it is left out")

    def _odd(self, row: int, kind: str, severity: Severity, what: str) -> Finding:
        channel = self.recording.channels[row]
        return Finding(channel, kind, severity, f"channel {channel} {what}")


def _name(recording: Recording) -> str:
    return recording.inputs[0] if recording.inputs else "recording"


def _refuse(recording: Recording, findings: list[Finding]) -> NoReturn:
    name = _name(recording)
    if all(finding.kind == "dead" for finding in findings):
        raise RecordingError(
            f"{name}: silent: none of its {recording.n_mics} channels holds a sound; "
            "check that the microphones were on and that the right input was recorded"
        )
    raise RecordingError(f"{name}: no channel can be used: {'; '.join(finding.message for finding in findings)}")
