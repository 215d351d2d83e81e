"""The report fits into a comment on GitHub, and its lines can be read, whatever the labels are and however many."""

from pathlib import Path

import numpy as np
import pytest

from callcenterai.core.params import RegistryParameters
from callcenterai.report.comparison import compare_figures
from callcenterai.report.figures import Figures
from callcenterai.report.sections import render_report
from callcenterai.training.evaluation import Predictions, evaluate
from callcenterai.training.plots import draw

# GitHub's limit of a comment, in characters.
LIMIT = 65_536
LABELS = {
    "150": [f"class number {number} about something" for number in range(150)],
    "150, Chinese": [f"类别{number}" for number in range(150)],
    "12 of markup": [f"{number} <b>|x*@`" * 20 for number in range(12)],
    "150 of markup": [f"{number} <b>|x*@`" * 20 for number in range(150)],
    "150 texts": [f"{number} long text " * 300 for number in range(150)],
}


def measure(labels: list[str], skill: float) -> tuple[Figures, Predictions]:
    """Return figures and predictions of a model of this skill on 6,000 tickets."""
    generator = np.random.default_rng(1)
    true = generator.integers(0, len(labels), 6_000)
    logits = generator.normal(size=(6_000, len(labels)))
    logits[np.arange(6_000), true] += skill
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    predictions = Predictions(sorted(labels), np.array(sorted(labels), dtype=object)[true], probabilities)
    figures = evaluate(predictions, np.zeros(6_000, dtype=bool), 0.95, None, 100, 1)
    return Figures(figures, {"rows": {"test": 6_000}}, {"data/test.csv": "the same"}), predictions


@pytest.mark.parametrize("labels", LABELS.values(), ids=LABELS)
@pytest.mark.parametrize("renamed", [False, True], ids=["worse", "other classes"])
def test_a_report_on_many_classes_fits_into_a_comment(tmp_path, labels, renamed):
    then, _ = measure([f"old {label}" for label in labels] if renamed else labels, 4.0)
    now, predictions = measure(labels, 2.0)
    for path, content in draw(predictions, now.test["per_class"], None).items():
        (tmp_path / path).write_bytes(content)
    params = RegistryParameters(
        metric="macro_f1",
        minimum_accuracy=0.8,
        minimum_macro_f1=0.75,
        tolerance=0.005,
        class_tolerance=0.05,
        min_class_tickets=1,
    )
    verdicts = compare_figures(now, then, "HEAD", Path("data"), params)
    report = render_report(now, then, "HEAD", verdicts, Path("data"), tmp_path)
    assert len(report) < LIMIT
    assert max(map(len, report.split("\n"))) < 15_000
    assert "**Failed.**" in report and "FAILED  F1 per class against HEAD: " in report
    most = "actual / predicted" if len(labels) <= 12 else "most frequent confusions"
    assert most in report
