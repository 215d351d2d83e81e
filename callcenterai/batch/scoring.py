"""What a worker does with a partition: it unpacks the rows, scores the texts, and returns both tables as Parquet files.

The model travels as the files of its folder, with the hashes in its metadata; each process loads it once.
"""

import io
import json
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from distributed import WorkerPlugin, get_worker

from callcenterai.artifact.array_model import ArrayModel
from callcenterai.artifact.folder import (
    METADATA_FILE,
    POLICY_FILES,
    SCORER_FILE,
    check_files,
    cleaning_of,
    read_metadata,
    read_model,
    thresholds_of,
)
from callcenterai.artifact.scorer_format import read_arrays
from callcenterai.batch.rows import Partition, RowColumns, split_rows
from callcenterai.text.plain_text import model_text

PLUGIN = "callcenterai-model"
# Texts that are scored at once: with more, the arrays grow so large that malloc returns them to the system each time.
TEXTS_AT_ONCE = 5000
PREDICTIONS_SCHEMA = pa.schema(
    {
        "file": pa.string(),
        "row": pa.int64(),
        "id": pa.string(),
        "category": pa.string(),
        "confidence": pa.float64(),
        "needs_review": pa.bool_(),
        "known_text": pa.bool_(),
    }
)
REJECTED_SCHEMA = pa.schema(
    {"file": pa.string(), "row": pa.int64(), "id": pa.string(), "reason": pa.string(), "text": pa.string()}
)


class ModelFiles(NamedTuple):
    """The files of a model folder as (name, content), so that they can be sent to another machine."""

    files: tuple[tuple[str, bytes], ...]

    @property
    def metadata(self) -> dict[str, Any]:
        """The metadata that the training wrote."""
        return json.loads(dict(self.files)[METADATA_FILE])


class TopLabels(NamedTuple):
    """The most probable label of each text: its number, int16 of shape (n,), and its probability, of shape (n,).

    known, bool of shape (n,), says whether the model knows anything of the text.
    """

    numbers: np.ndarray
    confidences: np.ndarray
    known: np.ndarray


class ScoredPartition(NamedTuple):
    """The two tables of a partition as Parquet files; rejected is None when no row was."""

    predictions: bytes
    rejected: bytes | None


def read_model_files(folder: Path) -> ModelFiles:
    """Return the files of a model folder; raise a UserError when one does not match its hash."""
    metadata = read_metadata(folder)
    names = [name for name in metadata["files"] if name not in POLICY_FILES]
    check_files(folder, names)
    return ModelFiles(tuple((name, (folder / name).read_bytes()) for name in [METADATA_FILE, *names]))


class BatchScorer:
    """A model that scores many texts at once, and its metadata."""

    def __init__(self, model: ModelFiles) -> None:
        """Load the model by the safe path; raise a UserError when a file does not match its hash in the metadata."""
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place)
            for name, content in model.files:
                (folder / name).write_bytes(content)
            check_files(folder, [name for name, _ in model.files if name != METADATA_FILE])
            self._model = _load_arrays(folder) or read_model(folder).model
        self.metadata = model.metadata
        self._clean = cleaning_of(self.metadata)

    def score(self, texts: Sequence[str]) -> TopLabels:
        """Return the most probable label of each text and its probability."""
        scored = [TopLabels(np.empty(0, dtype=np.int16), np.empty(0), np.empty(0, dtype=bool))]
        for start in range(0, len(texts), TEXTS_AT_ONCE):
            read = [model_text(text, self._clean) for text in texts[start : start + TEXTS_AT_ONCE]]
            probabilities, known = self._predict(read)
            scored.append(TopLabels(probabilities.argmax(axis=1).astype(np.int16), probabilities.max(axis=1), known))
        return TopLabels(*map(np.concatenate, zip(*scored, strict=True)))

    def _predict(self, texts: list[str]) -> tuple[np.ndarray, np.ndarray]:
        if isinstance(self._model, ArrayModel):
            return self._model.predict_known(texts)
        if steps := getattr(self._model, "named_steps", None):
            # A kernel machine, which has no arrays.
            known = np.diff(steps["tfidf"].transform(texts).tocsr().indptr) > 0
        else:
            known = self._model.find_known(texts)
        return self._model.predict_proba(texts), known


def _load_arrays(folder: Path) -> Any:
    """Return the model as arrays, which load in a quarter of the time, or None if the folder has none."""
    path = folder / SCORER_FILE
    arrays = read_arrays(path.read_bytes()) if path.is_file() else None
    return arrays and ArrayModel(arrays)


def make_model_plugin(model: ModelFiles) -> WorkerPlugin:
    """Return a plugin that brings the model to every worker, even one that joins later; its first task loads it.

    The class is defined inside the function so that it travels by value: a worker that joins later sets up its plugins
    before it has received this package.
    """

    class ModelPlugin(WorkerPlugin):
        name = PLUGIN

        def __init__(self, files: tuple[tuple[str, bytes], ...]) -> None:
            self.files, self.scorer = files, None

        def setup(self, worker: Any) -> None:
            self.lock = threading.Lock()

        def teardown(self, worker: Any) -> None:
            self.scorer = None

    return ModelPlugin(model.files)


def score_partition(partition: Partition) -> ScoredPartition:
    """Score a partition; this is the task that a worker runs."""
    plugin: Any = get_worker().plugins[PLUGIN]
    with plugin.lock:
        plugin.scorer = plugin.scorer or BatchScorer(ModelFiles(plugin.files))
    tickets, rejected = split_rows(partition)
    predictions = encode_predictions(tickets, plugin.scorer.score(tickets.values), plugin.scorer.metadata)
    return ScoredPartition(predictions, encode_rejected(rejected) if rejected.values else None)


def encode_predictions(tickets: RowColumns, found: TopLabels, metadata: dict[str, Any]) -> bytes:
    """Return the table of predictions as a Parquet file; metadata gives the labels and the threshold for review."""
    labels = np.array(metadata["labels"], dtype=object)
    review = (found.confidences < thresholds_of(metadata)[found.numbers]) | ~found.known
    answers = [labels[found.numbers], found.confidences, review, found.known]
    return _encode_parquet([tickets.files, tickets.numbers, tickets.ids, *answers], PREDICTIONS_SCHEMA)


def encode_rejected(rejected: RowColumns) -> bytes:
    """Return the table of rejected rows as a Parquet file."""
    columns = [rejected.files, rejected.numbers, rejected.ids, rejected.values, rejected.raw]
    return _encode_parquet(columns, REJECTED_SCHEMA)


def _encode_parquet(columns: list[Any], schema: pa.Schema) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns, schema=schema), buffer)
    return buffer.getvalue()
