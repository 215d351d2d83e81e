"""The security scans: known vulnerabilities, secrets in the tree, unsafe workflows, and the list of packages (SBOM)."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from callcenterai.core.cli import UserError, print_progress
from callcenterai.core.files import REPOSITORY

# Locks with hashes. The tests make sure that the locks of the images add nothing to the first one.
LOCKED_REQUIREMENTS = ("requirements-mlops.txt", "requirements-ci.txt", "requirements-transformer.txt")
# Versions without hashes, because the right build of PyTorch depends on the machine.
PINNED_REQUIREMENTS = ("requirements-torch.txt",)
# What detect-secrets reports although it is no secret, mostly texts in tests.
SECRETS_BASELINE = ".secrets.baseline"
# Exit code of detect-secrets-hook: nothing new, but a known finding has moved to another line.
BASELINE_MOVED = 3
EXIT_FOUND = 3


def run_scans(names: list[str], sbom_file: Path) -> int:
    """Run the scans and print a line for each; return the exit code."""
    failed = []
    for name in names:
        started = time.monotonic()
        print_progress(f"== {name}")
        result = SCANS[name](sbom_file)
        failed += [name] if result == "FAILED" else []
        print(f"{name:15} {result} ({time.monotonic() - started:.1f} s)", flush=True)
    if failed:
        print(f"error: {', '.join(failed)}: see above what was found", file=sys.stderr)
    return EXIT_FOUND if failed else 0


def scan_vulnerabilities(_: Path) -> str:
    """Look up every locked package; a package that the server does not know is a failure too."""
    common = ["--progress-spinner", "off", "--strict", "--disable-pip"]
    codes = [run_scanner("pip-audit", *common, "--require-hashes", "-r", name) for name in LOCKED_REQUIREMENTS]
    codes += [run_scanner("pip-audit", *common, "--no-deps", "-r", name) for name in PINNED_REQUIREMENTS]
    return outcome(max(codes))


def scan_with_safety(_: Path) -> str:
    """Run safety as well, if there is a key for it."""
    if not os.environ.get("SAFETY_API_KEY"):
        # GitHub shows this line beside the run.
        print("::notice title=safety::not run: SAFETY_API_KEY is not set; pip-audit is the gate", file=sys.stderr)
        return "not run, SAFETY_API_KEY is not set"
    # Without --stage safety exits with 0 even when it could not scan.
    return outcome(run_scanner("safety", "--stage", "cicd", "scan"))


def scan_secrets(_: Path) -> str:
    """Look for secrets in the files that git tracks or would add."""
    command = ["git", "ls-files", "-co", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
    if listed.returncode:
        raise UserError(f"{REPOSITORY} is not a git repository, so the files to scan are not known")
    names = [name for name in filter(None, listed.stdout.split("\0")) if name != SECRETS_BASELINE]
    files = [name for name in names if (REPOSITORY / name).is_file()]
    with tempfile.TemporaryDirectory() as folder:
        # A copy, because detect-secrets updates line numbers in its baseline.
        baseline = shutil.copy(REPOSITORY / SECRETS_BASELINE, folder)
        code = run_scanner("detect-secrets-hook", "--baseline", str(baseline), *files)
    return outcome(0 if code == BASELINE_MOVED else code)


def scan_workflow(_: Path) -> str:
    """Look for unsafe settings in the workflows and in Dependabot's configuration."""
    return outcome(run_scanner("zizmor", "--offline", "--no-progress", "--persona=pedantic", ".github"))


def write_sbom(file: Path) -> str:
    """Write the installed packages as a CycloneDX SBOM."""
    file.parent.mkdir(parents=True, exist_ok=True)
    command = ["cyclonedx-py", "environment", "--output-reproducible", "--output-file", str(file)]
    return outcome(run_scanner(*command, sys.executable))


SCANS: dict[str, Callable[[Path], str]] = {
    "vulnerabilities": scan_vulnerabilities,
    "safety": scan_with_safety,
    "secrets": scan_secrets,
    "workflow": scan_workflow,
    "sbom": write_sbom,
}


def run_scanner(program: str, *arguments: str) -> int:
    """Run a program of this Python's environment in the repository, its output on stderr; return its exit code."""
    found = shutil.which(program, path=str(Path(sys.executable).parent))
    if found is None:
        raise UserError(f"{program} is not installed: `python setup_mlops.py security` installs it")
    return subprocess.run([found, *arguments], cwd=REPOSITORY, stdout=sys.stderr.fileno()).returncode


def outcome(exit_code: int) -> str:
    """Return the word for a scan's exit code."""
    return "FAILED" if exit_code else "passed"
