"""The tables of predictions and of rejected rows, as Parquet."""

import io
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from callcenterai.batch.ticket_pieces import Rows

PREDICTIONS = pa.schema(
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


class Scored(NamedTuple):
    """For each text the number of the most probable label, int16 of shape (n,), and its probability, (n,)."""

    labels: np.ndarray
    confidences: np.ndarray


class Answered(NamedTuple):
    """A partition's two tables as Parquet files; None for no rejected row."""

    predictions: bytes
    rejected: bytes | None


def write(tickets: Rows, scored: Scored, rejected: Rows, metadata: dict[str, Any]) -> Answered:
    """Return the tables; of the model's metadata count labels and threshold, below which a person decides."""
    # Without a threshold it is always a person.
    threshold = np.inf if metadata["threshold"] is None else metadata["threshold"]
    labels = np.array(metadata["labels"], dtype=object)
    answers = [labels[scored.labels], scored.confidences, scored.confidences < threshold]
    predictions = _parquet([*_places(tickets), *answers], PREDICTIONS)
    return Answered(predictions, _parquet([*_places(rejected), rejected.values], REJECTED) if rejected.values else None)


def _places(rows: Rows) -> list[list]:
    return [rows.files, rows.numbers, rows.ids]


def _parquet(columns: list[Any], schema: pa.Schema) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns, schema=schema), buffer)
    return buffer.getvalue()
