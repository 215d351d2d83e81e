"""The stage `train_tfidf`: read the parameters, the tickets and the choice of features, then train."""

from pathlib import Path
from typing import Any

from callcenterai.core.files import read_json
from callcenterai.core.params import PrepareParameters, TrainTfidfParameters, read_parameters
from callcenterai.data.parts import read_parts


def run_tfidf_stage(
    params_path: Path,
    data: Path,
    folders: dict[str, Path],
    choice_path: Path | None = None,
    suspicious: Path | None = None,
    prepared_path: Path | None = None,
) -> None:
    """Train with the section `train_tfidf` of params.yaml; folders: "model", "metrics" (a file) and "plots", and
    the files "headline" and "report" if these are wanted.

    choice_path is what run_choice_stage wrote; without it, parameters that are auto are chosen here. suspicious is the
    file for likely label errors, by default suspicious.csv beside the parts. prepared_path has the figures of prepare,
    which the report needs.
    """
    params = read_parameters(params_path, "train_tfidf", TrainTfidfParameters)
    clean = read_parameters(params_path, "prepare", PrepareParameters).clean
    parts = read_parts(data, clean, ("source", "row", "text"))
    prepared = read_prepared(prepared_path) if "report" in folders and prepared_path else None
    # Late: importing scikit-learn and MLflow takes seconds; wrong inputs are reported at once.
    from callcenterai.tfidf.choice_file import read_choice
    from callcenterai.tfidf.training import train_tfidf

    choice = read_choice(choice_path, params, parts["train"], clean) if choice_path and params.open else None
    train_tfidf(parts, params, clean, folders, suspicious or data / "suspicious.csv", choice, prepared)


def read_prepared(path: Path) -> dict[str, Any]:
    """Return the figures that prepare has written, or raise a UserError that says how to make them."""
    return read_json(path, "make it with `dvc repro prepare`", "`dvc repro -f prepare` writes it anew")
