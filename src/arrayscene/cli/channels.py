"""Channel numbers as a person writes them."""

from __future__ import annotations

from arrayscene.errors import RecordingError


def channel_numbers(text: str | None) -> tuple[int, ...] | None:
    """Numbers counted from 1 of "1,2,3"; None stays None.

    Raises: RecordingError for anything but whole numbers separated by commas.
    """
    if text is None:
        return None
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise RecordingError(f"--channels {text!r} came; give whole numbers separated by commas, such as 1,2,3,4") from None
