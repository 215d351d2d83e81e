"""The machine on which a stack runs: this one, or another that is reached with `ssh`. Both have the same methods."""

import io
import os
import shlex
import shutil
import socket
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from callcenterai.core.cli import UserError

NO_VARIABLES: Mapping[str, str] = MappingProxyType({})
# What compose.yaml mounts or builds from; all other images come from the registry.
SENT_FILES = ("compose.yaml", "deploy", "Dockerfile.mlflow", ".dockerignore", "models/agent")
DEFAULT_SECONDS = 60
# Exit codes of the remote shell and of ssh itself.
COMMAND_NOT_FOUND, SSH_FAILED = 127, 255
# Fail on an unknown host key, and instead of asking a question: none of our options weakens that.
SSH = [
    "ssh",
    *("-o", "BatchMode=yes"),
    *("-o", "StrictHostKeyChecking=yes"),
    *("-o", "ConnectTimeout=15"),
    *("-o", "ServerAliveInterval=15"),
    *("-o", "ServerAliveCountMax=4"),
]
LIST_EXISTING = 'for name in "$@"; do if test -e "$name"; then echo "$name"; fi; done'
UNPACK = "umask 022 && rm -rf .incoming && mkdir .incoming && tar -x -o -p -f - -C .incoming"
# Rename file by file instead of replacing whole folders, because running containers have the folders mounted.
MOVE_INTO_PLACE = (
    "umask 022 && cd .incoming && find . -type d -exec mkdir -p ../{} ';' && find . -type f -exec mv -f {} ../{} ';' "
    "&& cd .. && rm -rf .incoming"
)


class StepFailed(Exception):
    """A step of a deployment failed; the message names the step and the end of its output."""


class Invocation(NamedTuple):
    """A command as it is started on this machine; title is its name in messages."""

    title: str
    command: list[str]
    seconds: float
    folder: Path | None
    variables: Mapping[str, str]
    stdin: bytes = b""
    merge_stderr: bool = False


class LocalHost:
    """This machine, and the folder with compose.yaml and .env."""

    name = "this machine"

    def __init__(self, folder: Path) -> None:
        """Use an existing folder."""
        self.folder, self.source = folder, folder

    def run(
        self,
        command: list[str],
        variables: Mapping[str, str] = NO_VARIABLES,
        seconds: float = DEFAULT_SECONDS,
        stdin: bytes = b"",
        merge_stderr: bool = False,
    ) -> bytes:
        """Run a command in the folder and return its stdout, or stdout and stderr; raise StepFailed if it fails."""
        invocation = self._invocation(command, variables, seconds)
        return run_invocation(invocation._replace(stdin=stdin, merge_stderr=merge_stderr))

    def _invocation(self, command: list[str], variables: Mapping[str, str], seconds: float) -> Invocation:
        if shutil.which(command[0]) is None:
            raise UserError(f"{command[0]}: there is no such program here; name the one to use with --compose")
        return Invocation(command[0], command, seconds, self.folder, os.environ | variables)

    def read(self, name: str) -> str | None:
        """Return the text of a file in the folder, or None if it does not exist."""
        path = self.folder / name
        return path.read_text(encoding="utf-8") if path.is_file() else None

    def variables(self) -> Mapping[str, str]:
        """Return the environment, whose variables override those in .env."""
        return os.environ

    def fetch_files(self) -> bytes | None:
        """Return the current files, to restore them later; None here, because they are the user's own."""
        return None

    def send_files(self, archive: bytes | None = None) -> None:
        """Do nothing: the files are here already."""

    @contextmanager
    def reach(self, ports: Mapping[str, tuple[str, int]]) -> Iterator[dict[str, str]]:
        """Yield, by name, the addresses at which this process reaches the given hosts and ports of the machine."""
        yield {name: f"http://{host}:{port}" for name, (host, port) in ports.items()}


class SshHost(LocalHost):
    """Another machine and a folder there; a relative path starts in the user's home."""

    def __init__(self, name: str, folder: str, source: Path, config: Path | None) -> None:
        """Send files from source; config is a file for `ssh -F` with the key and the known hosts."""
        if name.startswith("-") or not name:
            raise UserError(f"{name!r} is not a host; write user@host, or a name from ~/.ssh/config")
        self.name, self.folder, self.source = name, Path(folder), source
        self._ssh = [*SSH, *(["-F", str(config)] if config else [])]

    def _invocation(self, command: list[str], variables: Mapping[str, str], seconds: float) -> Invocation:
        assignments = [f"{name}={value}" for name, value in variables.items()]
        # The other side does not notice a lost connection, so a timeout over there ends the command too.
        wrapped = shlex.join(["env", *assignments, "timeout", str(round(seconds)), *command])
        folder = shlex.quote(self.folder.as_posix())
        remote = f"mkdir -p {folder} && cd {folder} && exec {wrapped}"
        ssh_command = [*self._ssh, "--", self.name, remote]
        return Invocation(command[0], ssh_command, seconds + DEFAULT_SECONDS, None, os.environ)

    def read(self, name: str) -> str | None:
        """Return the text of a file in the folder there, or None if it does not exist."""
        return self.run(["cat", name]).decode() if self._existing([name]) else None

    def variables(self) -> Mapping[str, str]:
        """Return nothing: the environment of this machine does not apply there."""
        return NO_VARIABLES

    def fetch_files(self) -> bytes | None:
        """Return those of SENT_FILES that exist there as a tar archive, or None if there are none."""
        found = self._existing(SENT_FILES)
        return self.run(["tar", "-c", "-f", "-", *found]) if found else None

    def send_files(self, archive: bytes | None = None) -> None:
        """Replace the files there with ours, or with those of an archive; other files stay.

        They are unpacked into a folder beside them first, so that a lost connection leaves the old files in place.
        """
        self.run(["sh", "-c", UNPACK], stdin=pack_files(self.source) if archive is None else archive)
        self.run(["sh", "-c", MOVE_INTO_PLACE])

    @contextmanager
    def reach(self, ports: Mapping[str, tuple[str, int]]) -> Iterator[dict[str, str]]:
        """Yield, by name, local addresses that lead to hosts and ports over there through a tunnel."""
        local = {name: free_port() for name in ports}
        forwards = [f"-L127.0.0.1:{local[name]}:{host}:{port}" for name, (host, port) in ports.items()]
        options = ["-N", "-o", "ExitOnForwardFailure=yes", *forwards, "--", self.name]
        with tempfile.TemporaryFile() as log:
            tunnel = subprocess.Popen([*self._ssh, *options], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
            try:
                for port in local.values():
                    wait_for_tunnel(tunnel, port)
                yield {name: f"http://127.0.0.1:{port}" for name, port in local.items()}
            finally:
                tunnel.terminate()
                tunnel.wait(DEFAULT_SECONDS)

    def _existing(self, names: Sequence[str]) -> list[str]:
        """Return those of the names that exist in the folder."""
        return self.run(["sh", "-c", LIST_EXISTING, "sh", *names]).decode().splitlines()


def run_invocation(invocation: Invocation) -> bytes:
    """Run a command and return its output; raise StepFailed, or a UserError if ssh or the program is missing."""
    try:
        done = subprocess.run(
            invocation.command,
            cwd=invocation.folder,
            env=dict(invocation.variables),
            input=invocation.stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if invocation.merge_stderr else subprocess.PIPE,
            timeout=invocation.seconds,
        )
    except subprocess.TimeoutExpired:
        raise StepFailed(f"{invocation.title} did not finish within {invocation.seconds:g} s") from None
    except FileNotFoundError:
        raise UserError(f"{invocation.command[0]}: there is no such program here; install it") from None
    if done.returncode:
        raise _failure(invocation, done)
    return done.stdout


def _failure(invocation: Invocation, done: subprocess.CompletedProcess[bytes]) -> Exception:
    """Return the exception for a command that failed: a UserError if ssh itself did or found no such program."""
    output = (done.stderr or done.stdout).decode(errors="replace").strip().splitlines() or ["no output"]
    last = output[-1].strip()
    if invocation.command[: len(SSH)] == SSH:
        if done.returncode == SSH_FAILED:
            return UserError(f"ssh: {last}; it has to connect with a known host key and without asking a question")
        if done.returncode == COMMAND_NOT_FOUND:
            return UserError(f"{invocation.title}: {last}")
    end = " / ".join(line.strip() for line in output[-3:])
    return StepFailed(f"{invocation.title} failed ({done.returncode}): {end}")


def pack_files(folder: Path) -> bytes:
    """Return SENT_FILES as a tar archive without this machine's users."""

    def anonymous(entry: tarfile.TarInfo) -> tarfile.TarInfo:
        entry.uid = entry.gid = 0
        entry.uname = entry.gname = ""
        # Readable for everybody, because the containers run as other users than the one who unpacks it.
        entry.mode = 0o755 if entry.isdir() or entry.mode & 0o100 else 0o644
        return entry

    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name in SENT_FILES:
            archive.add(folder / name, name, filter=anonymous)
    return buffer.getvalue()


def free_port() -> int:
    """Return a port on which nothing listens now."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def wait_for_tunnel(tunnel: subprocess.Popen, port: int) -> None:
    """Wait until the tunnel accepts connections on the port; raise StepFailed if it ends or times out."""
    ends = time.monotonic() + DEFAULT_SECONDS
    while time.monotonic() < ends and tunnel.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.1)
    raise StepFailed(f"ssh opened no tunnel (exit code {tunnel.poll()})")
