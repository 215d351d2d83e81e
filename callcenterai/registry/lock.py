"""One change of the registry at a time, whoever makes it, and no lock that outlives a killed process.

MLflow has no compare-and-set, so a change that depends on the current state needs a lock. The embedded default (sqlite)
is locked by a file beside the database, which the operating system releases when its holder dies. Clients of a server
share nothing but the server, so there the lock is a registered model `NAME.lock`: its name is unique, so only one
client can create it. Its tags tell who holds it. A dead holder is recognised in two ways. Clients of one machine also
take a file lock, so a client that has it and finds a lease of its own machine knows that the holder is gone. The lease
of another machine is taken over after it has been seen unchanged for LEASE_SECONDS by the waiting client's own clock.
"""

import os
import platform
import random
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from mlflow.exceptions import MlflowException

from callcenterai.core.cli import UserError
from callcenterai.core.files import write_bytes

# A change takes well under a second: the slow steps, loading and checking models, happen before the lock is taken.
LEASE_SECONDS = 30.0
PATIENCE_SECONDS = 120.0
OWNER, PLACE = "owner", "place"


@contextmanager
def hold_lock(client: Any, name: str, database: Path | None, folder: Path) -> Iterator[None]:
    """Hold the lock of the registered model `name`.

    database is the file of an embedded database, None for a server; folder keeps this machine's lock of a server.
    """
    if database:
        with _file_lock(database.with_name(f"{database.name}.lock")):
            yield
    else:
        with _file_lock(folder / ".registry.lock"), _lease(client, f"{name}.lock", _place_of_this_machine(folder)):
            yield


@contextmanager
def _file_lock(path: Path) -> Iterator[None]:
    try:
        with FileLock(path, timeout=PATIENCE_SECONDS):
            yield
    except Timeout:
        raise UserError(
            f"another registry command has held {path} for {PATIENCE_SECONDS:.0f} s: is it stuck?"
        ) from None


def _place_of_this_machine(folder: Path) -> str:
    """Return an identifier of the processes that share this folder's file lock."""
    path = folder / ".registry.id"
    if not path.exists():
        write_bytes(path, uuid.uuid4().hex.encode())
    return f"{platform.node()}-{path.read_text(encoding='ascii')}"


@contextmanager
def _lease(client: Any, lock: str, place: str) -> Iterator[None]:
    owner = f"{uuid.uuid4().hex} {place} process {os.getpid()}"
    _acquire(client, lock, owner, place)
    try:
        yield
    finally:
        _release(client, lock, owner)


def _acquire(client: Any, lock: str, owner: str, place: str) -> None:
    started = seen_since = time.monotonic()
    seen = None
    while (holder := _create_or_read(client, lock, owner, place)) is not None:
        now = time.monotonic()
        if holder != seen:
            seen, seen_since = holder, now
        if holder.get(PLACE) == place or now - seen_since > LEASE_SECONDS:
            _take_over(client, lock, holder)
        elif now - started > PATIENCE_SECONDS:
            raise UserError(f"another registry command has held the lock {lock} for {PATIENCE_SECONDS:.0f} s")
        else:
            # The pause only spreads the clients' attempts, so it need not be unpredictable.
            time.sleep(random.uniform(0.02, 0.2))  # nosec B311


def _create_or_read(client: Any, lock: str, owner: str, place: str) -> dict[str, str] | None:
    """Create the lock and return None, or return the tags of the one that exists."""
    try:
        client.create_registered_model(lock, tags={OWNER: owner, PLACE: place})
        return None
    except MlflowException as error:
        # MLflow (3.17) reads the existing model before it reports it, and by then it may be gone.
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            return {}
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    try:
        tags = client.get_registered_model(lock).tags
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return {}
    # If the answer to our request was lost, its repetition finds our own lock.
    return None if tags.get(OWNER) == owner else dict(tags)


def _release(client: Any, lock: str, owner: str) -> None:
    """Remove our own lock; after a suspension so long that it was taken over, another client's lock stays."""
    try:
        if client.get_registered_model(lock).tags.get(OWNER) == owner:
            client.delete_registered_model(lock)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise


def _take_over(client: Any, lock: str, holder: dict[str, str]) -> None:
    """Remove the lock of a holder that is gone.

    It is renamed first, to a name that only this holder's lock can get: of several clients that found the same dead
    holder only one succeeds, and none removes the next holder's lock.
    """
    tombstone = f"{lock}.{holder.get(OWNER, 'unknown').split()[0]}"
    try:
        client.rename_registered_model(lock, tombstone)
        print(f"took over the lock of a process that is gone: {holder.get(OWNER)}", file=sys.stderr)
        client.delete_registered_model(tombstone)
    except MlflowException as error:
        if error.error_code not in ("RESOURCE_ALREADY_EXISTS", "RESOURCE_DOES_NOT_EXIST"):
            raise
