"""What people can still do while the model service is down, and what the pages say of a model that nobody promoted."""

import pytest

from support.servers.agent import LABELS, UNSURE, start_agent, start_tfidf
from support.servers.services import AGENT, Service
from support.servers.web import Visitor, start


@pytest.fixture
def tfidf():
    with start_tfidf() as running:
        yield running


def test_every_page_works_while_the_model_service_is_down(tfidf, tmp_path):
    """The agent has even restarted: Review offers every category, Models says who is down, and the forms open."""
    with start_agent(tmp_path, tfidf.url) as before:
        for number in "12":
            assert before.post("/predict", {"text": UNSURE, "ticket_id": number}).json["decision"] == "review"
    tfidf.stop()
    places = {"TFIDF_URL": tfidf.url, "DATABASE_URL": f"sqlite:///{(tmp_path / 'agent.db').as_posix()}"}
    with Service(tmp_path, AGENT, **places) as agent, start(tmp_path, f"http://127.0.0.1:{agent.port}") as web:
        agent.until(lambda: agent.get("/status").json["labels"] == LABELS)
        visitor = Visitor(web)
        page = visitor.get("/review")
        assert page.status == 200 and "2 tickets waiting" in page.body.decode()
        assert all(f'name="category" value="{label}"' in page.body.decode() for label in LABELS)
        assert visitor.post("/review", ticket_id="1", category=LABELS[2], after="").status == 303
        assert "1 ticket waiting" in visitor.get("/review").body.decode()
        models = visitor.get("/models")
        assert models.status == 200 and "Down" in models.body.decode() and "no usable answer" in models.body.decode()
        assert {visitor.get(path).status for path in ("/", "/batch", "/models/health")} == {200}


def test_the_pages_say_that_a_model_was_not_promoted(tfidf, tmp_path):
    """The model service reports no stage, as with MODEL_DIR."""
    with start_agent(tmp_path, tfidf.url) as agent, start(tmp_path, f"http://127.0.0.1:{agent.port}") as web:
        visitor = Visitor(web)
        for page in (visitor.get("/models"), visitor.get("/review"), visitor.post("/", text=UNSURE)):
            assert page.status == 200 and "TF-IDF: this model was not promoted" in page.body.decode()
