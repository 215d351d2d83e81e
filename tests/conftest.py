"""The fixtures that several test files use. What takes long to make is made once for the whole session."""

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
from support.thoroughness import load_hypothesis_profile

# One thread each: the threads of OpenBLAS and of PyTorch (OpenMP) spin while they wait for each other, which doubles
# the time of small products when tests run in parallel. The libraries read this at import, also in what tests start.
for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
    os.environ.setdefault(variable, "1")
# Begins parallel runs with the longest files, and records how long each file takes; saves most of coverage's time.
pytest_plugins = ["support.durations", "support.measured_cases"]
load_hypothesis_profile()


@pytest.fixture
def prepare(tmp_path: Path) -> Prepare:
    """Runs scripts/prepare_data.py in a folder of its own."""
    return Prepare(tmp_path)


@pytest.fixture
def answered(tmp_path: Path) -> Any:
    """An agent's database in a folder of its own."""
    from support.answers import Answered

    made = Answered(tmp_path)
    yield made
    made.store.close()


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Four trained models in one tracking database; each test of the registry works in a copy of it."""
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
    """A PostgreSQL server for the session."""
    from support.servers.postgresql import Postgresql

    server = Postgresql()
    yield server
    server.remove()


@pytest.fixture(scope="module")
def scheduler(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The address of a Dask scheduler with two workers, which the tests of a module share.

    Idle workers cost a twelfth of a core, which until the session's end would be more than starting them anew.
    """
    from support.servers.dask_workers import Workers

    workers = Workers(tmp_path_factory.mktemp("workers"), 2)
    yield workers.address
    workers.stop()


@pytest.fixture(scope="session")
def validators(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the programs that requirements-ci.txt installs, in an environment of their own."""
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
def installation(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A copy of the repository without .git, after `python setup_mlops.py` installed and trained everything."""
    from support.installation import install_once

    return install_once(tmp_path_factory)


@pytest.fixture(scope="session")
def builder() -> Any:
    """Builds images with Podman, on a base image that is made where no registry can be reached."""
    from support.containers.images import ImageBuilder

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
    """Returns the message of a failed script, which must be one line on stderr, without the "error: " before it."""

    def read() -> str:
        printed = capsys.readouterr().err
        assert printed.startswith("error: ") and len(printed.splitlines()) == 1, printed
        return printed.removeprefix("error: ").rstrip("\n")

    return read


@pytest.fixture
def shared_data() -> Callable[[str], Path]:
    """Returns a file of real tickets by name; skips the test if it is not there."""

    def find(name: str) -> Path:
        if not (SHARED_DATA / name).is_file():
            pytest.skip(f"{name}: the real tickets, whose licences keep them out of this repository, are not here")
        return SHARED_DATA / name

    return find
