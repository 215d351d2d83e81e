"""The workers that a script's heavy part runs on: those of DASK_SCHEDULER_ADDRESS, or processes of this machine."""

import hashlib
import io
import logging
import os
import sys
import tempfile
import zipfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from callcenterai.core.cli import UserError

VARIABLE = "DASK_SCHEDULER_ADDRESS"
PACKAGE = Path(__file__).resolve().parents[1]
SECONDS = 30
# Of what a task brings with it Dask warns from 10 MB on; ours bring tickets.
LARGE_TASKS = {"distributed.admin.large-graph-warning-threshold": "1 TB"}
# Numpy's arrays come and go. By Dask's own setting a worker gives memory back as soon as 64 KiB are free, and by what
# follows from any such setting, it asks the system for each array above 128 KiB anew: a third of the time of scoring.
MALLOC = {f"distributed.nanny.pre-spawn-environ.MALLOC_{what}_THRESHOLD_": 2**25 for what in ("TRIM", "MMAP")}


@contextmanager
def connected(workers: int | None) -> Iterator[Any]:
    """Give a client of the cluster; without an address, one of so many local processes, by default one for each core.

    Workers elsewhere get this package, so that they run this code whatever they were started with.

    Raises a UserError when there is no scheduler at the address, or nobody works for it.
    """
    import dask

    address = os.environ.get(VARIABLE)
    with _remote(address) if address else _local(workers) as client:
        try:
            client.wait_for_workers(1, timeout=SECONDS)
        except TimeoutError:
            raise UserError(
                f"no worker has come to {address} within {SECONDS} s: start one with `dask worker`"
            ) from None
        with dask.config.set(LARGE_TASKS), _losing_is_said():
            yield client


@contextmanager
def _losing_is_said() -> Iterator[None]:
    """Turn what Dask raises when the connection to the scheduler is lost into a UserError."""
    from distributed.client import FutureCancelledError, FuturesCancelledError
    from distributed.comm import CommClosedError

    try:
        yield
    except (CommClosedError, FutureCancelledError, FuturesCancelledError):
        raise UserError("the Dask scheduler is gone: start it and its workers, then this again") from None


def threads_of(client: Any) -> int:
    """Return how many tasks can run at once now, at least one."""
    return max(1, sum(client.nthreads().values()))


def in_order(client: Any, function: Callable, items: Iterable) -> Iterator:
    """Give function(item) of each item, in their order, as the workers do them; the work of a dead one is done again.

    Two items for each thread are under way, so that items need not fit in memory. Raises a UserError when an item has
    ended several workers.
    """
    waiting: deque = deque()
    with killing_is_said("one part of the tickets", "see what they say of it, and give them more"):
        for item in items:
            # Not by the name of their content: an item that comes twice is done twice.
            waiting.append(client.submit(function, item, pure=False))
            while len(waiting) >= 2 * threads_of(client):
                yield result_of(client, waiting.popleft())
        while waiting:
            yield result_of(client, waiting.popleft())


def first_done(client: Any, futures: Iterable) -> set:
    """Return those of the futures that are done, as soon as one is; a UserError when no worker is left."""
    from distributed import wait

    every = list(futures)
    return _while_there_are_workers(
        client, lambda seconds: wait(every, timeout=seconds, return_when="FIRST_COMPLETED").done
    )


def result_of(client: Any, future: Any) -> Any:
    """Return what a future's task returned, done again if it dies with its worker; a UserError when none is left."""
    return _while_there_are_workers(client, future.result)


def _while_there_are_workers(client: Any, ask: Callable[[float], Any]) -> Any:
    """Return ask(timeout), tried again for as long as anybody works."""
    while True:
        try:
            return ask(SECONDS)
        except TimeoutError:
            try:
                client.wait_for_workers(1, timeout=SECONDS)
            except TimeoutError:
                raise UserError("no worker is left: start one with `dask worker`, then this again") from None


@contextmanager
def killing_is_said(what: str, advice: str) -> Iterator[None]:
    """Turn it into a UserError when Dask gives up a task since several workers have died of it."""
    from distributed import KilledWorker

    try:
        yield
    except KilledWorker:
        raise UserError(f"{what} has ended several workers, which may be short of memory: {advice}") from None


@contextmanager
def _local(workers: int | None) -> Iterator[Any]:
    import dask
    from distributed import Client, LocalCluster

    count = workers or os.cpu_count() or 1
    # Nothing listens beyond this machine, and no dashboard at all.
    options = {"host": "127.0.0.1", "dashboard_address": None, "threads_per_worker": 1, "silence_logs": "CRITICAL"}
    with dask.config.set(MALLOC), LocalCluster(n_workers=count, **options) as cluster:
        with Client(cluster) as client:
            yield client


@contextmanager
def _remote(address: str) -> Iterator[Any]:
    from distributed import Client

    # Of its own connections Dask tells at length, and of those that are lost in tracebacks.
    for name in ("asyncio", "distributed", "distributed.client"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        client = Client(address, timeout=SECONDS)
    except (OSError, ValueError, TimeoutError) as error:
        told = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(f"{VARIABLE}: no Dask scheduler answers at {address} ({told})") from None
    with client, tempfile.TemporaryDirectory() as folder:
        content = _zipped()
        # By its content: Python remembers what an archive of a name held, another script's modules or last week's.
        archive = Path(folder) / f"callcenterai_{hashlib.sha256(content).hexdigest()[:16]}.zip"
        archive.write_bytes(content)
        forget = _forgetting(PACKAGE.name, archive.name)
        client.run(forget)
        client.run_on_scheduler(forget)
        # The scheduler needs them too, and workers that come later get them as well.
        client.upload_file(str(archive))
        yield client


def _forgetting(package: str, archive: str) -> Callable[[], None]:
    """Return a function that makes a worker import the package anew, from the archive that is uploaded next.

    Modules that stayed in memory would go on as they were, and Python looks into the first archive on its path only.
    """

    # A nested function travels by value: workers do not have this module yet.
    def forget() -> None:
        for name in [name for name in sys.modules if name.partition(".")[0] == package]:
            sys.modules.pop(name, None)
        sys.path[:] = [place for place in sys.path if not place.endswith(archive)]

    return forget


def _zipped() -> bytes:
    """Return the package as a zip with fixed dates, so that equal code gives an equal archive."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(PACKAGE.rglob("*.py")):
            entry = zipfile.ZipInfo(path.relative_to(PACKAGE.parent).as_posix())
            archive.writestr(entry, path.read_bytes(), zipfile.ZIP_DEFLATED)
    return buffer.getvalue()
