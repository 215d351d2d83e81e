"""Which class each label means: prepare.label_map, spellings of one label, and cells that hold several labels.

1. An entry of label_map renames, merges or drops a label. It applies once: a new name is not looked up again.
2. Labels without a class, such as `nan`, NULL or #REF!, count as missing.
3. Other labels are one class if they differ only in case, in blanks or characters that nobody sees, in Unicode
   normalisation or width, or like 1 and 1.0. The class has the spelling that label_map names, or else the most
   frequent one; of equally frequent ones, the first. In it, blanks are single and nothing is invisible.

Labels that differ in more, such as in an accent or a hyphen, may be different classes. They stay, and are reported.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np

from callcenterai.data.spellings import find_look_alikes, find_several, is_damaged, spelling_key, unify, visible
from callcenterai.data.table import Reason, Source, Table

# What programs write for a missing value, and what might be one but might be a class too.
MISSING = frozenset(
    "nan null <na> #n/a nat (null) [] #ref! #value! #name? #num! #null! #div/0! #nv #bezug! #wert!".split()
)
PERHAPS_MISSING = frozenset(
    {"none", "n/a", "n.a.", "na", "-", "--", "?", "(none)", "(blank)", "(empty)", "(leer)", "(vide)", "undefined"}
)
# So many labels are named in a message, and so many in the metrics.
NAMED, RECORDED = 5, 100


class LabelReport(NamedTuple):
    """What was done with labels, each with its number of tickets, and what was only noticed.

    `mapped` and `unified` have old labels by the class that they became; `dropped`, `missing`, `perhaps_missing` and
    `several` are labels; `unmatched` are entries of label_map, and each of `look_alikes` is a group of classes.
    """

    mapped: dict[str, dict[str, int]]
    dropped: dict[str, int]
    unmatched: list[str]
    missing: dict[str, int]
    unified: dict[str, dict[str, int]]
    perhaps_missing: dict[str, int]
    several: dict[str, int]
    look_alikes: list[list[str]]

    def summary(self) -> dict:
        """Return what is not empty, each list cut at RECORDED, for metrics/prepare.json."""
        found = {}
        for name, value in self._asdict().items():
            if value:
                found[name] = (
                    dict(list(value.items())[:RECORDED]) if isinstance(value, dict) else list(value)[:RECORDED]
                )
        return found

    def notes(self) -> list[str]:
        """Return a line about labels that became one class."""
        merged = [
            f"{visible(old)} ({count:,}) -> {visible(new)}"
            for new, olds in self.unified.items()
            for old, count in olds.items()
        ]
        return [f"labels that differ only in case, blanks or encoding are one class: {named(merged)}"] if merged else []

    def warnings(self) -> list[str]:
        """Return a line for each thing that a person should look at, with what to do."""
        found = []
        if self.unmatched:
            entries = named(map(repr, self.unmatched))
            found.append(f"label_map: no ticket has the label {entries}; check the spelling, or remove the entry")
        if self.missing:
            found.append(
                f"labels that stand for a missing value count as none: {with_counts(self.missing)}; "
                "if one is a class, give it a name in prepare.label_map"
            )
        if self.perhaps_missing:
            found.append(
                f"a label may stand for a missing value: {with_counts(self.perhaps_missing)}; "
                f"if so, drop it with prepare.label_map, such as {{{visible(next(iter(self.perhaps_missing)))}: null}}"
            )
        if self.several:
            found.append(
                f"{sum(self.several.values())} tickets have several labels in one cell, and each combination is a "
                f"class of its own: {with_counts(self.several)}; give each combination one class with "
                f"prepare.label_map, such as {{{visible(next(iter(self.several)))}: One class}}"
            )
        if self.look_alikes:
            groups = named(" and ".join(map(visible, group)) for group in self.look_alikes)
            first, *others = self.look_alikes[0]
            found.append(
                f"classes with similar names: {groups}; if they mean the same, merge them with prepare.label_map, such "
                f"as {{{visible(others[0])}: {visible(first)}}}"
            )
        return found


def settle_labels(table: Table, entries: dict[str, str | None]) -> tuple[Table, LabelReport]:
    """Return the table with each usable ticket's label replaced by its class, and a report.

    entries are those of label_map: the new name of each label, or None to drop it. Tickets whose label is dropped or
    stands for a missing value are rejected, and keep their label.
    """
    usable = table.reasons == Reason.USABLE
    ours = np.bincount(table.labels[usable & (table.sources == Source.INPUT)], minlength=len(table.names)).tolist()
    every = np.bincount(table.labels[usable], minlength=len(table.names)).tolist()
    used = {name: number for number, name in enumerate(table.names) if every[number]}
    class_of, report = _classes_of({name: (ours[number], every[number]) for name, number in used.items()}, entries)
    names = {name: number for number, name in enumerate(table.names)}
    targets = np.arange(len(names), dtype=np.int32)
    reasons_of = np.full(len(names), Reason.USABLE, dtype=np.uint8)
    for name, number in used.items():
        new = class_of[name]
        if isinstance(new, Reason):
            reasons_of[number] = new
        else:
            targets[number] = names.setdefault(new, len(names))
    # People answer with the names of classes, so an answer that is such a name is not looked up in label_map.
    final = np.isin(table.labels, [names[new] for new in entries.values() if new in names])
    changed = usable & ~(final & (table.sources == Source.FEEDBACK))
    labels, reasons = table.labels.copy(), table.reasons.copy()
    labels[changed] = targets[table.labels[changed]]
    reasons[changed] = reasons_of[table.labels[changed]]
    return table._replace(labels=labels, reasons=reasons, names=list(names)), report


def _classes_of(
    counts: dict[str, tuple[int, int]], entries: dict[str, str | None]
) -> tuple[dict[str, str | Reason], LabelReport]:
    """Return the class of each label, or the Reason to reject its tickets; counts are of the input and of all files."""
    by_spelling = {spelling_key(old): old for old in reversed(entries)}
    entry_of = {name: name if name in entries else by_spelling.get(spelling_key(name)) for name in counts}
    found: dict[str, str | Reason] = {}
    for name, entry in entry_of.items():
        if entry is not None:
            new = entries[entry]
            found[name] = Reason.DROPPED_LABEL if new is None else new
        elif (key := spelling_key(name)) in MISSING or not key:
            found[name] = Reason.NO_LABEL
    others = {name: count for name, (count, _) in counts.items() if name not in found}
    found |= unify(others, [new for new in entries.values() if new])
    return found, _report(counts, entry_of, entries, found)


def _report(
    counts: dict[str, tuple[int, int]],
    entry_of: dict[str, str | None],
    entries: dict[str, str | None],
    found: dict[str, str | Reason],
) -> LabelReport:
    mapped: dict[str, dict[str, int]] = defaultdict(dict)
    unified: dict[str, dict[str, int]] = defaultdict(dict)
    rejected: dict[Reason, dict[str, int]] = defaultdict(dict)
    classes: dict[str, int] = defaultdict(int)
    for name, new in found.items():
        ours, every = counts[name]
        if isinstance(new, Reason):
            rejected[new][name] = every
            continue
        classes[new] += ours
        if new != name:
            (unified if entry_of[name] is None else mapped)[new][name] = every
    return LabelReport(
        mapped=dict(mapped),
        dropped=rejected[Reason.DROPPED_LABEL],
        unmatched=[old for old in entries if old not in set(entry_of.values())],
        missing=rejected[Reason.NO_LABEL],
        unified=dict(unified),
        perhaps_missing={name: count for name, count in classes.items() if spelling_key(name) in PERHAPS_MISSING},
        several=find_several(classes, set(entries.values())),
        # The likeliest name first.
        look_alikes=find_look_alikes(
            sorted((name for name in classes if classes[name]), key=lambda name: (is_damaged(name), -classes[name]))
        ),
    )


def summarize_left_out(counts: Mapping[str, int]) -> dict:
    """Return the classes that are too small for metrics/prepare.json, cut at RECORDED."""
    return {"left_out": dict(list(counts.items())[:RECORDED])} if counts else {}


def with_counts(counts: Mapping[str, int]) -> str:
    """Return labels with their counts, the most frequent first, as text."""
    ordered = sorted(counts.items(), key=lambda item: -item[1])
    return named(f"{visible(name)} ({count:,})" for name, count in ordered)


def named(items: Iterable[str]) -> str:
    """Return the first items as text, and how many more there are."""
    every = list(items)
    more = f" and {len(every) - NAMED} more" if len(every) > NAMED else ""
    return ", ".join(every[:NAMED]) + more
