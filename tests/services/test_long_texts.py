"""Long texts that were made to be slow keep nobody else waiting, and end when their time is up."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from support.processes import wait_until
from support.servers.agent import start_agent
from support.servers.services import Service, assert_problem
from support.servers.web import Visitor, start

LARGEST = 50_000
TICKET = {"text": "my laptop is broken, the screen stays black"}
# Each was the slowest of its kind: phone numbers, passwords, card numbers; and for the models, many short words.
HOSTILE = ["2001:1.2.3", "order 0199001234 ", '{"password":"', "4111 1111 1111 1111,", "a "]
ATTACKERS = 8


@pytest.fixture(scope="module")
def tfidf(folders, tmp_path_factory):
    with Service(tmp_path_factory.mktemp("tfidf"), MODEL_DIR=folders["good"]) as running:
        yield running.ready()


@pytest.fixture(scope="module")
def agent(tfidf, tmp_path_factory):
    limits = {"ATTEMPT_SECONDS": 2, "BUDGET_SECONDS": 5, "BREAKER_FAILURES": 5, "BREAKER_SECONDS": 10}
    with start_agent(tmp_path_factory.mktemp("agent"), f"http://127.0.0.1:{tfidf.port}", **limits) as running:
        yield running


def hostile(unit: str, length: int = LARGEST) -> str:
    return (unit * length)[:length]


def answers_during(attack, ask) -> list[tuple[int, float]]:
    """Return statuses and seconds of requests that are sent one after the other while eight attackers send theirs."""
    found, over = [], threading.Event()

    def ask_repeatedly() -> None:
        while not over.is_set():
            started = time.monotonic()
            found.append((ask().status, time.monotonic() - started))
            time.sleep(0.02)

    with ThreadPoolExecutor(ATTACKERS + 1) as pool:
        asking = pool.submit(ask_repeatedly)
        for sent in [pool.submit(attack) for _ in range(ATTACKERS)]:
            sent.result()
        over.set()
        asking.result()
    return found


def assert_answered_meanwhile(found: list[tuple[int, float]]) -> None:
    """All are answered, and nine of ten do not wait for the attack to end.

    They take less than a second (2026-11-29); without the defence it was 20 to 60. The bound allows for a busy machine.
    """
    assert {status for status, _ in found} == {200}
    seconds = sorted(seconds for _, seconds in found)
    assert seconds[len(seconds) * 9 // 10] < 8


@pytest.mark.slow
@pytest.mark.parametrize("unit", HOSTILE)
def test_short_tickets_are_answered_while_eight_hostile_ones_are_examined(agent, unit):
    body = {"text": hostile(unit)}
    found = answers_during(lambda: agent.post("/predict", body), lambda: agent.post("/predict", TICKET))
    assert_answered_meanwhile(found)


@pytest.mark.slow
def test_the_model_service_answers_short_tickets_while_it_scores_long_ones(tfidf):
    """A batch of a million bytes takes it seconds."""
    body = {"texts": [hostile("a ", 9_000)] * 20}
    found = answers_during(
        lambda: tfidf.post("/predict/batch?explain=true", body), lambda: tfidf.post("/predict", TICKET)
    )
    assert_answered_meanwhile(found)


@pytest.mark.slow
def test_pages_are_shown_while_long_tickets_are_marked(agent_double, tmp_path):
    with start(tmp_path, agent_double.address) as web:
        visitors = [Visitor(web) for _ in range(ATTACKERS)]
        for visitor in visitors:
            visitor.get("/")
        found = answers_during(lambda: visitors.pop().post("/", text=hostile("a ")), lambda: web.get("/models"))
        assert_answered_meanwhile(found)


def test_a_text_that_takes_too_long_is_refused_and_later_ones_are_answered(tfidf, tmp_path):
    with start_agent(tmp_path, f"http://127.0.0.1:{tfidf.port}", TEXT_SECONDS=0.1) as running:
        long = {"text": hostile("my laptop is broken. ", 5_000)}
        # A busy machine may take a tenth of a second for any text.
        wait_until(lambda: running.post("/predict", long).status == 200, 60)
        detail = assert_problem(running.post("/predict", {"text": hostile("order 0199001234 ")}), 422)
        assert "longer than 0.1 s" in detail and "shorter" in detail
        wait_until(lambda: running.post("/predict", long).status == 200, 60)


def test_only_so_many_long_texts_may_wait(tfidf, tmp_path):
    """More are refused at once, so that they do not use up what all requests share."""
    with start_agent(tmp_path, f"http://127.0.0.1:{tfidf.port}") as running, ThreadPoolExecutor(40) as pool:
        body = {"text": hostile("order 0199001234 ", 20_000)}
        sent = [pool.submit(running.post, "/predict", body) for _ in range(40)]
        assert running.post("/predict", TICKET).status == 200
        refused = [answer.result() for answer in sent if answer.result().status == 503]
        assert refused and "Retry-After" in refused[0].headers
