"""Read all of prepare's tickets, partition by partition, into columns that fit in memory; texts go to the spill."""

import sys
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from callcenterai.data.cleaning import FEEDBACK, REASONS, SOURCES, TEST_INPUT, USABLE, cut, unusable
from callcenterai.data.examining import examine
from callcenterai.formats.reader import Ticket, stream_tickets

if TYPE_CHECKING:
    from callcenterai.core.params import PrepareParameters
    from callcenterai.data.spill import Spill

# As export_feedback.py writes them.
FEEDBACK_COLUMNS = ("text", "label")
# A partition ends with whichever comes first; what is found out does not depend on it.
ROWS_AT_ONCE, CHARACTERS_AT_ONCE = 10_000, 2_000_000

Spread = Callable[[Callable, Iterable], Iterable]


class Table(NamedTuple):
    """What is known of all tickets but their texts: arrays of shape (n,), in the order of sources and rows.

    `sources` are numbers in SOURCES, `reasons` numbers in cleaning.REASONS, `labels` numbers in `names`: a usable
    ticket's label without the blanks around it, otherwise the label as it came. `lengths` are those of the texts as
    they are written: cut when usable. `long` is how many texts, usable or not, were over the limit.
    """

    sources: np.ndarray
    reasons: np.ndarray
    labels: np.ndarray
    lengths: np.ndarray
    hashes: np.ndarray
    draws: np.ndarray
    names: list[str]
    long: int

    def first_of(self, source: int) -> int:
        """Return the number of the source's first ticket, which is its row 1."""
        return int(np.searchsorted(self.sources, source))


class Checked(NamedTuple):
    """A ticket as it can be used, or why it cannot; `long` when its text was over the limit."""

    reason: int
    label: str
    text: str
    long: bool


def read_table(params: "PrepareParameters", spill: "Spill", spread: Spread) -> Table:
    """Read every source; `spread` has a function done for each item, in their order. A UserError for a broken file."""
    from tqdm import tqdm

    reader = _Reader(params, spill)
    hashes, draws = [], []
    with tqdm(desc="reading", unit=" tickets", unit_scale=True, delay=3, file=sys.stderr) as bar:
        for examined in spread(partial(examine, seed=params.random_state), reader.texts()):
            spill.add_signatures(examined.signatures)
            hashes.append(examined.hashes)
            draws.append(examined.draws)
            bar.update(len(examined.draws))
    columns = [np.concatenate(each) for each in (reader.sources, reader.reasons, reader.labels)]
    found = [spill.lengths(), np.concatenate(hashes), np.concatenate(draws)]
    return Table(*columns, *found, list(reader.names), reader.long)


def paths_of(params: "PrepareParameters") -> dict[str, Path]:
    """Return the file of each source that there is, by the source's name, in the order of SOURCES."""
    paths = {"input": Path(params.input), "test_input": params.official_test, "feedback": params.feedback}
    return {name: path for name, path in paths.items() if path}


class _Reader:
    """Reads the sources, puts the texts aside and collects the columns that need no second look at them."""

    def __init__(self, params: "PrepareParameters", spill: "Spill") -> None:
        self._params, self._spill = params, spill
        self.sources: list[np.ndarray] = []
        self.reasons: list[np.ndarray] = []
        self.labels: list[np.ndarray] = []
        self.names: dict[str, int] = {}
        self.long = 0

    def texts(self) -> Iterator[list[str]]:
        """Give each partition's texts to examine: usable ones, and nothing in place of the others."""
        for name, path in paths_of(self._params).items():
            source = SOURCES.index(name)
            columns = (self._params.text_column, self._params.label_column)
            tickets = stream_tickets(path, *(FEEDBACK_COLUMNS if source == FEEDBACK else columns))
            for checked in partitions(check(ticket, source, self._params) for ticket in tickets):
                self._note(source, checked)
                yield [each.text if each.reason == USABLE else "" for each in checked]

    def _note(self, source: int, checked: list[Checked]) -> None:
        self._spill.add_texts([each.text for each in checked])
        labels = [self.names.setdefault(each.label, len(self.names)) for each in checked]
        self.sources.append(np.full(len(checked), source, dtype=np.uint8))
        self.reasons.append(np.array([each.reason for each in checked], dtype=np.uint8))
        self.labels.append(np.array(labels, dtype=np.int32))
        self.long += sum(each.long for each in checked)


def check(ticket: Ticket, source: int, params: "PrepareParameters") -> Checked:
    """Return a ticket as it can be used, or why it cannot; an official test split needs but a text and a label."""
    reason = unusable(ticket, 1 if source == TEST_INPUT else params.min_text_length)
    text, label = ticket.text or "", ticket.label or ""
    long = len(text) > params.max_text_length
    if reason:
        return Checked(REASONS.index(reason), label, text, long)
    return Checked(USABLE, label.strip(), cut(text, params.max_text_length), long)


def partitions(tickets: Iterable[Checked]) -> Iterator[list[Checked]]:
    """Cut tickets into lists that are neither too many tickets nor too much text."""
    part: list[Checked] = []
    characters = 0
    for ticket in tickets:
        part.append(ticket)
        characters += len(ticket.text)
        if len(part) == ROWS_AT_ONCE or characters >= CHARACTERS_AT_ONCE:
            yield part
            part, characters = [], 0
    if part:
        yield part
