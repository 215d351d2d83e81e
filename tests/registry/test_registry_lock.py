"""The lock of a server's clients: one holder at a time, and none for ever."""

import subprocess
import sys
import threading
import time

import mlflow
import pytest

from callcenterai.registry import lock
from callcenterai.registry.lock import hold_lock
from support.repository import SCRIPTS

SERVER = None  # in place of the file of an embedded database
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
    """Return the folder of a machine: clients that do not share one do not share a file lock."""
    (tmp_path / name).mkdir(exist_ok=True)
    return tmp_path / name


def die_holding(client, folder) -> None:
    """Have a process of that machine die while it holds the lock."""
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


def test_a_dead_holder_of_another_machine_is_taken_over_when_its_lease_is_over(client, tmp_path, monkeypatch):
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


def test_a_lock_that_is_released_while_it_is_asked_for_is_taken(client, tmp_path, monkeypatch):
    """The holder leaves after the database has refused a second lock, and before MLflow looks the first one up."""
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


def test_a_holder_that_was_suspended_does_not_remove_the_lock_of_the_next(client, tmp_path):
    with hold_lock(client, "m", SERVER, machine(tmp_path, "here")):
        client.delete_registered_model("m.lock")
        client.create_registered_model("m.lock", tags={"owner": "somebody else"})
    assert models(client) == ["m.lock"]


def test_waiting_has_an_end_that_is_said(client, tmp_path, monkeypatch):
    from callcenterai.core.cli import UserError

    monkeypatch.setattr(lock, "PATIENCE_SECONDS", 0.5)
    client.create_registered_model("m.lock", tags={"owner": "somebody else"})
    with pytest.raises(UserError, match="another registry command has held the lock m.lock"):
        with hold_lock(client, "m", SERVER, machine(tmp_path, "here")):
            raise AssertionError("the lock is held")
