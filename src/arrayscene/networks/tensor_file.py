"""Tensors by name in one file, in the safetensors format: a length, a JSON header, and the bytes."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from arrayscene.errors import RecordingError

_TYPES: Final[dict[str, np.dtype[Any]]] = {
    "F64": np.dtype("<f8"),
    "F32": np.dtype("<f4"),
    "F16": np.dtype("<f2"),
    "I64": np.dtype("<i8"),
}
_NAMES: Final = {torch.float64: "F64", torch.float32: "F32", torch.float16: "F16", torch.int64: "I64"}

LONGEST_HEADER: Final = 1 << 24
"""Bytes; more than any file of ours has, so that noise is not taken for a length."""


def to_bytes(tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None) -> bytes:
    """The content of a file.

    Args:
        tensors: by name; float16, float32, float64 or int64.
        metadata: words by name.

    Raises:
        RecordingError: a tensor of another type.

    Reference: the safetensors format, https://github.com/huggingface/safetensors
    """
    header: dict[str, Any] = {"__metadata__": dict(metadata)} if metadata else {}
    parts, end = [], 0
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        if tensor.dtype not in _NAMES:
            raise RecordingError(f"tensor {name!r} of {tensor.dtype} came; {', '.join(map(str, _NAMES))} can be written")
        kind = _NAMES[tensor.dtype]
        part = tensor.numpy().astype(_TYPES[kind], copy=False).tobytes()
        header[name] = {"dtype": kind, "shape": list(tensor.shape), "data_offsets": [end, end + len(part)]}
        parts.append(part)
        end += len(part)
    text = json.dumps(header, sort_keys=True, separators=(",", ":")).encode("utf-8")
    text += b" " * (-len(text) % 8)
    return b"".join([len(text).to_bytes(8, "little"), text, *parts])


def from_bytes(content: bytes, who: str) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors and metadata of a file.

    Args:
        content: the whole file.
        who: its name, for messages.

    Raises:
        RecordingError: a file that is truncated or of another format.
    """
    size = int.from_bytes(content[:8], "little")
    body = content[8 + size :]
    if len(content) < 8 or size > min(LONGEST_HEADER, len(content) - 8):
        raise RecordingError(f"{who}: not a whole safetensors file ({len(content)} bytes came); fetch or write it again")
    try:
        header = json.loads(content[8 : 8 + size])
        metadata = {str(key): str(value) for key, value in header.pop("__metadata__", {}).items()}
        found = {}
        for name, entry in header.items():
            start, stop = entry["data_offsets"]
            kind, shape = _TYPES[entry["dtype"]], [int(n) for n in entry["shape"]]
            if not 0 <= start <= stop <= len(body) or stop - start != kind.itemsize * math.prod(shape):
                raise RecordingError(f"{who}: truncated: {name!r} ends at byte {stop} of {len(body)}; fetch or write it again")
            values = np.frombuffer(body[start:stop], kind).reshape(shape)
            found[name] = torch.from_numpy(values.astype(kind.newbyteorder("=")))
    except (ValueError, KeyError, TypeError, AttributeError, UnicodeDecodeError) as error:
        if isinstance(error, RecordingError):
            raise
        raise RecordingError(f"{who}: not a safetensors file ({error}); fetch or write it again") from error
    return found, metadata
