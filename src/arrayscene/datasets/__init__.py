"""Data for training and testing networks."""

from arrayscene.datasets.audio_diffusion import AudioDiffusionDataset, SceneLabel
from arrayscene.datasets.speech import DatasetWarning

__all__ = ["AudioDiffusionDataset", "DatasetWarning", "SceneLabel"]
