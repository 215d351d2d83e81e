"""What the registry promises when several processes change it at once and when one is killed at any moment."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import mlflow
import pytest
from registry_world import NAME, Desk, Trained, assert_agreement

import log_run

WORKER = str(Path(__file__).with_name("registry_worker.py"))
WORKERS, ROUNDS, VERSIONS = 8, 25, 3
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        yield Trained(tmp_path_factory.mktemp("trained"), patch)


@pytest.fixture
def desk(trained, tmp_path, monkeypatch, capsys):
    return Desk(trained, tmp_path, monkeypatch, capsys)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
def test_killed_at_any_write_of_a_promotion_the_registry_is_consistent_and_the_next_run_repairs(desk, tmp_path):
    """Before each write in turn: Production is there, `list` and `history` agree, and running again completes."""
    desk.register("good", "close")
    desk.run("production", "--version", "1", "--force", "--reason", "the first")
    desk.run("staging", "--version", "2")

    def kill_at(number: int) -> tuple[int, Path]:
        folder = tmp_path / f"killed-{number}"
        folder.mkdir()
        shutil.copy(desk.database, folder / "mlflow.db")
        judging = ["--params", str(desk.params), "--data", str(desk.trained.data)]
        environment = os.environ | {"MLFLOW_TRACKING_URI": f"sqlite:///{(folder / 'mlflow.db').as_posix()}"}
        command = [sys.executable, WORKER, "kill", str(number), "production", *judging]
        return subprocess.run(command, env=environment, capture_output=True).returncode, folder

    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(kill_at, range(11)))
    assert results[0][0] == -9 and results[-1][0] == 0, "every write was killed, and the last run had none left"
    for code, folder in results:
        assert code in (-9, 0)
        desk.move_to(folder / "mlflow.db")
        stages = {row["version"]: row["stage"] for row in desk.read("list")}
        assert list(stages.values()).count("Production") == 1 and list(stages.values()).count("Staging") <= 1
        entered = [(move["version"], move["to"]) for move in desk.read("history")]
        assert ((2, "Production") in entered) == (stages[2] == "Production")
        desk.run("production", "--version", "2")
        desk.run("archive", "1")
        assert desk.stages() == {1: "Archived", 2: "Production"}
        entered = [(move["version"], move["to"]) for move in desk.read("history")]
        assert entered.count((2, "Production")) == 1 and entered.count((1, "Archived")) == 1


def test_eight_processes_on_the_embedded_database(desk, tmp_path):
    """25 rounds of changes at once: one Production, at most one Staging, no move without an entry in the history."""
    desk.register("good", "close", "bad")
    desk.run("production", "--version", "1", "--force", "--reason", "the first")
    check_races(desk, desk.uri, tmp_path)


def test_eight_processes_through_a_server_on_postgresql(trained, tmp_path, monkeypatch, capsys, postgresql):
    """The same through `mlflow server`, whose clients share nothing but the server."""
    with server(postgresql, tmp_path) as uri:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        desk = Desk(trained, tmp_path, monkeypatch, capsys)
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        outputs = ["--model", trained.folder / "model", "--metrics", trained.folder / "m.json"]
        for _ in range(VERSIONS):
            assert log_run.main([*map(str, outputs), "--plots", str(trained.folder / "plots")]) == 0
            run = capsys.readouterr().out.split()[-1]
            desk.run("register", "--run-id", run)
        desk.run("production", "--version", "1", "--force", "--reason", "the first")
        check_races(desk, uri, tmp_path)


def check_races(desk: Desk, uri: str, folder: Path) -> None:
    """Let the workers make their changes, round by round, and check the promises after each."""
    client = mlflow.MlflowClient(uri, uri)
    before = len(desk.read("history"))
    options = ["--params", str(desk.params), "--data", str(desk.trained.data)]
    command = [sys.executable, WORKER, "race", str(folder)]
    workers = [
        subprocess.Popen(
            [*command, *map(str, (worker, ROUNDS, VERSIONS)), *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        for worker in range(WORKERS)
    ]
    for number in range(ROUNDS + 1):
        while len(list(folder.glob(f"ready-{number}-*"))) < WORKERS and any(w.poll() is None for w in workers):
            # Raises when there is a moment without a Production.
            client.get_model_version_by_alias(NAME, "production")
            time.sleep(0.05)
        stages = {row["version"]: row["stage"] for row in desk.read("list")}
        assert list(stages.values()).count("Production") == 1 and list(stages.values()).count("Staging") <= 1
        assert_agreement(uri, stages)
        if number < ROUNDS:
            (folder / f"go-{number}").touch()
    said = [worker.communicate() for worker in workers]
    assert [worker.returncode for worker in workers] == [0] * WORKERS, said
    history = desk.read("history")
    assert len(history) - before == sum(int(out) for out, _ in said) > ROUNDS
    held: dict[int, str | None] = {}
    for move in history:
        assert held.get(move["version"]) == move["from"], "each entry begins where the one before it ended"
        held[move["version"]] = move["to"]


@pytest.fixture(scope="module")
def postgresql():
    """A PostgreSQL of its own on a free port of loopback; installed from Debian's packages on a CI machine without."""
    programs = find_postgresql()
    folder = Path(tempfile.mkdtemp(prefix="postgresql-"))
    user = {}
    if os.geteuid() == 0:  # PostgreSQL refuses to run as root
        shutil.chown(folder, "nobody")
        user = {"user": "nobody"}
    port = free_port()
    data = str(folder / "data")
    quiet = {"check": True, "stdout": subprocess.DEVNULL, "cwd": folder, **user}
    subprocess.run([programs / "initdb", "-D", data, "-U", "mlflow", "--auth=trust"], **quiet)
    options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off"
    subprocess.run([programs / "pg_ctl", "-D", data, "-o", options, "-l", folder / "log", "-w", "start"], **quiet)
    yield f"postgresql+pg8000://mlflow@127.0.0.1:{port}/postgres"
    subprocess.run([programs / "pg_ctl", "-D", data, "-m", "immediate", "stop"], **quiet)
    shutil.rmtree(folder, ignore_errors=True)


def find_postgresql() -> Path:
    """Return the folder of initdb and pg_ctl, or skip."""
    if os.name == "nt":
        pytest.skip("PostgreSQL is started with POSIX users here")
    for attempt in range(2):
        debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
        found = shutil.which("initdb") or (str(debian[-1]) if debian else None)
        if found:
            return Path(found).parent
        if attempt or not (os.environ.get("CI") and os.geteuid() == 0 and shutil.which("apt-get")):
            break
        subprocess.run(["apt-get", "update", "-qq"], check=False)
        subprocess.run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", "postgresql"], check=False)
    pytest.skip("no PostgreSQL here: install Debian's package postgresql")


class server:
    """A running `mlflow server` on a database; gives its address."""

    def __init__(self, database: str, folder: Path) -> None:
        self.database, self.folder = database, folder

    def __enter__(self) -> str:
        port = free_port()
        address = ["--host", "127.0.0.1", "--port", str(port), "--workers", "2"]
        stores = ["--backend-store-uri", self.database, "--artifacts-destination", str(self.folder / "artifacts")]
        environment = os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
        environment.pop("MLFLOW_TRACKING_URI", None)
        log = (self.folder / "server.log").open("w")
        command = [sys.executable, "-m", "mlflow", "server", *address, *stores]
        self.process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
        for _ in range(600):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return f"http://127.0.0.1:{port}"
            assert self.process.poll() is None, (self.folder / "server.log").read_text()
            time.sleep(0.1)
        raise AssertionError((self.folder / "server.log").read_text())

    def __exit__(self, *_: object) -> None:
        os.killpg(self.process.pid, 15)
        self.process.wait(20)


def free_port() -> int:
    """Return a port that nothing listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]
