"""One container of Docker or Podman, started as compose.yaml starts it; needs nothing beyond the standard library."""

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
# As in compose.yaml; tests/delivery/test_check_image.py compares them.
HARDENED = ("--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges:true", "--pids-limit", "256")
# A CI machine that is busy needs longer than a service does.
PATIENCE = 60


class EngineError(Exception):
    """The engine refused; the message is what it said."""


class Answer(NamedTuple):
    """What came back over HTTP."""

    status: int
    kind: str
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON, or None when it is none."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None


@dataclass(frozen=True)
class Limits:
    """What a service may use, in the words of the engines' options, and the port it listens on."""

    port: int
    memory: str
    cpus: str
    tmp: str

    @property
    def options(self) -> list[str]:
        """The options for the engine; the port is published on loopback, under a number that is free."""
        published = f"127.0.0.1::{self.port}"
        limits = ["--memory", self.memory, "--cpus", self.cpus, "--tmpfs", f"/tmp:size={self.tmp}"]  # nosec B108
        return [*HARDENED, *limits, "--publish", published]


def find_engine(asked: str | None) -> str:
    """Return the engine that was asked for, or Docker if it answers, or Podman; a UserError when there is none."""
    reasons = []
    for engine in (asked,) if asked else ENGINES:
        if shutil.which(engine) is None:
            reasons.append(f"{engine} is not on the PATH")
            continue
        try:
            call(engine, "version", *(("--format", "{{.Server.Version}}") if engine == "docker" else ()))
            return engine
        except EngineError as error:
            reasons.append(f"{engine} does not answer: {error}")
    raise UserError(f"no engine to run an image: {'; '.join(reasons)}")


def call(engine: str, *arguments: str, variables: Mapping[str, str] | None = None) -> str:
    """Run a command of the engine and return what it prints; an EngineError when it fails."""
    try:
        done = subprocess.run(
            [engine, *arguments],
            env=os.environ | (variables or {}),
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="replace",
            timeout=PATIENCE,
        )
    except subprocess.TimeoutExpired:
        raise EngineError(f"`{engine} {arguments[0]}` took longer than {PATIENCE} s") from None
    if done.returncode:
        said = done.stderr.strip() or done.stdout.strip() or f"exit code {done.returncode}"
        # The reason is in the last line; before it Podman warns of what it misses on this machine.
        raise EngineError(said.splitlines()[-1])
    return done.stdout


def size_of(engine: str, image: str) -> int:
    """Return the size of an image in bytes; a UserError when there is no such image here."""
    try:
        return int(call(engine, "image", "inspect", "--format", "{{.Size}}", image))
    except EngineError:
        raise UserError(f"{engine} has no image {image!r}; `{engine} build -f Dockerfile.NAME -t {image} .`") from None


def health_command(config: Mapping[str, Any]) -> list[str]:
    """Return the command of an image's HEALTHCHECK from its configuration, as `exec` takes it; empty without one."""
    kind, *command = (config.get("Healthcheck") or {}).get("Test") or ["NONE"]
    if kind == "NONE":
        return []
    return ["/bin/sh", "-c", *command] if kind == "CMD-SHELL" else command


def last_lines(log: bytes, lines: int) -> str:
    """Return the end of a container's whole log.

    With --tail Podman 4.3 leaves the first line of a log out when it was written in two parts, as print() does where
    nothing is buffered. That may be all that a service has said.
    """
    return "\n".join(log.decode(errors="replace").strip().splitlines()[-lines:])


class Container:
    """A container that is there, running or not."""

    def __init__(self, engine: str, name: str, port: int) -> None:
        """Take one over that the engine knows by this name, and whose service listens on this port."""
        self.engine, self.name, self.port = engine, name, port

    def call(self, command: str, *arguments: str) -> str:
        """Run a command of the engine on this container."""
        return call(self.engine, command, *arguments, self.name)

    def inspect(self) -> dict[str, Any]:
        """Return what the engine knows about it."""
        return json.loads(self.call("inspect"))[0]

    def execute(self, *command: str) -> str:
        """Run a command inside and return what it prints."""
        return call(self.engine, "exec", self.name, *command)

    def logs(self, lines: int) -> str:
        """Return the last lines of its log."""
        command = [self.engine, "logs", self.name]
        # The engine gives each of the two streams on its own.
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=PATIENCE)
        return last_lines(done.stdout, lines)

    def address(self) -> tuple[str, int]:
        """Return where its service is published."""
        published = call(self.engine, "port", self.name, f"{self.port}/tcp").split()
        if not published:
            raise EngineError("its port is not published: the container has ended")
        host, _, port = published[0].rpartition(":")
        return host, int(port)

    def ask(self, path: str, value: Any = None, key: str | None = None) -> Answer:
        """Return the answer to a GET or, with a value, to a POST of JSON; an OSError when there is none."""
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        body = None if value is None else json.dumps(value).encode()
        if body is not None:
            headers["Content-Type"] = "application/json"
        connection = http.client.HTTPConnection(*self.address(), timeout=30)
        try:
            connection.request("GET" if body is None else "POST", path, body, headers)
            answer = connection.getresponse()
            return Answer(answer.status, answer.headers.get_content_type(), answer.read())
        except http.client.HTTPException as error:
            raise ConnectionError(f"no HTTP answer ({type(error).__name__})") from None
        finally:
            connection.close()

    def stop(self, seconds: int) -> tuple[float, int]:
        """Send SIGTERM and, after so many seconds, SIGKILL; return how long that took and the exit code."""
        started = time.monotonic()
        self.call("stop", "-t", str(seconds))
        return time.monotonic() - started, self.inspect()["State"]["ExitCode"]


@contextmanager
def created(
    engine: str, image: str, limits: Limits, variables: Mapping[str, str], mounted: Mapping[str, Path]
) -> Iterator[Container]:
    """Create a container that is not yet started, and remove it in the end, with its volumes.

    mounted: what is to be found read-only under which path inside.
    """
    name = f"callcenterai-{uuid.uuid4().hex[:12]}"
    options = [*limits.options, "--pull", "never"]
    for path, source in mounted.items():
        options += ["--mount", f"type=bind,source={source.resolve()},target={path},readonly"]
    for variable in variables:
        # By its name alone: what it holds comes from the environment, so that no list of processes shows a key.
        options += ["--env", variable]
    try:
        call(engine, "create", "--name", name, *options, image, variables=variables)
        yield Container(engine, name, limits.port)
    finally:
        subprocess.run([engine, "rm", "--force", "--volumes", name], capture_output=True, timeout=PATIENCE)
