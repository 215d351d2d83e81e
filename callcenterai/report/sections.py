"""The sections of the report on a model, in Markdown that GitHub renders: tables and a chart."""

import csv
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from callcenterai.core.cli import one_line
from callcenterai.registry.gates import Verdict
from callcenterai.report.figures import MISSING, Figures
from callcenterai.report.markdown import code_block, inline_code, table

SHOWN_FIGURES = (
    ("accuracy", "accuracy"),
    ("macro F1", "macro_f1"),
    ("weighted F1", "weighted_f1"),
    ("expected calibration error (ECE; less is better)", "ece"),
    ("auto-route: share of tickets", "auto_route", "coverage"),
    ("auto-route: accuracy", "auto_route", "accuracy"),
)
PARTS = ("train", "validation", "test")
# With any number of classes, the report has to fit into a comment, which GitHub limits to 65,536 characters.
MOST_CLASSES, MOST_PAIRS, WIDEST_MATRIX, MOST_NAMED = 8, 12, 12, 12
# In characters: a gate's message names every class that is worse, and a label can be a whole text.
LONGEST_MESSAGE, LONGEST_LABEL = 600, 60


def render_report(
    now: Figures, then: Figures | None, revision: str, verdicts: list[Verdict], data: Path, plots: Path
) -> str:
    """Return the whole report."""
    sections = {
        "": verdict_section(verdicts, then, revision),
        "Figures on test": figures_section(now, then, revision),
        "Classes whose F1 moved most": classes_section(now, then, revision),
        "Tickets": tickets_section(now, then, revision, data),
        "Confusion matrix on test": confusion_section(plots / "confusion.csv", now),
        "Reliability on test": reliability_section(plots / "reliability.csv", now),
    }
    return "\n\n".join(
        [f"## {title}\n\n{text}" if title else f"# Model report\n\n{text}" for title, text in sections.items()]
    )


def verdict_section(verdicts: list[Verdict], then: Figures | None, revision: str) -> str:
    """Return the verdicts of the gates, or that there is nothing to compare with."""
    lines = [
        shorten(f"{'passed' if each.passed else 'FAILED'}  {each.gate}: {one_line(each.message)}", LONGEST_MESSAGE)
        for each in verdicts
    ]
    shown = code_block("text", lines)
    if not all(each.passed for each in verdicts):
        return f"**Failed.**\n\n{shown}"
    if then is None:
        return f"There are no metrics at {inline_code(revision)}: nothing to compare with, so nothing is refused."
    if then.missing_metrics():
        return (
            f"The metrics at {inline_code(revision)} are not complete: nothing to compare with, so nothing is refused."
        )
    return f"**Passed**, compared with {inline_code(revision)}.\n\n{shown}"


def figures_section(now: Figures, then: Figures | None, revision: str) -> str:
    """Return the table of the figures, with their 95% intervals where there are any."""
    rows = []
    for title, *keys in SHOWN_FIGURES:
        values = [side.find(*keys) if side else MISSING for side in (now, then)]
        intervals = [side.find(f"{keys[0]}_ci95") if side else MISSING for side in (now, then)]
        shown = [format_with_interval(*pair) for pair in zip(values, intervals, strict=True)]
        rows.append((title, *shown, format_difference(*values)))
    return table(("", "now", inline_code(revision), "difference"), rows)


def classes_section(now: Figures, then: Figures | None, revision: str) -> str:
    """Return the classes whose F1 differs most between the sides, the largest difference first."""
    if then is None or now.missing_metrics() or then.missing_metrics():
        return "Nothing to compare."
    known, before = set(now.find("per_class")), set(then.find("per_class"))
    pairs = {label: [side.find("per_class", label, "f1") for side in (now, then)] for label in known & before}
    moved = sorted(
        (label for label, (f1, f1_before) in pairs.items() if f1 != f1_before),
        key=lambda label: -abs(pairs[label][0] - pairs[label][1]),
    )
    rows = [
        (
            inline_label(label),
            f"{now.find('per_class', label, 'tickets'):,}",
            *map(format_percent, pairs[label]),
            format_difference(*pairs[label]),
        )
        for label in moved[:MOST_CLASSES]
    ]
    header = ("class", "tickets", "now", inline_code(revision), "difference")
    paragraphs = [table(header, rows)] if rows else ["None has moved."]
    for title, labels in (("New", known - before), ("Gone", before - known)):
        if labels:
            more = f" and {len(labels) - MOST_NAMED} more" if len(labels) > MOST_NAMED else ""
            paragraphs.append(f"{title}: {', '.join(map(inline_label, sorted(labels)[:MOST_NAMED]))}{more}.")
    return "\n\n".join(paragraphs)


def tickets_section(now: Figures, then: Figures | None, revision: str, data: Path) -> str:
    """Return the size of each part, whether it is the same file on both sides, and whether the figures compare."""
    same = {part: then is not None and now.has_same_output(then, f"{data.as_posix()}/{part}.csv") for part in PARTS}
    rows = []
    for part in PARTS:
        tickets = "-" if then is None else "the same" if same[part] else "others"
        rows.append((part, part_size(now, part), part_size(then, part), tickets))
    shown = table(("part", "now", inline_code(revision), ""), rows)
    if then is None:
        return shown
    if same["test"]:
        return f"{shown}\n\nBoth sides were measured on the same test tickets: their figures compare."
    return (
        f"{shown}\n\nThe test tickets are others, so the figures do not compare ticket by ticket: a figure is refused "
        "only if it lies below the 95% interval of before."
    )


def confusion_section(path: Path, now: Figures) -> str:
    """Return the confusion matrix or, if there are many classes, the pairs that are confused most often."""
    rows = read_plot(path)
    counts = Counter((row["actual"], row["predicted"]) for row in rows)
    if not rows or len(rows) != now.find("tickets"):
        return missing_plot(path, rows)
    labels = sorted({label for pair in counts for label in pair})
    if len(labels) <= WIDEST_MATRIX:
        header = ["actual / predicted", *map(inline_label, labels)]
        return table(header, ([inline_label(actual), *matrix_cells(actual, labels, counts)] for actual in labels))
    sizes = Counter(row["actual"] for row in rows)
    wrong = [(pair, count) for pair, count in counts.most_common() if pair[0] != pair[1]][:MOST_PAIRS]
    shown = (
        (
            f"{inline_label(actual)} predicted as {inline_label(predicted)}",
            f"{count:,}",
            format_percent(count / sizes[actual]),
        )
        for (actual, predicted), count in wrong
    )
    return table(("most frequent confusions", "tickets", "of the class"), shown)


def matrix_cells(actual: str, labels: list[str], counts: Counter) -> Iterable[str]:
    """Return a row of the matrix: correct predictions in bold, zeros left empty."""
    for predicted in labels:
        count = counts[actual, predicted]
        yield f"**{count:,}**" if actual == predicted else f"{count:,}" if count else ""


def reliability_section(path: Path, now: Figures) -> str:
    """Return a chart of accuracy (bars) and confidence (line); they meet where the model is well calibrated."""
    rows = [{key: float(value) for key, value in row.items()} for row in read_plot(path)]
    if not rows or sum(row["tickets"] for row in rows) != now.find("tickets"):
        return missing_plot(path, rows)
    confidences, accuracies = ([f"{100 * row[key]:.1f}" for row in rows] for key in ("confidence", "accuracy"))
    chart = (
        "xychart-beta",
        f'    x-axis "confidence (%)" [{", ".join(confidences)}]',
        '    y-axis "accuracy (%)" 0 --> 100',
        f"    bar [{', '.join(accuracies)}]",
        f"    line [{', '.join(confidences)}]",
    )
    legend = "Bars: accuracy of the tickets with this confidence; line: the confidence itself."
    return f"{legend}\n\n{code_block('mermaid', chart)}"


def read_plot(path: Path) -> list[dict[str, str]]:
    """Return the rows of a plot's data; empty if the file does not exist."""
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def missing_plot(path: Path, rows: list) -> str:
    """Return why a plot is not shown."""
    reason = "is of another training than the metrics" if rows else "does not exist"
    return f"{inline_code(path.as_posix())} {reason}; `dvc repro` makes it."


def inline_label(label: str) -> str:
    """Return a label as code, without the end of a long one."""
    return inline_code(shorten(label, LONGEST_LABEL))


def shorten(text: str, limit: int) -> str:
    """Return a text of at most so many characters."""
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def part_size(side: Figures | None, part: str) -> str:
    """Return the number of tickets in a part."""
    rows = side.prepared.get("rows", {}).get(part) if side else None
    return "-" if rows is None else f"{rows:,}"


def format_with_interval(value: Any, interval: Any) -> str:
    """Return a share in per cent, with its interval if there is one."""
    if not isinstance(interval, dict) or not {"low", "high"} <= set(interval):
        return format_percent(value)
    return f"{format_percent(value)} ({100 * interval['low']:.1f} to {100 * interval['high']:.1f})"


def format_percent(value: Any) -> str:
    """Return a share in per cent."""
    return f"{100 * value:.2f}%" if isinstance(value, int | float) else "-"


def format_difference(value: Any, before: Any) -> str:
    """Return a difference in percentage points."""
    both = isinstance(value, int | float) and isinstance(before, int | float)
    return f"{100 * (value - before):+.2f}" if both else "-"
