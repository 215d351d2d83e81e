"""What several test files share: where things are, invented tickets, prepare in its own folder, other processes."""

import csv
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
import yaml
from filelock import FileLock

# OpenBLAS's threads wait for each other by spinning: the many small calibrations take twice as long with them, and
# tests run side by side. It reads this when numpy is first imported, and so do the processes that tests start.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
REPOSITORY = Path(__file__).resolve().parents[1]
SCRIPTS = REPOSITORY / "scripts"
SHARED_DATA = REPOSITORY.parent / "shared" / "data"
TOOLS = REPOSITORY.parent / "shared" / "tools"
# What `setup_mlops.py --input` changes in params.yaml.
SAMPLE = {
    "input": "data/raw/tickets.csv",
    "test_input": "data/raw/none",
    "feedback_input": "data/raw/none",
    "text_column": "text",
    "label_column": "category",
}
PARTS = ("train", "validation", "test")
# The files whose slow tests take minutes, the longest first: one that is begun last keeps one process busy alone.
LONGEST = (
    "test_documents.py",
    "test_registry_races.py",
    "test_deploy_staging.py",
    "test_train_transformer.py",
    "test_compose.py",
    "test_team.py",
    "test_dvc_remote.py",
    "test_workflow.py",
    "test_kubernetes.py",
    "test_model_report.py",
    "test_service_transformer.py",
    "test_images.py",
    "test_check_image.py",
    "test_loop.py",
)
STEMS = ("lap", "scre", "mou", "net", "pri", "vol", "cab")
NOUNS = [stem + ending for stem in STEMS for ending in ("ton", "ver", "del", "gor", "mix")]
KILLED_AT_A_RENAME = """
import os, sys

number, replace = int(sys.argv.pop(1)), os.replace
sys.path.insert(0, sys.argv.pop(1))
renamed = []

def replace_or_die(*paths):
    if len(renamed) == number:
        os.kill(os.getpid(), 9)
    renamed.append(paths)
    replace(*paths)

os.replace = replace_or_die
"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Have the longest files run first."""
    place = {name: number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: place.get(item.path.name, len(place)))


def invent(count: int, seed: int = 1, labels: str = "ABC") -> list[list[str]]:
    """Return distinct tickets, [text, label], of which no two are near-duplicates."""
    generator = random.Random(seed)
    return [
        [" ".join(generator.choices(NOUNS, k=12)) + f" {seed}-{number}", labels[number % len(labels)]]
        for number in range(count)
    ]


def write_csv(path: Path, rows: Iterable[Iterable], header: tuple[str, ...] = ("text", "category")) -> Path:
    """Write rows with a header and return the path."""
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return path


def read_csv(path: Path) -> list[dict[str, str]]:
    """Return the rows of a CSV file with a header."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def shipped_params() -> str:
    """Return params.yaml as it reads the sample, so that who trains on tickets of their own can run the tests too."""
    text = (REPOSITORY / "params.yaml").read_text(encoding="utf-8")
    for name, value in SAMPLE.items():
        text = re.sub(rf"^  {name}: .*$", f"  {name}: {value}", text, flags=re.MULTILINE)
    return text


def write_params(path: Path, **sections: dict) -> Path:
    """Write the repository's params.yaml with changes by section: write_params(path, prepare={"test_size": 0.1})."""
    params = yaml.safe_load(shipped_params())
    for name, changes in sections.items():
        params[name] |= changes
    path.write_text(yaml.safe_dump(params, allow_unicode=True), encoding="utf-8")
    return path


def run_killed(number: int, code: str, *arguments: str) -> bool:
    """Run code in a process that kills itself in place of the rename `number`, from 0; return whether it did."""
    command = [sys.executable, "-c", KILLED_AT_A_RENAME + code, str(number), str(SCRIPTS), *arguments]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
    # Windows has no signals: there the number is the exit code.
    assert done.returncode in (0, 9, -9), done.stderr
    return done.returncode != 0


class Prepare:
    """Runs prepare on files of a folder and reads what it left there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.output = folder / "out"
        self.params = folder / "params.yaml"

    def write(self, rows: Iterable[Iterable], name: str = "tickets.csv") -> Path:
        return write_csv(self.folder / name, rows)

    def run(self, path: Path, **changes) -> int:
        """Prepare the tickets of path, with changed parameters, and return the exit code."""
        write_params(self.params, prepare={"input": str(path)} | changes)
        return self.run_as_is()

    def run_as_is(self) -> int:
        import prepare_data

        return prepare_data.main(self.arguments())

    def arguments(self) -> list[str]:
        metrics = self.folder / "metrics" / "prepare.json"
        return ["--params", str(self.params), "--output", str(self.output), "--metrics", str(metrics)]

    def read(self, name: str) -> list[dict[str, str]]:
        return read_csv(self.output / f"{name}.csv")

    def metrics(self) -> dict:
        return json.loads((self.folder / "metrics" / "prepare.json").read_text(encoding="utf-8"))

    def part_of(self) -> dict[str, str]:
        """Return the part of each kept text."""
        return {row["text"]: part for part in PARTS for row in self.read(part)}

    def files(self) -> dict[str, bytes]:
        """Return everything in the output folders, temporary files too."""
        folders = [folder for folder in (self.output, self.folder / "metrics") if folder.is_dir()]
        return {path.name: path.read_bytes() for folder in folders for path in folder.iterdir()}


def environment() -> dict[str, str]:
    """Return the variables for a process whose `python` is this one, and which tracks and measures on its own."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    hidden = ("MLFLOW_", "COV_", "COVERAGE_")
    ours = {name: value for name, value in os.environ.items() if not name.startswith(hidden)}
    return ours | {"PATH": path, "DVC_NO_ANALYTICS": "1"}


def run(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess:
    """Run Python in a folder, with more variables, and insist on success."""
    command = [sys.executable, *arguments]
    done = subprocess.run(command, cwd=folder, env=environment() | variables, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def unpack(folder: Path) -> None:
    """Copy what a release would hold; without git, what is not made on this machine."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=REPOSITORY, capture_output=True, text=True
    )
    if listed.returncode:
        made = shutil.ignore_patterns(".venv", ".dvc", "processed", "models", "mlruns", "mlflow.db*", "__pycache__")
        shutil.copytree(REPOSITORY, folder, ignore=made)
        (folder / ".dvc").mkdir()
        shutil.copy(REPOSITORY / ".dvc" / "config", folder / ".dvc" / "config")
    for name in filter(None, listed.stdout.split("\0")):
        if (REPOSITORY / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(REPOSITORY / name, folder / name)
    (folder / "params.yaml").write_text(shipped_params(), encoding="utf-8")


class TrackingServer:
    """A real `mlflow server` on a free port, which answers once this is made."""

    program = ("-m", "mlflow", "server")

    def __init__(self, folder: Path, *arguments: str, **variables: str) -> None:
        self.port = free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        # One worker and no job runners: eleven processes take twice as long to start.
        small = {"MLFLOW_WORKERS": "1", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_PORT": str(self.port)}
        with (folder / "server.txt").open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, *self.program, *arguments],
                cwd=folder,
                env=environment() | small | variables,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            wait_until(self.answers, 120)
        except BaseException:
            self.kill()
            raise

    def __enter__(self) -> "TrackingServer":
        return self

    def __exit__(self, *_) -> None:
        self.kill()

    def answers(self) -> bool:
        assert self.process.poll() is None, "the server has ended by itself"
        try:
            return self.read("/health") == b"OK"
        except OSError:
            return False

    def read(self, path: str, **body) -> bytes:
        """Return what the server answers to a GET, or to a POST of JSON when there is a body."""
        data = json.dumps(body).encode() if body else None
        request = urllib.request.Request(self.address + path, data, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.read()

    def experiment_id(self, name: str) -> str | None:
        """Return an experiment's id, or None while there is none of that name."""
        wanted = {"max_results": 100, "filter": f"name = '{name}'"}
        found = json.loads(self.read("/api/2.0/mlflow/experiments/search", **wanted)).get("experiments", [])
        return found[0]["experiment_id"] if found else None

    def runs(self, name: str) -> list[dict]:
        """Return the runs of an experiment, the latest first."""
        wanted = {"experiment_ids": [self.experiment_id(name)]}
        return json.loads(self.read("/api/2.0/mlflow/runs/search", **wanted)).get("runs", [])

    def artifact(self, run: dict, path: str) -> bytes:
        return self.read(f"/get-artifact?path={path}&run_uuid={run['info']['run_id']}")

    def kill(self) -> None:
        """End the server and its workers, without asking them."""
        if os.name == "nt":
            subprocess.run(["taskkill", "/F", "/T", "/PID", str(self.process.pid)], capture_output=True)
        elif self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def wait_until(happened: Callable[[], bool], seconds: float) -> None:
    """Ask again and again, and fail when it has not happened in time."""
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, f"not within {seconds} s: {happened}"
        time.sleep(0.05)


@pytest.fixture
def prepare(tmp_path: Path) -> Prepare:
    return Prepare(tmp_path)


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    """Return a folder that the first of pytest-xdist's processes to need it makes for all; no test may change it."""
    base = factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / name
    with FileLock(f"{folder}.lock"):
        if not folder.is_dir():
            folder.mkdir()
            try:
                make(folder)
            except BaseException:
                # Whoever comes next tries, and fails, for itself.
                shutil.rmtree(folder)
                raise
    return folder


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Four trainings in one database, of which every test of the registry gets a copy."""
    from registry_world import Trained, train

    return Trained(made_once(tmp_path_factory, "trained", train))


@pytest.fixture(scope="session")
def folders(trained: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Model folders as `mlflow_registry.py export` leaves them, for services: "good" and "bad"."""
    import mlflow_registry

    def export(place: Path) -> None:
        shutil.copy(trained.database, place / "mlflow.db")
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{(place / 'mlflow.db').as_posix()}")
            for number, name in enumerate(("good", "bad"), 1):
                assert mlflow_registry.main(["register", "--run-id", trained.runs[name]]) == 0
                assert mlflow_registry.main(["export", str(number), str(place / name)]) == 0

    place = made_once(tmp_path_factory, "exported", export)
    return {name: place / name for name in ("good", "bad")}


@pytest.fixture(scope="session")
def transformer(trained: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A small transformer, trained on the tickets of `trained` and tracked in a database of its own."""
    from transformer_world import Transformer, need_pytorch, train

    need_pytorch()
    return Transformer(made_once(tmp_path_factory, "transformer", lambda folder: train(folder, trained.data)), trained)


@pytest.fixture(scope="session")
def postgresql() -> Any:
    """A PostgreSQL of its own."""
    from postgresql_world import Postgresql

    server = Postgresql()
    yield server
    server.remove()


@pytest.fixture(scope="session")
def scheduler(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The address of a Dask scheduler with two workers, so that not every test has to start some."""
    from dask_world import Workers

    workers = Workers(tmp_path_factory.mktemp("workers"), 2)
    yield workers.address
    workers.stop()


@pytest.fixture(scope="session")
def validators(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of requirements-ci.txt, in an environment of their own."""
    programs = Path("Scripts" if os.name == "nt" else "bin")

    def install(folder: Path) -> None:
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
        uv = [sys.executable, "-m", "uv", "pip", "install", "-q", "--python", str(folder / programs / "python")]
        lock = ["--require-hashes", "-r", str(REPOSITORY / "requirements-ci.txt")]
        done = subprocess.run([*uv, *lock], capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"requirements-ci.txt cannot be installed here: {done.stderr[-200:]}")

    return made_once(tmp_path_factory, "validators", install) / programs


@pytest.fixture(scope="session")
def builder() -> Path:
    """The script that builds an image and runs it hardened; with a base image, which is made where there is none."""
    script = TOOLS / "build_and_run.sh"
    if not script.is_file():
        pytest.skip("no tools beside this repository that build images without a registry")
    if shutil.which("podman") is None and not (os.environ.get("CI") and hasattr(os, "geteuid") and os.geteuid() == 0):
        pytest.skip("no podman here; it is installed in CI only")
    with one_build_at_a_time():
        subprocess.run(["bash", str(TOOLS / "make_base_image.sh")], check=True, capture_output=True)
    return script


def one_build_at_a_time() -> FileLock:
    """Return the lock of this machine's images: who waits for it finds the layers that another process has built."""
    return FileLock(Path(tempfile.gettempdir()) / "callcenterai-images.lock")


@pytest.fixture
def desk(trained: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> Any:
    """Runs registry commands."""
    from registry_world import Desk

    return Desk(trained, tmp_path, monkeypatch, capsys)


@pytest.fixture
def error_line(capsys: pytest.CaptureFixture) -> Callable[[], str]:
    """Returns what a failed script said: exactly one line on stderr, without the "error: " in front."""

    def read() -> str:
        said = capsys.readouterr().err
        assert said.startswith("error: ") and len(said.splitlines()) == 1, said
        return said.removeprefix("error: ").rstrip("\n")

    return read


@pytest.fixture
def shared_data() -> Callable[[str], Path]:
    """Returns a file of real tickets by name, or skips the test where there is none."""

    def find(name: str) -> Path:
        if not (SHARED_DATA / name).is_file():
            pytest.skip(f"{name}: the real tickets are not beside this repository")
        return SHARED_DATA / name

    return find
