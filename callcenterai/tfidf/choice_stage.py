"""The stage `choose_features`: read the parameters and the training tickets, then choose."""

from pathlib import Path

from callcenterai.core.params import PrepareParameters, TrainTfidfParameters, read_parameters
from callcenterai.data.parts import read_part


def run_choice_stage(params_path: Path, data: Path, output: Path) -> None:
    """Choose what the section `train_tfidf` of params.yaml leaves open, and write the choice to output."""
    params = read_parameters(params_path, "train_tfidf", TrainTfidfParameters)
    clean = read_parameters(params_path, "prepare", PrepareParameters).clean
    train = read_part(data, "train", clean)
    # Late: importing scikit-learn takes seconds; wrong inputs are reported at once.
    from callcenterai.tfidf.choice_file import write_choice

    write_choice(params, train, clean, output)
