"""Open a file of tickets as the bytes of a table: gzip and zip are recognised by content and unpacked within bounds."""

import gzip
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

from callcenterai.formats.problems import FileProblem

GZIP_START, ZIP_START = b"\x1f\x8b", b"PK\x03\x04"
CHUNK = 2**20
# What is unpacked waits in memory up to the first limit and on disk beyond it.
IN_MEMORY = 2**24
# A file that expands further than this, or both beyond SUSPICIOUS bytes and by more than RATIO, is refused: texts pack
# to a fifth or a tenth of their size, and files made to fill a disk to a thousandth.
MAX_UNPACKED, SUSPICIOUS, RATIO = 64 * 2**30, 200 * 2**20, 200
# Other packed or binary kinds, by their first bytes, so that the message can name them.
BINARY = {
    GZIP_START: "packed more than twice",
    b"BZh": "packed with bzip2",
    b"\xfd7zXZ": "packed with xz",
    b"(\xb5/\xfd": "packed with zstd",
    b"7z\xbc\xaf": "a 7-Zip archive",
    b"Rar!": "a RAR archive",
    b"%PDF": "a PDF",
    b"{\\rtf": "an RTF document",
    b"SQLite format 3\0": "an SQLite database",
    b"Obj\x01": "an Avro file",
    b"ORC": "an ORC file",
    b"ARROW1": "an Arrow (Feather) file",
    b"PK\x05\x06": "an empty zip archive",
    b"\x93NUMPY": "a NumPy array",
    b"\x89PNG": "a picture",
    b"\xff\xd8\xff": "a picture",
}
# Names of members that an archive has only when it is a workbook.
WORKBOOK_MARKS = (b"[Content_Types].xml", b"mimetypeapplication/vnd.oasis")
# A .tar is told by what stands at byte 257.
TAR_MARK, TAR_AT = b"ustar", 257


@contextmanager
def open_unpacked(path: Path | IO[bytes], name: str, limit: int = MAX_UNPACKED) -> Iterator[IO[bytes]]:
    """Yield the content of a file or stream, unpacked, as a stream that can seek; a FileProblem if it is too large."""
    if isinstance(path, Path):
        with path.open("rb") as file, _unpacked(file, name, limit, IN_MEMORY) as content:
            yield content
    else:
        # What came over the network is never written to disk.
        with _unpacked(path, name, limit, limit) as content:
            yield content


@contextmanager
def _unpacked(file: IO[bytes], name: str, limit: int, in_memory: int, depth: int = 0) -> Iterator[IO[bytes]]:
    start = _start_of(file)
    # A packed file inside a packed one is unpacked too, but not without end.
    if depth < 2 and start.startswith(GZIP_START):
        with gzip.GzipFile(fileobj=file, mode="rb") as packed, tempfile.SpooledTemporaryFile(in_memory) as copy:
            try:
                _copy(cast(IO[bytes], packed), cast(IO[bytes], copy), _size_of(file), name, limit)
            except (gzip.BadGzipFile, EOFError, zlib.error) as error:
                raise FileProblem(name, "gzip", reason=error) from None
            with _unpacked(cast(IO[bytes], copy), name, limit, in_memory, depth + 1) as content:
                yield content
    elif depth < 2 and start.startswith(ZIP_START) and (member := _only_member(file, name)):
        with tempfile.SpooledTemporaryFile(in_memory) as copy:
            try:
                with zipfile.ZipFile(file) as archive, archive.open(member) as packed:
                    _copy(packed, cast(IO[bytes], copy), _size_of(file), name, limit)
            # zipfile raises RuntimeError for an encrypted member, NotImplementedError for a compression it cannot read.
            except (zipfile.BadZipFile, EOFError, zlib.error, RuntimeError, NotImplementedError) as error:
                raise FileProblem(name, "zip", reason=error) from None
            with _unpacked(cast(IO[bytes], copy), name, limit, in_memory, depth + 1) as content:
                yield content
    else:
        _refuse_binary(start, name)
        yield file


def _start_of(file: IO[bytes]) -> bytes:
    file.seek(0)
    start = file.read(TAR_AT + len(TAR_MARK))
    file.seek(0)
    return start


def _size_of(file: IO[bytes]) -> int:
    size = file.seek(0, 2)
    file.seek(0)
    return size


def _only_member(file: IO[bytes], name: str) -> zipfile.ZipInfo | None:
    """Return the one file in a zip archive, or None when the archive is a workbook."""
    try:
        with zipfile.ZipFile(file) as archive:
            members = [each for each in archive.infolist() if not each.is_dir()]
    # zipfile raises NotImplementedError for a later version of the format, ValueError for an offset that cannot be.
    except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        file.seek(0)
        start = file.read(CHUNK)
        is_workbook = any(mark in start for mark in WORKBOOK_MARKS)
        raise FileProblem(name, "workbook" if is_workbook else "zip", reason=error) from None
    names = {each.filename for each in members}
    if names & {"[Content_Types].xml", "mimetype"}:
        return None
    # Archives made on macOS hold hidden files beside the real ones.
    members = [
        each for each in members if not each.filename.startswith("__MACOSX/") and ".DS_Store" not in each.filename
    ]
    if len(members) != 1:
        shown = ", ".join(each.filename for each in members[:5])
        raise FileProblem(name, "members", count=len(members), names=shown)
    return members[0]


def _copy(packed: IO[bytes], copy: IO[bytes], packed_size: int, name: str, limit: int) -> None:
    size = 0
    while chunk := packed.read(CHUNK):
        size += len(chunk)
        if size > limit or (size > SUSPICIOUS and size > RATIO * packed_size):
            raise FileProblem(name, "expands", megabytes=size // 2**20, ratio=size // max(1, packed_size))
        copy.write(chunk)
    copy.seek(0)


def _refuse_binary(start: bytes, name: str) -> None:
    for mark, what in BINARY.items():
        if start.startswith(mark):
            raise FileProblem(name, "binary", what=what)
    if start[TAR_AT:].startswith(TAR_MARK):
        raise FileProblem(name, "binary", what="a tar archive")
