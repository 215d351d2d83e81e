"""The pipeline as the arrays of scorer.npz, for many texts at once, without scikit-learn, which takes seconds to load.

Its probabilities are those of the pipeline to the last bit (tests/artifact/test_scorer_format.py).
services/tfidf/scorer.py is for one text at a time, and needs numpy alone.
"""

from collections.abc import Sequence

import numpy as np
from scipy import sparse
from scipy.special import expit

from callcenterai.artifact.fast_features import FastTransformer
from callcenterai.artifact.scorer_format import Arrays


class ArrayModel:
    """A calibrated linear classifier over TF-IDF features."""

    def __init__(self, arrays: Arrays) -> None:
        """Make the tables of each vectorizer."""
        self._arrays = arrays
        ends = np.cumsum([settings["features"] for settings in arrays.vectorizers])
        self._transformers = [
            FastTransformer(settings, arrays.terms[end - settings["features"] : end], idf)
            for settings, end, idf in zip(arrays.vectorizers, ends, np.split(arrays.idf, ends[:-1]), strict=True)
        ]

    def predict_proba(self, texts: Sequence[str]) -> np.ndarray:
        """Return the probabilities, shape (n_texts, n_labels), in the order of the archive's labels."""
        arrays, blocks = self._arrays, [transformer.transform(texts) for transformer in self._transformers]
        features = blocks[0] if len(blocks) == 1 else sparse.hstack(blocks, format="csr")
        margins = features @ arrays.coefficients + arrays.intercepts
        if arrays.calibration == "temperature":
            return _tempered(margins, arrays.calibrators[0, 0])
        slopes, offsets = arrays.calibrators.T
        return _normalized(expit(-(slopes * margins + offsets)))


def _tempered(margins: np.ndarray, beta: float) -> np.ndarray:
    logits = beta * (np.hstack([-margins, margins]) if margins.shape[1] == 1 else margins)
    each = np.exp(logits - logits.max(axis=1, keepdims=True))
    return each / each.sum(axis=1, keepdims=True)


def _normalized(each: np.ndarray) -> np.ndarray:
    """Return probabilities whose sum is 1, from those of each class against all others."""
    if each.shape[1] == 1:
        return np.hstack([1.0 - each, each])
    total = each.sum(axis=1, keepdims=True)
    return np.divide(each, total, out=np.full_like(each, 1 / each.shape[1]), where=total != 0)
