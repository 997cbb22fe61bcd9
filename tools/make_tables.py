"""Write the tables of docs/responses-and-decoders.md from the docstrings: every public response, decoder and localiser."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from types import ModuleType

from arrayscene import decoders, response
from arrayscene.decoders import Decoder, LinearDecoder, Statistics
from arrayscene.response import Response

PAGE = Path(__file__).parents[1] / "docs" / "responses-and-decoders.md"


def table(package: ModuleType, base: type, skip: tuple[type, ...] = ()) -> str:
    """One row for each public class of a package that derives from `base`."""
    rows = ["| | |", "|---|---|"]
    for name in package.__all__:
        kind = getattr(package, name)
        if inspect.isclass(kind) and issubclass(kind, base) and kind not in (base, *skip):
            first = " ".join((inspect.getdoc(kind) or "").split("\n\n")[0].split())
            rows.append(f"| `{name}` | {first} |")
    return "\n".join(rows)


def with_tables(text: str) -> str:
    """The page with its tables as they should be."""
    tables = {
        "responses": table(response, Response),
        "decoders": table(decoders, Decoder, (LinearDecoder,)),
        "statistics": table(decoders, Statistics),
    }
    for name, content in tables.items():
        text = re.sub(
            rf"(<!-- table: {name} -->\n).*?(<!-- end -->)",
            lambda match, content=content: match[1] + content + "\n" + match[2],
            text,
            flags=re.DOTALL,
        )
    return text


if __name__ == "__main__":
    PAGE.write_text(with_tables(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
