"""The command train_tfidf.py with a real MLflow store: outputs, figures, tracking and failures."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
import yaml

import log_run
import train_tfidf
from callcenterai.artifact.folder import load_model
from support.processes import environment, free_port, run_killed, wait_until
from support.repository import SCRIPTS, write_params
from support.servers.mlflow_server import TrackingServer
from support.tfidf_project import WORDS, Project
from support.tickets import invent, write_csv
from support.tracking import new_tracking_database


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    folder = tmp_path_factory.mktemp("project")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", new_tracking_database(folder))
        patch.delenv("MLFLOW_EXPERIMENT_NAME", raising=False)
        patch.setattr("callcenterai.tracking.store.ROOT", folder)
        patch.setattr("callcenterai.tracking.embedded.REPOSITORY", folder)
        project = Project(folder)
        assert project.train() == 0
        yield project


def runs():
    return mlflow.search_runs(experiment_names=["callcenterai-tfidf-classification"], output_format="list")


def test_metrics_hold_every_figure_of_both_parts(project):
    metrics = project.metrics()
    for part in ("validation", "test"):
        figures = metrics[part]
        assert 0.85 < figures["accuracy"] < 1
        assert figures["accuracy_ci95"]["low"] <= figures["accuracy"] <= figures["accuracy_ci95"]["high"]
        assert figures["macro_f1_ci95"]["low"] <= figures["macro_f1"] <= figures["macro_f1_ci95"]["high"]
        assert sorted(figures["per_class"]) == sorted(WORDS)
        assert sum(row["tickets"] for row in figures["per_class"].values()) == figures["tickets"]
        assert {"weighted_f1", "macro_precision", "macro_recall", "ece", "log_loss"} <= set(figures)
        assert figures["accuracy_without_near_duplicates"] == figures["accuracy"]
        assert figures["majority_accuracy"] < figures["accuracy"]
        assert list(figures["auto_route"]) == ["target_accuracy", "threshold", "coverage", "accuracy"]


def test_the_headline_figures_are_few_and_those_of_test(project):
    test = project.metrics()["test"]
    expected = {name: test[name] for name in ("accuracy", "macro_f1", "ece")}
    expected |= {"coverage": test["auto_route"]["coverage"], "routed_accuracy": test["auto_route"]["accuracy"]}
    assert json.loads((project.folder / "headline.json").read_text(encoding="utf-8")) == {"test": expected}


@pytest.mark.parametrize("sizes", [(100, 100, 10), (10, 10, 10), (10, 10)])
def test_classes_as_small_as_prepare_keeps_them_are_trained(project, prepare, sizes):
    """Also when validation has a single ticket of a class, or fewer of every class than there are folds."""
    rows = [row for number, size in enumerate(sizes) for row in invent(size, number, "ABC"[number])]
    assert prepare.run(prepare.write(rows)) == 0
    places = {"--model": "model", "--metrics": "metrics.json", "--plots": "plots"}
    outputs = [each for name, place in places.items() for each in (name, str(prepare.folder / place))]
    assert train_tfidf.main(["--params", str(prepare.params), "--data", str(prepare.output), *outputs]) == 0
    trained = load_model(prepare.folder / "model")
    assert list(trained.classes_) == list("ABC"[: len(sizes)])
    assert np.isfinite(trained.predict_proba([rows[0][0]])).all()


def test_the_stored_model_takes_raw_text_and_gives_the_reported_accuracy(project):
    import csv

    pipeline = load_model(project.folder / "model")
    with (project.folder / "data" / "test.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    predicted = pipeline.predict([row["text"] for row in rows])
    accuracy = np.mean([row["label"] == label for row, label in zip(rows, predicted, strict=True)])
    assert project.metrics()["test"]["accuracy"] == pytest.approx(accuracy, abs=1e-6)
    np.testing.assert_allclose(pipeline.predict_proba(["", "laptop"]).sum(axis=1), 1)


def test_the_reference_counts_every_test_ticket_and_holds_no_text(project):
    reference = json.loads((project.folder / "model" / "reference.json").read_text(encoding="utf-8"))
    counted = list(reference["counts"].values()) + [
        dict(enumerate(each["counts"])) for each in reference["intervals"].values()
    ]
    assert {project.metrics()["test"]["tickets"]} == {sum(each.values()) for each in counted} == {reference["tickets"]}
    # A model of characters counts no words; tests/report/test_drift_report.py has one of words.
    assert set(reference["intervals"]) - {"unknown_words"} == {"confidence", "characters"}
    assert set(reference["counts"]["category"]) <= set(WORDS) and len(json.dumps(reference)) < 3000


def test_metadata_vouches_for_model_and_data(project):
    metadata = project.metadata()
    model = (project.folder / "model" / "model.skops").read_bytes()
    assert metadata["files"]["model.skops"] == hashlib.sha256(model).hexdigest()
    assert set(metadata["files"]) == {"model.skops", "scorer.npz", "held_out.npy", "reference.json"}
    assert metadata["labels"] == sorted(WORDS)
    assert list(metadata["data"]) == ["train", "validation", "test"]
    assert metadata["parameters"] == project.params["train_tfidf"]
    assert {"scikit-learn", "skops"} <= set(metadata["libraries"])


def test_facts_of_the_run_stand_beside_the_metadata_and_not_in_it(project):
    """They differ from one training to the next, and the metadata's hash must not."""
    facts = json.loads((project.folder / "model" / "run.json").read_text(encoding="utf-8"))
    metadata = (project.folder / "model" / "metadata.json").read_bytes()
    assert facts["metadata_sha256"] == hashlib.sha256(metadata).hexdigest()
    names = {"git_commit", "git_dirty", "python", "started_at", "fit_cpu_seconds", "seconds"}
    assert set(facts) - {"metadata_sha256"} == names and not names & set(project.metadata())


@pytest.mark.slow
def test_training_twice_writes_the_same_bytes(project, tmp_path):
    """In other processes, with other hash seeds and numbers of BLAS threads, at another time and place."""
    trainings = []
    for number in (1, 2):
        folder = tmp_path / str(number)
        folder.mkdir()
        variables = environment() | {"PYTHONHASHSEED": str(number), "OPENBLAS_NUM_THREADS": str(number)}
        variables["MLFLOW_TRACKING_URI"] = new_tracking_database(folder)
        inputs = ["--params", project.at("params.yaml"), "--data", project.at("data")]
        outputs = ["--model", "model", "--metrics", "metrics.json", "--plots", "plots"]
        command = [sys.executable, str(SCRIPTS / "train_tfidf.py"), *inputs, *outputs]
        trainings.append(subprocess.Popen(command, cwd=folder, env=variables, stdout=subprocess.DEVNULL))
    assert [training.wait() for training in trainings] == [0, 0]
    written = [output_hashes(tmp_path / number) for number in ("1", "2")]
    assert written[0] == written[1]
    assert {
        "model/model.skops",
        "model/scorer.npz",
        "model/metadata.json",
        "metrics.json",
        "plots/confusion.png",
    } <= set(written[0])


def output_hashes(folder):
    files = [path for name in ("model", "plots") for path in (folder / name).iterdir() if path.name != "run.json"]
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in [*files, folder / "metrics.json"]
    }


def test_a_changed_model_file_is_not_loaded(project, tmp_path):
    from callcenterai.core.cli import UserError

    (tmp_path / "metadata.json").write_bytes((project.folder / "model" / "metadata.json").read_bytes())
    (tmp_path / "model.skops").write_bytes((project.folder / "model" / "model.skops").read_bytes() + b"x")
    with pytest.raises(UserError, match="not the file that metadata.json vouches for"):
        load_model(tmp_path)


def test_a_model_file_of_foreign_types_is_not_loaded_even_with_the_right_hash(tmp_path):
    """A hash says that a file is the written one, not that it is harmless: only known types are loaded."""
    import skops.io

    from callcenterai.core.cli import UserError

    content = skops.io.dumps({"model": Path("anything")})
    (tmp_path / "model.skops").write_bytes(content)
    (tmp_path / "metadata.json").write_text(json.dumps({"files": {"model.skops": hashlib.sha256(content).hexdigest()}}))
    with pytest.raises(UserError, match="model.skops is refused: .*pathlib"):
        load_model(tmp_path)


def test_plots_are_there_as_data_and_as_pictures(project):
    names = sorted(path.name for path in (project.folder / "plots").iterdir())
    kinds = ("accuracy_coverage", "confusion", "f1_per_class", "reliability")
    both = [f"{kind}.{suffix}" for kind in kinds for suffix in ("csv", "png")]
    assert names == sorted([*both, "classes.csv", "confused.csv"])
    confusion = (project.folder / "plots" / "confusion.csv").read_text(encoding="utf-8").splitlines()
    assert len(confusion) == project.metrics()["test"]["tickets"] + 1


def test_the_run_holds_parameters_metrics_data_files_and_a_model_that_takes_text(project):
    run = runs()[-1]
    assert run.info.status == "FINISHED"
    chosen = project.metadata()["chosen"]
    assert run.data.params["C"] == "auto" and run.data.params["chosen.C"] == str(chosen["C"])
    assert run.data.params["chosen.features"] == chosen["features"]
    assert run.data.metrics[f"choice.{chosen['features']}.accuracy"] > 0.5
    assert run.data.metrics["test.accuracy"] == project.metrics()["test"]["accuracy"]
    assert run.data.tags["model_sha256"] == project.metadata()["files"]["model.skops"]
    assert run.data.tags["dvc.train"] == project.metadata()["data"]["train"]["md5"]
    assert [item.dataset.name for item in run.inputs.dataset_inputs] == ["train", "validation", "test"]
    files = {item.path for item in mlflow.MlflowClient().list_artifacts(run.info.run_id)}
    assert {"metadata", "metrics", "plots"} <= files
    model = mlflow.pyfunc.load_model(f"runs:/{run.info.run_id}/model")
    texts = ["laptop screen broken", "salary and payslip", "password reset"]
    expected = ["Hardware", "HR Support", "Access"]
    frame = pd.DataFrame({"any name": texts})
    for given in (texts, np.array(texts), pd.Series(texts), frame):
        assert list(model.predict(given)) == expected, type(given)
    assert list(model.predict(texts[0])) == expected[:1]


@pytest.mark.slow
def test_labels_that_are_whole_numbers_cause_no_warning_of_mlflow(tmp_path):
    """MLflow warns in 700 characters, for each part of the data, that integers cannot be missing values."""
    write_csv(tmp_path / "tickets.csv", invent(200, labels="123"))
    params = write_params(tmp_path / "params.yaml", prepare={"input": str(tmp_path / "tickets.csv")})
    variables = environment() | {"MLFLOW_TRACKING_URI": new_tracking_database(tmp_path)}
    run = partial(subprocess.run, env=variables, capture_output=True, text=True, check=True, cwd=tmp_path)
    places = ["--params", str(params), "--data", str(tmp_path / "data")]
    prepare = [*places[:2], "--output", str(tmp_path / "data"), "--metrics", str(tmp_path / "p.json")]
    run([sys.executable, str(SCRIPTS / "prepare_data.py"), *prepare])
    outputs = [f"--{name}={tmp_path / name}" for name in ("model", "metrics", "plots")]
    done = run([sys.executable, str(SCRIPTS / "train_tfidf.py"), *places, *outputs])
    assert "MLflow run " in done.stdout and "Hint: Inferred schema" not in done.stderr
    assert "integer" not in done.stderr


def test_a_run_can_be_read_without_opening_its_files(project):
    """Its name says what differs from the run before, its description is a short model card; metrics are few."""
    run = runs()[-1]
    digits = project.metadata()["files"]["model.skops"][:8]
    assert run.info.run_name == f"tfidf first run {digits}"
    card = run.data.tags["mlflow.note.content"]
    assert (
        "Accuracy on test: " in card
        and "Hardware" in card
        and f"{project.metadata()['data']['train']['tickets']}" in card
    )
    assert run.data.tags["mlflow.source.name"] == "dvc repro" and run.data.tags["mlflow.user"]
    assert len(run.data.metrics) < 40 and "test.accuracy_ci95.low" in run.data.metrics


def test_mlflow_has_the_files_of_the_training_and_their_true_size(project, tmp_path):
    """The bytes are the same, so that their hashes hold, and MLflow's own loader reads them."""
    uri = f"runs:/{runs()[-1].info.run_id}/model"
    logged = Path(mlflow.artifacts.download_artifacts(uri, dst_path=str(tmp_path)))
    for name in (*project.metadata()["files"], "metadata.json"):
        assert (logged / name).read_bytes() == (project.folder / "model" / name).read_bytes()
    described = yaml.safe_load((logged / "MLmodel").read_text(encoding="utf-8"))
    # MLmodel, which holds the size, grows by a line when the size is written.
    sizes = [file.stat().st_size for file in logged.rglob("*") if file.is_file()]
    assert abs(sum(sizes) - described["model_size_bytes"]) < 100
    assert set(described["flavors"]) == {"python_function", "sklearn"}
    texts = ["laptop screen broken", "salary and payslip"]
    expected = load_model(project.folder / "model").predict_proba(texts)
    np.testing.assert_array_equal(mlflow.sklearn.load_model(uri).predict_proba(texts), expected)


def test_a_training_that_cannot_work_leaves_a_failed_run_and_the_last_good_model(project, capsys):
    before = project.metadata()
    assert project.train(min_df=100_000) == 2
    assert "lower train_tfidf.min_df" in capsys.readouterr().err
    assert project.metadata() == before
    assert runs()[0].info.status == "FAILED"


def test_a_failed_training_names_its_own_error_when_the_tracking_store_fails_too(project, capsys, monkeypatch):
    """The store, which answered when the training began, is only warned about."""

    def refuse(*_, **__):
        raise mlflow.MlflowException("gone")

    monkeypatch.setattr(mlflow.MlflowClient, "create_run", refuse)
    assert project.train(min_df=100_000) == 2
    warning, error = capsys.readouterr().err.splitlines()
    assert warning.startswith("warning: the failed run is not logged: cannot use the MLflow tracking store")
    assert "lower train_tfidf.min_df" in error


def test_a_solver_that_does_not_converge_is_reported(project, capsys):
    before = project.metadata(), project.metrics()
    assert project.train(max_iter=1, tol=1e-9) == 0
    assert "before it converged" in capsys.readouterr().err
    assert project.metrics()["converged"] == 0
    assert project.metadata()["converged"] is False
    assert before != (project.metadata(), project.metrics())


def test_without_refit_the_model_learns_from_train_alone(project):
    assert project.train() == 0
    final = project.metrics()
    assert project.train(refit=False) == 0
    first = project.metrics()
    assert first["features"] < final["features"]
    # Calibration and threshold rest on what the model learns from.
    tickets = {part: entry["tickets"] for part, entry in project.metadata()["data"].items()}
    assert first["threshold_tickets"] == tickets["train"]
    assert final["threshold_tickets"] == tickets["train"] + tickets["validation"]


def test_temperature_calibration_keeps_the_margins_order_and_loads_through_the_safe_path(project):
    assert project.train(calibration="temperature") == 0
    pipeline = load_model(project.folder / "model").model
    texts = ["laptop screen broken", "salary and payslip", "password reset", ""]
    margins = pipeline[1].estimator.decision_function(pipeline[0].transform(texts))
    probabilities = pipeline.predict_proba(texts)
    assert (probabilities.argmax(axis=1) == margins.argmax(axis=1)).all()
    assert np.allclose(probabilities.sum(axis=1), 1)


def test_other_kernels_announce_their_cost(project, capsys):
    assert project.train(kernel="rbf", max_iter=100_000, tol=0.001, features="both") == 0
    assert "fitting SVC(kernel='rbf') on" in capsys.readouterr().err
    assert project.metrics()["test"]["accuracy"] > 0.8


def test_log_run_logs_the_finished_training_again(project, capsys):
    before = {run.info.run_id for run in runs()}
    assert log_run.main(project.outputs()) == 0
    (logged,) = (run for run in runs() if run.info.run_id not in before)
    assert f"MLflow run {logged.info.run_id}" in capsys.readouterr().out
    assert logged.data.tags["model_sha256"] == project.metadata()["files"]["model.skops"]
    facts = json.loads((project.folder / "model" / "run.json").read_text(encoding="utf-8"))
    assert logged.info.start_time == int(1000 * facts["started_at"]) and "trained_at" not in logged.data.tags


@pytest.mark.parametrize("state", ["missing", "of another training"])
def test_log_run_tells_that_the_time_of_training_is_unknown(project, capsys, tmp_path, state):
    """As after `dvc checkout`, which brings the model of another commit without run.json."""
    model = shutil.copytree(project.folder / "model", tmp_path / "model")
    if state == "missing":
        (model / "run.json").unlink()
    else:
        facts = json.loads((model / "run.json").read_text(encoding="utf-8"))
        (model / "run.json").write_text(json.dumps(facts | {"metadata_sha256": "0" * 64}), encoding="utf-8")
    before, started = {run.info.run_id for run in runs()}, int(1000 * time.time())
    assert log_run.main(["--model", str(model), *project.outputs()[2:]]) == 0
    printed = capsys.readouterr()
    assert f"{model / 'run.json'} is missing or belongs to another training" in printed.err
    (logged,) = (run for run in runs() if run.info.run_id not in before)
    assert logged.data.tags["trained_at"] == "unknown" and "git_commit" not in logged.data.tags
    assert logged.info.start_time >= started


def test_log_run_takes_the_time_of_training_from_metadata_that_still_has_it(project, tmp_path):
    """Folders from before run.json can still be registered as they are."""
    model = shutil.copytree(project.folder / "model", tmp_path / "model")
    (model / "run.json").unlink()
    old = {"git_commit": "a" * 40, "git_dirty": False, "started_at": 1.6e9, "seconds": 5.0}
    (model / "metadata.json").write_text(json.dumps(project.metadata() | old), encoding="utf-8")
    before = {run.info.run_id for run in runs()}
    assert log_run.main(["--model", str(model), *project.outputs()[2:]]) == 0
    (logged,) = (run for run in runs() if run.info.run_id not in before)
    assert (logged.info.start_time, logged.data.tags["git_commit"]) == (int(1.6e12), "a" * 40)


def test_a_server_that_is_down_ends_the_stage_before_training(project, monkeypatch, capsys):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://user:secret@127.0.0.1:{free_port()}")
    before = project.metadata()
    assert project.train() == 2
    message = capsys.readouterr().err
    assert message.startswith("error: cannot use the MLflow tracking store http://127.0.0.1")
    assert "Traceback" not in message and len(message.splitlines()) == 1
    assert project.metadata() == before


@pytest.mark.slow
def test_a_server_that_dies_during_training_loses_nothing_and_the_run_is_logged_later(project, monkeypatch, capsys):
    store = ("--backend-store-uri", f"sqlite:///{project.folder.as_posix()}/mlflow.db")
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "through a server")
    project.write_params(C=0.7, bootstrap_samples=100_000)
    command = [sys.executable, str(SCRIPTS / "train_tfidf.py"), *project.arguments()]
    with TrackingServer(project.folder, *store) as server:
        variables = environment() | {
            "MLFLOW_TRACKING_URI": server.address,
            "MLFLOW_EXPERIMENT_NAME": "through a server",
        }
        training = subprocess.Popen(command, env=variables, stderr=subprocess.PIPE, text=True)
        # Training makes the experiment first, and then needs more than a second for the model and its figures.
        wait_until(lambda: server.experiment_id("through a server") is not None, 240)
    dead = time.monotonic()
    errors = training.communicate()[1]
    assert training.returncode == 0, errors
    assert f"the run is not logged: cannot use the MLflow tracking store {server.address} " in errors
    few, unlogged = (line for line in errors.splitlines() if line.startswith("warning: "))
    assert "figures of so few tickets say little" in few and "is not logged" in unlogged
    (arguments,) = re.findall(r"then log it with `python scripts/log_run\.py (.*)`\n$", errors)
    assert arguments.split() == [str(Path(word).resolve()) if word[:2] != "--" else word for word in project.outputs()]
    assert time.monotonic() - dead < 60, "a training must not wait minutes for a server that is gone"
    assert project.metadata()["parameters"]["C"] == 0.7
    load_model(project.folder / "model")
    with TrackingServer(project.folder, *store) as server:
        assert server.runs("through a server") == []
        monkeypatch.setenv("MLFLOW_TRACKING_URI", server.address)
        assert log_run.main(project.outputs()) == 0
        (logged,) = server.runs("through a server")
        assert logged["info"]["run_id"] in capsys.readouterr().out
        assert {"key": "C", "value": "0.7"} in logged["data"]["params"]
        assert json.loads(server.artifact(logged, "metrics/m.json")) == project.metrics()


def test_without_prepared_data_the_message_names_the_command(project, capsys):
    arguments = ["--params", project.at("params.yaml"), "--data", project.at("nowhere"), *project.outputs()]
    assert train_tfidf.main(arguments) == 2
    assert "`dvc repro prepare`" in capsys.readouterr().err


# This test comes last: killed trainings leave temporary files and runs that other tests here would count.
@pytest.mark.slow
def test_a_model_without_its_metadata_after_a_kill_is_refused_until_the_next_training(project, capsys):
    """Killed after the first rename and before the last one: log_run refuses a mixture of two trainings."""
    before = project.metadata()
    # Every file of the model, every plot, suspicious.csv, both files of metrics and run.json come before the metadata.
    last = len(before["files"]) + len(list((project.folder / "plots").iterdir())) + 4
    for number, renamed in ((1, False), (last, True)):
        figures = project.metrics()
        project.write_params(C=0.1 * number)
        assert run_killed(number, "import train_tfidf; train_tfidf.main(sys.argv[1:])", *project.arguments())
        assert (project.metrics() != figures) == renamed
        assert project.metadata() == before
        assert log_run.main(project.outputs()) == 2
        refusal = f"error: {project.at('model')}{os.sep}model.skops is not the file that metadata.json vouches for"
        message = capsys.readouterr().err
        assert message.startswith(refusal) and len(message.splitlines()) == 1
    assert project.train(C=3.0) == 0
    load_model(project.folder / "model")
    assert project.metadata()["parameters"]["C"] == 3.0
