"""Tensors by name in one safetensors file, with words about them."""

from __future__ import annotations

import json
from collections.abc import Mapping

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from arrayscene.errors import RecordingError


def to_bytes(tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None) -> bytes:
    """The content of a file; the same tensors and words give the same bytes.

    Args:
        tensors: by name.
        metadata: words by name.

    Reference: the safetensors format, https://github.com/huggingface/safetensors
    """
    content = save({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, dict(metadata or {}))
    # The library writes the words in the order of a hash table, which is another one in every process.
    size = _header_size(content)
    text = json.dumps(json.loads(content[8 : 8 + size]), sort_keys=True, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + content[8 + size :]


def from_bytes(content: bytes, who: str) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors and words of a file.

    Args:
        content: the whole file.
        who: its name, for messages.

    Raises:
        RecordingError: a file that is truncated or of another format.
    """
    try:
        tensors = load(content)
        words = json.loads(content[8 : 8 + _header_size(content)]).get("__metadata__", {})
    except (SafetensorError, ValueError, KeyError) as error:
        raise RecordingError(
            f"{who}: not a whole safetensors file ({len(content)} bytes; {error}); fetch or write it again"
        ) from error
    return tensors, words


def _header_size(content: bytes) -> int:
    return int.from_bytes(content[:8], "little")
