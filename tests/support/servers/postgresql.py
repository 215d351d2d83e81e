"""A PostgreSQL server for tests; a CI machine without one installs Debian's package."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from support.processes import free_port


class Postgresql:
    """A PostgreSQL server on a free port of the loopback interface, with an empty database `postgres`."""

    def __init__(self) -> None:
        """Create and start the server, or skip the test."""
        self._programs = find_postgresql()
        self.folder = Path(tempfile.mkdtemp(prefix="postgresql-"))
        self._user = {}
        if os.geteuid() == 0:  # PostgreSQL refuses to run as root
            shutil.chown(self.folder, "nobody")
            self._user = {"user": "nobody"}
        self._port = free_port()
        self.address = f"postgresql+pg8000://mlflow@127.0.0.1:{self._port}/postgres"
        self._run("initdb", "-U", "mlflow", "--auth=trust")
        self.start()

    def _run(self, program: str, *arguments: str) -> None:
        command = [self._programs / program, "-D", self.folder / "data", *arguments]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=self.folder, **self._user)

    def new_database(self, name: str) -> str:
        """Create an empty database and return its address."""
        with self.ask("postgres") as connection:
            connection.exec_driver_sql(f"CREATE DATABASE {name}")
        return self.address.removesuffix("postgres") + name

    @contextmanager
    def ask(self, name: str) -> Iterator[Any]:
        """Give a connection to one of its databases that commits each statement at once."""
        from sqlalchemy import create_engine

        engine = create_engine(self.address.removesuffix("postgres") + name, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            yield connection
        engine.dispose()

    def start(self) -> None:
        options = f"-p {self._port} -k {self.folder} -c listen_addresses=127.0.0.1 -c fsync=off"
        self._run("pg_ctl", "-o", options, "-l", str(self.folder / "log"), "-w", "start")

    def stop(self) -> None:
        """Stop the server at once, like a crash."""
        self._run("pg_ctl", "-m", "immediate", "stop")

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


def find_postgresql() -> Path:
    """Return the folder of initdb and pg_ctl, or skip the test."""
    if os.name == "nt":
        pytest.skip("these tests start PostgreSQL with POSIX users")
    for attempt in range(2):
        debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
        found = shutil.which("initdb") or (str(debian[-1]) if debian else None)
        if found:
            return Path(found).parent
        if attempt or not (os.environ.get("CI") and os.geteuid() == 0 and shutil.which("apt-get")):
            break
        subprocess.run(["apt-get", "update", "-qq"], check=False)
        subprocess.run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", "postgresql"], check=False)
    pytest.skip("no PostgreSQL: install Debian's package postgresql")
