"""Images of ours, built from their Dockerfiles and handed to scripts/check_image.py."""

import os
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from itertools import takewhile
from pathlib import Path

from support.once import one_build_at_a_time
from support.processes import environment
from support.repository import REPOSITORY, SCRIPTS


@cache
def build(builder: Path, name: str) -> str:
    """Build the image of a service and return its name; once, since what it is made of does not change meanwhile."""
    return build_from(builder, REPOSITORY / f"Dockerfile.{name}", REPOSITORY, f"callcenterai-{name}-test")


def build_from(builder: Path, dockerfile: Path, context: Path, image: str) -> str:
    """Build an image from any Dockerfile and return its name."""
    command = ["bash", str(builder), str(dockerfile), str(context), image]
    with one_build_at_a_time():
        built = subprocess.run(command, env=os.environ | {"RUN": "0"}, capture_output=True, text=True)
    assert built.returncode == 0, (built.stdout + built.stderr)[-3000:]
    return image


def check_image(service: str, image: str, *arguments: str) -> subprocess.CompletedProcess:
    """Run scripts/check_image.py with podman, and with the standard library alone."""
    command = [sys.executable, "-S", str(SCRIPTS / "check_image.py"), service, image, "--engine", "podman", *arguments]
    return subprocess.run(command, env=environment(), capture_output=True, text=True)


def containers_of(image: str) -> list[str]:
    """Return the containers of an image that are there, running or not."""
    command = ["podman", "ps", "--all", "--quiet", "--filter", f"ancestor={image}"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()


def readable_copy(model: Path, folder: Path) -> Path:
    """Return a copy of a model folder that others can read: pytest's folders are for their owner alone."""
    shutil.copytree(model, folder / "model")
    for each in (folder, *takewhile(lambda parent: parent != Path(tempfile.gettempdir()), folder.parents)):
        each.chmod(0o755)
    return folder / "model"
