"""What a parameter search says at its end: the trials, the best first, and how to take the best over."""

import shlex
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from callcenterai.core.cli import UserError
from callcenterai.core.params import TrainTfidfParameters
from callcenterai.core.tables import print_table
from callcenterai.params_edit import as_yaml
from callcenterai.search.search_space import SearchTfidfParameters, differences
from callcenterai.search.search_trial import Trial

COLUMNS = ("trial", "accuracy", "gain (95% interval)", "macro F1", "log loss", "s", "parameters")
# Standard deviations to either side that hold 95% of a normal distribution.
Z95 = 1.96


def best_first(trials: Sequence[Trial], space: SearchTfidfParameters) -> list[Trial]:
    """Return the trials that could be trained; of equal ones the earlier first, params.yaml as it is before all.

    Raises a UserError when there is none.
    """
    trained = [trial for trial in trials if trial.figures]
    if not trained:
        raise UserError(f"no trial could be trained; one says: {trials[0].trouble}")
    return sorted(trained, key=lambda trial: (-space.sign * trial.figures[space.metric], trial.number))


def print_report(ranked: Sequence[Trial], done: Sequence[Trial], base: TrainTfidfParameters, path: Path) -> None:
    """Print the table, why other trials failed, and the command that changes path to the best."""
    first = next((trial for trial in ranked if trial.number == 0), None)
    print_table(COLUMNS, [_row(trial, first, base) for trial in ranked])
    for trial in done:
        if trial.trouble:
            print(f"trial {trial.number} ({_shown(trial, base)}) failed: {trial.trouble}")
    changed = differences(ranked[0].parameters, base)
    if not changed:
        print(f"best: trial 0, {path} as it is")
        return
    assigned = " ".join(shlex.quote(f"train_tfidf.{name}={as_yaml(value)}") for name, value in changed.items())
    print(
        f"best: trial {ranked[0].number}; python scripts/set_parameters.py --params {shlex.quote(str(path))} {assigned}"
    )


def gain(trial: Trial, first: Trial) -> tuple[float, float]:
    """Return by how much more of validation's tickets a trial is right, and half the width of the 95% interval.

    The trials answer the same tickets, so the interval is that of the mean of paired differences.
    """
    difference = trial.correct.astype(float) - first.correct
    return float(difference.mean()), float(Z95 * difference.std() / np.sqrt(len(difference)))


def _row(trial: Trial, first: Trial | None, base: TrainTfidfParameters) -> tuple[str, ...]:
    figures = trial.figures
    gained = "{:+.4f} +-{:.4f}".format(*gain(trial, first)) if first and trial is not first else ""
    values = [f"{figures[name]:.4f}" for name in ("macro_f1", "log_loss")]
    unfinished = "" if trial.converged else " (not converged)"
    shown = _shown(trial, base) + unfinished
    return str(trial.number), f"{figures['accuracy']:.4f}", gained, *values, f"{trial.seconds:.1f}", shown


def _shown(trial: Trial, base: TrainTfidfParameters) -> str:
    changed = differences(trial.parameters, base)
    return ", ".join(f"{name}={as_yaml(value)}" for name, value in changed.items()) or "as they are"
