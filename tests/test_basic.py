"""The quick look: dvc.yaml, params.yaml and the configuration fit the code, and every command has its --help."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.imports import all_imported_files
from support.repository import REPOSITORY, SCRIPTS

# Stages whose names are not those of their scripts.
SCRIPT_OF = {"prepare": "prepare_data", "compare": "compare_models"}
# The folders whose modules with a main(argv) are commands.
COMMAND_FOLDERS = (SCRIPTS, REPOSITORY / "benchmarks")
COMMANDS = [
    path
    for folder in COMMAND_FOLDERS
    for path in sorted(folder.glob("*.py"))
    if "def main(argv" in path.read_text(encoding="utf-8")
]


def stages() -> Iterator[tuple[str, dict[str, Any], Path]]:
    """Yield the name, the definition and the script of each stage of both pipelines."""
    for file in (REPOSITORY / "dvc.yaml", REPOSITORY / "transformer" / "dvc.yaml"):
        for name, stage in yaml.safe_load(file.read_text(encoding="utf-8"))["stages"].items():
            yield name, stage, SCRIPTS / f"{SCRIPT_OF.get(name, name)}.py"


@pytest.mark.parametrize(
    "name, stage, script", list(stages()), ids=lambda value: value if isinstance(value, str) else ""
)
def test_dvc_yaml_declares_every_module_that_a_stage_imports(name, stage, script):
    """A stage that imports an undeclared module would not run again when that module changes."""
    declared = {(REPOSITORY / path.removeprefix("../")).resolve() for path in stage["deps"] if "$" not in path}
    missing = [path for path in all_imported_files(script) if not {path, *path.parents} & declared]
    assert [] == sorted(str(path.relative_to(REPOSITORY)) for path in missing if path.name != "__init__.py")


@pytest.mark.parametrize(
    "name, stage, script", list(stages()), ids=lambda value: value if isinstance(value, str) else ""
)
def test_dvc_yaml_declares_every_parameter_section_that_a_stage_reads(name, stage, script):
    """compare declares none: the module that it shares with fit_routing reads that stage's section."""
    declared = [section.partition(".")[0] for each in stage.get("params", []) for section in sections_in(each)]
    read = {section for path in all_imported_files(script) for section in sections_read(path)}
    assert name == "compare" or set(declared) == read


def sections_in(declared: str | dict[str, list[str]]) -> list[str]:
    """Return the sections in an entry of `params`: a section's name, or those of another file."""
    return [declared] if isinstance(declared, str) else [name for names in declared.values() for name in names]


def sections_read(path: Path) -> Iterator[str]:
    """Yield the sections that a module passes to read_parameters."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("read_parameters"):
            yield from (argument.value for argument in node.args if isinstance(argument, ast.Constant))


def test_params_yaml_has_exactly_the_known_parameters():
    from callcenterai.core.params import (
        FitRoutingParameters,
        PrepareParameters,
        RegistryParameters,
        TrainTfidfParameters,
        TrainTransformerParameters,
    )

    content = yaml.safe_load((REPOSITORY / "params.yaml").read_text(encoding="utf-8"))
    assert set(content["prepare"]) == set(PrepareParameters.model_fields)
    assert set(content["train_tfidf"]) == set(TrainTfidfParameters.model_fields)
    assert set(content["train_transformer"]) == set(TrainTransformerParameters.model_fields)
    assert set(content["fit_routing"]) == set(FitRoutingParameters.model_fields)
    assert set(content["registry"]) == set(RegistryParameters.model_fields)


def test_no_credentials_and_no_remote_in_the_shared_dvc_config():
    config = (REPOSITORY / ".dvc" / "config").read_text(encoding="utf-8")
    assert "analytics = false" in config
    assert "remote" not in config


@pytest.mark.parametrize("command", COMMANDS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_help_answers_without_a_heavy_import(command):
    """--help of every command prints its docstring, at once and with the standard library alone."""
    code = (
        "import os, runpy, sys; sys.argv = [sys.argv[1], '--help']; sys.path[0] = os.path.dirname(sys.argv[0])\n"
        "try: runpy.run_path(sys.argv[0], run_name='__main__')\n"
        "except SystemExit as stop: assert stop.code == 0\n"
        "heavy = {'numpy', 'pandas', 'sklearn', 'mlflow', 'pydantic'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code, str(command)], cwd=REPOSITORY, capture_output=True, text=True)
    assert (0, "") == (done.returncode, done.stderr)
    assert f"usage: {command.name}" in done.stdout
    first_line = ast.get_docstring(ast.parse(command.read_text(encoding="utf-8"))).splitlines()[0]
    assert first_line in done.stdout
