"""python scripts/search_tfidf.py

Try other parameters of train_tfidf in parallel, and print which are best on validation.

    python scripts/search_tfidf.py --workers 2
    DASK_SCHEDULER_ADDRESS=tcp://scheduler:8786 python scripts/search_tfidf.py

Reads the sections `search_tfidf` and `train_tfidf` of params.yaml. Each trial trains on train and is measured on
validation, in processes of this machine or on the workers of a Dask cluster; test is never read. MLflow gets a run for
the search, and a nested run for each trial. params.yaml does not change: the last line but one is the command that
puts the best parameters into it. The best of many trials looks better than it is, so ignore gains smaller than their
confidence interval. Anyone who can reach the Dask scheduler can run code on its workers: keep it in a network that you
trust.
"""

import argparse
import sys
from pathlib import Path

import _path  # noqa: F401  # it puts the package on the path
from callcenterai.core.cli import positive, run


def main(argv: list[str] | None = None) -> int:
    """Parse the arguments and search; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--params", type=Path, default=Path("params.yaml"), help="default: %(default)s")
    parser.add_argument("--data", type=Path, default=Path("data/processed"), help="folder; default: %(default)s")
    parser.add_argument("--workers", type=positive, help="processes on this machine; default: one for each core")
    args = parser.parse_args(argv)
    return run(lambda: search(args))


def search(args: argparse.Namespace) -> None:
    """Search for better parameters."""
    from callcenterai.search import run_search

    run_search(args.params, args.data, args.workers)


if __name__ == "__main__":
    sys.exit(main())
