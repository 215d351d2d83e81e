"""What prepare leaves: parts and rejected tickets as CSV, streamed from where the texts wait, and the figures."""

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from callcenterai.data.cleaning import FEEDBACK, REASONS, SOURCES, USABLE
from callcenterai.data.split import PARTS
from callcenterai.formats.csv_files import csv_pieces

if TYPE_CHECKING:
    from callcenterai.data.deciding import Split
    from callcenterai.data.spill import Spill
    from callcenterai.data.table import Table

QUANTILES = (0, 0.05, 0.25, 0.5, 0.75, 0.95, 1)
SPLIT_COLUMNS = ("source", "row", "group", "label", "text")
REJECTED_COLUMNS = ("source", "row", "reason", "label", "text")


def split_csv(table: "Table", split: "Split", spill: "Spill", part: str) -> Iterator[bytes]:
    """Give one part as CSV; `group` is a number that near-duplicates share, across all parts."""
    chosen = split.parts == PARTS.index(part)
    values = (split.groups[chosen] + 1, split.labels[chosen])
    return csv_pieces(SPLIT_COLUMNS, _blocks(table, spill, split.kept[chosen], *values))


def rejected_csv(table: "Table", split: "Split", spill: "Spill") -> Iterator[bytes]:
    """Give the tickets that were set aside, and why, as CSV; sources in the order of their names."""

    def blocks() -> Iterator[Iterator[tuple]]:
        for source in sorted(range(len(SOURCES)), key=SOURCES.__getitem__):
            rows = np.flatnonzero((split.reasons != USABLE) & (table.sources == source))
            reasons = np.array(REASONS, dtype=object)[split.reasons[rows]]
            yield from _blocks(table, spill, rows, reasons, table.labels[rows])

    return csv_pieces(REJECTED_COLUMNS, blocks())


def _blocks(
    table: "Table", spill: "Spill", rows: np.ndarray, values: np.ndarray, labels: np.ndarray
) -> Iterator[Iterator[tuple]]:
    """Give the records of these tickets, whose numbers ascend, partition by partition."""
    offsets = [table.first_of(source) - 1 for source in range(len(SOURCES))]
    for number, (first, count, _, _) in enumerate(spill.partitions):
        begin, end = np.searchsorted(rows, [first, first + count])
        if begin == end:
            continue
        texts = spill.texts(number)
        source = table.sources[first]
        mine = rows[begin:end]
        columns = ((mine - offsets[source]).tolist(), values[begin:end].tolist(), labels[begin:end].tolist())
        places = (mine - first).tolist()
        yield (
            (SOURCES[source], row, value, table.names[label], texts[place])
            for row, value, label, place in zip(*columns, places, strict=True)
        )


def summarize(table: "Table", split: "Split") -> dict:
    """Return the figures of metrics/prepare.json but for the files' hashes."""
    sizes = np.bincount(split.parts, minlength=len(PARTS)).tolist()
    reasons = Counter(split.reasons[split.reasons != USABLE].tolist())
    _, group_sizes = np.unique(split.groups, return_counts=True)
    several = group_sizes[group_sizes > 1]
    lengths = np.quantile(table.lengths[split.kept].astype(np.int64), QUANTILES)
    return {
        "rows_in": len(table.reasons),
        "rows_kept": len(split.kept),
        "rows_rejected": len(table.reasons) - len(split.kept),
        "rejected": dict(sorted((REASONS[reason], count) for reason, count in reasons.items())),
        "rows": dict(zip(PARTS, sizes, strict=True)),
        "feedback": int((table.sources[split.kept] == FEEDBACK).sum()),
        "classes": _classes(table, split),
        "text_length": {f"p{round(100 * q)}": int(length) for q, length in zip(QUANTILES, lengths)},
        "near_duplicates": {
            "tickets": int(several.sum()),
            "groups": len(several),
            "largest_group": int(group_sizes.max()),
        },
        "corrected": split.corrected,
        "cut": table.long,
    }


def _classes(table: "Table", split: "Split") -> dict[str, dict[str, int]]:
    """Return how many tickets each class has in each part; classes in the order of their names."""
    counts = np.zeros((len(table.names), len(PARTS)), dtype=np.int64)
    np.add.at(counts, (split.labels, split.parts), 1)
    there = {table.names[label]: counts[label].tolist() for label in np.flatnonzero(counts.any(axis=1))}
    return {name: dict(zip(PARTS, there[name], strict=True)) for name in sorted(there)}
