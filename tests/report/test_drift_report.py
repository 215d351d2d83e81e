"""The drift report and the agent's metrics compare what the agent saw with the test tickets of the training."""

import csv
import json
from pathlib import Path

import mlflow
import pytest

import drift_report
from support.servers.agent import start_agent
from support.servers.services import Service
from support.tracking import new_tracking_database

NEW = "Der Aufzug im Treppenhaus steckt seit gestern fest und niemand weiß warum, bitte schicken Sie einen Techniker"


class Desk:
    """A trained model, the services in front of it, and the report on what they saw."""

    def __init__(self, agent: Service, model: Path, folder: Path) -> None:
        self.agent, self.model, self.folder = agent, model, folder

    def send(self, texts: list[str]) -> None:
        for start in range(0, len(texts), 100):
            assert self.agent.post("/predict/batch", {"texts": texts[start : start + 100]}).status == 200

    def report(self, *more: str) -> int:
        database = f"sqlite:///{(self.folder / 'agent.db').as_posix()}"
        places = ["--model", str(self.model), "--database", database, "--output", str(self.folder / "drift")]
        return drift_report.main([*places, *more])

    def agent_agrees(self) -> bool:
        """Whether the agent's metrics have the effect sizes and p values of the last report."""
        drifts = json.loads((self.folder / "drift" / "drift.json").read_text(encoding="utf-8"))["drifts"]
        names = {"drift_effect_size": "effect", "drift_p_value": "p_value"}
        pairs = [
            (each[key], self.agent.metric(f'{name}{{figure="{each["figure"]}"}}'))
            for each in drifts
            for name, key in names.items()
        ]
        return bool(pairs) and all(found == pytest.approx(expected) for expected, found in pairs)

    def effects(self) -> dict[str, float]:
        found = json.loads((self.folder / "drift" / "drift.json").read_text(encoding="utf-8"))
        return {each["figure"]: each["effect"] for each in found["drifts"]}


@pytest.fixture
def desk(folders, tmp_path, monkeypatch):
    """The real TF-IDF service and the real agent."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", new_tracking_database(tmp_path))
    with (
        Service(tmp_path, MODEL_DIR=folders["good"]) as tfidf,
        start_agent(
            tmp_path,
            f"http://127.0.0.1:{tfidf.ready().port}",
            ATTEMPT_SECONDS=20,
            BUDGET_SECONDS=40,
            DRIFT_SECONDS=0.2,
        ) as agent,
    ):
        yield Desk(agent, folders["good"], tmp_path)


@pytest.mark.slow
@pytest.mark.runs("python scripts/drift_report.py")
def test_the_test_tickets_have_not_drifted_and_other_tickets_have(desk, trained, capsys):
    """The agent measures as the training did, so the test tickets themselves look like its reference."""
    with (trained.data / "test.csv").open(encoding="utf-8", newline="") as file:
        texts = [row["text"] for row in csv.DictReader(file)]
    desk.send(texts)
    assert desk.report("--no-run") == 0
    desk.agent.until(desk.agent_agrees)
    assert f"{len(texts)} tickets from" in (printed := capsys.readouterr().out) and "are like those" in printed
    # The agent has removed personal data and unknown languages of short texts may differ; all else is the same.
    assert set(effects := desk.effects()) == {"category", "language", "confidence", "characters", "unknown_words"}
    assert max(effects.values()) < 0.15 and effects["category"] < 0.05
    desk.send([f"{NEW} {number}" for number in range(len(texts) // 2)])
    assert desk.report() == 1
    desk.agent.until(desk.agent_agrees)
    assert "The tickets have changed" in (printed := capsys.readouterr().out) and "share of unknown words" in printed
    page = (desk.folder / "drift" / "drift.html").read_text(encoding="utf-8")
    assert "The tickets have changed" in page and "http" not in page and "src=" not in page and NEW[:20] not in page
    (run,) = mlflow.search_runs(experiment_names=["callcenterai-drift"], output_format="list")
    assert run.data.tags["drift"] == "large" and run.data.metrics["effect.language"] > 0.3
    assert run.data.metrics["tickets"] == len(texts) + len(texts) // 2
    files = {each.path for each in mlflow.MlflowClient().list_artifacts(run.info.run_id)}
    assert files == {"drift.html", "drift.json"}


def test_what_cannot_be_compared_is_one_error_line(desk, tmp_path, error_line):
    assert desk.report() == 2
    assert "no ticket of version" in error_line()
    desk.send([NEW] * 3)
    assert desk.report() == 2
    assert error_line().startswith("only 3 tickets from")
    assert desk.report("--version", "7") == 2
    assert error_line().startswith("no ticket of version 7")
    for days in ("0", "9999999999"):
        assert desk.report("--days", days) == 2
        assert error_line() == "--days must be from 1 to 3660"
    assert not (desk.folder / "drift").exists()
