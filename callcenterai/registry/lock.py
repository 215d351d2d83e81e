"""One change of the registry at a time, whoever makes it, and no lock that a killed process holds for ever.

MLflow has no compare-and-set, so a change that depends on what is there needs a lock. The embedded default (sqlite) is
locked by a file beside the database, which the operating system frees when its holder dies. A server's clients share
nothing but the server, so there the lock is a registered model `NAME.lock`: its name is unique, so only one client can
create it. Its tag says who holds it. A holder that died is recognised in two ways: this machine's clients also take a
file lock, so whoever has that and finds a lease of this machine knows that its holder is gone; the lease of another
machine is taken over when it has been seen unchanged for LEASE_SECONDS, measured by the waiting side's own clock.
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

from callcenterai.core.cli import UserError
from callcenterai.core.files import write_bytes

# A change takes well under a second: what is slow (loading and judging models) happens before the lock is taken.
LEASE_SECONDS = 30.0
PATIENCE_SECONDS = 120.0
OWNER, PLACE = "owner", "place"


@contextmanager
def one_change_at_a_time(client: Any, name: str, database: Path | None, folder: Path) -> Iterator[None]:
    """Hold the lock of the registered model `name`.

    database is the file of an embedded database, None for a server; folder keeps this machine's lock of a server.
    """
    if database:
        with _file_lock(database.with_name(f"{database.name}.lock")):
            yield
    else:
        with _file_lock(folder / ".registry.lock"), _lease(client, f"{name}.lock", _this_place(folder)):
            yield


@contextmanager
def _file_lock(path: Path) -> Iterator[None]:
    from filelock import FileLock, Timeout

    try:
        with FileLock(path, timeout=PATIENCE_SECONDS):
            yield
    except Timeout:
        raise UserError(
            f"another registry command has held {path} for {PATIENCE_SECONDS:.0f} s: is it stuck?"
        ) from None


def _this_place(folder: Path) -> str:
    """Return what tells the processes that share this folder's file lock from all others."""
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
    while (holder := _create(client, lock, owner, place)) is not None:
        now = time.monotonic()
        if holder != seen:
            seen, seen_since = holder, now
        if holder.get(PLACE) == place or now - seen_since > LEASE_SECONDS:
            _take_away(client, lock, holder)
        elif now - started > PATIENCE_SECONDS:
            raise UserError(f"another registry command has held the lock {lock} for {PATIENCE_SECONDS:.0f} s")
        else:
            # It spreads the attempts of several clients and guards nothing, so it may be predictable.
            time.sleep(random.uniform(0.02, 0.2))  # nosec B311


def _create(client: Any, lock: str, owner: str, place: str) -> dict[str, str] | None:
    """Create the lock and return None, or return the tags of the one that is there."""
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(lock, tags={OWNER: owner, PLACE: place})
        return None
    except MlflowException as error:
        # MLflow looks the existing model up before it says that there is one, and by then it may be gone.
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
    # A request that was sent twice because its first answer was lost finds its own lock.
    return None if tags.get(OWNER) == owner else dict(tags)


def _release(client: Any, lock: str, owner: str) -> None:
    """Remove our own lock; whoever was suspended for so long that it was taken away must not remove another's."""
    from mlflow.exceptions import MlflowException

    try:
        if client.get_registered_model(lock).tags.get(OWNER) == owner:
            client.delete_registered_model(lock)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise


def _take_away(client: Any, lock: str, holder: dict[str, str]) -> None:
    """Remove the lock of a holder that is gone.

    It is renamed first, to a name that only this holder's lock can get: of several clients that found the same dead
    holder one succeeds, and none removes the lock of the next holder.
    """
    from mlflow.exceptions import MlflowException

    tombstone = f"{lock}.{holder.get(OWNER, 'unknown').split()[0]}"
    try:
        client.rename_registered_model(lock, tombstone)
        print(f"took over the lock of a process that is gone: {holder.get(OWNER)}", file=sys.stderr)
        client.delete_registered_model(tombstone)
    except MlflowException as error:
        if error.error_code not in ("RESOURCE_ALREADY_EXISTS", "RESOURCE_DOES_NOT_EXIST"):
            raise
