"""The charts of the page: confusion matrix, reliability, and accuracy against coverage. Each has its numbers in it."""

from typing import NamedTuple

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
from callcenterai.training.model_card.svg import Point, Svg, text_width
from callcenterai.training.plots import MOST_CONFUSED, most_confused, shorten_label

# In pixels: the size of the drawing area and the room for the axes.
SIDE, LEFT, BOTTOM, TOP = 380, 72, 48, 24
COUNTS_HEIGHT, COUNTS_GAP = 90, 34
COVERAGE_WIDTH, COVERAGE_HEIGHT = 620, 320
# The opacity of a cell: the least that can be seen, and the most under which its number can be read in both colours.
FAINTEST, STRONGEST = 0.08, 0.45


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
    area = _Area(SIDE, SIDE)
    base = TOP + SIDE + COUNTS_GAP + COUNTS_HEIGHT
    chart = Svg(LEFT + SIDE + 30, base + BOTTOM, "Accuracy by confidence")
    area.draw_vertical_axis(chart, "accuracy")
    area.draw_horizontal_axis(chart, base, "confidence")
    chart.line([area.place(0, 0), area.place(1, 1)], "target")
    points = [area.place(each["confidence"], each["accuracy"]) for each in bins]
    chart.line(points, "curve")
    for point in points:
        chart.circle(point, 4, "point")
    _draw_counts(chart, bins, base)
    return chart


def _draw_counts(chart: Svg, bins: list[dict], base: float) -> None:
    """Draw a bar for the tickets of each bin, with their number."""
    most, width = max(each["tickets"] for each in bins), SIDE / ECE_BINS
    for number, each in zip(confidence_bins([each["confidence"] for each in bins]), bins, strict=True):
        start, height = LEFT + width * int(number), COUNTS_HEIGHT * each["tickets"] / most
        chart.rect((start + 1, base - height), width - 2, height, "count")
        chart.text((start + width / 2, base - height - 4), f"{each['tickets']:,}", "tiny", "middle")
    chart.text((14, base - COUNTS_HEIGHT / 2), "tickets", "axis", "middle", -90)


def coverage_chart(predictions: Predictions, threshold: Threshold, target: float | None) -> Svg:
    """Return the accuracy of the most confident tickets by their share, with the target and the chosen point."""
    curve = accuracy_by_coverage(predictions)
    chosen = routes(predictions, threshold)
    point = (float(chosen.mean()), float(predictions.correct[chosen].mean())) if chosen.any() else None
    marked = [value for value in (target, point and point[1]) if value is not None]
    least = min([*marked, *(each["accuracy"] for each in curve)])
    # A multiple of 5%, so that the five steps above it are whole numbers.
    area = _Area(COVERAGE_WIDTH, COVERAGE_HEIGHT, low=max(0.0, float(np.floor(least * 20 - 0.2)) / 20))
    chart = Svg(LEFT + COVERAGE_WIDTH + 100, TOP + COVERAGE_HEIGHT + BOTTOM, "Accuracy against coverage")
    area.draw_vertical_axis(chart, "accuracy of these")
    area.draw_horizontal_axis(chart, TOP + COVERAGE_HEIGHT, "share of tickets routed without a person")
    if target is not None:
        chart.line([area.place(0, target), area.place(1, target)], "target")
        chart.text((LEFT + COVERAGE_WIDTH + 8, area.place(1, target)[1] + 4), f"target {100 * target:g}%", "axis")
    chart.line([area.place(each["coverage"], each["accuracy"]) for each in curve], "curve")
    if point:
        _draw_chosen(chart, area, point)
    return chart


def _draw_chosen(chart: Svg, area: "_Area", point: Point) -> None:
    """Mark the share of tickets that the threshold routes, and their accuracy."""
    x, y = area.place(*point)
    base = TOP + area.height
    chart.line([(x, base), (x, y)], "chosen")
    chart.circle((x, y), 5, "point")
    label = f"chosen: {point[0]:.1%} routed, {point[1]:.1%} of them right"
    place, anchor = ((x - 8, base - 12), "end") if point[0] > 0.5 else ((x + 8, base - 12), "start")
    chart.text(place, label, "strong", anchor)


class _Area(NamedTuple):
    """The area in which shares are drawn: from 0 to 1 across, and from `low` to 1 upwards."""

    width: float
    height: float
    low: float = 0.0

    def place(self, across: float, upwards: float) -> Point:
        """Return where two shares are in the image."""
        return LEFT + self.width * across, TOP + self.height * (1 - upwards) / (1 - self.low)

    def draw_vertical_axis(self, chart: Svg, title: str) -> None:
        """Draw a line and a number for every fifth of the axis."""
        for number, share in enumerate(np.linspace(self.low, 1, 6)):
            x, y = self.place(0, share)
            chart.line([(x, y), (x + self.width, y)], "grid" if number else "frame")
            chart.text((x - 8, y + 4), f"{share:.0%}", "axis", "end")
        chart.text((14, TOP + self.height / 2), title, "axis", "middle", -90)

    def draw_horizontal_axis(self, chart: Svg, base: float, title: str) -> None:
        """Draw the line of the axis at the height `base`, its numbers and its title."""
        chart.line([(LEFT, base), (LEFT + self.width, base)], "frame")
        for tick in np.linspace(0, 1, 6):
            chart.text((LEFT + self.width * tick, base + 16), f"{tick:.0%}", "axis", "middle")
        chart.text((LEFT + self.width / 2, base + 36), title, "axis", "middle")
