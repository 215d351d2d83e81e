"""The folder of predictions: a Parquet file for each partition, whole or not at all, and what they were made from."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq

from callcenterai.core.cli import UserError
from callcenterai.core.files import json_bytes, write_files

if TYPE_CHECKING:
    from callcenterai.batch.batch_tables import Answered

JOB = "job.json"


class Output:
    """Predictions by partition."""

    def __init__(self, folder: Path) -> None:
        """Nothing is written yet."""
        self.folder = folder

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

    def write(self, number: int, answered: "Answered") -> None:
        """Write a partition."""
        files = {self._rejected(number): answered.rejected} if answered.rejected else {}
        # The partition last: where it is, all of it is.
        write_files(files | {self._part(number): answered.predictions})

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


def _count(path: Path) -> int:
    return pq.ParquetFile(path).metadata.num_rows if path.is_file() else 0
