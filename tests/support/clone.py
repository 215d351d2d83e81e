"""A repository of its own, as a user has it after cloning, and one that is trained once for the whole session."""

import contextlib
import importlib
import io
import json
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import mlflow
import pytest

from support.fork_server import run_to_end
from support.once import made_once
from support.processes import environment, run
from support.repository import unpack

EXPERIMENT = "callcenterai-tfidf-classification"
# Where a trained clone keeps what its `dvc repro` printed; git does not see that folder.
PRINTED = Path(".git", "repro.txt")


class Clone:
    """A committed copy of this repository with a small sample, in which the guide's commands are run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def copied(self, folder: Path) -> "Clone":
        """Return a copy with all that is not in git."""
        return type(self)(shutil.copytree(self.folder, folder))

    def cloned(self, folder: Path) -> "Clone":
        """Return what somebody else gets from git."""
        self.git("clone", "-q", str(self.folder), str(folder))
        return type(self)(folder)

    def git(self, *arguments: str) -> str:
        who = ("-c", "user.name=tests", "-c", "user.email=tests@localhost")
        command = ["git", *who, "-c", "commit.gpgsign=false", *arguments]
        return subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=True).stdout

    def commit(self, message: str) -> None:
        self.git("add", "-A")
        self.git("commit", "-q", "-m", message)

    def command(self, line: str) -> str:
        """Run a line as the guide has it and return what it prints."""
        return run(self.folder, *_arguments(line)).stdout

    def here(self, line: str, code: int = 0) -> str:
        """Run a script's line in this process, which has imported MLflow already, and insist on its exit code.

        Return what it prints, on stderr if it fails. Only for a line that the test, or another, also runs as written.
        """
        script, *arguments = shlex.split(line)[1:]
        command = importlib.import_module(Path(script).stem)
        output, errors = io.StringIO(), io.StringIO()
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(self.folder)
            patch.setattr("callcenterai.tracking.store.ROOT", self.folder)
            patch.setattr("callcenterai.tracking.embedded.REPOSITORY", self.folder)
            patch.delenv("MLFLOW_TRACKING_URI", raising=False)
            with contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors):
                found = command.main(arguments)
        assert found == code, output.getvalue() + errors.getvalue()
        return errors.getvalue() if code else output.getvalue()

    def failed(self, line: str, code: int | None = None) -> str:
        """Run a line that has to fail, with this exit code if one is given, and return what it says about that."""
        done = run_to_end([sys.executable, *_arguments(line)], self.folder, environment())
        assert done.returncode == code if code is not None else done.returncode != 0, done.stdout + done.stderr
        return done.stderr

    def text(self, name: str | Path) -> str:
        return (self.folder / name).read_text(encoding="utf-8")

    def json(self, name: str) -> dict:
        return json.loads(self.text(name))

    def committed(self, name: str) -> dict:
        return json.loads(self.git("show", f"HEAD:{name}"))

    def accuracy(self) -> str:
        """Return the accuracy on test as DVC prints it."""
        return f"{self.json('metrics/tfidf.json')['test']['accuracy']:.5g}"

    def runs(self) -> list:
        client = mlflow.MlflowClient(f"sqlite:///{(self.folder / 'mlflow.db').as_posix()}")
        return client.search_runs([client.get_experiment_by_name(EXPERIMENT).experiment_id])


def make_clone(folder: Path, tickets: int = 600) -> Clone:
    """Make a clone in which nothing has been trained."""
    unpack(folder)
    clone = Clone(folder)
    clone.git("init", "-q")
    clone.commit("as released")
    run(folder, "scripts/make_sample_tickets.py", "data/raw/tickets.csv", "--tickets", str(tickets), "--force")
    return clone


def trained_clone(factory: pytest.TempPathFactory, tickets: int = 600) -> Clone:
    """Return a clone after its first `dvc repro`; the session shares it, so each test works in a copy.

    The file PRINTED in it holds the command's output. Tests that promote need 2,500 tickets: 600 do not reach the
    accuracy that the registry's gates ask for.
    """

    def train(place: Path) -> None:
        clone = make_clone(place / "clone", tickets)
        printed = clone.command("dvc repro")
        (clone.folder / PRINTED).write_text(printed, encoding="utf-8")

    return Clone(made_once(factory, f"trained-clone-{tickets}", train) / "clone")


def _arguments(line: str) -> list[str]:
    """Return a line of the guide as Python's arguments."""
    program, *arguments = shlex.split(line)
    return [*{"python": [], "dvc": ["-m", "dvc"]}[program], *arguments]
