"""python scripts/predict_batch.py tickets.csv predictions

Classify the tickets of a file or a folder of any size, partition by partition, on several processes or machines.
Files may be delimited text, JSON, Parquet or workbooks, also gzipped or zipped: docs/files.md.

    python scripts/predict_batch.py archive/ predictions --text-column body --id-column ticket_id
    DASK_SCHEDULER_ADDRESS=tcp://scheduler:8786 python scripts/predict_batch.py archive/ predictions

predictions/part-*.parquet has a row for each ticket: file, row, id, category, confidence, needs_review,
known_text. Rows that cannot be classified go to predictions/_rejected/part-*.parquet with the reason. Each row is in
exactly one of the two, which is checked at the end. To resume a run that was killed, start it again. Anyone who can
reach the Dask scheduler can run code on its workers: keep it in a network that you trust.
"""

import argparse
import sys
from pathlib import Path

import _path  # noqa: F401  # it puts the package on the path
from callcenterai.core.cli import positive, run


def main(argv: list[str] | None = None) -> int:
    """Parse the arguments and classify; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("input", type=Path, help="a file of tickets, or a folder with such files")
    parser.add_argument("output", type=Path, help="the folder for the predictions")
    parser.add_argument("--model", type=Path, default=Path("models/tfidf"), help="folder; default: %(default)s")
    parser.add_argument("--text-column", action="append", help="repeat it to join several; default: text")
    parser.add_argument("--id-column", help="is copied to the predictions")
    parser.add_argument("--encoding", help="default: the content tells it")
    parser.add_argument("--delimiter", help="of delimited text; default: the content tells it")
    parser.add_argument("--sheet", help="of a workbook; default: the only one that has the columns")
    parser.add_argument("--no-header", action="store_true", help="columns are named by their numbers from 1 on")
    parser.add_argument("--max-unreadable", type=float, default=1.0, metavar="SHARE", help="stop beyond it; default: 1")
    parser.add_argument("--rows", type=positive, default=25_000, help="in each partition; default: %(default)s")
    parser.add_argument("--workers", type=positive, help="processes on this machine; default: one for each core")
    args = parser.parse_args(argv)
    return run(lambda: predict(args))


def predict(args: argparse.Namespace) -> None:
    """Classify the tickets."""
    from callcenterai.batch import predict as batch

    columns = batch.TicketColumns(tuple(args.text_column or ["text"]), args.id_column)
    options = batch.ReadOptions(args.encoding, args.delimiter, args.sheet, not args.no_header)
    stream = batch.TicketStream(args.input, columns, options, args.max_unreadable)
    batch.predict_files(stream, args.output, args.model, args.rows, args.workers)


if __name__ == "__main__":
    sys.exit(main())
