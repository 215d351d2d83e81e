"""The trained pipeline as plain arrays, for who scores tickets without scikit-learn.

A NumPy archive without pickles. `header` is JSON in UTF-8: format, labels in the order of the probabilities,
calibration method, and the vectorizers in the order of their features. `terms` holds the n-grams in that same order,
one a line, in UTF-8; `idf` has shape (n_features,), `coefficients` (n_features, n_margins) and `intercepts`
(n_margins,), where n_margins is 1 for two labels and n_labels otherwise; `calibrators` has shape (n_margins, 2), slope
and offset of each sigmoid, or (1, 1), the inverse temperature. All numbers are float64, so that the service's
probabilities are the pipeline's. The service reads it in services/tfidf/scorer.py, predict_batch.py in array_model.py.
"""

import io
import json
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from callcenterai.core.cli import UserError

if TYPE_CHECKING:
    from sklearn.feature_extraction.text import TfidfVectorizer

FORMAT = 1


class Arrays(NamedTuple):
    """What an archive holds; vectorizers has the settings of each."""

    labels: list[str]
    calibration: str
    vectorizers: list[dict[str, Any]]
    terms: list[str]
    idf: np.ndarray
    coefficients: np.ndarray
    intercepts: np.ndarray
    calibrators: np.ndarray


def read_arrays(archive: bytes) -> Arrays | None:
    """Return what scorer_bytes wrote, or None when that is a kernel machine; a UserError when it is another format."""
    arrays = np.load(io.BytesIO(archive), allow_pickle=False)
    header = json.loads(arrays["header"].tobytes())
    if header["format"] != FORMAT:
        raise UserError(f"the scorer has format {header['format']}, and this is for {FORMAT}: train the model again")
    if "refusal" in header:
        return None
    terms = arrays["terms"].tobytes().decode().split("\n")
    numbers = [arrays[name] for name in ("idf", "coefficients", "intercepts", "calibrators")]
    return Arrays(header["labels"], header["calibration"], header["vectorizers"], terms, *numbers)


def scorer_bytes(pipeline: Any) -> bytes:
    """Return the archive of a fitted pipeline.

    A kernel machine has no coefficients to export; its archive holds a header whose `refusal` tells the service why it
    cannot serve it.
    """
    from sklearn.svm import LinearSVC

    svm = pipeline.named_steps["svm"].calibrated_classifiers_[0]
    fitted = vectorizers(pipeline)
    header = {"format": FORMAT, "labels": [str(label) for label in svm.classes], "calibration": svm.method}
    machine = svm.estimator
    if not isinstance(machine, LinearSVC):
        refusal = f"kernel {machine.kernel} has no coefficients to serve; train with train_tfidf.kernel: linear"
        return _archive(header=_text(json.dumps(header | {"refusal": refusal})))
    header["vectorizers"] = [settings_of(vectorizer) for vectorizer in fitted]
    return _archive(
        header=_text(json.dumps(header)),
        terms=_text("\n".join(term for vectorizer in fitted for term in vectorizer.get_feature_names_out())),
        idf=np.concatenate([vectorizer.idf_ for vectorizer in fitted]),
        coefficients=np.ascontiguousarray(machine.coef_.T),
        intercepts=machine.intercept_,
        calibrators=_calibrators(svm),
    )


def vectorizers(pipeline: Any) -> "list[TfidfVectorizer]":
    """Return the fitted vectorizers of a pipeline, one or the several of a union."""
    step = pipeline.named_steps["tfidf"]
    return [vectorizer for _, vectorizer in step.transformer_list] if hasattr(step, "transformer_list") else [step]


def settings_of(vectorizer: "TfidfVectorizer") -> dict[str, Any]:
    """Return what decides how a text becomes this vectorizer's n-grams and their weights."""
    return {
        "features": len(vectorizer.vocabulary_),
        "token_pattern": vectorizer.token_pattern,
        "ngram_range": list(vectorizer.ngram_range),
        "sublinear_tf": vectorizer.sublinear_tf,
    }


def _calibrators(svm: Any) -> np.ndarray:
    if svm.method == "temperature":
        return np.array([[float(svm.calibrators[0].beta_)]])
    return np.array([[calibrator.a_, calibrator.b_] for calibrator in svm.calibrators], dtype=float)


def _text(text: str) -> np.ndarray:
    return np.frombuffer(text.encode(), dtype=np.uint8)


def _archive(**arrays: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()
