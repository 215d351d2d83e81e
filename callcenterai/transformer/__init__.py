"""The small transformer: network, training and export to ONNX."""

import importlib.util

from callcenterai.core.cli import UserError


def check_pytorch() -> None:
    """Raise a UserError when a library that only the training of transformers needs is not installed."""
    missing = [name for name in ("torch", "transformers", "onnx") if importlib.util.find_spec(name) is None]
    if missing:
        raise UserError(
            f"{', '.join(missing)} not installed: `python setup_mlops.py transformer` installs what it needs"
        )
