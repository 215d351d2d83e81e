"""What the registry's reading commands print: tables for people, JSON for programs."""

import argparse
import json
import sys
import tempfile
from datetime import datetime
from pathlib import Path
from typing import Any

from callcenterai.core.tables import print_table
from callcenterai.registry.promotion import Desk
from callcenterai.registry.store import ARCHIVED, PRODUCTION, STAGING, State, Version

COLOURS = {PRODUCTION: "green", STAGING: "yellow", ARCHIVED: "dim"}


def print_list(desk: Desk, options: argparse.Namespace) -> int:
    """Print every version with its stage, figures and origin."""
    state = desk.registry.state()
    told = moves(state)
    rows = [describe(version, told) for version in state.versions.values()]
    if options.json:
        return print_json(rows)
    if not rows:
        print(f"{desk.registry.name} has no version yet: `register` makes one", file=sys.stderr)
        return 0
    if state.holder(PRODUCTION) is None and any(move["to"] == PRODUCTION for move in told):
        print("warning: nothing is in Production any more; `rollback` brings the last one back", file=sys.stderr)
    shown = [
        (
            str(row["version"]),
            row["stage"],
            figure(row["accuracy"]),
            figure(row["macro_f1"]),
            row["data"][:8],
            row["commit"][:8],
            minute(row["trained_at"]),
            minute(row["moved_at"]),
            row["moved_by"],
        )
        for row in reversed(rows)
    ]
    print_table(
        ("version", "stage", "accuracy", "macro F1", "data", "commit", "trained", "moved", "by"),
        shown,
        [COLOURS.get(row[1]) for row in shown],
    )
    return 0


def print_version(desk: Desk, options: argparse.Namespace) -> int:
    """Print one version: what it is, the run it comes from, and what happened to it."""
    state = desk.registry.state()
    version = state.find(options.version)
    run = desk.registry.client.get_run(version.run_id)
    told = [move for move in moves(state) if move["version"] == version.number]
    found = describe(version, told) | {
        "parameters": dict(run.data.params),
        "metrics": headline(run.data.metrics),
        "history": told,
    }
    if options.json:
        return print_json(found)
    rows = [(name, str(value)) for name, value in found.items() if name not in ("parameters", "metrics", "history")]
    rows += [(f"metrics.{name}", figure(value)) for name, value in found["metrics"].items()]
    rows += [(f"parameters.{name}", value) for name, value in found["parameters"].items()]
    print_table(("", f"version {version.number}"), rows)
    print()
    print_table(HISTORY_COLUMNS, [history_row(move) for move in told])
    return 0


def print_diff(desk: Desk, options: argparse.Namespace) -> int:
    """Print the parameters that differ and the metrics of two versions side by side."""
    state = desk.registry.state()
    pair = [state.find(version) for version in options.version]
    runs = [desk.registry.client.get_run(version.run_id).data for version in pair]
    metrics = [headline(run.metrics) for run in runs]
    rows: Any = {"parameters": {}, "metrics": {}}
    for kind, sides in (("parameters", [run.params for run in runs]), ("metrics", metrics)):
        for name in dict.fromkeys([*sides[0], *sides[1]]):
            rows[kind][name] = [side.get(name) for side in sides]
    if options.json:
        return print_json({"versions": [version.number for version in pair], **rows})
    changed = [(name, *map(str, sides)) for name, sides in rows["parameters"].items() if sides[0] != sides[1]]
    compared = [(name, *map(figure, sides), difference(sides)) for name, sides in rows["metrics"].items()]
    columns = tuple(f"version {version.number}" for version in pair)
    print_table(("parameter", *columns), changed or [("none differs", "", "")])
    print()
    print_table(("metric", *columns, "difference"), compared)
    return 0


def print_history(desk: Desk, options: argparse.Namespace) -> int:
    """Print every move, the newest first in the table and last in JSON."""
    told = moves(desk.registry.state())
    if options.json:
        return print_json(told)
    if not told:
        print(f"nothing has happened to {desk.registry.name} yet", file=sys.stderr)
        return 0
    print_table(HISTORY_COLUMNS, [history_row(move) for move in reversed(told)])
    return 0


def print_check(desk: Desk, options: argparse.Namespace) -> int:
    """Print what every gate on the way to Production says of a version; 3 when one would refuse."""
    from callcenterai.registry.stage_moves import to_production
    from callcenterai.registry.store import Change

    state = desk.registry.state()
    version = state.find(options.version)
    planned = to_production(state, options.version)
    verdicts = desk.for_production(state, Change("check", planned, "")) if planned else []
    passed = all(verdict.passed for verdict in verdicts)
    if options.json:
        print_json({"version": version.number, "passed": passed, "gates": [vars(verdict) for verdict in verdicts]})
    elif not planned:
        print(f"version {version.number} is in Production")
    else:
        rows = [(verdict.gate, "passes" if verdict.passed else "REFUSES", verdict.message) for verdict in verdicts]
        print_table(("gate", "", "found"), rows, [None if verdict.passed else "red" for verdict in verdicts])
    return 0 if passed else 3


def export(desk: Desk, options: argparse.Namespace) -> int:
    """Write a version's model and metadata into a folder, after the hash was checked."""
    from callcenterai.artifact.folder import METADATA_FILE, RUN_FILE
    from callcenterai.core.files import json_bytes, write_files

    version = desk.registry.state().find(options.version)
    with tempfile.TemporaryDirectory() as folder:
        place = desk.fetch(version, Path(folder))
        # The metadata last: a folder is complete once it is there.
        files = sorted(place.iterdir(), key=lambda path: path.name == METADATA_FILE)
        facts = {options.folder / RUN_FILE: json_bytes(run_facts(version.tags))}
        write_files(facts | {options.folder / path.name: path.read_bytes() for path in files})
    written = {"version": version.number, "folder": str(options.folder), "sha256": version.tags["model_sha256"]}
    if options.json:
        return print_json(written)
    print(f"version {version.number} is in {options.folder}, sha256 {written['sha256']}")
    return 0


def run_facts(tags: dict[str, str]) -> dict[str, Any]:
    """Return what the registry knows of a version's training, as training writes it into run.json."""
    facts: dict[str, Any] = {"metadata_sha256": tags["metadata_sha256"], "git_commit": tags.get("git_commit") or None}
    if tags.get("trained_at"):
        facts["started_at"] = datetime.fromisoformat(tags["trained_at"]).timestamp()
    return facts


COMMANDS = {
    "list": print_list,
    "show": print_version,
    "diff": print_diff,
    "history": print_history,
    "check": print_check,
    "export": export,
}
HISTORY_COLUMNS = ("at (UTC)", "by", "what", "version", "from", "to", "accuracy", "reason")


def history_row(move: dict[str, Any]) -> tuple[str, ...]:
    """Return one move as the table shows it."""
    reason = move["reason"] or ""
    if move["forced"]:
        reason = f"{reason} (FORCED past: {', '.join(move['refused_by'])})"
    accuracy = figure(move["metrics"].get("accuracy"))
    stages = (move["from"] or "", move["to"])
    return (second(move["at"]), move["by"], move["action"], str(move["version"]), *stages, accuracy, reason)


def moves(state: State) -> list[dict[str, Any]]:
    """Return the history as one entry per version moved, oldest first."""
    told = []
    for change in state.history:
        first = change.moves[0]
        for move in change.moves:
            own = move is first
            told.append(
                {
                    "at": change.at,
                    "by": change.by,
                    "action": change.action,
                    "version": move.version,
                    "from": move.origin,
                    "to": move.target,
                    "reason": change.reason if own else f"made room for version {first.version}",
                    "forced": change.forced and own,
                    "refused_by": [*change.refused_by] if own else [],
                    "metrics": change.metrics if own else {},
                    "commit": change.commit if own else None,
                }
            )
    return told


def describe(version: Version, told: list[dict[str, Any]]) -> dict[str, Any]:
    """Return one version as `list --json` has it; told is the history."""
    last = next((move for move in reversed(told) if move["version"] == version.number), {})
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


def headline(metrics: dict[str, float]) -> dict[str, float]:
    """Return the metrics of validation and test as a whole, without those of single classes."""
    return {name: metrics[name] for name in sorted(metrics) if ".per_class." not in name}


def figure(value: float | None) -> str:
    """Return a metric as tables show it."""
    return "" if value is None else f"{value:.4f}"


def difference(sides: Any) -> str:
    """Return the second minus the first, signed, when both are there."""
    return "" if None in sides else f"{sides[1] - sides[0]:+.4f}"


def minute(at: str) -> str:
    """Return an ISO time without its seconds."""
    return at[:16].replace("T", " ")


def second(at: str) -> str:
    """Return an ISO time without fractions and zone."""
    return at[:19].replace("T", " ")


def print_json(value: Any) -> int:
    """Print value for programs."""
    print(json.dumps(value, indent=2, ensure_ascii=False))
    return 0
