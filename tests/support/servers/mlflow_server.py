"""A real MLflow server."""

import json
import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

from support.fork_server import start
from support.processes import environment, free_port, wait_until


class TrackingServer:
    """A real `mlflow server` on a free port; it answers as soon as the constructor returns."""

    program = ("-m", "mlflow", "server")

    def __init__(self, folder: Path, *arguments: str, **variables: str) -> None:
        self.port = free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        # One worker and no job runners: the default of eleven processes takes twice as long to start.
        small = {"MLFLOW_WORKERS": "1", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_PORT": str(self.port)}
        with (folder / "server.txt").open("wb") as log:
            command = [sys.executable, *self.program, *arguments]
            self.process = start(command, folder, environment() | small | variables, log, log, own_group=True)
        try:
            wait_until(self.answers, 120)
        except BaseException:
            self.kill()
            raise

    def __enter__(self) -> "TrackingServer":
        return self

    def __exit__(self, *_) -> None:
        self.kill()

    def answers(self) -> bool:
        assert self.process.poll() is None, "the server has exited"
        try:
            return self.read("/health") == b"OK"
        except OSError:
            return False

    def read(self, path: str, **body) -> bytes:
        """Return the server's answer to a GET or, if there is a body, to a POST of JSON."""
        data = json.dumps(body).encode() if body else None
        request = urllib.request.Request(self.address + path, data, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.read()

    def experiment_id(self, name: str) -> str | None:
        """Return the id of an experiment, or None if there is none with that name."""
        wanted = {"max_results": 100, "filter": f"name = '{name}'"}
        found = json.loads(self.read("/api/2.0/mlflow/experiments/search", **wanted)).get("experiments", [])
        return found[0]["experiment_id"] if found else None

    def runs(self, name: str) -> list[dict]:
        """Return the runs of an experiment, newest first."""
        wanted = {"experiment_ids": [self.experiment_id(name)]}
        return json.loads(self.read("/api/2.0/mlflow/runs/search", **wanted)).get("runs", [])

    def artifact(self, run: dict, path: str) -> bytes:
        return self.read(f"/get-artifact?path={path}&run_uuid={run['info']['run_id']}")

    def kill(self) -> None:
        """Kill the server and its workers."""
        if os.name == "nt":
            subprocess.run(["taskkill", "/F", "/T", "/PID", str(self.process.pid)], capture_output=True)
        elif self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
