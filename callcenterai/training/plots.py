"""Plots of an evaluation, each as data for `dvc plots` and as a PNG that can be viewed offline."""

import csv
import io
from pathlib import Path

from matplotlib.axes import Axes

# Figure without pyplot, which would look for a window system and keep global state.
from matplotlib.figure import Figure
from sklearn.metrics import confusion_matrix

from callcenterai.training.evaluation import Predictions, accuracy_by_coverage, reliability

BLUE = "#2f6f9f"


def draw(predictions: Predictions, per_class: dict[str, dict], threshold: float | None) -> dict[Path, bytes]:
    """Return every plot's file, by its name inside the plots folder."""
    pairs = zip(predictions.true, predictions.predicted, strict=True)
    bins = reliability(predictions.confidence, predictions.correct)
    curve = accuracy_by_coverage(predictions)
    return {
        # One row per prediction, because DVC's confusion template counts rows.
        Path("confusion.csv"): _csv([{"actual": actual, "predicted": predicted} for actual, predicted in pairs]),
        Path("f1_per_class.csv"): _csv([{"label": label, "f1": row["f1"]} for label, row in per_class.items()]),
        Path("reliability.csv"): _csv(bins),
        Path("accuracy_coverage.csv"): _csv(curve),
        Path("confusion.png"): _png(_confusion(predictions)),
        Path("f1_per_class.png"): _png(_f1_per_class(per_class)),
        Path("reliability.png"): _png(_reliability(bins)),
        Path("accuracy_coverage.png"): _png(_accuracy_coverage(curve, predictions, threshold)),
    }


def _confusion(predictions: Predictions) -> Figure:
    labels = predictions.labels
    matrix = confusion_matrix(predictions.true, predictions.predicted, labels=labels)
    side = max(5.0, 0.55 * len(labels) + 2)
    figure, axes = _axes(side * 1.15, side)
    axes.imshow(matrix / matrix.sum(axis=1, keepdims=True).clip(1), cmap="Blues", vmin=0, vmax=1)
    axes.set_xticks(range(len(labels)), labels, rotation=90)
    axes.set_yticks(range(len(labels)), labels)
    if len(labels) <= 30:
        for row in range(len(labels)):
            for column in range(len(labels)):
                dark = matrix[row, column] > 0.5 * matrix[row].sum()
                axes.text(column, row, matrix[row, column], ha="center", va="center", color="w" if dark else "k")
    axes.set(xlabel="predicted", ylabel="actual", title="Confusion matrix on test (tickets)")
    return figure


def _f1_per_class(per_class: dict[str, dict]) -> Figure:
    figure, axes = _axes(7, max(3.0, 0.3 * len(per_class) + 1.2))
    ordered = sorted(per_class.items(), key=lambda item: item[1]["f1"])
    axes.barh([label for label, _ in ordered], [row["f1"] for _, row in ordered], color=BLUE)
    axes.set(xlim=(0, 1), xlabel="F1", title="F1 per class on test")
    return figure


def _reliability(bins: list[dict]) -> Figure:
    figure, axes = _axes(5, 5)
    axes.plot([0, 1], [0, 1], color="0.7", linestyle="--", label="perfectly calibrated")
    axes.plot([b["confidence"] for b in bins], [b["accuracy"] for b in bins], "o-", color=BLUE, label="model")
    axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="confidence", ylabel="accuracy", title="Reliability on test")
    axes.legend(loc="upper left")
    return figure


def _accuracy_coverage(curve: list[dict], predictions: Predictions, threshold: float | None) -> Figure:
    figure, axes = _axes(6, 4)
    axes.plot([p["coverage"] for p in curve], [p["accuracy"] for p in curve], color=BLUE)
    if threshold is not None:
        share = float((predictions.confidence >= threshold).mean())
        axes.axvline(share, color="0.5", linestyle="--", label=f"threshold {threshold:.3f}: {share:.0%} routed")
        axes.legend(loc="lower left")
    axes.set(xlim=(0, 1), xlabel="share of tickets routed without a human", ylabel="their accuracy")
    axes.set_title("Accuracy against coverage on test")
    return figure


def _axes(width: float, height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots()


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    return buffer.getvalue()


def _csv(rows: list[dict]) -> bytes:
    buffer = io.StringIO(newline="")
    writer = csv.DictWriter(buffer, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue().encode()
