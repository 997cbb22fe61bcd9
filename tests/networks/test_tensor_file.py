"""Tensors in the safetensors format: the same ones give the same file, and nothing else is taken for it."""

import subprocess
import sys

import pytest
import torch
from safetensors import safe_open

from arrayscene.errors import RecordingError
from arrayscene.networks.tensor_file import from_bytes, to_bytes

TENSORS = {
    "b": torch.arange(6, dtype=torch.float32).reshape(2, 3),
    "a": torch.tensor([0.5, -2.0], dtype=torch.float16),
    "count": torch.tensor(7),
    "none": torch.zeros(0, 4, dtype=torch.float64),
}
WORDS = {name: name.upper() for name in "abcdefgh"}


def test_what_was_written_is_read(tmp_path) -> None:
    (tmp_path / "file.safetensors").write_bytes(to_bytes(TENSORS, WORDS))
    found, words = from_bytes(to_bytes(TENSORS, WORDS), "file")
    assert words == WORDS
    assert set(found) == set(TENSORS)
    # By the library alone, as other programs read it.
    with safe_open(tmp_path / "file.safetensors", framework="pt") as file:
        assert file.metadata() == WORDS
        for name, tensor in TENSORS.items():
            for read in (found[name], file.get_tensor(name)):
                assert read.dtype == tensor.dtype
                assert torch.equal(read, tensor)


def test_the_same_tensors_give_the_same_bytes_in_every_process() -> None:
    code = (
        "import hashlib, torch; from arrayscene.networks.tensor_file import to_bytes;"
        "print(hashlib.sha256(to_bytes({'b': torch.ones(2), 'a': torch.zeros(3)}, {k: k for k in 'abcdefgh'})).hexdigest())"
    )
    sums = {subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout for _ in range(2)}
    assert len(sums) == 1


@pytest.mark.parametrize("kept", [0, 7, 100, -4])
def test_a_truncated_file_is_refused(kept: int) -> None:
    with pytest.raises(RecordingError, match=r"my.file: not a whole safetensors file"):
        from_bytes(to_bytes(TENSORS)[:kept], "my.file")


def test_what_is_no_such_file_is_refused() -> None:
    for content in (b"RIFF" + bytes(400), (2).to_bytes(8, "little") + b"[]", (8).to_bytes(8, "little") + b'{"x": 3}'):
        with pytest.raises(RecordingError, match=r"my.file: not a whole safetensors file"):
            from_bytes(content, "my.file")
