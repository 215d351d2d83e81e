"""python scripts/make_secrets.py .env

Write a file of random secrets for compose.yaml; `docker compose` reads it if it is called .env.

An existing file keeps its values and gets only the secrets that it lacks, for example after an update. The values must
not change, because PostgreSQL and Grafana keep the passwords of their first start. Only the owner can read the file,
where the operating system supports that.
"""

import argparse
import sys
from pathlib import Path

import _path  # noqa: F401  # it puts the package on the path
from callcenterai.core.cli import run


def main(argv: list[str] | None = None) -> int:
    """Parse the arguments and write the file; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, help="the file to write, usually .env")
    args = parser.parse_args(argv)
    return run(lambda: write(args.file))


def write(path: Path) -> None:
    """Write the secrets."""
    from callcenterai.delivery.secrets import write_secrets

    write_secrets(path)


if __name__ == "__main__":
    sys.exit(main())
