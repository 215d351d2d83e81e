"""The folder of predictions: a Parquet file for each partition, written atomically, and the job in _job.json.

Programs that read a folder of Parquet files skip names that begin with an underscore: `pd.read_parquet("predictions")`
gives the predictions alone.
"""

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from callcenterai.batch.scoring import ScoredPartition
from callcenterai.core.cli import UserError
from callcenterai.core.files import json_bytes, write_files

JOB_FILE, REJECTED_FOLDER = "_job.json", "_rejected"


class PredictionFolder:
    """Predictions by partition."""

    def __init__(self, folder: Path) -> None:
        """Write nothing yet."""
        self.folder = folder

    def begin(self, job: dict[str, Any]) -> None:
        """Start a job in an empty folder, or resume the same job in its folder; a UserError for any other folder."""
        content = json_bytes(job)
        if (self.folder / JOB_FILE).is_file():
            if json.loads((self.folder / JOB_FILE).read_text(encoding="utf-8")) != json.loads(content):
                raise UserError(
                    f"{self.folder} holds predictions of other tickets, another model or other options: name another "
                    "folder, or remove this one"
                )
            for path in filter(_is_temporary, self.folder.rglob("*")):
                path.unlink()
            return
        if self.folder.exists() and not (self.folder.is_dir() and all(map(_is_temporary, self.folder.iterdir()))):
            raise UserError(f"{self.folder} exists but holds no predictions: name another folder")
        write_files({self.folder / JOB_FILE: content}, private=True)

    def has(self, number: int) -> bool:
        """Return whether a partition is written, its rejected rows included."""
        return self._part(number).is_file()

    def write(self, number: int, scored: ScoredPartition) -> None:
        """Write a partition."""
        files = {self._rejected(number): scored.rejected} if scored.rejected else {}
        # The predictions come last: if they exist, the partition is complete.
        # Rejected rows hold texts of customers.
        write_files(files | {self._part(number): scored.predictions}, private=True)

    def check(self, sizes: list[int]) -> tuple[int, int]:
        """Return how many rows were classified and rejected; a RuntimeError when a partition lacks rows or has more."""
        totals = [0, 0]
        for number, size in enumerate(sizes):
            counts = [_count_rows(path) for path in (self._part(number), self._rejected(number))]
            if sum(counts) != size:
                raise RuntimeError(f"partition {number} has {sum(counts)} rows, the input {size}")
            totals = [total + count for total, count in zip(totals, counts, strict=True)]
        return totals[0], totals[1]

    def _part(self, number: int) -> Path:
        return self.folder / f"part-{number:06d}.parquet"

    def _rejected(self, number: int) -> Path:
        return self.folder / REJECTED_FOLDER / f"part-{number:06d}.parquet"


def _is_temporary(path: Path) -> bool:
    """Return whether a file is the temporary one of a killed run."""
    return path.name.startswith(".") and path.suffix == ".tmp"


def _count_rows(path: Path) -> int:
    return pq.ParquetFile(path).metadata.num_rows if path.is_file() else 0
