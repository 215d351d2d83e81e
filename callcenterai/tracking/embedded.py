"""The embedded MLflow database: where it is, how it comes into being whole, and how it follows a folder that moves.

MLflow fills a new SQLite file in dozens of steps. Two processes that do so at once fail, and a killed one leaves a file
that no later start can use. So the database is made under another name and renamed when it is whole.

MLflow records absolute addresses of the files of runs and models (github.com/mlflow/mlflow/issues/3144). They stand in
the folder `mlruns` beside the database, so when both have moved, the addresses are corrected before anything uses them.

Relies on MLflow 3.17: a whole database has at least one experiment, since MLflow adds "Default" last.
"""

import os
import re
import sqlite3
import time
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from callcenterai.core.cli import UserError, print_progress
from callcenterai.core.files import REPOSITORY
from callcenterai.core.git import main_working_tree

DATABASE = "mlflow.db"
RUN_FILES = "mlruns"
# Making the database takes several seconds of CPU time; many commands may wait for the first on a busy machine.
PATIENCE_SECONDS = 120.0
# Another program, such as `mlflow server`, may be making a database: one without content is left alone for so long.
QUIET_SECONDS = 10.0
# The columns that record where files are: of experiments, and of what belongs to them.
EXPERIMENTS = ("experiments", "artifact_location")
CONTENTS = (
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
)
# A file's address or path, up to the folder of all runs, and the rest of it. A scheme of one letter is a drive.
RECORDED = re.compile(rf"(?P<root>(?:file:/|/|[A-Za-z]:[\\/]).*[\\/]{RUN_FILES})(?P<rest>(?:[\\/].*)?)", re.DOTALL)


class RecordedPlace(NamedTuple):
    """A recorded address: that of the folder of runs, and the path below it."""

    root: str
    rest: str


class Relocation(NamedTuple):
    """A folder of runs as the database records it, and as it has to be recorded."""

    recorded: str
    current: str
    # How many recorded files or folders are there.
    found: int


def embedded_database() -> Path:
    """Return where the embedded database belongs: one for the repository, whichever copy of it is at work.

    DVC runs `dvc exp run --temp` and `--queue` in copies that it removes, and names the repository in DVC_ROOT. A
    working tree of `git worktree` shares the database of the main one.
    """
    return main_working_tree(_project(Path(os.environ.get("DVC_ROOT", REPOSITORY)))) / DATABASE


def _project(folder: Path) -> Path:
    """Return the nearest folder upwards that holds this package; that of this file if there is none."""
    holding = (each for each in (folder, *folder.parents) if (each / "callcenterai" / "tracking").is_dir())
    return next(holding, REPOSITORY)


def prepare_database(path: Path) -> None:
    """Make the database if there is none or only an unfinished one, and correct addresses of a folder that has moved.

    Afterwards any number of processes can use it. Raises a UserError when another process keeps the lock.
    """
    if _has_content(path) and not find_relocations(path):
        return
    # Late: the MLflow image, whose database is never embedded, does without.
    from filelock import FileLock, Timeout

    # Not NAME.lock, which a registry command may hold in this process.
    try:
        with FileLock(path.with_name(f"{path.name}-prepare.lock"), timeout=PATIENCE_SECONDS):
            if not _has_content(path):
                _wait_until_quiet(path)
            if not _has_content(path):
                _make_database(path)
            relocate(path, find_relocations(path))
    except Timeout:
        raise UserError(
            f"another command has been preparing {path} for {PATIENCE_SECONDS:.0f} s: is it stuck?"
        ) from None


def _has_content(path: Path) -> bool:
    """Return whether the database is whole; one that lacks experiments or their table was never finished."""
    if not path.is_file() or not path.stat().st_size:
        return False
    try:
        with closing(_open_existing(path)) as database:
            return bool(database.execute("SELECT COUNT(*) FROM experiments").fetchone()[0])
    except sqlite3.OperationalError as error:
        if "no such table" in str(error):
            return False
        raise UserError(f"{path} cannot be read: {error}") from None
    except sqlite3.DatabaseError as error:
        raise UserError(f"{path} is not an MLflow database ({error}): move it away, or restore a backup") from None


def _open_existing(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.as_uri()}?mode=rw", uri=True, timeout=PATIENCE_SECONDS)


def _wait_until_quiet(path: Path) -> None:
    """Wait until the database has content, or nothing has been written to it for QUIET_SECONDS."""
    while path.is_file() and not _has_content(path):
        newest = max(each.stat().st_mtime for each in _with_journals(path))
        if not 0 <= time.time() - newest < QUIET_SECONDS:
            return
        time.sleep(0.2)


def _with_journals(path: Path) -> list[Path]:
    """Return the database's file and those that SQLite keeps beside it, as far as they exist."""
    names = (path.name + suffix for suffix in ("", "-journal", "-wal", "-shm"))
    return [each for name in names if (each := path.with_name(name)).is_file()]


def _make_database(path: Path) -> None:
    """Put a whole database in the place of none, or of one without content."""
    # Late: it is needed only when there is no database yet.
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    if leftovers := _with_journals(path):
        print_progress(f"{path}: its making was interrupted, and it holds nothing; making it again")
    path.parent.mkdir(parents=True, exist_ok=True)
    for stale in path.parent.glob(f".{path.name}-*.tmp*"):
        stale.unlink()
    temporary = path.with_name(f".{path.name}-{os.getpid()}.tmp")
    # The first operation makes every table; disposing of the engine closes the file, which Windows could not rename.
    SqlAlchemyStore(f"sqlite:///{temporary.as_posix()}", (path.parent / RUN_FILES).as_uri()).engine.dispose()
    # Journals belong to the file that goes: SQLite would apply them to the one that comes.
    for each in reversed(leftovers):
        each.unlink()
    temporary.replace(path)


def find_relocations(path: Path) -> list[Relocation]:
    """Return which recorded folders of runs are now beside the database.

    A folder has moved if some of what it is recorded to hold is beside the database, or if it is gone and is recorded
    to hold nothing: then new runs belong beside the database too. Other folders and other stores stay as they are.
    """
    current = path.parent / RUN_FILES
    moved = []
    with closing(_open_existing(path)) as database:
        for root in sorted({place.root for place in _recorded_places(database, [EXPERIMENTS])}):
            wanted = current.as_uri() if root.startswith("file:") else str(current)
            if root == wanted:
                continue
            contents = [place.rest for place in _recorded_places(database, CONTENTS) if place.root == root]
            found = [rest for rest in contents if (current / rest).exists()]
            if found or not (contents or _folder_of(root).is_dir()):
                moved.append(Relocation(root, wanted, len(found)))
    return moved


def _recorded_places(database: sqlite3.Connection, columns: Iterable[tuple[str, str]]) -> Iterator[RecordedPlace]:
    """Yield the recorded places below a folder of runs."""
    for table, column in columns:
        for (recorded,) in database.execute(f"SELECT DISTINCT {column} FROM {table}"):  # nosec B608 # our constants
            if found := RECORDED.fullmatch(recorded or ""):
                yield RecordedPlace(found["root"], found["rest"].strip("\\/"))


def _folder_of(root: str) -> Path:
    """Return the folder of a recorded address or path."""
    if not root.startswith("file:"):
        return Path(root)
    # Late: it is needed only when a folder has moved.
    from mlflow.utils.file_utils import local_file_uri_to_path

    return Path(local_file_uri_to_path(root))


def relocate(path: Path, relocations: list[Relocation]) -> None:
    """Correct the recorded addresses in one transaction, after a backup beside the database."""
    if not relocations:
        return
    backup = path.with_name(f"{path.name}-before-move")
    with closing(sqlite3.connect(path, timeout=PATIENCE_SECONDS)) as database:
        with closing(sqlite3.connect(backup)) as copy:
            database.backup(copy)
        with database:
            for table, column in (EXPERIMENTS, *CONTENTS):
                for recorded, current, _ in relocations:
                    # The values are bound.
                    database.execute(
                        f"UPDATE {table} SET {column} = :current "  # nosec B608 # the names are our constants
                        f"|| substr({column}, :length + 1) "
                        f"WHERE substr({column} || '/', 1, :length + 1) IN (:recorded || '/', :recorded || '\\')",
                        {"current": current, "recorded": recorded, "length": len(recorded)},
                    )
    for recorded, current, found in relocations:
        # Nobody misses a folder without files, such as the one that `mlflow server` records for its first experiment.
        if found:
            print_progress(f"{path}: files recorded in {recorded} are now recorded in {current}; backup: {backup.name}")
