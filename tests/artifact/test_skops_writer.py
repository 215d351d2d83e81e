"""model_bytes writes what skops writes, with the same bytes each time, and skops loads the same pipeline from it."""

import copy
import io
import json
import re
import zipfile

import numpy as np
import pytest

from callcenterai.artifact.folder import TRUSTED_TYPES
from callcenterai.artifact.skops_import import skops_io
from callcenterai.artifact.skops_writer import model_bytes
from callcenterai.tfidf.model import fit_pipeline
from support.processes import run
from support.repository import REPOSITORY
from support.tfidf import parameters, part_of
from support.tickets import invent

WORDS = ["é", "日本", "ß", "naïve", "𝟙", "quote", "x" * 300]


@pytest.fixture(scope="module", params=["words", "both"])
def pipeline(request):
    """One vectorizer or the union of three, with words that JSON escapes."""
    rows = [[f"{text} {WORDS[number % 7]}", label] for number, (text, label) in enumerate(invent(240))]
    return fit_pipeline(part_of(rows[:180]), part_of(rows[180:]), parameters(features=request.param)).pipeline


def members(content: bytes) -> tuple[dict, list[bytes]]:
    """Return a file's schema, its objects numbered in order, and its arrays in that order.

    Plain values are not numbered: skops gives equal ones the same id or not, as the interpreter happens to share them.
    """
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        schema = json.loads(archive.read("schema.json"), object_pairs_hook=list)
        number_of: dict[str, int] = {}

        def renamed(value):
            if isinstance(value, list) and ("__loader__", "JsonNode") in value:
                value = [pair for pair in value if pair[0] != "__id__"]
            if isinstance(value, tuple) and value[0] in ("__id__", "file"):
                return value[0], number_of.setdefault(str(value[1]), len(number_of))
            return [renamed(each) for each in value] if isinstance(value, list | tuple) else value

        return renamed(schema), [archive.read(name) for name in number_of if name in archive.namelist()]


def test_the_file_equals_that_of_skops(pipeline):
    """In the same order, too: a version of skops that writes another format fails here."""
    schema, arrays = members(model_bytes(pipeline))
    expected, expected_arrays = members(skops_io.dumps(pipeline))
    assert arrays == expected_arrays and len(arrays) > 3
    assert schema == expected


def test_skops_loads_the_same_pipeline(pipeline):
    before = [dict(part.vocabulary_) for part in vectorizers_of(pipeline)]
    loaded = skops_io.loads(model_bytes(pipeline), trusted=TRUSTED_TYPES)
    assert [part.vocabulary_ for part in vectorizers_of(loaded)] == before
    assert [part.vocabulary_ for part in vectorizers_of(pipeline)] == before, "writing it has changed the pipeline"
    texts = [text for text, _ in invent(50, 3)] + WORDS
    np.testing.assert_array_equal(loaded.predict_proba(texts), pipeline.predict_proba(texts))


def test_model_bytes_hold_no_address_and_no_date(pipeline):
    """A copy at other addresses gives the same bytes; dates are fixed, and ids are small numbers."""
    content = model_bytes(pipeline)
    assert model_bytes(copy.deepcopy(pipeline)) == content
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        ids = {int(found) for found in re.findall(rb'"__id__":(\d+)', archive.read("schema.json"))}
    # The one entry by which skops describes a vocabulary leaves a gap.
    assert max(ids) <= len(ids) + len(vectorizers_of(pipeline))


def test_a_pipeline_of_types_that_the_safe_path_refuses_is_not_written(pipeline, monkeypatch):
    monkeypatch.setattr("callcenterai.artifact.skops_writer.TRUSTED_TYPES", TRUSTED_TYPES[:1])
    with pytest.raises(ValueError, match="types that the safe path refuses: .*sklearn.calibration"):
        model_bytes(pipeline)


def vectorizers_of(pipeline):
    step = pipeline.named_steps["tfidf"]
    return [part for _, part in getattr(step, "transformer_list", [("", step)])]


def test_reading_and_writing_models_imports_neither_pytorch_nor_dask():
    """Where PyTorch is installed, that would more than double the time and the memory of many commands."""
    code = "import sys, callcenterai.artifact.skops_writer; assert not {'torch', 'dask'} & set(sys.modules)"
    run(REPOSITORY, "-c", code)


def test_scikit_learn_can_use_other_array_libraries_afterwards():
    code = "import callcenterai.artifact.skops_writer, sklearn.externals.array_api_compat.dask.array"
    run(REPOSITORY, "-c", code)
