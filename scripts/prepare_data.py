"""Turn raw tickets into a clean, stable train/validation/test split.

    dvc repro prepare
    python scripts/prepare_data.py --params params.yaml --output data/processed --metrics metrics/prepare.json

Reads the section `prepare` of params.yaml. Texts stay as they came. Rows that cannot be used are set aside in
rejected.csv with their row number and the reason; rows in = rows kept + rows rejected. Near-duplicates never straddle
two parts (only an official test split is taken as it is: the column `group` shows what it shares with the others), and
appending tickets leaves the old ones where they were, so that metrics of two data versions compare. For the same reason
what people have answered is trained on: it is a choice of the hardest tickets, of which test must not fill up.
"""

import argparse
import csv
import io
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from cli import UserError, run

if TYPE_CHECKING:
    from cleaning import Rejected, Row
    from parameters import PrepareParameters
    from ticket_reader import Ticket

QUANTILES = (0, 0.05, 0.25, 0.5, 0.75, 0.95, 1)
SPLIT_COLUMNS = ("source", "row", "group", "label", "text")
REJECTED_COLUMNS = ("source", "row", "reason", "label", "text")
# As export_feedback.py writes them.
FEEDBACK_COLUMNS = ("text", "label")


def main(argv: list[str] | None = None) -> int:
    """Parse the arguments and prepare the data; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--params", type=Path, default=Path("params.yaml"), help="default: %(default)s")
    parser.add_argument("--output", type=Path, default=Path("data/processed"), help="folder; default: %(default)s")
    parser.add_argument("--metrics", type=Path, default=Path("metrics/prepare.json"), help="default: %(default)s")
    args = parser.parse_args(argv)
    return run(lambda: prepare(args.params, args.output, args.metrics))


def prepare(params_path: Path, output: Path, metrics_path: Path) -> None:
    """Read, clean, split and write; nothing is written unless everything could be."""
    from cleaning import clean, correct
    from files import json_bytes, sha256, write_files
    from parameters import PrepareParameters, read_parameters
    from splitting import PARTS
    from ticket_reader import read_tickets

    params = read_parameters(params_path, "prepare", PrepareParameters)
    sources = {"input": Path(params.input)}
    if params.official_test:
        sources["test_input"] = params.official_test
    tickets = {name: read_tickets(path, params.text_column, params.label_column) for name, path in sources.items()}
    if params.feedback:
        sources["feedback"] = params.feedback
        tickets["feedback"] = read_tickets(params.feedback, *FEEDBACK_COLUMNS)
    rows, rejected, corrections = clean(tickets, params)
    groups = group(rows, params.near_duplicate_similarity)
    rows, groups, too_few = drop_rare(rows, groups, params)
    rejected += too_few
    parts = assign(rows, groups, params)
    # Only now, so that a ticket whose label a person has put right stays in its part, and all others in theirs.
    rows, corrected = correct(rows, corrections)
    hashes = {f"{name}_sha256": sha256(path) for name, path in sources.items()}
    summary = summarize(rows, groups, parts, rejected)
    summary |= {"corrected": corrected, "cut": count_long(tickets, params)} | hashes
    write_files(
        {output / f"{part}.csv": split_csv(rows, groups, parts, part) for part in PARTS}
        | {output / "rejected.csv": csv_bytes(REJECTED_COLUMNS, sorted(rejected, key=lambda r: (r.source, r.row)))}
        | {metrics_path: json_bytes(summary)}
    )
    sizes = ", ".join(f"{size} {part}" for part, size in summary["rows"].items())
    print(f"{summary['rows_in']} rows in: {sizes}; {len(rejected)} rejected, see {output / 'rejected.csv'}")


def group(rows: "list[Row]", similarity: float) -> list[int]:
    """Return each row's near-duplicate group, with a progress bar on stderr when it takes long."""
    from tqdm import tqdm

    from near_duplicates import near_duplicate_groups

    def progress(bands: Iterable[int]) -> Iterable[int]:
        return tqdm(bands, desc="finding near-duplicates", unit="band", delay=3, file=sys.stderr)

    return near_duplicate_groups([row.text for row in rows], similarity, progress).tolist()


def drop_rare(
    rows: "list[Row]", groups: list[int], params: "PrepareParameters"
) -> "tuple[list[Row], list[int], list[Rejected]]":
    """Set aside classes with too few tickets, or with too few different ones to have some in every part."""
    from cleaning import Rejected
    from splitting import free_groups

    needed = 2 if params.official_test else 3
    ours = [(row.label, g) for row, g in zip(rows, groups) if row.source == "input"]
    counts = Counter(label for label, _ in ours)
    distinct = free_groups([label for label, _ in ours], [g for _, g in ours])
    labels = {label for label, n in counts.items() if n >= params.min_class_count and distinct[label] >= needed}
    if len(labels) < 2:
        found = ", ".join(f"{label!r} ({n})" for label, n in counts.most_common(20)) or "none"
        raise UserError(
            f"{params.input}: a classifier needs at least two classes of {params.min_class_count} usable tickets, "
            f"{needed} of them clearly different; found {found}: add tickets or lower prepare.min_class_count"
        )
    kept = [(row, g) for row, g in zip(rows, groups) if row.label in labels]
    if params.official_test and all(row.source != "test_input" for row, _ in kept):
        known = ", ".join(map(repr, sorted(labels)[:20]))
        raise UserError(f"{params.test_input}: no ticket has a class of {params.input}; there are {known}")
    reasons = {"input": "rare_class", "test_input": "unknown_label", "feedback": "unknown_label"}
    dropped = [Rejected(r.source, r.row, reasons[r.source], r.label, r.text) for r in rows if r.label not in labels]
    return [row for row, _ in kept], [g for _, g in kept], dropped


def assign(rows: "list[Row]", groups: list[int], params: "PrepareParameters") -> list[str]:
    """Return each row's part: test for an official test split; for feedback that of its near-duplicates, or train."""
    from splitting import PARTS, split

    test = 0.0 if params.official_test else params.test_size
    shares = dict(zip(PARTS, (1 - test - params.validation_size, params.validation_size, test)))
    if params.official_test:
        del shares["test"]
    ours = [(row, g) for row, g in zip(rows, groups) if row.source == "input"]
    parts = split(
        [r.text for r, _ in ours], [r.label for r, _ in ours], [g for _, g in ours], shares, params.random_state
    )
    of_group = dict(zip((g for _, g in ours), parts))
    waiting = iter(parts)
    others = {"test_input": lambda g: "test", "feedback": lambda g: of_group.get(g, PARTS[0])}
    return [next(waiting) if r.source == "input" else others[r.source](g) for r, g in zip(rows, groups)]


def count_long(tickets: "dict[str, list[Ticket]]", params: "PrepareParameters") -> int:
    """Return how many texts, usable or not, are over max_text_length."""
    return sum(len(ticket.text or "") > params.max_text_length for items in tickets.values() for ticket in items)


def summarize(rows: "list[Row]", groups: list[int], parts: list[str], rejected: "list[Rejected]") -> dict:
    """Return the figures of metrics/prepare.json."""
    import numpy as np

    from splitting import PARTS

    sizes = Counter(parts)
    group_sizes = Counter(groups)
    per_class = Counter(zip((row.label for row in rows), parts))
    lengths = np.quantile([len(row.text) for row in rows], QUANTILES)
    return {
        "rows_in": len(rows) + len(rejected),
        "rows_kept": len(rows),
        "rows_rejected": len(rejected),
        "rejected": dict(sorted(Counter(r.reason for r in rejected).items())),
        "rows": {part: sizes[part] for part in PARTS},
        "feedback": sum(row.source == "feedback" for row in rows),
        "classes": {
            label: {part: per_class[label, part] for part in PARTS} for label in sorted({row.label for row in rows})
        },
        "text_length": {f"p{round(100 * q)}": int(length) for q, length in zip(QUANTILES, lengths)},
        "near_duplicates": {
            "tickets": sum(size for size in group_sizes.values() if size > 1),
            "groups": sum(size > 1 for size in group_sizes.values()),
            "largest_group": max(group_sizes.values()),
        },
    }


def split_csv(rows: "list[Row]", groups: list[int], parts: list[str], part: str) -> bytes:
    """Return one part as CSV; `group` is a number that near-duplicates share, across all parts."""
    chosen = ((r.source, r.row, g + 1, r.label, r.text) for r, g, p in zip(rows, groups, parts) if p == part)
    return csv_bytes(SPLIT_COLUMNS, chosen)


def csv_bytes(header: Iterable[str], rows: Iterable[Iterable]) -> bytes:
    """Return rows as UTF-8 CSV with LF line ends on every system; a text's own line breaks stay as they are."""
    buffer = io.StringIO(newline="")
    # Quotes around every text: left to itself, Python before 3.13 writes a lone CR bare, and readers see two rows.
    writer = csv.writer(buffer, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
    writer.writerow(header)
    writer.writerows(rows)
    return buffer.getvalue().encode()


if __name__ == "__main__":
    sys.exit(main())
