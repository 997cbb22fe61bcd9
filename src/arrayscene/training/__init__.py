"""Training: what is trained is a recipe, how is a configuration, and one loop trains them all on any number of devices."""

from arrayscene.training.checkpoint import TrainingWarning
from arrayscene.training.config import TrainingConfig
from arrayscene.training.loop import Outcome, Progress, learning_rate, train
from arrayscene.training.network import NetworkConfig, NetworkRecipe
from arrayscene.training.processes import Run
from arrayscene.training.recipe import Recipe
from arrayscene.training.recipes import RECIPES

__all__ = [
    "RECIPES",
    "NetworkConfig",
    "NetworkRecipe",
    "Outcome",
    "Progress",
    "Recipe",
    "Run",
    "TrainingConfig",
    "TrainingWarning",
    "learning_rate",
    "train",
]
