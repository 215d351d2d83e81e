"""The plots of a training: readable whatever the labels are and however many, and without a warning of Matplotlib."""

import csv
import io
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from callcenterai.training.evaluation import Predictions, evaluate
from callcenterai.training.plots import draw, most_confused, name_classes
from support.repository import REPOSITORY

SCRIPTS = {
    "Latin": ["Réseau", "Zugriff", "Dostęp", "Truy cập"],
    "Greek and Cyrillic": ["Δίκτυο", "Доступ"],
    "Arabic": ["الطابعة", "كلمة المرور"],
    "Hebrew": ["רשת", "גישה"],
    "Chinese": ["硬件", "网络"],
    "Japanese": ["プリンター", "ネットワーク"],
    "Korean": ["프린터", "네트워크"],
    "Thai": ["เครื่องพิมพ์", "เครือข่าย"],
    "Devanagari": ["प्रिंटर", "नेटवर्क"],
    "emoji": ["💻", "📶"],
    "one of many": ["Hardware", "Network", "网络"],
    "mathematics": ["$x$", "$\\frac{", "100$", "_a", "a_b^c"],
    "line ends": ["a\nb", "c\td"],
    "long": ["x" * 3000, "y" * 3000, "Sales, " * 20],
    "the same beginning": [f"{'The same long beginning of a label ' * 3}{number}" for number in range(3)],
    "150 classes": [f"class number {number} about something" for number in range(150)],
    "150 Chinese classes": [f"类别{number}" for number in range(150)],
    "400 long names": [f"{number}: {'W' * 40}" for number in range(400)],
}
# Matplotlib's font has their characters.
DRAWABLE = [
    "Latin",
    "Greek and Cyrillic",
    "Arabic",
    "Hebrew",
    "mathematics",
    "line ends",
    "long",
    "150 classes",
    "400 long names",
]


def predictions_of(labels: list[str], count: int = 2000) -> Predictions:
    """Return predictions of which most are right."""
    generator = np.random.default_rng(1)
    true = generator.integers(0, len(labels), count)
    logits = generator.normal(size=(count, len(labels)))
    logits[np.arange(count), true] += 3
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return Predictions(sorted(labels), np.array(sorted(labels), dtype=object)[true], probabilities)


def plots_of(predictions: Predictions) -> dict[Path, bytes]:
    figures = evaluate(predictions, np.zeros(len(predictions.true), dtype=bool), 0.95, None, 100, 1)
    with warnings.catch_warnings():
        # A character that the font lacks, a label that is taken for mathematics, axes without room.
        warnings.simplefilter("error")
        return draw(predictions, figures["per_class"], 0.5)


def rows_of(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode(), newline="")))


@pytest.mark.parametrize("labels", SCRIPTS.values(), ids=SCRIPTS)
def test_pictures_of_all_labels_are_drawn_without_a_warning_and_fit_a_screen(labels):
    found = plots_of(predictions_of(labels))
    pictures = [content for path, content in found.items() if path.suffix == ".png"]
    assert len(pictures) == 4
    for picture in pictures:
        assert max(Image.open(io.BytesIO(picture)).size) <= 1800


@pytest.mark.parametrize("kind", SCRIPTS)
def test_labels_that_cannot_be_drawn_or_told_apart_are_numbers_and_a_file_has_the_labels(kind):
    labels = sorted(SCRIPTS[kind])
    shown, note = name_classes(labels)
    if kind in DRAWABLE:
        assert not note and all(shown[label][:10] == " ".join(label.split())[:10] for label in labels)
    else:
        assert "classes.csv" in note and [shown[label] for label in labels] == [str(n + 1) for n in range(len(labels))]
    rows = rows_of(plots_of(predictions_of(labels, 300))[Path("classes.csv")])
    assert [(row["number"], row["label"]) for row in rows] == [(str(n), label) for n, label in enumerate(labels, 1)]


def test_of_many_classes_those_with_most_errors_are_shown():
    matrix = np.diag([50] * 100)
    matrix[70, 20], matrix[99, 3] = 9, 8
    assert [3, 20, 70, 99] == most_confused(matrix, 4)
    assert list(range(100)) == most_confused(matrix, 150)


def test_data_for_dvc_is_of_few_classes_and_that_for_programs_of_all():
    """DVC draws in 300 pixels; the report and the web page read confusion.csv, which has every ticket."""
    predictions = predictions_of(SCRIPTS["150 classes"])
    found = plots_of(predictions)
    confused, every = (rows_of(found[Path(f"{name}.csv")]) for name in ("confused", "confusion"))
    assert len(every) == len(predictions.true) and len({row["actual"] for row in every}) == 150
    assert {label for row in confused for label in row.values()} <= set(predictions.labels)
    assert len({row["actual"] for row in confused}) == 30
    f1 = [float(row["f1"]) for row in rows_of(found[Path("f1_per_class.csv")])]
    assert len(f1) == 30 and f1 == sorted(f1)
    few = plots_of(predictions_of(SCRIPTS["Latin"]))
    assert few[Path("confused.csv")] == few[Path("confusion.csv")]


@pytest.mark.parametrize("project", [".", "transformer"])
def test_dvc_plots_files_that_a_training_writes(project):
    import yaml

    content = yaml.safe_load((REPOSITORY / project / "dvc.yaml").read_text(encoding="utf-8"))
    entries = [entry if isinstance(entry, dict) else {entry: {}} for entry in content.get("plots", [])]
    plotted = {Path(path).name for entry in entries for path in entry}
    assert plotted <= {path.name for path in plots_of(predictions_of(["a", "b"], 50))}


def test_a_class_without_a_test_ticket_is_not_shown_as_the_worst():
    predictions = predictions_of(["a", "b"], 50)
    probabilities = np.column_stack([predictions.probabilities, np.zeros(50)])
    found = plots_of(Predictions(["a", "b", "c"], predictions.true, probabilities))
    assert "c" == rows_of(found[Path("f1_per_class.csv")])[-1]["label"]
