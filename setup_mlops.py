"""Set up and run the pipeline on a machine that has only Python 3.11 or later (and git).

    python setup_mlops.py                       environment, sample tickets, pipeline, first promotion, metrics
    python setup_mlops.py --input tickets.csv --text-column text --label-column category
    python setup_mlops.py transformer           also install PyTorch, which training the transformer needs
    python setup_mlops.py lint                  formatting, lint, types, security patterns
    python setup_mlops.py security              known vulnerabilities, secrets, the workflows; installs the scanners
    python setup_mlops.py test                  lint, then the tests with coverage, as on every push
    python setup_mlops.py test --quick          lint, then only the tests that take seconds, without coverage
    python setup_mlops.py test --all            lint, then all tests in their long form, as every night
    python setup_mlops.py test --record         the same as test; also record how long each test file takes
    python setup_mlops.py test -k prepare       lint, then pytest with these arguments

Run it again at any time: steps that are already done are skipped. It installs everything into .venv beside this file.
"""

# Standard library only, and only syntax that Python 3.6 can parse, so that an older Python prints the error message.
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

OLDEST_PYTHON = (3, 11)


def old_python_message(version: "tuple[int, ...]", executable: str) -> str:
    """Return the error for a Python that is too old."""
    needed, found = (".".join(map(str, numbers)) for numbers in (OLDEST_PYTHON, version))
    return f"error: Python {needed} or later is needed, and {executable} is {found}: run this with another Python"


# Here, since an older Python cannot evaluate the types of the functions below.
if sys.version_info < OLDEST_PYTHON:
    print(old_python_message(sys.version_info[:3], sys.executable), file=sys.stderr)
    sys.exit(2)

ROOT = Path(__file__).resolve().parent
# uv installs the requirements in seconds where pip takes minutes, and checks the same hashes. It does not compile byte
# code: Python does that when it first imports a module, and compiling every module takes longer than the pipeline.
UV_REQUIREMENTS = "deploy/uv/requirements.txt"
REQUIREMENTS = "requirements-mlops.txt"
TRANSFORMER_REQUIREMENTS, TORCH_REQUIREMENTS = "requirements-transformer.txt", "requirements-torch.txt"
CI_REQUIREMENTS = "requirements-ci.txt"
REQUIRED_FILES = (REQUIREMENTS, "params.yaml", "dvc.yaml", "scripts/prepare_data.py")
INCOMPLETE = "not complete\n"
RAW_DATA = "data/raw"
SAMPLE = f"{RAW_DATA}/tickets.csv"
SAMPLE_STAGE = f"{RAW_DATA}/dvc.yaml:sample_tickets"
NO_DATA = f"{RAW_DATA}/none"
DATABASE = "mlflow.db"
# Names the version in Production: callcenterai/registry/production_folder.py writes it.
IN_PRODUCTION = "models/production/tfidf/current.json"
DVC_STAGE_FAILED, GATE_REFUSED = 255, 3
BANDIT_TARGETS = ("callcenterai", "deploy", "scripts", "setup_mlops.py", "services", "benchmarks")
# Percentage of lines and branches that the tests of a push must run.
MINIMUM_COVERAGE = 85
# With the value "all", the tests repeat more: tests/support/thoroughness.py reads it.
THOROUGHNESS_VARIABLE = "CALLCENTERAI_TESTS"
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
    """A problem that the user can fix; its one-line message says what is wrong and what to do."""


class Venv(NamedTuple):
    """The paths in a virtual environment."""

    folder: Path

    @property
    def programs(self) -> Path:
        return self.folder / ("Scripts" if os.name == "nt" else "bin")

    @property
    def python(self) -> Path:
        return self.programs / ("python.exe" if os.name == "nt" else "python")

    @property
    def record(self) -> Path:
        """The file that says what is installed, or INCOMPLETE; absent if the user made the environment."""
        return self.folder / "installed.txt"


def main(argv: list[str] | None = None) -> int:
    """Run the command; return the exit code."""
    options = parse_arguments(argv)
    # Not resolve(), here and below: it would replace links by what they point to.
    venv = Venv(Path(os.path.abspath(options.venv)))  # noqa: PTH100
    try:
        missing = [name for name in REQUIRED_FILES if not (ROOT / name).is_file()]
        if missing:
            raise UserError(f"{ROOT} has no {', '.join(missing)}: run this in a copy of the whole repository")
        return COMMANDS[options.command](venv, options)
    except (UserError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130


def parse_arguments(argv: list[str] | None) -> argparse.Namespace:
    """Return the options; what follows `test` or `security` is kept for pytest and scripts/security_scan.py."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--input", metavar="FILE", help="train on your own tickets: docs/files.md says which files")
    text = "the column with the ticket's text; several are joined in this order"
    parser.add_argument("--text-column", metavar="COLUMN", action="append", help=f"{text}: repeat the option")
    parser.add_argument("--label-column", metavar="COLUMN", help="the column with its category")
    parser.add_argument("--test-input", metavar="FILE", help="an official test split; with --input the default is none")
    parser.add_argument("--encoding", help="of the file; without it, the content tells the encoding")
    parser.add_argument("--delimiter", help="of the file; without it, the content tells the delimiter")
    parser.add_argument("--sheet", help="of a workbook; without it, the only sheet that has the columns")
    parser.add_argument("--no-header", action="store_true", help="name columns by their numbers: 1 is the first")
    parser.add_argument("--venv", metavar="DIR", default=ROOT / ".venv", help="default: .venv beside this file")
    commands = parser.add_subparsers(dest="command", metavar="transformer | lint | security | test")
    commands.add_parser("transformer", help="install what training the transformer needs")
    commands.add_parser("lint", help="check formatting, lint, types and security patterns")
    for name, what in (("security", "scan for vulnerabilities and secrets"), ("test", "run the checks and the tests")):
        # With this prefix character argparse takes no option for its own: -k goes to pytest, --only to the scan.
        command = commands.add_parser(name, help=what, prefix_chars="\0", add_help=False)
        command.add_argument("arguments", nargs="*")
    return parser.parse_args(argv)


def set_up(venv: Venv, options: argparse.Namespace) -> int:
    """Make the environment, run the pipeline, promote a first version; return the first failure's exit code, or 0."""
    choice = choice_arguments(options)
    install(venv)
    code = run_command(venv.python, "scripts/choose_input.py", *choice, venv=venv) if choice else 0
    make_cache_private()
    code = code or configure_dvc(venv) or (track_data(venv) if choice else 0)
    code = code or run_command(venv.python, "-m", "dvc", "repro", venv=venv)
    # DVC's code for a stage that failed; the stage has printed its one line.
    code = 2 if code == DVC_STAGE_FAILED else code
    code = code or promote_first(venv)
    if code == 0:
        prepared, model = ((ROOT / "metrics" / name).read_text() for name in ("prepare.json", "tfidf.json"))
        print(f"{metrics_table(json.loads(prepared), json.loads(model))}\n\n{next_steps(venv)}")
    return code


def choice_arguments(options: argparse.Namespace) -> list[str]:
    """Check that the input files exist; return the arguments of scripts/choose_input.py, none if nothing is chosen."""
    chosen: list[str] = []
    if options.input is not None:
        chosen += ["--input", stored_path(options.input)]
    if options.test_input is not None:
        chosen += ["--test-input", "none" if options.test_input == "none" else stored_path(options.test_input)]
    for name in ("label_column", "encoding", "delimiter", "sheet"):
        if getattr(options, name) is not None:
            chosen.append(f"--{name.replace('_', '-')}={getattr(options, name)}")
    if options.no_header:
        chosen.append("--no-header")
    if options.input is not None or options.test_input is not None:
        chosen.append(f"--keep-in={RAW_DATA}")
    return chosen + [part for column in options.text_column or [] for part in (f"--text-column={column}",)]


def stored_path(name: str) -> str:
    """Take a path relative to the current folder; return it relative to the repository, as params.yaml has it."""
    path = Path(os.path.abspath(name))  # noqa: PTH100
    if not path.is_file() and path != ROOT / SAMPLE:
        raise UserError(f"{name}: no such file")
    # If they share only the drive or `/`, a path like ../../.. would break as soon as the repository moves.
    near = path.parts[:2] == ROOT.parts[:2]
    return Path(os.path.relpath(path, ROOT)).as_posix() if near else path.as_posix()


def install(venv: Venv) -> None:
    """Install the required packages unless they are there; repeat an installation that was interrupted."""
    version = ".".join(map(str, sys.version_info[:2]))
    # The programs in an environment contain its path, so it stops working when it is moved.
    place = f"{venv.folder}\nPython {version}\n"
    wanted = place + hashlib.sha256((ROOT / REQUIREMENTS).read_bytes()).hexdigest() + "\n"
    record = venv.record.read_text(encoding="utf-8") if venv.record.exists() else None
    works = python_version(venv) == version
    if works and record == wanted:
        print_progress(f"{venv.folder}: up to date, nothing to install")
        return
    if importlib.util.find_spec("venv") is None or importlib.util.find_spec("ensurepip") is None:
        raise UserError(f"Python's venv is missing: apt install python3-venv (or python{version}-venv)")
    started = time.monotonic()
    if not works or (record is not None and not record.startswith(place)):
        create_venv(venv)
    venv.record.write_text(INCOMPLETE, encoding="utf-8")
    install_packages(venv)
    venv.record.write_text(wanted, encoding="utf-8")
    print_progress(f"{venv.folder}: installed in {time.monotonic() - started:.0f} s")


def python_version(venv: Venv) -> str:
    """Return the environment's Python version, such as 3.11, or an empty string if its Python does not run."""
    try:
        code = "import sys; print('%d.%d' % sys.version_info[:2])"
        return subprocess.run([venv.python, "-c", code], capture_output=True, text=True, check=False).stdout.strip()
    except OSError:
        return ""


def create_venv(venv: Venv) -> None:
    """Make an empty environment; replace an unusable one."""
    if venv.folder.exists():
        ours = venv.record.exists() or (venv.folder / "pyvenv.cfg").exists()
        if not ours and any(venv.folder.iterdir()):
            raise UserError(f"{venv.folder} is not a virtual environment: move it away or choose another --venv")
        print_progress(f"{venv.folder}: incomplete, moved or made by another Python; making it again")
        shutil.rmtree(venv.folder)
    venv.folder.mkdir(parents=True)
    venv.record.write_text(INCOMPLETE, encoding="utf-8")
    if run_command(base_python(), "-m", "venv", "--without-pip", venv.folder, venv=venv, quiet=True):
        raise UserError(f"{venv.folder}: the virtual environment could not be made; see above")


def base_python() -> str:
    """Return the Python outside any environment: the one that runs this may be in the environment that is replaced."""
    # Not documented, but venv itself relies on it; so in CPython 3.11 to 3.13.
    return str(getattr(sys, "_base_executable", None) or sys.executable)


def install_packages(venv: Venv) -> None:
    """Install the requirements with uv, or with pip if there is no uv for this system."""
    print_progress(f"{venv.folder}: installing {REQUIREMENTS}; the first time, this downloads several hundred MB")
    if run_command(venv.python, "-m", "ensurepip", "--upgrade", "--default-pip", venv=venv, quiet=True):
        raise UserError("pip could not be installed into the environment; see above")
    # Without a wheel for this system, uv would be built from source, with Rust: then pip is faster.
    wheels = ("install", "--quiet", "--only-binary", ":all:", "--require-hashes", "-r", ROOT / UV_REQUIREMENTS)
    run_command(*pip_command(venv), *wheels, venv=venv, quiet=True)
    install_locked(venv, REQUIREMENTS)


def install_locked(venv: Venv, requirements: str) -> None:
    """Install the packages of a lock file with uv, or with pip if uv is missing or fails."""
    locked = ("install", "--quiet", "--require-hashes", "-r", ROOT / requirements)
    if run_command(venv.python, "-m", "uv", "pip", *locked, "--python", venv.python, venv=venv, quiet=True):
        print_progress("uv could not install them; trying pip, which takes some minutes")
        if run_command(*pip_command(venv), *locked, venv=venv, quiet=True):
            raise UserError("the packages could not be installed (see above): check the network, then run this again")


def install_transformer(venv: Venv, _: argparse.Namespace) -> int:
    """Install the packages for training the transformer into the environment; return 0."""
    install(venv)
    started = time.monotonic()
    files = f"{TRANSFORMER_REQUIREMENTS} and {TORCH_REQUIREMENTS}"
    print_progress(f"{venv.folder}: installing {files}; the first time, this downloads several hundred MB")
    install_locked(venv, TRANSFORMER_REQUIREMENTS)
    # With pip, not uv: pip reads the machine's own settings, which may choose the index with the right PyTorch build.
    command = (*pip_command(venv), "install", "--quiet", "--no-compile", "-r", ROOT / TORCH_REQUIREMENTS)
    if run_command(*command, venv=venv, quiet=True):
        raise UserError("PyTorch could not be installed (see above): check the network, then run this again")
    print_progress(f"{venv.folder}: ready to train the transformer, after {time.monotonic() - started:.0f} s")
    return 0


def pip_command(venv: Venv) -> tuple[Any, ...]:
    """Return the command for the environment's pip, with one retry only, so that a dead server fails fast."""
    return venv.python, "-m", "pip", "--disable-pip-version-check", "--retries", "1"


def read_parameter(venv: Venv, name: str) -> tuple[int, str]:
    """Return the exit code of the command that reads params.yaml, and the parameter's value."""
    command: list[Any] = [venv.python, "scripts/set_parameters.py", name]
    shown = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    return shown.returncode, shown.stdout.strip()


def track_data(venv: Venv) -> int:
    """Let DVC track the files in data/raw that the pipeline reads, and forget the sample if it is not among them.

    What DVC tracks is in every copy of the repository that `dvc exp run --temp` or `dvc push` makes.
    """
    sources = [read_parameter(venv, f"prepare.{name}") for name in ("input", "test_input")]
    failed = [code for code, _ in sources if code]
    if failed:
        return failed[0]
    names = [name for _, name in sources]
    used = [name for name in names if name.startswith(f"{RAW_DATA}/") and name not in (NO_DATA, SAMPLE)]
    code = run_command(venv.python, "-m", "dvc", "add", "--quiet", *used, venv=venv) if used else 0
    if code == 0 and SAMPLE not in names and (ROOT / RAW_DATA / "dvc.yaml").exists():
        code = run_command(venv.python, "-m", "dvc", "remove", SAMPLE_STAGE, venv=venv)
    return code


def make_cache_private() -> None:
    """Let only the owner enter DVC's cache, which has every version of the tickets and which DVC opens to everybody."""
    cache = ROOT / ".dvc" / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    cache.chmod(0o700)


def configure_dvc(venv: Venv) -> int:
    """Set DVC's core.no_scm if there is no git repository, or unset it if there is; return the exit code."""
    local = ROOT / ".dvc" / "config.local"
    no_scm = local.exists() and "no_scm" in local.read_text(encoding="utf-8")
    has_git = (ROOT / ".git").exists()
    if not has_git:
        print_progress(
            "no git repository: `dvc repro` and `dvc metrics show` work, `dvc exp run` and `dvc metrics diff` do not"
        )
    if no_scm != has_git:
        return 0
    change = ("--unset", "core.no_scm") if no_scm else ("core.no_scm", "true")
    return run_command(venv.python, "-m", "dvc", "config", "--local", *change, venv=venv)


def promote_first(venv: Venv) -> int:
    """Register the model and promote it through the gates, unless a version is in Production; return the exit code.

    A gate that refuses is no failure of the setup. Nothing is promoted on a server, which belongs to a team.
    """
    if os.environ.get("MLFLOW_TRACKING_URI"):
        print_progress("MLFLOW_TRACKING_URI is set: promote there with `mlflow_registry.py register`, ...")
        return 0
    if (ROOT / IN_PRODUCTION).is_file():
        version = json.loads((ROOT / IN_PRODUCTION).read_text(encoding="utf-8"))["version"]
        print_progress(f"version {version} stays in Production; `mlflow_registry.py` promotes a later one")
        return 0
    # Where `dvc pull` has brought the model, no training has logged it.
    code = 0 if (ROOT / DATABASE).exists() else run_command(venv.python, "scripts/log_run.py", venv=venv)
    bootstrap = ("scripts/mlflow_registry.py", "bootstrap", "--reason", "the first version, promoted by setup_mlops.py")
    code = code or run_command(venv.python, *bootstrap, venv=venv)
    if code == GATE_REFUSED:
        print_progress("the model is trained, but a gate refused it (see above), so nothing is in Production yet")
        return 0
    return code


def run_command(*command: Any, venv: Venv, quiet: bool = False, stdout: int = 2) -> int:
    """Run a command in the repository's root; return its exit code, 128 + N if signal N ended it, as a shell does.

    Its output goes to stderr, because stdout is for this script's results. With `quiet`, only the last lines of a
    command that fails are printed.
    """
    # The pipeline's stages run `python`, which has to be the environment's.
    path = os.pathsep.join([str(venv.programs), os.environ.get("PATH", os.defpath)])
    variables = os.environ | {"PATH": path, "VIRTUAL_ENV": str(venv.folder), "DVC_NO_ANALYTICS": "1"}
    output: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT} if quiet else {"stdout": stdout}
    done = subprocess.run(command, cwd=ROOT, env=variables, text=True, errors="replace", check=False, **output)
    if quiet and done.returncode:
        print_progress("\n".join(f"  {line}" for line in done.stdout.splitlines()[-30:]))
    return done.returncode if done.returncode >= 0 else 128 - done.returncode


def metrics_table(prepared: dict, model: dict) -> str:
    """Return a table of the most important metrics, with 95% intervals where metrics/*.json has them."""
    sizes = prepared.get("rows", {})
    rows = [("", "validation", "test"), ("tickets", *(f"{sizes.get(part, 0):,}" for part in ("validation", "test")))]
    for title, *keys in METRICS:
        rows.append((title, *(format_metric(model.get(part, {}), *keys) for part in ("validation", "test"))))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    counts = ", ".join(f"{size:,} {part}" for part, size in sizes.items())
    return "\n".join([f"{prepared.get('rows_in', 0):,} tickets read: {counts}", "", *lines])


def format_metric(metrics: dict, name: str, inner: str = "") -> str:
    """Return one metric as a percentage, with its interval if it has one."""
    value = (metrics.get(name) or {}).get(inner) if inner else metrics.get(name)
    if value is None:
        return "-"
    interval = metrics.get(f"{name}_ci95")
    between = f" ({100 * interval['low']:.1f} to {100 * interval['high']:.1f})" if interval else ""
    return f"{100 * value:.1f}%{between}"


def next_steps(venv: Venv) -> str:
    """Return commands to try next, written for a shell in the repository's root on this system."""
    folder = venv.programs.relative_to(ROOT) if venv.programs.is_relative_to(ROOT) else venv.programs
    experiment = f"{folder / 'dvc'} exp run -S train_tfidf.C=2.0", "one experiment"
    if not (ROOT / ".git").exists():
        experiment = f"{folder / 'dvc'} repro", "after a change in params.yaml"
    serve = f"{folder / 'python'} -m services.tfidf.app"
    steps = (
        *([(serve, "serves the version in Production")] if (ROOT / IN_PRODUCTION).is_file() else []),
        (f"{folder / 'dvc'} metrics show", "the most important figures"),
        experiment,
        (f"{folder / 'mlflow'} server --backend-store-uri sqlite:///mlflow.db --port 5000", "the runs, in a browser"),
        ("python setup_mlops.py --input FILE --text-column COLUMN --label-column COLUMN", "your own tickets"),
    )
    width = max(len(step) for step, _ in steps)
    here = "" if Path.cwd() == ROOT else f", in {ROOT}"
    return "\n".join([f"Try next{here}:", *(f"  {step.ljust(width)}  # {what}" for step, what in steps)])


def lint(venv: Venv, _: argparse.Namespace) -> int:
    """Check formatting, lint, types and security patterns; return the exit code of the first that fails, or 0."""
    install(venv)
    return run_checks(venv, lint_commands())


def lint_commands() -> list[list[str]]:
    """Return the checkers, as Python modules with their arguments, the fastest first."""
    return [["ruff", "check", "."], ["flake8"], ["black", "--check", "."], bandit_command(), ["mypy"]]


def security(venv: Venv, options: argparse.Namespace) -> int:
    """Check security patterns and run every scan of scripts/security_scan.py; return the exit code."""
    install(venv)
    install_locked(venv, CI_REQUIREMENTS)
    failed = run_checks(venv, [bandit_command()])
    return failed or run_command(venv.python, "scripts/security_scan.py", *options.arguments, venv=venv, stdout=1)


def test(venv: Venv, options: argparse.Namespace) -> int:
    """Run lint and the tests; return the exit code of the first that fails, or 0."""
    if "--all" in options.arguments:
        os.environ[THOROUGHNESS_VARIABLE] = "all"
    return lint(venv, options) or run_checks(venv, [pytest_command(options.arguments)])


def run_checks(venv: Venv, commands: list[list[str]]) -> int:
    """Run Python modules in turn; return the exit code of the first that fails, or 0."""
    for command in commands:
        started = time.monotonic()
        # pytest's report is the result; the output of the others matters only if they fail.
        code = run_command(venv.python, "-m", *command, venv=venv, quiet=command[0] != "pytest", stdout=1)
        print_progress(f"{'FAILED' if code else 'passed'} in {time.monotonic() - started:.1f} s: {' '.join(command)}")
        if code:
            return code
    return 0


def bandit_command() -> list[str]:
    """Return the command; a folder without Python files is an error, because bandit would pass it silently."""
    present = [name for name in BANDIT_TARGETS if (ROOT / name).is_file() or any((ROOT / name).glob("*"))]
    empty = [name for name in present if (ROOT / name).is_dir() and not any((ROOT / name).rglob("*.py"))]
    if empty:
        raise UserError(f"bandit has nothing to check in {', '.join(empty)}: correct BANDIT_TARGETS")
    return ["bandit", "-q", "-c", "pyproject.toml", "-r", *present]


def pytest_command(arguments: list[str]) -> list[str]:
    """Return the pytest command: the tests of a push, the quick ones, all of them, or what the arguments choose."""
    ours = {"--quick", "--all", "--record"}
    given = [argument for argument in arguments if argument not in ours]
    # Two processes, which take whole files, because tests of a file share what is slow to make. Without the option,
    # pytest-xdist would put files with many tests first; tests/support/durations.py begins with the longest.
    parallel = ["pytest", "-q", "-n", "2", "--dist", "loadfile", "--no-loadscope-reorder"]
    if "--quick" in arguments:
        return [*parallel, "-m", "not slow and not long", *given]
    if given:
        return ["pytest", *given]
    chosen = [] if "--all" in arguments else ["-m", "not long"]
    record = ["--record-durations"] if "--record" in arguments else []
    gate = ["--cov", "--cov-report=term-missing:skip-covered", f"--cov-fail-under={MINIMUM_COVERAGE}"]
    return [*parallel, *chosen, *record, "--durations", "25", *gate]


def print_progress(message: str) -> None:
    """Print a line about progress to stderr, because stdout is for results."""
    print(message, file=sys.stderr, flush=True)


COMMANDS = {None: set_up, "transformer": install_transformer, "lint": lint, "security": security, "test": test}


if __name__ == "__main__":
    sys.exit(main())
