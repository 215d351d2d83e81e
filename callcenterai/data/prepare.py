"""The stage `prepare`: read the tickets, plan the split without their texts, write the parts.

cleaning.py decides which rows are rejected, near_duplicates.py which tickets belong together, and split.py which part
each one goes to.
"""

import os
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from tqdm import tqdm

from callcenterai.core.cli import UserError, print_lines
from callcenterai.core.cluster import SCHEDULER_VARIABLE, dask_client, map_in_order
from callcenterai.core.files import json_bytes, make_private, sha256, write_files
from callcenterai.core.params import PrepareParameters, read_parameters
from callcenterai.data.cleaning import (
    TooFewClasses,
    correct_labels,
    cut,
    reject_rare_classes,
    reject_repeated_texts,
    reject_row,
)
from callcenterai.data.fingerprints import fingerprint
from callcenterai.data.label_map import read_label_map
from callcenterai.data.labels import LabelReport, settle_labels, summarize_left_out
from callcenterai.data.near_duplicates import near_duplicate_groups
from callcenterai.data.output import part_csv, rejected_csv, summarize
from callcenterai.data.rejections import (
    count_labels,
    describe_dominant_label,
    describe_large_shares,
    describe_left_out,
    describe_suspicious_labels,
)
from callcenterai.data.sources import TicketSource, paths_of
from callcenterai.data.spill import Spill
from callcenterai.data.split import PARTS, split
from callcenterai.data.table import Reason, Source, SplitPlan, Table, Ticket
from callcenterai.privacy.removers import make_remover
from callcenterai.privacy.scrub import Scrubbed, without_placeholders
from callcenterai.text.plain_text import plain_text

# A partition ends at whichever limit it reaches first. The limits do not change the result.
ROWS_AT_ONCE, CHARACTERS_AT_ONCE = 10_000, 2_000_000

# What begins before the limit of a text's length, such as a card number, ends before so many characters more.
BEYOND_LIMIT, MOST_CLEANED = 1000, 1_000_000
# In characters.
LONGEST_SLICE_VALUE = 100

# Applies a function to each of many items and gives the results in the items' order.
ParallelMap = Callable[[Callable, Iterable], Iterable]
Sources = Mapping[Source, TicketSource]


class CheckedRow(NamedTuple):
    """A row's reason to be rejected or Reason.USABLE, its label and text, and whether the text was over the limit."""

    reason: Reason
    label: str
    text: str
    long: bool
    personal_data: dict[str, int]
    slices: tuple[str, ...]


def run_prepare(params_path: Path, output: Path, metrics_path: Path, workers: int | None, raw: bool = False) -> None:
    """Read, clean, split and write everything, or nothing; too few classes leave rejected.csv, which says why.

    raw: cells of rejected.csv that begin like a formula are written as they are.
    """
    params = read_parameters(params_path, "prepare", PrepareParameters)
    label_map = read_label_map(params)
    paths = paths_of(params)
    sources = {source: TicketSource(params, source, path) for source, path in paths.items()}
    with Spill(output) as spill:
        with parallel_map(workers) as each:
            table = read_table(params, sources, spill, each)
        table, labels = settle_labels(table, label_map)
        try:
            plan = plan_split(table, spill, params)
        except TooFewClasses as error:
            rejected = output / "rejected.csv"
            write_files({rejected: rejected_csv(table, error.reasons, spill, raw)}, private=True)
            causes = "; ".join([str(error), *labels.causes()])
            raise UserError(f"{causes}; {rejected} has the reason of each row") from None
        summary = summarize(table, plan) | describe_quality(table, plan, labels, params)
        summary |= {f"{source!s}_sha256": sha256(path) for source, path in paths.items()}
        summary["files"] = {str(source): file.found for source, file in sources.items()}
        contents: dict[Path, bytes | Iterable[bytes]] = {
            output / f"{part}.csv": part_csv(table, plan, spill, part, params.slice_columns) for part in PARTS
        }
        contents[output / "rejected.csv"] = rejected_csv(table, plan.reasons, spill, raw)
        contents[metrics_path] = json_bytes(summary)
        write_files(contents, private=True)
        # Texts of customers. In a private folder they stay so when DVC writes the files anew from its cache.
        make_private(output)
    left_out = count_labels(table, plan.reasons, Reason.RARE_CLASS)
    print_lines("note", labels.notes() + describe_left_out(left_out, len(plan.reasons)))
    print_lines("warning", summary["warnings"])
    sizes = ", ".join(f"{size} {part}" for part, size in summary["rows"].items())
    print(f"{summary['rows_in']} rows in: {sizes}; {summary['rows_rejected']} rejected, see {output / 'rejected.csv'}")


def describe_quality(table: Table, plan: SplitPlan, labels: LabelReport, params: PrepareParameters) -> dict[str, Any]:
    """Return what metrics/prepare.json says of labels, and the warnings that are printed too."""
    counts = count_labels(table, table.reasons)
    warnings = describe_suspicious_labels(counts, params) + describe_dominant_label(counts)
    warnings += describe_large_shares(plan.reasons, params) + labels.warnings()
    left_out = count_labels(table, plan.reasons, Reason.RARE_CLASS)
    return {"labels": labels.summary() | summarize_left_out(left_out), "warnings": warnings}


@contextmanager
def parallel_map(workers: int | None) -> Iterator[ParallelMap]:
    """Give a map that runs in this process or, if workers or a scheduler are asked for, on Dask workers."""
    if workers is None and not os.environ.get(SCHEDULER_VARIABLE):
        yield map
        return
    with dask_client(workers) as client:
        yield lambda function, items: map_in_order(client, function, items)


def read_table(params: PrepareParameters, sources: Sources, spill: Spill, parallel: ParallelMap) -> Table:
    """Read every source; texts and signatures go to the spill. A UserError for a broken file."""
    reader = _Reader(params, sources, spill)
    hashes, draws = [], []
    with tqdm(desc="reading", unit=" tickets", unit_scale=True, delay=3, file=sys.stderr) as bar:
        for found in parallel(partial(fingerprint, seed=params.random_state, clean=params.clean), reader.texts()):
            spill.add_signatures(found.signatures)
            hashes.append(found.hashes)
            draws.append(found.draws)
            bar.update(len(found.draws))
    return Table(
        sources=np.concatenate(reader.sources),
        reasons=np.concatenate(reader.reasons),
        labels=np.concatenate(reader.labels),
        lengths=spill.lengths(),
        hashes=np.concatenate(hashes),
        draws=np.concatenate(draws),
        names=list(reader.names),
        long=reader.long,
        personal_data=dict(sorted(reader.personal_data.items())),
        slices=np.concatenate(reader.slices),
        slice_values=list(reader.slice_values),
    )


class _Reader:
    """Reads the sources, adds the texts to the spill and collects the columns that only need one look at a row."""

    def __init__(self, params: PrepareParameters, files: Sources, spill: Spill) -> None:
        self._params, self._files, self._spill = params, files, spill
        self.sources: list[np.ndarray] = []
        self.reasons: list[np.ndarray] = []
        self.labels: list[np.ndarray] = []
        self.names: dict[str, int] = {}
        self.slices: list[np.ndarray] = []
        self.slice_values: dict[str, int] = {}
        self.long = 0
        self.personal_data: Counter[str] = Counter()

    def texts(self) -> Iterator[list[str]]:
        """Yield each partition's texts for fingerprint, with an empty text in place of each rejected one."""
        for source, file in self._files.items():
            for rows in partitions(check_row(ticket, source, self._params) for ticket in file.tickets()):
                self._add(source, rows)
                yield [row.text if row.reason == Reason.USABLE else "" for row in rows]

    def _add(self, source: Source, rows: list[CheckedRow]) -> None:
        self._spill.add_texts([row.text for row in rows])
        labels = [self.names.setdefault(row.label, len(self.names)) for row in rows]
        self.sources.append(np.full(len(rows), source, dtype=np.uint8))
        self.reasons.append(np.array([row.reason for row in rows], dtype=np.uint8))
        self.labels.append(np.array(labels, dtype=np.int32))
        width, numbers = len(self._params.slice_columns), self.slice_values
        codes = [[numbers.setdefault(value, len(numbers)) for value in row.slices] for row in rows]
        self.slices.append(np.array(codes, dtype=np.int32).reshape(len(rows), width))
        self.long += sum(row.long for row in rows)
        for row in rows:
            self.personal_data.update(row.personal_data)


def check_row(ticket: Ticket, source: Source, params: PrepareParameters) -> CheckedRow:
    """Reject a row or trim it for use; in an official test split, a text may be of any length from 1 on.

    Lengths are those without what is cleaned away: HTML mails may begin with more style sheets than the limit allows.
    A text that is cut is stored as it was cleaned.
    """
    text, label = ticket.text or "", ticket.label or ""
    found: dict[str, int] = {}
    if params.remove_personal_data:
        scrubbed = remover_of(params)(text[: _most_characters(params)])
        text, found = without_placeholders(scrubbed.text), scrubbed.counts
    cleaned = plain_text(text, params.clean)
    reason = reject_row(ticket._replace(text=cleaned), 1 if source == Source.TEST_INPUT else params.min_text_length)
    long = len(cleaned) > params.max_text_length
    if reason == Reason.USABLE:
        text, label = cut(cleaned, params.max_text_length) if long else text, label.strip()
    return CheckedRow(reason, label, text, long, found, slice_values(ticket, params))


def slice_values(ticket: Ticket, params: PrepareParameters) -> tuple[str, ...]:
    """Return a ticket's value of each of slice_columns; empty where its source has none."""
    values = ticket.slices or (None,) * len(params.slice_columns)
    remove = remover_of(params) if params.remove_personal_data else None
    return tuple(slice_value(value or "", remove) for value in values)


# The few values of a column come again and again.
@lru_cache(maxsize=10_000)
def slice_value(value: str, remove: Callable[[str], Scrubbed] | None) -> str:
    """Return a value as the parts have it: short, on one line, and without personal data if that is removed."""
    if remove:
        value = without_placeholders(remove(value[:BEYOND_LIMIT]).text)
    return " ".join(value.split())[:LONGEST_SLICE_VALUE]


def remover_of(params: PrepareParameters) -> Callable[[str], Scrubbed]:
    """Return what removes personal data; a UserError when prepare.spacy_model cannot be used."""
    try:
        return make_remover(params.spacy_model)
    except ValueError as error:
        raise UserError(f"prepare.spacy_model: {error}") from None


def _most_characters(params: PrepareParameters) -> int:
    """Return how much of a text is looked at for personal data, which takes time: more than is kept of it.

    What cleaning removes may be long.
    """
    return params.max_text_length + BEYOND_LIMIT if params.clean == "none" else MOST_CLEANED


def partitions(rows: Iterable[CheckedRow]) -> Iterator[list[CheckedRow]]:
    """Cut rows into lists that have neither too many rows nor too much text."""
    partition: list[CheckedRow] = []
    characters = 0
    for row in rows:
        partition.append(row)
        characters += len(row.text)
        if len(partition) == ROWS_AT_ONCE or characters >= CHARACTERS_AT_ONCE:
            yield partition
            partition, characters = [], 0
    if partition:
        yield partition


def plan_split(table: Table, spill: Spill, params: PrepareParameters) -> SplitPlan:
    """Decide which tickets are kept, which belong together and which part each goes to, without their texts."""
    reasons, corrections = reject_repeated_texts(table, params.majority)
    kept = np.flatnonzero(reasons == Reason.USABLE)
    groups = find_groups(spill, kept, params.near_duplicate_similarity)
    reasons = reject_rare_classes(table, reasons, kept, groups, params)
    groups, kept = groups[reasons[kept] == Reason.USABLE], np.flatnonzero(reasons == Reason.USABLE)
    parts = assign_parts(table, kept, groups, params)
    # Labels are corrected last, so that a correction moves neither its own ticket nor any other to another part.
    labels, corrected = correct_labels(table.labels[kept], corrections[kept])
    return SplitPlan(reasons, kept, groups, parts, labels, corrected)


def find_groups(spill: Spill, kept: np.ndarray, similarity: float) -> np.ndarray:
    """Return each kept ticket's near-duplicate group, with a progress bar on stderr if it takes long."""

    def progress(bands: Iterable[int]) -> Iterable[int]:
        return tqdm(bands, desc="finding near-duplicates", unit="band", delay=3, file=sys.stderr)

    return near_duplicate_groups(spill.signatures(kept), similarity, progress)


def assign_parts(table: Table, kept: np.ndarray, groups: np.ndarray, params: PrepareParameters) -> np.ndarray:
    """Return the part of each kept ticket.

    The input is split. An official test split is the part test. Feedback goes where its near-duplicates are, or to
    train.
    """
    test = 0.0 if params.official_test else params.test_size
    sizes = (1 - test - params.validation_size, params.validation_size, test)
    shares = dict(zip(PARTS, sizes, strict=True))
    if params.official_test:
        del shares["test"]
    sources = table.sources[kept]
    ours, answered = sources == Source.INPUT, sources == Source.FEEDBACK
    parts = np.full(len(kept), PARTS.index("test"), dtype=np.uint8)
    parts[ours] = split(table.draws[kept[ours]], table.labels[kept[ours]], groups[ours], shares)
    part_of_group = np.full(groups.max() + 1, PARTS.index("train"), dtype=np.uint8)
    part_of_group[groups[ours]] = parts[ours]
    parts[answered] = part_of_group[groups[answered]]
    return parts
