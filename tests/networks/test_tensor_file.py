"""Tensors in the safetensors format: what was written is read, and nothing else is taken for it."""

import json

import pytest
import torch

from arrayscene.errors import RecordingError
from arrayscene.networks.tensor_file import from_bytes, to_bytes

TENSORS = {
    "b": torch.arange(6, dtype=torch.float32).reshape(2, 3),
    "a": torch.tensor([0.5, -2.0], dtype=torch.float16),
    "count": torch.tensor(7),
    "none": torch.zeros(0, 4, dtype=torch.float64),
}


def test_what_was_written_is_read() -> None:
    found, metadata = from_bytes(to_bytes(TENSORS, {"kind": "test"}), "file")
    assert metadata == {"kind": "test"}
    assert set(found) == set(TENSORS)
    for name, tensor in TENSORS.items():
        assert found[name].dtype == tensor.dtype
        assert torch.equal(found[name], tensor)


def test_the_layout_is_that_of_the_format() -> None:
    content = to_bytes({"x": torch.tensor([1.0, 2.0])}, {"key": "value"})
    size = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + size])
    assert header == {"x": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}, "__metadata__": {"key": "value"}}
    assert size % 8 == 0
    assert content[8 + size :] == bytes.fromhex("0000803f00000040")


def test_the_same_tensors_give_the_same_bytes() -> None:
    assert to_bytes(TENSORS) == to_bytes(dict(reversed(TENSORS.items())))


def test_a_truncated_file_is_refused_wherever_it_ends() -> None:
    content = to_bytes(TENSORS)
    for n in range(len(content)):
        with pytest.raises(RecordingError, match=r"my.file"):
            from_bytes(content[:n], "my.file")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"RIFF" + bytes(400),
        (2).to_bytes(8, "little") + b"[]",
        (4).to_bytes(8, "little") + b"null",
        (8).to_bytes(8, "little") + b'{"x": 3}',
        (200).to_bytes(8, "little") + b'{"x": {"dtype": "F32", "shape": [-1], "data_offsets": [0, -4]}}'.ljust(200),
        (200).to_bytes(8, "little") + b'{"x": {"dtype": "BF8", "shape": [1], "data_offsets": [0, 4]}}'.ljust(200) + bytes(4),
        (200).to_bytes(8, "little") + b'{"x": {"dtype": "F32", "shape": [3], "data_offsets": [0, 4]}}'.ljust(200) + bytes(4),
    ],
)
def test_what_is_no_such_file_is_refused(content: bytes) -> None:
    with pytest.raises(RecordingError, match=r"my.file"):
        from_bytes(content, "my.file")


def test_other_types_are_not_written() -> None:
    with pytest.raises(RecordingError, match=r"'x'.*complex64"):
        to_bytes({"x": torch.zeros(1, dtype=torch.complex64)})
