"""The stack of compose.yaml at a place: which images it runs, starting, health, logs, and what can be removed.

Only what both `docker compose` and `podman-compose` know is used, and the engine is asked itself for what runs.
"""

import hashlib
import json
import re
import shlex
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from callcenterai.core.cli import UserError
from callcenterai.delivery.engine import health_command, last_lines
from callcenterai.delivery.host import NOTHING, Failed, Here, say

SERVICES = ("tfidf", "transformer", "agent", "web")
ROW = "{{.Repository}} {{.Tag}} {{.Digest}} {{.ID}}"
LABEL = "label=org.opencontainers.image.vendor=CallCenterAI"
# podman's own format of images has no health checks.
BUILDING = {"BUILDAH_FORMAT": "docker"}
# Seconds to pull or build an image, and to start everything, PostgreSQL's image pulled.
LONG = 1200
PAUSE = 1.0
MOST_RESTARTS = 4


class Container(NamedTuple):
    """A container of the stack, and the name of the image that it was made from."""

    id: str
    image: str
    health: list[str]
    restarts: int


def variable_of(service: str) -> str:
    """Return the variable by which compose.yaml takes a service's image."""
    return f"{service.upper()}_IMAGE"


class Stack:
    """A compose project at a place."""

    def __init__(self, place: Here, compose: str, project: str) -> None:
        """Compose is the command, such as "docker compose" or "podman-compose"; a UserError when it is neither."""
        self.place, self.project = place, project
        self._compose = [*shlex.split(compose), "-p", project]
        self.engine = Path(self._compose[0]).name.removesuffix("-compose")
        if self.engine not in ("docker", "podman"):
            raise UserError(f"--compose {compose!r}: it has to be docker compose or podman-compose")

    def containers(self) -> dict[str, Container]:
        """Return the containers by service, whether they run or not."""
        chosen = ["--filter", f"label=com.docker.compose.project={self.project}"]
        ids = self.ask("ps", "-a", "-q", "--no-trunc", *chosen).split()
        found = {}
        for each in json.loads(self.ask("container", "inspect", *ids)) if ids else []:
            labels, config = each["Config"]["Labels"], each["Config"]
            if labels.get("com.docker.compose.oneoff") != "True":
                service = labels["com.docker.compose.service"]
                # podman writes localhost/ before the names of images that are built here.
                image = config["Image"].removeprefix("localhost/")
                found[service] = Container(each["Id"], image, health_command(config), each.get("RestartCount", 0))
        return found

    def images(self) -> dict[str, str]:
        """Return the variables that would start what is here now; those of the four services, and of MLflow."""
        found = self.containers()
        return {variable_of(name): found[name].image for name in (*SERVICES, "mlflow") if name in found}

    def pull(self, image: str) -> None:
        """Fetch an image; a UserError when it cannot be had."""
        try:
            self.ask("pull", image, seconds=LONG)
        except Failed as failure:
            raise UserError(
                f"{image} cannot be pulled, so nothing was changed on {self.place.name}: {failure}; check the digest, "
                f"and `{self.engine} login` there"
            ) from None

    def mlflow_image(self) -> str:
        """Return a name for MLflow's image that says what it is built from, so that a former one can be told apart."""
        files = ("Dockerfile.mlflow", "deploy/mlflow/requirements.txt", "deploy/mlflow/team_server.py")
        content = b"".join((self.place.source / name).read_bytes() for name in files)
        return f"{self.project}-mlflow:{hashlib.sha256(content).hexdigest()[:12]}"

    def compose(self, *arguments: str, images: Mapping[str, str] = NOTHING) -> None:
        """Run a compose command with these images, which count more than those of .env."""
        self.place.run([*self._compose, *arguments], BUILDING | dict(images), LONG)

    def build_mlflow(self, images: Mapping[str, str]) -> None:
        """Build MLflow's image, unless one of that name is there, which is then of the same files."""
        try:
            self.ask("image", "inspect", images[variable_of("mlflow")])
        except Failed:
            say(f"building {images[variable_of('mlflow')]}")
            self.compose("build", "mlflow", images=images)

    def up(self, images: dict[str, str], seconds: float) -> None:
        """Start these images, and wait until they are healthy; a Failed when they are not, or others run."""
        self.compose("up", "-d", "--no-build", images=images)
        running = self.images()
        for name, image in images.items():
            if running.get(name) != image:
                raise Failed(f"{name} is {running.get(name)} after `up`, not {image}")
        self.wait_until_healthy(seconds)

    def down(self, images: Mapping[str, str]) -> None:
        """Stop and remove the containers; volumes stay."""
        self.compose("down", images=images)
        left = [container.id for container in self.containers().values()]
        if left:
            # One that starts again and again may do so between podman-compose's `stop` and `rm`.
            self.ask("rm", "-f", *left)
            self.compose("down", images=images)

    def remove_others(self, images: Mapping[str, str]) -> None:
        """Remove containers of other images by force, since one that starts again and again stops no other way."""
        found = {variable_of(service): container for service, container in self.containers().items()}
        others = [each.id for name, each in found.items() if name in images and each.image != images[name]]
        if others:
            self.ask("rm", "-f", *others)

    def wait_until_healthy(self, seconds: float) -> None:
        """Wait until each service's own health check passes; a Failed that names one that does not."""
        ends, waiting, restarts = time.monotonic() + seconds, ["mlflow", *SERVICES], {}
        while True:
            found = self.containers()
            troubles = {name: trouble for name in waiting if (trouble := self.trouble_of(found.get(name)))}
            if not troubles:
                return
            waiting = list(troubles)
            for name in waiting:
                if time.monotonic() >= ends:
                    raise Failed(f"{name} is not healthy after {seconds:g} s: {troubles[name]}")
                # The others wait for what they need; MLflow may end and begin anew until PostgreSQL is there.
                if name in found and name in SERVICES:
                    if found[name].restarts >= restarts.setdefault(name, found[name].restarts) + MOST_RESTARTS:
                        raise Failed(f"{name} does not stay up: it has started {found[name].restarts + 1} times")
            time.sleep(PAUSE)

    def trouble_of(self, container: Container | None) -> str:
        """Return why a container is not healthy, or nothing; podman without systemd runs no checks by itself."""
        if container is None:
            return "it has no container"
        if not container.health:
            return "its image has no health check"
        try:
            self.ask("exec", container.id, *container.health)
        except Failed as failure:
            return str(failure)
        return ""

    def write_logs(self, lines: int = 20) -> None:
        """Write the last log lines of the four services to stderr."""
        for service, container in self.containers().items():
            if service in SERVICES:
                say(f"--- the last {lines} lines of {service}")
                try:
                    # Engines write to stdout and stderr what the service wrote there.
                    logs = self.place.run([self.engine, "logs", container.id], both=True)
                    say(last_lines(logs, lines))
                except Failed as failure:
                    say(str(failure))

    def remove_unused(self, images: Mapping[str, str]) -> list[str]:
        """Remove images of earlier deployments that no container uses, and return their names.

        Those are ours by their label, and named as a deployment names them: what somebody has built there stays.
        """
        rows = self.ask("images", "--digests", "--no-trunc", "--filter", LABEL, "--format", ROW).splitlines()
        used = self._used()
        repositories = {image.partition("@")[0] for image in images.values() if "@" in image}
        names = set()
        for repository, tag, digest, image_id in map(str.split, rows):
            if image_id.removeprefix("sha256:") in used:
                continue
            if tag == "<none>" and repository in repositories:
                names.add(f"{repository}@{digest}")
            if repository.removeprefix("localhost/") == f"{self.project}-mlflow" and re.fullmatch("[0-9a-f]{12}", tag):
                names.add(f"{repository}:{tag}")
        return [name for name in sorted(names) if self._removes(name)]

    def _removes(self, name: str) -> bool:
        """Whether an image could be removed; one that is used meanwhile stays, and is said."""
        try:
            self.ask("rmi", name)
        except Failed as failure:
            say(f"{name} stays: {failure}")
            return False
        return True

    def _used(self, attempts: int = 3) -> set[str]:
        """Return the ids of our images that any container uses, whatever project it is of."""
        ids = self.ask("ps", "-a", "-q", "--no-trunc", "--filter", LABEL).split()
        try:
            found: list[dict[str, Any]] = json.loads(self.ask("container", "inspect", *ids)) if ids else []
        except Failed:
            # A container of somebody else may have gone between the two.
            if attempts == 1:
                raise
            return self._used(attempts - 1)
        return {each["Image"].removeprefix("sha256:") for each in found}

    def ask(self, *arguments: str, seconds: float = 60) -> str:
        """Run a command of the engine and return what it printed."""
        return self.place.run([self.engine, *arguments], seconds=seconds).decode()
