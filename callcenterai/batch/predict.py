"""Classifies the tickets of many files, partition by partition, on Dask workers; a killed run can be resumed."""

import sys
from pathlib import Path
from typing import Any

from tqdm import tqdm

from callcenterai.batch.output import REJECTED_FOLDER, PredictionFolder
from callcenterai.batch.partitions import ReadOptions, TicketColumns, TicketStream
from callcenterai.batch.scoring import make_model_plugin, read_model_files, score_partition
from callcenterai.core.cli import UserError
from callcenterai.core.cluster import (
    count_threads,
    dask_client,
    translate_killed_worker,
    wait_for_first,
    wait_for_result,
)

__all__ = ["ReadOptions", "TicketColumns", "TicketStream", "predict_files"]


def predict_files(
    stream: TicketStream, output_folder: Path, model_folder: Path, rows: int, workers: int | None
) -> None:
    """Classify every row that is not classified yet, check that none is lost or doubled, and print the counts.

    rows is the size of a partition.
    """
    model = read_model_files(model_folder)
    output = PredictionFolder(output_folder)
    output.begin(describe_job(stream, rows, model.metadata))
    with dask_client(workers) as client:
        client.register_plugin(make_model_plugin(model))
        sizes = score_partitions(client, stream, output, rows)
    scored, rejected = output.check(sizes)
    if rejected and not scored:
        raise UserError(
            f"no ticket was classified, {rejected:,} were rejected: {output.folder / REJECTED_FOLDER} has the reasons"
        )
    print(f"{scored:,} tickets classified, {rejected:,} rejected: {output.folder}")


def describe_job(stream: TicketStream, rows: int, metadata: dict[str, Any]) -> dict[str, Any]:
    """Return everything that the predictions depend on: a run resumes only if all of it is unchanged."""
    files = [(path.as_posix(), path.stat().st_size, path.stat().st_mtime_ns) for path in stream.files]
    columns = {"text_columns": stream.columns.texts, "id_column": stream.columns.id}
    return {"input": files, **columns, **stream.options._asdict(), "rows": rows, "model": metadata["files"]}


def score_partitions(client: Any, stream: TicketStream, output: PredictionFolder, rows: int) -> list[int]:
    """Score and write every partition that is not written yet; return the number of rows of each partition."""
    sizes: list[int] = []
    waiting: dict[Any, int] = {}
    with tqdm(total=stream.total, unit="B", unit_scale=True, desc="read", file=sys.stderr) as bar:
        for number, partition in enumerate(stream.partitions(rows)):
            sizes.append(len(partition))
            if not output.has(number):
                # pure=False: otherwise Dask deduplicates equal partitions.
                waiting[client.submit(score_partition, partition, pure=False)] = number
            bar.update(stream.done - bar.n)
            # Two for each thread: the next one is there when a thread is free, and memory holds no more.
            while len(waiting) >= 2 * count_threads(client):
                write_finished(client, waiting, output)
        while waiting:
            write_finished(client, waiting, output)
    return sizes


def write_finished(client: Any, waiting: dict[Any, int], output: PredictionFolder) -> None:
    """Wait until at least one partition is scored, and write those that are."""
    for future in wait_for_first(client, waiting):
        number = waiting.pop(future)
        with translate_killed_worker(f"partition {number}", "choose fewer --rows and run this again; it resumes"):
            output.write(number, wait_for_result(client, future))
