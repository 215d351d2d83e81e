"""python setup_mlops.py security
python scripts/security_scan.py --only secrets --only workflow

Scan for known vulnerabilities of locked packages, secrets in the tree and unsafe workflows, and write an SBOM.

The first command also installs the scanners. All scans run, and each prints its result. `vulnerabilities` runs
pip-audit, which asks PyPI, or the server that pip-audit's own variables PIP_AUDIT_VULNERABILITY_SERVICE and
PIP_AUDIT_OSV_URL name. `safety` runs only if SAFETY_API_KEY is set. The SBOM lists the installed packages. Exit code 3:
something was found.
"""

import argparse
import sys
from pathlib import Path

import _path  # noqa: F401  # it puts the package on the path
from callcenterai.core.cli import run
from callcenterai.delivery.security import SCANS, run_scans


def main(argv: list[str] | None = None) -> int:
    """Parse the arguments and scan; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", choices=SCANS, help="run only this scan (repeatable); default: all")
    parser.add_argument("--sbom", type=Path, default=Path("sbom.cdx.json"), help="default: %(default)s")
    args = parser.parse_args(argv)
    # absolute(): the scans run in the repository's root, wherever this was started.
    return run(lambda: run_scans(args.only or list(SCANS), args.sbom.absolute()))


if __name__ == "__main__":
    sys.exit(main())
