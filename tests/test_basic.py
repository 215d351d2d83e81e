"""The quick look: the pipeline's files fit together, and a model trained on a handful of tickets answers."""

import ast
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
    """A stage that imports an undeclared module would not run again when that module changes."""
    files = (ROOT / "dvc.yaml", ROOT / "transformer" / "dvc.yaml")
    stages = {name: stage for file in files for name, stage in yaml.safe_load(file.read_text())["stages"].items()}
    for name, stage in stages.items():
        declared = [(ROOT / path.removeprefix("../")).resolve() for path in stage["deps"] if "$" not in path]
        script = ROOT / "scripts" / f"{SCRIPT_OF.get(name, name)}.py"
        missing = [path for path in imported_modules(script) if not {path, *path.parents} & set(declared)]
        assert [] == missing, f"stage {name}"


def imported_modules(script: Path) -> set[Path]:
    """Return a script and the modules of callcenterai that it imports, directly or through another."""
    seen, waiting = set(), [script]
    while waiting:
        module = waiting.pop()
        if module in seen:
            continue
        seen.add(module)
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("callcenterai"):
                waiting += module_files(node.module, [each.name for each in node.names])
    return seen


def module_files(package: str, names: list[str]) -> list[Path]:
    """Return the files of `from package import names`, of which each is a module or something in the package."""
    folder = ROOT / package.replace(".", "/")
    inner = [folder / f"{name}.py" for name in names]
    return [path for path in (folder.with_suffix(".py"), *inner) if path.is_file()]


def test_dvc_yaml_declares_every_parameter_that_a_script_reads():
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    for stage, script in {"prepare": "prepare_data", "train_tfidf": "train_tfidf"}.items():
        sources = [path.read_text(encoding="utf-8") for path in imported_modules(ROOT / "scripts" / f"{script}.py")]
        assert re.findall(r'read_parameters\(\w+, "(\w+)"', "\n".join(sources)) == stages[stage]["params"]


def test_params_yaml_has_exactly_the_known_parameters():
    from callcenterai.core.params import (
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
