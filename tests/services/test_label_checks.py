"""Labels that training doubts are a review queue of their own; people's answers replace them at the next prepare."""

import csv

import pytest

import export_feedback
import queue_label_checks
from support.servers.agent import UNSURE, start_agent, start_tfidf
from support.servers.web import Visitor, start
from support.tickets import write_csv

COLUMNS = ("source", "row", "label", "suggested_label", "label_probability", "suggested_probability", "text")
DOUBTFUL = "the disk of the archive is full"
ROWS = [
    ("input", 7, "Hardware", "Storage", 0.1, 0.8, "please add a folder to the share"),
    ("input", 3, "Hardware", "Storage", 0.02, 0.95, DOUBTFUL),
    ("input", 9, "Storage", "HR Support", 0.2, 0.7, "my payslip of May is missing, write to ada@example.com"),
]


@pytest.fixture
def agent(tmp_path):
    with start_tfidf() as tfidf, start_agent(tmp_path, tfidf.url) as running:
        yield running


@pytest.fixture
def queue(tmp_path):
    """Returns the exit code of the command, which queues the first two of the three likely errors."""
    suspicious = write_csv(tmp_path / "suspicious.csv", ROWS, COLUMNS)
    database = f"sqlite:///{(tmp_path / 'agent.db').as_posix()}"
    return lambda: queue_label_checks.main([str(suspicious), "--most", "2", "--database", database])


@pytest.mark.runs("python scripts/queue_label_checks.py data/processed/suspicious.csv")
def test_doubtful_labels_wait_apart_from_other_tickets_and_are_shown_blind(agent, queue, capsys):
    waiting = agent.post("/predict", {"text": UNSURE}).json["ticket_id"]
    assert queue() == 0
    assert capsys.readouterr().out == "tickets queued for review: 2\n"
    doubtful = agent.get("/reviews?order=labels").json
    assert doubtful["waiting"] == 2 and [each["text"] for each in doubtful["tickets"]] == [DOUBTFUL, ROWS[0][-1]]
    shown = {"ticket_id", "received_at", "text", "language", "personal_data", "waiting", "audit", "label_check"}
    assert all(set(each) == shown for each in doubtful["tickets"])
    for order in ("age", "uncertainty"):
        others = agent.get(f"/reviews?order={order}").json
        assert others["waiting"] == 1 and [each["ticket_id"] for each in others["tickets"]] == [waiting]
    assert sum(each["tickets"] for each in agent.get("/volumes").json["days"]) == 1
    ask = {"reviewer": "ada"}
    assert agent.post("/reviews/next", ask).json["ticket"]["ticket_id"] == waiting
    assert agent.post("/reviews/next", ask | {"order": "labels"}).json["ticket"]["text"] == DOUBTFUL


def test_the_agent_keeps_no_personal_data_of_a_doubtful_label(agent, tmp_path, capsys):
    """Also where prepare was told to leave it in the texts."""
    write_csv(tmp_path / "suspicious.csv", ROWS, COLUMNS)
    database = f"sqlite:///{(tmp_path / 'agent.db').as_posix()}"
    assert queue_label_checks.main([str(tmp_path / "suspicious.csv"), "--database", database]) == 0
    last = agent.get("/reviews?order=labels").json["tickets"][-1]
    assert (
        last["text"].startswith("my payslip") and "ada@" not in last["text"] and last["personal_data"] == {"email": 1}
    )


def test_an_answer_on_the_page_replaces_the_label_and_the_text_is_not_queued_again(agent, queue, tmp_path, capsys):
    assert queue() == 0
    with start(tmp_path, f"http://127.0.0.1:{agent.port}") as web:
        visitor = Visitor(web)
        page = visitor.get("/review?order=labels").body.decode()
        assert "Doubtful label" in page and "2 tickets waiting" in page and "Accept" not in page
        ticket = agent.get("/reviews?order=labels").json["tickets"][0]["ticket_id"]
        assert visitor.post("/review", ticket_id=ticket, category="Hardware").status == 303
        assert "1 ticket waiting" in visitor.get("/review").body.decode(), "the session stays with this queue"
    counted = [line for line in agent.get("/metrics").body.decode().splitlines() if line.startswith("answers_total")]
    assert counted == ['answers_total{agrees="false",decision="check"} 1.0'], "apart from answers to live tickets"
    database = f"sqlite:///{(tmp_path / 'agent.db').as_posix()}"
    assert export_feedback.main([str(tmp_path / "feedback.csv"), "--database", database]) == 0
    with (tmp_path / "feedback.csv").open(encoding="utf-8", newline="") as file:
        assert [(row["text"], row["label"]) for row in csv.DictReader(file)] == [(DOUBTFUL, "Hardware")]
    capsys.readouterr()
    assert queue() == 0
    assert capsys.readouterr().out == "tickets queued for review: 0\n"
    (answer,) = agent.get(f"/tickets/{ticket}").json["answers"]
    assert agent.ask("DELETE", f"/feedback/{answer['answer_id']}").status == 200
    assert agent.get("/reviews?order=labels").json["waiting"] == 2


def test_a_file_that_training_did_not_write_is_an_error(tmp_path, queue, error_line):
    write_csv(tmp_path / "suspicious.csv", [("a ticket", "Hardware")], ("text", "label"))
    assert queue() == 2
    said = error_line()
    assert "is not as training wrote it (KeyError('suggested_label')); `dvc repro -f train_tfidf` does" in said
