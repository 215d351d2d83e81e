"""Set up and run the pipeline on a machine that has only Python 3.11 or later (and git).

    python setup_mlops.py                       environment, sample tickets, pipeline, metrics
    python setup_mlops.py --input tickets.csv --text-column text --label-column category
    python setup_mlops.py transformer           also what training the transformer needs: PyTorch
    python setup_mlops.py lint                  formatting, lint, security patterns
    python setup_mlops.py security              known vulnerabilities, secrets, the workflow; installs what that needs
    python setup_mlops.py test                  the same as lint, and all tests with coverage
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
# uv installs the requirements in seconds where pip takes minutes, and checks the same hashes. Byte code is left to be
# made when a module is first imported: compiling all of it takes longer than the pipeline.
UV = "uv==0.13.9"
REQUIREMENTS = "requirements-mlops.txt"
TRANSFORMER_REQUIREMENTS = "requirements-transformer.txt"
CI_REQUIREMENTS = "requirements-ci.txt"
NEEDED = (REQUIREMENTS, "params.yaml", "dvc.yaml", "scripts/prepare_data.py")
INSTALLING = "not complete\n"
SAMPLE = "data/raw/tickets.csv"
NO_FILE = "data/raw/none"
CHECKED_BY_BANDIT = ("callcenterai", "deploy", "scripts", "setup_mlops.py", "services", "benchmarks")
# Per cent of lines and branches that the whole test suite must run.
MINIMUM_COVERAGE = 85
METRICS = (
    ("accuracy", "accuracy"),
    ("macro F1", "macro_f1"),
    ("weighted F1", "weighted_f1"),
    ("accuracy without near-duplicates", "accuracy_without_near_duplicates"),
    ("accuracy of the largest class alone", "majority_accuracy"),
    ("expected calibration error (ECE)", "ece"),
    ("auto-route: share of tickets", "auto_route", "coverage"),
    ("auto-route: accuracy", "auto_route", "accuracy"),
)


class UserError(Exception):
    """Something the user can mend; its one-line message says what is wrong and how."""


class Venv(NamedTuple):
    """Where a virtual environment has its parts."""

    folder: Path

    @property
    def programs(self) -> Path:
        return self.folder / ("Scripts" if os.name == "nt" else "bin")

    @property
    def python(self) -> Path:
        return self.programs / ("python.exe" if os.name == "nt" else "python")

    @property
    def record(self) -> Path:
        """Says what is installed, or that it is not complete; absent when somebody else made the environment."""
        return self.folder / "installed.txt"


def main(argv: list[str] | None = None) -> int:
    """Do what the command line says; return the exit code."""
    if sys.version_info < OLDEST_PYTHON:
        print(too_old(sys.version_info[:3], sys.executable), file=sys.stderr)
        return 2
    options = parse(argv)
    venv = Venv(Path(os.path.abspath(options.venv)))
    try:
        missing = [name for name in NEEDED if not (ROOT / name).is_file()]
        if missing:
            raise UserError(f"{ROOT} has no {', '.join(missing)}: this works in a copy of the whole repository only")
        return COMMANDS[options.command](venv, options)
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
    parser.add_argument("--test-input", metavar="FILE", help="an official test split; with --input the default is none")
    parser.add_argument("--venv", metavar="DIR", default=ROOT / ".venv", help="default: .venv beside this file")
    commands = parser.add_subparsers(dest="command", metavar="transformer | lint | security | test")
    commands.add_parser("transformer", help="install what training the transformer needs")
    commands.add_parser("lint", help="run the checks that are no tests")
    for name, what in (("security", "look for what must not be published"), ("test", "run all checks and tests")):
        # Another prefix character, so that -k and --lf are left to pytest, --only to the scan.
        command = commands.add_parser(name, help=what, prefix_chars="\0", add_help=False)
        command.add_argument("arguments", nargs="*")
    return parser.parse_args(argv)


def set_up(venv: Venv, options: argparse.Namespace) -> int:
    """Make the environment and run the pipeline; return the exit code of the first command that fails, or 0."""
    parameters = chosen_parameters(options)
    install(venv)
    code = call(venv.python, "scripts/set_parameters.py", *parameters, venv=venv) if parameters else 0
    code = code or make_sample(venv) or match_git(venv) or call(venv.python, "-m", "dvc", "repro", venv=venv)
    if code == 0:
        prepared, model = ((ROOT / "metrics" / name).read_text() for name in ("prepare.json", "tfidf.json"))
        print(f"{metrics_table(json.loads(prepared), json.loads(model))}\n\n{next_steps(venv)}")
    return code


def chosen_parameters(options: argparse.Namespace) -> list[str]:
    """Return what the options change in params.yaml, after checking that the files are there."""
    chosen = {"text_column": options.text_column, "label_column": options.label_column}
    if options.input is not None:
        # A test split and people's answers belong to their data set: new data must not be scored on the old one.
        chosen |= {"input": stored_path(options.input), "test_input": NO_FILE, "feedback_input": NO_FILE}
    if options.test_input is not None:
        chosen["test_input"] = NO_FILE if options.test_input == "none" else stored_path(options.test_input)
    return [f"prepare.{name}={value}" for name, value in chosen.items() if value is not None]


def stored_path(name: str) -> str:
    """Return a file, named from the current folder, as params.yaml names it: from the repository's root."""
    path = Path(os.path.abspath(name))
    if not path.is_file() and path != ROOT / SAMPLE:
        raise UserError(f"{name}: no such file")
    # With nothing in common but the drive or `/`, a long ../../.. would break as soon as the repository moves.
    near = path.parts[:2] == ROOT.parts[:2]
    return Path(os.path.relpath(path, ROOT)).as_posix() if near else path.as_posix()


def install(venv: Venv) -> None:
    """Have the required packages in the environment; an installation that was cut short is done anew."""
    version = ".".join(map(str, sys.version_info[:2]))
    # The programs in an environment hold its path, so one that was moved is not usable.
    place = f"{venv.folder}\nPython {version}\n"
    wanted = place + hashlib.sha256((ROOT / REQUIREMENTS).read_bytes()).hexdigest() + "\n"
    record = venv.record.read_text(encoding="utf-8") if venv.record.exists() else None
    works = python_version(venv) == version
    if works and record == wanted:
        say(f"{venv.folder}: up to date, nothing to install")
        return
    if importlib.util.find_spec("venv") is None or importlib.util.find_spec("ensurepip") is None:
        raise UserError(f"Python's venv is missing: apt install python3-venv (or python{version}-venv)")
    started = time.monotonic()
    if not works or (record is not None and not record.startswith(place)):
        create(venv)
    venv.record.write_text(INSTALLING, encoding="utf-8")
    install_packages(venv)
    venv.record.write_text(wanted, encoding="utf-8")
    say(f"{venv.folder}: installed in {time.monotonic() - started:.0f} s")


def python_version(venv: Venv) -> str:
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
        say(f"{venv.folder}: incomplete, moved or of another Python; making it anew")
        shutil.rmtree(venv.folder)
    venv.folder.mkdir(parents=True)
    venv.record.write_text(INSTALLING, encoding="utf-8")
    if call(sys.executable, "-m", "venv", "--without-pip", venv.folder, venv=venv, quiet=True):
        raise UserError(f"{venv.folder}: the virtual environment could not be made; see above")


def install_packages(venv: Venv) -> None:
    """Install the requirements with uv, or with pip where uv cannot be had."""
    say(f"{venv.folder}: installing {REQUIREMENTS}; the first time this downloads some hundred MB")
    if call(venv.python, "-m", "ensurepip", "--upgrade", "--default-pip", venv=venv, quiet=True):
        raise UserError("pip could not be put into the environment; see above")
    # uv would be built from source, with Rust, where it has no wheel: pip is quicker there.
    call(*pip_of(venv), "install", "--quiet", "--only-binary", ":all:", UV, venv=venv, quiet=True)
    install_locked(venv, REQUIREMENTS)


def install_locked(venv: Venv, requirements: str) -> None:
    """Install a lock with uv, or with pip where uv is not there or cannot do it."""
    locked = ("install", "--quiet", "--require-hashes", "-r", ROOT / requirements)
    if call(venv.python, "-m", "uv", "pip", *locked, "--python", venv.python, venv=venv, quiet=True):
        say("uv could not do it; trying pip, which takes some minutes")
        if call(*pip_of(venv), *locked, venv=venv, quiet=True):
            raise UserError("the packages could not be installed (see above): check the network, then run this again")


def install_transformer(venv: Venv, _: argparse.Namespace) -> int:
    """Install what training the transformer needs into the environment; return 0."""
    install(venv)
    started = time.monotonic()
    say(f"{venv.folder}: installing {TRANSFORMER_REQUIREMENTS}; the first time this downloads some hundred MB")
    # With pip, which takes the machine's own settings: which build of PyTorch is right is for them to say.
    if call(*pip_of(venv), "install", "--quiet", "-r", ROOT / TRANSFORMER_REQUIREMENTS, venv=venv, quiet=True):
        raise UserError("PyTorch could not be installed (see above): check the network, then run this again")
    say(f"{venv.folder}: ready to train the transformer, after {time.monotonic() - started:.0f} s")
    return 0


def pip_of(venv: Venv) -> tuple[Any, ...]:
    """Return the environment's pip, which does not try a dead server again and again."""
    return venv.python, "-m", "pip", "--disable-pip-version-check", "--retries", "1"


def make_sample(venv: Venv) -> int:
    """Write the sample tickets when the pipeline reads them and they are not there yet; return the exit code."""
    if (ROOT / SAMPLE).exists():
        return 0
    command = [venv.python, "scripts/set_parameters.py", "prepare.input"]
    shown = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    if shown.returncode or shown.stdout.strip() != SAMPLE:
        return shown.returncode
    return call(venv.python, "scripts/make_sample_tickets.py", SAMPLE, venv=venv)


def match_git(venv: Venv) -> int:
    """Tell DVC whether there is a git repository, on which it would otherwise insist; return the exit code."""
    local = ROOT / ".dvc" / "config.local"
    told = local.exists() and "no_scm" in local.read_text(encoding="utf-8")
    has_git = (ROOT / ".git").exists()
    if not has_git:
        say("no git repository here: `dvc repro` and `dvc metrics show` work, `dvc exp run` and `metrics diff` do not")
    if told != has_git:
        return 0
    change = ("--unset", "core.no_scm") if told else ("core.no_scm", "true")
    return call(venv.python, "-m", "dvc", "config", "--local", *change, venv=venv)


def call(*command: Any, venv: Venv, quiet: bool = False, stdout: int = 2) -> int:
    """Run a command in the repository's root and return its exit code, as a shell would also when a signal ended it.

    What it prints goes to stderr, since stdout is for this script's results; with `quiet` its last lines do, and only
    when it fails. The stages call `python`, which must be the environment's.
    """
    path = os.pathsep.join([str(venv.programs), os.environ.get("PATH", os.defpath)])
    variables = os.environ | {"PATH": path, "VIRTUAL_ENV": str(venv.folder), "DVC_NO_ANALYTICS": "1"}
    output: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT} if quiet else {"stdout": stdout}
    done = subprocess.run(command, cwd=ROOT, env=variables, text=True, errors="replace", check=False, **output)
    if quiet and done.returncode:
        say("\n".join(f"  {line}" for line in done.stdout.splitlines()[-30:]))
    return done.returncode if done.returncode >= 0 else 128 - done.returncode


def metrics_table(prepared: dict, model: dict) -> str:
    """Return the figures that matter most, one row each, with 95% intervals where the metrics have them."""
    sizes = prepared.get("rows", {})
    rows = [("", "validation", "test"), ("tickets", *(f"{sizes.get(part, 0):,}" for part in ("validation", "test")))]
    for title, *keys in METRICS:
        rows.append((title, *(figure(model.get(part, {}), *keys) for part in ("validation", "test"))))
    widths = [max(map(len, column)) for column in zip(*rows)]
    lines = ["  ".join(text.ljust(width) for text, width in zip(row, widths)).rstrip() for row in rows]
    counts = ", ".join(f"{size:,} {part}" for part, size in sizes.items())
    return "\n".join([f"{prepared.get('rows_in', 0):,} tickets read: {counts}", "", *lines])


def figure(metrics: dict, name: str, inner: str = "") -> str:
    """Return one figure in per cent, with its interval if there is one."""
    value = (metrics.get(name) or {}).get(inner) if inner else metrics.get(name)
    if value is None:
        return "-"
    interval = metrics.get(f"{name}_ci95")
    between = f" ({100 * interval['low']:.1f} to {100 * interval['high']:.1f})" if interval else ""
    return f"{100 * value:.1f}%{between}"


def next_steps(venv: Venv) -> str:
    """Return commands to try next, as they are typed in the repository's root on this system."""
    folder = venv.programs.relative_to(ROOT) if venv.programs.is_relative_to(ROOT) else venv.programs
    experiment = f"{folder / 'dvc'} exp run -S train_tfidf.C=2.0", "one experiment"
    if not (ROOT / ".git").exists():
        experiment = f"{folder / 'dvc'} repro", "after a change in params.yaml"
    steps = (
        (f"{folder / 'dvc'} metrics show", "every metric"),
        experiment,
        (f"{folder / 'mlflow'} server --backend-store-uri sqlite:///mlflow.db --port 5000", "the runs, in a browser"),
        ("python setup_mlops.py --input FILE --text-column COLUMN --label-column COLUMN", "your own tickets"),
    )
    width = max(len(step) for step, _ in steps)
    here = "" if Path.cwd() == ROOT else f", in {ROOT}"
    return "\n".join([f"Try next{here}:", *(f"  {step.ljust(width)}  # {what}" for step, what in steps)])


def lint(venv: Venv, _: argparse.Namespace) -> int:
    """Check formatting, lint and security patterns; return the exit code of the first that fails, or 0."""
    install(venv)
    return check(venv, [["black", "--check", "."], ["flake8"], bandit()])


def security(venv: Venv, options: argparse.Namespace) -> int:
    """Look for security patterns and for all that scripts/security_scan.py knows; return the exit code."""
    install(venv)
    install_locked(venv, CI_REQUIREMENTS)
    failed = check(venv, [bandit()])
    return failed or call(venv.python, "scripts/security_scan.py", *options.arguments, venv=venv, stdout=1)


def test(venv: Venv, options: argparse.Namespace) -> int:
    """Run every check and the tests; return the exit code of the first that fails, or 0."""
    return lint(venv, options) or check(venv, pytest_commands(options.arguments))


def check(venv: Venv, commands: list[list[str]]) -> int:
    """Run Python modules in turn; return the exit code of the first that fails, or 0."""
    for command in commands:
        started = time.monotonic()
        # pytest's report is the result; the others say nothing of interest unless they fail.
        code = call(venv.python, "-m", *command, venv=venv, quiet=command[0] != "pytest", stdout=1)
        say(f"{'FAILED' if code else 'passed'} in {time.monotonic() - started:.1f} s: {' '.join(command)}")
        if code:
            return code
    return 0


def bandit() -> list[str]:
    """Return the command; a folder without Python files would pass unseen, so it is refused."""
    present = [name for name in CHECKED_BY_BANDIT if (ROOT / name).is_file() or any((ROOT / name).glob("*"))]
    empty = [name for name in present if (ROOT / name).is_dir() and not any((ROOT / name).rglob("*.py"))]
    if empty:
        raise UserError(f"bandit has nothing to check in {', '.join(empty)}: correct CHECKED_BY_BANDIT")
    return ["bandit", "-q", "-c", "pyproject.toml", "-r", *present]


def pytest_commands(arguments: list[str]) -> list[list[str]]:
    """Return the pytest runs: all tests, the quick ones first, or what the arguments choose, without the gate."""
    if arguments:
        return [["pytest", *arguments]]
    gate = ["--cov-report=term-missing:skip-covered", f"--cov-fail-under={MINIMUM_COVERAGE}"]
    # Two processes, each of which takes whole files: their tests share what is slow to make.
    both = ["pytest", "-q", "-n", "2", "--dist", "loadfile", "--durations", "25", "--cov"]
    # tests/conftest.py knows which files take longest; for the quick ones the number of tests says enough.
    slow = ["-m", "slow", "--no-loadscope-reorder", "--cov-append"]
    return [[*both, "-m", "not slow", "--cov-report="], [*both, *slow, *gate]]


def say(message: str) -> None:
    """Report progress."""
    print(message, file=sys.stderr, flush=True)


COMMANDS = {None: set_up, "transformer": install_transformer, "lint": lint, "security": security, "test": test}


if __name__ == "__main__":
    sys.exit(main())
