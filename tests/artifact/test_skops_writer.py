"""The file that is written entry by entry is the one that skops writes, and gives the same pipeline."""

import io
import json
import zipfile

import numpy as np
import pytest
import skops.io

from callcenterai.artifact.folder import TRUSTED_TYPES
from callcenterai.artifact.skops_writer import model_bytes
from callcenterai.tfidf.model import train
from support.tfidf import parameters, part_of
from support.tickets import invent

WORDS = ["é", "日本", "ß", "naïve", "𝟙", "quote", "x" * 300]


@pytest.fixture(scope="module", params=[False, True], ids=["words", "subwords"])
def pipeline(request):
    """One vectorizer or the union of three, with words that JSON writes in another way."""
    rows = [[f"{text} {WORDS[number % 7]}", label] for number, (text, label) in enumerate(invent(240))]
    return train(part_of(rows[:180]), part_of(rows[180:]), parameters(subwords=request.param)).pipeline


def members(content: bytes) -> tuple[dict, list[bytes]]:
    """Return a file's schema, its addresses in memory replaced by numbers in order, and its arrays in that order."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        schema = json.loads(archive.read("schema.json"), object_pairs_hook=list)
        number_of: dict[str, int] = {}

        def renamed(value):
            if isinstance(value, tuple) and value[0] in ("__id__", "file"):
                return value[0], number_of.setdefault(str(value[1]), len(number_of))
            return [renamed(each) for each in value] if isinstance(value, list | tuple) else value

        return renamed(schema), [archive.read(name) for name in number_of if name in archive.namelist()]


def test_the_file_says_what_skops_says(pipeline):
    """Also in the same order; so a version of skops that writes another format fails here."""
    schema, arrays = members(model_bytes(pipeline))
    expected, expected_arrays = members(skops.io.dumps(pipeline))
    assert arrays == expected_arrays and len(arrays) > 3
    assert schema == expected


def test_what_is_loaded_is_the_pipeline(pipeline):
    before = [dict(part.vocabulary_) for part in vectorizers_of(pipeline)]
    loaded = skops.io.loads(model_bytes(pipeline), trusted=TRUSTED_TYPES)
    assert [part.vocabulary_ for part in vectorizers_of(loaded)] == before
    assert [part.vocabulary_ for part in vectorizers_of(pipeline)] == before, "writing it has changed the pipeline"
    texts = [text for text, _ in invent(50, 3)] + WORDS
    np.testing.assert_array_equal(loaded.predict_proba(texts), pipeline.predict_proba(texts))


def test_a_pipeline_of_types_that_the_safe_path_refuses_is_not_written(pipeline, monkeypatch):
    monkeypatch.setattr("callcenterai.artifact.skops_writer.TRUSTED_TYPES", TRUSTED_TYPES[:1])
    with pytest.raises(ValueError, match="types that the safe path refuses: .*sklearn.calibration"):
        model_bytes(pipeline)


def vectorizers_of(pipeline):
    step = pipeline.named_steps["tfidf"]
    return [part for _, part in getattr(step, "transformer_list", [("", step)])]
