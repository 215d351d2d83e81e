"""The stages that train: what they report before they train."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import train_tfidf
from support.processes import environment
from support.repository import REPOSITORY, SCRIPTS, write_params
from support.tickets import invent

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


@pytest.mark.parametrize("tickets, few", [(150, True), (600, False)])
def test_figures_of_few_test_tickets_come_with_a_warning(prepare, monkeypatch, capsys, tickets, few):
    assert prepare.run(prepare.write([[f"{text} {label * 4}", label] for text, label in invent(tickets)])) == 0
    folder = prepare.folder
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{(folder / 'mlflow.db').as_posix()}")
    write_params(
        prepare.params, train_tfidf={"bootstrap_samples": 100, "features": "words", "class_spread": 0.0, "C": 1.0}
    )
    places = {"--model": "model", "--metrics": "m.json", "--plots": "plots"}
    outputs = [text for option, name in places.items() for text in (option, str(folder / name))]
    capsys.readouterr()
    assert train_tfidf.main(["--params", str(prepare.params), "--data", str(prepare.output), *outputs]) == 0
    said = re.findall(r"^warning: (figures of so few tickets say little: .*)$", capsys.readouterr().err, re.MULTILINE)
    metrics = json.loads((folder / "m.json").read_text(encoding="utf-8"))
    assert said == metrics.get("warnings", []) and len(said) == few
    if few:
        count, low, high = re.search(
            r"by (\d+) test tickets, accuracy is between ([\d.]+)% and ([\d.]+)%", said[0]
        ).groups()
        assert int(count) == metrics["test"]["tickets"] < 100
        assert float(low) < 100 * metrics["test"]["accuracy"] <= float(high) <= 100
