"""The recipes by name; each is imported when it is asked for."""

from __future__ import annotations

from typing import Final

from arrayscene.naming import one_of
from arrayscene.training.recipe import AnyRecipe

NAMES: Final = ("network", "prior")


def find_recipe(name: str) -> type[AnyRecipe]:
    """The recipe that the command line calls so.

    Raises:
        ShapeError: there is none.
    """
    name = one_of(name, NAMES, "recipe")
    if name == "network":
        from arrayscene.training.network import NetworkRecipe

        return NetworkRecipe
    from arrayscene.training.prior import PriorRecipe

    return PriorRecipe
