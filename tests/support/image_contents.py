"""What a service's Dockerfile copies and installs, without building the image."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from support.repository import REPOSITORY

# Imports every module of the service, and prints where each loaded module of ours lies. Installed packages that the
# image does not have cannot be imported, as if they were missing.
IMPORT_SERVICE = """
import importlib, json, pkgutil, sys
from importlib.metadata import packages_distributions

service, installed = sys.argv[1], set(json.loads(sys.argv[2]))
normalised = lambda name: name.lower().replace("_", "-").replace(".", "-")
known = {top: {normalised(name) for name in names} for top, names in packages_distributions().items()}


class Missing:
    @staticmethod
    def find_spec(name, path=None, target=None):
        packages = known.get(name.partition(".")[0])
        if packages and not packages & installed:
            raise ModuleNotFoundError(f"No module named {name!r} in this image", name=name)


sys.meta_path.insert(0, Missing)
package = importlib.import_module(f"services.{service}")
for module in pkgutil.walk_packages(package.__path__, f"services.{service}."):
    importlib.import_module(module.name)
ours = [name for name in sys.modules if name.partition(".")[0] in ("services", "callcenterai")]
print(json.dumps({name: getattr(sys.modules[name], "__file__", None) for name in ours}))
"""


class ImageContents(NamedTuple):
    """The folder that stands for the image's working directory, and the names of its installed packages."""

    folder: Path
    packages: set[str]

    def import_service(self, service: str) -> dict[str, str | None]:
        """Import all modules of a service with nothing but these contents; return our modules and their files."""
        command = [sys.executable, "-c", IMPORT_SERVICE, service, json.dumps(sorted(self.packages))]
        variables = os.environ | {"PYTHONPATH": str(self.folder)}
        done = subprocess.run(command, cwd=self.folder, env=variables, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


def copy_image_contents(service: str, folder: Path) -> ImageContents:
    """Copy to a folder what Dockerfile.<service> copies from the repository."""
    dockerfile = (REPOSITORY / f"Dockerfile.{service}").read_text(encoding="utf-8")
    for *sources, target in (line.split()[1:] for line in re.findall(r"^COPY .*$", dockerfile, re.MULTILINE)):
        for source in (REPOSITORY / each for each in sources):
            if source.is_dir():
                ignored = shutil.ignore_patterns("__pycache__")
                shutil.copytree(source, folder / target, ignore=ignored, dirs_exist_ok=True)
            else:
                copy = folder / target / source.name if target.endswith("/") else folder / target
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(source, copy)
    return ImageContents(folder, locked_packages(service))


def locked_packages(service: str) -> set[str]:
    """Return the names of the packages in the requirements.txt of a service."""
    lock = (REPOSITORY / "services" / service / "requirements.txt").read_text(encoding="utf-8")
    return {re.sub(r"[._-]+", "-", name).lower() for name in re.findall(r"^([\w.-]+)==", lock, re.MULTILINE)}
