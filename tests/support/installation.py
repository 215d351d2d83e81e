"""A real installation, made once for all tests: the README's first command in a copy without .git, then once more."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

import setup_mlops
from support.once import made_once
from support.repository import unpack

TICKETS = 600


class Outcome(NamedTuple):
    """How a command ended and what it printed."""

    returncode: int
    stdout: str
    stderr: str


class Installation(NamedTuple):
    """The folder, with an environment in .venv, and what the two commands printed."""

    folder: Path
    first: Outcome
    second: Outcome


def install_once(factory: pytest.TempPathFactory) -> Installation:
    """Return the session's installation; skip the test where the package index cannot be reached, but not in CI."""
    place = made_once(factory, "installation", _install)
    outcomes = [Outcome(**each) for each in json.loads((place / "outcomes.json").read_text(encoding="utf-8"))]
    if "the packages could not be installed" in outcomes[0].stderr and not os.environ.get("CI"):
        pytest.skip("the package index cannot be reached")
    return Installation(place / "callcenter", *outcomes)


def _install(place: Path) -> None:
    folder = place / "callcenter"
    unpack(folder)
    sample = [
        sys.executable,
        "scripts/make_sample_tickets.py",
        setup_mlops.SAMPLE,
        "--tickets",
        str(TICKETS),
        "--force",
    ]
    subprocess.run(sample, cwd=folder, check=True)
    outcomes = [_set_up(folder), _set_up(folder)]
    (place / "outcomes.json").write_text(json.dumps([each._asdict() for each in outcomes]), encoding="utf-8")


def _set_up(folder: Path) -> Outcome:
    hidden = ("MLFLOW_", "COV_", "COVERAGE_", "DVC_")
    variables = {name: value for name, value in os.environ.items() if not name.startswith(hidden)}
    command = [sys.executable, "setup_mlops.py"]
    done = subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True)
    return Outcome(done.returncode, done.stdout, done.stderr)
