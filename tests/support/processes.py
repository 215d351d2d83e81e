"""Start other processes, kill them and wait for them."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from support.fork_server import run_to_end
from support.repository import REPOSITORY, SCRIPTS

KILL_AT_RENAME = """
import os, sys

number, replace = int(sys.argv.pop(1)), os.replace
sys.path[:0] = [sys.argv.pop(1), os.getcwd()]
renamed = []

def replace_or_die(*paths):
    if len(renamed) == number:
        os.kill(os.getpid(), 9)
    renamed.append(paths)
    replace(*paths)

os.replace = replace_or_die
"""


def run_killed(number: int, code: str, *arguments: str) -> bool:
    """Run code in a process that kills itself instead of making its rename `number`, from 0; return whether it did."""
    command = [sys.executable, "-c", KILL_AT_RENAME + code, str(number), str(SCRIPTS), *arguments]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
    # Windows has no signals: there os.kill makes the number the exit code.
    assert done.returncode in (0, 9, -9), done.stderr
    return done.returncode != 0


def environment() -> dict[str, str]:
    """Return variables with which `python` is this Python, without those of MLflow, DVC and coverage."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    hidden = ("MLFLOW_", "DVC_", "COV_", "COVERAGE_")
    ours = {name: value for name, value in os.environ.items() if not name.startswith(hidden)}
    return ours | {"PATH": path, "DVC_NO_ANALYTICS": "1"}


def run(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess:
    """Run Python in a folder, with additional variables; fail the test if it fails."""
    done = run_to_end([sys.executable, *arguments], folder, environment() | variables)
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def free_port() -> int:
    """Return a port on which nothing listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def wait_until(happened: Callable[[], bool], seconds: float) -> None:
    """Call `happened` until it returns true; fail the test if that takes longer than `seconds`."""
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, f"not within {seconds} s: {happened}"
        time.sleep(0.05)
