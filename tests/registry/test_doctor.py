"""`mlflow_registry.py doctor` mends what has one safe remedy, and says what to do about the rest."""

import mlflow
import pytest

from callcenterai.registry.state import Change, Move
from callcenterai.registry.store import HISTORY_TAG, INTENT_TAG, STAGE_TAG
from support.registry import NAME


@pytest.fixture
def commands(registry_commands, monkeypatch, tmp_path):
    """Registry commands of a repository without DVC, with one version in Staging."""
    monkeypatch.setattr("callcenterai.tracking.store.ROOT", tmp_path)
    registry_commands.register("good")
    registry_commands.run("staging")
    return registry_commands


def client(commands) -> mlflow.MlflowClient:
    return mlflow.MlflowClient(commands.uri, commands.uri)


def remedies(commands, code: int = 0) -> dict[str, str]:
    """Return the remedy for what needs a person, by what was checked."""
    return {each["checked"]: each["remedy"] for each in commands.read("doctor", code=code) if each["remedy"]}


@pytest.mark.runs("python scripts/mlflow_registry.py doctor")
def test_a_registry_without_faults_is_well(commands):
    printed = commands.run("doctor")
    assert printed.count("well") == 5 and "files of version 1 (Staging)" in printed


def test_stage_tags_that_something_else_has_changed_are_mended(commands):
    client(commands).set_model_version_tag(NAME, "1", STAGE_TAG, "Production")
    assert "mended: version 1 is in Staging" in commands.run("doctor")
    assert commands.stages() == {1: "Staging"}


def test_a_change_that_was_killed_is_finished(commands):
    """The alias was moved; tags and history were not written yet."""
    change = Change("archive", (Move(1, "Staging", "Archived"),), by="test", number=3)
    client(commands).set_registered_model_tag(NAME, INTENT_TAG, change.to_json())
    client(commands).delete_registered_model_alias(NAME, "staging")
    assert "mended: archive is complete" in commands.run("doctor")
    assert commands.stages() == {1: "Archived"} and "well" in commands.run("doctor")


def test_a_missing_file_is_named_with_what_to_do(commands, tmp_path):
    commands.move_files(tmp_path / "mlruns")
    for path in (tmp_path / "mlruns").glob("models/*/artifacts/model.skops"):
        path.unlink()
    found = remedies(commands, code=2)
    assert list(found) == ["files of version 1 (Staging)"] and "`register` another run" in found.popitem()[1]


def test_a_deleted_record_of_the_history_is_said(commands):
    client(commands).delete_registered_model_tag(NAME, f"{HISTORY_TAG}000001")
    assert "record 1 is missing" in remedies(commands, code=2)[f"history of {NAME}"]


@pytest.mark.parametrize("command", ["doctor", "list"])
def test_a_damaged_record_is_one_line(commands, command):
    client(commands).set_registered_model_tag(NAME, f"{HISTORY_TAG}000001", "{}")
    assert f"the tag {HISTORY_TAG}000001" in commands.run(command, code=2)
