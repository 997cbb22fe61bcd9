"""Networks for D: trained decoders."""

from arrayscene.networks.audio_diffusion import AudioDiffusionNet, noise_to_signal, tikhonov_inverse

__all__ = ["AudioDiffusionNet", "noise_to_signal", "tikhonov_inverse"]
