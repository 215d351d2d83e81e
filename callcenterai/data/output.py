"""What prepare writes: the parts and the rejected tickets as CSV, streamed from the spill, and the figures."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from callcenterai.data.parts import SLICE_PREFIX
from callcenterai.data.spill import Spill
from callcenterai.data.split import PARTS
from callcenterai.data.table import Reason, Source, SplitPlan, Table
from callcenterai.formats.delimited import csv_pieces, without_formulas

QUANTILES = (0, 0.05, 0.25, 0.5, 0.75, 0.95, 1)
PART_COLUMNS = ("source", "row", "group", "label", "text")
REJECTED_COLUMNS = ("source", "row", "reason", "label", "text")


def part_csv(table: Table, plan: SplitPlan, spill: Spill, part: str, slice_columns: Sequence[str]) -> Iterator[bytes]:
    """Yield one part as CSV; near-duplicates have the same number in the column `group`, across all parts."""
    chosen = plan.parts == PARTS.index(part)
    values = (plan.groups[chosen] + 1, plan.labels[chosen])
    columns = (*PART_COLUMNS, *(f"{SLICE_PREFIX}{name}" for name in slice_columns))
    return csv_pieces(columns, _blocks(table, spill, plan.kept[chosen], *values, table.slices))


def rejected_csv(table: Table, reasons: np.ndarray, spill: Spill, raw: bool = False) -> Iterator[bytes]:
    """Yield the tickets whose Reason is not USABLE as CSV, ordered by the name of their source.

    People open this file in spreadsheets, so no cell can be a formula there, unless `raw` asks for the cells as they
    are.
    """
    names = np.array([str(reason) for reason in Reason], dtype=object)

    def blocks() -> Iterator[Iterator[Iterable]]:
        for source in sorted(Source, key=str):
            rows = np.flatnonzero((reasons != Reason.USABLE) & (table.sources == source))
            no_slices = table.slices[:, :0]
            for block in _blocks(table, spill, rows, names[reasons[rows]], table.labels[rows], no_slices):
                yield block if raw else map(without_formulas, block)

    return csv_pieces(REJECTED_COLUMNS, blocks())


def _blocks(
    table: Table, spill: Spill, rows: np.ndarray, values: np.ndarray, labels: np.ndarray, slices: np.ndarray
) -> Iterator[Iterator[tuple]]:
    """Yield the records of these tickets, whose numbers must ascend, one partition at a time.

    slices, of shape (n_tickets of the table, n_columns), are indices into table.slice_values.
    """
    offsets = [table.first_of(source) - 1 for source in Source]
    for number, (first, count, _, _) in enumerate(spill.partitions):
        begin, end = np.searchsorted(rows, [first, first + count])
        if begin == end:
            continue
        texts = spill.texts(number)
        source = Source(table.sources[first])
        mine = rows[begin:end]
        columns = ((mine - offsets[source]).tolist(), values[begin:end].tolist(), labels[begin:end].tolist())
        places, sliced = (mine - first).tolist(), slices[mine].tolist()
        name = str(source)
        yield (
            (name, row, value, table.names[label], texts[place], *(table.slice_values[at] for at in slicing))
            for row, value, label, place, slicing in zip(*columns, places, sliced, strict=True)
        )


def summarize(table: Table, plan: SplitPlan) -> dict:
    """Return the figures of metrics/prepare.json except the hashes of the input files."""
    sizes = np.bincount(plan.parts, minlength=len(PARTS)).tolist()
    reasons = Counter(plan.reasons[plan.reasons != Reason.USABLE].tolist())
    _, group_sizes = np.unique(plan.groups, return_counts=True)
    several = group_sizes[group_sizes > 1]
    lengths = np.quantile(table.lengths[plan.kept].astype(np.int64), QUANTILES)
    return {
        "rows_in": len(table.reasons),
        "rows_kept": len(plan.kept),
        "rows_rejected": len(table.reasons) - len(plan.kept),
        "rejected": dict(sorted((str(Reason(reason)), count) for reason, count in reasons.items())),
        "rows": dict(zip(PARTS, sizes, strict=True)),
        "feedback": int((table.sources[plan.kept] == Source.FEEDBACK).sum()),
        "classes": _classes(table, plan),
        "text_length": {
            f"p{round(100 * quantile)}": int(length) for quantile, length in zip(QUANTILES, lengths, strict=True)
        },
        "near_duplicates": {
            "tickets": int(several.sum()),
            "groups": len(several),
            "largest_group": int(group_sizes.max()),
        },
        "corrected": plan.corrected,
        "cut": table.long,
        "personal_data": table.personal_data,
    }


def _classes(table: Table, plan: SplitPlan) -> dict[str, dict[str, int]]:
    """Return how many tickets each class has in each part; classes are ordered by name."""
    counts = np.zeros((len(table.names), len(PARTS)), dtype=np.int64)
    np.add.at(counts, (plan.labels, plan.parts), 1)
    present = {table.names[label]: counts[label].tolist() for label in np.flatnonzero(counts.any(axis=1))}
    return {name: dict(zip(PARTS, present[name], strict=True)) for name in sorted(present)}
