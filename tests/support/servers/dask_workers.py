"""A Dask cluster of real processes, for tests."""

import itertools
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
from distributed import Client

from support.fork_server import ForkedCommand, start
from support.processes import environment, free_port, wait_until

# How long suspended workers run before it is looked at what they do: less than a hundred small tasks take.
STEP_SECONDS = 0.1


class Workers:
    """A real scheduler and real workers, as processes of their own."""

    def __init__(self, folder: Path, count: int, **variables: str) -> None:
        self.variables = environment() | variables
        self.folder, self.address = folder, f"tcp://127.0.0.1:{free_port()}"
        port = self.address.rpartition(":")[2]
        self.processes = [self._start("scheduler", "--host", "127.0.0.1", "--port", port, "--no-dashboard")]
        self.names = itertools.count(1)
        self.processes += [self.worker() for _ in range(count)]

    def worker(self) -> subprocess.Popen | ForkedCommand:
        """Start another worker; names count up from 1."""
        options = ["--nthreads", "1", "--no-nanny", "--no-dashboard", "--host", "127.0.0.1"]
        options += ["--name", str(next(self.names))]
        return self._start("worker", self.address, *options)

    def _start(self, *arguments: str) -> subprocess.Popen | ForkedCommand:
        # Not in the repository, so that the workers can only run code that the client has sent.
        command = [sys.executable, "-m", "dask", *arguments]
        with Path(os.devnull).open("wb") as nothing:
            return start(command, self.folder, self.variables, nothing, nothing)

    def wait_for_workers(self, count: int) -> None:
        """Wait until this number of workers has connected."""
        with Client(self.address, timeout=120) as client:
            client.wait_for_workers(count, timeout=120)

    def suspend_first(self, when: Callable[[], bool] = lambda: True) -> None:
        """Suspend the first worker while it has a task, once when() is true.

        Until then all workers run in short steps, so that the work cannot be over before one of them is caught.
        """
        first, *others = (psutil.Process(worker.pid) for worker in self.processes[1:])

        def step() -> bool:
            for process in (first, *others):
                process.resume()
            time.sleep(STEP_SECONDS)
            for process in (first, *others):
                process.suspend()
            # Messages that they sent before reach the scheduler in that time.
            time.sleep(0.3)
            workers = client.scheduler_info()["workers"].items()
            (address,) = (address for address, worker in workers if str(worker["name"]) == "1")
            return bool(client.processing()[address]) and when()

        with Client(self.address, timeout=120) as client:
            wait_until(step, 120)
        for process in others:
            process.resume()

    def kill_first(self) -> None:
        self.processes[1].kill()

    def stop(self) -> None:
        for process in self.processes:
            process.kill()
            process.wait()


def only_error(capsys) -> str:
    """Return the one line of stderr that is our error, apart from progress bars and Dask's own messages."""
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    return line
