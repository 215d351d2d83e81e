"""The embedded database is whole whenever a command can see it, and belongs to the repository wherever that is."""

import os
import shutil
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

import mlflow_registry
from callcenterai.tracking import embedded
from support.clone import Clone, trained_clone
from support.processes import environment, wait_until
from support.repository import REPOSITORY
from support.thoroughness import rounds
from support.tracking import new_tracking_database

HALF_MADE = REPOSITORY.parent / "shared" / "cases" / "mlflow"
LOG_RUN = (sys.executable, "scripts/log_run.py")
LIST = "python scripts/mlflow_registry.py list"


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of a database that the commands of this process use; the test makes it."""
    path = tmp_path / "mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{path.as_posix()}")
    return path


@pytest.fixture
def clone(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """A trained clone, whose only run is in its database."""
    return trained_clone(tmp_path_factory).copied(tmp_path / "clone")


def count(path: Path, table: str) -> int:
    with closing(sqlite3.connect(path)) as database:
        return database.execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0]


def age(path: Path) -> None:
    """Let a file be as old as what a killed process has left: a fresh one may still be written to."""
    past = time.time() - 2 * embedded.QUIET_SECONDS
    os.utime(path, (past, past))


def kill_log_run(folder: Path, seconds: float) -> None:
    """Kill a command so many seconds after it has begun with the database."""
    process = subprocess.Popen(LOG_RUN, cwd=folder, env=environment(), stderr=subprocess.DEVNULL)
    wait_until(lambda: (folder / "mlflow.db-prepare.lock").exists() or process.poll() is not None, 120)
    time.sleep(seconds)
    process.kill()
    process.wait()


def test_a_database_whose_making_was_interrupted_is_made_again(database, capsys):
    """MLflow itself stops at such a file: it has tables, and lacks others."""
    with closing(sqlite3.connect(database)) as file:
        file.execute("CREATE TABLE experiments (experiment_id INTEGER PRIMARY KEY)")
        file.execute("CREATE TABLE _alembic_tmp_latest_metrics (key TEXT)")
    age(database)
    assert mlflow_registry.main(["list"]) == 0
    assert "interrupted" in capsys.readouterr().err and count(database, "experiments") == 1


@pytest.mark.long
@pytest.mark.skipif(not HALF_MADE.is_dir(), reason="../shared/cases/mlflow is absent")
@pytest.mark.parametrize("number", [1, 2])
def test_half_made_databases_of_others_are_made_again(database, number):
    """Long: the test above has the same kind of file."""
    shutil.copyfile(HALF_MADE / f"mlflow_half_made_{number}.db", database)
    age(database)
    assert mlflow_registry.main(["list"]) == 0 and count(database, "experiments") == 1


def test_another_file_in_the_place_of_the_database_is_refused_and_kept(database, capsys):
    database.write_text("my own notes, which are no database at all", encoding="utf-8")
    assert mlflow_registry.main(["list"]) == 2
    assert "is not an MLflow database" in capsys.readouterr().err
    assert database.read_text(encoding="utf-8").startswith("my own notes")


def test_folders_elsewhere_stay_as_they_are_recorded(database, tmp_path):
    """Somebody who keeps files in a folder of that name on another disk means it, also while the disk is not there."""
    new_tracking_database(tmp_path)
    elsewhere = "file:///mnt/disk/mlruns"
    with closing(sqlite3.connect(database)) as file, file:
        file.execute("UPDATE experiments SET artifact_location = ?", (elsewhere,))
        run = ("r1", 0, "FINISHED", f"{elsewhere}/r1/artifacts")
        file.execute("INSERT INTO runs (run_uuid, experiment_id, status, artifact_uri) VALUES (?, ?, ?, ?)", run)
    assert mlflow_registry.main(["list"]) == 0
    with closing(sqlite3.connect(database)) as file:
        assert file.execute("SELECT artifact_location FROM experiments").fetchall() == [(elsewhere,)]


@pytest.mark.slow
def test_commands_that_start_together_make_one_database(clone):
    (clone.folder / "mlflow.db").unlink()
    started = [
        subprocess.Popen(LOG_RUN, cwd=clone.folder, env=environment(), stderr=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    errors = [process.communicate()[1] for process in started]
    assert [process.returncode for process in started] == [0, 0, 0], errors
    assert count(clone.folder / "mlflow.db", "runs") == 3


@pytest.mark.slow
def test_a_command_killed_at_any_moment_of_its_first_use_can_be_run_again(clone):
    """The moments are spread over the time that the command takes, from the first file that it makes on."""
    database = clone.folder / "mlflow.db"
    database.unlink()
    started = time.monotonic()
    subprocess.run(LOG_RUN, cwd=clone.folder, env=environment(), check=True, capture_output=True)
    taken, moments = time.monotonic() - started, rounds(3, 20)
    for number in range(moments):
        for each in clone.folder.glob("mlflow.db*"):
            each.unlink()
        kill_log_run(clone.folder, taken * number / moments)
        # A reader after the kill sees a whole database or none.
        assert not database.exists() or count(database, "experiments") >= 1
    clone.command("python scripts/log_run.py")
    assert not list(clone.folder.glob(".mlflow.db-*.tmp*")), "what the killed commands left is removed"


@pytest.mark.slow
def test_a_repository_that_was_moved_and_copied_works_on(clone, tmp_path):
    """Runs and models go with the folder: the old place is neither read nor made again."""
    clone.here("python scripts/mlflow_registry.py register")
    moved = Clone(clone.folder.rename(tmp_path / "moved here"))
    moved.command("python scripts/mlflow_registry.py export 1 exported")
    moved.command("python scripts/log_run.py")
    copy = Clone(Path(shutil.copytree(moved.folder, tmp_path / "copy")))
    shutil.rmtree(moved.folder)
    copy.here("python scripts/mlflow_registry.py export 1 exported-again")
    assert "mended" not in copy.here("python scripts/mlflow_registry.py doctor")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["copy"]
    assert len({run.info.artifact_uri.split("/mlruns/")[0] for run in copy.runs()}) == 1
    assert (copy.folder / "mlflow.db-before-move").is_file(), "the database before the change"
    shutil.rmtree(copy.folder / ".dvc" / "cache")
    assert "1 of 6 checks" in copy.here("python scripts/mlflow_registry.py doctor", code=2)


@pytest.mark.slow
def test_a_working_tree_of_git_shares_database_and_production_of_the_main_one(clone, tmp_path):
    clone.here("python scripts/mlflow_registry.py register")
    clone.git("worktree", "add", "-q", str(tmp_path / "tree"))
    tree = Clone(tmp_path / "tree")
    assert "None" in tree.command(LIST)
    assert not (tree.folder / "mlflow.db").exists()
    nothing_promoted = tree.failed("python -m services.tfidf.app", code=2)
    assert str(clone.folder / "models" / "production" / "tfidf") in nothing_promoted


@pytest.mark.slow
def test_runs_of_experiments_reach_the_database_of_the_repository(clone):
    """DVC runs them in copies that it removes: one at once, and two from the queue side by side."""
    clone.commit("with the lock of this sample")
    before = len(clone.runs())
    clone.command("dvc exp run --temp --name first -S train_tfidf.C=2.0")
    for name, value in (("second", 3.0), ("third", 4.0)):
        clone.command(f"dvc exp run --queue --name {name} -S train_tfidf.C={value}")
    clone.command("dvc queue start -j 2")
    wait_until(lambda: len(clone.runs()) >= before + 3, 300)
    wait_until(lambda: "Running" not in clone.command("dvc queue status"), 60)
    assert len(clone.runs()) == before + 3
    clone.command("dvc exp apply second")
    chosen = next(run for run in clone.runs() if run.data.params["C"] == "3.0")
    clone.here(f"python scripts/mlflow_registry.py register --run-id {chosen.info.run_id}")
    clone.here("python scripts/mlflow_registry.py export 1 exported")
    clone.command("dvc exp branch third better")
    assert "better" in clone.git("branch", "--list")
