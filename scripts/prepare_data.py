"""Turn raw tickets into a clean, stable train/validation/test split.

    dvc repro prepare
    python scripts/prepare_data.py --params params.yaml --output data/processed --metrics metrics/prepare.json

Reads the section `prepare` of params.yaml. Texts stay as they came. Rows that cannot be used go to rejected.csv with
their row number and the reason; rows in = rows kept + rows rejected. A cell that a spreadsheet would take for a formula
gets an apostrophe there, unless --raw is given. Near-duplicates never straddle two parts (except that an official test
split is taken as it is: the column `group` shows what it shares with the other parts). Appending tickets never moves
existing ones, except when near-duplicate groups merge or grow large, so that the metrics of two data versions can be
compared. For the same reason people's answers go to train: they are about the hardest tickets, and test must not fill
up with those.

A set may be larger than memory: texts wait in a file in the output folder, and decisions take some 250 bytes a ticket.
With --workers, or a scheduler in DASK_SCHEDULER_ADDRESS, other processes or machines examine the texts; the outputs
are the same, byte for byte.
"""

import argparse
import sys
from pathlib import Path

import _path  # noqa: F401  # it puts the package on the path
from callcenterai.core.cli import positive, run


def main(argv: list[str] | None = None) -> int:
    """Parse the arguments and prepare the data; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--params", type=Path, default=Path("params.yaml"), help="default: %(default)s")
    parser.add_argument("--output", type=Path, default=Path("data/processed"), help="folder; default: %(default)s")
    parser.add_argument("--metrics", type=Path, default=Path("metrics/prepare.json"), help="default: %(default)s")
    parser.add_argument("--workers", type=positive, help="processes that examine texts; default: this one does")
    parser.add_argument("--raw", action="store_true", help="do not escape rejected.csv for spreadsheets")
    args = parser.parse_args(argv)
    return run(lambda: _prepare(args))


def _prepare(args: argparse.Namespace) -> None:
    from callcenterai.data.prepare import run_prepare

    run_prepare(args.params, args.output, args.metrics, args.workers, args.raw)


if __name__ == "__main__":
    sys.exit(main())
