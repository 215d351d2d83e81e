"""Both readers of the arrays give what the trained scikit-learn pipeline gives, for any text and any parameters."""

import random

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callcenterai.artifact.array_model import ArrayModel
from callcenterai.artifact.scorer_format import read_arrays, scorer_bytes
from callcenterai.artifact.skops_writer import model_bytes
from callcenterai.tfidf.model import fit_pipeline
from services.tfidf.scorer import TfidfScorer
from support.tfidf import parameters, part_of
from support.thoroughness import rounds
from support.tickets import NOUNS, invent

ACCENTS = ("é", "É", "ﬁ", "ß", "İ", "Ⅷ", "œ", "\u0301", "\x00", "\u200f", "日本", "🙂", "\ud7ff")
VARIANTS = {
    "as shipped": {},
    "subwords and temperature": {"subwords": True, "calibration": "temperature", "class_spread": 0.25},
    "sublinear and longer n-grams": {"sublinear_tf": True, "ngram_range": [2, 3], "class_spread": 0.0},
    "two labels": {"labels": "AB"},
    "without refit": {"refit": False},
    "two labels and temperature": {"labels": "AB", "calibration": "temperature", "max_features": 40},
}


@pytest.fixture(scope="module", params=VARIANTS.values(), ids=VARIANTS.keys())
def models(request):
    """The pipeline of one variant, the service's scorer of one text, and the model of many at once."""
    changes = dict(request.param)
    labels = changes.pop("labels", "ABC")
    # The labels have to do with the words, so that probabilities are not all alike.
    rows = [[text + f" mot{label} prêt{label}" * (len(text) % 3), label] for text, label in invent(240, labels=labels)]
    pipeline = fit_pipeline(part_of(rows[:180]), part_of(rows[180:]), parameters(**changes)).pipeline
    return with_readers(pipeline)


def with_readers(pipeline) -> tuple:
    archive = scorer_bytes(pipeline)
    return pipeline, TfidfScorer(archive), ArrayModel(read_arrays(archive))


def assert_same(models, texts: list[str]) -> None:
    pipeline, scorer, arrays = models
    expected = pipeline.predict_proba(texts)
    # The same sums in the same order: to the last bit.
    np.testing.assert_array_equal(arrays.predict_proba(texts), expected)
    actual = np.array([scorer.probabilities(text) for text in texts])
    np.testing.assert_allclose(actual, expected, rtol=1e-9, atol=1e-12)
    assert [scorer.labels[place] for place in actual.argmax(axis=1)] == pipeline.predict(texts).tolist()


def test_thousands_of_texts_of_known_and_unknown_words(models):
    generator = random.Random(3)
    words = [*NOUNS, "mota", "motb", "pretA", "prêtB", "motC", "unknown", *ACCENTS]
    assert_same(models, [" ".join(generator.choices(words, k=generator.randrange(40))) for _ in range(2000)])


@given(st.lists(st.text() | st.lists(st.sampled_from([*NOUNS, *ACCENTS, "motA", " "])).map("".join), min_size=1))
@settings(max_examples=rounds(40, 150), deadline=None)
def test_any_text(models, texts):
    assert_same(models, [text.encode("utf-8", "replace").decode() for text in texts])


def test_the_weights_of_an_explanation_add_up_to_the_margin(models):
    pipeline, scorer, _ = models
    text = f"{NOUNS[0]} {NOUNS[1]} motA prêtB motC motB"
    svm = pipeline.named_steps["svm"].estimator
    margins = svm.decision_function(pipeline.named_steps["tfidf"].transform([text]))[0]
    for label in range(len(scorer.labels)):
        added = sum(weight for _, weight in scorer.explain(text, label, most=1000))
        if len(scorer.labels) == 2:
            sign = 2 * label - 1
            assert added == pytest.approx(sign * (margins - svm.intercept_[0]))
        else:
            assert added == pytest.approx(margins[label] - svm.intercept_[label])


def test_the_same_pipeline_gives_the_same_bytes(models):
    assert scorer_bytes(models[0]) == scorer_bytes(models[0])


def test_real_tickets(shared_data):
    """On thousands of real tickets, with a model of them: the same category for each."""
    table = pd.read_csv(shared_data("it_tickets.csv.gz"), nrows=8000)
    rows = table[["Document", "Topic_group"]].values.tolist()
    pipeline = fit_pipeline(part_of(rows[:4000]), part_of(rows[4000:5000]), parameters()).pipeline
    assert_same(with_readers(pipeline), [text for text, _ in rows[5000:]])


def test_a_kernel_machine_is_stored_and_says_why_it_cannot_be_served():
    rows = invent(60)
    pipeline = fit_pipeline(part_of(rows[:45]), part_of(rows[45:]), parameters(kernel="rbf")).pipeline
    assert model_bytes(pipeline)
    with pytest.raises(ValueError, match="kernel rbf has no coefficients to serve.*kernel: linear"):
        TfidfScorer(scorer_bytes(pipeline))
