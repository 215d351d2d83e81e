"""The folder that training leaves and services read: a model in a safe format and metadata that vouches for it."""

import io
import json
import subprocess
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from callcenterai.artifact.model_kinds import KINDS
from callcenterai.core.cli import UserError
from callcenterai.core.files import sha256

if TYPE_CHECKING:
    from callcenterai.data.parts import Part

MODEL_FILE = "model.skops"
SCORER_FILE = "scorer.npz"
ONNX_FILE = "model.onnx"
INT8_FILE = "model.int8.onnx"
TOKENIZER_FILE = "tokenizer.json"
VALIDATION_FILE = "validation.npy"
METADATA_FILE = "metadata.json"
# What a model of ours may hold beyond skops's own list of safe types; fixed here, never read from the model's file.
TRUSTED_TYPES = [
    "scipy.sparse._csr.csr_matrix",
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._SigmoidCalibration",
    "sklearn.calibration._TemperatureScaling",
]
LIBRARIES = ("scikit-learn", "numpy", "scipy", "skops")


def probabilities_bytes(probabilities: Any) -> bytes:
    """Return probabilities, shape (n, n_labels), as a NumPy file in single precision."""
    import numpy as np

    buffer = io.BytesIO()
    np.save(buffer, probabilities.astype(np.float32), allow_pickle=False)
    return buffer.getvalue()


def read_validation(folder: Path) -> Any:
    """Return what a model said of validation while it had not learned from it, shape (n, n_labels), float64.

    Raises a UserError when the file is not the one that the metadata vouches for.
    """
    import numpy as np

    check_files(folder, (VALIDATION_FILE,))
    said = np.load(folder / VALIDATION_FILE, allow_pickle=False).astype(float)
    # Single precision leaves a sum that is off one by 1e-7.
    return said / said.sum(axis=1, keepdims=True)


def read_metadata(folder: Path) -> dict[str, Any]:
    """Return a model folder's metadata, or raise a UserError that says how to make it."""
    path = folder / METADATA_FILE
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; train a model first with `dvc repro`") from None
    except ValueError as error:
        raise UserError(f"{path} is not valid JSON ({error}); train the model again with `dvc repro`") from None


def load_model(folder: Path) -> Any:
    """Return the trained model, after the SHA-256 of each file was found equal to the one in the metadata."""
    check_files(folder)
    return read_model(folder)


def check_files(folder: Path, names: Iterable[str] | None = None) -> None:
    """Raise a UserError unless these files, or all, are those that the folder's metadata vouches for."""
    metadata = read_metadata(folder)
    again, recorded = command_for(metadata), metadata.get("files", {MODEL_FILE: ""})
    for name in recorded if names is None else names:
        path = folder / name
        if not path.is_file():
            raise UserError(f"{path}: no such file; `dvc checkout` or `{again}` brings it back")
        if sha256(path) != recorded.get(name):
            raise UserError(f"{path} is not the file that {METADATA_FILE} vouches for; `{again} -f` trains it again")


def check_trained_on(folder: Path, part: "Part") -> None:
    """Raise a UserError unless this part of the data is the one that the folder's model was trained or tested with."""
    metadata, name = read_metadata(folder), part.path.stem
    if metadata["data"][name]["sha256"] != sha256(part.path):
        raise UserError(
            f"{part.path} is not the {name} part of {folder}: `{command_for(metadata)}` trains it on this data"
        )


def command_for(metadata: dict[str, Any]) -> str:
    """Return the command that trains a model of this metadata's kind."""
    return next((kind.command for kind in KINDS.values() if kind.registered == metadata.get("name")), "dvc repro")


def read_model(folder: Path) -> Any:
    """Return the model of a folder whose hashes were found right; nothing is unpickled.

    Raises a UserError when a file holds a type that no model of ours has, or is none that can be read.
    """
    metadata = read_metadata(folder)
    return _read_onnx(folder, metadata) if ONNX_FILE in metadata["files"] else _read_skops(folder / MODEL_FILE)


def _read_skops(path: Path) -> Any:
    import skops.io
    from skops.io.exceptions import UntrustedTypesFoundException

    try:
        return skops.io.load(path, trusted=TRUSTED_TYPES)
    except UntrustedTypesFoundException as error:
        raise UserError(f"{path.name} is refused: {' '.join(str(error).split())}") from None


def _read_onnx(folder: Path, metadata: dict[str, Any]) -> Any:
    from callcenterai.artifact.onnx_classifier import OnnxClassifier

    served = metadata["serves"]
    model, tokenizer = ((folder / name).read_bytes() for name in (served, TOKENIZER_FILE))
    try:
        return OnnxClassifier(model, tokenizer, metadata["labels"])
    except Exception as error:
        # ONNX Runtime and tokenizers have no exception type of their own for a file that they cannot read.
        raise UserError(f"{served} or {TOKENIZER_FILE} is refused: {' '.join(str(error).split())}") from None


def library_versions(names: tuple[str, ...]) -> dict[str, str]:
    """Return the versions that decide whether a stored model can be read and gives the same answers."""
    return {name: version(name) for name in names}


def git_state(root: Path) -> dict[str, Any]:
    """Return the commit and whether files differ from it; both None outside git."""
    commit = _git(root, "rev-parse", "HEAD")
    changes = _git(root, "status", "--porcelain", "--untracked-files=no")
    return {"git_commit": commit, "git_dirty": None if commit is None or changes is None else bool(changes)}


def _git(root: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
