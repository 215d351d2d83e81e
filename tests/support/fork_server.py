"""Starts commands of Python in a process that has imported their libraries already.

A command of this repository needs seconds for importing MLflow, scikit-learn or FastAPI, and often less for its work.
So each test process keeps one process that has imported them. For each command it forks; the copy takes the command's
folder, environment, arguments and output files, runs it as `__main__` and exits as Python does. It begins without
modules of this repository, since a command may belong to a clone, and without connections.

`start` makes a new process for other programs and for Python with options (`-c`, `-X`), where the system cannot fork,
and where variables differ that Python and its libraries read when they start. What a test promises about the start
itself (`--help`, imports, environments, memory) needs a new process, by subprocess.
"""

import atexit
import contextlib
import gc
import json
import os
import runpy
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import IO, Any

LIBRARIES = (
    *("mlflow.sklearn", "mlflow.store.tracking.sqlalchemy_store", "mlflow.store.model_registry.sqlalchemy_store"),
    *("sklearn.calibration", "sklearn.ensemble", "sklearn.svm", "callcenterai.artifact.skops_import"),
    *("matplotlib.figure", "scipy.stats", "dvc.cli", "dvc.repo", "dvc.commands.repro"),
    *("distributed.cli.dask_scheduler", "distributed.cli.dask_worker"),
    *("alembic.command", "fastapi", "httpx", "jinja2", "prometheus_client", "pydantic_settings", "uvicorn.main"),
)
# Each command imports these from its own repository.
OURS = ("callcenterai", "services")
# Python and its libraries read these variables when they start.
READ_AT_START = ("PYTHON", "COVERAGE_", "DASK_", "LD_", "MPL", "OMP_", "OPENBLAS_")
NUMBER = struct.Struct("!i")
# The code with which a command's process exits; that of an exception which nothing caught, unless it says another.
ending = {"code": 1}


class ForkedCommand:
    """A running command, with what tests use of subprocess.Popen."""

    def __init__(self, answers: socket.socket) -> None:
        """Read the process id; the exit code follows when the command has ended."""
        self._answers = answers
        self.returncode: int | None = None
        self.pid = self._read_number()

    def _read_number(self) -> int:
        return NUMBER.unpack(_read(self._answers, NUMBER.size))[0]

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit code; -N if signal N ended the command."""
        if self.returncode is None:
            self._answers.settimeout(timeout)
            try:
                self.returncode = self._read_number()
            except (TimeoutError, BlockingIOError):
                raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0) from None
            self._answers.close()
        return self.returncode

    def poll(self) -> int | None:
        """Return the exit code, or None while the command runs."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def start(
    command: Sequence[str], folder: Path, variables: dict[str, str], output: IO, errors: IO, own_group: bool = False
) -> subprocess.Popen | ForkedCommand:
    """Start a command in a folder, with these environment variables, and return the process."""
    if not _can_be_forked(command, variables):
        options: dict[str, Any] = {"cwd": folder, "env": variables, "start_new_session": own_group}
        return subprocess.Popen(command, stdout=output, stderr=errors, **options)
    told = {"arguments": command[1:], "folder": str(folder), "variables": variables, "own_group": own_group}
    content = json.dumps(told).encode()
    answers, theirs = socket.socketpair()
    lock, server = _server()
    with lock, theirs:
        socket.send_fds(server, [NUMBER.pack(len(content))], [theirs.fileno(), output.fileno(), errors.fileno()])
        server.sendall(content)
    return ForkedCommand(answers)


def run_to_end(
    command: Sequence[str], folder: Path, variables: dict[str, str], timeout: float | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command as `start` does; return its exit code, output and errors."""
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
        process = start(command, folder, variables, output, errors)
        try:
            code = process.wait(timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        output.seek(0)
        errors.seek(0)
        return subprocess.CompletedProcess(command, code, output.read(), errors.read())


def _can_be_forked(command: Sequence[str], variables: dict[str, str]) -> bool:
    """Return whether a command is a script or `-m MODULE`, whose libraries would find the same variables."""
    program, first = command[:2]
    runs_file = program == sys.executable and (first == "-m" or not first.startswith("-"))
    return runs_file and hasattr(os, "fork") and _read_at_start(variables) == _read_at_start(dict(os.environ))


def _read_at_start(variables: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in variables.items() if name.startswith(READ_AT_START)}


@cache
def _server() -> tuple[threading.Lock, socket.socket]:
    """Start this test process's server; it ends when the test process does, which closes the socket."""
    ours, theirs = socket.socketpair()
    # The package sets this variable before it imports MLflow.
    variables = os.environ | {"MLFLOW_DISABLE_TELEMETRY": "true"}
    command = [sys.executable, __file__, str(theirs.fileno())]
    subprocess.Popen(command, env=variables, stdin=subprocess.DEVNULL, pass_fds=[theirs.fileno()])
    theirs.close()
    return threading.Lock(), ours


def _read(source: socket.socket, size: int) -> bytes:
    """Return exactly this many bytes."""
    content = b""
    while len(content) < size:
        piece = source.recv(size - len(content))
        if not piece:
            raise EOFError("the other side of the socket has ended")
        content += piece
    return content


def _import_libraries() -> None:
    root = str(Path(__file__).resolve().parents[2])
    sys.path[0] = root
    for name in LIBRARIES:
        import_module(name)
    for name in [name for name in sys.modules if name.partition(".")[0] in OURS]:
        del sys.modules[name]
    sys.path.remove(root)
    assert threading.active_count() == 1, "a fork copies no thread"
    # What is allocated so far is not examined for garbage again, so the copies share its memory.
    gc.freeze()


def serve(requests: socket.socket) -> dict[str, Any] | None:
    """Fork for each request; return the request in the process that has to run it, and None at the end."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        header, files, _, _ = socket.recv_fds(requests, NUMBER.size, 3)
        if not header:
            return None
        told = json.loads(_read(requests, NUMBER.unpack(header)[0]))
        if os.fork() == 0:
            requests.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            answers, output, errors = files
            command = os.fork()
            if command == 0:
                _become(told, output, errors)
                for each in files:
                    os.close(each)
                return told
            _report(command, answers)
            os._exit(0)
        for each in files:
            os.close(each)


def _report(command: int, answers: int) -> None:
    """Send the process id of a command, and its exit code when it has ended, unless nobody waits for it any more."""
    with contextlib.suppress(BrokenPipeError):
        os.write(answers, NUMBER.pack(command))
        os.write(answers, NUMBER.pack(os.waitstatus_to_exitcode(os.waitpid(command, 0)[1])))


def _become(told: dict[str, Any], output: int, errors: int) -> None:
    """Take the folder, the variables and the files of a command."""
    os.dup2(output, 1)
    os.dup2(errors, 2)
    os.chdir(told["folder"])
    os.environ.clear()
    os.environ.update(told["variables"])
    if told["own_group"]:
        os.setsid()


def run_as_main(arguments: Sequence[str]) -> None:
    """Run a script or `-m MODULE` as Python's own start does, and note the exit code."""
    try:
        _run_as_main(*arguments)
        ending["code"] = 0
    except SystemExit as end:
        ending["code"] = end.code if isinstance(end.code, int) else int(end.code is not None)
        raise


def _run_as_main(first: str, *others: str) -> None:
    if first == "-m":
        sys.path.insert(0, str(Path.cwd()))
        sys.argv = list(others)
        runpy.run_module(others[0], run_name="__main__", alter_sys=True)
    else:
        script = Path(first).absolute()
        sys.path.insert(0, str(script.parent))
        sys.argv = [first, *others]
        runpy.run_path(str(script), run_name="__main__")


def leave() -> None:
    """Exit now: to destroy all that the libraries made, as Python does at its end, would take a quarter of a second."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(ending["code"])


if __name__ == "__main__":
    # Registered first, it is called last, after what the command itself registers.
    atexit.register(leave)
    _import_libraries()
    request = serve(socket.socket(fileno=int(sys.argv[1])))
    if request:
        run_as_main(request["arguments"])
