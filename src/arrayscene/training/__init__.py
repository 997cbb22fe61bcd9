"""Training: what is trained is a recipe, how is a configuration, and one loop trains them all on any number of devices."""

from arrayscene.training.checkpoint import TrainingWarning
from arrayscene.training.config import TrainingConfig
from arrayscene.training.loop import Outcome, Progress, learning_rate, train
from arrayscene.training.processes import Run
from arrayscene.training.recipe import Recipe
from arrayscene.training.recipes import find_recipe

__all__ = [
    "Outcome",
    "Progress",
    "Recipe",
    "Run",
    "TrainingConfig",
    "TrainingWarning",
    "find_recipe",
    "learning_rate",
    "train",
]
