"""What a process costs, for the benchmarks; needs Linux or macOS, for wait4."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]


class Cost(NamedTuple):
    """Of a process and its children: on the clock and of CPU time, s; the largest one's memory, MB."""

    seconds: float
    cpu: float
    memory: float


def measure(name: str, arguments: list[str], cores: set[int] | None = None, **variables: str) -> Cost:
    """Run Python with these arguments and variables, on these cores alone if given, and return what it cost."""
    print(name, file=sys.stderr, flush=True)
    # Where Python keeps no bytecode, each process compiles its libraries anew: seconds that are nobody's work here.
    foreign = ("DASK_SCHEDULER_ADDRESS", "PYTHONDONTWRITEBYTECODE")
    alone = {name: value for name, value in os.environ.items() if name not in foreign}
    # One thread for each process, ours and others': what is compared is work, not how many cores it finds.
    environment = alone | {"OPENBLAS_NUM_THREADS": "1"} | variables
    # From a small process in between: the memory of whoever starts another one counts as that one's.
    command = [sys.executable, __file__, json.dumps(sorted(cores or ())), *arguments]
    done = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{name} failed ({done.returncode})")
    return Cost(*json.loads(done.stdout))


def main() -> int:
    """Run Python with the arguments after the cores, and print the cost; return its exit code."""
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
