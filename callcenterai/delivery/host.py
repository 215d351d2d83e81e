"""Where a stack runs: here, or on a host that is reached by the `ssh` program. Both have the same methods."""

import io
import os
import shlex
import shutil
import socket
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from callcenterai.core.cli import UserError

NOTHING: Mapping[str, str] = MappingProxyType({})
# What compose.yaml mounts or builds from; the images themselves come from the registry.
SENT = ("compose.yaml", "deploy", "Dockerfile.mlflow", ".dockerignore", "models/agent")
QUICK, NOT_FOUND, SSH_FAILED = 60, 127, 255
# A key that is not known, or a question that nobody answers, must end it: no option of ours weakens that.
SSH = "ssh -o BatchMode=yes -o StrictHostKeyChecking=yes -o ConnectTimeout=15".split()
SSH += "-o ServerAliveInterval=15 -o ServerAliveCountMax=4".split()
FIND = 'for name in "$@"; do if test -e "$name"; then echo "$name"; fi; done'
UNPACK = "umask 022 && rm -rf .incoming && mkdir .incoming && tar -x -o -p -f - -C .incoming"
# File by file, each in one step: containers have the folders mounted, so that those must stay the same ones.
MOVE = (
    "umask 022 && cd .incoming && find . -type d -exec mkdir -p ../{} ';' && find . -type f -exec mv -f {} ../{} ';' "
    "&& cd .. && rm -rf .incoming"
)


class Failed(Exception):
    """A step of a deployment that did not succeed; its message says which and what was said last."""


class Call(NamedTuple):
    """A command to run here: what it is called, and its standard input; both: its errors are part of its output."""

    what: str
    command: list[str]
    seconds: float
    folder: Path | None
    variables: Mapping[str, str]
    feed: bytes = b""
    both: bool = False


class Here:
    """This machine, and the folder with compose.yaml and .env."""

    name = "this machine"

    def __init__(self, folder: Path) -> None:
        """The folder is there already."""
        self.folder, self.source = folder, folder

    def run(
        self,
        command: list[str],
        variables: Mapping[str, str] = NOTHING,
        seconds: float = QUICK,
        feed: bytes = b"",
        both: bool = False,
    ) -> bytes:
        """Run a command in the folder and return its stdout, or both outputs; a Failed when it does not succeed."""
        return finish(self._call(command, variables, seconds)._replace(feed=feed, both=both))

    def _call(self, command: list[str], variables: Mapping[str, str], seconds: float) -> Call:
        if shutil.which(command[0]) is None:
            raise UserError(f"{command[0]}: there is no such program here; name the one to use by --compose")
        return Call(command[0], command, seconds, self.folder, os.environ | variables)

    def read(self, name: str) -> str | None:
        """Return the text of a file in the folder; None when it is not there."""
        path = self.folder / name
        return path.read_text(encoding="utf-8") if path.is_file() else None

    def variables(self) -> Mapping[str, str]:
        """Return the environment, which counts more than .env."""
        return os.environ

    def fetch_files(self) -> bytes | None:
        """Return the files as they are, to be sent again; None here, where they are the user's own."""
        return None

    def send_files(self, archive: bytes | None = None) -> None:
        """Do nothing: the files are here."""

    @contextmanager
    def reach(self, ports: Mapping[str, tuple[str, int]]) -> Iterator[dict[str, str]]:
        """Give the addresses at which this process reaches ports of the machine, by name."""
        yield {name: f"http://{host}:{port}" for name, (host, port) in ports.items()}


class Host(Here):
    """Another machine, and a folder there, by default below the user's own."""

    def __init__(self, name: str, folder: str, source: Path, config: Path | None) -> None:
        """Files are sent from source; config is one of ssh's own, with the key and the known hosts."""
        if name.startswith("-") or not name:
            raise UserError(f"{name!r} is no host; write user@host, or a name of ~/.ssh/config")
        self.name, self.folder, self.source = name, Path(folder), source
        self._ssh = [*SSH, *(["-F", str(config)] if config else [])]

    def _call(self, command: list[str], variables: Mapping[str, str], seconds: float) -> Call:
        given = [f"{name}={value}" for name, value in variables.items()]
        # Of a connection that is cut, the other side would not notice: there a timeout ends it too.
        wrapped = shlex.join(["env", *given, "timeout", str(round(seconds)), *command])
        folder = shlex.quote(self.folder.as_posix())
        there = f"mkdir -p {folder} && cd {folder} && exec {wrapped}"
        whole = [*self._ssh, "--", self.name, there]
        return Call(command[0], whole, seconds + QUICK, None, os.environ)

    def read(self, name: str) -> str | None:
        """Return the text of a file in the folder there; None when it is not there."""
        return self.run(["cat", name]).decode() if self._there([name]) else None

    def variables(self) -> Mapping[str, str]:
        """Return nothing: this environment is not the one over there."""
        return NOTHING

    def fetch_files(self) -> bytes | None:
        """Return what of SENT is there, as an archive; None when nothing is."""
        found = self._there(SENT)
        return self.run(["tar", "-c", "-f", "-", *found]) if found else None

    def send_files(self, archive: bytes | None = None) -> None:
        """Replace the files there by ours, or by those of an archive; what else is there stays.

        They are unpacked beside the folder's files first, so that a connection that is cut leaves those as they were.
        """
        self.run(["sh", "-c", UNPACK], feed=pack(self.source) if archive is None else archive)
        self.run(["sh", "-c", MOVE])

    @contextmanager
    def reach(self, ports: Mapping[str, tuple[str, int]]) -> Iterator[dict[str, str]]:
        """Give addresses here that lead through a tunnel to ports over there, by name, while it is open."""
        local = {name: free_port() for name in ports}
        forwards = [f"-L127.0.0.1:{local[name]}:{host}:{port}" for name, (host, port) in ports.items()]
        options = ["-N", "-o", "ExitOnForwardFailure=yes", *forwards, "--", self.name]
        with tempfile.TemporaryFile() as said:
            tunnel = subprocess.Popen([*self._ssh, *options], stdin=subprocess.DEVNULL, stdout=said, stderr=said)
            try:
                for port in local.values():
                    wait_for_tunnel(tunnel, port)
                yield {name: f"http://127.0.0.1:{port}" for name, port in local.items()}
            finally:
                tunnel.terminate()
                tunnel.wait(QUICK)

    def _there(self, names: tuple[str, ...] | list[str]) -> list[str]:
        """Return which of these are in the folder."""
        return self.run(["sh", "-c", FIND, "sh", *names]).decode().splitlines()


def finish(call: Call) -> bytes:
    """Carry a call out and return what it wrote; a Failed, or a UserError when ssh or the program is missing."""
    errors = subprocess.STDOUT if call.both else subprocess.PIPE
    try:
        done = subprocess.run(
            call.command,
            cwd=call.folder,
            env=dict(call.variables),
            input=call.feed,
            stdout=subprocess.PIPE,
            stderr=errors,
            timeout=call.seconds,
        )
    except subprocess.TimeoutExpired:
        raise Failed(f"{call.what} was not done within {call.seconds:g} s") from None
    except FileNotFoundError:
        raise UserError(f"{call.command[0]}: there is no such program here; install it") from None
    if not done.returncode:
        return done.stdout
    said = (done.stderr or done.stdout).decode(errors="replace").strip().splitlines() or ["it said nothing"]
    if call.command[: len(SSH)] == SSH:
        if done.returncode == SSH_FAILED:
            raise UserError(f"ssh: {said[-1].strip()}; it has to get in with a known host key and without a question")
        if done.returncode == NOT_FOUND:
            raise UserError(f"{call.what}: {said[-1].strip()}")
    raise Failed(f"{call.what} failed ({done.returncode}): {' / '.join(line.strip() for line in said[-3:])}")


def pack(folder: Path) -> bytes:
    """Return the files to send as a tar archive that says nothing of this machine's users."""

    def plain(entry: tarfile.TarInfo) -> tarfile.TarInfo:
        entry.uid = entry.gid = 0
        entry.uname = entry.gname = ""
        # The users in the containers are others than the one who unpacks it.
        entry.mode = 0o755 if entry.isdir() or entry.mode & 0o100 else 0o644
        return entry

    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name in SENT:
            archive.add(folder / name, name, filter=plain)
    return buffer.getvalue()


def say(line: str) -> None:
    """Say on stderr how far it is."""
    print(line, file=sys.stderr, flush=True)


def free_port() -> int:
    """Return a port on which nothing listens now."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def wait_for_tunnel(tunnel: subprocess.Popen, port: int) -> None:
    """Wait until a tunnel takes connections at a port; a Failed when it ends or does not in time."""
    ends = time.monotonic() + QUICK
    while time.monotonic() < ends and tunnel.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.1)
    raise Failed(f"ssh opened no tunnel (exit code {tunnel.poll()})")
