"""The folder that training leaves and services read: a model in a safe format and metadata that vouches for it."""

import json
import subprocess
import zipfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

from cli import UserError
from files import sha256

MODEL_FILE = "model.skops"
SCORER_FILE = "scorer.npz"
METADATA_FILE = "metadata.json"
# What a model of ours may hold beyond skops's own list of safe types; fixed here, never read from the model's file.
TRUSTED_TYPES = [
    "scipy.sparse._csr.csr_matrix",
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._SigmoidCalibration",
    "sklearn.calibration._TemperatureScaling",
]
LIBRARIES = ("scikit-learn", "numpy", "scipy", "skops")


def model_bytes(pipeline: Any) -> bytes:
    """Return a fitted pipeline in skops format, compressed; refuse what the safe path could not load again."""
    import skops.io

    content = skops.io.dumps(pipeline, compression=zipfile.ZIP_DEFLATED, compresslevel=1)
    untrusted = set(skops.io.get_untrusted_types(data=content)) - set(TRUSTED_TYPES)
    if untrusted:
        raise ValueError(f"the pipeline holds types that the safe path refuses: {sorted(untrusted)}")
    return content


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
    """Return the fitted pipeline, after the SHA-256 of each file was found equal to the one in the metadata."""
    recorded = read_metadata(folder).get("files", {})
    for name in dict.fromkeys((MODEL_FILE, *recorded)):
        path = folder / name
        if not path.is_file():
            raise UserError(f"{path}: no such file; `dvc checkout` or `dvc repro` brings it back")
        if sha256(path) != recorded.get(name):
            raise UserError(f"{path} is not the file that {METADATA_FILE} vouches for; `dvc repro -f` trains it again")
    return read_model(folder / MODEL_FILE)


def read_model(path: Path) -> Any:
    """Return the fitted pipeline of a file whose hash was found right; nothing is unpickled.

    Raises a UserError when the file holds a type that no model of ours has.
    """
    import skops.io
    from skops.io.exceptions import UntrustedTypesFoundException

    try:
        return skops.io.load(path, trusted=TRUSTED_TYPES)
    except UntrustedTypesFoundException as error:
        raise UserError(f"{path.name} is refused: {' '.join(str(error).split())}") from None


def library_versions() -> dict[str, str]:
    """Return the versions that decide whether a stored model can be read and gives the same answers."""
    return {name: version(name) for name in LIBRARIES}


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
