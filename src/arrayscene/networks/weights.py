"""Networks from files, whose content is checked before it is used."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Final

import torch
from torch import Tensor

from arrayscene.errors import RecordingError
from arrayscene.networks.scene_net import SceneNet
from arrayscene.networks.tensor_file import from_bytes, to_bytes

ARCHITECTURE: Final = "scene-net-1"
"""Name of the layers and features; it changes when they do."""

_SIZES: Final = ("width", "deep", "n_blocks")


def load_scene_net(path: str | Path | None = None) -> SceneNet:
    """The network with its trained weights, on the CPU, not to be trained further unless asked to (`requires_grad_`).

    Args:
        path: a file that `scene_net_bytes` made; None: the weights that the package ships, whose hash is checked.

    Raises:
        RecordingError: a file that is missing, truncated, damaged, of another format or of another version.

    Cost: milliseconds, 1 MB.
    """
    if path is None:
        return _network(*_shipped(), "the shipped weights")
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise RecordingError(f"weights {path}: {error.strerror or error}; give a .safetensors file") from error
    return _network(*from_bytes(content, f"weights {path}"), f"weights {path}")


def scene_net_bytes(network: SceneNet, **metadata: str) -> bytes:
    """The content of a file that `load_scene_net` reads."""
    sizes = {name: str(getattr(network, name)) for name in _SIZES}
    return to_bytes(network.state_dict(), {"architecture": ARCHITECTURE, **sizes, **metadata})


def checked(content: bytes, sums: str, name: str) -> bytes:
    """The content of a file, if its SHA-256 is the one that is written down for it.

    Args:
        content: of the file.
        sums: lines "hash  name", as `sha256sum` writes them.
        name: of the file.

    Raises:
        RecordingError: another hash, or none.
    """
    wanted = {line.split()[1]: line.split()[0] for line in sums.splitlines() if len(line.split()) == 2}
    found = hashlib.sha256(content).hexdigest()
    if wanted.get(name) != found:
        raise RecordingError(
            f"weights {name}: SHA-256 {found[:12]}... ({len(content)} bytes) came, {str(wanted.get(name))[:12]}... was wanted; "
            "the file is damaged or another one: install arrayscene again"
        )
    return content


@cache
def _shipped() -> tuple[dict[str, Tensor], dict[str, str]]:
    folder, name = files("arrayscene") / "assets" / "weights", "scene-net.safetensors"
    try:
        content, sums = (folder / name).read_bytes(), (folder / "SHA256SUMS").read_text(encoding="utf-8")
    except OSError as error:
        raise RecordingError(f"weights {name}: {error.strerror or error}; install arrayscene again") from error
    return from_bytes(checked(content, sums, name), f"weights {name}")


def _network(tensors: dict[str, Tensor], metadata: dict[str, str], who: str) -> SceneNet:
    kind = metadata.get("architecture", "unknown")
    if kind != ARCHITECTURE:
        raise RecordingError(f"{who}: of a network {kind!r}; this version of arrayscene runs {ARCHITECTURE!r}; take its weights")
    try:
        # Without storage, so that no random number is drawn for weights that are thrown away.
        with torch.device("meta"):
            network = SceneNet(**{name: int(metadata[name]) for name in _SIZES})
        network.load_state_dict({name: value.clone() for name, value in tensors.items()}, assign=True)
    except (KeyError, ValueError, RuntimeError) as error:
        raise RecordingError(f"{who}: not those of a {ARCHITECTURE} ({str(error).splitlines()[0]}); take others") from error
    if not all(bool(torch.isfinite(value).all()) for value in tensors.values()):
        raise RecordingError(f"{who}: NaN or infinite values; take others")
    return network.eval().requires_grad_(False)
