"""The feedback loop: people answer the tickets the models are unsure about, and their answers train the next model."""

import contextlib
import json
import re
import sys
from pathlib import Path

import pytest

from support.clone import PRINTED, Clone, trained_clone
from support.servers.mlflow_server import TrackingServer
from support.servers.services import TFIDF, Service

AGENT = [sys.executable, "-m", "services.agent.app"]
# Three tickets about something that does not occur in the sample.
UNKNOWN = [
    "the zorblax in room 12 has lost its quendle and hums",
    "who can look at our zorblax? its quendle came off this morning",
    "another quendle for the zorblax on the second floor, please",
]
NEXT = "our zorblax needs a new quendle"


def promote(clone: Clone) -> None:
    """Put the newest version into Production."""
    for command in ("staging", "production"):
        clone.here(f"python scripts/mlflow_registry.py {command}")


def run_in(printed: str) -> str:
    """Return the id of the MLflow run that a training has printed."""
    return re.findall(r"^MLflow run (\w+)$", printed, re.MULTILINE)[-1]


def assert_branch_has_the_retraining(clone: Clone, report: str) -> str:
    """Compare what a retraining has left with what it says, and return its branch, which is not checked out."""
    (branch,) = clone.git("branch", "--list", "retraining-*", "--format", "%(refname:short)").split()
    changed = clone.git("diff", "--name-only", "HEAD", branch).split()
    pointer = "data/raw/feedback.csv.dvc"
    assert {"dvc.lock", "params.yaml", pointer, "metrics/tfidf.json", "metrics/prepare.json"} <= set(changed)
    assert all(name.startswith(("metrics/", "dvc.lock", "params.yaml", pointer)) for name in changed)
    prepared = json.loads(clone.git("show", f"{branch}:metrics/prepare.json"))
    assert (0, 3) == (clone.json("metrics/prepare.json")["feedback"], prepared["feedback"])
    assert all(part in report for part in ("Version 2 ", "accuracy against Production", "# Model report"))
    stages = json.loads(clone.here("python scripts/mlflow_registry.py list --json"))
    assert [(1, "Production"), (2, "None")] == [(row["version"], row["stage"]) for row in stages]
    return branch


def is_served(agent: Service, version: str) -> bool:
    return agent.get("/status").json["services"]["tfidf"]["version"] == version


@pytest.mark.runs(
    "python -m services.agent.app",
    "python scripts/export_feedback.py data/raw/feedback.csv",
    "python scripts/retrain.py",
)
@pytest.mark.slow
def test_peoples_answers_change_the_next_model(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
):
    """Train, promote, serve, answer three reviews, retrain, merge, promote: the running agent has learned."""
    clone = trained_clone(tmp_path_factory, tickets=2500).copied(tmp_path / "clone")
    clone.here(f"python scripts/mlflow_registry.py register --run-id {run_in(clone.text(PRINTED))}")
    promote(clone)
    clone.commit("trained")
    database = f"sqlite:///{(tmp_path / 'agent.db').as_posix()}"
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(TrackingServer(clone.folder, "--backend-store-uri", "sqlite:///mlflow.db"))
        registry = {
            "MODEL_URI": "models:/callcenterai-tfidf-classifier@production",
            "MLFLOW_TRACKING_URI": server.address,
        }
        tfidf = stack.enter_context(Service(tmp_path, TFIDF, **registry)).ready()
        address = f"http://127.0.0.1:{tfidf.port}"
        agent = stack.enter_context(Service(tmp_path, AGENT, TFIDF_URL=address, DATABASE_URL=database)).ready()
        before = [agent.post("/predict", {"text": text}).json for text in UNKNOWN]
        assert {"review"} == {each["decision"] for each in before}
        queue = agent.get("/reviews").json
        assert 3 == queue["waiting"] and UNKNOWN == [each["text"] for each in queue["tickets"]]
        first = agent.post("/predict", {"text": NEXT, "store": False}).json
        answer = next(label for label in agent.get("/status").json["labels"] if label != first["category"])
        for ticket in queue["tickets"]:
            feedback = {"ticket_id": ticket["ticket_id"], "category": answer, "by": "Amina"}
            assert agent.post("/feedback", feedback).status == 201
        assert 0 == agent.get("/reviews").json["waiting"]

        monkeypatch.setenv("DATABASE_URL", database)
        written = clone.command("python scripts/export_feedback.py data/raw/feedback.csv")
        assert "tickets written: 3" in written
        report = clone.command("python scripts/retrain.py")
        branch = assert_branch_has_the_retraining(clone, report)
        clone.git("merge", "-q", "--ff-only", branch)
        clone.command("dvc checkout")
        promote(clone)
        agent.until(lambda: is_served(agent, "2"))
        after = agent.post("/predict", {"text": NEXT, "store": False}).json
        assert (answer, "2") == (after["category"], after["versions"]["tfidf"])
        assert "1" == first["versions"]["tfidf"]
