"""Looks for what is wrong with database, registry, model files and DVC's cache, and mends what has one safe remedy.

Opening the database has already made an unfinished one whole and corrected the addresses of a folder that was moved.
"""

import json
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from tqdm import tqdm

from callcenterai.core.cli import UserError, print_table
from callcenterai.registry.state import NONE
from callcenterai.registry.store import STAGE_TAG, Registry

# How many files a line names.
NAMED = 3


class Finding(NamedTuple):
    """What a check found: what to do about it, or how it was mended, or neither if all is well."""

    checked: str
    remedy: str = ""
    mended: str = ""

    def result(self) -> str:
        """Return what the table says."""
        return self.remedy or (f"mended: {self.mended}" if self.mended else "well")


def run_checkup(registry: Registry, repository: Path, as_json: bool) -> None:
    """Run every check and print what it found; raise a UserError if something needs a person."""
    findings = [finding for check in CHECKS for finding in check(registry, repository)]
    if as_json:
        print(json.dumps([finding._asdict() for finding in findings], indent=2))
    else:
        print_table(("checked", "result"), [(finding.checked, finding.result()) for finding in findings])
    if count := sum(bool(finding.remedy) for finding in findings):
        raise UserError(f"{count} of {len(findings)} checks found something to do; the result of each says what")


def check_database(registry: Registry, _: Path) -> Iterator[Finding]:
    """Let SQLite check the pages and indexes of an embedded database."""
    if registry.database is None:
        return
    with closing(sqlite3.connect(registry.database)) as database:
        answers = [row[0] for row in database.execute("PRAGMA quick_check(1)")]
    remedy = "" if answers == ["ok"] else f"{answers[0]}: restore {registry.database.name} from a backup"
    yield Finding(f"database {registry.database}", remedy)


def check_history(registry: Registry, _: Path) -> Iterator[Finding]:
    """Check that no record of the history is missing; one that cannot be read stops the checkup with its name."""
    numbers = {change.number for change in registry.read_state().history}
    missing = sorted(set(range(1, max(numbers, default=0) + 1)) - numbers)
    remedy = f"record {missing[0]} is missing: somebody has deleted it in MLflow" if missing else ""
    yield Finding(f"history of {registry.name}", remedy)


def finish_change(registry: Registry, _: Path) -> Iterator[Finding]:
    """Finish a change that a killed process has left half done."""
    checked, intent = "unfinished change", registry.read_state().intent
    if intent is None:
        yield Finding(checked)
        return
    done = registry.finish_interrupted_change()
    yield Finding(checked, mended=f"{intent.action} is {'complete' if done else 'taken back'}")


def correct_stage_tags(registry: Registry, _: Path) -> Iterator[Finding]:
    """Set the tags that mirror the aliases, where something else has changed either."""
    corrected = []
    with registry.locked() as state:
        for version in state.versions.values():
            if version.tags.get(STAGE_TAG, NONE) != version.stage:
                registry.client.set_model_version_tag(registry.name, str(version.number), STAGE_TAG, version.stage)
                corrected.append(f"version {version.number} is in {version.stage}")
    yield Finding(f"stages of {len(state.versions)} versions", mended="; ".join(corrected))


def check_files(registry: Registry, _: Path) -> Iterator[Finding]:
    """Fetch the files of every version and compare their hashes."""
    versions = registry.read_state().versions.values()
    # disable=None: the bar is for a terminal.
    for version in tqdm(versions, desc="comparing hashes", file=sys.stderr, disable=None, leave=False):
        checked = f"files of version {version.number} ({version.stage})"
        with tempfile.TemporaryDirectory() as folder:
            try:
                registry.download(version, Path(folder))
            except UserError as error:
                yield Finding(checked, f"{error}: restore the file, or `register` another run")
            else:
                yield Finding(checked)


def check_dvc_cache(_: Registry, repository: Path) -> Iterator[Finding]:
    """Ask DVC which of the files that it tracks are not in its cache."""
    if not (repository / ".dvc").is_dir():
        return
    command = [sys.executable, "-m", "dvc", "data", "status", "--json"]
    done = subprocess.run(command, cwd=repository, capture_output=True, text=True)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        yield Finding("DVC's cache", f"`dvc data status` fails: {last}")
        return
    missing = json.loads(done.stdout or "{}").get("not_in_cache", [])
    more = f" and {len(missing) - NAMED} more" if len(missing) > NAMED else ""
    names = ", ".join(missing[:NAMED]) + more
    yield Finding("DVC's cache", f"it lacks {names}: `dvc pull` fetches it, or `dvc repro` makes it" if missing else "")


CHECKS: tuple[Callable[[Registry, Path], Iterator[Finding]], ...] = (
    check_database,
    check_history,
    finish_change,
    correct_stage_tags,
    check_files,
    check_dvc_cache,
)
