"""The quick look: the pipeline's files fit together, and a model trained on a handful of tickets answers."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
SCRIPTS = (
    "prepare_data",
    "train_tfidf",
    "train_transformer",
    "compare_models",
    "fit_routing",
    "export_feedback",
    "log_run",
    "make_sample_tickets",
    "mlflow_registry",
    "mlflow_users",
    "migrate_mlflow",
    "predict_batch",
    "make_secrets",
    "security_scan",
    "model_report",
    "check_image",
    "deploy_staging",
    "smoke_test",
    "notify",
)


# Stages that are not called as their script.
SCRIPT_OF = {"prepare": "prepare_data", "compare": "compare_models"}


def test_dvc_yaml_declares_every_module_that_a_stage_imports():
    """A script that imports an undeclared sibling would not be run again when that sibling changes."""
    files = (ROOT / "dvc.yaml", ROOT / "transformer" / "dvc.yaml")
    stages = {name: stage for file in files for name, stage in yaml.safe_load(file.read_text())["stages"].items()}
    for name, stage in stages.items():
        script = SCRIPT_OF.get(name, name)
        declared = {Path(path).stem for path in stage["deps"] if Path(path).suffix == ".py"}
        assert sorted(imported_siblings(script)) == sorted(declared)


def imported_siblings(script: str) -> set[str]:
    """Return the script and all modules of scripts/ that it imports, directly or through another."""
    seen, waiting = set(), [script]
    while waiting:
        module = waiting.pop()
        if module in seen:
            continue
        seen.add(module)
        source = (ROOT / "scripts" / f"{module}.py").read_text(encoding="utf-8")
        names = re.findall(r"^\s*(?:from|import) (\w+)", source, re.MULTILINE)
        waiting += [name for name in names if (ROOT / "scripts" / f"{name}.py").is_file()]
    return seen


def test_dvc_yaml_declares_every_parameter_that_a_script_reads():
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    for stage, script in {"prepare": "prepare_data", "train_tfidf": "train_tfidf"}.items():
        source = (ROOT / "scripts" / f"{script}.py").read_text(encoding="utf-8")
        assert re.findall(r'read_parameters\(\w+, "(\w+)"', source) == stages[stage]["params"]


def test_params_yaml_has_exactly_the_known_parameters():
    from parameters import (
        FitRoutingParameters,
        PrepareParameters,
        RegistryParameters,
        TrainTfidfParameters,
        TrainTransformerParameters,
    )

    content = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    assert list(content["prepare"]) == list(PrepareParameters.model_fields)
    assert list(content["train_tfidf"]) == list(TrainTfidfParameters.model_fields)
    assert list(content["train_transformer"]) == list(TrainTransformerParameters.model_fields)
    assert list(content["fit_routing"]) == list(FitRoutingParameters.model_fields)
    assert list(content["registry"]) == list(RegistryParameters.model_fields)


def test_no_credentials_and_no_remote_in_the_shared_dvc_config():
    config = (ROOT / ".dvc" / "config").read_text()
    assert "analytics = false" in config
    assert "remote" not in config


@pytest.mark.parametrize("script", SCRIPTS)
def test_help_answers_without_a_heavy_import(script):
    code = (
        "import runpy, sys; sys.path.insert(0, 'scripts'); sys.argv = [sys.argv[1], '--help']\n"
        "try: runpy.run_path(sys.argv[0], run_name='__main__')\n"
        "except SystemExit as stop: assert stop.code == 0\n"
        "heavy = {'numpy', 'pandas', 'sklearn', 'mlflow', 'pydantic'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, f"scripts/{script}.py"], cwd=ROOT, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert f"usage: {script}.py" in done.stdout
