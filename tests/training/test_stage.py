"""The stages that train: what they report before they train."""

import subprocess
import sys
from pathlib import Path

import pytest

from support.processes import environment
from support.repository import REPOSITORY, SCRIPTS, write_params

HEAVY = "mlflow", "onnxruntime", "pandas", "scipy", "sklearn", "torch"


def run_without_heavy_libraries(folder, command, *arguments):
    """Run a command with HEAVY made unimportable; return the exit code and what it wrote to stderr."""
    blocked = f"sys.modules.update(dict.fromkeys({HEAVY!r}))"
    code = f"import sys; sys.path[0] = {str(SCRIPTS)!r}; {blocked}; import {command}; sys.exit({command}.main())"
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=folder, env=environment(), capture_output=True, text=True
    )
    return done.returncode, done.stderr


@pytest.mark.parametrize("command", ["train_tfidf", "train_transformer"])
def test_a_wrong_parameter_is_reported_before_a_heavy_import(tmp_path, command):
    """Importing scikit-learn, MLflow or PyTorch takes seconds."""
    params = write_params(tmp_path / "params.yaml", **{command: {"refit": "perhaps"}})
    code, errors = run_without_heavy_libraries(REPOSITORY, command, "--params", str(params))
    expected = f"error: {params}: {command}.refit: input should be a valid boolean (it is 'perhaps')\n"
    assert (2, expected) == (code, errors)


@pytest.mark.parametrize("command", ["train_tfidf", "train_transformer"])
def test_a_missing_part_is_reported_before_a_heavy_import(tmp_path, command):
    write_params(tmp_path / "params.yaml")
    code, errors = run_without_heavy_libraries(tmp_path, command, "--data", "nowhere")
    missing = Path("nowhere") / "train.csv"
    assert (2, f"error: {missing}: no such file; make it with `dvc repro prepare`\n") == (code, errors)
