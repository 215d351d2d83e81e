"""The words that speak most for each class, by the model's coefficients."""

import random

import pytest

from callcenterai.artifact.scorer_format import read_arrays, scorer_bytes
from callcenterai.tfidf.model import fit_pipeline
from callcenterai.tfidf.telling_words import find_telling_words
from support.tfidf import parameters, part_of

IBAN = "fr7630006000011234567890189"
WORDS = {"Access": "password badge", "Hardware": f"laptop keyboard {IBAN}", "Réseau": "wifi été"}


@pytest.mark.parametrize("count, features", [(2, "words"), (3, "words"), (3, "both")])
def test_the_words_of_a_class_speak_for_it_and_personal_data_is_left_out(count, features):
    """Two classes share one margin, whose sign says for which of them a word speaks."""
    labels = sorted(WORDS)[:count]
    generator = random.Random(1)
    rows = [
        [f"{generator.choice(WORDS[label].split())} please {generator.choice(['today', 'soon'])} {number}", label]
        for label in labels
        for number in range(60)
    ]
    train, validation = part_of(rows[::2]), part_of(rows[1::2])
    pipeline = fit_pipeline(train, validation, parameters(features=features)).pipeline
    found = find_telling_words(pipeline, read_arrays(scorer_bytes(pipeline)), train.texts, labels)
    for label in labels:
        telling = [each.word for each in found[label]]
        others = {word for other in labels if other != label for word in WORDS[other].lower().split()}
        assert IBAN not in telling
        assert telling[0] in WORDS[label].lower() and not others & set(telling[:3])
        assert [each.weight for each in found[label]] == sorted((each.weight for each in found[label]), reverse=True)
