"""The model folder that training writes and services read: a model in a safe format, and metadata with its hashes.

`metadata.json` depends on data, parameters and code alone, so that training again gives the same bytes. `run.json` says
when and from which commit this happened; it is no output of the pipeline and may be missing.
"""

import io
import json
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from callcenterai.artifact.raw_text_model import RawTextModel
from callcenterai.artifact.unpacked_size import check_unpacked_size
from callcenterai.core.cli import UserError, one_line
from callcenterai.core.files import read_json, sha256

# numpy, skops and ONNX Runtime are imported where they are needed: `mlflow_registry.py --help` imports this module.

MODEL_FILE = "model.skops"
SCORER_FILE = "scorer.npz"
ONNX_FILE = "model.onnx"
INT8_FILE = "model.int8.onnx"
TOKENIZER_FILE = "tokenizer.json"
HELD_OUT_FILE = "held_out.npy"
# What only learning the routing policy needs; models from before December 2026 have the second one.
POLICY_FILES = (HELD_OUT_FILE, "validation.npy")
REFERENCE_FILE = "reference.json"
METADATA_FILE = "metadata.json"
RUN_FILE = "run.json"
# The types that a model may hold beyond skops's own list of safe ones; fixed here, never read from the model's file.
TRUSTED_TYPES = [
    "scipy.sparse._csr.csr_matrix",
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._SigmoidCalibration",
    "sklearn.calibration._TemperatureScaling",
    "sklearn.utils._bunch.Bunch",
]


class Kind(NamedTuple):
    """One kind of model: its registered model, the experiment of its runs, and the command that trains it."""

    registered: str
    experiment: str
    command: str


KINDS = {
    "tfidf": Kind("callcenterai-tfidf-classifier", "callcenterai-tfidf-classification", "dvc repro"),
    "transformer": Kind(
        "callcenterai-transformer-classifier", "callcenterai-transformer-classification", "dvc --cd transformer repro"
    ),
}


def kind_named(registered: str) -> str:
    """Return the kind whose registered model has this name; raise a UserError when there is none."""
    kinds = {kind.registered: name for name, kind in KINDS.items()}
    if registered not in kinds:
        raise UserError(
            f"the metadata names {registered!r}, which no training here makes ({', '.join(kinds)}); check the folder"
        )
    return kinds[registered]


def command_for(metadata: dict[str, Any]) -> str:
    """Return the command that trains a model of this metadata's kind."""
    return next((kind.command for kind in KINDS.values() if kind.registered == metadata.get("name")), "dvc repro")


def read_metadata(folder: Path) -> dict[str, Any]:
    """Return a model folder's metadata, or raise a UserError that says how to make it."""
    path = folder / METADATA_FILE
    return read_json(path, "train a model first with `dvc repro`", "train the model again with `dvc repro`")


def read_run_facts(folder: Path) -> dict[str, Any]:
    """Return when, from which commit and at what cost the folder's model was trained; empty when that is unknown.

    `run.json` counts only while it names the hash of the metadata beside it: `dvc checkout` may have brought another
    model. Folders written before December 2026 have the same facts in their metadata.
    """
    try:
        facts = json.loads((folder / RUN_FILE).read_text(encoding="utf-8"))
        if facts["metadata_sha256"] == sha256(folder / METADATA_FILE):
            return facts
    except (OSError, ValueError, KeyError, TypeError):
        pass
    metadata = read_metadata(folder)
    return metadata if "started_at" in metadata else {}


def check_files(folder: Path, names: Iterable[str] | None = None) -> None:
    """Raise a UserError unless the named files, by default all, have the hashes that the folder's metadata records."""
    metadata = read_metadata(folder)
    again, recorded = command_for(metadata), metadata.get("files", {MODEL_FILE: ""})
    for name in recorded if names is None else names:
        path = folder / name
        if not path.is_file():
            raise UserError(f"{path}: no such file; `dvc checkout` or `{again}` brings it back")
        if sha256(path) != recorded.get(name):
            raise UserError(f"{path} is not the file that {METADATA_FILE} vouches for; `{again} -f` trains it again")


def check_trained_on(folder: Path, part: Path) -> None:
    """Raise a UserError unless this file, a part of the data, is the one that the folder's model was made with."""
    metadata, name = read_metadata(folder), part.stem
    if metadata["data"][name]["sha256"] != sha256(part):
        raise UserError(f"{part} is not the {name} part of {folder}: `{command_for(metadata)}` trains it on this data")


def load_model(folder: Path) -> RawTextModel:
    """Return the trained model after checking the SHA-256 of every file."""
    check_files(folder)
    return read_model(folder)


def read_model(folder: Path) -> RawTextModel:
    """Return the model of a folder whose hashes were checked; it takes texts as they arrive. Nothing is unpickled.

    Raises a UserError when a file cannot be read or holds a type that no model of ours has.
    """
    metadata = read_metadata(folder)
    model = _read_onnx(folder, metadata) if ONNX_FILE in metadata["files"] else _read_skops(folder / MODEL_FILE)
    return RawTextModel(model, cleaning_of(metadata))


def cleaning_of(metadata: dict[str, Any]) -> str:
    """Return how a model's texts are cleaned; models from before December 2026 do not say and want none."""
    return metadata.get("clean", "none")


def thresholds_of(metadata: dict[str, Any]) -> Any:
    """Return from which confidence a ticket of each label needs no review, shape (n_labels,); infinity for never."""
    import numpy as np

    labels = metadata["labels"]
    limits = metadata.get("class_thresholds") or dict.fromkeys(labels, metadata.get("threshold"))
    return np.array([np.inf if limits[label] is None else limits[label] for label in labels])


def _read_skops(path: Path) -> Any:
    from callcenterai.artifact.skops_import import skops_io

    with path.open("rb") as file:
        check_unpacked_size(file, path.name)
    try:
        return skops_io.load(path, trusted=TRUSTED_TYPES)
    except skops_io.exceptions.UntrustedTypesFoundException as error:
        raise UserError(f"{path.name} is refused: {one_line(str(error))}") from None


def _read_onnx(folder: Path, metadata: dict[str, Any]) -> Any:
    from callcenterai.artifact.onnx_classifier import OnnxClassifier

    served = metadata["serves"]
    model, tokenizer = ((folder / name).read_bytes() for name in (served, TOKENIZER_FILE))
    try:
        return OnnxClassifier(model, tokenizer, metadata["labels"])
    except Exception as error:
        # ONNX Runtime and tokenizers have no exception type of their own for a file that they cannot read.
        raise UserError(f"{served} or {TOKENIZER_FILE} is refused: {one_line(str(error))}") from None


def read_held_out(folder: Path) -> Any:
    """Return the probabilities of tickets by weights that did not learn from them, shape (n, n_labels), float64.

    The tickets are the last n of train followed by validation. Raises a UserError when the file does not have the hash
    that the metadata records.
    """
    import numpy as np

    check_files(folder, (HELD_OUT_FILE,))
    probabilities = np.load(folder / HELD_OUT_FILE, allow_pickle=False).astype(float)
    # In single precision their sum is off by about 1e-7.
    return probabilities / probabilities.sum(axis=1, keepdims=True)


def probabilities_bytes(probabilities: Any) -> bytes:
    """Return probabilities, shape (n, n_labels), as a NumPy file in single precision."""
    import numpy as np

    buffer = io.BytesIO()
    np.save(buffer, probabilities.astype(np.float32), allow_pickle=False)
    return buffer.getvalue()


def library_versions(names: tuple[str, ...]) -> dict[str, str]:
    """Return the versions of the libraries that decide whether a stored model can be read and answers the same."""
    return {name: version(name) for name in names}
