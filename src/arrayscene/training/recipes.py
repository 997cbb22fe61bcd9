"""The recipes by name, for the command line."""

from __future__ import annotations

from typing import Final

from arrayscene.training.network import NetworkRecipe
from arrayscene.training.recipe import AnyRecipe

RECIPES: Final[dict[str, type[AnyRecipe]]] = {recipe.name: recipe for recipe in (NetworkRecipe,)}
