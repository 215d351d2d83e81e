"""The pipelines' stages in a folder of their own, for the benchmarks: data/, tfidf/, transformer/ and policy.json."""

from pathlib import Path
from typing import Any

from process_cost import ROOT


def write_params(folder: Path, source: Path = ROOT / "params.yaml", **changes: dict[str, Any]) -> Path:
    """Write a copy of params.yaml with changes by section, whose only tickets are those of prepare's; return it."""
    import yaml

    params = yaml.safe_load(source.read_text(encoding="utf-8"))
    params["prepare"] |= {"test_input": None, "feedback_input": None}
    for section, changed in changes.items():
        params[section] |= changed
    path = folder / "params.yaml"
    path.write_text(yaml.safe_dump(params), encoding="utf-8")
    return path


def commands(folder: Path) -> dict[str, list[str]]:
    """Return the arguments of Python for each stage, by script; each writes its figures to a .json file of its name."""
    data, models = ["--data", str(folder / "data")], [str(folder / kind) for kind in ("tfidf", "transformer")]
    found = {"prepare_data.py": ["--output", str(folder / "data"), "--metrics", str(folder / "prepare.json")]}
    for model in models:
        outputs = ["--model", model, "--metrics", f"{model}.json", "--plots", f"{model}_plots"]
        found[f"train_{Path(model).name}.py"] = [*data, *outputs]
    policy = ["--policy", str(folder / "policy.json"), "--metrics", str(folder / "routing.json")]
    found["fit_routing.py"] = [*models, *data, *policy]
    params = ["--params", str(folder / "params.yaml")]
    return {name: [str(ROOT / "scripts" / name), *arguments, *params] for name, arguments in found.items()}


def tracked_in(folder: Path) -> dict[str, str]:
    """Return the variable that has MLflow keep its runs in the folder."""
    return {"MLFLOW_TRACKING_URI": f"sqlite:///{folder.as_posix()}/mlflow.db"}
