"""The version in Staging is asked about live tickets too, without effect, and `check` compares it with Production."""

import pytest

from support.servers.agent import SURE, TFIDF_SURE, ModelService, start_agent, start_tfidf
from support.servers.services import AGENT, Service, fails_to_start

# The model in Production says Hardware of every ticket; that in Staging says Storage of those that mention it.
STORAGE = f"{SURE} find the storage room"


def says_of_staging(text: str) -> list[float]:
    return [0.1, 0.2, 0.7] if "storage" in text else TFIDF_SURE


@pytest.fixture
def staging():
    with ModelService(says_of_staging, sha256="c" * 64) as running:
        running.version = "2"
        yield running


@pytest.fixture
def agent(tmp_path, staging):
    """An agent that asks Staging about every ticket, and lets people audit every ticket."""
    with start_tfidf() as production:
        production.version = "1"
        places = {"SHADOW_URL": staging.url, "SHADOW_SHARE": 1, "AUDIT_SHARE": 1, "BREAKER_SECONDS": 0.1}
        with start_agent(tmp_path, production.url, **places) as running:
            yield running


def route(agent: Service, *texts: str) -> list[dict]:
    return agent.post("/predict/batch", {"texts": texts}).json["predictions"]


def failures(agent: Service) -> float:
    return agent.metric('model_service_seconds_count{outcome="failed",service="shadow"}')


@pytest.mark.runs("python scripts/mlflow_registry.py check 2 --database postgresql://agent@db.example.com/agent")
def test_check_compares_staging_with_production_on_live_tickets(agent, staging, registry_commands, tmp_path):
    """Forty tickets, of which they agree on thirty; people say of eight of the other ten that Staging is right.

    Of one on which they agree, people say that no category fits.
    """
    registry_commands.register("good", "close")
    registry_commands.run("staging", "1", "--force", "--reason", "a test")
    registry_commands.run("production", "1", "--force", "--reason", "a test")
    registry_commands.run("staging", "2", "--force", "--reason", "a test")
    address = f"sqlite:///{(tmp_path / 'agent.db').as_posix()}"

    def live() -> dict[str, str]:
        found = registry_commands.read("check", "2", "--database", address)
        return {gate["gate"]: gate["message"] for gate in found["gates"] if gate["gate"].startswith("live")}

    assert live() == {
        "live agreement": "not compared: no live ticket has an answer of Production, version 1, and of this version"
    }
    tickets = route(agent, *[SURE] * 30, *[STORAGE] * 10)
    agent.until(lambda: len(staging.texts) == 40)
    assert "not compared: 0 of these tickets were audited" in live()["live accuracy"]
    assert agent.post("/outcomes", {"ticket_id": tickets[0]["ticket_id"], "outcome": "none"}).status == 201
    right = ["Hardware"] * 31 + ["Storage"] * 8
    for ticket, category in zip(tickets[1:], right, strict=True):
        assert agent.post("/feedback", {"ticket_id": ticket["ticket_id"], "category": category}).status == 201
    found = live()
    assert found["live agreement"].startswith("75.0% (")
    assert "of 40 live tickets get the category that Production, version 1, gives them" in found["live agreement"]
    assert found["live accuracy"].startswith("92.5% (") and "and 77.5% (" in found["live accuracy"]
    assert "live agreement" in registry_commands.run("check", "2", "--database", address)
    assert "live" not in registry_commands.run("check", "2")
    other = registry_commands.run("check", "1", "--model", "transformer", "--database", address, code=2)
    assert other.startswith("error: --database is for versions of the TF-IDF model")


def test_whatever_happens_to_staging_tickets_are_answered_as_without_it(agent, staging):
    """It says something else, fails, and is away; then it is asked again. What is not stored is not sent to it."""
    (before,) = route(agent, STORAGE)
    assert ("Hardware", {"tfidf": "1"}) == (before["category"], before["versions"])
    agent.until(lambda: len(staging.texts) == 1)
    staging.misbehave("500")
    (during,) = route(agent, STORAGE)
    agent.until(lambda: failures(agent) == 1)
    staging.stop()
    (after,) = route(agent, STORAGE)
    agent.until(lambda: failures(agent) == 2)
    assert before | {"ticket_id": ""} == during | {"ticket_id": ""} == after | {"ticket_id": ""}
    staging.reset()
    assert agent.post("/predict", {"text": SURE, "store": False}).status == 200
    agent.until(lambda: route(agent, "the last one, please help me") and staging.texts != [])
    assert {"the last one, please help me"} == set(staging.texts)


def test_a_share_without_an_address_is_refused():
    assert fails_to_start(AGENT, SHADOW_SHARE=0.1).startswith("SHADOW_SHARE needs SHADOW_URL")
