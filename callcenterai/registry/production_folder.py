"""The folder with the version in Production, from which a service reads it where there is no MLflow server.

    models/production/tfidf/current.json     the version in Production: its number, metadata's SHA-256 and folder
    models/production/tfidf/2-5d41402a/      that version as a model folder

current.json is replaced by one atomic rename, after the model's folder is complete. A reader that follows it never sees
parts of two versions, and a process that is killed in between leaves the version before. The folder is only a copy: the
registry stays authoritative, and its next command repairs the copy.
"""

import json
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from callcenterai.artifact.folder import METADATA_FILE, RUN_FILE
from callcenterai.core.cli import UserError, describe_os_error
from callcenterai.core.files import json_bytes, sha256, write_bytes, write_files
from callcenterai.registry.state import PRODUCTION, Version

# Below the folder of the embedded database. services/common/model_source.py reads it.
PLACE = Path("models", "production")
CURRENT_FILE = "current.json"
# Downloads a version's files into a folder, checks their hashes and returns the folder.
Download = Callable[[Version, Path], Path]


@dataclass(frozen=True)
class ProductionFolder:
    """The copy of one registered model's Production version, at `path`. Only the registry's lock holder may write."""

    path: Path

    def holds(self, version: Version | None) -> bool:
        """Whether the folder has this version complete or, for None, no version."""
        try:
            current = json.loads((self.path / CURRENT_FILE).read_bytes())
            model = self.path / current["folder"]
            metadata = json.loads((model / METADATA_FILE).read_bytes())
            complete = sha256(model / METADATA_FILE) == current["metadata_sha256"]
            complete = complete and all((model / name).is_file() for name in metadata["files"])
            return version is not None and complete and current == self._description(version)
        except OSError:
            return version is None and not (self.path / CURRENT_FILE).exists()
        except (ValueError, KeyError, TypeError):
            return False

    def update(self, version: Version | None, download: Download) -> None:
        """Make the folder hold this version, or none; a UserError leaves what it held before."""
        if self.holds(version):
            return
        try:
            self._replace(version, download)
        except OSError as error:
            trouble = f"{self.path} cannot be brought up to date with the registry ({describe_os_error(error)})"
            raise UserError(f"{trouble}: remove the cause, then run the command again") from error

    def _replace(self, version: Version | None, download: Download) -> None:
        if version is None:
            (self.path / CURRENT_FILE).unlink()
        else:
            description = self._description(version)
            self._write_model(version, self.path / description["folder"], download)
            write_bytes(self.path / CURRENT_FILE, json_bytes(description))
        self._remove_others(version)

    def _description(self, version: Version) -> dict[str, Any]:
        recorded = version.tags.get("metadata_sha256", "")
        folder = f"{version.number}-{recorded[:8]}"
        return {"version": version.number, "stage": PRODUCTION, "metadata_sha256": recorded, "folder": folder}

    def _write_model(self, version: Version, target: Path, download: Download) -> None:
        self.path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".", suffix=".tmp", dir=self.path) as temporary:
            complete = Path(temporary, "complete")
            write_model_folder(version, complete, download)
            if target.exists():
                # A damaged copy of the same version; what a service has read of it is checked against the hashes.
                target.replace(Path(temporary, "damaged"))
            complete.replace(target)

    def _remove_others(self, version: Version | None) -> None:
        """Remove earlier versions and what killed processes left; a file in use on Windows stays until next time."""
        kept = self._description(version)["folder"] if version else None
        for entry in self.path.iterdir():
            if entry.is_dir() and entry.name != kept:
                shutil.rmtree(entry, ignore_errors=True)
            elif entry.name.startswith(".") and entry.suffix == ".tmp":
                entry.unlink(missing_ok=True)


def write_model_folder(version: Version, target: Path, download: Download) -> None:
    """Write a version's files into a folder, after their hashes were checked; the metadata comes last."""
    with tempfile.TemporaryDirectory() as folder:
        downloaded = download(version, Path(folder))
        files = sorted(downloaded.iterdir(), key=lambda path: path.name == METADATA_FILE)
        facts = {target / RUN_FILE: json_bytes(_known_run_facts(version.tags))}
        write_files(facts | {target / path.name: path.read_bytes() for path in files})


def _known_run_facts(tags: dict[str, str]) -> dict[str, Any]:
    """Return what the registry knows of a version's training, in the form in which training writes run.json."""
    facts: dict[str, Any] = {"metadata_sha256": tags["metadata_sha256"], "git_commit": tags.get("git_commit") or None}
    if tags.get("trained_at"):
        facts["started_at"] = datetime.fromisoformat(tags["trained_at"]).timestamp()
    return facts
