"""Parameter search for train_tfidf: plan the trials, run them on Dask workers, log them to MLflow, report the best.

Section `search_tfidf` of params.yaml says what is tried; callcenterai/tfidf/trial.py is what a worker runs.
"""

import json
import shlex
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

import numpy as np
from pydantic import Field, ValidationError, model_validator
from scipy.stats import loguniform, uniform
from sklearn.model_selection import ParameterGrid, ParameterSampler
from tqdm import tqdm

from callcenterai.core.cli import UserError, print_table
from callcenterai.core.cluster import (
    dask_client,
    send_once,
    translate_killed_worker,
    wait_for_first,
    wait_for_result,
)
from callcenterai.core.files import dvc_md5
from callcenterai.core.git import git_state
from callcenterai.core.params import (
    Parameters,
    PrepareParameters,
    Seed,
    TrainTfidfParameters,
    place_of,
    read_parameters,
)
from callcenterai.core.params_edit import as_yaml
from callcenterai.data.parts import Part, read_part
from callcenterai.tfidf.choice import settle
from callcenterai.tfidf.trial import Trial, run_trial
from callcenterai.tracking import runs, store

# Drawn numbers are rounded to this many significant digits, so that they can be typed.
DIGITS = 4
# An experiment of its own: trials have no model, and the registry looks for the best training in the main experiment.
EXPERIMENT_SUFFIX = "-search"
COLUMNS = ("trial", "accuracy", "gain (95% interval)", "macro F1", "log loss", "s", "parameters")
# 95% of a normal distribution lie within this many standard deviations.
Z95 = 1.96


class Range(Parameters):
    """Numbers from low to high, drawn uniformly or, with scale log, so that their logarithm is uniform."""

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
    """Section `search_tfidf`; params.yaml explains each parameter."""

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
                    f"parameters.{name} is a range, but a grid needs a list of values: list them, or use random"
                )
        return self

    @property
    def sign(self) -> int:
        """1 if a higher value of the metric is better, else -1."""
        return -1 if self.metric == "log_loss" else 1


def run_search(params_path: Path, data: Path, workers: int | None) -> None:
    """Run all trials, log each one, and print them with the best first."""
    base = read_parameters(params_path, "train_tfidf", TrainTfidfParameters)
    space = read_parameters(params_path, "search_tfidf", SearchTfidfParameters)
    planned = plan_trials(space, base, params_path)
    clean = read_parameters(params_path, "prepare", PrepareParameters).clean
    parts = {name: read_part(data, name, clean) for name in ("train", "validation")}
    # What is auto is chosen once; the trials differ in what search_tfidf.parameters names.
    _, choice = settle(base, parts["train"])
    planned = [settle(params, parts["train"], choice)[0] for params in planned]
    base = planned[0]
    trials = []
    with dask_client(workers) as client, SearchRuns("tfidf", space, parts) as logged:
        for trial in run_trials(client, planned, parts):
            logged.log(trial)
            trials.append(trial)
        ranked = rank_trials(trials, space)
        logged.log_best(ranked[0])
    print_report(ranked, trials, base, params_path)
    print(f"MLflow run {logged.id}")


def plan_trials(space: SearchTfidfParameters, base: TrainTfidfParameters, path: Path) -> list[TrainTfidfParameters]:
    """Return the parameters of all trials without repetition: base first, then base with each combination of changes.

    Raises a UserError, which names path, when one of the changes is not a parameter or not a valid value.
    """
    planned = [base]
    for changes in _combinations(space):
        try:
            params = TrainTfidfParameters.model_validate(base.model_dump() | changes)
        except ValidationError as error:
            first = error.errors()[0]
            name = place_of("search_tfidf.parameters", TrainTfidfParameters, first)
            tried = ", ".join(f"{key}={value}" for key, value in changes.items())
            raise UserError(f"{path}: {name}: {first['msg']}, in the trial of {tried}") from None
        if params not in planned:
            planned.append(params)
    return planned


def _combinations(space: SearchTfidfParameters) -> list[dict[str, Any]]:
    """Return the changes of each trial: the whole grid, or random draws."""
    if space.method == "grid":
        return list(ParameterGrid(space.parameters))
    choices = {name: _distribution(values) for name, values in space.parameters.items()}
    with warnings.catch_warnings():
        # If the space has fewer points than trials are wanted, all of it is tried, which needs no warning.
        warnings.filterwarnings("ignore", message="The total space of parameters")
        drawn = list(ParameterSampler(choices, space.trials, random_state=space.random_state))
    return [{name: _round(value) for name, value in changes.items()} for changes in drawn]


def _distribution(values: list[Any] | Range) -> Any:
    if not isinstance(values, Range):
        return values
    if values.scale == "log":
        return loguniform(values.low, values.high)
    return uniform(values.low, values.high - values.low)


def _round(value: Any) -> Any:
    # float(): scipy draws NumPy's numbers.
    return float(f"{value:.{DIGITS}g}") if isinstance(value, float) else value


def run_trials(client: Any, planned: list[TrainTfidfParameters], parts: dict[str, Part]) -> Iterator[Trial]:
    """Yield the trials as they end, in any order; one whose worker dies is run again.

    Raises a UserError when several workers have died of the same trial.
    """
    train, validation = (send_once(client, parts[name]) for name in ("train", "validation"))
    # pure=False: a future of its own for each trial.
    pending = {
        client.submit(run_trial, number, train, validation, params, pure=False) for number, params in enumerate(planned)
    }
    with (
        tqdm(total=len(planned), desc="trials", file=sys.stderr) as bar,
        translate_killed_worker("a trial", "give them more memory"),
    ):
        while pending:
            for future in wait_for_first(client, pending):
                pending.remove(future)
                bar.update()
                yield wait_for_result(client, future)


class SearchRuns:
    """Logs a search to MLflow: a run for the search, and a nested run for each trial.

    If the tracking store fails during the search, the log is incomplete, but the search goes on.
    """

    def __init__(self, kind: str, space: SearchTfidfParameters, parts: dict[str, Part]) -> None:
        """Start the run of the search; raise a UserError when the tracking store cannot be used."""
        self._experiment = store.open_experiment(store.experiment_name(kind) + EXPERIMENT_SUFFIX)
        self._client = store.make_client()
        data = {f"dvc.{name}": dvc_md5(part.path) for name, part in parts.items()}
        tags = {name: str(value) for name, value in (git_state(store.ROOT) | data).items() if value is not None}
        self._tags, self._warned = tags, False
        with store.translate_tracking_errors():
            self.id = self._create_run(f"{space.method}-{time.strftime('%Y%m%d-%H%M%S')}", time.time(), {})
            for name, value in space.model_dump().items():
                self._client.log_param(self.id, name, json.dumps(value) if name == "parameters" else value)

    def __enter__(self) -> "SearchRuns":
        """Return the object itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        """End the run of the search as finished, as failed, or as killed when it was interrupted."""
        status = "FINISHED" if kind is None else "KILLED" if kind is KeyboardInterrupt else "FAILED"
        self._try(lambda: self._client.set_terminated(self.id, status))

    def log(self, trial: Trial) -> None:
        """Log a trial as a nested run."""
        self._try(lambda: self._log(trial))

    def log_best(self, trial: Trial) -> None:
        """Log the number and the figures of the best trial in the search's own run."""

        def log() -> None:
            self._client.set_tag(self.id, "best_trial", trial.number)
            runs.log_metrics(self.id, {"validation": trial.figures})

        self._try(log)

    def _log(self, trial: Trial) -> None:
        tags = {"mlflow.parentRunId": self.id}
        if trial.error:
            tags["error"] = store.shorten(trial.error)
        run = self._create_run(f"trial-{trial.number}", trial.started, tags)
        for name, value in trial.parameters.model_dump().items():
            self._client.log_param(run, name, value)
        if trial.figures:
            runs.log_metrics(run, {"validation": trial.figures, "converged": trial.converged})
        ended = int(1000 * (trial.started + trial.seconds))
        self._client.set_terminated(run, "FAILED" if trial.error else "FINISHED", end_time=ended)

    def _create_run(self, name: str, started: float, tags: dict[str, str]) -> str:
        start = int(1000 * started)
        return self._client.create_run(self._experiment, start, self._tags | tags, name).info.run_id

    def _try(self, log: Callable[[], None]) -> None:
        """Call log; if the tracking store fails, print a warning, once for the whole search."""
        try:
            with store.translate_tracking_errors():
                log()
        except UserError as error:
            if not self._warned:
                print(f"warning: not everything is logged: {error}", file=sys.stderr)
            self._warned = True


def rank_trials(trials: Sequence[Trial], space: SearchTfidfParameters) -> list[Trial]:
    """Return the trials that could be trained, the best first; of equal ones, the one with the lower number first.

    Raises a UserError when no trial could be trained.
    """
    trained = [(space.sign * trial.figures[space.metric], trial) for trial in trials if trial.figures]
    if not trained:
        raise UserError(f"no trial could be trained; the error of one is: {trials[0].error}")
    return [trial for _, trial in sorted(trained, key=lambda each: (-each[0], each[1].number))]


def print_report(ranked: Sequence[Trial], trials: Sequence[Trial], base: TrainTfidfParameters, path: Path) -> None:
    """Print the table, the errors of failed trials, and the command that puts the best parameters into path."""
    first = next((trial for trial in ranked if trial.number == 0), None)
    print_table(COLUMNS, [_row(trial, first, base) for trial in ranked])
    for trial in trials:
        if trial.error:
            print(f"trial {trial.number} ({_describe(trial, base)}) failed: {trial.error}")
    changed = differences(ranked[0].parameters, base)
    if not changed:
        print(f"best: trial 0, {path} as it is")
        return
    assigned = " ".join(shlex.quote(f"train_tfidf.{name}={as_yaml(value)}") for name, value in changed.items())
    print(
        f"best: trial {ranked[0].number}; python scripts/set_parameters.py --params {shlex.quote(str(path))} {assigned}"
    )


def differences(params: TrainTfidfParameters, base: TrainTfidfParameters) -> dict[str, Any]:
    """Return the parameters whose values differ from those in base."""
    before = base.model_dump()
    return {name: value for name, value in params.model_dump().items() if value != before[name]}


def accuracy_gain(correct: np.ndarray, baseline: np.ndarray) -> tuple[float, float]:
    """Return the gain in accuracy over the baseline, and half the width of its 95% interval; both have shape (n,).

    Both are answers to the same tickets, so the interval is that of the mean of the paired differences.
    """
    difference = correct.astype(float) - baseline
    return float(difference.mean()), float(Z95 * difference.std() / np.sqrt(len(difference)))


def _row(trial: Trial, first: Trial | None, base: TrainTfidfParameters) -> tuple[str, ...]:
    """Return a trial's row of the table; first is trial 0, against which gains are measured."""
    figures, gain = trial.figures or {}, ""
    if first and trial is not first and trial.correct is not None and first.correct is not None:
        gain = "{:+.4f} +-{:.4f}".format(*accuracy_gain(trial.correct, first.correct))
    values = [f"{figures[name]:.4f}" for name in ("macro_f1", "log_loss")]
    parameters = _describe(trial, base) + ("" if trial.converged else " (not converged)")
    return str(trial.number), f"{figures['accuracy']:.4f}", gain, *values, f"{trial.seconds:.1f}", parameters


def _describe(trial: Trial, base: TrainTfidfParameters) -> str:
    changed = differences(trial.parameters, base)
    return ", ".join(f"{name}={as_yaml(value)}" for name, value in changed.items()) or "as they are"
