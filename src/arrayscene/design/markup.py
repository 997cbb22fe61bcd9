"""HTML of a comparison's parts: names, texts, tables, pictures."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

from arrayscene.design.compare import Comparison, Entry
from arrayscene.report.palette import source_colour

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHORT = 24
"""Letters of a label that is kept on one line."""


def badge(entry: Entry) -> str:
    """The number of an array in its colour."""
    look = source_colour(entry.number)
    return f'<span class="badge" style="--fill:{look.fill};--on-fill:{look.ink}">{entry.number}</span>'


def name(entry: Entry) -> str:
    """The number and label of an array."""
    return f"{badge(entry)} {_label(entry.label)}"


def text(words: str, comparison: Comparison) -> str:
    """Words that break no line between a number and its unit, or within the short label of an array."""
    words = escape(_kept_together(words))
    labels = {escape(entry.label): _label(entry.label) for entry in comparison.entries}
    known = "|".join(re.escape(label) for label in sorted(labels, key=len, reverse=True))
    return re.sub(rf"(?<![\w-])({known})(?![\w-])", lambda match: labels[match[0]], words)


def items(lines: Sequence[str], comparison: Comparison) -> str:
    """A list."""
    return "<ul>" + "".join(f"<li>{text(line, comparison)}</li>" for line in lines) + "</ul>"


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of cells that are HTML; the first of each row is its heading. Wide ones scroll within their place."""
    head = "".join(f'<th scope="col">{cell}</th>' for cell in heads)
    body = "".join(
        f'<tr><th scope="row">{first}</th>{"".join(f"<td>{cell}</td>" for cell in cells)}</tr>' for first, *cells in rows
    )
    return (
        '<div class="scroll" tabindex="0"><table class="compare">'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def picture(figure: Figure, alt: str, caption: str = "") -> str:
    """A figure as SVG, which is sharp at any size, within the page."""
    from matplotlib import rc_context

    content = io.BytesIO()
    # With a salt of its own the same figure is the same file.
    with rc_context({"svg.hashsalt": "arrayscene", "svg.fonttype": "path"}):
        figure.savefig(content, format="svg", metadata={"Date": None, "Creator": None})
    data = base64.b64encode(content.getvalue()).decode("ascii")
    words = f"<figcaption>{escape(_kept_together(caption))}</figcaption>" if caption else ""
    return (
        '<figure class="figure"><div class="sheet" tabindex="0">'
        f'<img src="data:image/svg+xml;base64,{data}" alt="{escape(alt)}"></div>{words}</figure>'
    )


def _kept_together(words: str) -> str:
    """Numbers and their units without a break between them."""
    return re.sub(r"(?<=\d) (?=(dB|k?Hz|ms|mm|m|s|points)\b|%)", "\N{NO-BREAK SPACE}", words)


def _label(label: str) -> str:
    return f'<span class="name">{escape(label)}</span>' if len(label) <= SHORT else escape(label)
