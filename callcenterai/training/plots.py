"""Plots of an evaluation, each as data for `dvc plots` and as a PNG that can be viewed offline.

However many classes there are, a plot stays as small as a page; it then shows the classes with the most errors, and its
title says how many others there are. classes.csv numbers all classes: pictures have these numbers where the font has
not every character of the labels.
"""

import csv
import io
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib import font_manager
from matplotlib.axes import Axes

# Figure without pyplot, which would look for a window system and keep global state.
from matplotlib.figure import Figure
from matplotlib.ft2font import FT2Font
from matplotlib.ticker import PercentFormatter
from sklearn.metrics import confusion_matrix

from callcenterai.training.evaluation import (
    ECE_BINS,
    Predictions,
    Threshold,
    accuracy_by_coverage,
    confidence_bins,
    reliability,
    routes,
)

BLUE = "#2f6f9f"
# Matplotlib ships this font: Latin, Greek, Cyrillic, Arabic, Hebrew and symbols, but neither Asian scripts nor emoji.
FONT = "DejaVu Sans"
# So many classes a matrix and a bar chart can show; DVC draws in 300 pixels, where more names than this would overlap.
MOST_CONFUSED, WORST, MOST_IN_DVC = 30, 40, 30
# In characters; the rest of a longer label is left out.
LONGEST_NAME = 28


class ClassNames(NamedTuple):
    """What stands for each label in a picture, and what to add to a title when these are numbers."""

    shown: dict[str, str]
    note: str

    def of(self, labels: list[str]) -> list[str]:
        """Return what stands for these labels."""
        return [self.shown[label] for label in labels]


def draw(
    predictions: Predictions, per_class: dict[str, dict], threshold: Threshold, target: float | None = None
) -> dict[Path, bytes]:
    """Return every plot's file, by its name inside the plots folder; target is the accuracy that was aimed at."""
    pairs = list(zip(predictions.true, predictions.predicted, strict=True))
    bins = reliability(predictions.confidence, predictions.correct)
    curve = accuracy_by_coverage(predictions)
    names = name_classes(predictions.labels)
    matrix = confusion_matrix(predictions.true, predictions.predicted, labels=predictions.labels)
    confused = {predictions.labels[place] for place in most_confused(matrix, MOST_IN_DVC)}
    return {
        # One row per prediction, because DVC's confusion template counts rows.
        Path("confusion.csv"): _csv(("actual", "predicted"), pairs),
        Path("confused.csv"): _csv(("actual", "predicted"), [pair for pair in pairs if confused.issuperset(pair)]),
        Path("f1_per_class.csv"): _csv(("label", "f1"), worst_classes(per_class, MOST_IN_DVC)),
        Path("reliability.csv"): _csv(tuple(bins[0]), [tuple(row.values()) for row in bins]),
        Path("accuracy_coverage.csv"): _csv(tuple(curve[0]), [tuple(row.values()) for row in curve]),
        Path("classes.csv"): _csv(("number", "label"), list(enumerate(predictions.labels, 1))),
        Path("confusion.png"): _png(_confusion(predictions.labels, matrix, names)),
        Path("f1_per_class.png"): _png(_f1_per_class(per_class, names)),
        Path("reliability.png"): _png(_reliability(bins)),
        Path("accuracy_coverage.png"): _png(_accuracy_coverage(curve, predictions, threshold, target)),
    }


def most_confused(matrix: np.ndarray, most: int) -> list[int]:
    """Return the places of the classes with most errors, as actual or as predicted class, in their order.

    matrix has shape (n_classes, n_classes).
    """
    errors = matrix.sum(axis=0) + matrix.sum(axis=1) - 2 * matrix.diagonal()
    return sorted(np.argsort(-errors, kind="stable")[:most].tolist())


def worst_classes(per_class: dict[str, dict], most: int) -> list[tuple[str, float]]:
    """Return label and F1 of the classes with the lowest F1, the lowest first; those without a test ticket are last."""
    ordered = sorted(per_class.items(), key=lambda item: (item[1]["tickets"] == 0, item[1]["f1"]))
    return [(label, row["f1"]) for label, row in ordered[:most]]


def name_classes(labels: list[str]) -> ClassNames:
    """Return the labels, shortened, if the font can draw them all and they stay different; otherwise their numbers."""
    shown = {label: shorten_label(label) for label in labels}
    if _drawable().issuperset("".join(shown.values())) and len(set(shown.values())) == len(labels):
        return ClassNames(shown, "")
    numbers = {label: str(number) for number, label in enumerate(labels, 1)}
    return ClassNames(numbers, "\nclasses.csv has the labels of the numbers")


@cache
def _drawable() -> frozenset[str]:
    path = font_manager.findfont(FONT, fallback_to_default=False)
    return frozenset(map(chr, FT2Font(path).get_charmap()))


def shorten_label(label: str) -> str:
    """Return a label in one line, without the end of a long one."""
    line = " ".join(label.split())
    return line if len(line) <= LONGEST_NAME else f"{line[: LONGEST_NAME - 1]}…"


def _others(shown: int, classes: int, which: str) -> str:
    """Return what to add to a title when it does not show all classes."""
    return f": the {shown} {which}, without the other {classes - shown}" if shown < classes else ""


def _confusion(labels: list[str], matrix: np.ndarray, names: ClassNames) -> Figure:
    places = most_confused(matrix, MOST_CONFUSED)
    shown = names.of([labels[place] for place in places])
    shares = matrix / matrix.sum(axis=1, keepdims=True).clip(1)
    counts, shares = matrix[np.ix_(places, places)], shares[np.ix_(places, places)]
    side = max(5.0, 0.4 * len(places) + 2)
    figure, axes = _axes(side * 1.15, side)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axes.set_xticks(range(len(shown)), shown, rotation=90, parse_math=False)
    axes.set_yticks(range(len(shown)), shown, parse_math=False)
    for row, column in np.argwhere(counts):
        color = "w" if shares[row, column] > 0.5 else "k"
        axes.text(column, row, f"{counts[row, column]}", ha="center", va="center", color=color)
    others = _others(len(shown), len(labels), "classes that are confused most")
    axes.set(xlabel="predicted", ylabel="actual", title=f"Confusion matrix on test (tickets){others}{names.note}")
    return figure


def _f1_per_class(per_class: dict[str, dict], names: ClassNames) -> Figure:
    worst = worst_classes(per_class, WORST)
    figure, axes = _axes(8, max(3.0, 0.3 * len(worst) + 1.2))
    # By place: equal names would be one bar.
    bars = axes.barh(range(len(worst)), [f1 for _, f1 in worst], color=BLUE)
    figures = [f"{f1:.1%}  ({per_class[label]['tickets']:,} tickets)" for label, f1 in worst]
    axes.bar_label(bars, figures, padding=4)
    axes.invert_yaxis()
    axes.set_yticks(range(len(worst)), names.of([label for label, _ in worst]), parse_math=False)
    title = f"F1 per class on test{_others(len(worst), len(per_class), 'worst')}{names.note}"
    # Room for the figures behind the longest bars.
    axes.set(xlim=(0, 1.35), xticks=np.linspace(0, 1, 6), xlabel="F1", title=title)
    axes.xaxis.set_major_formatter(PercentFormatter(1.0))
    return figure


def _reliability(bins: list[dict]) -> Figure:
    figure = Figure(figsize=(6, 7), layout="constrained")
    axes, counts = figure.subplots(2, sharex=True, height_ratios=(4, 1))
    axes.plot([0, 1], [0, 1], color="0.7", linestyle="--", label="perfectly calibrated")
    axes.plot([b["confidence"] for b in bins], [b["accuracy"] for b in bins], "o-", color=BLUE, label="model")
    axes.set(xlim=(0, 1), ylim=(0, 1.02), ylabel="accuracy", title="Reliability on test")
    axes.legend(loc="upper left")
    tickets = [b["tickets"] for b in bins]
    middles = (confidence_bins([b["confidence"] for b in bins]) + 0.5) / ECE_BINS
    bars = counts.bar(middles, tickets, width=0.9 / ECE_BINS, color=BLUE)
    counts.bar_label(bars, [f"{count:,}" for count in tickets], fontsize=8)
    counts.set(ylim=(0, 1.25 * max(tickets)), yticks=[], xlabel="confidence", ylabel="tickets")
    for each in (axes.yaxis, counts.xaxis):
        each.set_major_formatter(PercentFormatter(1.0))
    return figure


def _accuracy_coverage(
    curve: list[dict], predictions: Predictions, threshold: Threshold, target: float | None
) -> Figure:
    figure, axes = _axes(7, 4.5)
    axes.plot([p["coverage"] for p in curve], [p["accuracy"] for p in curve], color=BLUE)
    if target is not None:
        axes.axhline(target, color="0.5", linestyle="--", label=f"target {100 * target:g}%")
    chosen = routes(predictions, threshold)
    if threshold is not None and chosen.any():
        share, accuracy = float(chosen.mean()), float(predictions.correct[chosen].mean())
        limit = "a threshold for each class" if isinstance(threshold, np.ndarray) else f"threshold {threshold:.3f}"
        axes.plot([share], [accuracy], "o", color=BLUE, label=f"{limit}: {share:.1%} routed, {accuracy:.1%} right")
    if axes.get_legend_handles_labels()[0]:
        axes.legend(loc="lower left")
    axes.set(xlim=(0, 1.01), xlabel="share of tickets routed without a human", ylabel="their accuracy")
    axes.set_title("Accuracy against coverage on test")
    axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    return figure


def _axes(width: float, height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots()


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    return buffer.getvalue()


def _csv(header: tuple[str, ...], rows: list[tuple]) -> bytes:
    buffer = io.StringIO(newline="")
    csv.writer(buffer, lineterminator="\n").writerows([header, *rows])
    return buffer.getvalue().encode()
