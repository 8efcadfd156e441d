"""The lowest layer of a CORSIKA 7 file: records and sub-blocks, decompressed and checked, without their meaning.

A record holds 21 sub-blocks of 273 words (312 when the shower is thinned) of four bytes, little endian, between two
Fortran record markers that hold its length. Files without markers are a plain sequence of sub-blocks (CORSIKA 7
user's guide, chapter 10).
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedIOBase
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray

from cascada.errors import SourceError

PLAIN_WORDS, THINNED_WORDS = 273, 312
"""Words of a sub-block."""

_BLOCKS_PER_RECORD = 21
_MARKER_BYTES = 4
_PLAIN_RECORD, _THINNED_RECORD = (4 * _BLOCKS_PER_RECORD * words for words in (PLAIN_WORDS, THINNED_WORDS))
_HEAD_BYTES = 4 * THINNED_WORDS + 8
_CHUNK_BLOCKS = 8 * _BLOCKS_PER_RECORD  # 180 kB: large enough for NumPy, and arrays of it stay in the cache
_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_EVENTIO = (b"\x37\x8a\x1f\xd4", b"\xd4\x1f\x8a\x37")  # magic 0xD41F8A37 in either byte order
_LARGEST_ZSTD_WINDOW = 2**27


@dataclass(frozen=True)
class _Layout:
    words: int
    marker: int
    blocks: int

    @property
    def record(self) -> int:
        return 4 * self.words * self.blocks

    @property
    def stride(self) -> int:
        return self.record + 2 * self.marker


class Blocks:
    """The sub-blocks of one file, in order, a bounded number at a time.

    Iterating yields arrays of shape (n, 273) or (n, 312), float32.

    Attributes
    ----------
    offset
        Bytes read so far, after decompression.
    cut
        Whether the file ended inside a record.

    Raises
    ------
    SourceError
        While iterating: if the file cannot be read or decompressed, or is no CORSIKA 7 particle file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.offset = 0
        self.cut = False

    def __iter__(self) -> Iterator[NDArray[np.float32]]:
        with _opened(self.path) as stream:
            data = self._read(stream, _HEAD_BYTES)
            layout = _detect(data, self.path)
            size = _CHUNK_BLOCKS // layout.blocks * layout.stride
            data += self._read(stream, size - len(data))
            while data:
                whole = len(data) // layout.stride * layout.stride
                yield self._payload(data[:whole], layout)
                if len(data) < size:
                    yield self._remainder(data[whole:], layout)
                    return
                data = self._read(stream, size)

    def _read(self, stream: BufferedIOBase, size: int) -> bytes:
        pieces, left = [], size
        while left:
            piece = self._read_some(stream, left)
            if not piece:
                break
            pieces.append(piece)
            left -= len(piece)
            self.offset += len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _read_some(self, stream: BufferedIOBase, size: int) -> bytes:
        from zstandard import ZstdError

        try:
            return stream.read1(size)
        except EOFError:  # a gzip stream without its end; what came before was good
            self.cut = True
            return b""
        except (OSError, zlib.error, ZstdError) as error:
            raise SourceError(
                "an input file cannot be read or decompressed",
                where=f"{self.path}, after {self.offset} bytes of content",
                got=str(error),
                hint="copy it again",
            ) from error

    def _payload(self, data: bytes, layout: _Layout) -> NDArray[np.float32]:
        words = np.frombuffer(data, "<f4")
        if not layout.marker:
            return words.reshape(-1, layout.words)
        records = words.reshape(-1, layout.stride // 4)
        markers = records.view("<u4")[:, [0, -1]]
        if not (markers == layout.record).all():
            self._refuse_marker(markers, layout, len(data))
        return records[:, 1:-1].reshape(-1, layout.words)

    def _refuse_marker(self, markers: NDArray[np.uint32], layout: _Layout, size: int) -> None:
        bad = int(np.flatnonzero((markers != layout.record).any(axis=1))[0])
        first, last = (int(marker) for marker in markers[bad])
        raise SourceError(
            "the records of a CORSIKA 7 file do not have one length",
            where=f"{self.path}, near byte {max(self.offset - size, 0) + bad * layout.stride}",
            expected=f"records of {layout.record} bytes, as the first one",
            got=f"a record that begins with length {first} and ends with length {last}",
            hint="copy the file again; plain and thinned runs belong in files of their own",
        )

    def _remainder(self, data: bytes, layout: _Layout) -> NDArray[np.float32]:
        self.cut = self.cut or bool(data)
        body = data[layout.marker : layout.marker + layout.record]
        whole = len(body) // (4 * layout.words) * (4 * layout.words)
        return np.frombuffer(body[:whole], "<f4").reshape(-1, layout.words)


@contextmanager
def _opened(path: Path) -> Iterator[BufferedIOBase]:
    import zstandard

    try:
        file = path.open("rb")
        magic = file.read(4)
        file.seek(0)
    except OSError as error:
        raise SourceError("an input file cannot be opened", where=str(path), got=str(error)) from error
    with file:
        if magic[:2] == _GZIP:
            yield cast(BufferedIOBase, gzip.GzipFile(fileobj=file, mode="rb"))
        elif magic == _ZSTD:
            reader = zstandard.ZstdDecompressor(max_window_size=_LARGEST_ZSTD_WINDOW)
            yield cast(BufferedIOBase, reader.stream_reader(file, read_across_frames=True))
        else:
            yield file


def _detect(head: bytes, path: Path) -> _Layout:
    """Find the layout from the first bytes; the length of a record tells a thinned file from a plain one."""
    if not head:
        raise SourceError("an input file is empty", where=str(path), hint="copy it again")
    if head[:4] in _EVENTIO:
        raise SourceError(
            "this is an eventio file: Cherenkov photons of CORSIKA's IACT option, not particles at ground",
            where=str(path),
            hint="give the particle file DATnnnnnn of the same run",
        )
    if head[:4] == b"RUNH":
        return _detect_bare(head, path)
    length = int.from_bytes(head[:4], "little")
    if length in (_PLAIN_RECORD, _THINNED_RECORD) and b"RUNH".startswith(head[4:8]):
        return _Layout(length // (4 * _BLOCKS_PER_RECORD), _MARKER_BYTES, _BLOCKS_PER_RECORD)
    raise _no_corsika(head, path)


def _detect_bare(head: bytes, path: Path) -> _Layout:
    for words in (PLAIN_WORDS, THINNED_WORDS):
        if head[4 * words : 4 * words + 4] in (b"EVTH", b"RUNE"):
            return _Layout(words, marker=0, blocks=1)
    raise SourceError(
        "a CORSIKA 7 file without record markers holds no event after its run header",
        where=str(path),
        expected=f"EVTH at byte {4 * PLAIN_WORDS} (plain) or {4 * THINNED_WORDS} (thinned)",
        got=f"{len(head)} bytes or more" if len(head) == _HEAD_BYTES else f"a file of {len(head)} bytes",
        hint="copy it again",
    )


def _no_corsika(head: bytes, path: Path) -> SourceError:
    hint = "a pattern such as DAT?????? leaves out the .long, .lst and .info files beside the particles"
    if int.from_bytes(head[:4], "big") in (_PLAIN_RECORD, _THINNED_RECORD):
        hint = "the file was written on a big-endian machine, which this reader does not support"
    return SourceError(
        "an input file is no CORSIKA 7 particle file",
        where=str(path),
        expected=f"RUNH, or a record of {_PLAIN_RECORD} (plain) or {_THINNED_RECORD} (thinned) bytes that begins so",
        got=f"first bytes {head[:8].hex(' ')} ({head[:8]!r})",
        hint=hint,
    )
