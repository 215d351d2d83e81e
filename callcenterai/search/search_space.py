"""What a parameter search tries: section `search_tfidf` of params.yaml, and the parameters of each trial."""

import warnings
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, model_validator

from callcenterai.core.cli import UserError
from callcenterai.core.params import Parameters, Seed, TrainTfidfParameters

# So that a drawn number can be typed.
DIGITS = 4


class Range(Parameters):
    """Numbers from low to high, drawn evenly or, with scale log, evenly in their logarithm."""

    low: float = Field(allow_inf_nan=False)
    high: float = Field(allow_inf_nan=False)
    scale: Literal["linear", "log"] = "linear"

    @model_validator(mode="after")
    def _ascends(self) -> "Range":
        if self.low >= self.high:
            raise ValueError(f"low must be below high (they are {self.low} and {self.high})")
        if self.scale == "log" and self.low <= 0:
            raise ValueError(f"with scale log, low must be above 0 (it is {self.low})")
        return self


class SearchTfidfParameters(Parameters):
    """Section `search_tfidf`; params.yaml says what each one does."""

    method: Literal["grid", "random"]
    trials: int = Field(ge=1, le=10_000)
    metric: Literal["accuracy", "macro_f1", "weighted_f1", "log_loss"]
    parameters: dict[str, list[Any] | Range] = Field(min_length=1)
    random_state: Seed

    @model_validator(mode="after")
    def _fit_together(self) -> "SearchTfidfParameters":
        for name, values in self.parameters.items():
            if not values:
                raise ValueError(f"parameters.{name} has no value to try")
            if isinstance(values, Range) and self.method == "grid":
                raise ValueError(
                    f"parameters.{name} is a range, of which a grid has no end: list values, or take random"
                )
        return self

    @property
    def sign(self) -> int:
        """1 when more of the metric is better, else -1."""
        return -1 if self.metric == "log_loss" else 1


def trials_of(space: SearchTfidfParameters, base: TrainTfidfParameters, path: Path) -> list[TrainTfidfParameters]:
    """Return the parameters of each trial: base as it is first, then what is varied; none twice.

    Raises a UserError, which names path, when one of them is not a parameter or not a value of it.
    """
    trials = [base]
    for varied in _combinations(space):
        try:
            trial = TrainTfidfParameters.model_validate(base.model_dump() | varied)
        except ValidationError as error:
            first = error.errors()[0]
            name = ".".join(["search_tfidf.parameters", *map(str, first["loc"])])
            tried = ", ".join(f"{key}={value}" for key, value in varied.items())
            raise UserError(f"{path}: {name}: {first['msg']}, in the trial of {tried}") from None
        if trial not in trials:
            trials.append(trial)
    return trials


def differences(trial: TrainTfidfParameters, base: TrainTfidfParameters) -> dict[str, Any]:
    """Return the parameters in which a trial differs from base."""
    before = base.model_dump()
    return {name: value for name, value in trial.model_dump().items() if value != before[name]}


def _combinations(space: SearchTfidfParameters) -> list[dict[str, Any]]:
    from sklearn.model_selection import ParameterGrid, ParameterSampler

    if space.method == "grid":
        return list(ParameterGrid(space.parameters))
    choices = {name: _distribution(values) for name, values in space.parameters.items()}
    with warnings.catch_warnings():
        # That a space has fewer points than trials are wanted is all right: then all of it is tried.
        warnings.filterwarnings("ignore", message="The total space of parameters")
        drawn = list(ParameterSampler(choices, space.trials, random_state=space.random_state))
    return [{name: _rounded(value) for name, value in each.items()} for each in drawn]


def _distribution(values: list[Any] | Range) -> Any:
    from scipy.stats import loguniform, uniform

    if not isinstance(values, Range):
        return values
    return (
        loguniform(values.low, values.high) if values.scale == "log" else uniform(values.low, values.high - values.low)
    )


def _rounded(value: Any) -> Any:
    # scipy draws numbers of numpy's.
    return float(f"{value:.{DIGITS}g}") if isinstance(value, float) else value
