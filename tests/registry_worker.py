"""What the tests of races and kills run in processes of their own.

python tests/registry_worker.py race FOLDER WORKER ROUNDS VERSIONS COMMAND_OPTIONS...
"""

import contextlib
import io
import os
import random
import signal
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))

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


def run_killed(number: int, uri: str, command: list[str]) -> None:
    """Run a registry command in this process, which dies before the number-th write, if there are so many."""
    import mlflow_registry

    os.environ["MLFLOW_TRACKING_URI"] = uri
    die_before_write(number)
    sys.exit(mlflow_registry.main(command))


def die_before_write(number: int) -> None:
    """Have this process killed when the client is about to make its number-th write, counted from 0."""
    from mlflow import MlflowClient

    made = iter(range(1_000_000))

    def counted(write):
        def wrapper(*arguments, **keywords):
            if next(made) == number:
                os.kill(os.getpid(), signal.SIGKILL)
            return write(*arguments, **keywords)

        return wrapper

    for name in WRITES:
        setattr(MlflowClient, name, counted(getattr(MlflowClient, name)))


def race(folder: Path, worker: int, rounds: int, versions: int, options: list[str]) -> None:
    """Make changes round after round, together with the other workers; print how many moves were made."""
    import mlflow_registry

    dice, moves = random.Random(worker), 0
    for number in range(rounds):
        (folder / f"ready-{number}-{worker}").touch()
        while not (folder / f"go-{number}").exists():
            time.sleep(0.005)
        version = str(dice.randint(1, versions))
        command = dice.choice(
            (["staging", "--version", version], ["production", "--version", version], ["rollback"], ["production"])
        )
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            code = mlflow_registry.main([*command, "--force", "--reason", "race", "--by", f"worker {worker}", *options])
        assert code in (0, 2), (command, code)
        moves += said.getvalue().count(" -> ")
    print(moves)


if __name__ == "__main__":
    race(Path(sys.argv[2]), *map(int, sys.argv[3:6]), sys.argv[6:])
