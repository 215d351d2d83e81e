"""The registry through its command line, on a real MLflow database: stages, gates, history, rollback, export."""

import contextlib
import hashlib
import json
import os
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from urllib.parse import urlparse
from urllib.request import url2pathname

import mlflow
import numpy as np
import pytest

import mlflow_registry
from support.processes import environment, free_port
from support.registry import EXPERIMENT, NAME
from support.repository import REPOSITORY, write_params


def test_from_training_to_production_and_back(desk):
    """The guide's road: register, staging, production, a second version, rollback."""
    desk.register("good", "close")
    desk.run("staging", "--version", "1")
    assert desk.stages() == {1: "Staging", 2: "None"}
    desk.run("production")
    assert desk.stages() == {1: "Production", 2: "None"}
    desk.run("staging")
    desk.run("production", "--reason", "fewer mistakes with VPN tickets")
    assert desk.stages() == {1: "Archived", 2: "Production"}
    desk.run("rollback", "--by", "night shift")
    assert desk.stages() == {1: "Production", 2: "Archived"}
    told = [(e["version"], e["from"], e["to"], e["reason"]) for e in desk.read("history")][-6:]
    assert told == [
        (1, "Staging", "Production", None),
        (2, "None", "Staging", None),
        (2, "Staging", "Production", "fewer mistakes with VPN tickets"),
        (1, "Production", "Archived", "made room for version 2"),
        (1, "Archived", "Production", None),
        (2, "Production", "Archived", "made room for version 1"),
    ]
    assert desk.read("history")[-1]["by"] == "night shift"


def test_register_takes_the_best_run_on_validation_and_never_twice(desk, trained):
    assert "version 1 of" in desk.run("register")
    assert "is version 1 already" in desk.run("register")
    listed = desk.read("list")
    client = mlflow.MlflowClient(desk.uri)
    scores = {name: client.get_run(run).data.metrics["validation.macro_f1"] for name, run in trained.runs.items()}
    assert [row["run_id"] for row in listed] == [trained.runs[max(scores, key=scores.get)]]


def test_register_compares_only_runs_on_the_newest_runs_data(desk):
    """The best figures on other data say nothing: an older run on easier tickets must not win."""
    client = mlflow.MlflowClient(desk.uri)
    experiment = client.get_experiment_by_name(EXPERIMENT).experiment_id
    runs = client.search_runs([experiment], order_by=["metrics.`validation.macro_f1` DESC"])
    best = runs[0].info.run_id
    newest = client.search_runs([experiment], max_results=1)[0].info.run_id
    assert best != newest
    client.set_tag(best, "dvc.validation", "0" * 32)
    desk.run("register")
    assert desk.read("list")[0]["run_id"] != best


def test_both_the_alias_and_the_stage_load_what_is_in_production(desk):
    desk.register("good")
    desk.run("staging")
    desk.run("production")
    texts = np.array(["my laptop does not start", "please reset my password"])
    by_stage = mlflow.pyfunc.load_model(f"models:/{NAME}/Production").predict(texts)
    by_alias = mlflow.pyfunc.load_model(f"models:/{NAME}@production").predict(texts)
    assert list(by_stage) == list(by_alias) and len(by_alias) == 2


def test_a_worse_version_is_refused_with_gate_figures_and_advice(desk):
    desk.register("good", "bad")
    desk.run("staging", "--version", "1")
    desk.run("production")
    before = desk.stages(), desk.read("history")
    said = desk.run("staging", code=3)
    assert "refused: minimum accuracy: 0." in said and "under 0.8000: train a better one or lower registry." in said
    assert before == (desk.stages(), desk.read("history"))


def test_no_regression_is_judged_against_production_on_the_same_tickets(desk):
    write_params(desk.params, registry={"min_class_tickets": 10, "minimum_accuracy": 0.0, "minimum_macro_f1": 0.0})
    desk.register("good", "bad")
    desk.run("staging", "--version", "1")
    desk.run("production")
    desk.run("staging")
    said = desk.run("production", code=3).splitlines()
    assert [line.split(":")[1].strip() for line in said] == [
        "accuracy against Production",
        "macro F1 against Production",
        "F1 per class against Production",
    ]
    assert "on the same tickets" in said[0] and "worse, 0.0050 is allowed" in said[0]
    assert desk.stages() == {1: "Production", 2: "Staging"}


def test_check_says_what_the_gates_would_and_changes_nothing(desk):
    desk.register("good")
    before = desk.read("history")
    found = desk.read("check", "1", code=3)
    assert [gate["gate"] for gate in found["gates"] if not gate["passed"]] == ["from Staging"]
    desk.run("staging")
    assert desk.read("check", "staging")["passed"] is True
    assert desk.read("history")[: len(before)] == before and len(desk.read("history")) == len(before) + 1


def test_force_needs_a_reason_and_is_recorded_with_the_gates_it_passed(desk):
    desk.register("bad")
    assert "--force needs --reason" in desk.run("production", "--version", "1", "--force", code=2)
    desk.run("production", "--version", "1", "--force", "--reason", "the only one there is")
    last = desk.read("history")[-1]
    assert (last["from"], last["to"], last["forced"]) == ("None", "Production", True)
    assert {"from Staging", "minimum accuracy"} <= set(last["refused_by"])
    assert desk.stages() == {1: "Production"}


def test_production_is_only_reached_from_staging(desk):
    desk.register("good")
    said = desk.run("production", "--version", "1", code=3)
    assert said == "refused: from Staging: version 1 is in None: `staging --version 1` first\n"
    assert "no version is in Staging" in desk.run("production", code=2)


def test_the_version_in_production_cannot_be_archived_or_staged(desk):
    desk.register("good")
    desk.run("staging")
    desk.run("production")
    assert "is in Production: promote another one or `rollback`" in desk.run("archive", "production", code=3)
    assert "is in Production already" in desk.run("staging", "--version", "1", code=2)
    assert desk.stages() == {1: "Production"}


def test_archive_retires_versions_from_any_other_stage(desk):
    desk.register("good", "close")
    desk.run("staging", "--version", "1")
    for version in ("1", "2"):
        desk.run("archive", version)
    assert desk.stages() == {1: "Archived", 2: "Archived"}
    assert "nothing to do" in desk.run("archive", "2")


def test_a_new_staging_version_archives_the_one_before(desk):
    desk.register("good", "close")
    desk.run("staging", "--version", "1")
    desk.run("staging")
    assert desk.stages() == {1: "Archived", 2: "Staging"}
    desk.run("staging", "--version", "1")
    assert desk.stages() == {1: "Staging", 2: "Archived"}


def test_each_rollback_goes_one_production_further_back(desk):
    desk.register("good", "close", "bad")
    for version in ("1", "2", "3"):
        desk.run("production", "--version", version, "--force", "--reason", "test")
    desk.run("rollback")
    assert desk.stages()[2] == "Production"
    desk.run("rollback")
    assert desk.stages()[1] == "Production"
    assert "no earlier Production" in desk.run("rollback", code=2)
    desk.run("production", "--version", "3", "--force", "--reason", "again")
    desk.run("rollback")
    assert desk.stages()[1] == "Production"


def test_rollback_brings_production_back_after_somebody_deleted_it(desk):
    """MLflow deletes a version in Production without asking; `list` then says how to mend it."""
    desk.register("good", "close")
    for version in ("1", "2"):
        desk.run("production", "--version", version, "--force", "--reason", "test")
    mlflow.MlflowClient(desk.uri, desk.uri).delete_model_version(NAME, "2")
    desk.capsys.readouterr()
    assert mlflow_registry.main(["list"]) == 0
    assert "nothing is in Production any more; `rollback`" in desk.capsys.readouterr().err
    desk.run("rollback")
    assert desk.stages() == {1: "Production"}


@pytest.mark.parametrize("name", ["model.skops", "scorer.npz", "metadata.json"])
def test_a_changed_artifact_is_refused_and_nothing_is_unpickled(desk, trained, tmp_path, name):
    """Whoever can write the artifact store cannot get a file of theirs loaded: the hash is in the registry."""
    # The other tests' files stay as they are.
    desk.move_files(tmp_path / "store")
    desk.register("good")
    client = mlflow.MlflowClient(desk.uri)
    run = client.get_run(trained.runs["good"])
    place = client.get_logged_model(run.outputs.model_outputs[0].model_id).artifact_location
    model = Path(url2pathname(urlparse(place).path)) / name
    assert model.is_relative_to(tmp_path)
    original = model.read_bytes()
    model.write_bytes(original + b"x")
    # What nothing could load must not serve, so force does not pass this gate.
    assert "SHA-256 was recorded" in desk.run("staging", "--force", "--reason", "x", code=3)
    assert "is not the file whose SHA-256 was recorded" in desk.run("export", "1", str(tmp_path / "out"), code=2)
    assert not (tmp_path / "out").exists()
    model.unlink()
    assert f"{name} of version 1 cannot be fetched" in desk.run("staging", code=3)
    model.write_bytes(original)
    desk.run("staging")


def test_a_version_of_an_older_release_is_refused_with_advice(desk):
    """Its registration kept no hash of its metadata."""
    desk.register("good")
    mlflow.MlflowClient(desk.uri, desk.uri).delete_model_version_tag(NAME, "1", "metadata_sha256")
    assert "registered without its metadata's SHA-256; train it again" in desk.run("staging", code=3)


def test_export_leaves_a_folder_that_the_safe_path_loads(desk, tmp_path):
    from callcenterai.artifact.folder import load_model, read_run_facts

    desk.register("good")
    desk.run("export", "1", str(tmp_path / "served"))
    assert set(load_model(tmp_path / "served").predict(["laptop broken"])) < set(
        json.loads((tmp_path / "served" / "metadata.json").read_text(encoding="utf-8"))["labels"]
    )
    digest = hashlib.sha256((tmp_path / "served" / "model.skops").read_bytes()).hexdigest()
    (listed,) = desk.read("list")
    assert listed["model_sha256"] == digest
    # run.json, from which services know the age of the model, is written anew from the registry's tags.
    assert read_run_facts(tmp_path / "served")["started_at"] == datetime.fromisoformat(listed["trained_at"]).timestamp()


def test_dry_run_checks_and_changes_nothing(desk):
    assert "would be registered" in desk.run("register", "--dry-run")
    assert desk.read("list") == []
    desk.register("good", "bad")
    assert "if it were done" in desk.run("staging", "--version", "1", "--dry-run")
    assert "refused" in desk.run("staging", "--dry-run", code=3)
    assert desk.stages() == {1: "None", 2: "None"}
    assert len(desk.read("history")) == 2


def test_json_and_tables_hold_what_people_and_programs_look_for(desk):
    desk.register("good", "bad")
    desk.run("staging", "--version", "1")
    assert {"version", "stage", "accuracy", "macro_f1", "run_id", "data", "commit"} <= set(desk.read("list")[0])
    assert {"at", "by", "version", "from", "to", "reason", "forced"} <= set(desk.read("history")[0])
    table = desk.run("list").splitlines()
    assert table[0].split() == [
        "version",
        "stage",
        "accuracy",
        "macro",
        "F1",
        "data",
        "commit",
        "trained",
        "moved",
        "by",
    ]
    assert [row.split()[:2] for row in table[1:]] == [["2", "None"], ["1", "Staging"]]
    assert "\x1b" not in "".join(table)
    assert desk.read("diff", "1", "2")["parameters"]["C"] == ["0.5", "0.0001"]
    assert "C          0.5" in desk.run("diff", "1", "2")
    assert desk.read("show", "staging")["parameters"]["C"] == "0.5"
    assert "parameters.C" in desk.run("show", "1")
    assert "register" in desk.run("history")


def test_versions_trained_on_another_split_are_not_judged_on_this_one(desk, trained, tmp_path):
    """Their own training tickets may be in it, and they would look better than they are."""
    desk.register("good")
    (tmp_path / "other").mkdir()
    content = (trained.data / "test.csv").read_text(encoding="utf-8")
    (tmp_path / "other" / "test.csv").write_text("".join(content.splitlines(keepends=True)[:-1]), encoding="utf-8")
    arguments = ["staging", "--params", str(desk.params), "--data", str(tmp_path / "other")]
    assert mlflow_registry.main(arguments) == 3
    assert "refused: test data: " in desk.capsys.readouterr().err


WRONG = {
    "no such version": (("staging", "--version", "7"), "there is no version 7; there are: 1"),
    "not a number": (("show", "latest"), "'latest' is not a version: give a number, `production` or `staging`"),
    "nothing there": (("show", "production"), "no version is in Production"),
    "no such run": (("register", "--run-id", "abc"), "there is no run 'abc'"),
    "nothing earlier": (("rollback",), "there is no earlier Production"),
}


@pytest.mark.parametrize("command, expected", WRONG.values(), ids=WRONG.keys())
def test_what_the_user_can_mend_is_one_line(desk, command, expected):
    desk.register("good")
    said = desk.run(*command, code=2)
    assert said.startswith(f"error: {expected}") and len(said.splitlines()) == 1


def test_without_test_data_the_message_names_the_command(desk, tmp_path):
    desk.register("good")
    assert mlflow_registry.main(["staging", "--params", str(desk.params), "--data", str(tmp_path)]) == 2
    assert "make it with `dvc repro prepare`" in desk.capsys.readouterr().err


def test_without_a_database_reading_makes_none(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{(tmp_path / 'none.db').as_posix()}")
    assert mlflow_registry.main(["list"]) == 2
    assert "`dvc repro` trains a model and makes it" in capsys.readouterr().err
    assert not (tmp_path / "none.db").exists()


def test_a_model_without_versions_is_empty_and_not_an_error(desk):
    assert desk.read("list", "--model", "transformer") == []
    assert desk.read("history", "--model", "transformer") == []
    assert "no version yet" in desk.run("staging", code=2)
    assert "no finished training" in desk.run("register", "--model", "transformer", code=2)


@pytest.mark.parametrize("command", ["list", "history", "register", "staging", "rollback"])
def test_a_server_that_is_down_is_one_line(desk, command):
    desk.monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{free_port()}")
    said = desk.run(command, code=2)
    assert "cannot use the MLflow tracking store http://127.0.0.1:" in said and "start the server" in said
    assert len(said.splitlines()) == 1


@pytest.mark.skipif(os.name == "nt", reason="Windows has no pseudo-terminals to look through")
def test_colour_is_for_terminals_unless_no_color_is_set(desk):
    """A pipe gets none."""
    desk.register("good", "bad")
    desk.run("staging", "--version", "2", code=3)

    def shown(**variables: str) -> bytes:
        ours, theirs = os.openpty()
        arguments = ["check", "2", "--params", str(desk.params), "--data", str(desk.trained.data)]
        variables |= {"TERM": "xterm", "MLFLOW_TRACKING_URI": desk.uri}
        command = [sys.executable, "scripts/mlflow_registry.py", *arguments]
        done = subprocess.Popen(command, cwd=REPOSITORY, env=environment() | variables, stdout=theirs)
        os.close(theirs)
        found = b""
        with contextlib.suppress(OSError):  # how Linux says that the other side has closed
            while part := os.read(ours, 10_000):
                found += part
        os.close(ours)
        assert done.wait() == 3 and b"REFUSES" in found
        return found

    assert b"\x1b[31m" in shown()
    assert b"\x1b[31m" not in shown(NO_COLOR="1")
    assert "\x1b" not in run_check(desk)


def run_check(desk) -> str:
    """Return what `check 2` prints into a pipe."""
    desk.capsys.readouterr()
    arguments = ["check", "2", "--params", str(desk.params), "--data", str(desk.trained.data)]
    assert mlflow_registry.main(arguments) == 3
    return desk.capsys.readouterr().out
