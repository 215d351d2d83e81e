"""What a worker does with a partition of tickets: it reads them, and writes the model's answer to each.

A model comes as the files of its folder, with the hashes that its metadata vouches for; each process loads it once.
"""

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from distributed import WorkerPlugin, get_worker

from callcenterai.artifact.folder import (
    METADATA_FILE,
    SCORER_FILE,
    VALIDATION_FILE,
    check_files,
    read_metadata,
    read_model,
)
from callcenterai.batch.batch_tables import Answered, Scored, write
from callcenterai.batch.ticket_pieces import Partition, read

PLUGIN = "callcenterai-model"
# So many texts are scored at once: the arrays of more are so large that malloc gives them back after each use.
AT_ONCE = 5000


class ModelFiles(NamedTuple):
    """A model folder as bytes, by file name, so that it can go to another machine."""

    files: tuple[tuple[str, bytes], ...]

    @property
    def metadata(self) -> dict[str, Any]:
        """The metadata, as the training wrote it."""
        return json.loads(dict(self.files)[METADATA_FILE])


def read_files(folder: Path) -> ModelFiles:
    """Return a model folder's files after their hashes were found right; a UserError otherwise."""
    metadata = read_metadata(folder)
    # What it said of validation is nothing that answers need.
    names = [name for name in metadata["files"] if name != VALIDATION_FILE]
    check_files(folder, names)
    return ModelFiles(tuple((name, (folder / name).read_bytes()) for name in [METADATA_FILE, *names]))


class Scorer:
    """A model that answers many texts at once, and its metadata."""

    def __init__(self, model: ModelFiles) -> None:
        """Load it through the safe path; a UserError when a file is not what its metadata vouches for."""
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place)
            for name, content in model.files:
                (folder / name).write_bytes(content)
            check_files(folder, [name for name, _ in model.files if name != METADATA_FILE])
            self._model = _as_arrays(folder) or read_model(folder)
        self.metadata = model.metadata

    def score(self, texts: Sequence[str]) -> Scored:
        """Return the most probable label of each text and its probability."""
        scored = [Scored(np.empty(0, dtype=np.int16), np.empty(0))]
        for start in range(0, len(texts), AT_ONCE):
            probabilities = self._model.predict_proba(texts[start : start + AT_ONCE])
            scored.append(Scored(probabilities.argmax(axis=1).astype(np.int16), probabilities.max(axis=1)))
        return Scored(*map(np.concatenate, zip(*scored)))


def _as_arrays(folder: Path) -> Any:
    """Return the model as arrays, which are loaded in a quarter of the time; None when it is not to be had so."""
    from callcenterai.artifact.array_model import ArrayModel
    from callcenterai.artifact.scorer_format import read_arrays

    path = folder / SCORER_FILE
    arrays = read_arrays(path.read_bytes()) if path.is_file() else None
    return arrays and ArrayModel(arrays)


def model_plugin(model: ModelFiles) -> WorkerPlugin:
    """Return what gives every worker the model, also one that starts later; it is loaded when it is first needed.

    The class is made here, and imports inside, so that it travels as it is: a worker that starts later loads what it is
    given all at once, and has not got these modules yet.
    """

    class ModelPlugin(WorkerPlugin):
        name = PLUGIN

        def __init__(self, files: tuple[tuple[str, bytes], ...]) -> None:
            self.files, self.scorer = files, None

        def setup(self, worker: Any) -> None:
            import threading

            self.lock = threading.Lock()

        def teardown(self, worker: Any) -> None:
            self.scorer = None

    return ModelPlugin(model.files)


def answer(partition: Partition) -> Answered:
    """Answer a partition; this is the task that a worker runs."""
    plugin = get_worker().plugins[PLUGIN]
    with plugin.lock:
        plugin.scorer = plugin.scorer or Scorer(ModelFiles(plugin.files))
    tickets, rejected = read(partition)
    return write(tickets, plugin.scorer.score(tickets.values), rejected, plugin.scorer.metadata)
