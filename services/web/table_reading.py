"""Reads uploaded files in processes of their own, which may take only so much time and memory.

Libraries read a file without letting others run, and some end the process when there is no memory. So a file that was
made to be hard ends a process that does nothing else.
"""

import asyncio
import functools
import sys
from pathlib import Path

from anyio import BrokenWorkerProcess, CapacityLimiter, to_process

from callcenterai.formats.problems import FileProblem
from callcenterai.formats.rows import ReadOptions
from services.web.tables import TableError, TableLimits, TicketTable, read_ticket_table

AT_ONCE = 2
# Memory of such a process: for libraries, and for each byte that an unpacked file may have, which is held as bytes, as
# texts and as the copy that is sent back.
LIBRARY_BYTES, BYTES_EACH = 2**27, 8
# The kind of a TableError, its status and its values.
Refusal = tuple[str, int, dict[str, int | str]]


class TableProcesses:
    """Reads a few files at once, each in a process."""

    def __init__(self, limits: TableLimits, seconds: float) -> None:
        """seconds is the most time for one file. Starts no process yet."""
        self._limits, self._seconds = limits, seconds
        self._turns, self._processes = asyncio.Semaphore(AT_ONCE), CapacityLimiter(AT_ONCE)

    async def read(self, content: bytes, name: str, options: ReadOptions) -> TicketTable:
        """Return the table in a file; raise a TableError that says what is wrong."""
        async with self._turns:
            # Starts a process if the last one was ended, which shall not count as time for this file.
            await to_process.run_sync(_do_nothing, limiter=self._processes)
            try:
                async with asyncio.timeout(self._seconds):
                    found = await to_process.run_sync(
                        _read, content, name, options, self._limits, cancellable=True, limiter=self._processes
                    )
            except (TimeoutError, BrokenWorkerProcess):
                raise TableError("hard") from None
        if isinstance(found, TicketTable):
            return found
        kind, status, values = found
        raise TableError(kind, status, **values)


def _do_nothing() -> None:
    """Do nothing."""


def _read(content: bytes, name: str, options: ReadOptions, limits: TableLimits) -> TicketTable | Refusal:
    """Return the table in a file, or why it is refused: not all errors can be sent from process to process."""
    _limit_memory(LIBRARY_BYTES + BYTES_EACH * limits.unpacked_bytes)
    try:
        return read_ticket_table(content, name, options, limits)
    except TableError as error:
        return _refusal(error.kind, error.status, error.values)
    except FileProblem as problem:
        return _refusal(problem.kind, 413 if problem.kind == "expands" else 422, problem.values)
    except MemoryError:
        return _refusal("hard", 422, {})


def _refusal(kind: str, status: int, values: dict[str, object]) -> Refusal:
    return kind, status, {name: each if isinstance(each, int | str) else str(each) for name, each in values.items()}


@functools.cache
def _limit_memory(more: int) -> None:
    """Give this process so many bytes more than it has, once. Other systems than Linux have no such limit."""
    if sys.platform == "linux":
        import resource

        has = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (has + more, has + more))
