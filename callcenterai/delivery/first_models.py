"""A registry that has no model in Production yet gets one that was trained before, the way every version goes."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from callcenterai.core.cli import UserError
from callcenterai.delivery.host import Failed, say

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
# Seconds for logging or promoting a model.
LONG = 900


class FirstModel(NamedTuple):
    """A trained model for a registry that has none: its kind, and where the training left it."""

    kind: str
    model: Path
    metrics: Path
    plots: Path


def first_model(folder: Path) -> FirstModel:
    """Return a model of models/, with its metrics and plots beside that; a UserError when they are not there."""
    from callcenterai.artifact.folder import kind_named, read_metadata

    kind, root = kind_named(read_metadata(folder)["name"]), folder.resolve().parents[1]
    found = FirstModel(kind, folder, root / "metrics" / f"{folder.name}.json", root / "plots" / folder.name)
    if not found.metrics.is_file():
        raise UserError(f"{found.metrics}: no such file; the training that made {folder} writes it")
    return found


def promote_first(model: FirstModel, judging: list[str], registry: Mapping[str, str], by: str) -> None:
    """Put a model into Production when the registry has none of its kind; a Failed when a gate refuses it.

    registry: the variables that say where it is and who asks it.
    """
    kind = ["--model", model.kind]
    versions = json.loads(script(registry, "mlflow_registry.py", "list", *kind, "--json"))
    if any(version["stage"] == "Production" for version in versions):
        say(f"{model.kind} is in Production already")
        return
    places = {"--model": model.model, "--metrics": model.metrics, "--plots": model.plots}
    logged = script(registry, "log_run.py", *(str(part) for pair in places.items() for part in pair))
    run_id = logged.split()[-1]
    for command, more in (("register", ["--run-id", run_id]), ("staging", []), ("production", [])):
        why = ["--reason", "the first model of staging", "--by", by]
        say(script(registry, "mlflow_registry.py", command, *kind, *more, *judging, *why).strip())


def script(registry: Mapping[str, str], name: str, *arguments: str) -> str:
    """Run a script of ours with a registry and return what it printed; a Failed with its last line otherwise."""
    command = [sys.executable, str(SCRIPTS / name), *arguments]
    try:
        done = subprocess.run(command, env=os.environ | dict(registry), capture_output=True, text=True, timeout=LONG)
    except subprocess.TimeoutExpired:
        raise Failed(f"{name} {arguments[0]} was not done within {LONG} s") from None
    if done.returncode:
        raise Failed(f"{name} {arguments[0]} failed ({done.returncode}): {' / '.join(done.stderr.splitlines()[-3:])}")
    return done.stdout
