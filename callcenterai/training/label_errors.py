"""Likely label errors by confident learning: Northcutt, Jiang and Chuang 2021, "Confident Learning: Estimating
Uncertainty in Dataset Labels", Journal of Artificial Intelligence Research 70.

It needs probabilities of models that did not learn from the ticket itself, such as those of a cross-validation.
"""

from typing import NamedTuple

import numpy as np

from callcenterai.formats.delimited import csv_bytes
from callcenterai.training.evaluation import Predictions


class SuspiciousLabel(NamedTuple):
    """A row of suspicious.csv; docs/labels.md describes its columns."""

    source: str
    row: int
    label: str
    suggested_label: str
    label_probability: float
    suggested_probability: float
    text: str


class LabelErrors(NamedTuple):
    """Tickets whose label is probably wrong, the likeliest error first: arrays of shape (n_errors,).

    tickets are places in the predictions; suggested are indices into their labels.
    """

    tickets: np.ndarray
    suggested: np.ndarray


def find_label_errors(predictions: Predictions) -> LabelErrors:
    """Return the off-diagonal tickets of the confident joint (section 3.1 of the paper), ranked by normalized margin.

    A ticket counts for a class if its probability reaches the mean probability that the class has among the tickets
    labelled with it (equation 2; a class without tickets counts nothing); of several such classes, the most probable
    one. If that is not the ticket's label, the label is suspicious. The normalized margin (section 3.2) is the
    probability of the label minus the highest probability of another class. Tickets of which the model knows nothing
    are left out.
    """
    probabilities, count = predictions.probabilities, len(predictions.true)
    given = predictions.true_numbers
    self_confidence = probabilities[np.arange(count), given]
    sizes = np.bincount(given, minlength=len(predictions.labels))
    sums = np.bincount(given, weights=self_confidence, minlength=len(predictions.labels))
    thresholds = np.where(sizes > 0, sums / np.maximum(sizes, 1), np.inf)
    confident = np.where(probabilities >= thresholds, probabilities, -1.0)
    suggested = confident.argmax(axis=1)
    suspicious = (confident.max(axis=1) >= 0) & (suggested != given)
    if predictions.known is not None:
        suspicious &= predictions.known
    others = probabilities.copy()
    others[np.arange(count), given] = -1.0
    # Rounded, so that the last bits of a processor's arithmetic change no order.
    margin = (self_confidence - others.max(axis=1)).round(6)
    tickets = np.flatnonzero(suspicious)
    tickets = tickets[np.argsort(margin[tickets], kind="stable")]
    return LabelErrors(tickets, suggested[tickets])


def list_suspicious_labels(
    predictions: Predictions, errors: LabelErrors, columns: dict[str, np.ndarray]
) -> list[SuspiciousLabel]:
    """Return the rows of suspicious.csv; columns are source, row and text of the predicted tickets, of shape (n,)."""
    source, row, text = (columns[name] for name in ("source", "row", "text"))
    labels, probabilities = predictions.labels, predictions.probabilities
    given = predictions.true_numbers
    return [
        SuspiciousLabel(
            source[at],
            int(row[at]),
            labels[given[at]],
            labels[suggested],
            round(float(probabilities[at, given[at]]), 4),
            round(float(probabilities[at, suggested]), 4),
            text[at],
        )
        for at, suggested in zip(errors.tickets, errors.suggested, strict=True)
    ]


def suspicious_csv(suspicious: list[SuspiciousLabel]) -> bytes:
    """Return suspicious.csv."""
    return csv_bytes(SuspiciousLabel._fields, suspicious)
