"""Set up and run the pipeline on a machine that has only Python 3.11 or later (and git).

    python setup_mlops.py                       environment, sample tickets, pipeline, metrics
    python setup_mlops.py --input tickets.csv --text-column text --label-column category
    python setup_mlops.py test                  formatting, lint, security patterns, tests with coverage
    python setup_mlops.py test -k prepare       the same, with arguments for pytest and without the coverage gate

Run it again at any time: what is already done is skipped. Everything it installs goes to .venv beside this file.
"""

# The standard library only, and nothing that Python 3.8 cannot parse: older Pythons must get as far as being refused.
from __future__ import annotations

import argparse
import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parent
OLDEST_PYTHON = (3, 11)
# uv installs the requirements in seconds where pip takes minutes, and checks the same hashes.
UV = "uv==0.13.9"
REQUIREMENTS = "requirements-mlops.txt"
SAMPLE = "data/raw/tickets.csv"
NO_TEST_SPLIT = "data/raw/none"
NEEDED = (REQUIREMENTS, "params.yaml", "dvc.yaml", "scripts/prepare_data.py")
CHECKED_BY_BANDIT = ("scripts", "setup_mlops.py", "services", "benchmarks")
# Per cent of lines and branches that the whole test suite must run.
MINIMUM_COVERAGE = 85


class UserError(Exception):
    """Something the user can mend; its one-line message says what is wrong and how."""


class Venv(NamedTuple):
    """A virtual environment of this project."""

    folder: Path

    @property
    def programs(self) -> Path:
        return self.folder / ("Scripts" if os.name == "nt" else "bin")

    @property
    def python(self) -> Path:
        return self.programs / ("python.exe" if os.name == "nt" else "python")

    @property
    def record(self) -> Path:
        """What is installed; empty while installing, absent when somebody else made the environment."""
        return self.folder / "installed.json"


def main(argv: list[str] | None = None) -> int:
    """Do what the command line says; return the exit code."""
    if sys.version_info < OLDEST_PYTHON:
        print(too_old(sys.version_info[:3], sys.executable), file=sys.stderr)
        return 2
    options = parse(argv)
    try:
        check_files()
        venv = Venv(Path(os.path.abspath(options.venv)))
        return run_checks(venv, options.pytest) if options.command == "test" else set_up(venv, options)
    except (UserError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130


def too_old(version: tuple[int, ...], executable: str) -> str:
    """Return the refusal of a Python that is too old."""
    needed, found = (".".join(map(str, numbers)) for numbers in (OLDEST_PYTHON, version))
    return f"error: Python {needed} or later is needed, and {executable} is {found}: run this with another Python"


def parse(argv: list[str] | None) -> argparse.Namespace:
    """Return the options; all that follows `test` goes to pytest."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--input", metavar="FILE", help="train on your own tickets: .csv, .tsv, .jsonl or .parquet")
    parser.add_argument("--text-column", metavar="COLUMN", help="the column with the ticket's text")
    parser.add_argument("--label-column", metavar="COLUMN", help="the column with its category")
    parser.add_argument("--test-input", metavar="FILE", help="an official test split; default with --input: none")
    parser.add_argument("--venv", metavar="DIR", default=ROOT / ".venv", help="default: .venv beside this file")
    commands = parser.add_subparsers(dest="command", metavar="test")
    # Another prefix character, so that -k and --lf are left to pytest.
    test = commands.add_parser("test", help="run all checks and tests", prefix_chars="\0", add_help=False)
    test.add_argument("pytest", nargs="*")
    return parser.parse_args(argv)


def check_files() -> None:
    """Refuse to run when this file was copied somewhere by itself."""
    missing = [name for name in NEEDED if not (ROOT / name).is_file()]
    if missing:
        raise UserError(f"{ROOT} has no {', '.join(missing)}: this works in a copy of the whole repository only")


def set_up(venv: Venv, options: argparse.Namespace) -> int:
    """Make the environment and run the pipeline; return the exit code of the first command that fails, or 0."""
    parameters = chosen_parameters(options)
    install(venv)
    code = (
        (run(venv, "scripts/set_parameters.py", *parameters) if parameters else 0)
        or make_sample(venv)
        or match_git(venv)
        or run(venv, "-m", "dvc", "repro")
    )
    if code == 0:
        print(report(venv))
    return code


def chosen_parameters(options: argparse.Namespace) -> list[str]:
    """Return what the options change in params.yaml, after checking that the files are there."""
    chosen = {"text_column": options.text_column, "label_column": options.label_column}
    if options.input is not None:
        # A test split belongs to its data set: new data must not be scored on the old one.
        chosen.update(input=stored_path(options.input), test_input=NO_TEST_SPLIT)
    if options.test_input not in (None, "none"):
        chosen["test_input"] = stored_path(options.test_input)
    elif options.test_input == "none":
        chosen["test_input"] = NO_TEST_SPLIT
    return [f"prepare.{name}={value}" for name, value in chosen.items() if value is not None]


def stored_path(name: str) -> str:
    """Return a file as params.yaml names it: from the repository's root, or absolute when they have nothing in common.

    `name` is relative to the current folder, which need not be the repository's.
    """
    path = Path(os.path.abspath(name))
    if not path.is_file() and path != ROOT / SAMPLE:
        raise UserError(f"{name}: no such file")
    # Without this a file on another branch of the tree would become a long ../../.. that breaks when either moves.
    near = path.parts[:2] == ROOT.parts[:2]
    return Path(os.path.relpath(path, ROOT)).as_posix() if near else path.as_posix()


def install(venv: Venv) -> None:
    """Make the environment hold exactly the required packages; an installation that was cut short is done anew."""
    wanted = {
        "requirements_sha256": hashlib.sha256((ROOT / REQUIREMENTS).read_bytes()).hexdigest(),
        "python": ".".join(map(str, sys.version_info[:2])),
        "folder": str(venv.folder),  # programs in an environment hold its path, so a moved one is not usable
    }
    record = read_json(venv.record)
    works = venv_version(venv) == wanted["python"]
    if works and record == wanted:
        say(f"{venv.folder}: up to date, nothing to install")
        return
    if importlib.util.find_spec("venv") is None or importlib.util.find_spec("ensurepip") is None:
        raise UserError(f"Python's venv is missing: apt install python3-venv (or python{wanted['python']}-venv)")
    started = time.monotonic()
    if not works or (record is not None and record.get("folder") != wanted["folder"]):
        create(venv)
    venv.record.write_text("{}")
    install_packages(venv)
    venv.record.write_text(json.dumps(wanted, indent=2) + "\n")
    say(f"{venv.folder}: installed in {time.monotonic() - started:.0f} s")


def venv_version(venv: Venv) -> str:
    """Return the environment's Python version, such as 3.11, or nothing when it has no Python that runs."""
    try:
        code = "import sys; print('%d.%d' % sys.version_info[:2])"
        return subprocess.run([venv.python, "-c", code], capture_output=True, text=True, check=False).stdout.strip()
    except OSError:
        return ""


def create(venv: Venv) -> None:
    """Make an empty environment in place of whatever unusable one is there."""
    if venv.folder.exists():
        ours = venv.record.exists() or (venv.folder / "pyvenv.cfg").exists()
        if not ours and any(venv.folder.iterdir()):
            raise UserError(f"{venv.folder} is not a virtual environment: move it away or choose another --venv")
        say(f"{venv.folder}: not usable, making it anew")
        shutil.rmtree(venv.folder)
    venv.folder.mkdir(parents=True)
    venv.record.write_text("{}")
    if try_command([sys.executable, "-m", "venv", "--without-pip", venv.folder], venv):
        raise UserError(f"{venv.folder}: the virtual environment could not be made; see above")


def install_packages(venv: Venv) -> None:
    """Install the requirements with uv, or with pip where uv cannot be had."""
    python = str(venv.python)
    locked = ["install", "--quiet", "--require-hashes", "-r", str(ROOT / REQUIREMENTS)]
    pip = [python, "-m", "pip", "--disable-pip-version-check"]
    say(f"{venv.folder}: installing the packages of {REQUIREMENTS}; the first time this downloads several 100 MB")
    if try_command([python, "-m", "ensurepip", "--upgrade", "--default-pip"], venv):
        raise UserError("pip could not be put into the environment; see above")
    if not try_command([*pip, "install", "--quiet", "--retries", "1", UV], venv):
        if not try_command([python, "-m", "uv", "pip", *locked, "--compile-bytecode", "--python", python], venv):
            return
    say("uv could not install them; trying pip, which takes some minutes")
    if try_command([*pip, *locked, "--retries", "1"], venv):
        raise UserError("the packages could not be installed (see above): check the network, then run this again")


def make_sample(venv: Venv) -> int:
    """Write the sample tickets when the pipeline reads them and they are not there yet; return the exit code."""
    if (ROOT / SAMPLE).exists():
        return 0
    command = [venv.python, "scripts/set_parameters.py", "prepare.input"]
    shown = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    if shown.returncode or shown.stdout.strip() != SAMPLE:
        return shown.returncode
    return run(venv, "scripts/make_sample_tickets.py", SAMPLE)


def match_git(venv: Venv) -> int:
    """Tell DVC whether there is a git repository, which it would otherwise insist on; return the exit code."""
    local = ROOT / ".dvc" / "config.local"
    told = local.exists() and "no_scm" in local.read_text(encoding="utf-8")
    has_git = (ROOT / ".git").exists()
    if not has_git:
        say("no git repository here: `dvc repro` and `dvc metrics show` work, `dvc exp run` and `metrics diff` do not")
    if told != has_git:
        return 0
    return run(
        venv,
        "-m",
        "dvc",
        "config",
        "--local",
        *(["--unset"] if told else []),
        "core.no_scm",
        *([] if told else ["true"]),
    )


def run(venv: Venv, *arguments: str, stdout: int = 2) -> int:
    """Run the environment's Python on something in the repository's root; return its exit code.

    All it prints goes to stderr unless it is what was asked for: stdout is for this script's results.
    """
    done = subprocess.run([venv.python, *arguments], cwd=ROOT, env=variables(venv), stdout=stdout, check=False)
    return exit_code(done)


def try_command(command: list[Any], venv: Venv) -> int:
    """Run a command that is silent unless it fails, and then show its last lines; return its exit code."""
    done = subprocess.run(command, cwd=ROOT, env=variables(venv), capture_output=True, text=True, check=False)
    if done.returncode:
        for line in (done.stderr.strip() or done.stdout.strip()).splitlines()[-8:]:
            say(f"  {line}")
    return exit_code(done)


def exit_code(done: subprocess.CompletedProcess) -> int:
    """Return a finished command's exit code as a shell would, also when a signal ended it."""
    return done.returncode if done.returncode >= 0 else 128 - done.returncode


def variables(venv: Venv) -> dict[str, str]:
    """Return the environment variables for a command: the stages call `python`, which must be the environment's."""
    ours = {name: value for name, value in os.environ.items() if name != "PYTHONHOME"}
    path = os.pathsep.join([str(venv.programs), os.environ.get("PATH", os.defpath)])
    return ours | {"PATH": path, "VIRTUAL_ENV": str(venv.folder), "DVC_NO_ANALYTICS": "1"}


def report(venv: Venv) -> str:
    """Return the metrics as a table and what to try next."""
    prepared, model = (read_json(ROOT / "metrics" / name) for name in ("prepare.json", "tfidf.json"))
    return f"{metrics_table(prepared or {}, model or {})}\n\n{next_steps(venv)}"


def metrics_table(prepared: dict, model: dict) -> str:
    """Return the figures that matter most, one row each, with 95% intervals where the metrics have them."""
    parts = ("validation", "test")
    sizes = prepared.get("rows", {})
    rows = [("", *parts), ("tickets", *(f"{sizes[part]:,}" if part in sizes else "-" for part in parts))]
    for title, *keys in (
        ("accuracy", "accuracy"),
        ("macro F1", "macro_f1"),
        ("weighted F1", "weighted_f1"),
        ("accuracy without near-duplicates", "accuracy_without_near_duplicates"),
        ("accuracy of the largest class alone", "majority_accuracy"),
        ("expected calibration error (ECE)", "ece"),
        ("auto-route: share of tickets", "auto_route", "coverage"),
        ("auto-route: accuracy", "auto_route", "accuracy"),
    ):
        rows.append((title, *(cell(model.get(part, {}), keys) for part in parts)))
    widths = [max(map(len, column)) for column in zip(*rows)]
    lines = ["  ".join(text.ljust(width) for text, width in zip(row, widths)).rstrip() for row in rows]
    counts = ", ".join(f"{size:,} {part}" for part, size in sizes.items())
    return "\n".join([f"{prepared.get('rows_in', 0):,} tickets read: {counts}", "", *lines])


def cell(metrics: dict, keys: list[str]) -> str:
    """Return one figure in per cent, with its interval if there is one."""
    value: Any = metrics
    for key in keys:
        value = (value or {}).get(key)
    if value is None:
        return "-"
    interval = metrics.get(f"{keys[-1]}_ci95") if len(keys) == 1 else None
    return f"{100 * value:.1f}%" + (
        f" ({100 * interval['low']:.1f} to {100 * interval['high']:.1f})" if interval else ""
    )


def next_steps(venv: Venv) -> str:
    """Return commands to try next, as they are typed in the repository's root on this system."""
    folder = venv.programs.relative_to(ROOT) if venv.programs.is_relative_to(ROOT) else venv.programs
    dvc, mlflow = folder / "dvc", folder / "mlflow"
    change = f"{dvc} exp run -S train_tfidf.C=2.0"
    if not (ROOT / ".git").exists():
        change = f"{dvc} repro"
    steps = {
        f"{dvc} metrics show": "every metric",
        change: "one experiment" if "exp" in change else "after a change in params.yaml",
        f"{mlflow} server --backend-store-uri sqlite:///mlflow.db --port 5000": "the runs, in a browser",
        "python setup_mlops.py --input FILE --text-column COLUMN --label-column COLUMN": "your own tickets",
    }
    width = max(map(len, steps))
    here = "" if Path.cwd() == ROOT else f", in {ROOT}"
    return "\n".join([f"Try next{here}:", *(f"  {step.ljust(width)}  # {what}" for step, what in steps.items())])


def run_checks(venv: Venv, pytest_arguments: list[str]) -> int:
    """Run every check in turn; return the exit code of the first that fails, or 0."""
    install(venv)
    for command in (
        ["black", "--check", "."],
        ["flake8"],
        ["bandit", "-q", "-c", "pyproject.toml", "-r", *bandit_targets()],
        *pytest_commands(pytest_arguments),
    ):
        started = time.monotonic()
        # pytest is worth watching, and the others say nothing of interest unless they fail.
        if command[0] == "pytest":
            code = run(venv, "-m", *command, stdout=1)
        else:
            code = try_command([venv.python, "-m", *command], venv)
        say(f"{'FAILED' if code else 'passed'} in {time.monotonic() - started:.1f} s: {' '.join(command)}")
        if code:
            return code
    return 0


def bandit_targets() -> list[str]:
    """Return what bandit looks at; a folder without Python files would pass unseen, so it is refused."""
    present = [name for name in CHECKED_BY_BANDIT if (ROOT / name).is_file() or any((ROOT / name).glob("*"))]
    empty = [name for name in present if (ROOT / name).is_dir() and not any((ROOT / name).rglob("*.py"))]
    if empty:
        raise UserError(f"bandit has nothing to check in {', '.join(empty)}: correct CHECKED_BY_BANDIT")
    return present


def pytest_commands(arguments: list[str]) -> list[list[str]]:
    """Return the pytest runs: all tests, the quick ones first, or what the arguments choose, without the gate."""
    if arguments:
        return [["pytest", *arguments]]
    gate = ["--cov-report=term-missing:skip-covered", f"--cov-fail-under={MINIMUM_COVERAGE}"]
    quick, slow = ["pytest", "-q", "-m", "not slow"], ["pytest", "-q", "-m", "slow"]
    return [[*quick, "--cov", "--cov-report="], [*slow, "--cov", "--cov-append", *gate]]


def read_json(path: Path) -> dict | None:
    """Return a JSON object; nothing in it when it is damaged, None when there is no such file."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def say(message: str) -> None:
    """Report progress."""
    print(message, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
