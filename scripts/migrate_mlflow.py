"""python scripts/migrate_mlflow.py sqlite:///mlflow.db postgresql+pg8000://mlflow:...@host/mlflow --artifacts FOLDER
python scripts/migrate_mlflow.py sqlite:///mlflow.db

Move an embedded MLflow database to a server on PostgreSQL: experiments, runs, models, versions and their history.

Every row keeps its id, and every file is copied to where the server looks for it: --artifacts is the server's own
--artifacts-destination, a folder or an address that MLflow knows. The second command reads the target and the place of
the files from MLFLOW_BACKEND_STORE_URI and MLFLOW_ARTIFACTS_DESTINATION, as they are set in the server's container, so
that no password stands in a command. Both databases have to be of the MLflow that is installed here.

The source is only read. The target has to be empty; its tables are made if they are not there. Its rows appear all at
once at the end, after every file's SHA-256 and every table's rows were compared; when something fails none does, and
the same command can be given again. Stop trainings and registry commands on the source first: what they write meanwhile
is not moved.
"""

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import _path  # noqa: F401
from callcenterai.core.cli import UserError, run

if TYPE_CHECKING:
    from callcenterai.tracking.migration_files import Place


def main(argv: list[str] | None = None) -> int:
    """Parse the arguments and migrate; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", help="sqlite:///FILE")
    parser.add_argument("target", nargs="?", help="postgresql+pg8000://...; default: MLFLOW_BACKEND_STORE_URI")
    parser.add_argument("--artifacts", help="where the server keeps files; default: MLFLOW_ARTIFACTS_DESTINATION")
    parser.add_argument(
        "--proxied", type=Path, help="where a server on the source kept them; default: mlartifacts beside the source"
    )
    parser.add_argument(
        "--moved", nargs=2, metavar=("OLD", "NEW"), help="the source's files were recorded below OLD and are below NEW"
    )
    parser.add_argument("--skip-missing", action="store_true", help="go on without files of models that are gone")
    args = parser.parse_args(argv)
    return run(lambda: migrate(args))


def migrate(args: argparse.Namespace) -> None:
    """Move everything, or raise a UserError and leave the target without a row."""
    source = source_file(args.source)
    target = args.target or os.environ.get("MLFLOW_BACKEND_STORE_URI")
    artifacts = args.artifacts or os.environ.get("MLFLOW_ARTIFACTS_DESTINATION")
    if not target or not artifacts:
        missing = "a target, or MLFLOW_BACKEND_STORE_URI" if not target else "--artifacts"
        raise UserError(f"say where to: {missing}; --help shows both")

    from callcenterai.tracking import migration_files as mlflow_files
    from callcenterai.tracking import migration_rows as mlflow_rows

    with mlflow_rows.database_errors(), mlflow_rows.read(source) as old:
        engine = mlflow_rows.open_target(target)
        try:
            with engine.connect() as new:
                mlflow_rows.check_empty(new)
            recorded = mlflow_files.Recorded(args.proxied or source.parent / "mlartifacts", args.moved)
            places = mlflow_files.find_places(old, recorded)
            check_missing(mlflow_files.missing_models(old, places, recorded), args.skip_missing)
            said(f"copying the files of {sum(place.is_there() for place in places)} runs and models")
            files, size = mlflow_files.copy(places, artifacts)
            said("copying the database")
            with engine.begin() as new:
                counts = mlflow_rows.copy(old, new, mlflow_files.Rewriting(places))
        finally:
            engine.dispose()
    report(counts, files, size, places)


def source_file(source: str) -> Path:
    """Return the file of the embedded database; a UserError when it is none."""
    if not source.startswith("sqlite:///"):
        raise UserError(
            f"{source!r} is no embedded database: give sqlite:/// and its file, such as sqlite:///mlflow.db"
        )
    path = Path(source.removeprefix("sqlite:///"))
    if not path.is_file():
        raise UserError(f"{path}: no such file")
    return path.resolve()


def check_missing(models: list[str], skip: bool) -> None:
    """Raise a UserError when models have lost their files."""
    if models and not skip:
        raise UserError(
            f"the files of {models[0]} are not there"
            f"{f', nor those of {len(models) - 1} more models' if len(models) > 1 else ''}: if the folder was moved, "
            "say so with --moved OLD NEW; if they are gone, --skip-missing goes on without them"
        )


def report(counts: dict[str, int], files: int, size: int, places: "list[Place]") -> None:
    """Print what was moved."""
    for table, count in counts.items():
        print(f"{table:<32} {count:>9,}")
    print(f"{'files':<32} {files:>9,}   {size / 1e6:,.1f} MB, each with the SHA-256 that it had")
    owners = [place for place in places if place.table != "experiments"]
    if bare := sum(place.folder is not None and not place.is_there() for place in owners):
        said(f"{bare} runs or models had no files")
    if elsewhere := sum(place.folder is None for place in owners):
        said(f"{elsewhere} runs or models keep their files where they are, outside this machine's folders")


def said(line: Any) -> None:
    """Say on stderr how far it is."""
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
