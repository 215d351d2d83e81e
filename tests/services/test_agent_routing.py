"""Which model the agent asks, how it decides, and what it does when model services are slow, wrong or down."""

import json
import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import numpy as np
import pytest

from callcenterai import routing
from support.processes import wait_until
from support.servers.agent import (
    LABELS,
    QUICK,
    REFUSED,
    SURE,
    TRANSFORMER_SAYS,
    UNKNOWN,
    UNSURE,
    World,
    policy_of,
    start_agent,
    start_tfidf,
    start_transformer,
    write_policy,
)
from support.servers.services import AGENT, Service, assert_problem

TROUBLES = ["500", "503", "slow", "in drops", "hangs up", "broken JSON", "too few", "too many", "no category"]
TROUBLES += ["not a number", "another shape"]
RETRIES = 'model_service_retries_total{service="tfidf"}'


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Two model services, and an agent that asks both."""
    folder = tmp_path_factory.mktemp("agent")
    with start_tfidf() as first, start_transformer() as second, start_agent(folder, first.url, second.url) as running:
        yield World(first, second, running, folder / "policy.json")


@pytest.fixture
def agent(world):
    """The agent without a policy; it and its services are as after a start, except for their counters."""
    world.reset()
    return world.agent


@pytest.fixture
def tfidf(agent, world):
    return world.tfidf


@pytest.fixture
def transformer(agent, world):
    return world.transformer


@pytest.fixture
def with_policy(agent, world):
    """The agent with a policy for its services."""
    world.use(policy_of(world.tfidf.sha256, world.transformer.sha256))
    return agent


def test_without_a_policy_the_tfidf_model_answers_with_its_own_threshold(agent, tfidf, transformer):
    sure, unsure = (agent.post("/predict", {"text": text}).json for text in (SURE, UNSURE))
    assert (sure["category"], sure["confidence"], sure["decision"]) == ("Hardware", 0.9, "auto")
    assert (unsure["category"], unsure["confidence"], unsure["decision"]) == ("Hardware", 0.45, "review")
    assert {sure["model"], unsure["model"]} == {"tfidf"} and not transformer.asked
    assert sure["versions"] == {"tfidf": tfidf.version} and not sure["degraded"]
    told = agent.get("/status").json["policy"]
    assert not told["in_force"] and "not there" in told["detail"] and agent.metric("policy_in_force") == 0


def test_a_text_of_which_a_model_knows_nothing_goes_to_a_person_however_sure_the_model_is(with_policy):
    known, unknown = (with_policy.post("/predict", {"text": text}).json for text in (SURE, f"{UNKNOWN} {SURE}"))
    assert (known["decision"], unknown["decision"]) == ("auto", "review")
    assert unknown["confidence"] == known["confidence"] and "knows no word of this text" in unknown["reason"]


def test_with_a_policy_only_unsure_tickets_are_sent_to_the_transformer(with_policy, transformer):
    sure, unsure = (with_policy.post("/predict", {"text": text}).json for text in (SURE, UNSURE))
    assert (sure["model"], unsure["model"]) == ("tfidf", "both") and transformer.texts == [UNSURE]
    assert "sure enough by itself" in sure["reason"] and "both models answer together" in unsure["reason"]
    assert with_policy.metric("policy_in_force") == 1
    batch = with_policy.post("/predict/batch", {"texts": [SURE, UNSURE, SURE]}).json["predictions"]
    assert [each["model"] for each in batch] == ["tfidf", "both", "tfidf"] and transformer.texts == [UNSURE] * 2
    assert [each["best"] for each in batch] == [sure["best"], unsure["best"], sure["best"]]


def test_combined_probabilities_are_those_of_the_pipeline(agent, world, tfidf, transformer):
    """The service's probabilities are those of callcenterai/routing.py, even where a model gives exactly zero."""
    generator = np.random.default_rng(7)
    first, second = generator.dirichlet([0.5] * 3, (2, 60))
    first[0], second[1], first[2] = [0, 0, 1], [1, 0, 0], [0.5, 0.5, 0]
    texts = [f"a ticket of number {number}w" for number in range(60)]
    tfidf.says = lambda text: first[texts.index(text)].tolist()
    transformer.says = lambda text: second[texts.index(text)].tolist()
    policy = policy_of(tfidf.sha256, transformer.sha256, ask_below=0.9)
    world.use(policy)
    combination = routing.Combination((0.4, 0.8), np.array(policy["biases"]))
    expected, asked = routing.cascade(first, combination.probabilities(first, second), 0.9)
    found = agent.post("/predict/batch", {"texts": texts}).json["predictions"]
    assert tfidf.texts == texts and transformer.texts == [text for text, both in zip(texts, asked, strict=True) if both]
    assert 10 < asked.sum() < 60
    for prediction, probabilities, both in zip(found, expected, asked, strict=True):
        given = {choice["category"]: choice["probability"] for choice in prediction["best"]}
        assert [given[label] for label in LABELS] == pytest.approx(probabilities.tolist(), abs=1e-9)
        assert prediction["model"] == ("both" if both else "tfidf")
        assert prediction["decision"] == ("review" if probabilities.max() < 0.55 else "auto")


def test_a_waiting_ticket_has_the_terms_for_its_first_category_against_the_second(agent, world):
    """If the policy turns the order of the two around, it turns the signs as well."""
    world.use(policy_of(world.tfidf.sha256, world.transformer.sha256, threshold=0.99))
    alone, both = (agent.post("/predict", {"text": UNSURE, "force_model": force}).json for force in ("tfidf", None))
    assert [each["category"] for each in both["best"]][:2] == [each["category"] for each in alone["best"]][1::-1]
    shown = [agent.get(f"/tickets/{each['ticket_id']}").json["contrast"] for each in (alone, both)]
    assert shown == [[{"term": "me", "weight": weight}] for weight in (0.5, -0.5)]


def test_a_policy_without_a_threshold_sends_every_ticket_to_a_person(agent, world, tfidf, transformer):
    world.use(policy_of(tfidf.sha256, transformer.sha256, threshold=None))
    found = agent.post("/predict/batch", {"texts": [SURE, UNSURE]}).json["predictions"]
    assert [each["decision"] for each in found] == ["review", "review"]


def test_a_policy_with_a_threshold_for_each_category_uses_that_of_the_answer(agent, world, tfidf, transformer):
    policy = policy_of(tfidf.sha256, transformer.sha256, threshold=None)
    answer = agent.post("/predict", {"text": SURE}).json
    # The answer says which threshold decided.
    assert answer["threshold"] == tfidf.threshold
    for limit, decision in ((answer["confidence"], "auto"), (1.0, "review"), (None, "review")):
        world.use(policy | {"class_thresholds": dict.fromkeys(LABELS, 0.0) | {answer["category"]: limit}})
        wanted = {"decision": decision, "threshold": limit}.items()
        agent.until(lambda wanted=wanted: wanted <= agent.post("/predict", {"text": SURE}).json.items())


def test_a_policy_is_in_force_only_while_the_models_that_it_was_fitted_for_serve(with_policy, tfidf, transformer):
    """If a service has another model, what was fitted to the old one's probabilities means nothing."""
    old = transformer.sha256
    transformer.sha256 = "c" * 64
    with_policy.until(lambda: not with_policy.get("/status").json["policy"]["in_force"])
    assert "not fitted for the models that serve" in with_policy.get("/status").json["policy"]["detail"]
    with_policy.until(lambda: with_policy.metric("policy_in_force") == 0)
    assert with_policy.post("/predict", {"text": UNSURE}).json["model"] == "tfidf" and not transformer.asked
    transformer.sha256 = old
    with_policy.until(lambda: with_policy.metric("policy_in_force") == 1)
    assert with_policy.post("/predict", {"text": UNSURE}).json["model"] == "both"


def test_answers_of_a_model_version_that_the_policy_was_not_fitted_for_are_not_combined(tfidf, transformer, tmp_path):
    """Even before the agent has noticed that another model serves."""
    write_policy(tmp_path / "policy.json", policy_of(tfidf.sha256, transformer.sha256))
    with start_agent(tmp_path, tfidf.url, transformer.url, POLL_SECONDS=60, ATTEMPT_SECONDS=10) as late:
        transformer.version = "another"
        found = late.post("/predict", {"text": UNSURE}).json
    assert transformer.asked and (found["model"], found["confidence"], found["decision"]) == ("tfidf", 0.45, "review")


def test_a_new_policy_is_used_under_load_and_a_broken_file_keeps_the_last_good_one(
    with_policy, world, tfidf, transformer
):
    path, statuses, stop = world.policy, [], threading.Event()

    def ask() -> None:
        while not stop.is_set():
            statuses.append(with_policy.post("/predict", {"text": UNSURE}).status)

    with ThreadPoolExecutor(2) as threads:
        asking = [threads.submit(ask) for _ in range(2)]
        write_policy(path, policy_of(tfidf.sha256, transformer.sha256, ask_below=0.3))
        with_policy.until(lambda: with_policy.post("/predict", {"text": UNSURE}).json["model"] == "tfidf")
        path.write_text('{"format": 1', encoding="utf-8")
        with_policy.until(lambda: "is not what" in with_policy.get("/status").json["policy"]["detail"])
        assert with_policy.get("/status").json["policy"]["ask_below"] == 0.3
        assert with_policy.get("/status").json["policy"]["in_force"]
        write_policy(path, policy_of(tfidf.sha256, transformer.sha256))
        with_policy.until(lambda: with_policy.post("/predict", {"text": UNSURE}).json["model"] == "both")
        stop.set()
        assert [each.result() for each in asking] == [None, None]
    assert len(statuses) > 20 and set(statuses) == {200}


@pytest.mark.parametrize(
    "changes",
    [{"format": 2}, {"biases": [0.1]}, {"threshold": 1.5}, {"ask_below": "half"}, {"weights": {"tfidf": -1}}, None],
    ids=str,
)
def test_status_reports_an_invalid_policy_file(agent, world, tfidf, transformer, changes):
    policy = policy_of(tfidf.sha256, transformer.sha256)
    text = json.dumps(policy | changes) if changes else "[" * 100_000
    world.policy.write_text(text, encoding="utf-8")
    agent.until(lambda: "is not what fit_routing.py writes" in agent.get("/status").json["policy"]["detail"])
    assert not agent.get("/status").json["policy"]["in_force"]
    assert agent.post("/predict", {"text": UNSURE}).json["model"] == "tfidf"


def test_a_model_can_be_forced(with_policy, tfidf, transformer):
    """Its own threshold decides, whatever the policy says."""
    first = with_policy.post("/predict", {"text": UNSURE, "force_model": "tfidf"}).json
    assert (first["model"], first["confidence"], first["decision"]) == ("tfidf", 0.45, "review")
    assert not transformer.asked
    asked = len(tfidf.asked)
    second = with_policy.post("/predict", {"text": SURE, "force_model": "transformer"}).json
    assert (second["model"], second["category"], second["decision"]) == ("transformer", "HR Support", "auto")
    assert len(tfidf.asked) == asked and "was asked for" in second["reason"]
    transformer.stop()
    refused = with_policy.post("/predict", {"text": SURE, "force_model": "transformer"})
    assert "transformer: it does not answer" in assert_problem(refused, 503)


def test_the_transformer_cannot_be_forced_without_a_transformer_service(tfidf, tmp_path):
    with start_agent(tmp_path, tfidf.url) as agent:
        refused = agent.post("/predict", {"text": SURE, "force_model": "transformer"})
        assert "TRANSFORMER_URL is not set" in assert_problem(refused, 422)
        assert list(agent.get("/status").json["services"]) == ["tfidf"]


@pytest.mark.parametrize("trouble", TROUBLES)
def test_a_single_failure_of_a_service_is_retried_and_the_client_sees_nothing_of_it(agent, tfidf, trouble):
    """There is exactly one retry: a lost answer costs time, nothing else."""
    before = agent.metric(RETRIES)
    tfidf.misbehave(trouble, times=1)
    found = agent.post("/predict", {"text": SURE}).json
    assert (found["model"], found["degraded"]) == ("tfidf", False)
    assert tfidf.texts == [SURE] * 2 and agent.metric(RETRIES) == before + 1


@pytest.mark.parametrize("trouble", TROUBLES)
def test_after_two_failures_the_other_model_answers_in_its_place(agent, tfidf, transformer, trouble):
    """Within the time budget, by the threshold of the model that answers; the answer says that it is degraded."""
    tfidf.misbehave(trouble, times=2)
    before, started = agent.metric("tickets_degraded_total"), time.perf_counter()
    found = agent.post("/predict", {"text": SURE}).json
    assert time.perf_counter() - started < QUICK["BUDGET_SECONDS"] + 0.5
    assert (found["model"], found["degraded"], found["decision"]) == ("transformer", True, "auto")
    assert found["best"][0] == {"category": "HR Support", "probability": max(TRANSFORMER_SAYS)}
    assert "the TF-IDF model does not answer, so the transformer stands in" in found["reason"]
    assert tfidf.texts == [SURE] * 2 and transformer.texts == [SURE]
    assert agent.metric("tickets_degraded_total") == before + 1
    again = agent.post("/predict", {"text": SURE}).json
    assert (again["model"], again["degraded"]) == ("tfidf", False)


def test_without_the_transformer_the_tfidf_model_answers_unsure_tickets_with_its_own_threshold(
    with_policy, transformer
):
    """The policy's threshold was fitted for both models; sure tickets do not need the transformer."""
    transformer.stop()
    sure, unsure = with_policy.post("/predict/batch", {"texts": [SURE, UNSURE]}).json["predictions"]
    assert (sure["model"], sure["degraded"], sure["decision"]) == ("tfidf", False, "auto")
    assert (unsure["model"], unsure["degraded"], unsure["decision"]) == ("tfidf", True, "review")
    # This stays so after the agent has noticed that the service is down.
    wait_until(lambda: not with_policy.get("/status").json["services"]["transformer"]["ready"], 10)
    assert with_policy.post("/predict", {"text": UNSURE}).json["degraded"]
    transformer.start()
    wait_until(lambda: with_policy.post("/predict", {"text": UNSURE}).json["model"] == "both", 10)


def test_a_text_that_a_service_refuses_harms_no_other_that_comes_at_the_same_moment(agent, tfidf, transformer):
    """Texts of the same moment share a request, which the service refuses as a whole."""
    transformer.stop()
    tfidf.misbehave("refuses some")
    texts = [f"{REFUSED if number % 3 == 0 else SURE} {number}w" for number in range(18)]
    with ThreadPoolExecutor(6) as threads:
        found = list(threads.map(lambda text: agent.post("/predict", {"text": text}), texts))
    for text, answer in zip(texts, found, strict=True):
        if text.startswith(REFUSED):
            assert "tfidf: it answers 422" in assert_problem(answer, 503)
        else:
            assert answer.status == 200 and answer.json["category"] == "Hardware"
    assert agent.get("/status").json["services"]["tfidf"]["breaker"] == "closed"


@pytest.mark.parametrize("status", ["401", "413", "422"])
def test_a_refused_request_is_not_retried_and_does_not_open_the_breaker(agent, tfidf, status):
    """One ticket that is too long for a service must not keep the others from it."""
    tfidf.misbehave(status, times=6)
    for _ in range(6):
        assert agent.post("/predict", {"text": SURE}).json["model"] == "transformer"
    assert len(tfidf.asked) == 6
    assert agent.post("/predict", {"text": SURE}).json["model"] == "tfidf"


def test_a_slow_service_delays_a_ticket_by_no_more_than_the_budget(tfidf, transformer, tmp_path):
    """Two attempts would take longer than the budget."""
    with start_agent(tmp_path, tfidf.url, transformer.url, ATTEMPT_SECONDS=1, BUDGET_SECONDS=1.2) as patient:
        tfidf.misbehave("slow")
        started = time.perf_counter()
        assert patient.post("/predict", {"text": SURE}).json["model"] == "transformer"
        assert 1.1 < time.perf_counter() - started < 2


def test_a_ticket_that_no_model_answers_within_the_budget_gets_that_as_the_reason(tfidf, tmp_path):
    with start_agent(tmp_path, tfidf.url, ATTEMPT_SECONDS=5, BUDGET_SECONDS=0.3) as alone:
        tfidf.misbehave("slow")
        assert assert_problem(alone.post("/predict", {"text": SURE}), 503) == (
            "no model answers: tfidf: no answer in time"
        )


def test_the_breaker_opens_after_failures_and_closes_again_by_itself(agent, tfidf):
    """It opens after BREAKER_FAILURES attempts; after BREAKER_SECONDS one request tests the service and closes it."""
    breaker = 'circuit_breaker_open{service="tfidf"}'
    tfidf.misbehave("500")
    for _ in range(8):
        assert agent.post("/predict", {"text": SURE}).json["degraded"]
    assert len(tfidf.asked) == QUICK["BREAKER_FAILURES"]
    assert agent.get("/status").json["services"]["tfidf"]["breaker"] == "opened" and agent.metric(breaker) == 1
    time.sleep(QUICK["BREAKER_SECONDS"] + 0.1)
    assert agent.post("/predict", {"text": SURE}).json["degraded"]
    assert len(tfidf.asked) == QUICK["BREAKER_FAILURES"] + 1, "one attempt, and the breaker is open again"
    tfidf.misbehave(None)
    time.sleep(QUICK["BREAKER_SECONDS"] + 0.1)
    assert not agent.post("/predict", {"text": SURE}).json["degraded"]
    assert agent.get("/status").json["services"]["tfidf"]["breaker"] == "closed" and agent.metric(breaker) == 0


def test_an_open_breaker_is_reported_as_half_open_after_its_time_without_any_request(agent, tfidf):
    """The metric and /status report what the next request would meet, not what the last one met."""
    breaker = 'circuit_breaker_open{service="tfidf"}'

    def said() -> tuple[float, str]:
        return agent.metric(breaker), agent.get("/status").json["services"]["tfidf"]["breaker"]

    assert said() == (0, "closed")
    tfidf.misbehave("500")
    for _ in range(3):
        agent.post("/predict", {"text": SURE})
    assert said() == (1, "opened")
    asked = len(tfidf.asked)
    agent.until(lambda: said() == (0, "half-opened"))
    assert len(tfidf.asked) == asked, "no ticket was needed"
    agent.post("/predict", {"text": SURE})
    assert (
        said() == (1, "opened") and len(tfidf.asked) == asked + 1
    ), "the next request tested the service, and it failed again"


def test_one_request_tests_a_slow_service_while_the_others_do_not_wait(agent, tfidf):
    tfidf.misbehave("slow")
    for _ in range(2):
        assert agent.post("/predict", {"text": SURE}).json["degraded"]
    time.sleep(QUICK["BREAKER_SECONDS"] + 0.1)
    asked = len(tfidf.asked)

    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda _: agent.post("/predict", {"text": SURE}).json["degraded"], range(8)))
    # If threads are late, one of them arrives after the breaker's next pause and tests again.
    assert found == [True] * 8 and 1 <= len(tfidf.asked) - asked <= 2


def test_when_no_model_answers_the_agent_says_why_and_recovers_by_itself(agent, tfidf, transformer):
    tfidf.misbehave("503")
    transformer.stop()
    refused = agent.post("/predict", {"text": SURE, "ticket_id": "1"})
    assert assert_problem(refused, 503) == (
        "no model answers: tfidf: it answers 503; transformer: it does not answer (ClientConnectorError)"
    )
    assert int(refused.headers["retry-after"]) > 0
    tfidf.stop()
    # The first request afterwards may still use the old connection, and fail while reading from it.
    gone = "tfidf: no usable answer to /model (ClientConnectorError)"
    agent.until(lambda: gone in agent.get("/ready").body.decode())
    assert gone in assert_problem(agent.get("/ready"), 503)
    assert agent.metric('model_service_ready{service="tfidf"}') == 0 and agent.get("/health").status == 200
    tfidf.misbehave(None)
    tfidf.start()
    agent.ready()
    agent.until(lambda: agent.post("/predict", {"text": SURE, "ticket_id": "1"}).status == 200)
    assert not agent.post("/predict", {"text": UNSURE}).json["degraded"]


def test_the_request_id_and_each_services_key_are_sent_to_the_services(tfidf, transformer, tmp_path):
    keys = {"TFIDF_API_KEY": "sesame", "TRANSFORMER_API_KEY": "simsim"}
    write_policy(tmp_path / "policy.json", policy_of(tfidf.sha256, transformer.sha256))
    with start_agent(tmp_path, tfidf.url, transformer.url, **keys) as another:
        another.until(lambda: another.metric("policy_in_force") == 1)
        another.post("/predict", {"text": UNSURE}, X_Request_ID="ticket-4711")
    for service, key in ((tfidf, "sesame"), (transformer, "simsim")):
        headers = service.asked[0]["headers"]
        assert (headers["X-Request-ID"], headers["Authorization"]) == ("ticket-4711", f"Bearer {key}")
        assert key not in another.log.read_text(encoding="utf-8")


def test_the_agent_starts_before_its_services_and_answers_once_they_are_up(tfidf, tmp_path):
    tfidf.stop()
    places = {"TFIDF_URL": tfidf.url, "DATABASE_URL": f"sqlite:///{(tmp_path / 'agent.db').as_posix()}"}
    with Service(tmp_path, AGENT, **places) as early:
        assert_problem(early.get("/ready"), 503)
        assert early.get("/status").json["labels"] == []
        assert_problem(early.post("/predict", {"text": SURE}), 503)
        answer = {"ticket_id": "1", "category": LABELS[0], "text": SURE}
        assert "no model service has reported its categories yet" in assert_problem(
            early.post("/feedback", answer), 503
        )
        tfidf.start()
        wait_until(lambda: early.post("/predict", {"text": SURE}).status == 200, 10)
        assert early.ready().get("/status").json["labels"] == LABELS


def test_an_agent_that_restarts_while_its_services_are_down_still_knows_the_categories(tfidf, tmp_path):
    """They are in its database: people go on answering the tickets that wait."""
    with start_agent(tmp_path, tfidf.url) as before:
        assert before.post("/predict", {"text": UNSURE, "ticket_id": "1"}).json["decision"] == "review"
        before.until(lambda: kept_labels(tmp_path / "agent.db") == LABELS)
    tfidf.stop()
    places = {"TFIDF_URL": tfidf.url, "DATABASE_URL": f"sqlite:///{(tmp_path / 'agent.db').as_posix()}"}
    with Service(tmp_path, AGENT, **places) as after:
        after.until(lambda: after.get("/status").json["labels"] == LABELS)
        status = after.get("/status").json["services"]["tfidf"]
        assert not status["ready"] and "no usable answer" in status["detail"]
        assert after.post("/feedback", {"ticket_id": "1", "category": LABELS[2]}).status == 201


def kept_labels(database):
    with closing(sqlite3.connect(database)) as connection:
        row = connection.execute("SELECT labels FROM known_labels WHERE service = 'tfidf'").fetchone()
    return row and json.loads(row[0])
