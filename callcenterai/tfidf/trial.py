"""One trial of a parameter search: train on train, and measure on validation; test is not read.

Dask workers import this module, so it imports neither MLflow nor anything else of the search.
"""

import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from callcenterai.core.cli import UserError
from callcenterai.core.params import TrainTfidfParameters
from callcenterai.data.parts import Part
from callcenterai.tfidf.model import predict_validation
from callcenterai.training.evaluation import evaluate_part
from callcenterai.training.thresholds import choose_routing_threshold


@dataclass(frozen=True)
class Trial:
    """A trial that has ended, with its figures, or with the error if it could not be trained.

    number: 0 is params.yaml as it is; correct: whether the answer to each ticket of validation was right, bool of shape
    (n,).
    """

    number: int
    parameters: TrainTfidfParameters
    started: float
    seconds: float
    figures: dict[str, Any] | None = None
    correct: np.ndarray | None = None
    converged: bool = True
    error: str | None = None


def run_trial(number: int, train: Part, validation: Part, params: TrainTfidfParameters) -> Trial:
    """Train on train with these parameters and measure on validation.

    Validation calibrates itself here, in folds; the stage train_tfidf calibrates on train too, which costs five fits.
    """
    started, clock = time.time(), time.perf_counter()
    try:
        predictions, converged = predict_validation(train, validation, params)
    except UserError as error:
        # The parameters do not suit these tickets; those of other trials may.
        return Trial(number, params, started, time.perf_counter() - clock, error=str(error))
    threshold = choose_routing_threshold(predictions, params)
    figures = evaluate_part(predictions, validation.groups, train.groups, threshold, params)
    seconds = time.perf_counter() - clock
    return Trial(number, params, started, seconds, figures, predictions.correct, converged)
