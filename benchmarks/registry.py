"""python benchmarks/registry.py

Compare `mlflow_registry.py list` with a bare MlflowClient query for the same versions.

Both run as processes, as they do for users, and take turns; each figure is the median. The registry is that of
MLFLOW_TRACKING_URI, by default mlflow.db, and must hold at least one version.
"""

import argparse
import statistics
import subprocess
import sys
import time

from _path import ROOT
from callcenterai.core.cli import positive, run

NAME = "callcenterai-tfidf-classifier"
BARE = f"""
import mlflow, sys
mlflow.set_tracking_uri(sys.argv[1])
for version in mlflow.MlflowClient().search_model_versions("name = '{NAME}'"):
    print(version.version, version.tags, version.run_id)
"""


def main(argv: list[str] | None = None) -> int:
    """Parse the arguments, measure and print the table; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=positive, default=7, help="default: %(default)s")
    args = parser.parse_args(argv)
    return run(lambda: compare_queries(args.rounds))


def compare_queries(rounds: int) -> None:
    """Time both commands in turns and print the table."""
    from callcenterai.tracking.store import tracking_uri

    commands = {
        "bare MlflowClient query": [sys.executable, "-c", BARE, tracking_uri()],
        "mlflow_registry.py list": [sys.executable, str(ROOT / "scripts" / "mlflow_registry.py"), "list"],
    }
    found: dict[str, list[float]] = {name: [] for name in commands}
    # The first round only fills the system's file cache.
    for number in range(rounds + 1):
        for name, command in commands.items():
            started = time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            if number:
                found[name].append(time.perf_counter() - started)
    bare, ours = (statistics.median(seconds) for seconds in found.values())
    print("|  | seconds | ratio |\n| --- | --- | --- |")
    print(f"| bare MlflowClient query | {bare:.2f} | 1 |\n| mlflow_registry.py list | {ours:.2f} | {ours / bare:.2f} |")


if __name__ == "__main__":
    sys.exit(main())
