"""Start one container with Docker or Podman the way compose.yaml does: read-only and without privileges.

CI runs this before anything is installed, so it uses the standard library only.
"""

import http.client
import json
import os
import shutil
import subprocess
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from callcenterai.core.cli import UserError

ENGINES = ("docker", "podman")
# The same as in compose.yaml: tests/delivery/test_check_image.py compares them.
HARDENED_OPTIONS = (
    "--read-only",
    "--cap-drop",
    "ALL",
    "--security-opt",
    "no-new-privileges:true",
    "--pids-limit",
    "256",
)
# Generous, because a busy CI machine is slow.
TIMEOUT_SECONDS = 60


class EngineError(Exception):
    """A command of the engine failed; the message is the last line that the engine printed."""


class HttpAnswer(NamedTuple):
    """The answer to an HTTP request."""

    status: int
    content_type: str
    body: bytes

    @property
    def json(self) -> Any:
        """The body parsed as JSON, or None if it is not JSON."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None


@dataclass(frozen=True)
class ServiceLimits:
    """The port of a service and its resource limits, written as the engine's options take them."""

    port: int
    memory: str
    cpus: str
    tmp: str

    @property
    def options(self) -> list[str]:
        """The engine's options; the port is published on loopback under any free number."""
        published = f"127.0.0.1::{self.port}"
        # B108 warns of a shared /tmp: this one is inside the container, which has it to itself.
        limits = ["--memory", self.memory, "--cpus", self.cpus, "--tmpfs", f"/tmp:size={self.tmp}"]  # nosec B108
        return [*HARDENED_OPTIONS, *limits, "--publish", published]


def find_engine(wanted: str | None) -> str:
    """Return the wanted engine or, by default, the first of Docker and Podman that responds."""
    reasons = []
    for engine in (wanted,) if wanted else ENGINES:
        if shutil.which(engine) is None:
            reasons.append(f"{engine} is not on the PATH")
            continue
        try:
            run_engine(engine, "version", *(("--format", "{{.Server.Version}}") if engine == "docker" else ()))
            return engine
        except EngineError as error:
            reasons.append(f"{engine} does not answer: {error}")
    raise UserError(f"no engine to run an image: {'; '.join(reasons)}")


def run_engine(engine: str, *arguments: str, variables: Mapping[str, str] | None = None) -> str:
    """Run a command of the engine and return its stdout; raise an EngineError if it fails."""
    try:
        done = subprocess.run(
            [engine, *arguments],
            env=os.environ | (variables or {}),
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="replace",
            timeout=TIMEOUT_SECONDS,
        )
    except subprocess.TimeoutExpired:
        raise EngineError(f"`{engine} {arguments[0]}` took longer than {TIMEOUT_SECONDS} s") from None
    if done.returncode:
        output = done.stderr.strip() or done.stdout.strip() or f"exit code {done.returncode}"
        # The reason is in the last line; the lines before it may be Podman's warnings about this machine.
        raise EngineError(output.splitlines()[-1])
    return done.stdout


def image_size(engine: str, image: str) -> int:
    """Return the size of a local image in bytes; raise a UserError if there is no such image."""
    try:
        return int(run_engine(engine, "image", "inspect", "--format", "{{.Size}}", image))
    except EngineError:
        raise UserError(f"{engine} has no image {image!r}; `{engine} build -f Dockerfile.NAME -t {image} .`") from None


def health_command(config: Mapping[str, Any]) -> list[str]:
    """Return the HEALTHCHECK command from an image's configuration, ready for `exec`; empty if there is none."""
    kind, *command = (config.get("Healthcheck") or {}).get("Test") or ["NONE"]
    if kind == "NONE":
        return []
    return ["/bin/sh", "-c", *command] if kind == "CMD-SHELL" else command


def last_lines(log: bytes, lines: int) -> str:
    """Return the last lines of a container's complete log.

    Do not use `logs --tail` instead: Podman 4.3 then drops the first line of a log if it was written in two parts, as
    an unbuffered print() does, and that line may be the only one.
    """
    return "\n".join(log.decode(errors="replace").strip().splitlines()[-lines:])


class Container:
    """A container that exists, running or not."""

    def __init__(self, engine: str, name: str, port: int) -> None:
        """Wrap the container that the engine knows by this name and whose service listens on this port."""
        self.engine, self.name, self.port = engine, name, port

    def run_command(self, command: str, *arguments: str) -> str:
        """Run a command of the engine, such as `restart`, on this container."""
        return run_engine(self.engine, command, *arguments, self.name)

    def start(self) -> None:
        """Start it."""
        self.run_command("start")

    def inspect(self) -> dict[str, Any]:
        """Return the engine's description of it."""
        return json.loads(self.run_command("inspect"))[0]

    def execute(self, *command: str) -> str:
        """Run a command inside and return its stdout."""
        return run_engine(self.engine, "exec", self.name, *command)

    def logs(self, lines: int) -> str:
        """Return the last lines of its log."""
        command = [self.engine, "logs", self.name]
        # The engine writes the service's stdout and stderr to its own.
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=TIMEOUT_SECONDS)
        return last_lines(done.stdout, lines)

    def address(self) -> tuple[str, int]:
        """Return the host and the port at which its service is published."""
        published = run_engine(self.engine, "port", self.name, f"{self.port}/tcp").split()
        if not published:
            raise EngineError("its port is not published: the container has ended")
        host, _, port = published[0].rpartition(":")
        return host, int(port)

    def request(self, path: str, value: Any = None, key: str | None = None) -> HttpAnswer:
        """Send a GET or, with a value, a POST of JSON; raise an OSError if there is no HTTP answer."""
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        body = None if value is None else json.dumps(value).encode()
        if body is not None:
            headers["Content-Type"] = "application/json"
        connection = http.client.HTTPConnection(*self.address(), timeout=30)
        try:
            connection.request("GET" if body is None else "POST", path, body, headers)
            answer = connection.getresponse()
            return HttpAnswer(answer.status, answer.headers.get_content_type(), answer.read())
        except http.client.HTTPException as error:
            raise ConnectionError(f"no HTTP answer ({type(error).__name__})") from None
        finally:
            connection.close()

    def stop(self, seconds: int) -> tuple[float, int]:
        """Send SIGTERM and, after this many seconds, SIGKILL; return the time that it took and the exit code."""
        started = time.monotonic()
        self.run_command("stop", "-t", str(seconds))
        return time.monotonic() - started, self.inspect()["State"]["ExitCode"]


@contextmanager
def create_container(
    engine: str, image: str, limits: ServiceLimits, variables: Mapping[str, str], mounts: Mapping[str, Path]
) -> Iterator[Container]:
    """Create a container without starting it, and remove it and its volumes on exit.

    mounts maps a path in the container to the local file or folder that is mounted there read-only.
    """
    name = f"callcenterai-{uuid.uuid4().hex[:12]}"
    options = [*limits.options, "--pull", "never"]
    for path, source in mounts.items():
        options += ["--mount", f"type=bind,source={source.resolve()},target={path},readonly"]
    for variable in variables:
        # Only the name: the engine takes the value from its environment, so that keys do not show in process lists.
        options += ["--env", variable]
    try:
        run_engine(engine, "create", "--name", name, *options, image, variables=variables)
        yield Container(engine, name, limits.port)
    finally:
        subprocess.run([engine, "rm", "--force", "--volumes", name], capture_output=True, timeout=TIMEOUT_SECONDS)
