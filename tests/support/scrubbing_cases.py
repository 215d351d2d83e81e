"""Invented tickets with marked personal data, and the score of a detector on them.

Each line of personal_data.jsonl has a ticket in which findings are written {{kind:the text}}, its language, and its
part. The detectors were tuned on "development". "held-out" was drawn from the same tickets before the detectors of
their kinds were tuned: at random, and for the kinds that were added later by a hash of the text. "later" was written
after them, to be harder. The generated parts are many more tickets with few sentences.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from callcenterai.privacy.spans import Span
from support import generated_personal_data

FILE = Path(__file__).with_name("personal_data.jsonl")
WRITTEN = ("development", "held-out", "later")
PARTS = (*WRITTEN, *generated_personal_data.PARTS)
_MARK = re.compile(r"\{\{([a-z_]+):(.+?)\}\}", re.DOTALL)


class Case(NamedTuple):
    """A ticket and the spans that must be found in it."""

    text: str
    spans: frozenset[Span]
    part: str


class Score(NamedTuple):
    """The number of spans of a kind that were found rightly, found wrongly and missed."""

    right: int
    wrong: int
    missed: int

    @property
    def precision(self) -> float:
        return self.right / (self.right + self.wrong) if self.right + self.wrong else 1.0

    @property
    def recall(self) -> float:
        return self.right / (self.right + self.missed) if self.right + self.missed else 1.0


def read_cases() -> list[Case]:
    """Return all labelled tickets."""
    lines = FILE.read_text(encoding="utf-8").splitlines()
    written = [json.loads(line) for line in lines]
    generated = generated_personal_data.generated_tickets()
    return [*(_case(each["ticket"], each["part"]) for each in written), *(_case(*each) for each in generated)]


def _case(ticket: str, part: str) -> Case:
    text, spans, end = "", [], 0
    for mark in _MARK.finditer(ticket):
        text += ticket[end : mark.start()]
        spans.append(Span(mark[1], len(text), len(text) + len(mark[2])))
        text, end = text + mark[2], mark.end()
    return Case(text + ticket[end:], frozenset(spans), part)


def score(cases: Iterable[Case], find: Callable[[str], Iterable[Span]]) -> dict[str, Score]:
    """Return the score of each kind; a finding is right if its first and its last character are."""
    right, wrong, missed = Counter(), Counter(), Counter()
    for case in cases:
        found = set(find(case.text))
        for counter, spans in ((right, found & case.spans), (wrong, found - case.spans), (missed, case.spans - found)):
            counter.update(span.kind for span in spans)
    return {kind: Score(right[kind], wrong[kind], missed[kind]) for kind in sorted(right | wrong | missed)}
