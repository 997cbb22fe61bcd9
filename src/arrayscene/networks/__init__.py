"""Trained networks that work inside decoders."""

from arrayscene.networks.scene_net import Evidence, SceneNet
from arrayscene.networks.weights import load_scene_net, scene_net_bytes

__all__ = ["Evidence", "SceneNet", "load_scene_net", "scene_net_bytes"]
