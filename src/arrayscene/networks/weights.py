"""Networks from files, whose content is checked before it is used."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Final, Generic, NamedTuple, TypeVar

import torch
from torch import Tensor, nn

from arrayscene.errors import RecordingError
from arrayscene.networks.scene_net import SceneNet
from arrayscene.networks.speech_prior import SpeechPrior
from arrayscene.networks.tensor_file import from_bytes, to_bytes

Network = TypeVar("Network", bound=nn.Module)


class _Kind(NamedTuple, Generic[Network]):
    """A kind of network: its name, what it is for, its class, layers and features by a name that changes with them, its file.

    Options are written where they are on, so that files without them stay as they are.
    """

    noun: str
    job: str
    make: type[Network]
    architecture: str
    sizes: tuple[str, ...]
    file: str
    options: tuple[str, ...] = ()


_SCENE_NET: Final = _Kind(
    "network",
    "methods 'network' and 'auto'",
    SceneNet,
    "scene-net-2",
    ("width", "middle", "deep", "n_blocks"),
    "scene-net.safetensors",
    ("causal",),
)
_CAUSAL_SCENE_NET: Final = _SCENE_NET._replace(job="method 'online-network'", file="scene-net-causal.safetensors")
_SPEECH_PRIOR: Final = _Kind(
    "prior", "method 'diffusion'", SpeechPrior, "speech-prior-1", ("width", "n_blocks"), "speech-prior.safetensors"
)


def load_scene_net(path: str | Path | None = None, *, causal: bool = False) -> SceneNet:
    """The network with its trained weights, on the CPU, not to be trained further unless asked to (`requires_grad_`).

    Args:
        path: a file that `scene_net_bytes` made; None: the weights that the package ships, whose hash is checked.
        causal: which of the shipped ones: for `OnlineRefined`, or for `Refined`. A file says so itself.

    Raises:
        RecordingError: a file that is missing, truncated, damaged, of another format or of another version.

    Cost: milliseconds, 1 MB.
    """
    return _load(_CAUSAL_SCENE_NET if causal else _SCENE_NET, path)


def load_speech_prior(path: str | Path | None = None) -> SpeechPrior:
    """The prior with its trained weights, in the same way.

    Args:
        path: a file that `speech_prior_bytes` made; None: the weights that the package ships, whose hash is checked.

    Raises:
        RecordingError: as of `load_scene_net`.

    Cost: milliseconds, 4 MB.
    """
    return _load(_SPEECH_PRIOR, path)


def scene_net_bytes(network: SceneNet, **metadata: str) -> bytes:
    """The content of a file that `load_scene_net` reads."""
    return _bytes(_SCENE_NET, network, metadata)


def speech_prior_bytes(network: SpeechPrior, **metadata: str) -> bytes:
    """The content of a file that `load_speech_prior` reads."""
    return _bytes(_SPEECH_PRIOR, network, metadata)


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


def _load(kind: _Kind[Network], path: str | Path | None) -> Network:
    if path is None:
        return _network(kind, *_shipped(kind.file), "the shipped weights")
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise RecordingError(f"weights {path}: {error.strerror or error}; give a .safetensors file") from error
    return _network(kind, *from_bytes(content, f"weights {path}"), f"weights {path}")


def _bytes(kind: _Kind[Any], network: nn.Module, metadata: dict[str, str]) -> bytes:
    sizes = {name: str(getattr(network, name)) for name in kind.sizes}
    sizes |= {name: "on" for name in kind.options if getattr(network, name)}
    # Half the bytes, and rounding far below what another training would change.
    trained = {name: value.half() for name, value in network.named_parameters()}
    return to_bytes({**network.state_dict(), **trained}, {"architecture": kind.architecture, **sizes, **metadata})


@cache
def _shipped(name: str) -> tuple[dict[str, Tensor], dict[str, str]]:
    folder = files("arrayscene") / "assets" / "weights"
    try:
        content, sums = (folder / name).read_bytes(), (folder / "SHA256SUMS").read_text(encoding="utf-8")
    except OSError as error:
        raise RecordingError(f"weights {name}: {error.strerror or error}; install arrayscene again") from error
    return from_bytes(checked(content, sums, name), f"weights {name}")


def _network(kind: _Kind[Network], tensors: dict[str, Tensor], metadata: dict[str, str], who: str) -> Network:
    wanted, came = kind.architecture, metadata.get("architecture", "unknown")
    other = next((one for one in (_SCENE_NET, _SPEECH_PRIOR) if one.noun != kind.noun and one.architecture == came), None)
    if other is not None:
        raise RecordingError(
            f"{who}: those of a {other.noun} came, which belong to {other.job}; those of a {kind.noun} were wanted, as "
            f"`arrayscene train {kind.noun}` writes them"
        )
    if came != wanted:
        raise RecordingError(f"{who}: of a network {came!r}; this version of arrayscene runs {wanted!r}; take its weights")
    try:
        # Without storage, so that no random number is drawn for weights that are thrown away.
        with torch.device("meta"):
            options = {name: metadata.get(name) == "on" for name in kind.options}
            network = kind.make(**{name: int(metadata[name]) for name in kind.sizes}, **options)
        network.load_state_dict({name: value.float() for name, value in tensors.items()}, assign=True)
    except (KeyError, ValueError, RuntimeError) as error:
        raise RecordingError(f"{who}: not those of a {wanted} ({str(error).splitlines()[0]}); take others") from error
    if not all(bool(torch.isfinite(value).all()) for value in tensors.values()):
        raise RecordingError(f"{who}: NaN or infinite values; take others")
    return network.eval().requires_grad_(False)
