"""A registry to test on: three real trainings on the sample, and the command line on a copy of their database."""

import json
import shutil
from pathlib import Path

import make_sample_tickets
import mlflow_registry
import prepare_data
import train_tfidf
from conftest import write_params

NAME = "callcenterai-tfidf-classifier"
EXPERIMENT = "callcenterai-tfidf-classification"
TICKETS = 1500


class Trained:
    """Runs in one database by name: "bad" is far worse than "good", and "close" and "extra" about as good."""

    def __init__(self, folder: Path, monkeypatch) -> None:
        """Train them; the artifacts stay where they are, the database is copied for each test."""
        self.folder, self.database = folder, folder / "mlflow.db"
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{self.database.as_posix()}")
        monkeypatch.delenv("MLFLOW_EXPERIMENT_NAME", raising=False)
        tickets = folder / "tickets.csv"
        assert make_sample_tickets.main([str(tickets), "--tickets", str(TICKETS)]) == 0
        self.params = write_params(folder / "params.yaml", prepare={"input": str(tickets)})
        self.data = folder / "data"
        arguments = ["--params", str(self.params), "--output", str(self.data), "--metrics", str(folder / "p.json")]
        assert prepare_data.main(arguments) == 0
        self.runs = {
            name: self.train(C=C) for name, C in {"good": 0.5, "close": 0.6, "extra": 0.55, "bad": 0.0001}.items()
        }

    def train(self, **changes) -> str:
        """Train and return the id of the run."""
        import mlflow

        params = write_params(self.folder / "train.yaml", train_tfidf={"bootstrap_samples": 100, "min_df": 1} | changes)
        outputs = {"--model": "model", "--metrics": "m.json", "--plots": "plots"}
        places = [text for option, name in outputs.items() for text in (option, str(self.folder / name))]
        assert train_tfidf.main(["--params", str(params), "--data", str(self.data), *places]) == 0
        return mlflow.search_runs(experiment_names=[EXPERIMENT], max_results=1, output_format="list")[0].info.run_id


class Desk:
    """Runs registry commands on a copy of the trained database and reads what they print."""

    def __init__(self, trained: Trained, folder: Path, monkeypatch, capsys) -> None:
        """Copy the database and make it the registry."""
        self.trained, self.capsys, self.monkeypatch = trained, capsys, monkeypatch
        shutil.copy(trained.database, folder / "mlflow.db")
        self.move_to(folder / "mlflow.db")
        self.params = write_params(folder / "params.yaml", registry={"min_class_tickets": 10, "tolerance": 0.02})

    def move_to(self, database: Path) -> None:
        """Make another database the registry."""
        self.database, self.uri = database, f"sqlite:///{database.as_posix()}"
        self.monkeypatch.setenv("MLFLOW_TRACKING_URI", self.uri)

    def run(self, command: str, *arguments: str, code: int = 0) -> str:
        """Run a command, check its exit code and return what it said: stdout, or stderr when it failed."""
        judging = ["--params", str(self.params), "--data", str(self.trained.data)]
        judged = command in ("check", "register", "staging", "production", "archive", "rollback")
        self.capsys.readouterr()
        found = mlflow_registry.main([command, *arguments, *(judging if judged else [])])
        said = self.capsys.readouterr()
        assert found == code, said
        return said.err if code else said.out

    def read(self, command: str, *arguments: str, code: int = 0):
        """Return what a reading command prints as JSON."""
        judged = ["--params", str(self.params), "--data", str(self.trained.data)] if command == "check" else []
        self.capsys.readouterr()
        assert mlflow_registry.main([command, *arguments, "--json", *judged]) == code
        return json.loads(self.capsys.readouterr().out)

    def register(self, *names: str) -> None:
        """Register runs by their names, as versions 1, 2, ..."""
        for name in names:
            self.run("register", "--run-id", self.trained.runs[name])

    def register_in(self, server_address: str) -> None:
        """Log the last training to a server, which is the registry from now on, and register its run."""
        import log_run

        self.monkeypatch.setenv("MLFLOW_TRACKING_URI", server_address)
        places = {"--model": "model", "--metrics": "m.json", "--plots": "plots"}
        outputs = [text for option, name in places.items() for text in (option, str(self.trained.folder / name))]
        self.capsys.readouterr()
        assert log_run.main(outputs) == 0
        self.run("register", "--run-id", self.capsys.readouterr().out.split()[-1])

    def stages(self) -> dict[int, str]:
        """Return the stage of each version, and check that MLflow's aliases, tags and own stages say the same."""
        stages = {row["version"]: row["stage"] for row in self.read("list")}
        assert_agreement(self.uri, stages)
        return stages


def assert_agreement(uri: str, stages: dict[int, str]) -> None:
    """Check that aliases, the tag `stage` and MLflow's own stage all say what `list` says."""
    import mlflow

    client = mlflow.MlflowClient(uri, uri)
    for version in client.search_model_versions(f"name = '{NAME}'"):
        expected = stages[int(version.version)]
        assert (version.tags["stage"], version.current_stage) == (expected, expected)
    held = {stage.lower(): number for number, stage in stages.items() if stage in ("Production", "Staging")}
    assert {alias: int(number) for alias, number in client.get_registered_model(NAME).aliases.items()} == held
