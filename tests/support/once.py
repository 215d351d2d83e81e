"""What is made once for all test processes."""

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    """Return a folder that the first of pytest-xdist's processes to need it makes for all; no test may change it."""
    base = factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / name
    with FileLock(f"{folder}.lock"):
        if not folder.is_dir():
            folder.mkdir()
            try:
                make(folder)
            except BaseException:
                # Whoever comes next tries, and fails, for itself.
                shutil.rmtree(folder)
                raise
    return folder


def one_build_at_a_time() -> FileLock:
    """Return the lock of this machine's images: who waits for it finds the layers that another process has built."""
    return FileLock(Path(tempfile.gettempdir()) / "callcenterai-images.lock")
