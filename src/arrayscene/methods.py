"""What `recover` can decode with: every method and one line on it, without importing any of them."""

from __future__ import annotations

from typing import Final

FOR_EVERYBODY: Final = {
    "auto": "chooses by how many sources there are and how long the recording is, and says why",
    "network": "separation and Wiener filters, refined by a network: the best in most rooms",
    "wiener": "the same without the network",
    "denoise": "one source: only the noise is taken out",
    "diffusion": "draws around `network`, and how far they spread; takes about as long as the recording",
    "wpe": "`wiener` without late reverberation",
    "guided": "with --activity: from who sounds when, without directions",
}
"""Methods that do the whole job, by name; "auto" takes one of them."""

FOR_COMPARISON: Final = {
    "auxiva": "independent vector analysis (AuxIVA, Gauss), held to the directions",
    "auxiva-laplace": "the same for Laplacian sources",
    "overiva": "independent vector analysis with fewer sources than microphones",
    "online": "AuxIVA that learns block by block, as it would live",
    "online-wiener": "a Wiener filter that learns from the directions on, frame by frame, as it would live",
    "online-network": "the same, refined by a causal network: the best as it would live",
    "ilrma": "independent low-rank matrix analysis",
    "fastmnmf": "multichannel nonnegative matrix factorisation, jointly diagonalised",
    "fdica": "independent component analysis of each frequency, put in order afterwards",
    "cacgmm": "masks of a mixture of angular central Gaussians, blind",
    "tiss": "dereverberation and separation in one (T-ISS)",
    "mvdr": "minimum variance, distortionless response",
    "souden-mvdr": "the same from covariances alone",
    "mpdr": "minimum power, distortionless response (Capon)",
    "wmpdr": "weighted minimum power, distortionless response",
    "lcmv": "linearly constrained minimum variance: nulls on the other sources",
    "gev": "maximum signal-to-noise ratio (generalised eigenvalues)",
    "mwf": "speech-distortion-weighted multichannel Wiener filter",
    "masking": "time-frequency masks of what is steered at each direction",
    "superdirective": "highest directivity in diffuse noise",
    "tikhonov": "inverse of the response, loaded as each frequency asks for",
    "pseudo-inverse": "inverse of the response, loaded a little",
    "delay-and-sum": "microphones aligned to each direction and averaged",
}
"""Separations and beamformers of the literature by themselves, by name."""

METHODS: Final = tuple(sorted((*FOR_EVERYBODY, *FOR_COMPARISON)))
"""All of them, by name."""
