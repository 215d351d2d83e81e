"""The stage `train_transformer`: read the parameters and the tickets, make sure that PyTorch is there, then train."""

import importlib.util
from pathlib import Path

from callcenterai.core.cli import UserError
from callcenterai.core.params import PrepareParameters, TrainTransformerParameters, read_parameters
from callcenterai.data.parts import read_parts


def run_transformer_stage(params_path: Path, data: Path, folders: dict[str, Path]) -> None:
    """Train with the section `train_transformer` of params.yaml; folders: "model", "metrics" (a file) and "plots"."""
    params = read_parameters(params_path, "train_transformer", TrainTransformerParameters)
    clean = read_parameters(params_path, "prepare", PrepareParameters).clean
    parts = read_parts(data, clean)
    check_pytorch()
    # Late: this imports PyTorch, which may be missing, and takes seconds; wrong inputs are reported at once.
    from callcenterai.transformer.model import train_transformer

    train_transformer(parts, params, clean, folders)


def check_pytorch() -> None:
    """Raise a UserError when a library that only the training of transformers needs is not installed."""
    missing = [name for name in ("torch", "transformers", "onnx") if importlib.util.find_spec(name) is None]
    if missing:
        raise UserError(
            f"{', '.join(missing)} not installed: `python setup_mlops.py transformer` installs what it needs"
        )
