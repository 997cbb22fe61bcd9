"""Networks for D: behind a fixed array, after a chain of decoders, and as a prior that knows what speech is like."""

from arrayscene.networks.audio_diffusion import AudioDiffusionNet, noise_to_signal, tikhonov_inverse
from arrayscene.networks.scene_net import Evidence, SceneNet, SceneNetState
from arrayscene.networks.speech_prior import SpeechPrior
from arrayscene.networks.weights import load_scene_net, load_speech_prior, scene_net_bytes, speech_prior_bytes

__all__ = [
    "AudioDiffusionNet",
    "Evidence",
    "SceneNet",
    "SceneNetState",
    "SpeechPrior",
    "load_scene_net",
    "load_speech_prior",
    "noise_to_signal",
    "scene_net_bytes",
    "speech_prior_bytes",
    "tikhonov_inverse",
]
