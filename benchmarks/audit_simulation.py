"""The simulation of benchmarks/audit.py: what a desk's audits say each evening, and when the alert fires."""

from typing import NamedTuple

import numpy as np

import _path  # noqa: F401  # it puts the repository on the path
from callcenterai.agent_data.live_figures.accuracy import FEWEST_ANSWERS, AuditSums, estimate_accuracy
from services.agent.audit.sampling import LEAST_DEVIATION

CHANGE_DAY = 10
COLUMNS = (
    "accuracy from day 10",
    "errors",
    "alert within 60 days",
    "days until it",
    "audits until it",
    "before day 10",
)


class Desk(NamedTuple):
    """What is simulated: tickets a day, the audited share, the target, the days looked back, and the repetitions."""

    tickets: int
    share: float
    target: float
    window: int
    repeats: int


def print_tables(desk: Desk, before: float) -> None:
    """Print how soon changes of the accuracy are found, and how often nothing is taken for one."""
    generator = np.random.default_rng(19)
    print(f"{desk.tickets:,} tickets a day, {desk.share:.2%} audited, target {desk.target:.1%}, {desk.window} days\n")
    print(f"| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}", flush=True)
    for after in (0.94, 0.93, 0.91, 0.88):
        for kind in ("everywhere", "where it is sure"):
            print_change(desk, before, after, kind, generator)
    print("\n| accuracy all the time | false alarm within 90 days | within a year |\n|---|---|---|", flush=True)
    for accuracy in (before, (before + desk.target) / 2, desk.target):
        first = first_alerts(desk, simulate(desk, [(365, accuracy, "as calibrated")], generator))
        print(f"| {accuracy:.1%} | {(first < 90).mean():.1%} | {(first < 365).mean():.1%} |", flush=True)


def print_change(desk: Desk, before: float, after: float, kind: str, generator: np.random.Generator) -> None:
    """Print the row of one change."""
    sums = simulate(desk, [(CHANGE_DAY, before, "as calibrated"), (60, after, kind)], generator)
    first = first_alerts(desk, sums)
    early, found = first < CHANGE_DAY, (first >= CHANGE_DAY) & (first < CHANGE_DAY + 60)
    answers = np.cumsum(sums[:, :, 0], axis=1) - sums[:, :CHANGE_DAY, 0].sum(axis=1)[:, None]
    until = answers[found, first[found]] if found.any() else np.array([np.nan])
    days = first[found] - CHANGE_DAY + 1 if found.any() else np.array([np.nan])
    shown = (f"{found.mean() / (1 - early.mean()):.0%}", f"{np.median(days):.0f}", f"{np.median(until):.0f}")
    print(f"| {after:.1%} | {kind} | {' | '.join(shown)} | {early.mean():.1%} |", flush=True)


def simulate(desk: Desk, phases: list[tuple[int, float, str]], generator: np.random.Generator) -> np.ndarray:
    """Return the sums over each day's audits, shape (repeats, days, 5); a phase has days, accuracy and errors."""
    days = [simulate_day(desk, accuracy, kind, generator) for length, accuracy, kind in phases for _ in range(length)]
    return np.stack(days, axis=1)


def simulate_day(desk: Desk, accuracy: float, kind: str, generator: np.random.Generator) -> np.ndarray:
    """Return the sums over one day's audits, shape (repeats, 5), in the order of AuditSums; all are answered."""
    confidence = 0.72 + 0.28 * generator.beta(4, 0.8, desk.tickets)
    errors = {
        "as calibrated": 1 - confidence,
        "everywhere": np.ones(desk.tickets),
        "where it is sure": 0.2 + (confidence > 0.97),
    }[kind]
    wrong = errors * (1 - accuracy) / errors.mean()
    deviation = np.maximum(LEAST_DEVIATION, np.sqrt(confidence * (1 - confidence)))
    probability = np.minimum(1, desk.share * deviation / deviation.mean())
    drawn = generator.random((desk.repeats, desk.tickets)) < probability
    weights = np.where(drawn, 1 / probability, 0.0)
    right = weights * (generator.random((desk.repeats, desk.tickets)) >= wrong)
    return np.stack([drawn.sum(1), weights.sum(1), (weights**2).sum(1), right.sum(1), (right**2).sum(1)], axis=1)


def first_alerts(desk: Desk, sums: np.ndarray) -> np.ndarray:
    """Return the day of the first alert of each repetition, shape (repeats,); the number of days if there is none."""
    days = sums.shape[1]
    total = np.concatenate([np.zeros_like(sums[:, :1]), np.cumsum(sums, axis=1)], axis=1)
    first = np.full(len(sums), days)
    for repeat, of_repeat in enumerate(total):
        for day in range(days):
            answers, *weights = of_repeat[day + 1] - of_repeat[max(0, day + 1 - desk.window)]
            found = estimate_accuracy(AuditSums(int(answers), *weights))
            if found.high < desk.target and found.effective_answers >= FEWEST_ANSWERS:
                first[repeat] = day
                break
    return first
