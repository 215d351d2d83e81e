"""python scripts/security_scan.py

Look for what must not be published: known vulnerabilities of what is locked, secrets in the tree, an unsafe workflow.
All scans run, each with its result; the list of what is installed (SBOM) is written too.

    python setup_mlops.py security
    python scripts/security_scan.py --only secrets --only workflow

The first installs what the scans need. `vulnerabilities` is pip-audit, which asks PyPI, or another server as its own
variables PIP_AUDIT_VULNERABILITY_SERVICE and PIP_AUDIT_OSV_URL say; `safety` runs where SAFETY_API_KEY is set, and says
so where it is not. Exit code 3: something was found.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import _path  # noqa: F401
from callcenterai.core.cli import UserError, run

ROOT = Path(__file__).resolve().parents[1]
# Locks with hashes; those of the images hold nothing that is not in the first, as the tests see to.
LOCKED = ("requirements-mlops.txt", "requirements-ci.txt")
# Without: which build of PyTorch is right depends on the machine. What they name is pinned all the same.
PINNED = ("requirements-transformer.txt",)
# What detect-secrets takes for secrets and is none: the texts of tests, for the most part.
KNOWN = ".secrets.baseline"
# detect-secrets found nothing new, but what it knew has moved within its file.
MOVED = 3
FOUND = 3


def main(argv: list[str] | None = None) -> int:
    """Parse the arguments and scan; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", choices=SCANS, help="this scan, and others so named; default: all")
    parser.add_argument("--sbom", type=Path, default=Path("sbom.cdx.json"), help="default: %(default)s")
    args = parser.parse_args(argv)
    # The scans run in the repository's root, wherever this was started.
    return run(lambda: scan(args.only or list(SCANS), args.sbom.absolute()))


def scan(names: list[str], sbom_file: Path) -> int:
    """Run the scans and print a line for each; return the exit code."""
    failed = []
    for name in names:
        started = time.monotonic()
        print(f"== {name}", file=sys.stderr, flush=True)
        result = SCANS[name](sbom_file)
        failed += [name] if result == "FAILED" else []
        print(f"{name:15} {result} ({time.monotonic() - started:.1f} s)", flush=True)
    if failed:
        print(f"error: {', '.join(failed)}: see above what was found", file=sys.stderr)
    return FOUND if failed else 0


def vulnerabilities(_: Path) -> str:
    """Look every locked package up; one that the server does not know fails too."""
    common = ["--progress-spinner", "off", "--strict", "--disable-pip"]
    codes = [call("pip-audit", *common, "--require-hashes", "-r", name) for name in LOCKED]
    codes += [call("pip-audit", *common, "--no-deps", "-r", name) for name in PINNED]
    return verdict(max(codes))


def safety(_: Path) -> str:
    """Have safety look as well, where there is a key for it."""
    if not os.environ.get("SAFETY_API_KEY"):
        # GitHub shows this line with the run.
        print("::notice title=safety::not run: SAFETY_API_KEY is not set; pip-audit is the gate", file=sys.stderr)
        return "not run, SAFETY_API_KEY is not set"
    # Without the stage it would end with 0 when it could not scan.
    return verdict(call("safety", "--stage", "cicd", "scan"))


def secrets(_: Path) -> str:
    """Look for secrets in what git has, or would take."""
    command = ["git", "ls-files", "-co", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        raise UserError(f"{ROOT} is no git repository: which files would be published is not known")
    files = [name for name in filter(None, listed.stdout.split("\0")) if name != KNOWN and (ROOT / name).is_file()]
    with tempfile.TemporaryDirectory() as folder:
        # A copy, since detect-secrets writes into it where something has moved to.
        known = shutil.copy(ROOT / KNOWN, folder)
        found = call("detect-secrets-hook", "--baseline", str(known), *files)
    return verdict(0 if found == MOVED else found)


def workflow(_: Path) -> str:
    """Look for what is unsafe in the workflow and in Dependabot's settings."""
    return verdict(call("zizmor", "--offline", "--no-progress", "--persona=pedantic", ".github"))


def sbom(file: Path) -> str:
    """List what is installed here, as CycloneDX."""
    file.parent.mkdir(parents=True, exist_ok=True)
    command = ["cyclonedx-py", "environment", "--output-reproducible", "--output-file", str(file)]
    return verdict(call(*command, sys.executable))


SCANS: dict[str, Callable[[Path], str]] = {
    "vulnerabilities": vulnerabilities,
    "safety": safety,
    "secrets": secrets,
    "workflow": workflow,
    "sbom": sbom,
}


def call(program: str, *arguments: str) -> int:
    """Run a program of this Python's environment in the root and return its exit code; it reports on stderr."""
    found = shutil.which(program, path=str(Path(sys.executable).parent))
    if found is None:
        raise UserError(f"{program} is not installed: `python setup_mlops.py security` installs it")
    return subprocess.run([found, *arguments], cwd=ROOT, stdout=sys.stderr.fileno()).returncode


def verdict(exit_code: int) -> str:
    """Return how a scan went."""
    return "FAILED" if exit_code else "passed"


if __name__ == "__main__":
    sys.exit(main())
