"""The feedback loop: people answer the tickets the models are unsure about, and their answers train the next model."""

import contextlib
import re
import sys
from pathlib import Path

import pytest

from support.clone import PRINTED, Clone, trained_clone
from support.processes import run
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


def promote(clone: Clone, run_id: str) -> None:
    """Put the version of a run into Production; without its id, register would take the run with the best figures."""
    for command in (f"register --run-id {run_id}", "staging", "production"):
        clone.here(f"python scripts/mlflow_registry.py {command}")


def run_in(printed: str) -> str:
    """Return the id of the MLflow run that a training has printed."""
    return re.findall(r"^MLflow run (\w+)$", printed, re.MULTILINE)[-1]


def is_served(agent: Service, version: str) -> bool:
    return agent.get("/status").json["services"]["tfidf"]["version"] == version


@pytest.mark.runs("python -m services.agent.app", "python scripts/export_feedback.py data/raw/feedback.csv")
@pytest.mark.slow
def test_peoples_answers_change_the_next_model(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
):
    """Train, promote, serve, answer three reviews, train with the answers, promote: the running agent has learned."""
    clone = trained_clone(tmp_path_factory, tickets=2500).copied(tmp_path / "clone")
    promote(clone, run_in(clone.text(PRINTED)))
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
        clone.command("python scripts/export_feedback.py data/raw/feedback.csv")
        run(clone.folder, "scripts/set_parameters.py", "prepare.feedback_input=data/raw/feedback.csv")
        printed = clone.command("dvc repro")
        assert "Running stage 'prepare'" in printed
        assert 3 == clone.json("metrics/prepare.json")["feedback"]
        promote(clone, run_in(printed))
        agent.until(lambda: is_served(agent, "2"))
        after = agent.post("/predict", {"text": NEXT, "store": False}).json
        assert (answer, "2") == (after["category"], after["versions"]["tfidf"])
        assert "1" == first["versions"]["tfidf"]
