"""The file scorer.npz: the trained pipeline as plain arrays, for consumers without scikit-learn.

It is a NumPy archive without pickles. `header` is JSON in UTF-8: format, labels in the order of the probabilities,
calibration method, and the vectorizers in the order of their features. `terms` holds the n-grams in that same order,
one after the other, in UTF-8, and `lengths` how many characters each has; `idf` has shape (n_features,), `coefficients`
(n_features, n_margins) and `intercepts` (n_margins,), where n_margins is 1 for two labels and n_labels otherwise;
`calibrators` has shape (n_margins, 2), slope and offset of each sigmoid, or (1, 1), the inverse temperature. `scaling`,
which not every archive has, has shape (1 + n_labels,): a factor for the logarithms of the probabilities that the
sigmoids give, and a bias for each class. All numbers are float64, so that readers get the pipeline's probabilities.

Format 2 has no scaling. Format 1, of models of words from before December 2026, has a line for each term instead of
lengths, and settings without those of WORDS_BEFORE.
services/tfidf/scorer.py reads it in the service, array_model.py in predict_batch.py.
"""

import io
import json
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from callcenterai.artifact.unpacked_size import check_unpacked_size
from callcenterai.core.cli import UserError
from callcenterai.text.normal_form import TOKEN_PATTERNS

FORMAT = 3
READABLE = (1, 2, 3)
# The settings of every vectorizer in format 1.
WORDS_BEFORE = {"analyzer": "word", "strip_accents": "unicode"}


class Arrays(NamedTuple):
    """The content of an archive; vectorizers has the settings of each."""

    labels: list[str]
    calibration: str
    vectorizers: list[dict[str, Any]]
    terms: list[str]
    idf: np.ndarray
    coefficients: np.ndarray
    intercepts: np.ndarray
    calibrators: np.ndarray
    scaling: np.ndarray | None


def read_arrays(archive: bytes) -> Arrays | None:
    """Return what scorer_bytes wrote, None for a kernel machine; raise a UserError for what no training writes."""
    check_unpacked_size(io.BytesIO(archive), "the scorer")
    arrays = np.load(io.BytesIO(archive), allow_pickle=False)
    header = json.loads(arrays["header"].tobytes())
    if header["format"] not in READABLE:
        raise UserError(f"the scorer has format {header['format']}, and this is for {FORMAT}: train the model again")
    if "refusal" in header:
        return None
    settings = [WORDS_BEFORE | each for each in header["vectorizers"]]
    if any(each["analyzer"] == "word" and each["token_pattern"] not in TOKEN_PATTERNS for each in settings):
        raise UserError("the scorer has a token pattern that no training of ours writes")
    return Arrays(
        labels=header["labels"],
        calibration=header["calibration"],
        vectorizers=settings,
        terms=_read_terms(arrays),
        idf=arrays["idf"],
        coefficients=arrays["coefficients"],
        intercepts=arrays["intercepts"],
        calibrators=arrays["calibrators"],
        scaling=arrays.get("scaling"),
    )


def _read_terms(arrays: Any) -> list[str]:
    text = arrays["terms"].tobytes().decode()
    if "lengths" not in arrays:
        return text.split("\n")
    ends = np.cumsum(arrays["lengths"], dtype=np.int64).tolist()
    return [text[start:end] for start, end in pairwise([0, *ends])]


def scorer_bytes(pipeline: Any) -> bytes:
    """Return the archive of a fitted pipeline.

    A kernel machine has no coefficients to export: its archive holds a header alone, whose `refusal` tells the service
    why it cannot serve the model.
    """
    # Imported here, because array_model.py imports this module to do without scikit-learn.
    from sklearn.svm import LinearSVC

    curves, scaling = _split_scaling(pipeline.named_steps["svm"])
    svm = curves.calibrated_classifiers_[0]
    fitted = vectorizers(pipeline)
    header = {"format": FORMAT, "labels": [str(label) for label in svm.classes], "calibration": svm.method}
    machine = svm.estimator
    if not isinstance(machine, LinearSVC):
        refusal = f"kernel {machine.kernel} has no coefficients to serve; train with train_tfidf.kernel: linear"
        return _archive(header=_text(json.dumps(header | {"refusal": refusal})))
    header["vectorizers"] = [settings_of(vectorizer) for vectorizer in fitted]
    terms = [term for vectorizer in fitted for term in vectorizer.get_feature_names_out()]
    return _archive(
        header=_text(json.dumps(header)),
        terms=_text("".join(terms)),
        lengths=np.fromiter(map(len, terms), dtype=np.uint32, count=len(terms)),
        idf=np.concatenate([vectorizer.idf_ for vectorizer in fitted]),
        coefficients=np.ascontiguousarray(machine.coef_.T),
        intercepts=machine.intercept_,
        calibrators=_calibrators(svm),
        **({} if scaling is None else {"scaling": scaling}),
    )


def vectorizers(pipeline: Any) -> list[Any]:
    """Return the fitted TfidfVectorizers of a pipeline: its only one, or those of a union."""
    step = pipeline.named_steps["tfidf"]
    return [vectorizer for _, vectorizer in step.transformer_list] if hasattr(step, "transformer_list") else [step]


def settings_of(vectorizer: Any) -> dict[str, Any]:
    """Return the settings by which this TfidfVectorizer turns a text into n-grams and their weights."""
    return {
        "features": len(vectorizer.vocabulary_),
        "analyzer": vectorizer.analyzer,
        "strip_accents": vectorizer.strip_accents,
        "token_pattern": vectorizer.token_pattern,
        "ngram_range": list(vectorizer.ngram_range),
        "sublinear_tf": vectorizer.sublinear_tf,
    }


def _split_scaling(classifier: Any) -> tuple[Any, np.ndarray | None]:
    """Return the calibrated curves of a pipeline's classifier, and the scaling behind them if there is one."""
    if not hasattr(classifier, "final_estimator_"):
        return classifier, None
    logistic = classifier.final_estimator_.named_steps["scale"]
    return classifier.estimators_[0], np.concatenate([logistic.coef_[0, :1], logistic.intercept_])


def _calibrators(svm: Any) -> np.ndarray:
    if svm.method == "temperature":
        return np.array([[float(svm.calibrators[0].beta_)]])
    return np.array([[calibrator.a_, calibrator.b_] for calibrator in svm.calibrators], dtype=float)


def _text(text: str) -> np.ndarray:
    return np.frombuffer(text.encode(), dtype=np.uint8)


def _archive(**arrays: np.ndarray) -> bytes:
    # NumPy gives every member the same date (1980-01-01), so equal arrays give equal bytes.
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()
