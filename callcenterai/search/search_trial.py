"""One trial of a parameter search, as a worker carries it out: train on train, judge validation; test is not there."""

import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from callcenterai.core.cli import UserError
from callcenterai.core.params import TrainTfidfParameters
from callcenterai.data.parts import Part
from callcenterai.tfidf.model import fit_on_train
from callcenterai.training.evaluation import choose_threshold, evaluate_part


@dataclass(frozen=True)
class Trial:
    """One trial: its number (0 is params.yaml as it is), and what became of it: figures, or why there are none.

    correct says of each ticket of validation whether the answer was right: bool of shape (n,).
    """

    number: int
    parameters: TrainTfidfParameters
    started: float
    seconds: float
    figures: dict[str, Any] | None = None
    correct: np.ndarray | None = None
    converged: bool = True
    trouble: str | None = None


def carry_out(number: int, train: Part, validation: Part, params: TrainTfidfParameters) -> Trial:
    """Train with these parameters and judge validation, as a training does before it sees test."""
    started, clock = time.time(), time.perf_counter()
    try:
        fitted = fit_on_train(train, validation, params)
    except UserError as error:
        # These parameters do not fit these tickets; others may.
        return Trial(number, params, started, time.perf_counter() - clock, trouble=str(error))
    threshold = choose_threshold(fitted.validation, params.target_accuracy, params.threshold_confidence)
    figures = evaluate_part(fitted.validation, validation.groups, train.groups, threshold, params)
    seconds = time.perf_counter() - clock
    return Trial(number, params, started, seconds, figures, fitted.validation.correct, fitted.converged)
