"""The reference that live tickets are compared with: how the test tickets looked to the model when it was new.

The file reference.json of a model folder counts the test tickets, which the model has not learned from, by predicted
category, by language, and by confidence, length and share of unknown words in about ten intervals of equal share. It
holds no text.
"""

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np

from callcenterai.artifact.folder import REFERENCE_FILE
from callcenterai.core.files import json_bytes
from callcenterai.text.language import detect
from callcenterai.training.evaluation import Predictions

FORMAT = 1
INTERVALS = 10


def reference_files(
    kind: str, test: Predictions, texts: np.ndarray, unknown_words: Callable[[np.ndarray], np.ndarray] | None
) -> dict[str, bytes]:
    """Return the content of reference.json by its name; only the TF-IDF model, which is always asked, has one."""
    if kind != "tfidf":
        return {}
    return {REFERENCE_FILE: json_bytes(make_reference(test, texts, unknown_words(texts) if unknown_words else None))}


def make_reference(test: Predictions, texts: np.ndarray, unknown_words: np.ndarray | None) -> dict[str, Any]:
    """Return the distributions of the test tickets; texts and unknown_words have shape (n,), NaN without a word."""
    lengths = np.array([len(text) for text in texts], dtype=float)
    numbers = {"confidence": test.confidence, "characters": lengths}
    if unknown_words is not None and not np.isnan(unknown_words).all():
        numbers["unknown_words"] = unknown_words[~np.isnan(unknown_words)]
    return {
        "format": FORMAT,
        "tickets": len(texts),
        "counts": {
            "category": _sorted(Counter(map(str, test.predicted))),
            "language": _sorted(Counter(map(detect, texts))),
        },
        "intervals": {name: count_intervals(values) for name, values in numbers.items()},
    }


def count_intervals(values: np.ndarray) -> dict[str, list[float] | list[int]]:
    """Return the upper edges of intervals of about equal share, all but the last one's, and the counts of all.

    A value at an edge belongs to the interval below it. Equal values share an interval, so there may be fewer.
    """
    quantiles = np.quantile(values, np.arange(1, INTERVALS) / INTERVALS, method="lower")
    edges = np.unique(np.round(quantiles, 6))
    edges = edges[edges < values.max()]
    counts = np.bincount(np.searchsorted(edges, values, side="left"), minlength=len(edges) + 1)
    return {"edges": edges.tolist(), "counts": counts.tolist()}


def _sorted(counts: Counter[str]) -> dict[str, int]:
    return dict(sorted(counts.items()))
