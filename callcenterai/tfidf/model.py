"""TF-IDF and a support vector machine with calibrated probabilities, as one scikit-learn Pipeline over raw texts.

fit_pipeline trains, and predict_validation is what parameters are chosen by. Neither imports MLflow, which the workers
of a parameter search therefore do not need.
"""

import sys
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.svm import SVC, LinearSVC

from callcenterai.core.cli import UserError
from callcenterai.core.params import TrainTfidfParameters
from callcenterai.data.parts import Part
from callcenterai.data.split import assign_folds
from callcenterai.tfidf.calibration import choose_calibration, fit_calibration
from callcenterai.tfidf.choice import FeatureChoice, one_blas_thread, settle
from callcenterai.tfidf.features import NgramCounts, class_spread, join_vectorizers, make_vectorizers
from callcenterai.training.evaluation import Predictions

CALIBRATION_FOLDS = 5
# Of the fits on folds; with 0.001 they take twice the time, for the same probabilities.
FOLD_TOLERANCE = 0.01
SVM: TypeAlias = LinearSVC | SVC


@dataclass(frozen=True)
class HeldOut:
    """Margins of tickets by machines that were not fitted on them, shape (n, n_margins), and which tickets they are.

    folds says for each ticket, shape (n,), in which group it was held out, and known whether the machine knows
    anything of its text.
    """

    rows: np.ndarray
    margins: np.ndarray
    folds: np.ndarray
    known: np.ndarray


@dataclass(frozen=True)
class FittedPipeline:
    """The final pipeline, what was chosen, and how well it does.

    validation holds the predictions of validation; held_out those of all tickets on which calibration and threshold
    rest, which include them where the final model learns from both parts, and held_out_rows, shape (n,), which tickets
    of train followed by validation these are. converged: whether the solver finished.
    """

    pipeline: Pipeline
    params: TrainTfidfParameters
    choice: FeatureChoice | None
    validation: Predictions
    held_out: Predictions
    held_out_rows: np.ndarray
    converged: bool
    cpu_seconds: float


@one_blas_thread
def fit_pipeline(
    train_part: Part, validation_part: Part, params: TrainTfidfParameters, choice: FeatureChoice | None = None
) -> FittedPipeline:
    """Fit on train and, with params.refit, on validation too; calibrate on tickets that were held out.

    For the linear kernel these are all tickets that the final model learns from, each predicted by a machine that was
    fitted on the other folds; for others, whose fits cost too much for that, they are validation, predicted by a
    machine that was fitted on train. choice is what was chosen for parameters that are auto; without it, it is made
    here.
    """
    started = time.process_time()
    params, choice = settle(params, train_part, choice)
    labels = np.concatenate([train_part.labels, validation_part.labels])
    groups = np.concatenate([train_part.groups, validation_part.groups])
    features = Features(np.concatenate([train_part.texts, validation_part.texts]), labels, params)
    is_validation = np.arange(len(labels)) >= len(train_part)
    ours = np.flatnonzero(~is_validation | params.refit)
    if params.kernel == "linear":
        held_out = hold_out_folds(features, ours, labels, groups, params)
    else:
        held_out, _ = hold_out_validation(features, is_validation, labels, groups, params)
    classes = np.unique(labels[ours])
    method, probabilities = choose_calibration(
        held_out.margins, labels[held_out.rows], classes, held_out.folds, params.calibration
    )
    calibration = fit_calibration(held_out.margins, labels[held_out.rows], classes, method)
    matrix = features.fit(ours)
    svm, converged = fit_svm(matrix[ours], labels[ours], params)
    predictions = Predictions(list(classes), labels[held_out.rows], probabilities, held_out.known)
    if is_validation[held_out.rows].any():
        validation = predictions.select(is_validation[held_out.rows])
    else:
        margins, known = as_columns(svm.decision_function(matrix[is_validation])), np.diff(matrix[is_validation].indptr)
        validation = Predictions(list(classes), labels[is_validation], calibration.probabilities(margins), known > 0)
    pipeline = Pipeline([("tfidf", features.fitted_vectorizer()), ("svm", calibration.attach(svm))])
    params = params.model_copy(update={"calibration": method})
    seconds = time.process_time() - started
    return FittedPipeline(
        pipeline, params, choice, validation, predictions, held_out.rows, converged, cpu_seconds=seconds
    )


def hold_out_folds(
    features: "Features", rows: np.ndarray, labels: np.ndarray, groups: np.ndarray, params: TrainTfidfParameters
) -> HeldOut:
    """Return the margins of the given rows, each by a machine that was fitted on the other folds of them.

    Near-duplicates are in one fold. These machines only calibrate, so that a coarser fit is enough.
    """
    coarse = params.model_copy(update={"tol": max(params.tol, FOLD_TOLERANCE)})
    classes = np.unique(labels[rows])
    folds = assign_folds(labels[rows], groups[rows], params.random_state, CALIBRATION_FOLDS)
    margins = np.empty((len(rows), 1 if len(classes) == 2 else len(classes)))
    known = np.empty(len(rows), dtype=bool)
    for number in range(CALIBRATION_FOLDS):
        fitted_on, held_out = rows[folds != number], rows[folds == number]
        if not len(held_out):
            continue
        matrix = features.fit(fitted_on)
        with warnings.catch_warnings():
            # The final fit reports whether its solver has finished.
            warnings.simplefilter("ignore", ConvergenceWarning)
            svm = make_svm(coarse).fit(matrix[fitted_on], labels[fitted_on])
        margins[folds == number] = margins_of(svm, matrix[held_out], classes)
        known[folds == number] = np.diff(matrix[held_out].indptr) > 0
    return HeldOut(rows, margins, folds, known)


def hold_out_validation(
    features: "Features",
    is_validation: np.ndarray,
    labels: np.ndarray,
    groups: np.ndarray,
    params: TrainTfidfParameters,
) -> tuple[HeldOut, bool]:
    """Return the margins of validation by a machine that was fitted on train, and whether its solver finished."""
    train, validation = np.flatnonzero(~is_validation), np.flatnonzero(is_validation)
    matrix = features.fit(train)
    svm, converged = fit_svm(matrix[train], labels[train], params)
    folds = assign_folds(labels[validation], groups[validation], params.random_state, CALIBRATION_FOLDS)
    held_out = matrix[validation]
    margins = margins_of(svm, held_out, np.unique(labels))
    return HeldOut(validation, margins, folds, np.diff(held_out.indptr) > 0), converged


def margins_of(svm: SVM, matrix: sparse.csr_matrix, classes: np.ndarray) -> np.ndarray:
    """Return margins, shape (n, n_margins), for these classes; one that the machine has not seen gets the lowest."""
    margins = as_columns(svm.decision_function(matrix))
    if len(svm.classes_) == len(classes):
        return margins
    if margins.shape[1] == 1:
        margins = np.hstack([-margins, margins])
    every = np.full((len(margins), len(classes)), margins.min(initial=-1.0))
    every[:, np.searchsorted(classes, svm.classes_)] = margins
    return every


def as_columns(margins: np.ndarray) -> np.ndarray:
    """Return margins with shape (n, n_margins), also where scikit-learn gives one number for two classes."""
    return margins[:, np.newaxis] if margins.ndim == 1 else margins


@one_blas_thread
def predict_validation(
    train_part: Part, validation_part: Part, params: TrainTfidfParameters, choice: FeatureChoice | None = None
) -> tuple[Predictions, bool]:
    """Fit on train alone and predict validation, which a search needs; also return whether the solver finished."""
    params, _ = settle(params, train_part, choice)
    labels = np.concatenate([train_part.labels, validation_part.labels])
    groups = np.concatenate([train_part.groups, validation_part.groups])
    features = Features(np.concatenate([train_part.texts, validation_part.texts]), labels, params)
    is_validation = np.arange(len(labels)) >= len(train_part)
    held_out, converged = hold_out_validation(features, is_validation, labels, groups, params)
    classes, true = np.unique(labels), validation_part.labels
    _, probabilities = choose_calibration(held_out.margins, true, classes, held_out.folds, params.calibration)
    return Predictions(list(classes), true, probabilities, held_out.known), converged


def count_known(pipeline: Pipeline, texts: Sequence[str] | np.ndarray) -> np.ndarray:
    """Return, for each text, whether the pipeline knows any word or character n-gram of it, bool of shape (n,)."""
    return np.diff(pipeline.named_steps["tfidf"].transform(texts).tocsr().indptr) > 0


class Features:
    """The n-gram counts of the texts, from which the vectorizer can be fitted on any of the rows."""

    def __init__(self, texts: np.ndarray, labels: np.ndarray, params: TrainTfidfParameters) -> None:
        """Count the n-grams; fit chooses and weights them."""
        vectorizers = make_vectorizers(params)
        self._counts = {name: NgramCounts(vectorizer, list(texts)) for name, vectorizer in vectorizers.items()}
        self._filled: list[str] = []
        self._labels = labels
        self._power = float(params.class_spread)

    def fit(self, rows: np.ndarray) -> sparse.csr_matrix:
        """Fit on the given rows; return the features of all rows, shape (n_texts, n_features).

        A vectorizer without any n-gram is left out, unless all are.
        """
        blocks = {}
        for name, counts in self._counts.items():
            try:
                matrix = counts.fit(rows)
            except ValueError as error:
                # Another kind of feature may know these texts: 600 Chinese tickets may share no whole sentence.
                reason = error
                continue
            if self._power:
                matrix = counts.weight(matrix, class_spread(matrix, rows, self._labels[rows], self._power))
            blocks[name] = matrix
        if not blocks:
            raise UserError(f"{reason}: lower train_tfidf.min_df, or give longer or more tickets")
        self._filled = list(blocks)
        filled = list(blocks.values())
        return filled[0] if len(filled) == 1 else sparse.hstack(filled, format="csr")

    def fitted_vectorizer(self) -> TfidfVectorizer | FeatureUnion:
        """Return the vectorizer, or union of several, that turns texts into the features of the last fit."""
        return join_vectorizers({name: self._counts[name].fitted_vectorizer() for name in self._filled})


def fit_svm(matrix: sparse.csr_matrix, labels: np.ndarray, params: TrainTfidfParameters) -> tuple[SVM, bool]:
    """Return a fitted SVM and whether its solver converged; warn on stderr if it did not."""
    svm = make_svm(params)
    if isinstance(svm, SVC):
        announce_cost(svm, matrix, labels, params)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ConvergenceWarning)
        svm.fit(matrix, labels)
    converged = not any(issubclass(warning.category, ConvergenceWarning) for warning in caught)
    if not converged:
        print(
            f"warning: the SVM stopped at max_iter={params.max_iter} before it converged; its figures are those of an "
            "unfinished fit: raise train_tfidf.max_iter, or lower train_tfidf.C",
            file=sys.stderr,
        )
    return svm, converged


def make_svm(params: TrainTfidfParameters) -> SVM:
    """Return the unfitted SVM: liblinear for kernel "linear", libsvm for the others."""
    common = {"C": params.C, "tol": params.tol, "max_iter": params.max_iter, "class_weight": params.class_weight}
    if params.kernel == "linear":
        return LinearSVC(random_state=params.random_state, **common)
    return SVC(kernel=params.kernel, random_state=params.random_state, **common)


def announce_cost(svm: SVC, matrix: sparse.csr_matrix, labels: np.ndarray, params: TrainTfidfParameters) -> None:
    """Estimate on stderr how long the fit will take, from a small sample: the cost of libsvm grows with n squared."""
    total = len(labels)
    size = min(total, 1000)
    chosen = np.random.default_rng(params.random_state).choice(total, size, replace=False)
    if len(set(labels[chosen])) < 2:
        return
    started = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        make_svm(params).fit(matrix[chosen], labels[chosen])
    seconds = (time.perf_counter() - started) * (total / size) ** 2
    print(
        f"fitting SVC(kernel={params.kernel!r}) on {total:,} tickets: about {seconds:,.0f} s, "
        "extrapolated from a sample; kernel: linear takes seconds",
        file=sys.stderr,
    )
