"""Scenes made on purpose, y = A x + n, with the truth kept beside them."""

from arrayscene.folder import check_new
from arrayscene.simulate.folder import write_simulation
from arrayscene.simulate.placing import random_talkers
from arrayscene.simulate.room import SimulatedScene, Talker, simulate_scene

__all__ = ["SimulatedScene", "Talker", "check_new", "random_talkers", "simulate_scene", "write_simulation"]
