"""Atomic writes: a file appears whole or not at all. Reading JSON, and the hashes that identify files."""

import errno
import hashlib
import json
import os
import tempfile
from collections.abc import Collection, Iterable, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from callcenterai.core.cli import UserError

# The folder with params.yaml, compose.yaml, scripts/ and this package.
REPOSITORY = Path(__file__).resolve().parents[2]


def read_json(path: Path, if_missing: str, if_broken: str) -> Any:
    """Return the content of a JSON file, or raise a UserError that ends with what to do in that case."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; {if_missing}") from None
    except ValueError as error:
        raise UserError(f"{path} is not valid JSON ({error}); {if_broken}") from None


def write_files(contents: Mapping[Path, bytes | Iterable[bytes]], private: bool | Collection[Path] = False) -> None:
    """Write several files so that each appears whole, and none unless all could be written.

    A content that is too large for memory comes as an iterable of pieces. Only their owner can read private files,
    which are all or those that private names.

    Each content is first written to a temporary file in its target's folder and flushed to the disk; then each
    temporary file replaces its target by an atomic rename. If anything fails before the renames (a full disk, a missing
    permission, a folder with a target's name), the temporary files are removed and the targets stay as they were.
    """
    with ExitStack() as cleanup:
        pending = []
        for target, content in contents.items():
            is_private = private if isinstance(private, bool) else target in private
            try:
                pending.append((_write_temporary(target, content, is_private, cleanup), target))
            except OSError as error:
                # Name the file that the user knows, not the temporary one; a full disk's error names no file at all.
                error.filename = str(target)
                raise
        for temporary, target in pending:
            temporary.replace(target)


def write_bytes(path: Path, content: bytes, private: bool = False) -> None:
    """Write one file atomically; only its owner can read a private one."""
    write_files({path: content}, private)


def make_private(folder: Path) -> None:
    """Let only its owner enter a folder, unless it is somebody else's. On Windows, its place decides that."""
    with suppress(PermissionError):
        folder.chmod(0o700)


def make_own_folder_private(path: Path) -> None:
    """Make the folder of a private file private if nothing else is in it: DVC writes files anew with other modes."""
    if all(each == path or each.name.startswith(".") for each in path.parent.iterdir()):
        make_private(path.parent)


def json_bytes(value: Any) -> bytes:
    """Return value as indented UTF-8 JSON with a final line feed."""
    return (json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()


def sha256(path: Path) -> str:
    """Return the hexadecimal SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def dvc_md5(path: Path) -> str:
    """Return the hexadecimal MD5 with which DVC 3 identifies a file in its cache and in dvc.lock."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def _write_temporary(target: Path, content: bytes | Iterable[bytes], private: bool, cleanup: ExitStack) -> Path:
    """Return a temporary file beside target that holds content; cleanup removes it if it is still there then."""
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
    # mkstemp creates files that only their owner can read.
    if not private:
        temporary.chmod(0o666 & ~_umask())
    return temporary


def _umask() -> int:
    # A process can only read its umask by setting it.
    mask = os.umask(0)
    os.umask(mask)
    return mask
