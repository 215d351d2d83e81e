"""Empty tracking databases for tests: MLflow takes more than two seconds of processor time to create its tables."""

import shutil
import tempfile
from functools import cache
from pathlib import Path

# Removed when the process ends.
_FOLDER = tempfile.TemporaryDirectory(prefix="callcenterai-tracking-")


def new_tracking_database(folder: Path) -> str:
    """Put a database with MLflow's tables, and without runs, into a folder as mlflow.db; return its address."""
    shutil.copy(_empty_database(), folder / "mlflow.db")
    return f"sqlite:///{(folder / 'mlflow.db').as_posix()}"


@cache
def _empty_database() -> Path:
    import mlflow

    path = Path(_FOLDER.name, "mlflow.db")
    mlflow.MlflowClient(f"sqlite:///{path.as_posix()}").search_experiments()
    return path
