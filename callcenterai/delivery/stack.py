"""The stack of compose.yaml on a host: which images it runs, starting, health, logs, and images that can be removed.

Only what both `docker compose` and `podman-compose` support is used; what runs now is always asked of the engine.
"""

import hashlib
import json
import re
import shlex
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from callcenterai.core.cli import UserError, print_progress
from callcenterai.delivery.engine import health_command, last_lines
from callcenterai.delivery.host import NO_VARIABLES, LocalHost, StepFailed

SERVICES = ("tfidf", "transformer", "agent", "web")
IMAGE_FORMAT = "{{.Repository}} {{.Tag}} {{.Digest}} {{.ID}}"
OUR_LABEL = "label=org.opencontainers.image.vendor=CallCenterAI"
# Podman's default image format has no health checks.
BUILD_VARIABLES = {"BUILDAH_FORMAT": "docker"}
# Enough to pull or build an image, and to start everything, including a pull of PostgreSQL's image.
LONG_SECONDS = 1200
POLL_SECONDS = 1.0
MAX_RESTARTS = 4


class ServiceContainer(NamedTuple):
    """A container of the stack, with the name of its image and the command of its health check."""

    id: str
    image: str
    health: list[str]
    restarts: int


def image_variable(service: str) -> str:
    """Return the variable from which compose.yaml takes a service's image."""
    return f"{service.upper()}_IMAGE"


class Stack:
    """A compose project on a host."""

    def __init__(self, host: LocalHost, compose: str, project: str) -> None:
        """Compose is the command, "docker compose" or "podman-compose"; raise a UserError if it is neither."""
        self.host, self.project = host, project
        self._compose = [*shlex.split(compose), "-p", project]
        self.engine = Path(self._compose[0]).name.removesuffix("-compose")
        if self.engine not in ("docker", "podman"):
            raise UserError(f"--compose {compose!r}: it has to be docker compose or podman-compose")

    def run_engine(self, *arguments: str, seconds: float = 60) -> str:
        """Run a command of the engine and return its stdout."""
        return self.host.run([self.engine, *arguments], seconds=seconds).decode()

    def run_compose(self, *arguments: str, images: Mapping[str, str] = NO_VARIABLES) -> None:
        """Run a compose command with these images, which override those in .env."""
        self.host.run([*self._compose, *arguments], BUILD_VARIABLES | dict(images), LONG_SECONDS)

    def containers(self) -> dict[str, ServiceContainer]:
        """Return the containers by service, whether they run or not."""
        chosen = ["--filter", f"label=com.docker.compose.project={self.project}"]
        ids = self.run_engine("ps", "-a", "-q", "--no-trunc", *chosen).split()
        found = {}
        for each in json.loads(self.run_engine("container", "inspect", *ids)) if ids else []:
            labels, config = each["Config"]["Labels"], each["Config"]
            if labels.get("com.docker.compose.oneoff") != "True":
                # Podman puts localhost/ before the names of images that are built here.
                image = config["Image"].removeprefix("localhost/")
                found[labels["com.docker.compose.service"]] = ServiceContainer(
                    each["Id"], image, health_command(config), each.get("RestartCount", 0)
                )
        return found

    def images(self) -> dict[str, str]:
        """Return the variables that would start the current images of the four services and of MLflow."""
        found = self.containers()
        return {image_variable(name): found[name].image for name in (*SERVICES, "mlflow") if name in found}

    def pull(self, image: str) -> None:
        """Pull an image; raise a UserError if that fails."""
        try:
            self.run_engine("pull", image, seconds=LONG_SECONDS)
        except StepFailed as failure:
            raise UserError(
                f"{image} cannot be pulled, so nothing was changed on {self.host.name}: {failure}; check the digest, "
                f"and `{self.engine} login` there"
            ) from None

    def mlflow_image(self) -> str:
        """Return a name for MLflow's image that contains a hash of its sources, so that a change gets a new name."""
        files = ("requirements.txt", "team_server.py")
        sources = ("Dockerfile.mlflow", "deploy/uv/requirements.txt", *(f"deploy/mlflow/{name}" for name in files))
        content = b"".join((self.host.source / name).read_bytes() for name in sources)
        return f"{self.project}-mlflow:{hashlib.sha256(content).hexdigest()[:12]}"

    def build_mlflow(self, images: Mapping[str, str]) -> None:
        """Build MLflow's image, unless one of that name, and therefore of the same files, exists."""
        try:
            self.run_engine("image", "inspect", images[image_variable("mlflow")])
        except StepFailed:
            print_progress(f"building {images[image_variable('mlflow')]}")
            self.run_compose("build", "mlflow", images=images)

    def up(self, images: dict[str, str], seconds: float) -> None:
        """Start these images and wait until they are healthy; raise StepFailed if they are not, or if others run."""
        self.run_compose("up", "-d", "--no-build", images=images)
        running = self.images()
        for name, image in images.items():
            if running.get(name) != image:
                raise StepFailed(f"{name} is {running.get(name)} after `up`, not {image}")
        self.wait_until_healthy(seconds)

    def down(self, images: Mapping[str, str]) -> None:
        """Stop and remove the containers; volumes stay."""
        self.run_compose("down", images=images)
        left = [container.id for container in self.containers().values()]
        if left:
            # A container in a restart loop may start again between podman-compose's `stop` and `rm`.
            self.run_engine("rm", "-f", *left)
            self.run_compose("down", images=images)

    def remove_other_containers(self, images: Mapping[str, str]) -> None:
        """Remove containers of other images by force: a container in a restart loop stops no other way."""
        found = {image_variable(service): container for service, container in self.containers().items()}
        others = [each.id for name, each in found.items() if name in images and each.image != images[name]]
        if others:
            self.run_engine("rm", "-f", *others)

    def wait_until_healthy(self, seconds: float) -> None:
        """Wait until the health check of every service passes; raise StepFailed that names one that does not."""
        ends, waiting = time.monotonic() + seconds, ["mlflow", *SERVICES]
        restarts: dict[str, int] = {}
        while True:
            found = self.containers()
            problems = {name: problem for name in waiting if (problem := self.health_problem(found.get(name)))}
            if not problems:
                return
            waiting = list(problems)
            for name in waiting:
                if time.monotonic() >= ends:
                    raise StepFailed(f"{name} is not healthy after {seconds:g} s: {problems[name]}")
                # Only our services wait for what they need; MLflow may restart until PostgreSQL is ready.
                if name in found and name in SERVICES:
                    first_seen = restarts.setdefault(name, found[name].restarts)
                    if found[name].restarts >= first_seen + MAX_RESTARTS:
                        raise StepFailed(f"{name} does not stay up: it has started {found[name].restarts + 1} times")
            time.sleep(POLL_SECONDS)

    def health_problem(self, container: ServiceContainer | None) -> str:
        """Return why a container is not healthy, or "" if it is; podman without systemd never runs health checks."""
        if container is None:
            return "it has no container"
        if not container.health:
            return "its image has no health check"
        try:
            self.run_engine("exec", container.id, *container.health)
        except StepFailed as failure:
            return str(failure)
        return ""

    def print_logs(self, lines: int = 20) -> None:
        """Write the last log lines of the four services to stderr."""
        for service, container in self.containers().items():
            if service in SERVICES:
                print_progress(f"--- the last {lines} lines of {service}")
                try:
                    # The engine writes the service's stdout and stderr to its own.
                    logs = self.host.run([self.engine, "logs", container.id], merge_stderr=True)
                    print_progress(last_lines(logs, lines))
                except StepFailed as failure:
                    print_progress(str(failure))

    def remove_unused_images(self, images: Mapping[str, str]) -> list[str]:
        """Remove images of earlier deployments that no container uses, and return their names.

        Only images with our label and with a name that deployments give: images that people have built here stay.
        """
        filters = ["--filter", OUR_LABEL, "--format", IMAGE_FORMAT]
        rows = self.run_engine("images", "--digests", "--no-trunc", *filters).splitlines()
        used = self._used_image_ids()
        repositories = {image.partition("@")[0] for image in images.values() if "@" in image}
        names = set()
        for repository, tag, digest, image_id in map(str.split, rows):
            if image_id.removeprefix("sha256:") in used:
                continue
            if tag == "<none>" and repository in repositories:
                names.add(f"{repository}@{digest}")
            if repository.removeprefix("localhost/") == f"{self.project}-mlflow" and re.fullmatch("[0-9a-f]{12}", tag):
                names.add(f"{repository}:{tag}")
        return [name for name in sorted(names) if self._remove_image(name)]

    def _remove_image(self, name: str) -> bool:
        """Remove an image and return whether that worked; it fails if a container has started to use the image."""
        try:
            self.run_engine("rmi", name)
        except StepFailed as failure:
            print_progress(f"{name} stays: {failure}")
            return False
        return True

    def _used_image_ids(self, attempts: int = 3) -> set[str]:
        """Return the ids of our images that any container of any project uses."""
        ids = self.run_engine("ps", "-a", "-q", "--no-trunc", "--filter", OUR_LABEL).split()
        try:
            found: list[dict[str, Any]] = json.loads(self.run_engine("container", "inspect", *ids)) if ids else []
        except StepFailed:
            # A container may have been removed between the two commands.
            if attempts == 1:
                raise
            return self._used_image_ids(attempts - 1)
        return {each["Image"].removeprefix("sha256:") for each in found}
