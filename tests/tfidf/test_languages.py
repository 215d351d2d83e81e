"""Tickets in any script are prepared, learned and served through the commands, with the features as shipped."""

import json

import pytest

import prepare_data
import train_tfidf
from support.languages import LANGUAGES, invent_tickets
from support.repository import write_params
from support.servers.services import Service
from support.tickets import read_csv, write_csv


@pytest.fixture(scope="module", params=LANGUAGES)
def project(request, tmp_path_factory):
    """A trained model of one language, in a folder of its own."""
    folder = tmp_path_factory.mktemp(request.param)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder.as_posix()}/mlflow.db")
        tickets = write_csv(folder / "tickets.csv", invent_tickets(LANGUAGES[request.param], 200))
        params, data = folder / "params.yaml", folder / "data"
        small = {"bootstrap_samples": 100, "target_accuracy": 0.6}
        write_params(params, prepare={"input": str(tickets), "near_duplicate_similarity": 1.0}, train_tfidf=small)
        common = ["--params", str(params)]
        assert prepare_data.main([*common, "--output", str(data), "--metrics", str(folder / "p.json")]) == 0
        outputs = [
            f"--{name}={folder / place}"
            for name, place in (("model", "model"), ("metrics", "m.json"), ("plots", "plots"))
        ]
        assert train_tfidf.main([*common, "--data", str(data), *outputs]) == 0
        yield folder


def test_tickets_of_the_language_are_learned(project):
    figures = json.loads((project / "m.json").read_text(encoding="utf-8"))["test"]
    assert figures["accuracy"] >= 0.9 and figures["macro_f1"] >= 0.9
    assert figures["unknown_texts"] == 0


def test_tickets_of_the_language_are_served_with_their_words_as_explanation(project):
    """A text of which the model knows nothing says so, and goes to a person."""
    rows = read_csv(project / "data" / "test.csv")
    with Service(project, MODEL_DIR=project / "model") as service:
        service.ready()
        answer = service.post("/predict/batch?explain=true", {"texts": [row["text"] for row in rows]})
        unknown = service.post("/predict", {"text": "☎☎☎"}).json
    found = answer.json["predictions"]
    right = sum(each["category"] == row["label"] for each, row in zip(found, rows, strict=True))
    assert right >= 0.9 * len(rows)
    for each, row in zip(found, rows, strict=True):
        assert each["known_text"] is True
        assert all(word in row["text"] for weight in each["explanation"] for word in weight["term"].split(" "))
    assert unknown["known_text"] is False and unknown["needs_review"] is True
