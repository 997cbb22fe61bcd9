"""Where the samples lie inside an audio file and how many of them its header declares.

Recorders that are killed leave headers that say zero, "unknown" or more than they stored. This module compares what
the header of a chunked file (RIFF/WAV, RF64, W64, AIFF, CAF) declares with what the file holds, so that everything
which was stored can still be read, and so that the user hears what is missing.

Sources of the layouts: Microsoft/IBM "Multimedia Programming Interface" 1.0 (RIFF), EBU Tech 3306 (RF64),
Sony Wave64 specification, Apple "AIFF 1.3" and "Core Audio Format 1.0".
"""

from __future__ import annotations

import io
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

from arrayscene.errors import RecordingError

_UNKNOWN_32 = 0x7FFF0000
"""Sizes from here up are what recorders write into a RIFF header when they cannot know the length yet."""

_UNKNOWN_64 = 2**63 - 1


@dataclass(frozen=True)
class DataChunk:
    """The chunk that holds the samples.

    Attributes:
        declared: bytes that the header promises; None where the recorder never filled the figure in.
        present: bytes from the start of the samples to the end of the chunk or of the file, whichever comes first.
        size_at: offset of the size field in the file.
        repair: bytes to put at `size_at` so that a strict reader takes everything present; None where none are needed.
    """

    declared: int | None
    present: int
    size_at: int
    repair: bytes | None


@dataclass(frozen=True)
class _Layout:
    """How one family of files writes its chunks: `start` of the first, name length, size format, alignment."""

    start: int
    name: int
    size: str
    data: bytes
    align: int
    counts_header: bool = False


_RIFF = _Layout(start=12, name=4, size="<I", data=b"data", align=2)
_W64_DATA = b"data\xf3\xac\xd3\x11\x8c\xd1\x00\xc0O\x8e\xdb\x8a"
_W64 = _Layout(start=40, name=16, size="<Q", data=_W64_DATA, align=8, counts_header=True)
_AIFF = _Layout(start=12, name=4, size=">I", data=b"SSND", align=2)
_CAF = _Layout(start=8, name=4, size=">q", data=b"data", align=1)
_LAYOUTS = {b"RIFF": _RIFF, b"RF64": _RIFF, b"BW64": _RIFF, b"riff": _W64, b"FORM": _AIFF, b"caff": _CAF}


def data_chunk(path: str | os.PathLike[str]) -> DataChunk | None:
    """Find the chunk that holds the samples.

    Args:
        path: an audio file.

    Returns:
        The chunk, or None where the file is of another kind (FLAC, OGG, MP3 ...) or holds no such chunk.

    Cost: reads a few dozen bytes per chunk, whatever the length of the file.
    """
    end = os.path.getsize(path)
    with open(path, "rb") as file:
        magic = file.read(4)
        layout = _LAYOUTS.get(magic)
        if layout is None:
            return None
        ds64, ds64_at = None, 0
        for name, size_at, start, declared in _chunks(file, layout, layout.start, end):
            if name == b"ds64" and end >= start + 16:
                file.seek(start + 8)
                ds64, ds64_at = int(struct.unpack("<Q", file.read(8))[0]), start + 8
            if name == layout.data:
                if ds64 is None or declared != 0xFFFFFFFF:
                    return _judge(file, layout, size_at, start, declared, end)
                left = end - start
                if ds64 == 0 and left > 0:
                    return DataChunk(None, left, ds64_at, struct.pack("<Q", left))
                return DataChunk(ds64, min(ds64, left), ds64_at, None)
    return None


def _chunks(file: BinaryIO, layout: _Layout, at: int, end: int) -> Iterator[tuple[bytes, int, int, int]]:
    """Walk the chunks: name, offset of the size field, offset of the contents, declared size of the contents."""
    header = layout.name + struct.calcsize(layout.size)
    while at + header <= end:
        file.seek(at)
        name = file.read(layout.name)
        declared = int(struct.unpack(layout.size, file.read(header - layout.name))[0])
        if layout.counts_header:
            declared -= header
        yield name, at + layout.name, at + header, declared
        if declared < 0:
            return
        at += header + declared
        at += -at % layout.align


def _judge(file: BinaryIO, layout: _Layout, size_at: int, start: int, declared: int, end: int) -> DataChunk:
    left = end - start
    field_bytes = struct.calcsize(layout.size)
    never_filled = declared < 0 or (declared > left and declared >= (_UNKNOWN_32 if field_bytes == 4 else _UNKNOWN_64))
    if declared == 0 and left > 0:
        # An empty recording may be followed by chunks of text that reach exactly to the end; raw samples do not look so.
        last = max((s + d for _, _, s, d in _chunks(file, layout, start, end)), default=0)
        never_filled = last not in (end, end - 1)
    if never_filled:
        known = left if field_bytes == 8 else min(left, 2**32 - 1)
        repair = struct.pack(layout.size, known) if declared <= 0 else None
        return DataChunk(None, left, size_at, repair)
    repair = struct.pack(layout.size, left) if layout is _CAF and declared > left else None
    return DataChunk(declared, min(declared, left), size_at, repair)


class RepairedFile(io.FileIO):
    """An audio file opened for reading whose size field is seen as `repair` says; the file itself stays untouched.

    Raises:
        RecordingError: the chunk needs no repair.
    """

    def __init__(self, path: str | os.PathLike[str], chunk: DataChunk) -> None:
        if chunk.repair is None:
            raise RecordingError(f"{os.fspath(path)}: the header is as it should be; open the file itself")
        super().__init__(os.fspath(path), "rb")
        self._at, self._patch = chunk.size_at, chunk.repair

    def readinto(self, buffer: Any) -> int:
        """Read as `io.FileIO.readinto` does, with the size field replaced."""
        position = self.tell()
        count = int(super().readinto(buffer) or 0)
        view = memoryview(buffer).cast("B")
        for offset, byte in enumerate(self._patch, start=self._at - position):
            if 0 <= offset < count:
                view[offset] = byte
        return count
