"""The lock that clients of a server take: one holder at a time, and a dead holder does not keep it."""

import subprocess
import sys
import threading
import time

import mlflow
import pytest

from callcenterai.core.cli import UserError
from callcenterai.registry import lock
from callcenterai.registry.lock import hold_lock
from support.repository import SCRIPTS

SERVER = None  # instead of the file of an embedded database
HELD_TO_DEATH = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import mlflow
from callcenterai.registry.lock import hold_lock
with hold_lock(mlflow.MlflowClient(sys.argv[2], sys.argv[2]), "m", None, Path(sys.argv[3])):
    os._exit(9)
"""


@pytest.fixture
def client(tmp_path):
    uri = f"sqlite:///{(tmp_path / 'mlflow.db').as_posix()}"
    return mlflow.MlflowClient(uri, uri)


def machine(tmp_path, name: str):
    """Return the folder of one machine; clients with different folders share no file lock."""
    (tmp_path / name).mkdir(exist_ok=True)
    return tmp_path / name


def die_holding(client, folder) -> None:
    """Start a process that dies while it holds the lock, in the folder of its machine."""
    command = [sys.executable, "-c", HELD_TO_DEATH, str(SCRIPTS), client.tracking_uri, str(folder)]
    assert subprocess.run(command).returncode == 9
    assert client.get_registered_model("m.lock")


def models(client) -> list[str]:
    return [model.name for model in client.search_registered_models()]


def test_a_dead_holder_of_the_same_machine_is_taken_over_at_once(client, tmp_path, capsys):
    die_holding(client, machine(tmp_path, "here"))
    started = time.monotonic()
    with hold_lock(client, "m", SERVER, machine(tmp_path, "here")):
        assert time.monotonic() - started < lock.LEASE_SECONDS / 2
    assert "took over the lock of a process that is gone" in capsys.readouterr().err
    assert models(client) == []


def test_a_dead_holder_of_another_machine_is_taken_over_after_its_lease(client, tmp_path, monkeypatch):
    monkeypatch.setattr(lock, "LEASE_SECONDS", 1.0)
    die_holding(client, machine(tmp_path, "there"))
    started = time.monotonic()
    with hold_lock(client, "m", SERVER, machine(tmp_path, "here")):
        assert time.monotonic() - started >= 1.0
    assert models(client) == []


def test_a_living_holder_of_another_machine_is_waited_for(client, tmp_path):
    held, order = threading.Event(), []

    def hold() -> None:
        with hold_lock(client, "m", SERVER, machine(tmp_path, "there")):
            held.set()
            time.sleep(0.5)
            order.append("there")

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait()
    with hold_lock(client, "m", SERVER, machine(tmp_path, "here")):
        order.append("here")
    holder.join()
    assert order == ["there", "here"]


def test_a_lock_released_during_the_attempt_is_taken(client, tmp_path, monkeypatch):
    """The holder releases it after the database refused a second lock and before MLflow reads the first one."""
    from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore

    look_up, left = SqlAlchemyStore.get_registered_model, []

    def leave_and_look_up(store, name):
        if not left:
            left.append(name)
            client.delete_registered_model(name)
        return look_up(store, name)

    client.create_registered_model("m.lock", tags={"owner": "somebody else"})
    monkeypatch.setattr(SqlAlchemyStore, "get_registered_model", leave_and_look_up)
    with hold_lock(client, "m", SERVER, machine(tmp_path, "here")):
        assert left == ["m.lock"] and models(client) == ["m.lock"]
    assert models(client) == []


def test_a_suspended_holder_does_not_remove_the_next_ones_lock(client, tmp_path):
    with hold_lock(client, "m", SERVER, machine(tmp_path, "here")):
        client.delete_registered_model("m.lock")
        client.create_registered_model("m.lock", tags={"owner": "somebody else"})
    assert models(client) == ["m.lock"]


def test_waiting_ends_with_a_user_error(client, tmp_path, monkeypatch):
    monkeypatch.setattr(lock, "PATIENCE_SECONDS", 0.5)
    client.create_registered_model("m.lock", tags={"owner": "somebody else"})
    held = pytest.raises(UserError, match="another registry command has held the lock m.lock")
    with held, hold_lock(client, "m", SERVER, machine(tmp_path, "here")):
        raise AssertionError("the lock is held")
