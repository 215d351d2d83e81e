"""setup_mlops.py and DVC in a copy of the repository without .git, which is what a release contains."""

import ast
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import setup_mlops
from callcenterai.artifact.folder import load_model
from callcenterai.batch.partitions import NAMES, PACKED
from support.clone import PRINTED, make_clone, trained_clone
from support.processes import environment, run, run_killed, wait_until

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """One trained copy for all tests of this file, each of which can also run alone."""
    folder = tmp_path_factory.mktemp("pipeline") / "copy"
    trained_clone(tmp_path_factory).copied(folder)
    (folder / ".git").rename(folder.parent / "git")
    (folder / ".dvc" / "config.local").write_text("[core]\n    no_scm = true\n")
    return folder


@pytest.mark.slow
def test_a_second_repro_fails_while_one_is_running_and_does_not_harm_it(copy):
    command, log = [sys.executable, "-m", "dvc", "repro"], copy.parent / "repro.txt"
    together = {"cwd": copy, "env": environment(), "text": True}
    with log.open("w") as file, subprocess.Popen([*command, "-f"], stdout=file, stderr=file, **together) as first:
        wait_until(lambda: "Running stage 'train_tfidf'" in log.read_text(), 60)
        second = subprocess.run(command, capture_output=True, **together)
        assert first.poll() is None, "the first was over before the second could meet it"
    assert second.returncode != 0
    assert "is busy, it is being blocked by" in second.stderr
    assert f"(PID {first.pid})" in second.stderr and "Traceback" not in second.stderr
    assert first.returncode == 0, log.read_text()
    figures = json.loads((copy / "metrics" / "tfidf.json").read_text())
    assert load_model(copy / "models" / "tfidf").classes_.tolist() == sorted(figures["test"]["per_class"])
    assert "up to date" in run(copy, "-m", "dvc", "status").stdout


@pytest.mark.slow
def test_repro_makes_a_model_and_a_second_repro_runs_nothing(copy, tmp_path_factory):
    assert "Running stage 'train_tfidf'" in trained_clone(tmp_path_factory).text(PRINTED)
    # Of some 50 test tickets; the largest class has a quarter of them.
    test = json.loads((copy / "metrics" / "tfidf.json").read_text())["test"]
    assert test["accuracy"] > 2 * test["majority_accuracy"]
    assert (copy / "mlflow.db").is_file()
    assert "up to date" in run(copy, "-m", "dvc", "repro").stdout
    assert "accuracy" in run(copy, "-m", "dvc", "metrics", "show").stdout
    assert "train_tfidf" in run(copy, "-m", "dvc", "dag").stdout


@pytest.mark.slow
def test_a_first_repro_makes_the_sample_where_there_are_no_tickets(tmp_path):
    clone = make_clone(tmp_path / "clone")
    (clone.folder / "data" / "raw" / "tickets.csv").unlink()
    assert "12000 rows in" in clone.command("dvc repro prepare")
    assert clone.git("status", "--porcelain") == "", "the committed locks have this sample"


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
def test_a_killed_repro_leaves_the_last_model_and_the_next_one_completes(copy):
    run(copy, "-m", "dvc", "repro")
    before = (copy / "models" / "tfidf" / "model.skops").read_bytes()
    run(copy, "scripts/set_parameters.py", "train_tfidf.C=2.0")
    for seconds in (1.5, 5):
        process = subprocess.Popen(
            [sys.executable, "-m", "dvc", "repro"],
            cwd=copy,
            env=environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        time.sleep(seconds)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        assert (copy / "models" / "tfidf" / "model.skops").read_bytes() == before
    run(copy, "-m", "dvc", "repro")
    metadata = json.loads((copy / "models" / "tfidf" / "metadata.json").read_text())
    assert metadata["parameters"]["C"] == 2.0


def test_setup_reports_a_missing_file_before_it_installs_anything(tmp_path, capsys):
    arguments = ["--venv", str(tmp_path / "venv"), "--input", str(tmp_path / "nowhere.csv")]
    assert setup_mlops.main(arguments) == 2
    assert capsys.readouterr().err == f"error: {tmp_path / 'nowhere.csv'}: no such file\n"
    assert not (tmp_path / "venv").exists()


def test_setup_refuses_a_python_that_is_too_old():
    message = setup_mlops.old_python_message((3, 9, 2), "/usr/bin/python3")
    assert message.startswith("error: Python 3.11 or later is needed, and /usr/bin/python3 is 3.9.2")


@pytest.mark.parametrize("version", ["(3, 6, 9)", "(3, 8, 20)", "(3, 10, 12)"])
def test_an_old_python_gets_one_line_and_not_its_own_syntax_error(version):
    """The file has only syntax that Python 3.6 knows, and stops before what such a Python cannot evaluate."""
    source = (ROOT / "setup_mlops.py").read_text(encoding="utf-8")
    ast.parse(source, feature_version=(3, 6))
    assert "from __future__" not in source
    code = "import sys, runpy; sys.version_info = VERSION; runpy.run_path('setup_mlops.py', run_name='__main__')"
    done = subprocess.run(
        [sys.executable, "-c", code.replace("VERSION", version)], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("error: Python 3.11 or later is needed")


def test_setup_uses_the_standard_library_only():
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(ROOT / "setup_mlops.py"), "--help"], capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "python setup_mlops.py test" in done.stdout


def test_metrics_table_shows_intervals_and_a_dash_for_missing_metrics():
    part = {"accuracy": 0.9, "accuracy_ci95": {"low": 0.88, "high": 0.92}, "auto_route": {"accuracy": None}}
    table = setup_mlops.metrics_table({"rows_in": 10, "rows": {"test": 10}}, {"test": part})
    rows = {line[:8]: line.split() for line in table.splitlines() if line}
    assert rows["accuracy"] and "90.0%" in table and "(88.0 to 92.0)" in table
    assert [line for line in table.splitlines() if line.startswith("auto-route: accuracy")][0].split()[-1] == "-"


def test_dvc_sees_the_pointer_to_the_tickets_despite_gitignore(tmp_path):
    """DVC ignores what git ignores: a pattern that hides the pointer would leave the tickets out of every push."""
    for name in (".gitignore", ".dvc/config", ".dvc/.gitignore"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "data" / "raw").mkdir(parents=True)
    pointer = f"outs:\n- md5: {'a' * 32}\n  size: 1\n  hash: md5\n  path: tickets.csv\n"
    (tmp_path / "data" / "raw" / "tickets.csv.dvc").write_text(pointer, encoding="utf-8")
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    assert run(tmp_path, "-m", "dvc", "list", ".", "data/raw", "--dvc-only").stdout.split() == ["tickets.csv"]


def test_dvc_ignores_the_temporary_files_of_a_killed_script(tmp_path):
    """plots/tfidf is a folder as output: without the pattern, an incomplete file would be pushed with the plots."""
    for name in (".dvcignore", ".dvc/config"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    left = write_interrupted(tmp_path / "plots" / "tfidf" / "confusion.csv").relative_to(tmp_path)
    kept = left.with_name("confusion.csv")
    checked = run(tmp_path, "-m", "dvc", "check-ignore", "--details", "--non-matching", str(left), str(kept))
    assert [line.split("\t")[0] for line in checked.stdout.splitlines()] == [".dvcignore:2:.*.tmp", "::"]


def write_interrupted(target: Path) -> Path:
    """Return the temporary file that a process leaves when it is killed before it can rename it."""
    assert run_killed(
        0,
        "from pathlib import Path; from callcenterai.core import files; files.write_bytes(Path(sys.argv[1]), b'')",
        str(target),
    )
    return next(target.parent.iterdir())


def test_git_ignores_tickets_of_every_kind_that_prepare_reads():
    kinds = [ending.removeprefix(".") for ending in (*NAMES, *PACKED)] + ["txt"]
    ignored = (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
    assert [kind for kind in kinds if f"/data/raw/*.{kind}" not in ignored] == []
