"""How long each test file takes: recorded in tests/durations.json, so that parallel runs begin with the longest files.

A long file that begins last would keep one process busy while the other has nothing left to do. Record anew, on a
machine that does nothing else, when the times have changed: `python setup_mlops.py test --record`
"""

import json
import math
import os
from collections import Counter
from pathlib import Path

import pytest

from support.repository import REPOSITORY

FILE = REPOSITORY / "tests" / "durations.json"
_seconds: Counter[str] = Counter()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--record-durations", action="store_true", help=f"write {FILE.name}: the seconds of each file")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sort the files for pytest-xdist, the longest first; files without a recorded time come before them."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        recorded = json.loads(FILE.read_text(encoding="utf-8"))
        items.sort(key=lambda item: -recorded.get(_file(item.nodeid), math.inf))


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    _seconds[_file(report.nodeid)] += report.duration


def pytest_sessionfinish(session: pytest.Session) -> None:
    # Workers of pytest-xdist report to the first process, which therefore knows the times of all files.
    if session.config.getoption("--record-durations") and "PYTEST_XDIST_WORKER" not in os.environ:
        write(FILE, _seconds)


def write(file: Path, seconds: dict[str, float]) -> None:
    """Write the seconds of each file, the longest first."""
    rounded = {name: max(1, round(took)) for name, took in sorted(seconds.items(), key=lambda each: -each[1])}
    file.write_text(json.dumps(rounded, indent=2) + "\n", encoding="utf-8", newline="\n")


def _file(nodeid: str) -> str:
    return nodeid.partition("::")[0]
