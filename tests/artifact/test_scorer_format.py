"""Both readers of the arrays give what the trained scikit-learn pipeline gives, for any text and any parameters."""

import io
import json
import random

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callcenterai.artifact.array_model import ArrayModel
from callcenterai.artifact.scorer_format import read_arrays, scorer_bytes, vectorizers
from callcenterai.artifact.skops_writer import model_bytes
from callcenterai.core.cli import UserError
from callcenterai.tfidf.model import fit_pipeline
from services.tfidf.scorer import TfidfScorer
from support.tfidf import parameters, part_of
from support.thoroughness import rounds
from support.tickets import NOUNS, invent

ACCENTS = ("é", "É", "ﬁ", "ß", "İ", "Ⅷ", "œ", "\u0301", "\x00", "\u200f", "日本", "🙂", "\ud7ff")
VARIANTS = {
    "as shipped": {},
    "chosen": {"features": "auto", "class_spread": "auto", "C": "auto", "accents": "auto"},
    "characters and temperature": {"features": "characters", "calibration": "temperature", "class_spread": 0.25},
    "characters in words": {"features": "characters_in_words", "class_spread": 0.0},
    "words and characters without accents": {"features": "both", "accents": "strip"},
    "both kinds of characters": {"features": "all_characters", "min_df": 1},
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
    """And those of a contrast to the difference of two margins.

    But for the weight of a single blank, which is a feature of a model of characters and shows nothing.
    """
    pipeline, scorer, _ = models
    text = f"{NOUNS[0]} {NOUNS[1]} motA prêtB motC motB"
    svm = pipeline.named_steps["svm"].estimator
    features = pipeline.named_steps["tfidf"].transform([text])
    names = pipeline.named_steps["tfidf"].get_feature_names_out()
    # A union puts the name of the vectorizer and two underscores before each.
    columns = [number for number, name in enumerate(names) if name.rpartition("__")[2] == " "]
    features = features.toarray()
    features[:, columns] = 0
    margins = (features @ svm.coef_.T)[0]
    for label in range(len(scorer.labels)):
        added = sum(weight for _, weight in scorer.explain(text, label, most=1000))
        expected = (2 * label - 1) * margins[0] if len(scorer.labels) == 2 else margins[label]
        assert added == pytest.approx(expected)
        other = (label + 1) % len(scorer.labels)
        contrast = sum(weight for _, weight in scorer.explain(text, label, most=1000, against=other))
        assert contrast == pytest.approx(expected - (0 if len(scorer.labels) == 2 else margins[other]))


def test_an_explanation_by_characters_shows_whole_words_and_characters_of_a_script_without_spaces():
    rows = [[f"{'プリンタが故障' if n % 2 else '給料が届かない'} office{n} ☎", "AB"[n % 2]] for n in range(60)]
    pipeline = fit_pipeline(part_of(rows[:44]), part_of(rows[44:]), parameters(features="characters")).pipeline
    scorer = TfidfScorer(scorer_bytes(pipeline))
    terms = dict(scorer.explain("プリンタが故障 office7 ☎", 1, most=100))
    assert set(terms) == {*"プリンタが故障", "office7", "☎"}
    assert terms["プ"] > 0 and terms["故"] > 0


def test_a_text_of_which_nothing_is_known_is_told_from_others(models):
    """By the scorer of one text and by the model of many alike."""
    pipeline, scorer, arrays = models
    texts = ["☎☎", "", max(vectorizers(pipeline)[0].get_feature_names_out(), key=len)]
    assert [scorer.score(text)[1] for text in texts] == [False, False, True]
    assert arrays.predict_known(texts)[1].tolist() == [False, False, True]


def test_a_scorer_of_format_1_is_still_read():
    """Its terms are lines, and its vectorizers of words strip accents."""
    rows = [[text.replace("ton", "té"), label] for text, label in invent(80)]
    pipeline = fit_pipeline(part_of(rows[:60]), part_of(rows[60:]), parameters(accents="strip")).pipeline
    archive = dict(np.load(io.BytesIO(scorer_bytes(pipeline))))
    header = json.loads(archive["header"].tobytes())
    for vectorizer in header["vectorizers"]:
        del vectorizer["analyzer"], vectorizer["strip_accents"]
    header["format"] = 1
    lengths = archive.pop("lengths").tolist()
    terms, ends = archive["terms"].tobytes().decode(), np.cumsum(lengths).tolist()
    lines = "\n".join(terms[end - length : end] for end, length in zip(ends, lengths, strict=True))
    archive |= {
        name: np.frombuffer(text.encode(), dtype=np.uint8)
        for name, text in (("header", json.dumps(header)), ("terms", lines))
    }
    buffer = io.BytesIO()
    np.savez(buffer, **archive)
    models = pipeline, TfidfScorer(buffer.getvalue()), ArrayModel(read_arrays(buffer.getvalue()))
    assert_same(models, [text for text, _ in rows] + ["LAPTÉ scre", "☎"])


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


def rewritten(archive: bytes, **changes: np.ndarray) -> bytes:
    """Return an archive with other arrays, compressed as a training compresses them."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **(dict(np.load(io.BytesIO(archive))) | changes))
    return buffer.getvalue()


def test_an_archive_that_was_made_to_fill_the_memory_is_refused_unread(models):
    """A small file of zeros says itself how large it becomes; the service and the commands look first."""
    bomb = rewritten(scorer_bytes(models[0]), coefficients=np.zeros((20_000_000, 3)))
    assert len(bomb) < 2_000_000
    with pytest.raises(ValueError, match="which no model of this size does"):
        TfidfScorer(bomb)
    with pytest.raises(UserError, match="the scorer is refused: it would take"):
        read_arrays(bomb)


def test_an_archive_with_a_pattern_of_somebody_else_is_refused(models):
    archive = scorer_bytes(models[0])
    header = json.loads(np.load(io.BytesIO(archive))["header"].tobytes())
    header["vectorizers"][0] |= {"analyzer": "word", "token_pattern": r"(\w+\s?)+$"}
    forged = rewritten(archive, header=np.frombuffer(json.dumps(header).encode(), dtype=np.uint8))
    with pytest.raises(ValueError, match="a token pattern that no training of ours writes"):
        TfidfScorer(forged)
    with pytest.raises(UserError, match="a token pattern that no training of ours writes"):
        read_arrays(forged)
