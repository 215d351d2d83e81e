"""The report on drift: as tables, as a page that needs no other file, as JSON, and as an MLflow run."""

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from callcenterai.agent_data.live_figures.counting import SeenTickets
from callcenterai.agent_data.live_figures.homogeneity import FEWEST_TICKETS, compare_figures
from callcenterai.agent_data.seen import count_seen
from callcenterai.artifact.folder import REFERENCE_FILE, check_files, read_metadata
from callcenterai.core.cli import UserError
from callcenterai.core.files import json_bytes, write_files
from callcenterai.report.drift_page import LEVELS, TITLES, DriftReport, basis, drift_page, summary
from callcenterai.report.markdown import escape_text, table

EXPERIMENT = "callcenterai-drift"
MOST_DAYS = 3660


def run_drift_report(model: Path, database: str, days: int, version: str | None, output: Path, log: bool = True) -> int:
    """Write and print the report on the last days; return 1 if drift matters in some figure, else 0."""
    if not 1 <= days <= MOST_DAYS:
        raise UserError(f"--days must be from 1 to {MOST_DAYS}")
    reference, sha256 = read_reference(model)
    until = datetime.now(UTC).date()
    since = until - timedelta(days=days - 1)
    seen = count_seen(database, reference, since, until, version, sha256)
    if seen.tickets < FEWEST_TICKETS:
        raise UserError(
            f"only {seen.tickets} tickets from {since} to {until}, and {FEWEST_TICKETS} are needed: give more --days"
        )
    report = make_report(reference, seen, since, until)
    files = {output / "drift.html": drift_page(report), output / "drift.json": json_bytes(as_json(report))}
    write_files(files)
    print(drift_tables(report))
    if log:
        print(f"MLflow run {log_drift(report, list(files))}")
    return 1 if report.matters else 0


def read_reference(model: Path) -> tuple[dict[str, Any], str]:
    """Return the reference of a model folder, and the hash of its model."""
    files = read_metadata(model).get("files", {})
    if REFERENCE_FILE not in files:
        raise UserError(f"{model} has no {REFERENCE_FILE}: it is older than the report; train again with `dvc repro`")
    check_files(model, (REFERENCE_FILE,))
    return json.loads((model / REFERENCE_FILE).read_text(encoding="utf-8")), next(iter(files.values()))


def make_report(reference: dict[str, Any], seen: SeenTickets, since: date, until: date) -> DriftReport:
    """Return the report on what was seen."""
    drifts = compare_figures(reference, seen.counts)
    return DriftReport(since, until, seen.version, reference["tickets"], seen.tickets, drifts)


def drift_tables(report: DriftReport) -> str:
    """Return the report in Markdown: the figures, and the values of those that have drifted."""
    rows = [
        (TITLES[each.figure], f"{each.effect:.3f}", f"{each.p_value:.2g}", LEVELS[each.level]) for each in report.drifts
    ]
    parts = [
        f"# Drift\n\n{summary(report)}\n\n{basis(report)}.",
        table(("figure", "effect size w", "p", "drift"), rows),
    ]
    for each in report.drifts:
        if each.level != "none":
            values = [(escape_text(value), f"{old:.1%}", f"{new:.1%}") for value, old, new in each.relative]
            parts.append(f"## {TITLES[each.figure]}\n\n{table(('value', 'test', 'seen'), values)}")
    return "\n\n".join(parts)


def as_json(report: DriftReport) -> dict[str, Any]:
    """Return the report as plain values."""
    drifts = [each._asdict() | {"shares": [share._asdict() for share in each.shares]} for each in report.drifts]
    days = {"since": report.since.isoformat(), "until": report.until.isoformat()}
    return report._asdict() | days | {"drifts": drifts, "matters": [each.figure for each in report.matters]}


def log_drift(report: DriftReport, files: list[Path]) -> str:
    """Log the report as an MLflow run and return its id."""
    # Late: importing MLflow takes seconds, and a wrong database is reported at once.
    import mlflow

    from callcenterai.tracking import store

    experiment = store.open_experiment(EXPERIMENT)
    tags = {"drift": "large" if report.matters else "none", "model_version": report.version}
    with store.translate_tracking_errors(), mlflow.start_run(experiment_id=experiment, tags=tags) as run:
        mlflow.log_params({"since": report.since, "until": report.until, "model_version": report.version})
        effects = {f"effect.{each.figure}": each.effect for each in report.drifts}
        p_values = {f"p.{each.figure}": each.p_value for each in report.drifts}
        mlflow.log_metrics(effects | p_values | {"tickets": report.seen})
        for file in files:
            mlflow.log_artifact(str(file))
        return run.info.run_id
