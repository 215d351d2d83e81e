"""TF-IDF and a support vector machine with calibrated probabilities, as one scikit-learn Pipeline over raw texts.

fit_pipeline trains; fit_on_train is the part of it by which parameters are chosen. Neither imports MLflow, which the
workers of a parameter search therefore do not need.
"""

import sys
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import numpy as np
from scipy import sparse
from sklearn.calibration import CalibratedClassifierCV
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import f1_score, log_loss
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.svm import SVC, LinearSVC

from callcenterai.core.cli import UserError
from callcenterai.core.params import TrainTfidfParameters
from callcenterai.data.parts import Part
from callcenterai.tfidf.choice import FeatureChoice, one_blas_thread, settle
from callcenterai.tfidf.features import NgramCounts, class_spread, join_vectorizers, make_vectorizers
from callcenterai.training.evaluation import Predictions

CALIBRATION_FOLDS = 5
# Beyond these digits a calibration depends on the processor: BLAS adds in another order on each kind.
CALIBRATION_DIGITS = 9
SVM: TypeAlias = LinearSVC | SVC


@dataclass(frozen=True)
class TrainFit:
    """The model fitted on train alone, in its parts, and its predictions of validation.

    held_out is validation as features, shape (n, n_features). params is without any auto; choice is None where nothing
    was left open.
    """

    params: TrainTfidfParameters
    choice: FeatureChoice | None
    features: "Features"
    svm: SVM
    held_out: sparse.csr_matrix
    validation: Predictions
    converged: bool


@dataclass(frozen=True)
class FittedPipeline:
    """The final pipeline, what was chosen, the predictions of validation, whether the solver finished, the CPU time."""

    pipeline: Pipeline
    params: TrainTfidfParameters
    choice: FeatureChoice | None
    validation: Predictions
    converged: bool
    cpu_seconds: float


@one_blas_thread
def fit_pipeline(
    train_part: Part, validation_part: Part, params: TrainTfidfParameters, choice: FeatureChoice | None = None
) -> FittedPipeline:
    """Fit on train, calibrate on validation and, with params.refit, fit the final model on both.

    The calibration learned on validation is kept for the final model: it needs tickets the model was not fitted on.
    choice is what was chosen for parameters that are auto; without it, it is made here.
    """
    started = time.process_time()
    fitted = fit_on_train(train_part, validation_part, params, choice)
    params, choice = fitted.params, fitted.choice
    calibrated = calibrate(fitted.svm, fitted.held_out, validation_part.labels, params.calibration)
    features, svm, validation, converged = fitted.features, fitted.svm, fitted.validation, fitted.converged
    del fitted  # frees validation's share of the matrix
    if params.refit:
        labels = np.concatenate([train_part.labels, validation_part.labels])
        svm, refit_converged = fit_svm(features.fit(np.arange(len(labels))), labels, params)
        converged = converged and refit_converged
    # Without refit too: the calibrated estimator is the frozen SVM, a type that scorer_bytes does not know.
    calibrated.calibrated_classifiers_[0].estimator = calibrated.estimator = svm
    pipeline = Pipeline([("tfidf", features.fitted_vectorizer()), ("svm", calibrated)])
    return FittedPipeline(pipeline, params, choice, validation, converged, time.process_time() - started)


@one_blas_thread
def fit_on_train(
    train_part: Part, validation_part: Part, params: TrainTfidfParameters, choice: FeatureChoice | None = None
) -> TrainFit:
    """Fit on train alone and predict validation: all that choosing parameters needs."""
    params, choice = settle(params, train_part, choice)
    texts = np.concatenate([train_part.texts, validation_part.texts])
    labels = np.concatenate([train_part.labels, validation_part.labels])
    ours, others = np.split(np.arange(len(texts)), [len(train_part)])
    features = Features(texts, labels, params)
    matrix = features.fit(ours)
    matrix, held_out = matrix[ours], matrix[others]
    svm, converged = fit_svm(matrix, labels[ours], params)
    del matrix
    method, probabilities = choose_calibration(svm, held_out, labels[others], params)
    params = params.model_copy(update={"calibration": method})
    known = np.diff(held_out.indptr) > 0
    validation = Predictions(list(svm.classes_), labels[others], probabilities, known)
    return TrainFit(params, choice, features, svm, held_out, validation, converged)


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


@one_blas_thread
def calibrate(svm: SVM, matrix: sparse.csr_matrix, labels: np.ndarray, method: str) -> CalibratedClassifierCV:
    """Turn margins into probabilities, learned from tickets that the SVM was not fitted on.

    "sigmoid" fits one curve per class (Platt 1999), "temperature" one number for all of them (Guo et al. 2017). With 77
    classes of about 20 validation tickets each, in 2 x 5 folds of Banking77's training file, temperature has an ECE of
    2.3% and a log loss of 0.386 where sigmoids have 11.5% and 0.458; with the 8 classes of 10,000 IT tickets, sigmoids
    have the better log loss, 0.428 against 0.441 (November 2026).
    """
    everything = np.arange(len(labels))
    folds = [(everything, everything)]
    calibrated = CalibratedClassifierCV(FrozenEstimator(svm), ensemble=False, cv=folds, method=method)
    calibrated.fit(matrix, labels)
    for calibrator in calibrated.calibrated_classifiers_[0].calibrators:
        for name in ("a_", "b_") if method == "sigmoid" else ("beta_",):
            setattr(calibrator, name, round(float(getattr(calibrator, name)), CALIBRATION_DIGITS))
    return calibrated


def choose_calibration(
    svm: SVM, matrix: sparse.csr_matrix, labels: np.ndarray, params: TrainTfidfParameters
) -> tuple[str, np.ndarray]:
    """Return the method of calibration and the probabilities that it gives, each calibrated on the other folds.

    auto is sigmoid if its log loss is lower and the most probable class is right at least as often, else temperature:
    that never changes which class has the highest margin, while a sigmoid per class can, at the cost of rare classes.
    """
    methods = ("temperature", "sigmoid") if params.calibration == "auto" else (params.calibration,)
    found = {method: cross_calibrate(svm, matrix, labels, params, method) for method in methods}
    if len(found) == 1:
        return methods[0], found[methods[0]]
    temperature, sigmoid = (_judge(found[method], svm.classes_, labels) for method in methods)
    gains = sigmoid.log_loss < temperature.log_loss and sigmoid.score >= temperature.score
    method = "sigmoid" if gains else "temperature"
    return method, found[method]


class _Calibrated(NamedTuple):
    """The figures of a method of calibration; score is the mean of accuracy and macro F1."""

    log_loss: float
    score: float


def _judge(probabilities: np.ndarray, classes: np.ndarray, labels: np.ndarray) -> _Calibrated:
    predicted = classes[probabilities.argmax(axis=1)]
    macro_f1 = f1_score(labels, predicted, labels=np.unique(labels), average="macro", zero_division=0.0)
    score = ((predicted == labels).mean() + macro_f1) / 2
    # Rounded, so that the last bits of a processor's arithmetic choose nothing.
    return _Calibrated(round(log_loss(labels, probabilities, labels=classes), 6), round(float(score), 6))


def cross_calibrate(
    svm: SVM, matrix: sparse.csr_matrix, labels: np.ndarray, params: TrainTfidfParameters, method: str
) -> np.ndarray:
    """Return calibrated probabilities, shape (n, n_classes), each calibrated on the other folds.

    Validation figures and the threshold rest on these: no ticket helps to calibrate its own probability. The exception
    is a ticket that is the only one of its class, without which that class could not be calibrated.
    """
    probabilities = np.empty((len(labels), len(svm.classes_)))
    _, class_of, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    if sizes.max() < 2:
        raise UserError("validation has no two tickets of a class, too few to calibrate with: give more tickets")
    only_one = np.flatnonzero(sizes[class_of] == 1)
    folds = StratifiedKFold(min(CALIBRATION_FOLDS, sizes.max()), shuffle=True, random_state=params.random_state)
    with warnings.catch_warnings():
        # A class with fewer validation tickets than folds is missing from some folds, which does no harm here.
        warnings.filterwarnings("ignore", message="The least populated class")
        splits = list(folds.split(matrix, labels))
    for others, fold in splits:
        others = np.union1d(others, only_one)
        calibrated = calibrate(svm, matrix[others], labels[others], method)
        probabilities[fold] = calibrated.predict_proba(matrix[fold])
    return probabilities
