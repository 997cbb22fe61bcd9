"""Networks for D: a decoder trained behind a fixed array, and one that refines what a chain of decoders found."""

from arrayscene.networks.audio_diffusion import AudioDiffusionNet, noise_to_signal, tikhonov_inverse
from arrayscene.networks.scene_net import Evidence, SceneNet
from arrayscene.networks.weights import load_scene_net, scene_net_bytes

__all__ = [
    "AudioDiffusionNet",
    "Evidence",
    "SceneNet",
    "load_scene_net",
    "noise_to_signal",
    "scene_net_bytes",
    "tikhonov_inverse",
]
