"""python scripts/migrate_mlflow.py sqlite:///mlflow.db postgresql+pg8000://mlflow:...@host/mlflow --artifacts FOLDER
python scripts/migrate_mlflow.py sqlite:///mlflow.db

Move an embedded MLflow database to a server on PostgreSQL: experiments, runs, models, versions and their history.

Every row keeps its id, and every file is copied to where the server looks for it: --artifacts is the server's own
--artifacts-destination, a folder or an address that MLflow knows. The second command reads the target and the place of
the files from MLFLOW_BACKEND_STORE_URI and MLFLOW_ARTIFACTS_DESTINATION, as they are set in the server's container, so
that no command line contains a password. Both databases must have the schema of the MLflow that is installed here.

The source is only read. The target must be empty; its tables are created if they do not exist. Its rows appear all at
once at the end, after every file's SHA-256 and every table's rows were compared; if anything fails no row appears, and
the same command can be run again. Stop trainings and registry commands on the source first: what they write during the
migration is not moved.
"""

import argparse
import sys
from pathlib import Path

import _path  # noqa: F401  # it puts the package on the path
from callcenterai.core.cli import run


def main(argv: list[str] | None = None) -> int:
    """Parse the arguments and migrate; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", help="sqlite:///FILE")
    parser.add_argument("target", nargs="?", help="postgresql+pg8000://...; default: MLFLOW_BACKEND_STORE_URI")
    parser.add_argument("--artifacts", help="where the server keeps files; default: MLFLOW_ARTIFACTS_DESTINATION")
    parser.add_argument(
        "--proxied",
        type=Path,
        help="where a server on the source kept files; default: mlartifacts beside the source",
    )
    parser.add_argument(
        "--moved", nargs=2, metavar=("OLD", "NEW"), help="the source's files were recorded below OLD and are below NEW"
    )
    parser.add_argument("--skip-missing", action="store_true", help="migrate without the files of models that are lost")
    args = parser.parse_args(argv)
    return run(lambda: migrate(args))


def migrate(args: argparse.Namespace) -> None:
    """Migrate as the options say."""
    from callcenterai.tracking import migration

    migration.migrate(args.source, args.target, args.artifacts, args.proxied, args.moved, args.skip_missing)


if __name__ == "__main__":
    sys.exit(main())
