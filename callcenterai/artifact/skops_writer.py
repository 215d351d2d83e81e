"""A fitted pipeline in skops format: the same bytes for the same pipeline, and vocabularies written entry by entry.

skops describes each entry of a dictionary by two small dictionaries, makes those of all entries first, and then one
indented JSON text of them: for 870,000 n-grams that is 21 s and 2.5 GB, twice the memory of all else in a training
(November 2026). So skops itself writes the pipeline with vocabularies of one entry, and this module repeats that entry
for each n-gram.

skops names every object, and the file of every array, by its address in memory, and dates the files: no two files would
be equal. Here objects are numbered in the order in which they appear, and all files have the date 1980-01-01. Otherwise
the file equals that of skops 0.16, without white space (tests/artifact/test_skops_writer.py compares them), and skops
alone loads it.
"""

import io
import json
import re
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import count, repeat
from pathlib import Path
from typing import Any

from callcenterai.artifact.folder import TRUSTED_TYPES
from callcenterai.artifact.scorer_format import vectorizers
from callcenterai.artifact.skops_import import skops_io

SCHEMA = "schema.json"
# No n-gram begins with it, since a control character is part of no word.
MARK = "\x00"


def model_bytes(pipeline: Any) -> bytes:
    """Return a fitted pipeline in skops format, compressed; refuse one that the safe path could not load again."""
    with _one_entry_each(pipeline) as vocabularies:
        sample = skops_io.dumps(pipeline)
    # The sample has every type that the whole has, since all entries are alike.
    untrusted = set(skops_io.get_untrusted_types(data=sample)) - set(TRUSTED_TYPES)
    if untrusted:
        raise ValueError(f"the pipeline holds types that the safe path refuses: {sorted(untrusted)}")
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(sample)) as source:
        schema = json.loads(source.read(SCHEMA))
        numbers = _Numbers()
        numbers.renumber(schema)
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            for old, new in numbers.file_names.items():
                _write(archive, new, [source.read(old)])
            whole = _whole(schema, vocabularies, numbers.unused)
            _write(archive, SCHEMA, (piece.encode() for piece in whole))
    return buffer.getvalue()


def _write(archive: zipfile.ZipFile, name: str, pieces: Iterable[bytes]) -> None:
    """Write a member; ZipFile.open, unlike writestr, gives it the fixed date 1980-01-01."""
    with archive.open(name, "w", force_zip64=True) as file, io.BufferedWriter(file, 1 << 16) as buffered:
        for piece in pieces:
            buffered.write(piece)


class _Numbers:
    """Numbers in place of addresses in memory, from 1 on in the order in which the objects appear."""

    def __init__(self) -> None:
        self.unused = count(1)
        self.file_names: dict[str, str] = {}
        self._number_of: dict[int, int] = {}

    def renumber(self, state: Any) -> None:
        """Replace every "__id__" and "file" inside skops's description of an object, in place."""
        if isinstance(state, list):
            for item in state:
                self.renumber(item)
        elif isinstance(state, dict):
            if "__id__" in state:
                state["__id__"] = self._number(state)
            if isinstance(name := state.get("file"), str):
                state["file"] = self.file_names.setdefault(name, f"{len(self.file_names) + 1}{Path(name).suffix}")
            for value in state.values():
                self.renumber(value)

    def _number(self, state: dict[str, Any]) -> int:
        # Plain values get a number each: whether two equal ones are one object depends on the version of Python.
        if state["__loader__"] == "JsonNode":
            return next(self.unused)
        if state["__id__"] not in self._number_of:
            self._number_of[state["__id__"]] = next(self.unused)
        return self._number_of[state["__id__"]]


@contextmanager
def _one_entry_each(pipeline: Any) -> Iterator[list[dict[str, int]]]:
    """Leave each vectorizer one entry of its vocabulary inside the context; yield the whole vocabularies."""
    fitted = vectorizers(pipeline)
    whole = [vectorizer.vocabulary_ for vectorizer in fitted]
    try:
        for number, vectorizer in enumerate(fitted):
            vectorizer.vocabulary_ = {f"{MARK}{number}": 0}
        yield whole
    finally:
        for vectorizer, vocabulary in zip(fitted, whole, strict=True):
            vectorizer.vocabulary_ = vocabulary


def _whole(schema: Any, vocabularies: list[dict[str, int]], unused: Iterator[int]) -> Iterator[str]:
    """Yield the sample's schema as JSON, in pieces, with whole vocabularies in place of those of one entry."""
    parts: list[Iterator[str]] = []
    for number, vocabulary in enumerate(vocabularies):
        state = _holder(schema, f"{MARK}{number}")
        (value,), (key_type,) = state["content"].values(), state["key_types"]["content"]
        state["content"], state["key_types"]["content"] = f"{MARK}{len(parts)}", f"{MARK}{len(parts) + 1}"
        entries = _entries(vocabulary, value, unused)
        parts += [_listed("{}", entries), _listed("[]", repeat(_json(key_type), len(vocabulary)))]
    for place, piece in enumerate(re.split(rf'"{re.escape(_json(MARK)[1:-1])}(\d+)"', _json(schema))):
        # Every second piece is the pattern's group: the number of a part.
        yield from parts[int(piece)] if place % 2 else [piece]


def _holder(state: Any, key: str) -> Any:
    """Return skops's description of the dictionary that has this key, or None."""
    if not isinstance(state, dict | list):
        return None
    if isinstance(state, dict) and isinstance(content := state.get("content"), dict) and key in content:
        return state
    inside = state.values() if isinstance(state, dict) else state
    return next(filter(None, (_holder(each, key) for each in inside)), None)


def _entries(vocabulary: dict[str, int], value: dict[str, Any], unused: Iterator[int]) -> Iterator[str]:
    """Yield each n-gram with its column, described as `value` describes that of the sample's one entry."""
    before, between, after = _json(value | {"content": MARK, "__id__": MARK}).split(_json(MARK))
    for ngram, column in vocabulary.items():
        yield f'{_json(ngram)}:{before}"{column}"{between}{next(unused)}{after}'


def _listed(brackets: str, items: Iterable[str]) -> Iterator[str]:
    yield brackets[0]
    for number, item in enumerate(items):
        yield f",{item}" if number else item
    yield brackets[1]


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))
