"""Fast counting equals scikit-learn's own vectorizer, and the form of a text makes no difference."""

import unicodedata

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone

from callcenterai.text.normal_form import normalize_text
from callcenterai.tfidf.features import NgramCounts, class_spread, join_vectorizers
from support.tfidf import KINDS, TEXTS, vectorizers
from support.thoroughness import rounds


def assert_same_fit(vectorizer, texts, rows=None):
    """Compare the matrices of all texts after a fit on those numbered `rows`, by default all."""
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
    [{}, {"ngram_range": [1, 3]}, {"ngram_range": [2, 2]}, {"min_df": 2}, {"max_features": 4}, {"sublinear_tf": True}],
    ids=str,
)
def test_fast_counting_equals_scikit_learn(changes):
    for vectorizer in vectorizers(**changes).values():
        assert_same_fit(vectorizer, TEXTS)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=rounds(30, 100), deadline=None)
@given(st.lists(st.text("ab c\n", max_size=40) | st.text(max_size=40), min_size=1, max_size=8), st.data())
def test_fast_counting_equals_scikit_learn_on_any_text_and_any_rows(kind, texts, data):
    """Texts outside the rows are counted as well, and change neither vocabulary nor weights."""
    vectorizer = vectorizers(ngram_range=[1, 3], min_df=data.draw(st.integers(1, 3)))[kind]
    rows = data.draw(st.lists(st.integers(0, len(texts) - 1), min_size=1, unique=True).map(sorted).map(np.array))
    try:
        clone(vectorizer).fit([texts[row] for row in rows])
    except ValueError:
        with pytest.raises(ValueError, match="no word or character"):
            NgramCounts(vectorizer, texts).fit(rows)
    else:
        assert_same_fit(vectorizer, texts, rows)


def test_min_df_counts_the_texts_of_each_fit():
    """A second fit, on more texts, keeps words that were too rare in the first one."""
    texts = ["my laptop is slow", "my printer is slow", "the laptop is old"]
    counts = NgramCounts(vectorizers(min_df=2, ngram_range=[1, 2])["words"], texts)
    counts.fit(np.array([0, 1]))
    assert list(counts.fitted_vectorizer().vocabulary_) == ["is", "is slow", "my", "slow"]
    counts.fit(np.arange(3))
    assert list(counts.fitted_vectorizer().vocabulary_) == ["is", "is slow", "laptop", "laptop is", "my", "slow"]


def test_a_word_may_occur_more_often_than_a_byte_can_count():
    """Tickets have up to 10,000 characters; counts are stored in one byte each where that is enough."""
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
def test_the_form_of_a_text_makes_no_difference(variant):
    union = {}
    for name, vectorizer in vectorizers().items():
        counts = NgramCounts(vectorizer, TEXTS)
        counts.fit(np.arange(len(TEXTS)))
        union[name] = counts.fitted_vectorizer()
    transform = join_vectorizers(union).transform
    variants, originals = (list(map(normalize_text, texts)) for texts in (map(variant, TEXTS), TEXTS))
    assert abs(transform(variants) - transform(originals)).max() == 0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("เสื้อหาย ใกล้สาขา", ["เสื้อหาย", "ใกล้สาขา"]),
        ("हिन्दी में कालं", ["हिन्दी", "में", "कालं"]),
        ("می\u200cخواهم بِسْمِ", ["می\u200cخواهم", "بِسْمِ"]),
        ("Année bàn 안녕 5", ["année", "bàn", "안녕", "5"]),
    ],
)
def test_words_keep_the_marks_and_joiners_inside_them(text, words):
    analyze = vectorizers(ngram_range=[1, 1])["words"].build_analyzer()
    assert words == analyze(text)


@pytest.mark.parametrize(("one", "other"), [("ハスが", "バスが"), ("schon", "schön"), ("мой", "мои"), ("ไกล", "ใกล้")])
def test_words_that_differ_in_a_mark_are_different_features(one, other):
    for vectorizer in vectorizers().values():
        first, second = vectorizer.fit([one, other]).transform([one, other]).toarray()
        assert (first != second).any()


def test_class_spread_raises_the_weight_of_features_that_tell_classes_apart():
    texts = ["printer is here", "printer is there", "printer is new", "leave is here", "leave is there", "leave is new"]
    labels = np.array(["Hardware"] * 3 + ["HR"] * 3)
    rows = np.arange(6)
    counts = NgramCounts(vectorizers(ngram_range=[1, 1])["words"], texts)
    matrix = counts.fit(rows)
    weighted = counts.weight(matrix, class_spread(matrix, rows, labels, 1.0))
    vectorizer = counts.fitted_vectorizer()
    weights = dict(zip(vectorizer.get_feature_names_out(), vectorizer.idf_, strict=True))
    assert weights["printer"] > 10 * weights["is"]
    np.testing.assert_allclose(vectorizer.transform(texts).toarray(), weighted.toarray(), atol=1e-12)
