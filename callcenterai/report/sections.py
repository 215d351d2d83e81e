"""A report on the model as Markdown that GitHub shows by itself: tables, and a chart that it draws."""

import csv
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from callcenterai.core.cli import one_line
from callcenterai.registry.gates import Verdict
from callcenterai.report.figures import MISSING, Figures
from callcenterai.report.markdown import block, name, table

FIGURES = (
    ("accuracy", "accuracy"),
    ("macro F1", "macro_f1"),
    ("weighted F1", "weighted_f1"),
    ("expected calibration error (ECE; less is better)", "ece"),
    ("auto-route: share of tickets", "auto_route", "coverage"),
    ("auto-route: accuracy", "auto_route", "accuracy"),
)
PARTS = ("train", "validation", "test")
# With 77 classes it must fit into a comment too, which GitHub limits to 65,536 characters.
MOVED, PAIRS, WIDEST_MATRIX = 8, 12, 12


def document(
    now: Figures, then: Figures | None, revision: str, verdicts: list[Verdict], data: Path, plots: Path
) -> str:
    """Return the whole report."""
    sections = {
        "": verdict(verdicts, then, revision),
        "Figures on test": figures(now, then, revision),
        "Classes whose F1 moved most": classes(now, then, revision),
        "Tickets": tickets(now, then, revision, data),
        "Confusion matrix on test": confusion(plots / "confusion.csv", now),
        "Reliability on test": reliability(plots / "reliability.csv", now),
    }
    return "\n\n".join(
        [f"## {title}\n\n{text}" if title else f"# Model report\n\n{text}" for title, text in sections.items()]
    )


def verdict(verdicts: list[Verdict], then: Figures | None, revision: str) -> str:
    """Return what the gates say, or that there is nothing to compare with."""
    lines = [f"{'passed' if each.passed else 'FAILED'}  {each.gate}: {one_line(each.message)}" for each in verdicts]
    gated = block("text", lines)
    if not all(each.passed for each in verdicts):
        return f"**Failed.**\n\n{gated}"
    if then is None:
        return f"There are no metrics at {name(revision)}: nothing to compare with, so nothing is refused."
    if then.absent():
        return f"The metrics at {name(revision)} are not complete: nothing to compare with, so nothing is refused."
    return f"**Passed**, compared with {name(revision)}.\n\n{gated}"


def figures(now: Figures, then: Figures | None, revision: str) -> str:
    """Return the table of the figures, with their 95% intervals where there are any."""
    rows = []
    for title, *keys in FIGURES:
        sides = [side.find(*keys) if side else MISSING for side in (now, then)]
        intervals = [side.find(f"{keys[0]}_ci95") if side else MISSING for side in (now, then)]
        shown = [with_interval(value, interval) for value, interval in zip(sides, intervals)]
        rows.append((title, *shown, points(*sides)))
    return table(("", "now", name(revision), "difference"), rows)


def classes(now: Figures, then: Figures | None, revision: str) -> str:
    """Return the classes whose F1 differs most between both sides, the greatest difference first."""
    known = [set(side.find("per_class")) if side and not side.absent() else set() for side in (now, then)]
    if not all(known):
        return "Nothing to compare."
    pairs = {label: [side.find("per_class", label, "f1") for side in (now, then)] for label in known[0] & known[1]}
    moved = sorted(
        (label for label, (f1, f1_before) in pairs.items() if f1 != f1_before),
        key=lambda label: -abs(pairs[label][0] - pairs[label][1]),
    )
    rows = [
        (
            name(label),
            f"{now.find('per_class', label, 'tickets'):,}",
            *map(percent, pairs[label]),
            points(*pairs[label]),
        )
        for label in moved[:MOVED]
    ]
    said = [table(("class", "tickets", "now", name(revision), "difference"), rows)] if rows else ["None has moved."]
    for labels, where in ((known[0] - known[1], "new"), (known[1] - known[0], "gone")):
        if labels:
            said.append(f"{where.capitalize()}: {', '.join(map(name, sorted(labels)))}.")
    return "\n\n".join(said)


def tickets(now: Figures, then: Figures | None, revision: str, data: Path) -> str:
    """Return how many tickets each part has, whether they are the same, and what that means for the figures."""
    same = {part: bool(then) and now.has_output_of(then, f"{data.as_posix()}/{part}.csv") for part in PARTS}
    rows = [
        (part, *(size(side, part) for side in (now, then)), ("the same" if same[part] else "others") if then else "-")
        for part in PARTS
    ]
    shown = table(("part", "now", name(revision), ""), rows)
    if then is None:
        return shown
    if same["test"]:
        return f"{shown}\n\nBoth sides were measured on the same test tickets: their figures compare."
    return (
        f"{shown}\n\nThe test tickets are others, so the figures do not compare ticket by ticket: only what lies below "
        "the 95% interval of before is refused."
    )


def confusion(path: Path, now: Figures) -> str:
    """Return the confusion matrix or, of many classes, the pairs that are confused most often."""
    rows = read(path)
    counts = Counter((row["actual"], row["predicted"]) for row in rows)
    if not rows or len(rows) != now.find("tickets"):
        return not_there(path, rows)
    labels = sorted({label for pair in counts for label in pair})
    if len(labels) <= WIDEST_MATRIX:
        header = ["actual, and what it is taken for", *map(name, labels)]
        return table(header, ([name(actual), *cells(actual, labels, counts)] for actual in labels))
    sizes = Counter(row["actual"] for row in rows)
    wrong = [(pair, count) for pair, count in counts.most_common() if pair[0] != pair[1]][:PAIRS]
    shown = (
        (f"{name(actual)} for {name(predicted)}", f"{count:,}", percent(count / sizes[actual]))
        for (actual, predicted), count in wrong
    )
    return table(("what is taken for what most often", "tickets", "of the class"), shown)


def cells(actual: str, labels: list[str], counts: Counter) -> Iterable[str]:
    """Return a row of the matrix: what is right in bold, nothing where nothing is."""
    for predicted in labels:
        count = counts[actual, predicted]
        yield f"**{count:,}**" if actual == predicted else f"{count:,}" if count else ""


def reliability(path: Path, now: Figures) -> str:
    """Return a chart of accuracy (bars) and confidence (line): where the model knows how sure it may be, they meet."""
    rows = [{key: float(value) for key, value in row.items()} for row in read(path)]
    if not rows or sum(row["tickets"] for row in rows) != now.find("tickets"):
        return not_there(path, rows)
    confidences, accuracies = ([f"{100 * row[key]:.1f}" for row in rows] for key in ("confidence", "accuracy"))
    chart = (
        "xychart-beta",
        f'    x-axis "confidence (%)" [{", ".join(confidences)}]',
        '    y-axis "accuracy (%)" 0 --> 100',
        f"    bar [{', '.join(accuracies)}]",
        f"    line [{', '.join(confidences)}]",
    )
    said = "Bars: how many of the tickets of a confidence are right; the line: the confidence itself."
    return f"{said}\n\n{block('mermaid', chart)}"


def read(path: Path) -> list[dict[str, str]]:
    """Return the rows of a plot's data, none when it is not there."""
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def not_there(path: Path, rows: list) -> str:
    """Say why a plot is not shown."""
    why = "is of another training than the metrics" if rows else "is not there"
    return f"{name(path.as_posix())} {why}; `dvc repro` makes it."


def size(side: Figures | None, part: str) -> str:
    """Return how many tickets a part has."""
    rows = side.prepared.get("rows", {}).get(part) if side else None
    return "-" if rows is None else f"{rows:,}"


def with_interval(value: Any, interval: Any) -> str:
    """Return a figure in per cent, with its interval if there is one."""
    if not isinstance(interval, dict) or not {"low", "high"} <= set(interval):
        return percent(value)
    return f"{percent(value)} ({100 * interval['low']:.1f} to {100 * interval['high']:.1f})"


def percent(value: Any) -> str:
    """Return a share in per cent."""
    return f"{100 * value:.2f}%" if isinstance(value, int | float) else "-"


def points(value: Any, before: Any) -> str:
    """Return a difference in percentage points."""
    both = isinstance(value, int | float) and isinstance(before, int | float)
    return f"{100 * (value - before):+.2f}" if both else "-"
