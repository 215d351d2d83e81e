"""What several test files share: where things are, invented tickets, prepare in its own folder, other processes."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support.once import made_once
from support.prepare_runner import Prepare
from support.repository import REPOSITORY, SHARED_DATA

# OpenBLAS's threads wait for each other by spinning: the many small calibrations take twice as long with them, and
# tests run side by side. It reads this when numpy is first imported, and so do the processes that tests start.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
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


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Have the longest files run first."""
    place = {name: number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: place.get(item.path.name, len(place)))


@pytest.fixture
def prepare(tmp_path: Path) -> Prepare:
    return Prepare(tmp_path)


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Four trainings in one database, of which every test of the registry gets a copy."""
    from support.registry import Trained, train

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
    from support.transformer import Transformer, need_pytorch, train

    need_pytorch()
    return Transformer(made_once(tmp_path_factory, "transformer", lambda folder: train(folder, trained.data)), trained)


@pytest.fixture(scope="session")
def postgresql() -> Any:
    """A PostgreSQL of its own."""
    from support.postgresql import Postgresql

    server = Postgresql()
    yield server
    server.remove()


@pytest.fixture(scope="session")
def scheduler(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The address of a Dask scheduler with two workers, so that not every test has to start some."""
    from support.dask_workers import Workers

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
def builder() -> Any:
    """Builds images with Podman, on a base image that is made where no registry can be reached."""
    from support.images import ImageBuilder

    return ImageBuilder()


@pytest.fixture
def registry_commands(
    trained: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> Any:
    """Runs registry commands."""
    from support.registry import RegistryCommands

    return RegistryCommands(trained, tmp_path, monkeypatch, capsys)


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
