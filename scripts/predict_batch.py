"""python scripts/predict_batch.py tickets.csv predictions

Classify the tickets of a file or a folder of any size, partition by partition, on several processes or machines.

    python scripts/predict_batch.py archive/ predictions --text-column body --id-column ticket_id
    DASK_SCHEDULER_ADDRESS=tcp://scheduler:8786 python scripts/predict_batch.py archive/ predictions

predictions/part-*.parquet has a row for each ticket: file, row, id, category, confidence, needs_review. Rows that
cannot be classified go to predictions/rejected/part-*.parquet with the reason; a row is in exactly one of the two,
which is checked at the end. A run that was killed goes on when it is started again. Who can reach the Dask scheduler
can run code on its workers: keep it in a network that you trust.
"""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import _path  # noqa: F401
from callcenterai.core.cli import positive, run

if TYPE_CHECKING:
    from callcenterai.batch.output import Output
    from callcenterai.batch.partitions import Stream


def main(argv: list[str] | None = None) -> int:
    """Parse the arguments and classify; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("input", type=Path, help="a file, or a folder with files, of tickets")
    parser.add_argument("output", type=Path, help="the folder for the predictions")
    parser.add_argument("--model", type=Path, default=Path("models/tfidf"), help="folder; default: %(default)s")
    parser.add_argument("--text-column", default="text", help="default: %(default)s")
    parser.add_argument("--id-column", help="goes to the predictions as it is")
    parser.add_argument("--rows", type=positive, default=25_000, help="of a partition; default: %(default)s")
    parser.add_argument("--workers", type=positive, help="processes on this machine; default: one for each core")
    args = parser.parse_args(argv)
    return run(lambda: predict(args))


def predict(args: argparse.Namespace) -> None:
    """Classify everything that is not classified yet, check that nothing is lost or doubled, and say how many."""
    from callcenterai.batch.output import Output
    from callcenterai.batch.partitions import Columns, Stream
    from callcenterai.batch.scoring import model_plugin, read_files
    from callcenterai.core.cluster import connected

    stream = Stream(args.input, Columns(args.text_column, args.id_column))
    model = read_files(args.model)
    output = Output(args.output)
    output.begin(identity(stream, args, model.metadata))
    with connected(args.workers) as client:
        client.register_plugin(model_plugin(model))
        sizes = carry_out(client, stream, output, args.rows)
    scored, rejected = output.check(sizes)
    print(f"{scored:,} tickets classified, {rejected:,} rejected: {output.folder}")


def identity(stream: "Stream", args: argparse.Namespace, metadata: dict[str, Any]) -> dict[str, Any]:
    """Return what the predictions depend on: a run goes on only where all of it is the same."""
    files = [(path.as_posix(), path.stat().st_size, path.stat().st_mtime_ns) for path in stream.files]
    columns = {"text_column": args.text_column, "id_column": args.id_column}
    return {"input": files, **columns, "rows": args.rows, "model": metadata["files"]}


def carry_out(client: Any, stream: "Stream", output: "Output", rows: int) -> list[int]:
    """Have every partition classified that is not there yet; return how many rows each partition has."""
    from tqdm import tqdm

    from callcenterai.batch.scoring import answer
    from callcenterai.core.cluster import threads_of

    sizes: list[int] = []
    waiting: dict[Any, int] = {}
    with tqdm(total=stream.total, unit="B", unit_scale=True, desc="read", file=sys.stderr) as bar:
        for number, partition in enumerate(stream.partitions(rows)):
            sizes.append(len(partition))
            if not output.has(number):
                # Not by the name of their content: a partition that comes twice is answered twice.
                waiting[client.submit(answer, partition, pure=False)] = number
            bar.update(stream.done - bar.n)
            # Two for each thread: the next is there when one is done, and no more is held in memory.
            while len(waiting) >= 2 * threads_of(client):
                write_finished(client, waiting, output)
        while waiting:
            write_finished(client, waiting, output)
    return sizes


def write_finished(client: Any, waiting: dict[Any, int], output: "Output") -> None:
    """Wait until a partition is answered, and write what is."""
    from callcenterai.core.cluster import first_done, killing_is_said, result_of

    for future in first_done(client, waiting):
        number = waiting.pop(future)
        with killing_is_said(f"partition {number}", "fewer --rows, then start this again, and it goes on"):
            output.write(number, result_of(client, future))


if __name__ == "__main__":
    sys.exit(main())
