"""Folders that are made once for all test processes, and a lock that they share."""

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    """Return a folder that the first process of pytest-xdist that needs it makes for all; no test may change it."""
    base = factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / name
    with FileLock(f"{folder}.lock"):
        if not folder.is_dir():
            folder.mkdir()
            try:
                make(folder)
            except BaseException:
                # The next process tries again, so that each test reports the failure.
                shutil.rmtree(folder)
                raise
    return folder


def one_build_at_a_time() -> FileLock:
    """Return this machine's lock for image builds: a process that waits for it reuses the layers of the one before."""
    return FileLock(Path(tempfile.gettempdir()) / "callcenterai-images.lock")
