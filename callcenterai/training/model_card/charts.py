"""The charts of the page: confusion matrix, reliability, and accuracy against coverage. Each has its numbers in it."""

import numpy as np
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
from callcenterai.training.model_card.svg import Svg, text_width
from callcenterai.training.plots import MOST_CONFUSED, most_confused, shorten_label

# In pixels: the size of the drawing area and the room for the axes.
SIDE, LEFT, BOTTOM, TOP = 380, 72, 48, 24
COUNTS_HEIGHT, COUNTS_GAP = 90, 34
COVERAGE_WIDTH, COVERAGE_HEIGHT = 620, 320
# The opacity of a cell: the least that can be seen, and the most under which its number can be read in both colours.
FAINTEST, STRONGEST = 0.08, 0.45
TICKS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)


def confusion_chart(predictions: Predictions) -> tuple[Svg, int]:
    """Return the matrix of the classes that are confused most, and how many classes it shows."""
    matrix = confusion_matrix(predictions.true, predictions.predicted, labels=predictions.labels)
    places = most_confused(matrix, MOST_CONFUSED)
    names = [shorten_label(predictions.labels[place]) for place in places]
    counts, sizes = matrix[np.ix_(places, places)], matrix.sum(axis=1)[places]
    cell = 30 if len(places) > 12 else 52
    longest = max(map(text_width, names))
    # The names of the columns are turned by 45 degrees.
    left, top, side = longest + 34, 0.72 * longest + 34, cell * len(places)
    chart = Svg(left + side + top, top + side + 4, "Confusion matrix: rows are the actual classes")
    chart.text((left + side / 2, 14), "predicted", "axis", "middle")
    chart.text((14, top + side / 2), "actual", "axis", "middle", -90)
    for at, name in enumerate(names):
        middle = cell * (at + 0.5)
        chart.text((left - 8, top + middle + 4), name, anchor="end")
        chart.text((left + middle + 4, top - 8), name, angle=-45)
    _draw_cells(chart, counts, sizes, (left, top, cell))
    return chart, len(places)


def _draw_cells(chart: Svg, counts: np.ndarray, sizes: np.ndarray, frame: tuple[float, float, float]) -> None:
    """Draw the counts; errors are relative to the most frequent one, or nobody would see them beside the diagonal."""
    left, top, cell = frame
    shares = counts / np.maximum(sizes, 1)[:, np.newaxis]
    most = max(float((shares - np.diag(np.diag(shares))).max(initial=0.0)), 1e-9)
    for row, column in np.ndindex(counts.shape):
        corner = (left + cell * column, top + cell * row)
        chart.rect(corner, cell, cell, "cell")
        if not counts[row, column]:
            continue
        share = shares[row, column] / (1.0 if row == column else most)
        opacity = FAINTEST + (STRONGEST - FAINTEST) * float(share)
        chart.rect(corner, cell, cell, "hit" if row == column else "miss", opacity)
        place = (corner[0] + cell / 2, corner[1] + cell / 2 + 4)
        chart.text(place, f"{counts[row, column]:,}", "strong" if row == column else "", "middle")


def reliability_chart(predictions: Predictions) -> Svg:
    """Return accuracy by confidence, and below it how many tickets have that confidence."""
    bins = reliability(predictions.confidence, predictions.correct)
    chart = Svg(LEFT + SIDE + 30, TOP + SIDE + COUNTS_GAP + COUNTS_HEIGHT + BOTTOM, "Accuracy by confidence")
    base = TOP + SIDE + COUNTS_GAP + COUNTS_HEIGHT

    def place(confidence: float, accuracy: float) -> tuple[float, float]:
        return LEFT + SIDE * confidence, TOP + SIDE * (1 - accuracy)

    _draw_shares(chart, SIDE, (0.0, 1.0), TOP + SIDE, SIDE)
    chart.line([place(0, 0), place(1, 1)], "target")
    chart.line([place(each["confidence"], each["accuracy"]) for each in bins], "curve")
    most, width = max(each["tickets"] for each in bins), SIDE / ECE_BINS
    numbers = confidence_bins([each["confidence"] for each in bins])
    for number, each in zip(numbers, bins, strict=True):
        chart.circle(place(each["confidence"], each["accuracy"]), 4, "point")
        height = COUNTS_HEIGHT * each["tickets"] / most
        start = LEFT + width * int(number)
        chart.rect((start + 1, base - height), width - 2, height, "count")
        chart.text((start + width / 2, base - height - 4), f"{each['tickets']:,}", "tiny", "middle")
    chart.line([(LEFT, base), (LEFT + SIDE, base)], "frame")
    for tick in TICKS:
        chart.text((LEFT + SIDE * tick, base + 16), f"{tick:.0%}", "axis", "middle")
    chart.text((LEFT + SIDE / 2, base + 36), "confidence", "axis", "middle")
    chart.text((14, TOP + SIDE / 2), "accuracy", "axis", "middle", -90)
    chart.text((14, base - COUNTS_HEIGHT / 2), "tickets", "axis", "middle", -90)
    return chart


def coverage_chart(predictions: Predictions, threshold: Threshold, target: float | None) -> Svg:
    """Return the accuracy of the most confident tickets by their share, with the target and the chosen point."""
    curve = accuracy_by_coverage(predictions)
    chosen = routes(predictions, threshold)
    point = (float(chosen.mean()), float(predictions.correct[chosen].mean())) if chosen.any() else None
    marked = [value for value in (target, point and point[1]) if value is not None]
    least = min([*marked, *(each["accuracy"] for each in curve)])
    low = float(np.floor(least * 20 - 0.2)) / 20
    chart = Svg(LEFT + COVERAGE_WIDTH + 100, TOP + COVERAGE_HEIGHT + BOTTOM, "Accuracy against coverage")

    def place(coverage: float, accuracy: float) -> tuple[float, float]:
        return LEFT + COVERAGE_WIDTH * coverage, TOP + COVERAGE_HEIGHT * (1 - accuracy) / (1 - low)

    base = TOP + COVERAGE_HEIGHT
    _draw_shares(chart, COVERAGE_WIDTH, (low, 1.0), base, COVERAGE_HEIGHT)
    if target is not None:
        chart.line([place(0, target), place(1, target)], "target")
        chart.text((LEFT + COVERAGE_WIDTH + 8, place(1, target)[1] + 4), f"target {100 * target:g}%", "axis")
    chart.line([place(each["coverage"], each["accuracy"]) for each in curve], "curve")
    if point:
        chart.line([place(point[0], low), place(*point)], "chosen")
        chart.circle(place(*point), 5, "point")
        label = f"chosen: {point[0]:.1%} routed, {point[1]:.1%} of them right"
        chart.text((place(*point)[0] - 8, base - 12), label, "strong", "end" if point[0] > 0.5 else "start")
    for tick in TICKS:
        chart.text((LEFT + COVERAGE_WIDTH * tick, base + 16), f"{tick:.0%}", "axis", "middle")
    chart.text((LEFT + COVERAGE_WIDTH / 2, base + 36), "share of tickets routed without a person", "axis", "middle")
    chart.text((14, TOP + COVERAGE_HEIGHT / 2), "accuracy of these", "axis", "middle", -90)
    return chart


def _draw_shares(chart: Svg, width: float, ends: tuple[float, float], base: float, height: float) -> None:
    """Draw the lines and numbers of a vertical axis of shares between two ends."""
    for share in np.linspace(*ends, 6):
        at = base - height * (share - ends[0]) / (ends[1] - ends[0])
        chart.line([(LEFT, at), (LEFT + width, at)], "frame" if share == ends[0] else "grid")
        chart.text((LEFT - 8, at + 4), f"{share:.0%}", "axis", "end")
