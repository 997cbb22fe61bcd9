"""The recipes by name; each is imported when it is asked for."""

from __future__ import annotations

from typing import Final

from arrayscene.errors import ShapeError
from arrayscene.training.recipe import AnyRecipe

NAMES: Final = ("network", "prior")


def find_recipe(name: str) -> type[AnyRecipe]:
    """The recipe that the command line calls so.

    Raises:
        ShapeError: there is none.
    """
    if name == "network":
        from arrayscene.training.network import NetworkRecipe

        return NetworkRecipe
    if name == "prior":
        from arrayscene.training.prior import PriorRecipe

        return PriorRecipe
    raise ShapeError(f"recipe {name!r} came; there is {', '.join(NAMES)}")
