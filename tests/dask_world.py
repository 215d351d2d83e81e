"""A Dask cluster as production has one."""

import subprocess
import sys
from pathlib import Path

from conftest import environment, free_port


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

    def stop(self) -> None:
        for process in self.processes:
            process.kill()
            process.wait()
