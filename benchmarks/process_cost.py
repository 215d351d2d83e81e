"""Measures the time and memory of a process, for the benchmarks; needs Linux or macOS, for wait4."""

import json
import os
import subprocess
import sys
import time
from typing import NamedTuple

from _path import ROOT


class Cost(NamedTuple):
    """Wall time and CPU time of a process and its children, in s, and the memory of the largest of them, in MB."""

    seconds: float
    cpu: float
    memory: float


def measure_process(name: str, arguments: list[str], cores: set[int] | None = None, **variables: str) -> Cost:
    """Run Python with these arguments and environment variables, only on these cores if given; return the cost."""
    print(name, file=sys.stderr, flush=True)
    # Without bytecode files, each process would compile its libraries again: seconds that are not the benchmark's.
    removed = ("DASK_SCHEDULER_ADDRESS", "PYTHONDONTWRITEBYTECODE")
    inherited = {name: value for name, value in os.environ.items() if name not in removed}
    # One thread for each process, so that the benchmark compares work and not how many cores a process uses.
    environment = inherited | {"OPENBLAS_NUM_THREADS": "1"} | variables
    # Started by a small process in between: a child's peak memory includes what its parent had when it started it.
    command = [sys.executable, __file__, json.dumps(sorted(cores or ())), *arguments]
    done = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{name} failed ({done.returncode})")
    return Cost(*json.loads(done.stdout))


def main() -> int:
    """Run Python with the arguments that follow the cores, and print the cost; return 1 if Python failed."""
    if cores := json.loads(sys.argv[1]):
        os.sched_setaffinity(0, cores)
    started = time.perf_counter()
    process = subprocess.Popen([sys.executable, *sys.argv[2:]], stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    # Linux counts in KiB, macOS in bytes.
    memory = used.ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)
    print(json.dumps([time.perf_counter() - started, used.ru_utime + used.ru_stime, memory]))
    return os.waitstatus_to_exitcode(status) and 1


if __name__ == "__main__":
    sys.exit(main())
