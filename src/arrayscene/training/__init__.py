"""Training of the network that the package ships: examples, the loop, and its configuration."""

from arrayscene.training.config import TrainingConfig
from arrayscene.training.examples import make_examples
from arrayscene.training.loop import train

__all__ = ["TrainingConfig", "make_examples", "train"]
