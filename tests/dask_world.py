"""A Dask cluster of real processes, for tests."""

import signal
import subprocess
import sys
import time
from pathlib import Path

from conftest import environment, free_port
from distributed import Client


class Workers:
    """A real scheduler and real workers, as processes of their own."""

    def __init__(self, folder: Path, count: int, **variables: str) -> None:
        self.variables = environment() | variables
        self.folder, self.address = folder, f"tcp://127.0.0.1:{free_port()}"
        port = self.address.rpartition(":")[2]
        self.processes = [self._start("scheduler", "--host", "127.0.0.1", "--port", port, "--no-dashboard")]
        self.processes += [self.worker() for _ in range(count)]

    def worker(self) -> subprocess.Popen:
        options = ["--nthreads", "1", "--no-nanny", "--no-dashboard", "--host", "127.0.0.1"]
        return self._start("worker", self.address, *options)

    def _start(self, *arguments: str) -> subprocess.Popen:
        # Away from the repository: what they run comes from the client.
        command = [sys.executable, "-m", "dask", *arguments]
        return subprocess.Popen(command, cwd=self.folder, env=self.variables, stderr=subprocess.DEVNULL)

    def come(self, count: int) -> None:
        """Wait until so many workers are there."""
        with Client(self.address, timeout=120) as client:
            client.wait_for_workers(count, timeout=120)

    def stun_first(self) -> None:
        """Stop a worker, and leave time to give it work, which it keeps and does not do: to be killed at work."""
        self.processes[1].send_signal(signal.SIGSTOP)
        time.sleep(1)

    def kill_first(self) -> None:
        self.processes[1].kill()

    def stop(self) -> None:
        for process in self.processes:
            process.kill()
            process.wait()


def only_error(capsys) -> str:
    """Return the one line that says what is wrong, beside the bar and what Dask says of its own connections."""
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    return line
