"""Vectorizers, parameters and parts for tests of the TF-IDF model in memory."""

from pathlib import Path

import numpy as np
import yaml

from callcenterai.core.params import TrainTfidfParameters
from callcenterai.data.parts import Part
from callcenterai.tfidf.features import make_vectorizers
from support.repository import shipped_params

TEXTS = [
    "My laptop doesn't start: laptop BROKEN!",
    "mot de passe oublié, réinitialiser le mot de passe",
    "the laptop is slow, the laptop is old",
    "",
    "printer 42 is out of paper",
    "the printer is slow",
]


KINDS = ("words", "characters", "characters_in_words")


def vectorizers(**changes):
    """Return an unfitted vectorizer of each kind, by name."""
    settings = {"accents": "keep", "min_df": 1} | changes
    return {kind: make_vectorizers(parameters(**settings, features=kind))[kind] for kind in KINDS}


def parameters(**changes) -> TrainTfidfParameters:
    """Return the parameters as shipped, with changes, and words unless the changes leave the choice open."""
    fixed = {"features": "words", "accents": "keep", "class_spread": 1.0, "min_df": 2, "C": 0.5}
    return TrainTfidfParameters(**(yaml.safe_load(shipped_params())["train_tfidf"] | fixed | changes))


def part_of(rows: list[list[str]]) -> Part:
    texts, labels = (np.array(column, dtype=object) for column in zip(*rows, strict=True))
    return Part(Path("none"), texts, labels, np.arange(len(rows)))
