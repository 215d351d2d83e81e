"""FastVectorizer gives exactly the matrix of scikit-learn's fitted vectorizer, for any text."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as of_hypothesis
from hypothesis import strategies as st
from sklearn.base import clone

from callcenterai.artifact.array_model import FastVectorizer
from callcenterai.artifact.scorer_format import settings_of
from support.tfidf import KINDS, TEXTS, vectorizers
from support.thoroughness import rounds

ODD = ["", " ", "laptop", "unknown words alone", "laptop\x00broken", "İ ﬁ ß É", "mot de passe mot de passe", "é" * 50]


def assert_same(vectorizer, texts):
    settings, terms = settings_of(vectorizer), vectorizer.get_feature_names_out().tolist()
    fast, expected = FastVectorizer(settings, terms, vectorizer.idf_).transform(texts), vectorizer.transform(texts)
    assert fast.shape == expected.shape
    np.testing.assert_array_equal(fast.toarray(), expected.toarray())


@pytest.mark.parametrize(
    "changes",
    [{}, {"ngram_range": [1, 3]}, {"ngram_range": [2, 3]}, {"min_df": 2}, {"max_features": 4}, {"sublinear_tf": True}],
    ids=str,
)
def test_fast_vectorizer_equals_scikit_learn(changes):
    """For every kind of vocabulary: also pairs without their first words, and trigrams of characters."""
    for vectorizer in vectorizers(**changes).values():
        assert_same(vectorizer.fit(TEXTS), TEXTS + ODD)


@pytest.mark.parametrize("kind", KINDS)
@of_hypothesis(max_examples=rounds(30, 60), deadline=None)
@given(st.lists(st.text(max_size=40), min_size=1, max_size=8), st.lists(st.text(max_size=40), max_size=8))
def test_fast_vectorizer_equals_scikit_learn_on_any_text(kind, known, others):
    vectorizer = clone(vectorizers(ngram_range=[1, 3])[kind])
    try:
        vectorizer.fit(known)
    except ValueError:
        return
    assert_same(vectorizer, known + others)
