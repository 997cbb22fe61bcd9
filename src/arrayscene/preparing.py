"""What every job does first: a recording with its array, of the channels that can be used."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from arrayscene.arguments import shown
from arrayscene.array import MicrophoneArray
from arrayscene.errors import GeometryError, RecordingError
from arrayscene.health import check
from arrayscene.recording import Recording


def with_array(
    recording: Recording | str | Path | Sequence[str | Path],
    array: MicrophoneArray | str | Path | None,
    *,
    job: str,
    shortest: float,
) -> Recording:
    """The recording with the array attached, or an error that says what is missing.

    Args:
        recording: samples, or the path of one multichannel file, or paths of one file a microphone.
        array: microphone array, preset name or file; needed where the recording does not carry one.
        job: name of the function, for the errors.
        shortest: seconds that are needed.

    Raises:
        GeometryError: no array, one of a single microphone, or one that does not fit.
        RecordingError: too short.
    """
    if not isinstance(recording, Recording | str | Path | Sequence):
        raise RecordingError(
            f"{job}: {shown(recording)} came; a Recording, or the path of a file, is needed; of samples in memory make"
            " Recording(samples, sample_rate, array)"
        )
    microphones = None if array is None else MicrophoneArray.resolve(array)
    if not isinstance(recording, Recording):
        recording = Recording.read(recording, array=microphones)
    elif microphones is not None:
        recording = recording.with_array(microphones)
    if recording.array is None:
        raise GeometryError(f"{job}: the recording has no array; pass array=..., e.g. MicrophoneArray.preset('respeaker-usb-4')")
    if recording.array.ambiguity == "all":
        raise GeometryError(f"{job}: array {recording.array.name!r} has one microphone; directions need at least two")
    if recording.duration < shortest:
        raise RecordingError(f"{job}: {recording.duration:.3f} s of audio came; at least {shortest} s is needed")
    return recording


def _why(recording: Recording) -> str:
    """What is wrong with the channels, in brackets."""
    said = [finding.message.rstrip(".") for finding in check(recording).findings if finding.severity != "note"]
    return f" ({'; '.join(said)})" if said else ""


def usable(recording: Recording, rows: Sequence[int], *, job: str) -> Recording:
    """The channels that work, `rows` counted from 0; at least two.

    Raises: RecordingError for fewer.
    """
    if len(rows) < 2:
        raise RecordingError(
            f"{job}: {len(rows)} of {recording.n_mics} channels can be used and at least two are needed{_why(recording)}"
        )
    return recording if len(rows) == recording.n_mics else recording.select(rows)
