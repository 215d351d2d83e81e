"""Dask workers for the heavy part of a command: a cluster at DASK_SCHEDULER_ADDRESS, or processes of this machine.

Dask is imported inside the functions: `prepare` imports this module and needs no Dask when it works alone.
"""

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

SCHEDULER_VARIABLE = "DASK_SCHEDULER_ADDRESS"
PACKAGE = Path(__file__).resolve().parents[1]
TIMEOUT_SECONDS = 30
# Dask warns of tasks that carry more than 10 MB; ours carry tickets.
LARGE_TASKS = {"distributed.admin.large-graph-warning-threshold": "1 TB"}
# Dask (2026.8) sets MALLOC_TRIM_THRESHOLD_ so that a worker gives memory back as soon as 64 KiB are free. glibc then
# also stops adapting its threshold for mmap and asks the system anew for every array above 128 KiB, which took a third
# of the time of scoring. NumPy's arrays come and go, so both thresholds are 32 MiB.
MALLOC = {f"distributed.nanny.pre-spawn-environ.MALLOC_{what}_THRESHOLD_": 2**25 for what in ("TRIM", "MMAP")}


@contextmanager
def dask_client(workers: int | None) -> Iterator[Any]:
    """Yield a client of the cluster at DASK_SCHEDULER_ADDRESS or, without an address, of local processes.

    workers is the number of local processes, by default one for each core. Remote workers are sent this package, so
    that they run the same code whatever they were started with.

    Raises a UserError when no scheduler answers at the address, or when it has no worker.
    """
    import dask

    address = os.environ.get(SCHEDULER_VARIABLE)
    with _connect_remote(address) if address else _start_local(workers) as client:
        try:
            client.wait_for_workers(1, timeout=TIMEOUT_SECONDS)
        except TimeoutError:
            raise UserError(
                f"no worker has joined {address} within {TIMEOUT_SECONDS} s: start one with `dask worker`"
            ) from None
        with dask.config.set(LARGE_TASKS), _translate_lost_scheduler():
            yield client


@contextmanager
def _translate_lost_scheduler() -> Iterator[None]:
    """Turn the errors that Dask raises when the connection to the scheduler breaks into a UserError."""
    from distributed.client import FutureCancelledError, FuturesCancelledError
    from distributed.comm import CommClosedError

    try:
        yield
    except (CommClosedError, FutureCancelledError, FuturesCancelledError):
        raise UserError(
            "the connection to the Dask scheduler is lost: start the scheduler and its workers, then run this again"
        ) from None


@contextmanager
def translate_killed_worker(what: str, advice: str) -> Iterator[None]:
    """Raise a UserError about `what` when Dask gives up a task because several workers have died while running it."""
    from distributed import KilledWorker

    try:
        yield
    except KilledWorker:
        raise UserError(f"{what} has killed several workers, which may be short of memory: {advice}") from None


def count_threads(client: Any) -> int:
    """Return how many tasks the workers can run at once now, at least one."""
    return max(1, sum(client.nthreads().values()))


def send_once(client: Any, data: Any) -> Any:
    """Return a future of data, which a worker gets once, however many tasks take the future as an argument.

    The scheduler keeps the data, and sends it again when the only worker that had it dies. What Client.scatter has sent
    would be lost with that worker, and so would the tasks that need it.
    """
    return client.submit(_return_unchanged, data, pure=False)


def _return_unchanged(data: Any) -> Any:
    return data


def map_in_order(client: Any, function: Callable, items: Iterable) -> Iterator:
    """Yield function(item) for each item, in order; a task whose worker dies is run again.

    Two items for each thread are in flight, so items need not fit in memory. Raises a UserError when several workers
    have died of the same item.
    """
    waiting: deque = deque()
    with translate_killed_worker("one part of the tickets", "see their logs, and give them more memory"):
        for item in items:
            # pure=False: otherwise Dask deduplicates equal items.
            waiting.append(client.submit(function, item, pure=False))
            while len(waiting) >= 2 * count_threads(client):
                yield wait_for_result(client, waiting.popleft())
        while waiting:
            yield wait_for_result(client, waiting.popleft())


def wait_for_first(client: Any, futures: Iterable) -> set:
    """Wait until at least one future is done and return those that are; raise a UserError when no worker is left."""
    from distributed import wait

    pending = list(futures)
    return _retry_while_workers_remain(
        client, lambda timeout: wait(pending, timeout=timeout, return_when="FIRST_COMPLETED").done
    )


def wait_for_result(client: Any, future: Any) -> Any:
    """Return the result of a future, which is computed again if its worker dies; a UserError when no worker is left."""
    return _retry_while_workers_remain(client, future.result)


def _retry_while_workers_remain(client: Any, ask: Callable[[float], Any]) -> Any:
    """Return ask(timeout), repeated after each timeout as long as the cluster has a worker."""
    while True:
        try:
            return ask(TIMEOUT_SECONDS)
        except TimeoutError:
            try:
                client.wait_for_workers(1, timeout=TIMEOUT_SECONDS)
            except TimeoutError:
                raise UserError("no worker is left: start one with `dask worker`, then run this again") from None


@contextmanager
def _start_local(workers: int | None) -> Iterator[Any]:
    """Yield a client of new local worker processes, which end with the block."""
    import dask
    from distributed import Client, LocalCluster

    count = workers or os.cpu_count() or 1
    # The scheduler listens on this machine only, and has no dashboard. Its server for metrics takes any free port:
    # Dask would ask for 8787 and warn when another cluster has it.
    options: dict[str, Any] = {"host": "127.0.0.1", "dashboard_address": None, "threads_per_worker": 1}
    options |= {"silence_logs": "CRITICAL", "scheduler_kwargs": {"dashboard_address": "127.0.0.1:0"}}
    with (
        dask.config.set(MALLOC),
        LocalCluster(n_workers=count, **options) as cluster,
        Client(cluster) as client,
    ):
        yield client


@contextmanager
def _connect_remote(address: str) -> Iterator[Any]:
    """Yield a client of the scheduler at address, whose workers have been sent this package."""
    from distributed import Client

    # Dask logs each of its connections, and lost ones with a traceback.
    for name in ("asyncio", "distributed", "distributed.client"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        client = Client(address, timeout=TIMEOUT_SECONDS)
    except (OSError, ValueError, TimeoutError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(f"{SCHEDULER_VARIABLE}: no Dask scheduler answers at {address} ({reason})") from None
    with client, tempfile.TemporaryDirectory() as folder:
        content = _zip_package()
        # Named by its content: Python remembers what an archive of a name held, here another version of this package.
        archive = Path(folder) / f"callcenterai_{hashlib.sha256(content).hexdigest()[:16]}.zip"
        archive.write_bytes(content)
        forget = _make_forget(PACKAGE.name, archive.name)
        client.run(forget)
        client.run_on_scheduler(forget)
        # Unlike client.run, upload_file also reaches the scheduler and the workers that join later.
        client.upload_file(str(archive))
        yield client


def _make_forget(package: str, archive: str) -> Callable[[], None]:
    """Return a function that makes a worker import the package again, from the archive that is uploaded next.

    Otherwise modules in memory would stay as they are, and Python takes the first archive on its path that has one.
    """

    # A nested function travels by value: workers do not have this module yet.
    def forget() -> None:
        for name in [name for name in sys.modules if name.partition(".")[0] == package]:
            sys.modules.pop(name, None)
        sys.path[:] = [place for place in sys.path if not place.endswith(archive)]

    return forget


def _zip_package() -> bytes:
    """Return the package as a zip with fixed dates, so that equal code gives an equal archive."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(PACKAGE.rglob("*.py")):
            entry = zipfile.ZipInfo(path.relative_to(PACKAGE.parent).as_posix())
            archive.writestr(entry, path.read_bytes(), zipfile.ZIP_DEFLATED)
    return buffer.getvalue()
