"""Fast counting gives what scikit-learn's own vectorizer gives, and what should make no difference makes none."""

import unicodedata

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone

from features import NgramCounts, join, make_vectorizers, weight_by_class_spread

TEXTS = [
    "My laptop doesn't start: laptop BROKEN!",
    "mot de passe oublié, réinitialiser le mot de passe",
    "the laptop is slow, the laptop is old",
    "",
    "printer 42 is out of paper",
    "the printer is slow",
]


def vectorizers(**changes):
    settings_ = {"ngram_range": (1, 2), "min_df": 1, "max_features": None, "sublinear_tf": False, "subwords": True}
    return make_vectorizers(**(settings_ | changes))


def assert_same_fit(vectorizer, texts):
    reference = clone(vectorizer)
    expected = reference.fit_transform(texts)
    counts = NgramCounts(vectorizer, texts)
    actual = counts.fit(np.arange(len(texts)))
    assert vectorizer.vocabulary_ == reference.vocabulary_
    np.testing.assert_allclose(vectorizer.idf_, reference.idf_, rtol=1e-12)
    np.testing.assert_allclose(actual.toarray(), expected.toarray(), atol=1e-12)
    np.testing.assert_allclose(vectorizer.transform(texts).toarray(), expected.toarray(), atol=1e-12)


@pytest.mark.parametrize(
    "changes",
    [{}, {"ngram_range": (1, 3)}, {"ngram_range": (2, 2)}, {"min_df": 2}, {"max_features": 4}, {"sublinear_tf": True}],
    ids=str,
)
def test_equals_scikit_learn(changes):
    for vectorizer in vectorizers(**changes).values():
        assert_same_fit(vectorizer, TEXTS)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(max_size=40), min_size=1, max_size=8))
def test_equals_scikit_learn_on_any_text(texts):
    vectorizer = vectorizers(ngram_range=(1, 3))["words"]
    try:
        clone(vectorizer).fit(texts)
    except ValueError:
        with pytest.raises(ValueError, match="no word"):
            NgramCounts(vectorizer, texts).fit(np.arange(len(texts)))
    else:
        assert_same_fit(vectorizer, texts)


def test_fits_on_the_given_rows_only():
    vectorizer = vectorizers()["words"]
    NgramCounts(vectorizer, TEXTS).fit(np.array([0, 2]))
    assert "laptop" in vectorizer.vocabulary_
    assert "printer" not in vectorizer.vocabulary_


@pytest.mark.parametrize(
    "variant",
    [
        str.upper,
        lambda text: unicodedata.normalize("NFD", text),
        lambda text: text.replace(" ", "\r\n"),
        lambda text: text.replace(" ", "\x07\u00a0\t"),
        lambda text: f"\ufeff  {text}\n\n",
    ],
    ids=["case", "NFD", "line breaks", "control characters", "surrounding space"],
)
def test_form_makes_no_difference(variant):
    union = vectorizers()
    for vectorizer in union.values():
        NgramCounts(vectorizer, TEXTS).fit(np.arange(len(TEXTS)))
    transform = join(union).transform
    assert abs(transform([variant(text) for text in TEXTS]) - transform(TEXTS)).max() == 0


def test_class_spread_raises_features_that_tell_classes_apart_and_stays_inside_the_vectorizer():
    texts = ["printer is here", "printer is there", "printer is new", "leave is here", "leave is there", "leave is new"]
    labels = np.array(["Hardware"] * 3 + ["HR"] * 3)
    rows = np.arange(6)
    vectorizer = vectorizers(ngram_range=(1, 1))["words"]
    matrix = NgramCounts(vectorizer, texts).fit(rows)
    weighted = weight_by_class_spread(vectorizer, matrix, rows, labels, 1.0)
    weights = dict(zip(vectorizer.get_feature_names_out(), vectorizer.idf_))
    assert weights["printer"] > 10 * weights["is"]
    np.testing.assert_allclose(vectorizer.transform(texts).toarray(), weighted.toarray(), atol=1e-12)
