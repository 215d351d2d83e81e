"""The folder of predictions: a Parquet file for each partition, whole or not at all, and what they were made from."""

import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from cli import UserError
from files import json_bytes, write_files

if TYPE_CHECKING:
    from batch_scoring import Scored
    from ticket_stream import Partition, Rows

JOB = "job.json"
SCHEMA = pa.schema(
    {
        "file": pa.string(),
        "row": pa.int64(),
        "id": pa.string(),
        "category": pa.string(),
        "confidence": pa.float64(),
        "needs_review": pa.bool_(),
    }
)
REJECTED = pa.schema({"file": pa.string(), "row": pa.int64(), "id": pa.string(), "reason": pa.string()})


class Output:
    """Predictions by partition."""

    def __init__(self, folder: Path, labels: list[str], threshold: float | None) -> None:
        """A person decides below the threshold; None is always."""
        self.folder = folder
        self._labels, self._threshold = np.array(labels, dtype=object), threshold

    def begin(self, job: dict[str, Any]) -> None:
        """Begin in an empty folder, or go on in one of the same job; a UserError in any other."""
        content = json_bytes(job)
        if (self.folder / JOB).is_file():
            if json.loads((self.folder / JOB).read_text(encoding="utf-8")) != json.loads(content):
                raise UserError(
                    f"{self.folder} has predictions of other tickets, another model or other options: name another "
                    "folder, or remove this one"
                )
            for path in filter(_left_behind, self.folder.rglob("*")):
                path.unlink()
            return
        if self.folder.exists() and not (self.folder.is_dir() and all(map(_left_behind, self.folder.iterdir()))):
            raise UserError(f"{self.folder} is there and holds no predictions: name another folder")
        write_files({self.folder / JOB: content})

    def has(self, number: int) -> bool:
        """Whether a partition is written; its rejected rows are written with it."""
        return self._part(number).is_file()

    def write(self, number: int, part: "Partition", scored: "Scored") -> None:
        """Write a partition; a RuntimeError when there is not one answer for each ticket."""
        good, bad = part.tickets, part.rejected
        if len(scored.labels) != len(good):
            raise RuntimeError(f"partition {number}: {len(scored.labels)} answers to {len(good)} tickets")
        review = scored.confidences < (np.inf if self._threshold is None else self._threshold)
        answers = [self._labels[scored.labels], scored.confidences, review]
        files = {self._rejected(number): _parquet([*_places(bad), bad.values], REJECTED)} if len(bad) else {}
        # The partition last: where it is, all of it is.
        write_files(files | {self._part(number): _parquet([*_places(good), *answers], SCHEMA)})

    def check(self, sizes: list[int]) -> tuple[int, int]:
        """Return how many rows were classified and rejected; a RuntimeError when they are not those of the input."""
        totals = [0, 0]
        for number, size in enumerate(sizes):
            counts = [_count(path) for path in (self._part(number), self._rejected(number))]
            if sum(counts) != size:
                raise RuntimeError(f"partition {number} has {sum(counts)} rows, the input {size}")
            totals = [total + count for total, count in zip(totals, counts, strict=True)]
        return totals[0], totals[1]

    def _part(self, number: int) -> Path:
        return self.folder / f"part-{number:06d}.parquet"

    def _rejected(self, number: int) -> Path:
        return self.folder / "rejected" / f"part-{number:06d}.parquet"


def _left_behind(path: Path) -> bool:
    """Whether a file is one that a killed run was writing."""
    return path.name.startswith(".") and path.suffix == ".tmp"


def _places(rows: "Rows") -> list[list]:
    return [rows.files, rows.numbers, rows.ids]


def _parquet(columns: list[Any], schema: pa.Schema) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns, schema=schema), buffer)
    return buffer.getvalue()


def _count(path: Path) -> int:
    return pq.ParquetFile(path).metadata.num_rows if path.is_file() else 0
