"""The stage `train_tfidf`: read the parameters, the tickets and the choice of features, then train."""

from pathlib import Path

from callcenterai.core.params import PrepareParameters, TrainTfidfParameters, read_parameters
from callcenterai.data.parts import read_parts


def run_tfidf_stage(
    params_path: Path,
    data: Path,
    folders: dict[str, Path],
    choice_path: Path | None = None,
    suspicious: Path | None = None,
) -> None:
    """Train with the section `train_tfidf` of params.yaml; folders: "model", "metrics" (a file) and "plots", and
    the file "headline" if that is wanted.

    choice_path is what run_choice_stage wrote; without it, parameters that are auto are chosen here. suspicious is the
    file for likely label errors, by default suspicious.csv beside the parts.
    """
    params = read_parameters(params_path, "train_tfidf", TrainTfidfParameters)
    clean = read_parameters(params_path, "prepare", PrepareParameters).clean
    parts = read_parts(data, clean, ("source", "row", "text"))
    # Late: importing scikit-learn and MLflow takes seconds; wrong inputs are reported at once.
    from callcenterai.tfidf.choice_file import read_choice
    from callcenterai.tfidf.training import train_tfidf

    choice = read_choice(choice_path, params, parts["train"], clean) if choice_path and params.open else None
    train_tfidf(parts, params, clean, folders, suspicious or data / "suspicious.csv", choice)
