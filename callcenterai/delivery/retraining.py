"""Retraining: train on people's newest answers in a working tree of its own, and leave a branch for people to judge.

The working tree holds what HEAD has committed, and shares git's and DVC's stores with the repository. So nothing in the
folder that people work in changes, and a step that fails leaves nothing behind.
"""

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from callcenterai.agent_data.feedback import export_feedback, standing_answers
from callcenterai.core.cli import UserError, print_progress
from callcenterai.core.params import NO_FILE, PrepareParameters, read_parameters
from callcenterai.core.params_edit import set_values
from callcenterai.report.markdown import code_block, inline_code

# Where the answers go if params.yaml names no file of answers yet.
ANSWERS = "data/raw/feedback.csv"
PARAMS = "params.yaml"
DVC = (sys.executable, "-m", "dvc")
REGISTRY = (sys.executable, "scripts/mlflow_registry.py")
# The exit codes of a report that found a worse model, and of a gate that refuses: both are for people to judge.
WORSE, REFUSED = 1, 3
COMMIT_MESSAGE = "Retrain on what people have answered\n\nThe version is registered and not promoted."


class Retrained(NamedTuple):
    """What a retraining has made: the number of the registered version, and the report on it."""

    version: str
    report: str


def retrain(repository: Path, database: str) -> int:
    """Train on the answers in the agent's database, register, commit to a branch, and print the report; return 0.

    Without new answers nothing is done, and stderr says so.
    """
    branch = f"retraining-{datetime.now(UTC).date().isoformat()}"
    if not (repository / "dvc.yaml").is_file():
        raise UserError(f"{repository} has no dvc.yaml: start this in the repository's root")
    if run_step(repository, "git", "branch", "--list", branch).strip():
        raise UserError(f"there is a branch {branch} already: merge or delete it, then try again")
    if not standing_answers(database):
        print_progress("nobody has answered a ticket yet: nothing to train on")
        return 0
    with working_tree(repository) as folder:
        export_answers(folder, database)
        if not run_step(folder, "git", "status", "--porcelain"):
            print_progress("no new answers since the last retraining that was committed: nothing to do")
            return 0
        made = train_and_register(folder)
        run_step(folder, "git", "add", "--all")
        # The hooks check code, which this commit does not touch.
        run_step(folder, "git", "commit", "--quiet", "--no-verify", "--message", COMMIT_MESSAGE)
        run_step(folder, "git", "branch", branch)
    print(made.report)
    print_progress(f"branch {branch}: version {made.version} is registered, and nothing is promoted")
    return 0


@contextmanager
def working_tree(repository: Path) -> Iterator[Path]:
    """Give the repository's root in a new working tree of HEAD, with the tickets that DVC tracks; remove it at the end.

    It stands in .dvc/tmp, as DVC's own experiments do: on the disk of DVC's cache, and out of git's sight.
    """
    place = repository / ".dvc" / "tmp"
    place.mkdir(parents=True, exist_ok=True)
    prefix = run_step(repository, "git", "rev-parse", "--show-prefix").strip()
    cache = run_step(repository, *DVC, "cache", "dir").strip()
    try:
        with tempfile.TemporaryDirectory(prefix="retraining-", dir=place) as temporary:
            run_step(repository, "git", "worktree", "add", "--quiet", "--detach", temporary)
            folder = Path(temporary) / prefix
            (folder / ".dvc" / "config.local").write_text(f"[cache]\n    dir = {cache}\n", encoding="utf-8")
            if tracked := run_step(folder, "git", "ls-files", "data/raw/*.dvc", "data/raw/dvc.yaml").split():
                run_step(folder, *DVC, "checkout", "--quiet", *tracked)
            yield folder
    finally:
        # git forgets the working trees whose folders are gone.
        run_step(repository, "git", "worktree", "prune")


def export_answers(folder: Path, database: str) -> None:
    """Export people's answers to the file that params.yaml names, and let DVC track it."""
    named = read_parameters(folder / PARAMS, "prepare", PrepareParameters).feedback_input
    path = PurePosixPath(named if named and PurePosixPath(named).name != NO_FILE else ANSWERS)
    if path.parent != PurePosixPath(ANSWERS).parent or path.suffix != ".csv":
        raise UserError(f"prepare.feedback_input is {named}: retraining writes answers to a CSV file in data/raw only")
    # What these print is progress here: stdout is for the report.
    with redirect_stdout(sys.stderr):
        export_feedback(database, folder / path)
        set_values(folder / PARAMS, {"prepare.feedback_input": str(path)})
    run_step(folder, *DVC, "add", "--quiet", str(path))


def train_and_register(folder: Path) -> Retrained:
    """Run the pipeline, register the run that it logs, and report on it."""
    run_id = find_run_id(run_step(folder, *DVC, "repro"))
    if run_id is None:
        # DVC had the outputs in its run cache, or the tracking server was away.
        run_id = find_run_id(run_step(folder, sys.executable, "scripts/log_run.py"))
    if run_id is None:
        raise UserError("the training was not logged to MLflow: check MLFLOW_TRACKING_URI, then try again")
    before = run_step(folder, "git", "rev-parse", "HEAD").strip()
    comparison = run_step(folder, sys.executable, "scripts/model_report.py", before, accepted=(0, WORSE))
    reason = "retrained on people's answers"
    registered = run_step(folder, *REGISTRY, "register", "--run-id", run_id, "--reason", reason)
    version = registered.partition("version ")[2].split()[0]
    gates = run_step(folder, *REGISTRY, "check", version, accepted=(0, REFUSED))
    return Retrained(version, render_retraining(run_id, version, comparison, gates))


def find_run_id(printed: str) -> str | None:
    """Return the id of the last MLflow run that a training has printed."""
    found = re.findall(r"^MLflow run (\w+)$", printed, re.MULTILINE)
    return found[-1] if found else None


def render_retraining(run_id: str, version: str, comparison: str, gates: str) -> str:
    """Return the report in Markdown: what was made, what the gates say about it, and how it compares with HEAD."""
    return "\n\n".join(
        (
            "# Retraining",
            f"Version {version} was trained on people's answers (MLflow run {inline_code(run_id)}). It is registered, "
            f"and serves nobody: merge this, then promote it with `mlflow_registry.py staging {version}`.",
            "## Would it pass the gates?",
            code_block("text", gates.splitlines()),
            comparison.strip(),
        )
    )


def run_step(folder: Path, *command: str, accepted: tuple[int, ...] = (0,)) -> str:
    """Run a command in a folder and return its stdout; what it says on stderr appears at once.

    Raises a UserError when the exit code is not among the accepted ones.
    """
    shown = " ".join("python" if part == sys.executable else part for part in command)
    if command[0] != "git":
        print_progress(f"== {shown}")
    # The pipeline's stages run `python`, which has to be this Python.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    try:
        done = subprocess.run(command, cwd=folder, env=os.environ | {"PATH": path}, stdout=subprocess.PIPE, text=True)
    except FileNotFoundError:
        raise UserError(f"{command[0]} is not installed, and retraining needs it") from None
    if done.returncode not in accepted:
        raise UserError(f"`{shown}` failed, for the reason above; your files and branches are as before")
    return done.stdout
