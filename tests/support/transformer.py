"""A small transformer for tests, trained by the real script in seconds."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from support.repository import write_params
from support.tracking import new_tracking_database

SMALL = {
    "vocabulary": 2000,
    "layers": 1,
    "width": 32,
    "heads": 2,
    "feed_forward": 64,
    "members": 2,
    "max_tokens": 32,
    "epochs": 8,
    "batch_size": 32,
    "learning_rate": 5e-3,
    "dropout": 0.1,
    "bootstrap_samples": 100,
}


def need_pytorch() -> None:
    """Skip the test where the libraries that train a transformer are not installed."""
    if any(find_spec(name) is None for name in ("torch", "transformers", "onnx")):
        pytest.skip("PyTorch is not installed: `python setup_mlops.py transformer` installs it")


class Transformer:
    """The outputs of train() in a folder: "model", "metrics.json", "plots" and the database of the run."""

    def __init__(self, folder: Path, trained: Any) -> None:
        """Name the outputs; the model was trained on the tickets of `trained`."""
        self.folder, self.data, self.model = folder, trained.data, folder / "model"
        self.database = folder / "mlflow.db"


def train(folder: Path, data: Path) -> None:
    """Train once."""
    import train_transformer

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", new_tracking_database(folder))
        assert train_transformer.main(arguments(folder, data)) == 0


def arguments(folder: Path, data: Path, **changes: Any) -> list[str]:
    """Return the command line of a small training whose files are all in a folder."""
    params = write_params(folder / "params.yaml", train_transformer=SMALL | changes)
    places = {"params": params, "data": data, "model": folder / "model"}
    places |= {"metrics": folder / "metrics.json", "plots": folder / "plots"}
    return [text for name, path in places.items() for text in (f"--{name}", str(path))]
