"""The stage `train_tfidf`: read the parameters and the tickets, then train."""

from pathlib import Path

from callcenterai.core.params import TrainTfidfParameters, read_parameters
from callcenterai.data.parts import read_parts


def run_tfidf_stage(params_path: Path, data: Path, folders: dict[str, Path]) -> None:
    """Train with the section `train_tfidf` of params.yaml; folders: "model", "metrics" (a file) and "plots"."""
    params, parts = read_parameters(params_path, "train_tfidf", TrainTfidfParameters), read_parts(data)
    # Late: importing scikit-learn and MLflow takes seconds; wrong inputs are reported at once.
    from callcenterai.tfidf.training import train_tfidf

    train_tfidf(parts, params, folders)
