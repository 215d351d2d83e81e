"""The stack of compose.yaml, started with podman-compose in a copy of the repository."""

import json
import os
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
import uuid
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.once import made_once, one_build_at_a_time
from support.processes import free_port, run, wait_until
from support.repository import REPOSITORY, unpack

# Only a tool of the tests, so it gets its own environment instead of a place in requirements-ci.txt.
PODMAN_COMPOSE = "podman-compose==1.6.0"
PUBLISHED = ("mlflow", "agent", "web")
BUILT = (*PUBLISHED, "tfidf", "transformer")
STARTED = (*BUILT, "postgres")


def install_podman_compose(folder: Path) -> None:
    """Install podman-compose into an environment; skip the test if that is impossible."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    uv = [sys.executable, "-m", "uv", "pip", "install", "-q", "--python", str(folder / "bin" / "python")]
    done = subprocess.run([*uv, PODMAN_COMPOSE], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"{PODMAN_COMPOSE} cannot be installed here: {done.stderr[-200:]}")


class ComposeStack:
    """A stack with its own secrets, ports and volumes."""

    def __init__(self, folder: Path, factory: pytest.TempPathFactory, start: bool = True) -> None:
        """Build the images, unless another stack of this test run has built them, and start it by default."""
        self.folder, self.name = folder / "copy", f"stack-{uuid.uuid4().hex[:8]}"
        self.tools = made_once(factory, "podman-compose", install_podman_compose) / "bin"
        unpack(self.folder)
        # pytest's folders are private to their owner, but the containers read them as another user.
        for place in (self.folder, *self.folder.parents[:3]):
            place.chmod(0o755)
        run(self.folder, "scripts/make_secrets.py", ".env")
        self.ports = {name: free_port() for name in PUBLISHED}
        lines = [f"{name.upper()}_PORT={port}" for name, port in self.ports.items()]
        lines += [f"{name.upper()}_IMAGE=callcenterai-{name}-test" for name in BUILT]
        with (self.folder / ".env").open("a", encoding="utf-8") as file:
            file.write("\n".join(lines) + "\n")
        made_once(factory, "images", lambda _: self.build())
        if start:
            self.start()

    def start(self) -> None:
        """Start it, and wait until the published services answer."""
        try:
            self.compose("up", "-d")
            for name in PUBLISHED:
                wait_until(lambda name=name: self.answers(name), 180)
        except BaseException:
            self.stop()
            raise

    def compose(self, *arguments: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess:
        """Run podman-compose and insist on success."""
        command = [str(self.tools / "podman-compose"), "-p", self.name, *arguments]
        # Podman's default image format has no health checks.
        env = os.environ | {"BUILDAH_FORMAT": "docker"} if env is None else env
        done = subprocess.run(command, cwd=self.folder, env=env, capture_output=True, text=True)
        assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
        return done

    def build(self) -> None:
        """Build our images and, if PostgreSQL's is missing, a stand-in with the official one's tag."""
        official = yaml.safe_load((REPOSITORY / "compose.yaml").read_text(encoding="utf-8"))["services"]["postgres"]
        stand_in = [
            "podman",
            "build",
            "-q",
            "-t",
            official["image"],
            str(REPOSITORY / "tests" / "support" / "containers" / "postgres_stand_in"),
        ]
        with one_build_at_a_time():
            if subprocess.run(["podman", "image", "exists", official["image"]]).returncode:
                subprocess.run(stand_in, check=True, capture_output=True)
            # One after the other: builds at the same time would each make the first layers, and later builds of the
            # same images would reuse those of one of them only.
            for name in BUILT:
                self.compose("build", name)

    def answers(self, name: str) -> bool:
        """Whether a published service is alive."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.ports[name]}/health", timeout=5) as answer:
                return answer.status == 200
        except OSError:
            return False

    def secret(self, name: str) -> str:
        """Return one of the secrets."""
        lines = (self.folder / ".env").read_text(encoding="utf-8").splitlines()
        return next(line.partition("=")[2] for line in lines if line.startswith(f"{name}="))

    def login(self) -> dict[str, str]:
        """Return the variables with which commands use MLflow as its administrator."""
        address = f"http://127.0.0.1:{self.ports['mlflow']}"
        login = {"MLFLOW_TRACKING_USERNAME": "admin", "MLFLOW_TRACKING_PASSWORD": self.secret("MLFLOW_ADMIN_PASSWORD")}
        return {"MLFLOW_TRACKING_URI": address} | login

    def agent(self, path: str, body: Any = None, key: str | None = None) -> tuple[int, Any]:
        """Send a request to the agent; return its status and JSON."""
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {key or self.secret('AGENT_API_KEY')}"}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.ports['agent']}{path}", data, headers)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read())

    def podman(self, command: str, name: str, *more: str) -> subprocess.CompletedProcess:
        """Run a podman command on a service's container."""
        container = f"{self.name}_{name}_1"
        return subprocess.run(["podman", *command.split(), container, *more], capture_output=True, text=True)

    def is_healthy(self, name: str) -> bool:
        """Whether a service's health check passes; without systemd, Podman never runs it by itself."""
        return self.podman("healthcheck run", name).returncode == 0

    def user(self, name: str) -> str:
        """Return the id of the user that a service runs as."""
        return self.podman("exec", name, "id", "-u").stdout.strip()

    def stop(self) -> None:
        """Remove containers, networks and volumes."""
        command = [str(self.tools / "podman-compose"), "-p", self.name, "down", "-v", "-t", "5"]
        subprocess.run(command, cwd=self.folder, capture_output=True)
        shutil.rmtree(self.folder)
