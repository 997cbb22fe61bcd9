"""Figures of merit by name, computed for those who look."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from torch import Tensor


class Figures(Mapping[str, Tensor]):
    """Figures by name, each computed when it is first looked at, and without gradients.

    In a chain of decoders nobody looks at those of the inner ones, and condition numbers of all frequencies cost as much as some
    of the decoders.

    Args:
        of: what computes each.
    """

    def __init__(self, **of: Callable[[], Tensor]) -> None:
        self._of = of
        self._found: dict[str, Tensor] = {}

    def __getitem__(self, name: str) -> Tensor:
        if name not in self._found:
            self._found[name] = self._of[name]().detach()
        return self._found[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._of)

    def __len__(self) -> int:
        return len(self._of)

    def __contains__(self, name: object) -> bool:
        return name in self._of

    def __repr__(self) -> str:
        return f"Figures({', '.join(self)})"

    def but(self, **of: Callable[[], Tensor]) -> Figures:
        """The same with others added or in their place."""
        return Figures(**{**self._of, **of})
