"""Exit codes of commands that fail, as shells know them."""

from __future__ import annotations

from typing import Final

USER_ERROR: Final = 2
INTERRUPTED: Final = 130
"""128 and the number of the signal."""
