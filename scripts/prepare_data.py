"""Turn raw tickets into a clean, stable train/validation/test split.

    dvc repro prepare
    python scripts/prepare_data.py --params params.yaml --output data/processed --metrics metrics/prepare.json

Reads the section `prepare` of params.yaml. Texts stay as they came. Rows that cannot be used are set aside in
rejected.csv with their row number and the reason; rows in = rows kept + rows rejected. Near-duplicates never straddle
two parts (only an official test split is taken as it is: the column `group` shows what it shares with the others), and
appending tickets leaves the old ones where they were, so that metrics of two data versions compare. For the same reason
what people have answered is trained on: it is a choice of the hardest tickets, of which test must not fill up.

A set may be larger than memory: texts wait in a file in the output folder, and some 250 bytes a ticket decide. With
--workers, or a scheduler in DASK_SCHEDULER_ADDRESS, other processes or machines examine the texts; the same files come
out, byte for byte.
"""

import argparse
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import _path  # noqa: F401
from callcenterai.core.cli import positive, run

if TYPE_CHECKING:
    from callcenterai.data.table import Spread


def main(argv: list[str] | None = None) -> int:
    """Parse the arguments and prepare the data; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--params", type=Path, default=Path("params.yaml"), help="default: %(default)s")
    parser.add_argument("--output", type=Path, default=Path("data/processed"), help="folder; default: %(default)s")
    parser.add_argument("--metrics", type=Path, default=Path("metrics/prepare.json"), help="default: %(default)s")
    parser.add_argument("--workers", type=positive, help="processes that examine texts; default: this one does")
    args = parser.parse_args(argv)
    return run(lambda: prepare(args.params, args.output, args.metrics, args.workers))


def prepare(params_path: Path, output: Path, metrics_path: Path, workers: int | None) -> None:
    """Read, clean, split and write; nothing is written unless everything could be."""
    from callcenterai.core.files import json_bytes, sha256, write_files
    from callcenterai.core.params import PrepareParameters, read_parameters
    from callcenterai.data.deciding import decide
    from callcenterai.data.prepared_output import rejected_csv, split_csv, summarize
    from callcenterai.data.spill import Spill
    from callcenterai.data.split import PARTS
    from callcenterai.data.table import paths_of, read_table

    params = read_parameters(params_path, "prepare", PrepareParameters)
    with Spill(output) as spill:
        with spread(workers) as each:
            table = read_table(params, spill, each)
        split = decide(table, spill, params)
        summary = summarize(table, split)
        summary |= {f"{name}_sha256": sha256(path) for name, path in paths_of(params).items()}
        write_files(
            {output / f"{part}.csv": split_csv(table, split, spill, part) for part in PARTS}
            | {output / "rejected.csv": rejected_csv(table, split, spill)}
            | {metrics_path: json_bytes(summary)}
        )
    sizes = ", ".join(f"{size} {part}" for part, size in summary["rows"].items())
    print(f"{summary['rows_in']} rows in: {sizes}; {summary['rows_rejected']} rejected, see {output / 'rejected.csv'}")


@contextmanager
def spread(workers: int | None) -> "Iterator[Spread]":
    """Give what has a function done for each of many items, in their order: this process, or Dask's workers."""
    from callcenterai.core.cluster import SCHEDULER_VARIABLE, dask_client, map_in_order

    if workers is None and not os.environ.get(SCHEDULER_VARIABLE):
        yield map
        return
    with dask_client(workers) as client:
        yield lambda function, items: map_in_order(client, function, items)


if __name__ == "__main__":
    sys.exit(main())
