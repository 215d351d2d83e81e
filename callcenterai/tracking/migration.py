"""Moves an embedded MLflow database and its files to a server on PostgreSQL, completely or not at all."""

import os
from pathlib import Path

from callcenterai.core.cli import UserError, print_progress
from callcenterai.tracking import migration_files, migration_rows
from callcenterai.tracking.migration_files import Location, RecordedPlaces


def migrate(
    source: str,
    target: str | None,
    artifacts: str | None,
    proxied: Path | None,
    moved: tuple[str, str] | None,
    skip_missing: bool,
) -> None:
    """Move everything, or raise a UserError and leave the target without a row.

    source and target are database addresses and artifacts is the server's place for files; find_destination has the
    defaults of both. proxied, moved: see RecordedPlaces.
    """
    database = find_source_file(source)
    target, artifacts = find_destination(target, artifacts)
    with migration_rows.translate_database_errors(), migration_rows.open_source(database) as old:
        engine = migration_rows.open_target(target)
        try:
            with engine.connect() as new:
                migration_rows.check_target_is_empty(new)
            recorded = RecordedPlaces(proxied or database.parent / "mlartifacts", moved)
            locations = migration_files.find_locations(old, recorded)
            check_missing_files(migration_files.find_missing_models(old, locations, recorded), skip_missing)
            print_progress(f"copying the files of {sum(each.has_files() for each in locations)} runs and models")
            files, size = migration_files.copy_files(locations, artifacts)
            print_progress("copying the database")
            with engine.begin() as new:
                counts = migration_rows.copy_rows(old, new, migration_files.LocationRewriter(locations))
        finally:
            engine.dispose()
    print_summary(counts, files, size, locations)


def find_source_file(source: str) -> Path:
    """Return the file of an embedded database, or raise a UserError when the address is not that of one."""
    if not source.startswith("sqlite:///"):
        raise UserError(
            f"{source!r} is not an embedded database: give sqlite:/// and its file, such as sqlite:///mlflow.db"
        )
    path = Path(source.removeprefix("sqlite:///"))
    if not path.is_file():
        raise UserError(f"{path}: no such file")
    return path.resolve()


def find_destination(target: str | None, artifacts: str | None) -> tuple[str, str]:
    """Return the server's database and its place for files, by default those of the server's own variables."""
    target = target or os.environ.get("MLFLOW_BACKEND_STORE_URI")
    artifacts = artifacts or os.environ.get("MLFLOW_ARTIFACTS_DESTINATION")
    if not target or not artifacts:
        missing = "a target, or MLFLOW_BACKEND_STORE_URI" if not target else "--artifacts"
        raise UserError(f"the destination is incomplete: give {missing}; --help shows both")
    return target, artifacts


def check_missing_files(models: list[str], skip_missing: bool) -> None:
    """Raise a UserError when models have lost their files, unless that is accepted."""
    if models and not skip_missing:
        more = f", nor those of {len(models) - 1} more models" if len(models) > 1 else ""
        raise UserError(
            f"the files of {models[0]} do not exist{more}: if the folder was moved, add --moved OLD NEW; if they are "
            "lost, --skip-missing migrates without them"
        )


def print_summary(counts: dict[str, int], files: int, size: int, locations: list[Location]) -> None:
    """Print how many rows and files were moved, and which stay where they are."""
    for table, count in counts.items():
        print(f"{table:<32} {count:>9,}")
    print(f"{'files':<32} {files:>9,}   {size / 1e6:,.1f} MB, SHA-256 of each compared")
    owners = [each for each in locations if each.table != "experiments"]
    if empty := sum(each.folder is not None and not each.has_files() for each in owners):
        print_progress(f"{empty} runs or models had no files")
    if elsewhere := sum(each.folder is None for each in owners):
        print_progress(f"{elsewhere} runs or models keep their files where they are, outside this machine's folders")
