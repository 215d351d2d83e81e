"""A registry to test: real trainings on the sample, and the commands on a copy of their database."""

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

import choose_features
import make_sample_tickets
import mlflow_registry
import prepare_data
import train_tfidf
from support.repository import write_params
from support.tracking import new_tracking_database

NAME = "callcenterai-tfidf-classifier"
EXPERIMENT = "callcenterai-tfidf-classification"
TICKETS = 1500
# The columns of MLflow's database that hold paths of files.
LOCATION_COLUMNS = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "storage_location"),
)
# What each training writes, by the command's options.
OUTPUTS = {"--model": "model", "--metrics": "m.json", "--plots": "plots", "--report": "reports/model_report.html"}
# The parameter C of each training: "bad" is far worse than "good"; "close" and "extra" are about as good.
TRAININGS = {"good": 0.5, "close": 0.9, "extra": 0.3, "bad": 0.0001}


class Trained:
    """The result of train() in a folder: a database, its runs by name, and the last training's outputs."""

    def __init__(self, folder: Path) -> None:
        """Read the names of the runs."""
        self.folder, self.database, self.data = folder, folder / "mlflow.db", folder / "data"
        self.runs = json.loads((folder / "runs.json").read_text(encoding="utf-8"))


def train(folder: Path) -> None:
    """Run the trainings; tests share the artifacts and get a copy of the database each."""
    import mlflow

    tickets, data = folder / "tickets.csv", folder / "data"
    assert make_sample_tickets.main([str(tickets), "--tickets", str(TICKETS)]) == 0
    params = write_params(folder / "params.yaml", prepare={"input": str(tickets)})
    arguments = ["--params", str(params), "--output", str(data), "--metrics", str(folder / "p.json")]
    assert prepare_data.main(arguments) == 0
    places = [text for option, name in OUTPUTS.items() for text in (option, str(folder / name))]
    runs = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", new_tracking_database(folder))
        patch.delenv("MLFLOW_EXPERIMENT_NAME", raising=False)
        choice = ["--features", str(folder / "features.json")]
        for name, C in TRAININGS.items():
            changes = {"bootstrap_samples": 100, "C": C}
            params = write_params(folder / "train.yaml", train_tfidf=changes)
            arguments = ["--params", str(params), "--data", str(data)]
            if not runs:
                # Chosen once, as the pipeline does: the choice takes several times as long as a training.
                assert choose_features.main([*arguments, "--output", choice[1]]) == 0
            prepared = ["--prepared", str(folder / "p.json")]
            assert train_tfidf.main([*arguments, *places, *choice, *prepared]) == 0
            latest = mlflow.search_runs(experiment_names=[EXPERIMENT], max_results=1, output_format="list")[0]
            runs[name] = latest.info.run_id
    (folder / "runs.json").write_text(json.dumps(runs), encoding="utf-8")


class RegistryCommands:
    """Runs registry commands on a copy of the trained database and reads what they print."""

    def __init__(self, trained: Trained, folder: Path, monkeypatch, capsys) -> None:
        """Copy the database and use the copy as the registry."""
        self.trained, self.capsys, self.monkeypatch = trained, capsys, monkeypatch
        shutil.copy(trained.database, folder / "mlflow.db")
        self.move_to(folder / "mlflow.db")
        self.params = write_params(folder / "params.yaml", registry={"min_class_tickets": 10, "tolerance": 0.02})

    def move_to(self, database: Path) -> None:
        """Use another database as the registry."""
        self.database, self.uri = database, f"sqlite:///{database.as_posix()}"
        self.monkeypatch.setenv("MLFLOW_TRACKING_URI", self.uri)

    def record_files_at(self, place: Path) -> None:
        """Change the paths of the training's files in the database."""
        recorded = self.trained.folder / "mlruns"
        with closing(sqlite3.connect(self.database)) as source:
            for table, column in LOCATION_COLUMNS:
                wanted = (recorded.as_uri(), place.as_uri())
                source.execute(f"UPDATE {table} SET {column} = replace({column}, ?, ?)", wanted)
            source.commit()

    def move_files(self, place: Path) -> None:
        """Copy the training's files, so that the test may change them."""
        shutil.copytree(self.trained.folder / "mlruns", place)
        self.record_files_at(place)

    def run(self, command: str, *arguments: str, code: int = 0) -> str:
        """Run a command, check its exit code and return its output: stdout, or stderr if it failed."""
        gate_options = ["--params", str(self.params), "--data", str(self.trained.data)]
        is_gated = command in ("check", "register", "staging", "production", "archive", "rollback", "bootstrap")
        self.capsys.readouterr()
        found = mlflow_registry.main([command, *arguments, *(gate_options if is_gated else [])])
        output = self.capsys.readouterr()
        assert found == code, output
        return output.err if code else output.out

    def read(self, command: str, *arguments: str, code: int = 0):
        """Return the JSON that a reading command prints."""
        gate_options = ["--params", str(self.params), "--data", str(self.trained.data)] if command == "check" else []
        self.capsys.readouterr()
        assert mlflow_registry.main([command, *arguments, "--json", *gate_options]) == code
        return json.loads(self.capsys.readouterr().out)

    def register(self, *names: str) -> None:
        """Register runs by their names, as versions 1, 2, ..."""
        for name in names:
            self.run("register", "--run-id", self.trained.runs[name])

    def register_in(self, server_address: str) -> None:
        """Use a server as the registry from now on, log the last training there and register its run."""
        import log_run

        self.monkeypatch.setenv("MLFLOW_TRACKING_URI", server_address)
        outputs = [text for option, name in OUTPUTS.items() for text in (option, str(self.trained.folder / name))]
        self.capsys.readouterr()
        assert log_run.main(outputs) == 0
        self.run("register", "--run-id", self.capsys.readouterr().out.split()[-1])

    def stages(self) -> dict[int, str]:
        """Return the stage of each version after checking that MLflow's aliases, tags and stages agree with `list`."""
        stages = {row["version"]: row["stage"] for row in self.read("list")}
        assert_agreement(self.uri, stages)
        return stages


def assert_agreement(uri: str, stages: dict[int, str]) -> None:
    """Check that aliases, the tag `stage` and MLflow's own stage agree with these stages, which `list` printed."""
    import mlflow

    client = mlflow.MlflowClient(uri, uri)
    for version in client.search_model_versions(f"name = '{NAME}'"):
        expected = stages[int(version.version)]
        assert (version.tags["stage"], version.current_stage) == (expected, expected)
    held = {stage.lower(): number for number, stage in stages.items() if stage in ("Production", "Staging")}
    assert {alias: int(number) for alias, number in client.get_registered_model(NAME).aliases.items()} == held
