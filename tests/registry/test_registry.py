"""The registry through its command line, on a real MLflow database: stages, gates, history, rollback, export."""

import contextlib
import hashlib
import json
import os
import re
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from urllib.parse import urlparse
from urllib.request import url2pathname

import mlflow
import pytest

import mlflow_registry
from support.processes import environment, free_port
from support.registry import EXPERIMENT, NAME
from support.repository import REPOSITORY, write_params


@pytest.mark.runs(
    "python scripts/mlflow_registry.py staging",
    "python scripts/mlflow_registry.py production",
    "python scripts/mlflow_registry.py rollback",
)
def test_from_training_to_production_and_back(registry_commands):
    """The sequence of the guide: register, staging, production, a second version, rollback."""
    registry_commands.register("good", "close")
    registry_commands.run("staging", "--version", "1")
    assert registry_commands.stages() == {1: "Staging", 2: "None"}
    registry_commands.run("production")
    assert registry_commands.stages() == {1: "Production", 2: "None"}
    registry_commands.run("staging")
    registry_commands.run("production", "--reason", "fewer mistakes with VPN tickets")
    assert registry_commands.stages() == {1: "Archived", 2: "Production"}
    registry_commands.run("rollback", "--by", "night shift")
    assert registry_commands.stages() == {1: "Production", 2: "Archived"}
    moves = [(e["version"], e["from"], e["to"], e["reason"]) for e in registry_commands.read("history")][-6:]
    assert moves == [
        (1, "Staging", "Production", None),
        (2, "None", "Staging", None),
        (2, "Staging", "Production", "fewer mistakes with VPN tickets"),
        (1, "Production", "Archived", "made room for version 2"),
        (1, "Archived", "Production", None),
        (2, "Production", "Archived", "made room for version 1"),
    ]
    assert registry_commands.read("history")[-1]["by"] == "night shift"


def test_a_version_is_named_by_its_number_or_the_option_and_the_command_says_what_it_is_doing(
    registry_commands, trained, capsys
):
    registry_commands.register("good", "close")
    options = ["--params", str(registry_commands.params), "--data", str(trained.data)]
    assert mlflow_registry.main(["staging", "1", *options]) == 0
    said = capsys.readouterr().err
    assert "version 1: loading it" in said and "version 1: measuring it on " in said
    assert mlflow_registry.main(["production", "--version", "1", *options]) == 0
    assert registry_commands.stages() == {1: "Production", 2: "None"}
    assert "there is no version 99" in registry_commands.run("production", "99", code=2)
    with pytest.raises(SystemExit):
        mlflow_registry.main(["staging", "1", "--version", "2"])


def test_a_runs_name_says_what_differs_from_the_run_before(trained, registry_commands):
    client = mlflow.MlflowClient(registry_commands.uri)
    names = {name: client.get_run(run).info.run_name for name, run in trained.runs.items()}
    assert names["good"].startswith("tfidf first run ") and names["close"].startswith("tfidf C=0.9 ")


@pytest.mark.runs("python scripts/mlflow_registry.py register")
def test_register_takes_the_best_run_on_validation_and_never_twice(registry_commands, trained):
    assert "version 1 of" in registry_commands.run("register")
    assert "is version 1 already" in registry_commands.run("register")
    listed = registry_commands.read("list")
    client = mlflow.MlflowClient(registry_commands.uri)
    scores = {name: client.get_run(run).data.metrics["validation.macro_f1"] for name, run in trained.runs.items()}
    assert [row["run_id"] for row in listed] == [trained.runs[max(scores, key=scores.get)]]


def test_register_names_a_newer_run_that_is_not_the_best(registry_commands):
    """Whoever has just trained a model finds the command that registers it."""
    assert "newest" not in registry_commands.run("register")
    client = mlflow.MlflowClient(registry_commands.uri)
    experiment = client.get_experiment_by_name(EXPERIMENT).experiment_id
    newest = client.search_runs([experiment], max_results=1)[0].info.run_id
    assert f"`register --run-id {newest}`" in registry_commands.run("register")
    registry_commands.run("register", "--run-id", newest)
    assert "newest" not in registry_commands.run("register")


def test_register_compares_only_runs_on_the_newest_runs_data(registry_commands):
    """Figures on different data cannot be compared: an older run on easier tickets must not win."""
    client = mlflow.MlflowClient(registry_commands.uri)
    experiment = client.get_experiment_by_name(EXPERIMENT).experiment_id
    runs = client.search_runs([experiment], order_by=["metrics.`validation.macro_f1` DESC"])
    best = runs[0].info.run_id
    newest = client.search_runs([experiment], max_results=1)[0].info.run_id
    assert best != newest
    client.set_tag(best, "dvc.validation", "0" * 32)
    registry_commands.run("register")
    assert registry_commands.read("list")[0]["run_id"] != best


def test_alias_and_stage_both_load_the_version_in_production(registry_commands):
    registry_commands.register("good")
    registry_commands.run("staging")
    registry_commands.run("production")
    texts = ["my laptop does not start", "please reset my password"]
    by_stage = mlflow.pyfunc.load_model(f"models:/{NAME}/Production").predict(texts)
    by_alias = mlflow.pyfunc.load_model(f"models:/{NAME}@production").predict(texts)
    assert list(by_stage) == list(by_alias) and len(by_alias) == 2


def test_a_worse_version_is_refused_with_gate_figures_and_advice(registry_commands):
    registry_commands.register("good", "bad")
    registry_commands.run("staging", "--version", "1")
    registry_commands.run("production")
    before = registry_commands.stages(), registry_commands.read("history")
    output = registry_commands.run("staging", code=3)
    assert "refused: minimum accuracy: 0." in output and "under 0.8000: train a better one or lower registry." in output
    assert before == (registry_commands.stages(), registry_commands.read("history"))


def test_regression_is_measured_against_production_on_the_same_tickets(registry_commands):
    write_params(
        registry_commands.params, registry={"min_class_tickets": 10, "minimum_accuracy": 0.0, "minimum_macro_f1": 0.0}
    )
    registry_commands.register("good", "bad")
    registry_commands.run("staging", "--version", "1")
    registry_commands.run("production")
    registry_commands.run("staging")
    printed = registry_commands.run("production", code=3).splitlines()
    output = [line for line in printed if line.startswith("refused: ")]
    assert [line.split(":")[1].strip() for line in output] == [
        "accuracy against Production",
        "macro F1 against Production",
        "F1 per class against Production",
    ]
    assert "on the same tickets" in output[0] and "worse, 0.0050 is allowed" in output[0]
    assert registry_commands.stages() == {1: "Production", 2: "Staging"}


@pytest.mark.runs("python scripts/mlflow_registry.py check 1")
def test_check_shows_every_verdict_and_changes_nothing(registry_commands):
    registry_commands.register("good")
    before = registry_commands.read("history")
    found = registry_commands.read("check", "1", code=3)
    assert [gate["gate"] for gate in found["gates"] if not gate["passed"]] == ["from Staging"]
    registry_commands.run("staging")
    assert registry_commands.read("check", "staging")["passed"] is True
    assert (
        registry_commands.read("history")[: len(before)] == before
        and len(registry_commands.read("history")) == len(before) + 1
    )


def test_force_needs_a_reason_and_is_recorded_with_the_passed_gates(registry_commands):
    registry_commands.register("bad")
    assert "--force needs --reason" in registry_commands.run("production", "--version", "1", "--force", code=2)
    registry_commands.run("production", "--version", "1", "--force", "--reason", "the only one there is")
    last = registry_commands.read("history")[-1]
    assert (last["from"], last["to"], last["forced"]) == ("None", "Production", True)
    assert {"from Staging", "minimum accuracy"} <= set(last["refused_by"])
    assert registry_commands.stages() == {1: "Production"}


def test_production_is_only_reached_from_staging(registry_commands):
    registry_commands.register("good")
    output = registry_commands.run("production", "--version", "1", code=3)
    assert output.endswith("refused: from Staging: version 1 is in None: `staging 1` first\n")
    assert "no version is in Staging" in registry_commands.run("production", code=2)


def test_the_version_in_production_cannot_be_archived_or_staged(registry_commands):
    registry_commands.register("good")
    registry_commands.run("staging")
    registry_commands.run("production")
    assert "is in Production: promote another one or `rollback`" in registry_commands.run(
        "archive", "production", code=3
    )
    assert "is in Production already" in registry_commands.run("staging", "--version", "1", code=2)
    assert registry_commands.stages() == {1: "Production"}


def test_archive_retires_versions_from_any_other_stage(registry_commands):
    registry_commands.register("good", "close")
    registry_commands.run("staging", "--version", "1")
    for version in ("1", "2"):
        registry_commands.run("archive", version)
    assert registry_commands.stages() == {1: "Archived", 2: "Archived"}
    assert "nothing to do" in registry_commands.run("archive", "2")


def test_a_new_staging_version_archives_the_one_before(registry_commands):
    registry_commands.register("good", "close")
    registry_commands.run("staging", "--version", "1")
    registry_commands.run("staging")
    assert registry_commands.stages() == {1: "Archived", 2: "Staging"}
    registry_commands.run("staging", "--version", "1")
    assert registry_commands.stages() == {1: "Staging", 2: "Archived"}


def test_each_rollback_goes_one_production_further_back(registry_commands):
    registry_commands.register("good", "close", "bad")
    for version in ("1", "2", "3"):
        registry_commands.run("production", "--version", version, "--force", "--reason", "test")
    registry_commands.run("rollback")
    assert registry_commands.stages()[2] == "Production"
    registry_commands.run("rollback")
    assert registry_commands.stages()[1] == "Production"
    assert "no earlier Production" in registry_commands.run("rollback", code=2)
    registry_commands.run("production", "--version", "3", "--force", "--reason", "again")
    registry_commands.run("rollback")
    assert registry_commands.stages()[1] == "Production"


def test_rollback_brings_production_back_after_somebody_deleted_it(registry_commands):
    """MLflow deletes a version in Production without asking; `list` then warns and names `rollback`."""
    registry_commands.register("good", "close")
    for version in ("1", "2"):
        registry_commands.run("production", "--version", version, "--force", "--reason", "test")
    mlflow.MlflowClient(registry_commands.uri, registry_commands.uri).delete_model_version(NAME, "2")
    registry_commands.capsys.readouterr()
    assert mlflow_registry.main(["list"]) == 0
    assert "nothing is in Production any more; `rollback`" in registry_commands.capsys.readouterr().err
    registry_commands.run("rollback")
    assert registry_commands.stages() == {1: "Production"}


@pytest.mark.parametrize("name", ["model.skops", "scorer.npz", "metadata.json"])
def test_a_changed_artifact_is_refused_and_nothing_is_unpickled(registry_commands, trained, tmp_path, name):
    """Write access to the artifact store is not enough to have a file loaded: its hash is in the registry."""
    # A copy, because other tests use the original files.
    registry_commands.move_files(tmp_path / "store")
    registry_commands.register("good")
    client = mlflow.MlflowClient(registry_commands.uri)
    run = client.get_run(trained.runs["good"])
    place = client.get_logged_model(run.outputs.model_outputs[0].model_id).artifact_location
    model = Path(url2pathname(urlparse(place).path)) / name
    assert model.is_relative_to(tmp_path)
    original = model.read_bytes()
    model.write_bytes(original + b"x")
    # --force does not pass this gate: a model that cannot be loaded cannot serve.
    assert "SHA-256 was recorded" in registry_commands.run("staging", "--force", "--reason", "x", code=3)
    assert "is not the file whose SHA-256 was recorded" in registry_commands.run(
        "export", "1", str(tmp_path / "out"), code=2
    )
    assert not (tmp_path / "out").exists()
    model.unlink()
    assert f"{name} of version 1 cannot be fetched" in registry_commands.run("staging", code=3)
    model.write_bytes(original)
    registry_commands.run("staging")


def test_a_version_of_an_older_release_is_refused_with_advice(registry_commands):
    """Older releases registered versions without the hash of their metadata."""
    registry_commands.register("good")
    mlflow.MlflowClient(registry_commands.uri, registry_commands.uri).delete_model_version_tag(
        NAME, "1", "metadata_sha256"
    )
    assert "registered without its metadata's SHA-256; train it again" in registry_commands.run("staging", code=3)


def test_export_writes_a_folder_that_load_model_accepts(registry_commands, tmp_path):
    from callcenterai.artifact.folder import load_model, read_run_facts

    registry_commands.register("good")
    registry_commands.run("export", "1", str(tmp_path / "served"))
    assert set(load_model(tmp_path / "served").predict(["laptop broken"])) < set(
        json.loads((tmp_path / "served" / "metadata.json").read_text(encoding="utf-8"))["labels"]
    )
    digest = hashlib.sha256((tmp_path / "served" / "model.skops").read_bytes()).hexdigest()
    (listed,) = registry_commands.read("list")
    assert listed["model_sha256"] == digest
    # Services read the age of the model from run.json, which export writes from the registry's tags.
    assert read_run_facts(tmp_path / "served")["started_at"] == datetime.fromisoformat(listed["trained_at"]).timestamp()


def test_dry_run_checks_and_changes_nothing(registry_commands):
    assert "would be registered" in registry_commands.run("register", "--dry-run")
    assert registry_commands.read("list") == []
    registry_commands.register("good", "bad")
    assert "(dry run)" in registry_commands.run("staging", "--version", "1", "--dry-run")
    assert "refused" in registry_commands.run("staging", "--dry-run", code=3)
    assert registry_commands.stages() == {1: "None", 2: "None"}
    assert len(registry_commands.read("history")) == 2


@pytest.mark.runs("python scripts/mlflow_registry.py list", "python scripts/mlflow_registry.py history")
def test_reading_commands_print_tables_and_json(registry_commands):
    registry_commands.register("good", "bad")
    registry_commands.run("staging", "--version", "1")
    assert {"version", "stage", "accuracy", "macro_f1", "run_id", "data", "commit"} <= set(
        registry_commands.read("list")[0]
    )
    assert {"at", "by", "version", "from", "to", "reason", "forced"} <= set(registry_commands.read("history")[0])
    table = registry_commands.run("list").splitlines()
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
    assert registry_commands.read("diff", "1", "2")["parameters"]["C"] == ["0.5", "0.0001"]
    assert re.search(r"^C +0\.5 +0\.0001", registry_commands.run("diff", "1", "2"), re.MULTILINE)
    assert registry_commands.read("show", "staging")["parameters"]["C"] == "0.5"
    assert "parameters.C" in registry_commands.run("show", "1")
    assert "register" in registry_commands.run("history")


def test_versions_trained_on_another_split_are_refused(registry_commands, trained, tmp_path):
    """This test part may hold tickets of their training, which would make them look better than they are."""
    registry_commands.register("good")
    (tmp_path / "other").mkdir()
    content = (trained.data / "test.csv").read_text(encoding="utf-8")
    (tmp_path / "other" / "test.csv").write_text("".join(content.splitlines(keepends=True)[:-1]), encoding="utf-8")
    arguments = ["staging", "--params", str(registry_commands.params), "--data", str(tmp_path / "other")]
    assert mlflow_registry.main(arguments) == 3
    assert "refused: test data: " in registry_commands.capsys.readouterr().err


WRONG = {
    "no such version": (("staging", "--version", "7"), "there is no version 7; there are: 1"),
    "not a number": (("show", "latest"), "'latest' is not a version: give a number, `production` or `staging`"),
    "nothing there": (("show", "production"), "no version is in Production"),
    "no such run": (("register", "--run-id", "abc"), "there is no run 'abc'"),
    "nothing earlier": (("rollback",), "there is no earlier Production"),
}


@pytest.mark.parametrize("command, expected", WRONG.values(), ids=WRONG.keys())
def test_user_errors_are_one_line(registry_commands, command, expected):
    registry_commands.register("good")
    output = registry_commands.run(*command, code=2)
    assert output.startswith(f"error: {expected}") and len(output.splitlines()) == 1


def test_missing_test_data_names_the_command_that_makes_it(registry_commands, tmp_path):
    registry_commands.register("good")
    assert mlflow_registry.main(["staging", "--params", str(registry_commands.params), "--data", str(tmp_path)]) == 2
    assert "make it with `dvc repro prepare`" in registry_commands.capsys.readouterr().err


def test_reading_does_not_create_a_missing_database(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{(tmp_path / 'none.db').as_posix()}")
    assert mlflow_registry.main(["list"]) == 2
    assert "`dvc repro` trains a model and makes it" in capsys.readouterr().err
    assert not (tmp_path / "none.db").exists()


def test_reading_a_model_without_versions_is_not_an_error(registry_commands):
    assert registry_commands.read("list", "--model", "transformer") == []
    assert registry_commands.read("history", "--model", "transformer") == []
    assert "no version yet" in registry_commands.run("staging", code=2)
    assert "no finished training" in registry_commands.run("register", "--model", "transformer", code=2)


@pytest.mark.parametrize("command", ["list", "history", "register", "staging", "rollback"])
def test_unreachable_server_is_one_line(registry_commands, command):
    registry_commands.monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{free_port()}")
    output = registry_commands.run(command, code=2)
    assert "cannot use the MLflow tracking store http://127.0.0.1:" in output and "start the server" in output
    assert len(output.splitlines()) == 1


@pytest.mark.skipif(os.name == "nt", reason="Windows has no pseudo-terminals to look through")
def test_only_terminals_get_colour_unless_no_color_is_set(registry_commands):
    registry_commands.register("good", "bad")
    registry_commands.run("staging", "--version", "2", code=3)

    def shown(**variables: str) -> bytes:
        ours, theirs = os.openpty()
        arguments = [
            "check",
            "2",
            "--params",
            str(registry_commands.params),
            "--data",
            str(registry_commands.trained.data),
        ]
        variables |= {"TERM": "xterm", "MLFLOW_TRACKING_URI": registry_commands.uri}
        command = [sys.executable, "scripts/mlflow_registry.py", *arguments]
        done = subprocess.Popen(command, cwd=REPOSITORY, env=environment() | variables, stdout=theirs)
        os.close(theirs)
        found = b""
        with contextlib.suppress(OSError):  # Linux raises OSError when the other side has closed
            while part := os.read(ours, 10_000):
                found += part
        os.close(ours)
        assert done.wait() == 3 and b"REFUSES" in found
        return found

    assert b"\x1b[31m" in shown()
    assert b"\x1b[31m" not in shown(NO_COLOR="1")
    assert "\x1b" not in run_check(registry_commands)


def run_check(registry_commands) -> str:
    """Return the output of `check 2` when stdout is not a terminal."""
    registry_commands.capsys.readouterr()
    arguments = ["check", "2", "--params", str(registry_commands.params), "--data", str(registry_commands.trained.data)]
    assert mlflow_registry.main(arguments) == 3
    return registry_commands.capsys.readouterr().out
