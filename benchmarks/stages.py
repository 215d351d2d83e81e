"""The stages of both pipelines, run in another folder, for the benchmarks."""

from pathlib import Path
from typing import Any

from _path import ROOT


def write_params(folder: Path, source: Path = ROOT / "params.yaml", **changes: dict[str, Any]) -> Path:
    """Write a copy of params.yaml with changes by section and without official test and feedback; return its path."""
    import yaml

    params = yaml.safe_load(source.read_text(encoding="utf-8"))
    params["prepare"] |= {"test_input": None, "feedback_input": None}
    for section, changed in changes.items():
        params[section] |= changed
    path = folder / "params.yaml"
    path.write_text(yaml.safe_dump(params), encoding="utf-8")
    return path


def stage_commands(folder: Path) -> dict[str, list[str]]:
    """Return the arguments of Python that run each stage in folder, by script.

    Outputs are data/, tfidf/, transformer/, policy.json, and a .json file with the figures of each stage.
    """
    data, models = ["--data", str(folder / "data")], [str(folder / kind) for kind in ("tfidf", "transformer")]
    found = {"prepare_data.py": ["--output", str(folder / "data"), "--metrics", str(folder / "prepare.json")]}
    for model in models:
        outputs = ["--model", model, "--metrics", f"{model}.json", "--plots", f"{model}_plots"]
        found[f"train_{Path(model).name}.py"] = [*data, *outputs]
    policy = ["--policy", str(folder / "policy.json"), "--metrics", str(folder / "routing.json")]
    found["fit_routing.py"] = [*models, *data, *policy]
    params = ["--params", str(folder / "params.yaml")]
    return {name: [str(ROOT / "scripts" / name), *arguments, *params] for name, arguments in found.items()}


def tracking_variables(folder: Path) -> dict[str, str]:
    """Return the environment variable that makes MLflow keep its runs in the folder."""
    return {"MLFLOW_TRACKING_URI": f"sqlite:///{folder.as_posix()}/mlflow.db"}
