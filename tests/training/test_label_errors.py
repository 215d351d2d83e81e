"""Likely label errors: on the sample, whose errors are known, and on a case small enough to check by hand."""

import numpy as np
import pytest

import make_sample_tickets
import prepare_data
import train_tfidf
from callcenterai.artifact.folder import load_model
from callcenterai.sample.generator import make_tickets
from callcenterai.training.evaluation import Predictions
from callcenterai.training.label_errors import find_label_errors
from support.repository import write_params
from support.tfidf_project import Project
from support.tickets import read_csv, write_csv

TICKETS, SEED = 12_000, 42
# What choose_features chooses for words on the sample, so that the test need not choose.
WORDS = {"features": "words", "accents": "keep", "class_spread": 1.0, "min_df": 2, "C": 0.5, "bootstrap_samples": 100}
CORRECTED = 200


class Sample:
    """The sample, prepared and trained in a folder; truth has the category that each of its texts is about."""

    def __init__(self, folder) -> None:
        self.folder = folder
        self.truth = {row: ticket.true_category for row, ticket in enumerate(make_tickets(TICKETS, SEED), 1)}
        assert make_sample_tickets.main([self.at("tickets.csv"), "--tickets", str(TICKETS)]) == 0
        self.train("before")

    def at(self, name: str) -> str:
        return str(self.folder / name)

    def train(self, name: str, **prepare) -> None:
        """Prepare and train; outputs begin with this name."""
        params = self.folder / "params.yaml"
        # The sample has no personal data, and looking for it takes most of the time of prepare.
        prepare |= {"input": self.at("tickets.csv"), "remove_personal_data": False}
        write_params(params, prepare=prepare, train_tfidf=WORDS)
        data = ["--output", self.at(f"{name}-data"), "--metrics", self.at(f"{name}-prepare.json")]
        assert prepare_data.main(["--params", str(params), *data]) == 0
        model = ["--model", self.at(name), "--metrics", self.at(f"{name}.json"), "--plots", self.at(f"{name}-plots")]
        assert train_tfidf.main(["--params", str(params), "--data", self.at(f"{name}-data"), *model]) == 0

    def suspicious(self, name: str = "before") -> list[dict[str, str]]:
        return read_csv(self.folder / f"{name}-data" / "suspicious.csv")

    def is_error(self, row: dict[str, str]) -> bool:
        return self.truth[int(row["row"])] != row["label"]

    def accuracy(self, name: str) -> float:
        """Return the accuracy on tickets that no training has seen, by the categories that they are about."""
        tickets = make_tickets(TICKETS, SEED + 1)
        predicted = load_model(self.folder / name).predict([ticket.text for ticket in tickets])
        return float(np.mean([ticket.true_category == label for ticket, label in zip(tickets, predicted, strict=True)]))


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sample")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder.as_posix()}/mlflow.db")
        yield Sample(folder)


def test_a_label_is_suspicious_if_another_class_reaches_its_usual_confidence():
    """The mean self-confidence is 0.725 for a; of b, it is 0.583 in the first case and 0.567 in the second."""

    def suspicious(fifth: float) -> list[tuple[int, int]]:
        of_a = np.array([0.9, 0.9, 0.3, 0.8, fifth, 0.1, 0.45])
        true = np.array(list("aaaabbb"), dtype=object)
        errors = find_label_errors(Predictions(["a", "b"], true, np.stack([of_a, 1 - of_a], axis=1)))
        return list(zip(errors.tickets.tolist(), errors.suggested.tolist(), strict=True))

    assert suspicious(0.7) == [(2, 1)]
    assert suspicious(0.75) == [(4, 0), (2, 1)]


def test_training_lists_suspicious_labels_with_the_rows_of_the_file(tmp_path, monkeypatch):
    """Every twentieth ticket of this file has the label Access, whatever it is about."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path.as_posix()}/mlflow.db")
    project = Project(tmp_path)
    assert project.train() == 0
    tickets = read_csv(tmp_path / "tickets.csv")
    listed = read_csv(tmp_path / "data" / "suspicious.csv")
    assert len(listed) == project.metrics()["suspicious_labels"] > 5
    for row in listed:
        ticket = tickets[int(row["row"]) - 1]
        assert (row["source"], row["text"], row["label"]) == ("input", ticket["text"], ticket["category"])
        assert row["suggested_label"] != row["label"]
    planted = [row["label"] == "Access" and int(row["row"]) % 20 == 1 for row in listed]
    assert np.mean(planted) > 0.8


@pytest.mark.slow
def test_most_suspicious_labels_of_the_sample_are_planted_errors(sample):
    """docs/labels.md states what was measured; these are floors below it."""
    listed = [sample.is_error(row) for row in sample.suspicious()]
    parts = [row for part in ("train", "validation") for row in read_csv(sample.folder / "before-data" / f"{part}.csv")]
    planted = sum(map(sample.is_error, parts))
    assert np.mean(listed[:100]) > 0.9
    assert np.mean(listed[:CORRECTED]) > 0.85
    assert np.mean(listed) > 0.7
    assert sum(listed) > 0.75 * planted


@pytest.mark.slow
def test_correcting_the_first_suspicious_labels_raises_accuracy(sample):
    """A person answers the first 200 rightly, and their answers come back as export_feedback.py writes them."""
    first = sample.suspicious()[:CORRECTED]
    answers = [(row["text"], sample.truth[int(row["row"])], row["row"], "2026-11-29") for row in first]
    header = ("text", "label", "ticket_id", "answered_at")
    feedback = write_csv(sample.folder / "feedback.csv", answers, header)
    sample.train("after", feedback_input=str(feedback))
    rows = {row["row"] for row in first}
    assert sample.accuracy("after") > sample.accuracy("before")
    assert not rows & {row["row"] for row in sample.suspicious("after")[:CORRECTED] if sample.is_error(row)}
