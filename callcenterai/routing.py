"""How two models answer together: what both say of a ticket, and for which tickets the second is asked at all.

services/agent/routing/policy.py applies what is learned here. The first model is cheap and is always asked; the second is asked
when the first is less sure than `ask_below`.
"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax

# The probability that is taken for none: a linear model may give exactly zero.
LEAST = 1e-6
FOLDS = 5
# How strongly the biases are drawn to zero; infinity is none at all.
PENALTIES = (1e-4, 1e-3, 1e-2, np.inf)


@dataclass(frozen=True)
class Combination:
    """A logarithmic opinion pool: the weight of each model and a bias for each label, shape (n_labels,)."""

    weights: tuple[float, float]
    biases: np.ndarray

    def probabilities(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """Return what both say together; all arrays have shape (n, n_labels)."""
        return softmax(_pool(np.array([*self.weights, *self.biases]), _logarithms(first, second)), axis=1)


def fit_combination(first: np.ndarray, second: np.ndarray, true: np.ndarray, seed: int) -> Combination:
    """Return the pool with the lowest log loss (Heskes 1998); true holds label numbers, shape (n,).

    How strongly its biases are drawn to zero is chosen by cross-validation on these same tickets.
    """
    logarithms = _logarithms(first, second)
    fold = np.random.default_rng(seed).permutation(len(true)) % FOLDS
    losses = [_validated_loss(logarithms, true, fold, penalty) for penalty in PENALTIES]
    found = _fit(logarithms, true, PENALTIES[int(np.argmin(losses))])
    return Combination((float(found[0]), float(found[1])), found[2:])


def choose_ask_below(first: np.ndarray, together: np.ndarray, true: np.ndarray, largest_share: float) -> float:
    """Return the confidence of the first model below which the second is asked.

    It is the one with the highest accuracy among those that ask for 0%, 1%, ... largest_share of the tickets, and of
    several such the one that asks for the fewest.
    """
    confidence = first.max(axis=1)
    alone, pooled = first.argmax(axis=1) == true, together.argmax(axis=1) == true
    shares = np.arange(0, int(100 * largest_share + 1e-9) + 1) / 100
    thresholds = [0.0 if share == 0 else float(np.quantile(confidence, share, method="lower")) for share in shares]
    accuracies = [np.where(confidence < threshold, pooled, alone).mean() for threshold in thresholds]
    # Rounded down: no ticket is asked for that was not counted.
    return float(np.floor(thresholds[int(np.argmax(accuracies))] * 1e6) / 1e6)


def cascade(first: np.ndarray, together: np.ndarray, ask_below: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the probabilities that are answered with, shape (n, n_labels), and who needed both models, shape (n,)."""
    asked = first.max(axis=1) < ask_below
    return np.where(asked[:, None], together, first), asked


def _logarithms(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return np.log(np.maximum(np.stack([first, second]), LEAST))


def _pool(parameters: np.ndarray, logarithms: np.ndarray) -> np.ndarray:
    return np.tensordot(parameters[:2], logarithms, axes=1) + parameters[2:]


def _fit(logarithms: np.ndarray, true: np.ndarray, penalty: float) -> np.ndarray:
    """Return weights and biases in one array."""
    tickets, free = np.arange(len(true)), np.isfinite(penalty)
    labels = logarithms.shape[2]

    def loss(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        scores = log_softmax(_pool(parameters, logarithms), axis=1)
        # The gradient of the log loss by the scores: what was predicted less what is true.
        residuals = np.exp(scores)
        residuals[tickets, true] -= 1
        biases = parameters[2:]
        ridge = penalty * (biases @ biases) if free else 0.0
        slopes = np.tensordot(logarithms, residuals, axes=2) / len(true)
        tilt = residuals.mean(axis=0) + 2 * penalty * biases if free else np.zeros(labels)
        return -scores[tickets, true].mean() + ridge, np.concatenate([slopes, tilt])

    # A weight below zero would trust a model for being wrong.
    bounds = [(0, None)] * 2 + [(None, None)] * labels
    return minimize(loss, np.r_[0.5, 0.5, np.zeros(labels)], jac=True, bounds=bounds, method="L-BFGS-B").x


def _validated_loss(logarithms: np.ndarray, true: np.ndarray, fold: np.ndarray, penalty: float) -> float:
    losses = np.empty(len(true))
    for number in range(FOLDS):
        inside, outside = np.flatnonzero(fold == number), fold != number
        found = _fit(logarithms[:, outside], true[outside], penalty)
        scores = log_softmax(_pool(found, logarithms[:, inside]), axis=1)
        losses[inside] = -scores[np.arange(len(inside)), true[inside]]
    return float(losses.mean())
