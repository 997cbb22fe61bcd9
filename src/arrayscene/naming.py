"""Names as people write them, what they may have meant by one that is not known, and how many there are of what has one."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence

from arrayscene.arguments import check_kind
from arrayscene.errors import ArraySceneError, ShapeError


def plain(name: str) -> str:
    """A name without case and punctuation, as names are compared."""
    return re.sub(r"[^a-z0-9]", "", name.casefold())


def counted(number: int, one: str, more: str | None = None) -> str:
    """In words: "1 file", "2 files"; `more` where its plural is not that with an s."""
    return f"{number} {one if number == 1 else more or one + 's'}"


def one_of(name: str, known: Sequence[str], what: str, error: type[ArraySceneError] = ShapeError) -> str:
    """The known name that is meant; case and punctuation do not matter.

    Args:
        name: as somebody wrote it.
        known: names.
        what: it is a name of, for the message: "method", "--purpose".
        error: to raise.

    Raises:
        ArraySceneError: of the given class, that says what came and which known one it may have been.
    """
    check_kind(what, name, str, f"a name, one of {', '.join(known)},", error)
    if name in known:
        return name
    found = next((word for word in known if plain(word) == plain(name)), None)
    if found is None:
        raise error(f"{what} {name!r} came; {suggestion(name, known)}")
    return found


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that was probably meant, in any case; None where none is near."""
    words = {one.casefold(): one for one in known}
    close = difflib.get_close_matches(word.casefold(), words, n=1, cutoff=0.6)
    return words[close[0]] if close else None


def suggestion(word: str, known: Iterable[str]) -> str:
    """Say which known word was probably meant, or list them all."""
    words = list(known)
    meant = nearest(word, words)
    return "known are " + ", ".join(words) if meant is None else f"did you mean {meant!r}?"
