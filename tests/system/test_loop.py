"""The feedback loop: people answer the tickets the models are unsure about, and their answers train the next model."""

import contextlib
import json
import os
import re
import sys
from pathlib import Path

import pytest

from support.clone import PRINTED, Clone, trained_clone
from support.processes import environment
from support.servers.mlflow_server import TrackingServer
from support.servers.services import TFIDF, Service
from support.workflows import Runner, commands_of

AGENT = [sys.executable, "-m", "services.agent.app"]
# Three tickets about something that does not occur in the sample.
UNKNOWN = [
    "the zorblax in room 12 has lost its quendle and hums",
    "who can look at our zorblax? its quendle came off this morning",
    "another quendle for the zorblax on the second floor, please",
]
NEXT = "our zorblax needs a new quendle"
# Prints what it is asked for, in place of GitHub's own program.
GH = '#!/bin/sh\necho "gh $*"\n'


def start_runner(origin: Clone, folder: Path, branch: str, **variables: str) -> Runner:
    """Return a GitHub runner that has checked a branch out."""
    clone = origin.cloned(folder / "clone")
    clone.git("checkout", "-q", f"origin/{branch}")
    (clone.folder / ".venv").symlink_to(sys.prefix)
    (folder / "gh").write_text(GH, encoding="utf-8")
    (folder / "gh").chmod(0o755)
    path = os.pathsep.join([str(folder), environment()["PATH"]])
    return Runner(clone, folder, PATH=path, GITHUB_REF_NAME="main", **variables)


def succeed(runner: Runner, command: str, **variables: str) -> str:
    """Run a step, insist on its success, and return what it prints."""
    done = runner.bash(command, **variables)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def retrain(clone: Clone, folder: Path, **settings: str) -> str:
    """Run retrain.yml's steps but for the installation; return the text of the pull request that it opens."""
    runner = start_runner(clone, folder, "HEAD", **settings)
    *before, share, open_request = (
        command for name, command in commands_of("retrain", "retrain").items() if name != "Install"
    )
    for command in before:
        succeed(runner, command)
    branch = (folder / "output").read_text(encoding="utf-8").strip().removeprefix("branch=")
    assert "pushed" in succeed(runner, share, BRANCH=branch)
    assert f"gh pr create --head {branch} --base main" in succeed(runner, open_request, BRANCH=branch)
    return (folder / "report.md").read_text(encoding="utf-8")


def check_pull_request(clone: Clone, folder: Path, branch: str, remote: str) -> None:
    """Check a branch as ci-cd.yml does: its data comes from the remote, and dvc.lock has what the pipeline gives."""
    runner = start_runner(clone, folder, branch, REMOTE=remote)
    for name in ("Get the data from the DVC remote", "Check that nothing is left to do"):
        succeed(runner, commands_of("ci-cd", "lint-and-test")[name])


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
    """Train, promote, serve, answer three reviews, retrain, merge, promote: the running agent has learned.

    The steps of retrain.yml retrain, and those of ci-cd.yml get the data of its pull request, from a folder as remote.
    """
    clone = trained_clone(tmp_path_factory, tickets=2500).copied(tmp_path / "clone")
    # Of some 500 test tickets, the tolerance of params.yaml would be two.
    clone.command("python scripts/set_parameters.py registry.tolerance=0.02")
    clone.here(f"python scripts/mlflow_registry.py register --run-id {run_in(clone.text(PRINTED))}")
    promote(clone)
    clone.commit("trained")
    remote = str(tmp_path / "dvc-storage")
    for line in (f"dvc remote add --local -d storage {remote}", "dvc push"):
        clone.command(line)
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
        settings = {"REMOTE": remote, "DATABASE_URL": database, "MLFLOW_TRACKING_URI": server.address}
        report = retrain(clone, tmp_path / "runner", **settings)
        branch = assert_branch_has_the_retraining(clone, report)
        check_pull_request(clone, tmp_path / "check", branch, remote)
        clone.git("merge", "-q", "--ff-only", branch)
        clone.command("dvc pull")
        promote(clone)
        agent.until(lambda: is_served(agent, "2"))
        after = agent.post("/predict", {"text": NEXT, "store": False}).json
        assert (answer, "2") == (after["category"], after["versions"]["tfidf"])
        assert "1" == first["versions"]["tfidf"]
