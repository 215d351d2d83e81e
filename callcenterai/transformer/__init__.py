"""The small transformer: network, training and export to ONNX."""

import importlib.util
from pathlib import Path

from callcenterai.core.cli import UserError


def check_pytorch() -> None:
    """Raise a UserError when a library that only the training of transformers needs is not installed."""
    missing = [name for name in ("torch", "transformers", "onnx") if importlib.util.find_spec(name) is None]
    if missing:
        raise UserError(
            f"{', '.join(missing)} not installed: `python setup_mlops.py transformer` installs what it needs"
        )


def run_training_stage(params: Path, data: Path, folders: dict[str, Path]) -> None:
    """Train with the section `train_transformer` of params; folders as for training.stage.run_training.

    Raises a UserError when PyTorch is not installed.
    """
    check_pytorch()
    # Late: this module imports PyTorch.
    from callcenterai.transformer.model import train_transformer

    train_transformer(params, data, folders)
