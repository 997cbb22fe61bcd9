"""How close a result on disk is to the truth that a simulation wrote beside its recording."""

from arrayscene.evaluation.compare import Evaluation, evaluate
from arrayscene.evaluation.results import FoundScene, FoundTracks, read_result
from arrayscene.evaluation.truth import Truth, read_truth

__all__ = ["Evaluation", "FoundScene", "FoundTracks", "Truth", "evaluate", "read_result", "read_truth"]
