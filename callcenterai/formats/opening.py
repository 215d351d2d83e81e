"""Open files that may be gzipped, and check before they are parsed that they are whole, not empty and UTF-8 text."""

import codecs
import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

from callcenterai.core.cli import UserError

CHUNK = 2**20


@contextmanager
def open_bytes(path: Path) -> Iterator[IO[bytes]]:
    """Open a file for reading, unpacked when its name ends in .gz; a UserError unless that is a complete gzip file."""
    try:
        with path.open("rb") as raw:
            if path.suffix.lower() != ".gz":
                yield raw
                return
            with gzip.GzipFile(fileobj=raw) as unpacked:
                yield cast(IO[bytes], unpacked)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise UserError(f"{path} is not a complete gzip file ({error}); copy or compress it again") from None


def check_content(path: Path, is_text: bool) -> None:
    """Read a file to its end; a UserError when it is empty or, if it should be text, not UTF-8 or holding a NUL."""
    empty, start = True, b""
    text = _TextCheck() if is_text else None
    with open_bytes(path) as file:
        while chunk := file.read(CHUNK):
            empty = empty and not (chunk if start else chunk.removeprefix(codecs.BOM_UTF8)).strip()
            start = start or chunk[:2]
            if text:
                text.feed(chunk)
    if empty:
        raise UserError(f"{path} is empty; check the export that made it")
    if text:
        text.finish(path, start)


class _TextCheck:
    """Decodes a file chunk by chunk and remembers the first byte that is not UTF-8 and the first NUL."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._read = self._lines = 0
        self._broken: tuple[int, int, int] | None = None
        self._nul: int | None = None

    def feed(self, chunk: bytes, final: bool = False) -> None:
        """Check the next bytes; after the first invalid one, the rest of the file is ignored."""
        if self._broken:
            return
        waiting = self._decoder.getstate()[0]
        try:
            self._decoder.decode(chunk, final)
        except UnicodeDecodeError as error:
            # error.object starts with the incomplete character that the decoder kept; that holds no line end.
            offset = self._read - len(waiting) + error.start
            line = self._lines + error.object.count(b"\n", 0, error.start) + 1
            self._broken = error.object[error.start], offset, line
            return
        if self._nul is None and b"\0" in chunk:
            self._nul = self._lines + chunk.count(b"\n", 0, chunk.index(b"\0")) + 1
        self._read += len(chunk)
        self._lines += chunk.count(b"\n")

    def finish(self, path: Path, start: bytes) -> None:
        """Raise a UserError if a fault was found; `start`, the file's first bytes, tells which encoding is likely."""
        self.feed(b"", final=True)
        if self._broken:
            byte, offset, line = self._broken
            likely = "UTF-16" if start in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else "WINDOWS-1252"
            raise UserError(
                f"{path} is not UTF-8: byte 0x{byte:02x} at offset {offset} (line {line}); "
                f"save it as UTF-8, for example with `iconv -f {likely} -t UTF-8`"
            )
        if self._nul is not None:
            raise UserError(
                f"{path} holds a NUL character in line {self._nul}; remove it, or save the file as UTF-8 text"
            )
