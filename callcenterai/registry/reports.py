"""What the registry's commands print: tables for people, JSON for programs."""

import json
import sys
from pathlib import Path
from typing import Any

from callcenterai.core.cli import print_table
from callcenterai.registry.gates import PromotionRefused, Verdict
from callcenterai.registry.live_comparison import compare_on_live_tickets
from callcenterai.registry.production_folder import write_model_folder
from callcenterai.registry.promotion import Promoter, Registration
from callcenterai.registry.state import ARCHIVED, PRODUCTION, STAGING, Change, State, Version, moves_to_production
from callcenterai.registry.store import Registry

COLOURS = {PRODUCTION: "green", STAGING: "yellow", ARCHIVED: "dim"}
LIST_COLUMNS = ("version", "stage", "accuracy", "macro F1", "data", "commit", "trained", "moved", "by")
HISTORY_COLUMNS = ("at (UTC)", "by", "what", "version", "from", "to", "accuracy", "reason")


def print_versions(registry: Registry, as_json: bool) -> None:
    """Print every version with its stage, figures and origin."""
    state = registry.read_state()
    entries = list_moves(state)
    rows = [describe_version(version, entries) for version in state.versions.values()]
    if as_json:
        return print_json(rows)
    if not rows:
        print(f"{registry.name} has no version yet: `register` makes one", file=sys.stderr)
        return None
    if state.version_in(PRODUCTION) is None and any(entry["to"] == PRODUCTION for entry in entries):
        print("warning: nothing is in Production any more; `rollback` brings the last one back", file=sys.stderr)
    shown = [
        (
            str(row["version"]),
            row["stage"],
            format_figure(row["accuracy"]),
            format_figure(row["macro_f1"]),
            row["data"][:8],
            row["commit"][:8],
            to_minute(row["trained_at"]),
            to_minute(row["moved_at"]),
            row["moved_by"],
        )
        for row in reversed(rows)
    ]
    print_table(LIST_COLUMNS, shown, [COLOURS.get(row[1]) for row in shown])


def print_version(registry: Registry, name: str, as_json: bool) -> None:
    """Print one version: what it is, the run it comes from, and what happened to it."""
    state = registry.read_state()
    version = state.find(name)
    run = registry.client.get_run(version.run_id)
    entries = [entry for entry in list_moves(state) if entry["version"] == version.number]
    found = describe_version(version, entries) | {
        "parameters": dict(run.data.params),
        "metrics": without_classes(run.data.metrics),
        "history": entries,
    }
    if as_json:
        return print_json(found)
    rows = [(key, str(value)) for key, value in found.items() if key not in ("parameters", "metrics", "history")]
    rows += [(f"metrics.{key}", format_figure(value)) for key, value in found["metrics"].items()]
    rows += [(f"parameters.{key}", value) for key, value in found["parameters"].items()]
    print_table(("", f"version {version.number}"), rows)
    print()
    print_table(HISTORY_COLUMNS, [history_row(entry) for entry in entries])


def print_diff(registry: Registry, names: list[str], as_json: bool) -> None:
    """Print the parameters that differ and the metrics of two versions side by side."""
    state = registry.read_state()
    pair = [state.find(name) for name in names]
    runs = [registry.client.get_run(version.run_id).data for version in pair]
    parameters = side_by_side([run.params for run in runs])
    metrics = side_by_side([without_classes(run.metrics) for run in runs])
    if as_json:
        numbers = [version.number for version in pair]
        return print_json({"versions": numbers, "parameters": parameters, "metrics": metrics})
    changed = [(name, *map(str, sides)) for name, sides in parameters.items() if sides[0] != sides[1]]
    compared = [(name, *map(format_figure, sides), format_difference(sides)) for name, sides in metrics.items()]
    columns = tuple(f"version {version.number}" for version in pair)
    print_table(("parameter", *columns), changed or [("none differs", "", "")])
    print()
    print_table(("metric", *columns, "difference"), compared)


def print_history(registry: Registry, as_json: bool) -> None:
    """Print every move, the newest first in the table and last in JSON."""
    entries = list_moves(registry.read_state())
    if as_json:
        return print_json(entries)
    if not entries:
        print(f"nothing has happened to {registry.name} yet", file=sys.stderr)
        return None
    print_table(HISTORY_COLUMNS, [history_row(entry) for entry in reversed(entries)])


def print_check(promoter: Promoter, name: str, as_json: bool, database: str | None = None) -> bool:
    """Print the verdict of every gate on the way to Production; return whether all pass.

    With the agent's database, also print how the version compares on live tickets.
    """
    state = promoter.registry.read_state()
    version = state.find(name)
    moves = moves_to_production(state, name)
    verdicts = promoter.check_for_production(state, Change("check", moves, "")) if moves else []
    if moves and database:
        verdicts += compare_on_live_tickets(database, version, state.version_in(PRODUCTION))
    passed = all(verdict.passed for verdict in verdicts)
    if as_json:
        print_json({"version": version.number, "passed": passed, "gates": [vars(verdict) for verdict in verdicts]})
    elif not moves:
        print(f"version {version.number} is in Production")
    else:
        print_verdicts(verdicts)
    return passed


def print_verdicts(verdicts: list[Verdict]) -> None:
    """Print a table of verdicts, refusals in red."""
    rows = [(verdict.gate, "passes" if verdict.passed else "REFUSES", verdict.message) for verdict in verdicts]
    print_table(("gate", "", "found"), rows, [None if verdict.passed else "red" for verdict in verdicts])


def export_version(registry: Registry, name: str, target: Path, as_json: bool) -> None:
    """Write a version's model and metadata into a folder, after their hashes were checked."""
    version = registry.read_state().find(name)
    write_model_folder(version, target, registry.download)
    written = {"version": version.number, "folder": str(target), "sha256": version.tags["model_sha256"]}
    if as_json:
        return print_json(written)
    print(f"version {version.number} is in {target}, sha256 {written['sha256']}")


def print_registration(registration: Registration, name: str) -> None:
    """Print which version a run became, would become, or is already."""
    run_id, version, is_new, newest_run = registration
    if not is_new:
        print(f"run {run_id} is version {version} already")
        if newest_run:
            print(f"the newest run is {newest_run}: `register --run-id {newest_run}` registers it, better or not")
    elif version is None:
        print(f"run {run_id} would be registered")
    else:
        print(f"version {version} of {name} is run {run_id}: next, `staging`")


def print_change(change: Change | None, dry_run: bool) -> None:
    """Print the moves that were made, or would be."""
    if change is None:
        print("nothing to do: the version is there already")
        return
    for move in change.moves:
        print(f"version {move.version}: {move.origin} -> {move.target}{' (dry run)' if dry_run else ''}")
    if change.forced:
        print(f"passed by force: {', '.join(change.refused_by)}", file=sys.stderr)


def print_refusal(refusal: PromotionRefused) -> None:
    """Print on stderr each gate that refused."""
    for verdict in refusal.verdicts:
        if not verdict.passed:
            print(f"refused: {verdict.gate}: {verdict.message}", file=sys.stderr)


def history_row(entry: dict[str, Any]) -> tuple[str, ...]:
    """Return an entry of list_moves as the table shows it."""
    reason = entry["reason"] or ""
    if entry["forced"]:
        reason = f"{reason} (FORCED past: {', '.join(entry['refused_by'])})"
    accuracy = format_figure(entry["metrics"].get("accuracy"))
    stages = (entry["from"] or "", entry["to"])
    return (to_second(entry["at"]), entry["by"], entry["action"], str(entry["version"]), *stages, accuracy, reason)


def list_moves(state: State) -> list[dict[str, Any]]:
    """Return the history as one entry per version moved, oldest first."""
    entries = []
    for change in state.history:
        first = change.moves[0]
        for move in change.moves:
            asked_for = move is first
            entries.append(
                {
                    "at": change.at,
                    "by": change.by,
                    "action": change.action,
                    "version": move.version,
                    "from": move.origin,
                    "to": move.target,
                    "reason": change.reason if asked_for else f"made room for version {first.version}",
                    "forced": change.forced and asked_for,
                    "refused_by": [*change.refused_by] if asked_for else [],
                    "metrics": change.metrics if asked_for else {},
                    "commit": change.commit if asked_for else None,
                }
            )
    return entries


def describe_version(version: Version, entries: list[dict[str, Any]]) -> dict[str, Any]:
    """Return one version as `list --json` has it; entries are those of list_moves."""
    last: dict[str, Any] = next((e for e in reversed(entries) if e["version"] == version.number), {})
    tags = version.tags
    return {
        "version": version.number,
        "stage": version.stage,
        "accuracy": float(tags["accuracy"]) if "accuracy" in tags else None,
        "macro_f1": float(tags["macro_f1"]) if "macro_f1" in tags else None,
        "run_id": version.run_id,
        "data": tags.get("data", ""),
        "commit": tags.get("git_commit", ""),
        "trained_at": tags.get("trained_at", ""),
        "moved_at": last.get("at", ""),
        "moved_by": last.get("by", ""),
        "model_sha256": tags.get("model_sha256", ""),
    }


def side_by_side(sides: list[dict[str, Any]]) -> dict[str, list[Any]]:
    """Return, for every name in any of the dictionaries, its value in each; None where it is missing."""
    return {name: [side.get(name) for side in sides] for name in dict.fromkeys(key for side in sides for key in side)}


def without_classes(metrics: dict[str, float]) -> dict[str, float]:
    """Return the metrics of validation and test as a whole, without those of single classes."""
    return {name: metrics[name] for name in sorted(metrics) if ".per_class." not in name}


def format_figure(value: float | None) -> str:
    """Return a metric as tables show it."""
    return "" if value is None else f"{value:.4f}"


def format_difference(sides: Any) -> str:
    """Return the second minus the first, signed, when both are there."""
    return "" if None in sides else f"{sides[1] - sides[0]:+.4f}"


def to_minute(at: str) -> str:
    """Return an ISO time without its seconds."""
    return at[:16].replace("T", " ")


def to_second(at: str) -> str:
    """Return an ISO time without fractions and zone."""
    return at[:19].replace("T", " ")


def print_json(value: Any) -> None:
    """Print value for programs."""
    print(json.dumps(value, indent=2, ensure_ascii=False))
