"""Build the images from their Dockerfiles with Podman, on a local base image where no registry can be reached."""

import os
import shutil
import subprocess
import sys
import tempfile
from itertools import takewhile
from pathlib import Path

import pytest

from support.once import one_build_at_a_time
from support.processes import environment
from support.repository import REPOSITORY, SCRIPTS

BASE_IMAGE = "docker.io/library/python:3.11-slim-bookworm"
# The stand-in for PostgreSQL's image is built on this one.
DEBIAN_IMAGE = "docker.io/library/debian:bookworm-slim"
PULL_SECONDS = 120
# crun 1.8, Podman's default, refuses the cgroup layout of some machines; catatonit is for pods, netavark and
# aardvark-dns let containers find each other by name.
PACKAGES = ("podman", "runc", "catatonit", "netavark", "aardvark-dns", "iptables", "mmdebstrap")
# For a machine without systemd. Podman asks for more open files and processes than the machine may allow.
ENGINE_SETTINGS = """\
[containers]
default_ulimits = ["nofile=16384:16384", "nproc=16384:16384"]
[network]
network_backend = "netavark"
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
"""
ENGINE_SETTINGS_FILE = Path("/etc/containers/containers.conf.d/90-callcenterai-tests.conf")
CERTIFICATES = Path("/usr/local/share/ca-certificates")
# Debian 12 has Python 3.11, so a virtual environment in /usr/local puts it where the official image has it.
BASE_RECIPE = r"""
FROM localhost/callcenterai-debian
COPY certificates /usr/local/share/ca-certificates
RUN update-ca-certificates && python3 -m venv /usr/local && find /usr/local -depth -name __pycache__ -exec rm -r {} + \
    && printf '[global]\ncert = /etc/ssl/certs/ca-certificates.crt\n' > /etc/pip.conf
ENV PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8
CMD ["python3"]
"""
DEBIAN_OPTIONS = (
    "--quiet",
    "--variant=minbase",
    "--include=ca-certificates,netbase,tzdata,python3,python3-venv",
    # The dates of a mirror's snapshot may be long ago, or those of this machine wrong.
    '--aptopt=Acquire::Check-Valid-Until "false"',
    '--aptopt=Acquire::Check-Date "false"',
    "--dpkgopt=force-unsafe-io",
    "--dpkgopt=path-exclude=/usr/share/man/*",
    "--dpkgopt=path-exclude=/usr/share/doc/*",
    "--dpkgopt=path-exclude=/usr/share/locale/*",
    # Only root may create device nodes, and an engine brings its own.
    "--skip=output/mknod",
    r"""--customize-hook=find "$1/usr/lib" -depth -name __pycache__ -exec rm -r {} +""",
    # No package may start a service while an image is built.
    r"""--customize-hook=printf '#!/bin/sh\nexit 101\n' > "$1/usr/sbin/policy-rc.d" """,
    '--customize-hook=chmod 755 "$1/usr/sbin/policy-rc.d"',
)


class ImageBuilder:
    """Builds images with Podman; each service's image once, because its sources do not change during the tests."""

    def __init__(self) -> None:
        """Make sure that there is an engine and a base image; skip the test if there cannot be."""
        self._built: set[str] = set()
        need_podman()
        with one_build_at_a_time():
            need_base_image()

    def build_service(self, name: str) -> str:
        """Build the image of a service and return its name."""
        image = f"callcenterai-{name}-test"
        if name not in self._built:
            self.build(REPOSITORY / f"Dockerfile.{name}", REPOSITORY, image)
            self._built.add(name)
        return image

    def build(self, dockerfile: Path, context: Path, image: str) -> str:
        """Build an image from any Dockerfile and return its name."""
        with one_build_at_a_time():
            build_image(dockerfile, context, image)
        return image


def need_podman() -> None:
    """Install Podman on a CI machine that has none; skip the test on other machines without it."""
    if shutil.which("podman"):
        return
    is_root = hasattr(os, "geteuid") and os.geteuid() == 0
    if not (os.environ.get("CI") and is_root and shutil.which("apt-get")):
        pytest.skip("no podman here; tests install it only in CI")
    subprocess.run(["apt-get", "update", "-qq"], check=True, capture_output=True)
    install = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *PACKAGES]
    subprocess.run(install, check=True, capture_output=True, env=os.environ | {"DEBIAN_FRONTEND": "noninteractive"})
    ENGINE_SETTINGS_FILE.parent.mkdir(parents=True, exist_ok=True)
    ENGINE_SETTINGS_FILE.write_text(ENGINE_SETTINGS, encoding="utf-8")


def need_base_image() -> None:
    """Pull the official base image, or make a local one of that name; skip the test if neither is possible."""
    if image_exists(BASE_IMAGE):
        return
    try:
        if (
            subprocess.run(["podman", "pull", "-q", BASE_IMAGE], capture_output=True, timeout=PULL_SECONDS).returncode
            == 0
        ):
            return
    except subprocess.TimeoutExpired:
        pass  # a firewall that answers nothing: the same as no registry
    if shutil.which("mmdebstrap") is None:
        pytest.skip(f"{BASE_IMAGE} can neither be pulled nor made here (apt-get install mmdebstrap)")
    make_base_image(BASE_IMAGE, DEBIAN_IMAGE)


def make_base_image(python_image: str, debian_image: str) -> None:
    """Make local base images from Debian's packages, with the certificate authorities that this machine trusts."""
    with tempfile.TemporaryDirectory(prefix="base-image-") as folder:
        root, certificates = Path(folder, "root.tar"), Path(folder, "certificates")
        run_checked("mmdebstrap", *DEBIAN_OPTIONS, "bookworm", str(root), *debian_sources())
        path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        changes = ["--change", 'CMD ["bash"]', "--change", f"ENV PATH={path}"]
        run_checked("podman", "import", "-q", *changes, str(root), "localhost/callcenterai-debian")
        run_checked("podman", "tag", "localhost/callcenterai-debian", debian_image)
        if CERTIFICATES.is_dir():
            shutil.copytree(CERTIFICATES, certificates)
        certificates.mkdir(exist_ok=True)
        recipe = Path(folder, "Dockerfile")
        recipe.write_text(BASE_RECIPE, encoding="utf-8")
        build_image(recipe, Path(folder), python_image)


def debian_sources() -> list[str]:
    """Return this machine's own list of Debian mirrors, or nothing, with which mmdebstrap takes the default mirror."""
    release = Path("/etc/os-release")
    if not release.is_file() or "bookworm" not in release.read_text(encoding="utf-8"):
        return []
    places = [Path("/etc/apt/sources.list.d/debian.sources"), Path("/etc/apt/sources.list")]
    return [str(path) for path in places if path.is_file() and path.stat().st_size][:1]


def build_image(dockerfile: Path, context: Path, image: str) -> None:
    """Build an image from local base images; Docker's format, because Podman's own has no HEALTHCHECK."""
    options = ["--format", "docker", "--pull=never", "--network", "host"]
    run_checked("podman", "build", "-q", *options, "-f", str(dockerfile), "-t", image, str(context))


def image_exists(image: str) -> bool:
    """Whether Podman has an image."""
    return subprocess.run(["podman", "image", "exists", image]).returncode == 0


def run_checked(*command: str) -> None:
    """Run a command and insist on success."""
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]


def check_image(service: str, image: str, *arguments: str) -> subprocess.CompletedProcess:
    """Run scripts/check_image.py with Podman, and with the standard library only."""
    command = [sys.executable, "-S", str(SCRIPTS / "check_image.py"), service, image, "--engine", "podman", *arguments]
    return subprocess.run(command, env=environment(), capture_output=True, text=True)


def containers_of(image: str) -> list[str]:
    """Return the containers of an image, running or not."""
    command = ["podman", "ps", "--all", "--quiet", "--filter", f"ancestor={image}"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()


def readable_copy(model: Path, folder: Path) -> Path:
    """Return a copy of a model folder that every user can read, as pytest's folders are private to their owner."""
    shutil.copytree(model, folder / "model")
    for each in (folder, *takewhile(lambda parent: parent != Path(tempfile.gettempdir()), folder.parents)):
        each.chmod(0o755)
    return folder / "model"
