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


def vectorizers(**changes):
    settings_ = {"ngram_range": (1, 2), "min_df": 1, "max_features": None, "sublinear_tf": False, "subwords": True}
    return make_vectorizers(**(settings_ | changes))


def parameters(**changes) -> TrainTfidfParameters:
    return TrainTfidfParameters(**(yaml.safe_load(shipped_params())["train_tfidf"] | changes))


def part_of(rows: list[list[str]]) -> Part:
    texts, labels = (np.array(column, dtype=object) for column in zip(*rows, strict=True))
    return Part(Path("none"), texts, labels, np.arange(len(rows)))
