"""The processes of the race and kill tests."""

import contextlib
import io
import multiprocessing
import os
import random
import signal
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "scripts"), str(ROOT / "tests")]

# The libraries of a command. They take seconds to import; the fork server imports them once for all processes.
HEAVY = ["mlflow", "mlflow.store.tracking.sqlalchemy_store", "mlflow.store.model_registry.sqlalchemy_store", "pandas"]
HEAVY += ["sklearn.calibration", "sklearn.pipeline", "sklearn.svm", "callcenterai.artifact.skops_import"]
WRITES = (
    "create_registered_model",
    "create_model_version",
    "set_registered_model_alias",
    "delete_registered_model_alias",
    "set_registered_model_tag",
    "delete_registered_model_tag",
    "set_model_version_tag",
    "transition_model_version_stage",
    "delete_registered_model",
)


def processes() -> multiprocessing.context.BaseContext:
    """Return a context for processes that share nothing with this one; they inherit imported libraries at most."""
    if os.name == "nt":
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(HEAVY)
    return context


def run_killed(number: int, uri: str, command: list[str]) -> None:
    """Run a registry command in this process, killed before the write with this number if it gets that far."""
    import mlflow_registry

    os.environ["MLFLOW_TRACKING_URI"] = uri
    die_before_write(number)
    sys.exit(mlflow_registry.main(command))


def run_killed_at_rename(number: int, uri: str, command: list[str]) -> None:
    """Run a registry command in this process, killed before the rename of a file or folder with this number, from 0."""
    import mlflow_registry

    os.environ["MLFLOW_TRACKING_URI"] = uri
    _die_before_call(number, Path, ("replace",))
    sys.exit(mlflow_registry.main(command))


def die_before_write(number: int) -> None:
    """Let this process kill itself before the client's write with this number, counted from 0."""
    from mlflow import MlflowClient

    _die_before_call(number, MlflowClient, WRITES)


def _die_before_call(number: int, owner: type, names: tuple[str, ...]) -> None:
    made = iter(range(1_000_000))

    def counted(write):
        def wrapper(*arguments, **keywords):
            if next(made) == number:
                os.kill(os.getpid(), signal.SIGKILL)
            return write(*arguments, **keywords)

        return wrapper

    for name in names:
        setattr(owner, name, counted(getattr(owner, name)))


def race(folder: Path, worker: int, rounds: int, versions: int, options: list[str], variables: dict[str, str]) -> None:
    """Make one change a round, at the same time as the other workers, and write the number of moves to a file.

    variables: this test's environment; the fork server still has that of the first test which used it.
    """
    import mlflow_registry

    os.environ.clear()
    os.environ.update(variables)
    dice, moves = random.Random(worker), 0
    for number in range(rounds):
        (folder / f"ready-{number}-{worker}").touch()
        while not (folder / f"go-{number}").exists():
            time.sleep(0.005)
        version = str(dice.randint(1, versions))
        command = dice.choice(
            (["staging", "--version", version], ["production", "--version", version], ["rollback"], ["production"])
        )
        output = io.StringIO()
        with contextlib.redirect_stdout(output):
            code = mlflow_registry.main([*command, "--force", "--reason", "race", "--by", f"worker {worker}", *options])
        assert code in (0, 2), (command, code)
        moves += output.getvalue().count(" -> ")
    (folder / f"moves-{worker}").write_text(str(moves))
