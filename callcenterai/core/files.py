"""Files that appear whole or not at all, and the hashes that identify them."""

import errno
import hashlib
import json
import os
import tempfile
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

# The folder with params.yaml, compose.yaml, scripts/ and this package.
REPOSITORY = Path(__file__).resolve().parents[2]


def write_files(contents: dict[Path, bytes | Iterable[bytes]], private: bool = False) -> None:
    """Write several files so that each appears whole, and none unless all could be written.

    A content too big for memory is given piece by piece; private files are for their owner alone. Every content goes to
    a temporary file in its target's folder and is flushed to the disk first; only then do the temporary files take the
    targets' places, one atomic rename each. When anything fails before the renames (a full disk, a missing permission,
    a folder in a target's place) the temporary files are removed and what was there before is still there.
    """
    with ExitStack() as cleanup:
        pending = []
        for target, content in contents.items():
            try:
                pending.append((_write_temporary(target, content, private, cleanup), target))
            except OSError as error:
                # Users know the file they asked for, not its temporary name, and a full disk gives no name at all.
                error.filename = str(target)
                raise
        for temporary, target in pending:
            os.replace(temporary, target)


def write_bytes(path: Path, content: bytes, private: bool = False) -> None:
    """Write one file atomically; a private one is for its owner alone."""
    write_files({path: content}, private)


def json_bytes(value: Any) -> bytes:
    """Return value as indented UTF-8 JSON with a final line feed."""
    return (json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()


def sha256(path: Path) -> str:
    """Return the hexadecimal SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def dvc_md5(path: Path) -> str:
    """Return the hexadecimal MD5 by which DVC 3 names a file in its cache and in dvc.lock."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def _write_temporary(target: Path, content: bytes | Iterable[bytes], private: bool, cleanup: ExitStack) -> Path:
    if target.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if target.parent.is_file():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{target.name}-", suffix=".tmp", dir=target.parent)
    temporary = Path(name)
    cleanup.callback(temporary.unlink, missing_ok=True)
    with os.fdopen(handle, "wb") as file:
        for piece in [content] if isinstance(content, bytes) else content:
            file.write(piece)
        file.flush()
        os.fsync(file.fileno())
    # mkstemp makes files that only their owner can read.
    if not private:
        temporary.chmod(0o666 & ~_umask())
    return temporary


def _umask() -> int:
    # The process's umask can only be read by setting it.
    mask = os.umask(0)
    os.umask(mask)
    return mask
