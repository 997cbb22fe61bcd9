"""The benchmark: every method of ours and every peer that is installed, on the same scenes, in one run."""

from arrayscene.bench.run import Bench, Result, run
from arrayscene.bench.scenes import SETS, BenchScene, make_scenes

__all__ = ["SETS", "Bench", "BenchScene", "Result", "make_scenes", "run"]
