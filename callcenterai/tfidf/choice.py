"""Choose what train_tfidf leaves open (features, accents, class_spread, min_df, C) by cross-validation on train alone.

The candidates are compared on at most TICKETS tickets, in three folds that never separate near-duplicates. A
candidate's score is the mean of its accuracy and its macro F1, so that neither frequent nor rare classes are given up
for the other. To save time, all candidates are tried on one fold with C=1; those that are not clearly behind on all
folds; and the best of these with other values of C. Clearly behind is more than SLACK standard errors of an accuracy of
one half. The winner alone is tried without accents and, where texts are short, with n-grams that occur in a single
ticket and with both kinds of characters. Nothing depends on the time that anything takes.
"""

import unicodedata
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import f1_score
from sklearn.svm import LinearSVC
from threadpoolctl import threadpool_limits

from callcenterai.core.cli import UserError
from callcenterai.core.params import TrainTfidfParameters
from callcenterai.data.parts import Part
from callcenterai.data.split import assign_folds
from callcenterai.tfidf.features import VECTORIZERS, NgramCounts, class_spread, make_vectorizers

# Cross-validation sees at most so many tickets, and at most so many characters.
TICKETS, CHARACTERS = 12_000, 2_000_000
FOLDS = 3
SPREADS = (0.0, 1.0)
C_VALUES = (0.1, 0.3, 1.0, 3.0, 10.0)
FIRST_C = 1.0
# How many candidates go into the second and the third round at most.
SECOND_ROUND, THIRD_ROUND = 4, 2
SLACK = 3.0
# Enough to tell candidates apart; the final fit is converged more closely.
TOLERANCE, MAX_ITER = 0.01, 1000
# What makes a model larger is tried where the tickets compared on have no more characters in all, and has to gain so
# much in score. In long texts, n-grams of a single ticket are many and gain nothing.
SHORT, LARGER_GAIN = 1_000_000, 0.002
MIN_DF = 2
# The kinds of features of the first round. all_characters contains two of them, so it has the cost of both.
KINDS = ("words", "characters", "characters_in_words", "both")
# Accents are stripped, if at all, where at least this share of the tickets has Latin letters with accents.
ACCENTED_SHARE = 0.02

# Results must not depend on the number of cores, and many small products are faster in one thread than in several that
# wait for each other.
one_blas_thread = threadpool_limits.wrap(limits=1, user_api="blas")
# The parameters of train_tfidf that the choice depends on; `dvc.yaml` names them for the stage choose_features.
READ = (
    *("features", "accents", "max_features", "ngram_range", "min_df", "sublinear_tf", "class_spread"),
    *("class_weight", "random_state"),
)


class Candidate(NamedTuple):
    """What is chosen together; the fields are parameters of train_tfidf."""

    features: str
    accents: str
    class_spread: float
    min_df: int
    C: float


class NothingToCountError(UserError):
    """No word and no character occurs in enough tickets."""


@dataclass
class FeatureChoice:
    """The chosen parameters, and the figures of all that were tried, the best first."""

    chosen: dict[str, Any]
    tickets: int = 0
    tried: list[dict[str, Any]] = field(default_factory=list)


def settle(
    params: TrainTfidfParameters, train: Part, choice: FeatureChoice | None = None
) -> tuple[TrainTfidfParameters, FeatureChoice | None]:
    """Return the parameters without any auto, and the choice; it is made here unless it is given or not needed."""
    if not params.open:
        return params, None
    choice = choice or choose_features(params, train)
    changes = {name: choice.chosen[name] for name in params.open}
    return params.model_copy(update=changes), choice


@one_blas_thread
def choose_features(params: TrainTfidfParameters, train: Part) -> FeatureChoice:
    """Choose by cross-validation on train what the parameters in READ leave open, and the C that goes with it."""
    comparison = Comparison(params, train)
    try:
        best = compare(comparison, params, MIN_DF if params.min_df == "auto" else params.min_df)
    except NothingToCountError:
        if params.min_df != "auto":
            raise
        best = compare(comparison, params, 1)
    if params.accents == "auto" and has_latin_accents(comparison.texts):
        comparison.run([best._replace(accents="strip")], range(FOLDS))
        best = comparison.ranked()[0]
    if sum(map(len, comparison.texts)) <= SHORT:
        best = try_larger(comparison, best, params)
    return FeatureChoice(best._asdict(), len(comparison.texts), comparison.report())


def try_larger(comparison: "Comparison", best: Candidate, params: TrainTfidfParameters) -> Candidate:
    """Return the best candidate, with more n-grams as far as they are left open and gain enough."""
    larger: list[dict[str, Any]] = []
    if params.min_df == "auto":
        larger.append({"min_df": 1})
    if params.features == "auto" and best.features in VECTORIZERS["all_characters"]:
        larger.append({"features": "all_characters"})
    for change in larger:
        first = best._replace(**change)
        comparison.run([first], range(FOLDS))
        try_other_c(comparison, first, 1)
        other = max((first._replace(C=C) for C in C_VALUES), key=comparison.score)
        best = other if comparison.score(other) >= comparison.score(best) + LARGER_GAIN else best
    return best


def compare(comparison: "Comparison", params: TrainTfidfParameters, min_df: int) -> Candidate:
    """Run the three rounds and return the best candidate."""
    accents = "keep" if params.accents == "auto" else params.accents
    kinds = KINDS if params.features == "auto" else (params.features,)
    spreads = SPREADS if params.class_spread == "auto" else (params.class_spread,)
    candidates = [Candidate(kind, accents, spread, min_df, FIRST_C) for kind in kinds for spread in spreads]
    if len(candidates) > 1:
        comparison.run(candidates, [0])
        candidates = comparison.ranked(SECOND_ROUND)
    comparison.run(candidates, range(FOLDS))
    candidates = comparison.ranked(THIRD_ROUND)
    for candidate in candidates:
        if not try_other_c(comparison, candidate, -1):
            try_other_c(comparison, candidate, 1)
    return comparison.ranked()[0]


def try_other_c(comparison: "Comparison", candidate: Candidate, step: int) -> bool:
    """Try smaller (-1) or larger (1) values of C, as long as each is better than the one before; return if any is."""
    found = False
    place = C_VALUES.index(candidate.C) + step
    while 0 <= place < len(C_VALUES):
        other = candidate._replace(C=C_VALUES[place])
        comparison.run([other], range(FOLDS))
        if comparison.score(other) <= comparison.score(candidate):
            break
        found, candidate, place = True, other, place + step
    return found


class Comparison:
    """The tickets that are compared on, their folds, and each candidate's predictions so far."""

    def __init__(self, params: TrainTfidfParameters, train: Part) -> None:
        """Draw the tickets and the folds; n-grams are counted when a candidate needs them."""
        self._params = params
        rows = draw_rows(train, params.random_state)
        self.texts, self.labels = train.texts[rows], train.labels[rows]
        fold_of = assign_folds(self.labels, train.groups[rows], params.random_state, FOLDS)
        self._folds = [np.flatnonzero(fold_of == fold) for fold in range(FOLDS)]
        self._counts: dict[tuple[str, str, int], NgramCounts] = {}
        # The predictions of each fold; a candidate that cannot be fitted has none.
        self._predicted: dict[Candidate, dict[int, np.ndarray]] = {}

    def run(self, candidates: Iterable[Candidate], folds: Iterable[int]) -> None:
        """Predict these folds by each candidate, fitted on the other folds, where that is not done yet."""
        wanted = list(candidates)
        for fold in folds:
            todo = [each for each in wanted if fold not in self._predicted.setdefault(each, {})]
            fitted_on = np.concatenate([rows for other, rows in enumerate(self._folds) if other != fold])
            # One pass for each setting, and in it for each kind of feature: so few matrices are in memory.
            for setting in sorted({each[1:4] for each in todo}):
                mine = [each for each in todo if each[1:4] == setting]
                for each, matrix in self._matrices(mine, fitted_on):
                    self._predicted[each][fold] = self._predict(each, matrix, fitted_on, self._folds[fold])

    def score(self, candidate: Candidate) -> float:
        """Return the mean of accuracy and macro F1 on the folds that the candidate has predicted; 0 without any."""
        figures = self._figures(candidate)
        return round((figures["accuracy"] + figures["macro_f1"]) / 2, 6)

    def ranked(self, most: int | None = None) -> list[Candidate]:
        """Return the candidates that have predicted most folds, the best first.

        With `most`, at most so many, and none that is clearly behind. Raises a NothingToCountError when none could be
        fitted.
        """
        furthest = max(map(len, self._predicted.values()))
        if not furthest:
            least = min(each.min_df for each in self._predicted)
            raise NothingToCountError(
                f"no word or character occurs in at least {least} texts: lower train_tfidf.min_df, or give longer or "
                "more tickets"
            )
        done = [each for each, folds in self._predicted.items() if len(folds) == furthest]
        order = sorted(done, key=lambda each: -self.score(each))
        if most is None:
            return order
        tickets = sum(len(self._folds[fold]) for fold in self._predicted[order[0]])
        slack = SLACK * 0.5 / np.sqrt(tickets)
        return [each for each in order if self.score(each) >= self.score(order[0]) - slack][:most]

    def report(self) -> list[dict[str, Any]]:
        """Return the figures of all candidates: those on all folds first, and the best first among them."""
        rows = [each._asdict() | self._figures(each) for each in self._predicted]
        return sorted(rows, key=lambda row: (-row["folds"], -(row["accuracy"] + row["macro_f1"])))

    def _figures(self, candidate: Candidate) -> dict[str, Any]:
        folds = self._predicted.get(candidate)
        if not folds:
            return {"accuracy": 0.0, "macro_f1": 0.0, "folds": 0}
        true = np.concatenate([self.labels[self._folds[fold]] for fold in folds])
        answers = np.concatenate(list(folds.values()))
        macro_f1 = f1_score(true, answers, labels=np.unique(true), average="macro", zero_division=0.0)
        return {
            "accuracy": round(float((true == answers).mean()), 6),
            "macro_f1": round(float(macro_f1), 6),
            "folds": len(folds),
        }

    def _matrices(
        self, candidates: list[Candidate], fitted_on: np.ndarray
    ) -> Iterator[tuple[Candidate, sparse.csr_matrix]]:
        """Yield each candidate with the features of all tickets; they differ in features and C alone."""
        blocks: dict[str, sparse.csr_matrix | None] = {}
        for features, names in VECTORIZERS.items():
            mine = [each for each in candidates if each.features == features]
            if not mine or len(np.unique(self.labels[fitted_on])) < 2:
                continue
            # Of the matrices so far only those that are needed again stay in memory.
            blocks = {name: block for name, block in blocks.items() if name in (*names, *VECTORIZERS["both"])}
            for name in names:
                if name not in blocks:
                    blocks[name] = self._block(name, mine[0], fitted_on)
            filled = [block for name in names if (block := blocks[name]) is not None]
            if filled:
                matrix = filled[0] if len(filled) == 1 else sparse.hstack(filled, format="csr")
                yield from ((each, matrix) for each in mine)

    def _block(self, name: str, candidate: Candidate, fitted_on: np.ndarray) -> sparse.csr_matrix | None:
        """Return the matrix of one vectorizer, or None when nothing occurs often enough."""
        key = name, candidate.accents, candidate.min_df
        if key not in self._counts:
            changes = {"features": name, "accents": candidate.accents, "min_df": candidate.min_df}
            vectorizer = make_vectorizers(self._params.model_copy(update=changes))[name]
            self._counts[key] = NgramCounts(vectorizer, self.texts)
        counts = self._counts[key]
        try:
            matrix = counts.fit(fitted_on)
        except ValueError:
            return None
        if candidate.class_spread:
            spread = class_spread(matrix, fitted_on, self.labels[fitted_on], candidate.class_spread)
            matrix = counts.weight(matrix, spread)
        return matrix

    def _predict(
        self, candidate: Candidate, matrix: sparse.csr_matrix, fitted_on: np.ndarray, held_out: np.ndarray
    ) -> np.ndarray:
        params = self._params
        svm = LinearSVC(
            C=candidate.C,
            tol=TOLERANCE,
            max_iter=MAX_ITER,
            class_weight=params.class_weight,
            random_state=params.random_state,
        )
        with warnings.catch_warnings():
            # The final fit reports whether its solver has finished.
            warnings.simplefilter("ignore", ConvergenceWarning)
            svm.fit(matrix[fitted_on], self.labels[fitted_on])
        return svm.predict(matrix[held_out])


def draw_rows(train: Part, seed: int) -> np.ndarray:
    """Return the numbers of the tickets to compare on, ascending: whole groups of near-duplicates, drawn at random."""
    _, group = np.unique(train.groups, return_inverse=True)
    place = np.random.default_rng(seed).permutation(group.max() + 1)[group]
    order = np.argsort(place, kind="stable")
    lengths = np.fromiter(map(len, train.texts[order]), dtype=np.int64, count=len(order))
    fits = (np.arange(len(order)) < TICKETS) & (np.cumsum(lengths) <= max(CHARACTERS, lengths[0]))
    return np.sort(order[fits])


def has_latin_accents(texts: Iterable[str]) -> bool:
    """Return whether many texts have Latin letters with accents, and few have marks on other letters."""
    latin = others = count = 0
    for text in texts:
        count += 1
        if text.isascii():
            continue
        plain = unicodedata.normalize("NFD", text)
        bases = {before for before, mark in pairwise(plain) if unicodedata.combining(mark)}
        latin += any(base.isascii() for base in bases)
        others += any(not (base.isascii() or unicodedata.combining(base)) for base in bases)
    return latin >= ACCENTED_SHARE * count and others < ACCENTED_SHARE * count
