"""A command that lists the methods of `recover` under its options."""

from __future__ import annotations

from typing import Any

from typer.core import TyperCommand

from arrayscene.methods import FOR_COMPARISON, FOR_EVERYBODY


class WithMethods(TyperCommand):
    """A command whose help ends with every method and one line on it."""

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """Write them in two groups."""
        for heading, group in {"Methods": FOR_EVERYBODY, "Methods to compare with": FOR_COMPARISON}.items():
            with formatter.section(heading):
                formatter.write_dl(list(group.items()))
