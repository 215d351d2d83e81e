"""The report on a model: one page, complete, true to the metrics, safe to open, and readable with many classes."""

import json
import os
import re
import stat
from html.parser import HTMLParser

import mlflow
import numpy as np
import pytest
import yaml

import log_run
import train_tfidf
from callcenterai.data.parts import Part
from callcenterai.training.evaluation import EvaluatedModel, Predictions, evaluate
from callcenterai.training.label_errors import SuspiciousLabel
from callcenterai.training.model_card.card_facts import CODE_FOLDERS
from callcenterai.training.model_card.card_page import CardSources, model_card
from support.registry import OUTPUTS
from support.repository import REPOSITORY
from support.tracking import new_tracking_database

VOID = {"meta", "br", "img", "link"}
SECTIONS = ["use", "data", "figures", "confusion", "reliability", "coverage", "classes", "slices", "words"]
SECTIONS += ["errors", "labels", "made"]
HOSTILE = '<script>alert("1")</script>'


class Page(HTMLParser):
    """A parsed page: its text, the names of its elements, their attributes; it fails unless every element is closed."""

    def __init__(self, content: bytes) -> None:
        super().__init__()
        self.open, self.tags, self.attributes, self.pieces = [], [], [], []
        self.feed(content.decode())
        self.close()
        assert self.open == []
        self.text = re.sub(r"\s+", " ", " ".join(self.pieces))

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.pieces.append(data)


def card_of(labels: list[str], text: str = "my laptop is broken", tickets: int = 2000) -> bytes:
    """Return the report of a model that is mostly right, whose tickets all have this text."""
    generator = np.random.default_rng(1)
    true = generator.integers(0, len(labels), tickets)
    logits = generator.normal(size=(tickets, len(labels)))
    logits[np.arange(tickets), true] += 4
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    test = Predictions(sorted(labels), np.array(sorted(labels), dtype=object)[true], probabilities)
    figures = evaluate(test, np.zeros(tickets, dtype=bool), 0.9, 0.5, 100, 1)
    metrics = {"validation": figures, "test": figures, "threshold_tickets": tickets, "suspicious_labels": 1}
    metrics["slices"] = {"column site": {HOSTILE: {"tickets": 9, "accuracy": None, "coverage": None}}}
    metrics["slices"]["column site"][HOSTILE]["routed_accuracy"] = None
    metadata = {"name": "callcenterai-tfidf-classifier", "labels": test.labels, "target_accuracy": 0.9}
    metadata |= {"parameters": {"kernel": "linear", "threshold": "overall"}, "files": {"model.skops": "a" * 64}}
    metadata |= {"data": {}, "libraries": {"numpy": "2"}}
    prepared = {"rows_in": tickets, "rows_kept": tickets, "rejected": {"no_text": 3}, "warnings": [HOSTILE]}
    prepared |= {"rows": dict.fromkeys(("train", "validation", "test"), tickets), "personal_data": {"email": 2}}
    prepared |= {"files": {"input": {}}, "near_duplicates": {"tickets": 0, "groups": 0}, "classes": {}}
    prepared["text_length"] = dict.fromkeys(("p0", "p5", "p25", "p50", "p75", "p95", "p100"), len(text))
    columns = {name: np.array([str(number) for number in range(tickets)], dtype=object) for name in ("source", "row")}
    part = Part(REPOSITORY, np.full(tickets, text, dtype=object), test.true, np.arange(tickets), columns)
    suspicious = [SuspiciousLabel("input", 1, labels[0], labels[-1], 0.1, 0.9, text)]
    sources = CardSources(part, prepared, suspicious, lambda asked: {label: [] for label in asked})
    return model_card(EvaluatedModel(test, 0.5, metrics, metadata), sources)


def test_a_training_writes_a_private_page_with_every_section_and_the_figures_of_its_metrics(trained):
    path = trained.folder / OUTPUTS["--report"]
    page, content = Page(path.read_bytes()), path.read_text(encoding="utf-8")
    assert [value for name, value in page.attributes if name == "id"] == SECTIONS
    metrics = json.loads((trained.folder / "m.json").read_text(encoding="utf-8"))["test"]
    interval = " to ".join(f"{100 * metrics['accuracy_ci95'][end]:.1f}" for end in ("low", "high"))
    assert f"Accuracy {metrics['accuracy']:.1%} ({interval})" in page.text
    for label, row in metrics["per_class"].items():
        shown = " ".join(f"{row[name]:.1%}" for name in ("precision", "recall", "f1"))
        assert re.search(rf"{label} [\d,]+ [\d,]+ {row['tickets']} {shown}", page.text)
    metadata = json.loads((trained.folder / "model" / "metadata.json").read_text(encoding="utf-8"))
    hashes = [*metadata["files"].values(), *(part["sha256"] for part in metadata["data"].values())]
    assert [each for each in hashes if each not in page.text] == []
    assert "http" not in content and not {"src", "style"} & {name for name, _ in page.attributes}
    assert "predicted as" in page.text and "looks like" in page.text
    if os.name != "nt":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600 and stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_labels_and_texts_are_escaped_and_personal_data_is_not_shown():
    content = card_of([HOSTILE, '"quoted" & more', "网络"], f"{HOSTILE} write to jane.doe@example.com please")
    page = Page(content)
    assert "script" not in page.tags and HOSTILE in page.text and '"quoted" & more' in page.text
    assert "write to [EMAIL] please" in page.text and b"jane.doe" not in content


@pytest.mark.parametrize("name", ["class number {} about something", "类别{}" * 30])
def test_with_150_classes_the_matrix_has_those_with_most_errors_and_the_table_has_all(name):
    labels = [name.format(*[number] * 30) for number in range(150)]
    content = card_of(labels)
    page = Page(content)
    assert len(content) < 1_000_000 and "These are the 30 classes that are confused most" in page.text
    assert content.count(b'class="cell"') == 900
    table = content.decode().partition('<h2 id="classes">')[2].partition("</table>")[0]
    assert table.count('<th scope="row">') == 150
    f1 = [float(share) for share in re.findall(r'([\d.]+)%</td><td><svg class="bar"', table)]
    assert f1 == sorted(f1)


def test_the_hash_of_the_code_covers_only_what_makes_dvc_run_the_training_again():
    """Another change would give a report with another hash, which dvc.lock does not expect."""
    stages = yaml.safe_load((REPOSITORY / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    assert {f"callcenterai/{folder}" for folder in CODE_FOLDERS} <= set(stages["train_tfidf"]["deps"])


def test_a_report_without_the_figures_of_prepare_is_one_error_line(trained, tmp_path, error_line):
    missing = tmp_path / "prepare.json"
    arguments = ["--params", str(trained.folder / "train.yaml"), "--data", str(trained.data)]
    assert train_tfidf.main([*arguments, "--report", str(tmp_path / "r.html"), "--prepared", str(missing)]) == 2
    assert error_line() == f"{missing}: no such file; make it with `dvc repro prepare`"


def test_the_report_of_another_model_is_not_logged(trained, tmp_path, monkeypatch, capsys):
    """As when a transformer is logged beside the report on the TF-IDF model."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", new_tracking_database(tmp_path))
    other = tmp_path / "report.html"
    other.write_text("another model", encoding="utf-8")
    places = {option: str(trained.folder / name) for option, name in OUTPUTS.items()} | {"--report": str(other)}
    assert log_run.main([text for place in places.items() for text in place]) == 0
    printed = capsys.readouterr()
    assert f"note: {other} is missing or describes another model: it is not logged" in printed.err
    run_id = printed.out.split()[-1]
    assert "report" not in {each.path for each in mlflow.MlflowClient().list_artifacts(run_id)}
