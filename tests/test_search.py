"""A parameter search tries what params.yaml says, on any workers, reports it correctly and never reads test."""

import json
import os
import re
import shlex
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import mlflow
import pytest
import yaml

import search_tfidf
import set_parameters
from support.processes import environment, free_port, run, wait_until
from support.repository import REPOSITORY, SCRIPTS
from support.servers.dask_workers import Workers, only_error
from support.servers.mlflow_server import TrackingServer
from support.tfidf_project import Project
from support.tracking import new_tracking_database

EXPERIMENT = "callcenterai-tfidf-classification-search"
TWO = {"C": [0.1, 2.0]}
# What is left open is chosen once before the trials; most tests have no need of it.
SETTLED = {"features": "words", "accents": "keep", "class_spread": 1.0, "min_df": 2, "C": 0.5}


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """Prepared tickets without a test part, so that no search can read it."""
    project = Project(tmp_path_factory.mktemp("search"))
    (project.folder / "data" / "test.csv").unlink()
    return project


@pytest.fixture
def search_without_database(project, scheduler, tmp_path, monkeypatch):
    """Return a function that searches with changes of section search_tfidf; its tracking database does not exist."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path.as_posix()}/mlflow.db")
    monkeypatch.setenv("DASK_SCHEDULER_ADDRESS", scheduler)
    monkeypatch.setattr("callcenterai.tracking.store.ROOT", tmp_path)
    monkeypatch.setattr("callcenterai.tracking.embedded.REPOSITORY", tmp_path)

    def search(**changes) -> int:
        return search_tfidf.main(write(project, "params.yaml", changes))

    return search


@pytest.fixture
def search(search_without_database, tmp_path):
    """Return the function that searches, with an empty tracking database."""
    new_tracking_database(tmp_path)
    return search_without_database


def write(project: Project, path: str, changes: dict, **train) -> list[str]:
    """Write params.yaml for a search, and return the arguments that name it and the tickets."""
    sections = project.params["train_tfidf"], project.params["search_tfidf"]
    changed = (
        sections[0] | SETTLED | {"bootstrap_samples": 100} | train,
        sections[1] | {"method": "grid", "parameters": TWO} | changes,
    )
    params = project.params | dict(zip(("train_tfidf", "search_tfidf"), changed, strict=True))
    # Each list on one line, as in the repository's params.yaml.
    Path(project.at(path)).write_text(yaml.safe_dump(params, default_flow_style=None), encoding="utf-8")
    return ["--params", project.at(path), "--data", project.at("data")]


def runs() -> tuple:
    """Return the run of the only search, and the runs of its trials by number."""
    found = mlflow.search_runs(experiment_names=[EXPERIMENT], output_format="list")
    (parent,) = [run for run in found if "mlflow.parentRunId" not in run.data.tags]
    trials = [run for run in found if run.data.tags.get("mlflow.parentRunId") == parent.info.run_id]
    assert len(trials) == len(found) - 1
    return parent, {int(run.info.run_name.removeprefix("trial-")): run for run in trials}


def rows(out: str) -> list[list[str]]:
    """Return the printed table without its header."""
    return [re.split(r"\s{2,}", line) for line in out.splitlines() if re.match(r"\d", line)]


@pytest.mark.runs("python scripts/search_tfidf.py")
def test_a_grid_is_tried_whole_and_every_trial_is_a_nested_run(search, project, capsys):
    """params.yaml as it is, is tried too; each run has its parameters and the figures of validation, none of test."""
    assert search(parameters={"C": [0.1, 2.0], "min_df": [1, 2]}, metric="log_loss") == 0
    parent, trials = runs()
    tried = {(run.data.params["C"], run.data.params["min_df"]) for run in trials.values()}
    assert tried == {("0.5", "2"), ("0.1", "1"), ("0.1", "2"), ("2.0", "1"), ("2.0", "2")}
    assert (trials[0].data.params["C"], trials[0].data.params["min_df"]) == ("0.5", "2")
    assert {run.info.status for run in (parent, *trials.values())} == {"FINISHED"}
    names = {name for run in trials.values() for name in run.data.metrics}
    assert "validation.accuracy" in names and not [name for name in names if name.startswith("test")]
    assert json.loads(parent.data.params["parameters"]) == {"C": [0.1, 2.0], "min_df": [1, 2]}
    table = rows(capsys.readouterr().out)
    losses = [trials[int(row[0])].data.metrics["validation.log_loss"] for row in table]
    assert len(losses) == 5 and losses == sorted(losses)
    assert parent.data.tags["best_trial"] == table[0][0]
    assert parent.data.metrics["validation.log_loss"] == losses[0]


def test_a_trial_is_right_about_the_same_tickets_as_a_training_on_train(search, tmp_path_factory, monkeypatch):
    """So the best parameters of a search are the best for the pipeline, whose probabilities are calibrated on more."""
    whole = Project(tmp_path_factory.mktemp("whole"))
    fixed = SETTLED | {"C": 2.0, "calibration": "temperature"}
    assert search(parameters={"C": [2.0], "calibration": ["temperature"]}) == 0
    _, trials = runs()
    assert whole.train(**fixed, refit=False, bootstrap_samples=100) == 0
    expected, found = whole.metrics()["validation"], trials[1].data.metrics
    for name in ("accuracy", "macro_f1", "weighted_f1", "accuracy_without_near_duplicates"):
        assert found[f"validation.{name}"] == expected[name]
    assert found["validation.log_loss"] == pytest.approx(expected["log_loss"], abs=0.1)


def test_what_params_yaml_leaves_open_is_chosen_once_and_kept_by_all_trials(project, search, capsys):
    """The trials differ in what the search names alone; the printed command leaves the rest to `auto`."""
    left_open = {"features": "auto", "accents": "auto", "class_spread": "auto", "min_df": "auto", "C": "auto"}
    space = {"parameters": {"features": ["words", "characters"], "C": [0.1]}}
    assert search_tfidf.main(write(project, "open.yaml", space, **left_open)) == 0
    trials = [run.data.params for run in runs()[1].values()]
    # The first trial has what was chosen; one that the search names and that is the same is not run again.
    assert {each["features"] for each in trials} >= {"words", "characters"}
    for name in ("accents", "class_spread", "min_df"):
        (value,) = {each[name] for each in trials}
        assert value != "auto"
    assert trials[0]["features"] != "auto" and float(trials[0]["C"]) > 0
    best = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("best: "))
    assert "class_spread" not in best and "min_df" not in best


def test_a_random_search_draws_the_wanted_number_and_the_same_when_repeated(search, capsys):
    space = {
        "C": {"low": 0.1, "high": 10.0, "scale": "log"},
        "class_spread": {"low": 0.0, "high": 1.5},
        "min_df": [1, 2],
    }
    seen = []
    for _ in range(2):
        assert search(method="random", trials=3, parameters=space) == 0
        seen.append(sorted((row[0], row[-1]) for row in rows(capsys.readouterr().out)))
    assert seen[0] == seen[1] and len(seen[0]) == 4
    drawn = [dict(pair.split("=") for pair in shown.split(", ")) for number, shown in seen[0] if number != "0"]
    assert all(0.1 <= float(each["C"]) <= 10 and 0 <= float(each["class_spread"]) <= 1.5 for each in drawn)
    assert len({each["C"] for each in drawn}) == 3


def test_a_random_search_of_few_values_tries_each_once(search, capsys):
    assert search(method="random", trials=50) == 0
    assert len(rows(capsys.readouterr().out)) == 3


def test_the_printed_command_puts_the_best_parameters_into_params_yaml(project, search, capsys):
    """It changes the values that the best trial changed, and nothing else."""
    varied = {"C": [1.0], "ngram_range": [[1, 1]], "class_weight": ["balanced"]}
    arguments = write(project, "other.yaml", {"parameters": varied}, ngram_range=[3, 3], min_df=1)
    path = Path(arguments[1])
    before = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert search_tfidf.main(arguments) == 0
    out = capsys.readouterr().out
    assert rows(out)[0][0] == "1"
    best = next(line for line in out.splitlines() if line.startswith("best: "))
    command = shlex.split(best.removeprefix("best: trial 1; "))
    assert command[:2] == ["python", "scripts/set_parameters.py"] and set_parameters.main(command[2:]) == 0
    changed = {name: values[0] for name, values in varied.items()}
    assert yaml.safe_load(path.read_text(encoding="utf-8")) == before | {"train_tfidf": before["train_tfidf"] | changed}


def test_without_a_better_trial_it_says_to_keep_params_yaml(search, project, capsys):
    assert search(parameters={"C": [0.5]}) == 0
    assert f"best: trial 0, {project.at('params.yaml')} as it is" in capsys.readouterr().out


def test_gains_are_paired_differences_on_the_same_tickets(search, capsys):
    """A gain is the difference of the accuracies and has an interval; trial 0 has no gain."""
    assert search(parameters={"ngram_range": [[1, 1]], "C": [0.001]}) == 0
    table = {row[0]: row for row in rows(capsys.readouterr().out)}
    _, trials = runs()
    before, now = (trials[number].data.metrics["validation.accuracy"] for number in (0, 1))
    gain, half = table["1"][2].split(" +-")
    assert float(gain) == pytest.approx(now - before, abs=1e-4) and float(half) >= 0
    assert re.fullmatch(r"[\d.]+", table["0"][2])


def test_a_trial_that_cannot_be_trained_is_reported_and_the_others_go_on(search, capsys):
    assert search(parameters={"min_df": [1, 100_000]}) == 0
    out = capsys.readouterr().out
    assert "trial 2 (min_df=100000) failed: no word or character occurs in at least 100000 texts" in out
    assert [row[0] for row in rows(out)].count("2") == 0 and len(rows(out)) == 2
    parent, trials = runs()
    assert trials[2].info.status == "FAILED" and "no word or character occurs" in trials[2].data.tags["error"]
    assert parent.info.status == "FINISHED"


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"parameters": {"c": [1.0]}}, "search_tfidf.parameters.c: Extra inputs are not permitted"),
        ({"parameters": {"C": [1.0, -1.0]}}, "search_tfidf.parameters.C: Input should be greater than 0"),
        ({"parameters": {"C": []}}, "parameters.C has no value to try"),
        ({"parameters": {}}, "search_tfidf.parameters"),
        ({"parameters": {"C": {"low": 1.0, "high": 2.0}}}, "is a range, but a grid needs a list"),
        ({"parameters": {"C": {"low": 2.0, "high": 1.0}}, "method": "random"}, "low must be below high"),
        ({"parameters": {"C": {"low": 0.0, "high": 1.0, "scale": "log"}}, "method": "random"}, "low must be above 0"),
        ({"parameters": {"min_df": {"low": 1.0, "high": 3.0}}, "method": "random"}, "parameters.min_df"),
        ({"metric": "speed"}, "search_tfidf.metric"),
        ({"trials": 0}, "search_tfidf.trials"),
    ],
)
def test_an_invalid_search_space_is_refused_before_anything_starts(
    search_without_database, error_line, changes, message, tmp_path
):
    assert search_without_database(**changes) == 2
    assert message in error_line() and not (tmp_path / "mlflow.db").exists()


def test_when_no_scheduler_answers_nothing_is_logged(search_without_database, monkeypatch, error_line, tmp_path):
    monkeypatch.setenv("DASK_SCHEDULER_ADDRESS", f"tcp://127.0.0.1:{free_port()}")
    monkeypatch.setattr("callcenterai.core.cluster.TIMEOUT_SECONDS", 2)
    assert search_without_database() == 2
    assert "no Dask scheduler answers at" in error_line() and not (tmp_path / "mlflow.db").exists()


def test_without_prepared_tickets_it_says_how_to_make_them(search, project, error_line, tmp_path):
    assert search_tfidf.main(["--params", project.at("params.yaml"), "--data", str(tmp_path)]) == 2
    assert "make it with `dvc repro prepare`" in error_line()


def test_a_search_without_its_tracking_server_does_not_start(search, monkeypatch, capsys):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{free_port()}")
    assert search() == 2
    assert "cannot use the MLflow tracking store" in only_error(capsys)


@pytest.mark.slow
def test_a_search_goes_on_when_its_tracking_server_dies(project, tmp_path):
    values = [0.1, 0.2, 0.3, 0.4, 0.6, 0.7, 0.8, 0.9]
    arguments = write(project, "params.yaml", {"parameters": {"C": values}})
    with TrackingServer(tmp_path, "--backend-store-uri", new_tracking_database(tmp_path)) as server:
        variables = environment() | {"MLFLOW_TRACKING_URI": server.address}
        command = [sys.executable, str(SCRIPTS / "search_tfidf.py"), "--workers", "1", *arguments]
        running = subprocess.Popen(command, env=variables, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        wait_until(lambda: server.experiment_id(EXPERIMENT) and len(server.runs(EXPERIMENT)) >= 2, 120)
        server.kill()
        out, stderr = running.communicate(timeout=300)
    assert running.returncode == 0 and len(rows(out)) == 9
    assert len([line for line in stderr.splitlines() if "not everything is logged" in line]) == 1


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
def test_a_killed_worker_loses_and_doubles_no_trial(project, tmp_path, monkeypatch):
    """The only worker that has the tickets dies; each trial is one nested run, with the figures of one worker alone.

    The second worker joins when the first has already done a trial.
    """
    values = [round(0.1 * number, 1) for number in (*range(1, 5), *range(6, 14))]
    arguments = write(project, "params.yaml", {"parameters": {"C": values}})
    command = [sys.executable, str(SCRIPTS / "search_tfidf.py"), *arguments]
    uri = new_tracking_database(tmp_path)
    alone = run(tmp_path, *command[1:], "--workers", "1", MLFLOW_TRACKING_URI=uri)
    workers = Workers(tmp_path, 1)
    try:
        (tmp_path / "cluster").mkdir()
        uri = new_tracking_database(tmp_path / "cluster")
        variables = environment() | {"MLFLOW_TRACKING_URI": uri, "DASK_SCHEDULER_ADDRESS": workers.address}
        running = subprocess.Popen(command, env=variables, stdout=subprocess.PIPE, text=True)
        wait_until(lambda: trials_logged(tmp_path / "cluster" / "mlflow.db") >= 1, 120)
        workers.processes.append(workers.worker())
        workers.wait_for_workers(2)
        workers.kill_first()
        out = running.communicate(timeout=300)[0]
        assert running.returncode == 0
    finally:
        workers.stop()
    # Every column but the seconds.
    assert [row[:-2] + row[-1:] for row in rows(out)] == [row[:-2] + row[-1:] for row in rows(alone.stdout)]
    mlflow.set_tracking_uri(uri)
    _, trials = runs()
    assert sorted(trials) == list(range(13)) and {run.info.status for run in trials.values()} == {"FINISHED"}


def trials_logged(database: Path) -> int:
    """Count the runs beside the search's own."""
    with closing(sqlite3.connect(f"file:{database.as_posix()}?mode=ro", uri=True)) as connection:
        return connection.execute("SELECT count(*) FROM runs").fetchone()[0] - 1


def test_a_trial_runs_without_mlflow_on_the_worker():
    run(REPOSITORY, "-c", "import sys, callcenterai.tfidf.trial; assert 'mlflow' not in sys.modules")
