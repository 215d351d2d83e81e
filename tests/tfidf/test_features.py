"""Fast counting gives what scikit-learn's own vectorizer gives, and what should make no difference makes none."""

import unicodedata

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone

from callcenterai.tfidf.features import NgramCounts, class_spread, join
from support.tfidf import TEXTS, vectorizers


def assert_same_fit(vectorizer, texts, rows=None):
    """Fitted on the texts numbered `rows`, by default all, and asked for the matrix of all texts."""
    rows = np.arange(len(texts)) if rows is None else rows
    reference = clone(vectorizer).fit([texts[row] for row in rows])
    expected = reference.transform(texts)
    counts = NgramCounts(vectorizer, texts)
    actual = counts.fit(rows)
    fitted = counts.fitted_vectorizer()
    assert fitted.vocabulary_ == reference.vocabulary_
    np.testing.assert_allclose(fitted.idf_, reference.idf_, rtol=1e-12)
    np.testing.assert_allclose(actual.toarray(), expected.toarray(), atol=1e-12)
    np.testing.assert_allclose(fitted.transform(texts).toarray(), expected.toarray(), atol=1e-12)


@pytest.mark.parametrize(
    "changes",
    [{}, {"ngram_range": (1, 3)}, {"ngram_range": (2, 2)}, {"min_df": 2}, {"max_features": 4}, {"sublinear_tf": True}],
    ids=str,
)
def test_equals_scikit_learn(changes):
    for vectorizer in vectorizers(**changes).values():
        assert_same_fit(vectorizer, TEXTS)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.text("ab c\n", max_size=40) | st.text(max_size=40), min_size=1, max_size=8), st.data())
def test_equals_scikit_learn_on_any_text_fitted_on_any_of_them(texts, data):
    """The others are counted as well, and change nothing: neither vocabulary nor weights."""
    vectorizer = vectorizers(ngram_range=(1, 3), min_df=data.draw(st.integers(1, 3)))["words"]
    rows = data.draw(st.lists(st.integers(0, len(texts) - 1), min_size=1, unique=True).map(sorted).map(np.array))
    try:
        clone(vectorizer).fit([texts[row] for row in rows])
    except ValueError:
        with pytest.raises(ValueError, match="no word"):
            NgramCounts(vectorizer, texts).fit(rows)
    else:
        assert_same_fit(vectorizer, texts, rows)


def test_what_is_frequent_enough_in_all_texts_alone_is_left_to_the_fit_on_all():
    """min_df counts the texts of each fit; a second fit finds what the first one had too few of."""
    texts = ["my laptop is slow", "my printer is slow", "the laptop is old"]
    counts = NgramCounts(vectorizers(min_df=2, ngram_range=(1, 2))["words"], texts)
    counts.fit(np.array([0, 1]))
    assert list(counts.fitted_vectorizer().vocabulary_) == ["is", "is slow", "my", "slow"]
    counts.fit(np.arange(3))
    assert list(counts.fitted_vectorizer().vocabulary_) == ["is", "is slow", "laptop", "laptop is", "my", "slow"]


def test_more_of_a_word_than_a_byte_counts_are_counted():
    """As with tickets of 10,000 characters; counts are kept in a byte each where that is enough."""
    assert_same_fit(vectorizers()["words"], ["no " * 300 + "yes", "no yes", "yes " * 70_000])


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
    union = {}
    for name, vectorizer in vectorizers().items():
        counts = NgramCounts(vectorizer, TEXTS)
        counts.fit(np.arange(len(TEXTS)))
        union[name] = counts.fitted_vectorizer()
    transform = join(union).transform
    assert abs(transform([variant(text) for text in TEXTS]) - transform(TEXTS)).max() == 0


def test_class_spread_raises_features_that_tell_classes_apart_and_stays_inside_the_vectorizer():
    texts = ["printer is here", "printer is there", "printer is new", "leave is here", "leave is there", "leave is new"]
    labels = np.array(["Hardware"] * 3 + ["HR"] * 3)
    rows = np.arange(6)
    counts = NgramCounts(vectorizers(ngram_range=(1, 1))["words"], texts)
    matrix = counts.fit(rows)
    weighted = counts.weight(matrix, class_spread(matrix, rows, labels, 1.0))
    vectorizer = counts.fitted_vectorizer()
    weights = dict(zip(vectorizer.get_feature_names_out(), vectorizer.idf_))
    assert weights["printer"] > 10 * weights["is"]
    np.testing.assert_allclose(vectorizer.transform(texts).toarray(), weighted.toarray(), atol=1e-12)
