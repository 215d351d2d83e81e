"""A fitted pipeline in skops format, its vocabularies written entry by entry.

skops describes each entry of a dictionary by two small dictionaries, makes those of all entries first, and then one
indented JSON text of them: for 870,000 n-grams that is 21 s and 2.5 GB, twice the memory of all else in a training
(November 2026). So skops itself writes the pipeline with vocabularies of one entry, and here that entry is repeated for
each n-gram. The file says what skops would have said, without the white space (tests/artifact/test_skops_writer.py
compares them), and skops alone loads it.
"""

import io
import json
import re
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import repeat
from typing import Any

from callcenterai.artifact.folder import TRUSTED_TYPES
from callcenterai.artifact.scorer_format import vectorizers

SCHEMA = "schema.json"
# No n-gram begins so, since a control character is part of no word.
MARK = "\x00"


def model_bytes(pipeline: Any) -> bytes:
    """Return a fitted pipeline in skops format, compressed; refuse what the safe path could not load again."""
    import skops.io

    with _one_entry_each(pipeline) as vocabularies:
        sample = skops.io.dumps(pipeline)
    # The sample has every type that the whole has, since all entries are alike.
    untrusted = set(skops.io.get_untrusted_types(data=sample)) - set(TRUSTED_TYPES)
    if untrusted:
        raise ValueError(f"the pipeline holds types that the safe path refuses: {sorted(untrusted)}")
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(sample)) as source:
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            for name in source.namelist():
                if name != SCHEMA:
                    archive.writestr(name, source.read(name))
            with io.TextIOWrapper(archive.open(SCHEMA, "w", force_zip64=True), encoding="utf-8", newline="") as file:
                file.writelines(_whole(json.loads(source.read(SCHEMA)), vocabularies))
    return buffer.getvalue()


@contextmanager
def _one_entry_each(pipeline: Any) -> Iterator[list[dict[str, int]]]:
    """Leave each vectorizer one entry of its vocabulary for as long as the context lasts; yield the whole ones."""
    fitted = vectorizers(pipeline)
    whole = [vectorizer.vocabulary_ for vectorizer in fitted]
    try:
        for number, vectorizer in enumerate(fitted):
            vectorizer.vocabulary_ = {f"{MARK}{number}": 0}
        yield whole
    finally:
        for vectorizer, vocabulary in zip(fitted, whole, strict=True):
            vectorizer.vocabulary_ = vocabulary


def _whole(schema: Any, vocabularies: list[dict[str, int]]) -> Iterator[str]:
    """Yield the sample's schema as JSON, in pieces, with whole vocabularies in place of those of one entry."""
    parts: list[Iterator[str]] = []
    for number, vocabulary in enumerate(vocabularies):
        state = _holder(schema, f"{MARK}{number}")
        (value,), (key_type,) = state["content"].values(), state["key_types"]["content"]
        state["content"], state["key_types"]["content"] = f"{MARK}{len(parts)}", f"{MARK}{len(parts) + 1}"
        parts += [_listed("{}", _entries(vocabulary, value)), _listed("[]", repeat(_json(key_type), len(vocabulary)))]
    for place, piece in enumerate(re.split(rf'"{re.escape(_json(MARK)[1:-1])}(\d+)"', _json(schema))):
        # Between two pieces of the schema, the pattern's group is the number of a part.
        yield from parts[int(piece)] if place % 2 else [piece]


def _holder(state: Any, key: str) -> Any:
    """Return skops's description of the dictionary that has this key, or None."""
    if not isinstance(state, dict | list):
        return None
    if isinstance(state, dict) and isinstance(content := state.get("content"), dict) and key in content:
        return state
    inside = state.values() if isinstance(state, dict) else state
    return next(filter(None, (_holder(each, key) for each in inside)), None)


def _entries(vocabulary: dict[str, int], value: dict[str, Any]) -> Iterator[str]:
    """Yield each n-gram with its column, described as `value` describes that of the sample's one entry."""
    before, between, after = _json(value | {"content": MARK, "__id__": MARK}).split(_json(MARK))
    for ngram, column in vocabulary.items():
        # As skops does, that names an object by the place that it has in memory.
        yield f'{_json(ngram)}:{before}"{column}"{between}{id(column)}{after}'


def _listed(brackets: str, items: Iterable[str]) -> Iterator[str]:
    yield brackets[0]
    for number, item in enumerate(items):
        yield f",{item}" if number else item
    yield brackets[1]


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))
