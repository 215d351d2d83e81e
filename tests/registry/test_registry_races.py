"""The registry stays consistent when several processes change it at once and when one is killed at any moment."""

import multiprocessing
import os
import shutil
import signal
import time
from collections.abc import Sequence
from pathlib import Path

import mlflow
import pytest

from support.registry import NAME, RegistryCommands, assert_agreement
from support.registry_worker import processes, race, run_killed
from support.servers.mlflow_server import TrackingServer
from support.servers.team import TeamServer
from support.thoroughness import rounds

WORKERS, ROUNDS, VERSIONS = 8, rounds(4, 25), 3
# Few: the login only adds permissions to what the other races check.
ROUNDS_WITH_LOGIN = 2
# More than any command makes: a promotion makes 9.
MOST_WRITES = 11
# The commands that are killed on a push; the long form kills each.
ON_A_PUSH = ("production", "register")
pytestmark = pytest.mark.slow

# Each command, its first move, and the stages after it was killed and run again.
KILLED = {
    "production": (["production"], (2, "Production"), {1: "Archived", 2: "Production", 3: "None"}),
    "staging": (["staging", "--version", "3"], (3, "Staging"), {1: "Production", 2: "Archived", 3: "Staging"}),
    "archive": (["archive", "2"], (2, "Archived"), {1: "Production", 2: "Archived", 3: "None"}),
    "rollback": (["rollback"], (3, "Production"), {1: "Archived", 2: "Staging", 3: "Production"}),
    "register": (["register", "--run-id", "RUN"], (4, "None"), {1: "Production", 2: "Staging", 3: "None", 4: "None"}),
}


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
@pytest.mark.parametrize(
    "command, decided, expected",
    [
        pytest.param(*case, id=name, marks=() if name in ON_A_PUSH else pytest.mark.long)
        for name, case in KILLED.items()
    ],
)
def test_a_command_killed_at_any_write_leaves_a_consistent_registry(
    registry_commands, tmp_path, command, decided, expected
):
    """Killed before each write in turn: one Production, `list` and `history` agree, and running again completes.

    All commands record, make and finish a change with the same code. On a push, the command with the most writes is
    killed, and the one that makes a version; the others, which write a part of the same, in the long form.
    """
    registry_commands.register("good", "close", "extra")
    if command == ["rollback"]:
        registry_commands.run("production", "--version", "3", "--force", "--reason", "the first")
    registry_commands.run("production", "--version", "1", "--force", "--reason", "the one that serves")
    registry_commands.run("staging", "--version", "2")
    command = [part.replace("RUN", registry_commands.trained.runs["bad"]) for part in command]
    gate_options = ["--params", str(registry_commands.params), "--data", str(registry_commands.trained.data)]
    original, killed = registry_commands.database, []
    context = processes()

    def kill_at(number: int) -> tuple[multiprocessing.process.BaseProcess, Path]:
        folder = tmp_path / f"killed-{number}"
        folder.mkdir()
        shutil.copy(original, folder / "mlflow.db")
        uri = f"sqlite:///{(folder / 'mlflow.db').as_posix()}"
        process = context.Process(target=run_killed, args=(number, uri, [*command, *gate_options]))
        process.start()
        return process, folder

    for process, folder in [kill_at(number) for number in range(MOST_WRITES)]:
        process.join()
        assert process.exitcode in (-signal.SIGKILL, 0)
        killed.append(process.exitcode == -signal.SIGKILL)
        registry_commands.move_to(folder / "mlflow.db")
        check_repair(registry_commands, command if killed[-1] else None, decided, expected)
    assert killed[:4] == [True] * 4 and not killed[-1], "killed at each write, and not after the last one"


def check_repair(
    registry_commands: RegistryCommands, command: list[str] | None, decided: tuple[int, str], expected: dict[int, str]
) -> None:
    """Check the registry as the process left it and, if a command is given, after that ran again."""
    stages = {row["version"]: row["stage"] for row in registry_commands.read("list")}
    assert list(stages.values()).count("Production") == 1 and list(stages.values()).count("Staging") <= 1
    assert decided_in(registry_commands, decided) == (stages.get(decided[0]) == decided[1])
    if command:
        registry_commands.run(*command)
    assert registry_commands.stages() == expected
    check_chain(registry_commands.read("history"))
    assert decided_in(registry_commands, decided)


def decided_in(registry_commands: RegistryCommands, decided: tuple[int, str]) -> bool:
    """Return whether the version's last history entry is this move."""
    entries = [move["to"] for move in registry_commands.read("history") if move["version"] == decided[0]]
    return entries[-1:] == [decided[1]]


def check_chain(history: list[dict]) -> None:
    """Check that each entry of a version starts from the stage where the previous one ended: none missing or double."""
    held: dict[int, str | None] = {}
    for move in history:
        assert held.get(move["version"]) == move["from"]
        held[move["version"]] = move["to"]


def test_eight_processes_on_the_embedded_database(registry_commands, tmp_path):
    """Simultaneous changes, round after round: one Production, at most one Staging, every move in the history."""
    registry_commands.register("good", "close", "bad")
    registry_commands.run("production", "--version", "1", "--force", "--reason", "the first")
    check_races(registry_commands, registry_commands.uri, tmp_path)


def test_eight_processes_through_a_server_on_postgresql(trained, tmp_path, monkeypatch, capsys, postgresql):
    """The same promises through `mlflow server`, whose clients share nothing but the server."""
    registry_commands = RegistryCommands(trained, tmp_path, monkeypatch, capsys)
    stores = ("--backend-store-uri", postgresql.address, "--artifacts-destination", str(tmp_path / "artifacts"))
    with TrackingServer(tmp_path, *stores) as server:
        for _ in range(VERSIONS):
            registry_commands.register_in(server.address)
        registry_commands.run("production", "--version", "1", "--force", "--reason", "the first")
        check_races(registry_commands, server.address, tmp_path)


def test_two_people_on_a_server_with_a_login(trained, tmp_path, monkeypatch, capsys, postgresql):
    """The same promises when neither is an administrator: each may go on with versions and locks of the other."""
    registry_commands = RegistryCommands(trained, tmp_path, monkeypatch, capsys)
    with TeamServer(tmp_path, postgresql.new_database("races"), tmp_path / "artifacts") as server:
        for name in ("amina", "ben"):
            server.add(name, monkeypatch, capsys)
        server.log_in("amina", monkeypatch)
        for _ in range(VERSIONS):
            registry_commands.register_in(server.address)
        registry_commands.run("production", "--version", "1", "--force", "--reason", "the first")
        people = [server.login(name) for name in ("amina", "ben")]
        check_races(registry_commands, server.address, tmp_path, ROUNDS_WITH_LOGIN, people)


def check_races(
    registry_commands: RegistryCommands,
    uri: str,
    folder: Path,
    round_count: int = ROUNDS,
    people: Sequence[dict[str, str]] = ({},),
) -> None:
    """Let the workers make their changes, round by round, and check the promises after each round.

    people: the environment of each person; the workers take turns being them.
    """
    client = mlflow.MlflowClient(uri, uri)
    before = len(registry_commands.read("history"))
    options = ["--params", str(registry_commands.params), "--data", str(registry_commands.trained.data)]
    workers = []
    for worker in range(WORKERS):
        variables = os.environ | people[worker % len(people)]
        arguments = (folder, worker, round_count, VERSIONS, options, variables)
        workers.append(processes().Process(target=race, args=arguments, daemon=True))
        workers[-1].start()
    for number in range(round_count + 1):
        while len(list(folder.glob(f"ready-{number}-*"))) < WORKERS and any(w.is_alive() for w in workers):
            # Raises when there is a moment without a Production.
            client.get_model_version_by_alias(NAME, "production")
            time.sleep(0.05)
        stages = {row["version"]: row["stage"] for row in registry_commands.read("list")}
        assert list(stages.values()).count("Production") == 1 and list(stages.values()).count("Staging") <= 1
        assert_agreement(uri, stages)
        if number < round_count:
            (folder / f"go-{number}").touch()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0] * WORKERS
    history = registry_commands.read("history")
    assert len(history) - before == sum(int(path.read_text()) for path in folder.glob("moves-*")) > round_count
    check_chain(history)
