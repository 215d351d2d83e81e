"""The copy of the version in Production beside the embedded database: complete, up to date and repaired."""

import hashlib
import json
import multiprocessing
import os
import shutil
import signal
import threading
from pathlib import Path

import pytest

from support.registry import RegistryCommands
from support.registry_worker import processes, run_killed_at_rename
from support.thoroughness import rounds

FORCE = ("--force", "--reason", "a test")


def served_version(folder: Path) -> int | None:
    """Return the version that the folder serves, after checking that all of its files are those of that version."""
    try:
        current = json.loads((folder / "current.json").read_bytes())
    except FileNotFoundError:
        return None
    model = folder / current["folder"]
    content = (model / "metadata.json").read_bytes()
    assert hashlib.sha256(content).hexdigest() == current["metadata_sha256"]
    for name, digest in json.loads(content)["files"].items():
        assert hashlib.sha256((model / name).read_bytes()).hexdigest() == digest
    assert current["stage"] == "Production"
    return current["version"]


@pytest.fixture
def folder(registry_commands):
    """The folder with the copy, and versions 1 and 2, which nobody has promoted."""
    registry_commands.register("good", "close")
    return registry_commands.database.parent / "models" / "production" / "tfidf"


def test_promotion_and_rollback_keep_a_complete_copy_of_production(registry_commands, folder):
    registry_commands.run("staging", "--version", "1")
    assert not folder.exists()
    registry_commands.run("production")
    assert served_version(folder) == 1
    registry_commands.run("production", "--version", "2", *FORCE)
    assert served_version(folder) == 2
    registry_commands.run("rollback")
    assert served_version(folder) == 1
    registry_commands.run("archive", "2")
    assert served_version(folder) == 1
    assert sorted(path.name[:2] for path in folder.iterdir()) == ["1-", "cu"], "the version before is removed"


def lose_the_folder(folder: Path) -> None:
    shutil.rmtree(folder)


def lose_a_file(folder: Path) -> None:
    next(folder.glob("1-*/scorer.npz")).unlink()


def damage_the_description(folder: Path) -> None:
    (folder / "current.json").write_bytes(b"{")


def damage_the_metadata(folder: Path) -> None:
    next(folder.glob("1-*/metadata.json")).write_bytes(b"{}")


@pytest.mark.parametrize("damage", [lose_the_folder, lose_a_file, damage_the_description, damage_the_metadata])
def test_the_next_command_repairs_the_copy(registry_commands, folder, damage):
    registry_commands.run("production", "--version", "1", *FORCE)
    damage(folder)
    assert "Production" in registry_commands.run("list")
    assert served_version(folder) == 1


def test_a_version_that_mlflows_page_deleted_is_no_longer_offered(registry_commands, folder):
    import mlflow

    registry_commands.run("production", "--version", "1", *FORCE)
    mlflow.MlflowClient(registry_commands.uri).delete_model_version("callcenterai-tfidf-classifier", "1")
    registry_commands.run("list")
    assert served_version(folder) is None


def test_what_changes_nothing_leaves_the_copy_alone(registry_commands, folder):
    registry_commands.run("production", "--version", "1", "--dry-run", *FORCE)
    assert not folder.exists()


def test_a_copy_that_cannot_be_written_is_an_error_and_the_command_can_be_repeated(registry_commands, folder):
    folder.parent.mkdir(parents=True)
    folder.write_bytes(b"in the way")
    said = registry_commands.run("production", "--version", "1", *FORCE, code=2)
    assert "error: " in said and str(folder) in said and "run the command again" in said
    assert registry_commands.read("list")[0]["stage"] == "Production"
    folder.unlink()
    registry_commands.run("production", "--version", "1", *FORCE)
    assert served_version(folder) == 1
    assert [entry["to"] for entry in registry_commands.read("history")].count("Production") == 1


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
def test_a_promotion_killed_at_any_rename_leaves_a_complete_copy(registry_commands, folder, tmp_path):
    """Killed while it writes the copy, `production` leaves the version before, and run again it completes.

    Renamed are the model's six files, then its folder, then current.json. On a push it is killed before the first, the
    last two, and not at all; the long form has each.
    """
    registry_commands.run("production", "--version", "1", *FORCE)
    options = ["--params", str(registry_commands.params), "--data", str(registry_commands.trained.data)]
    command = ["production", "--version", "2", *FORCE]
    moments = sorted({0, 6, 7, 8, *range(rounds(0, 8))})

    def kill_at(number: int) -> tuple[multiprocessing.process.BaseProcess, Path]:
        place = tmp_path / f"killed-{number}"
        shutil.copytree(registry_commands.database.parent / "models", place / "models")
        shutil.copy(registry_commands.database, place)
        uri = f"sqlite:///{(place / 'mlflow.db').as_posix()}"
        process = processes().Process(target=run_killed_at_rename, args=(number, uri, [*command, *options]))
        process.start()
        return process, place

    killed = []
    for process, place in [kill_at(number) for number in moments]:
        process.join()
        copy = place / "models" / "production" / "tfidf"
        killed.append(process.exitcode == -signal.SIGKILL)
        assert served_version(copy) == (1 if killed[-1] else 2)
        registry_commands.move_to(place / "mlflow.db")
        registry_commands.run(*command)
        assert served_version(copy) == 2 and registry_commands.stages() == {1: "Archived", 2: "Production"}
        assert not list(copy.glob(".*")), "nothing of the killed process is left"
    assert killed == [True] * (len(moments) - 1) + [False]


@pytest.mark.slow
def test_a_reader_never_sees_parts_of_two_versions(registry_commands, folder):
    """It follows current.json and reads the files, as a service does; a version removed meanwhile is no mixture."""
    registry_commands.run("production", "--version", "1", *FORCE)
    stop, seen, mixed = threading.Event(), set(), []

    def read() -> None:
        while not stop.is_set():
            try:
                seen.add(served_version(folder))
            except FileNotFoundError:
                pass  # it was removed; the next round finds the other one
            except AssertionError as error:
                mixed.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    for version in ("2", "1") * rounds(3, 20):
        registry_commands.run("production", "--version", version, *FORCE)
    stop.set()
    reader.join()
    assert not mixed and seen == {1, 2}


def test_bootstrap_promotes_the_best_run_only_while_nothing_is_in_production(registry_commands: RegistryCommands):
    printed = registry_commands.run("bootstrap", "--reason", "the first version")
    assert "version 1: None -> Staging" in printed and "version 1: Staging -> Production" in printed
    assert registry_commands.read("history")[-1]["reason"] == "the first version"
    assert served_version(registry_commands.database.parent / "models" / "production" / "tfidf") == 1
    registry_commands.register("bad")
    assert "version 1 is in Production already" in registry_commands.run("bootstrap")
    assert registry_commands.stages() == {1: "Production", 2: "None"}


def test_bootstrap_passes_no_gate_by_itself(registry_commands):
    from support.repository import write_params

    write_params(registry_commands.params, registry={"minimum_accuracy": 0.999})
    assert "refused: " in registry_commands.run("bootstrap", code=3)
    assert registry_commands.stages() == {1: "None"}
