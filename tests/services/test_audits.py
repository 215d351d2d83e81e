"""The audit: people check some of the tickets that were routed without them, and from that comes the live accuracy."""

import csv
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa

import export_feedback
from callcenterai.agent_data.live_figures.accuracy import AuditSums, estimate_accuracy
from services.agent.storage import database
from support.servers.agent import (
    SURE,
    TARGET,
    UNSURE,
    policy_of,
    start_agent,
    start_tfidf,
    start_transformer,
    write_policy,
)
from support.servers.services import AGENT, assert_problem, fails_to_start

# What the model says of SURE.
RIGHT, WRONG = "Hardware", "Storage"


@pytest.fixture(scope="module")
def tfidf():
    with start_tfidf() as running:
        yield running


@pytest.fixture
def address(request, tmp_path):
    """An empty database: SQLite, unless the test asks for PostgreSQL."""
    if getattr(request, "param", "sqlite") == "sqlite":
        return f"sqlite:///{(tmp_path / 'agent.db').as_posix()}"
    server = sa.make_url(request.getfixturevalue("postgresql").address)
    engine = sa.create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql("DROP DATABASE IF EXISTS audits")
        connection.exec_driver_sql("CREATE DATABASE audits")
    engine.dispose()
    return server.set(database="audits", drivername="postgresql").render_as_string(hide_password=False)


@pytest.fixture
def agent(address, tfidf, tmp_path):
    """An agent that audits every ticket."""
    with start_agent(tmp_path, tfidf.url, DATABASE_URL=address, AUDIT_SHARE=1, AUDIT_SECONDS=0.2) as running:
        yield running


def route(agent, text: str = SURE, **more: object) -> dict:
    answer = agent.post("/predict", {"text": text} | more)
    assert answer.status == 200, answer.body
    return answer.json


def give(agent, ticket_id: str, category: str) -> int:
    answer = agent.post("/feedback", {"ticket_id": ticket_id, "category": category})
    assert answer.status == 201, answer.body
    return answer.json["answer_id"]


def audit(agent, right: int, wrong: int) -> None:
    """Route tickets, and have people say of so many that they were right or wrong."""
    tickets = agent.post("/predict/batch", {"texts": [SURE] * (right + wrong)}).json["predictions"]
    for number, ticket in enumerate(tickets):
        give(agent, ticket["ticket_id"], RIGHT if number < right else WRONG)


def stored(address: str, *columns: str) -> list[tuple]:
    engine = database.make_engine(address)
    with engine.connect() as connection:
        found = connection.execute(sa.select(*(database.tickets.c[name] for name in columns))).all()
    engine.dispose()
    return [tuple(row) for row in found]


def test_an_audited_ticket_is_answered_as_always_and_reviewed_without_the_models_answer(agent):
    answer = route(agent, ticket_id="one")
    assert (answer["decision"], answer["category"], "audit" in answer) == ("auto", RIGHT, False)
    held = agent.post("/reviews/next", {"reviewer": "ada"}).json
    assert held["waiting"] == 1 and held["ticket"]["text"] == SURE
    (listed,) = agent.get("/reviews").json["tickets"]
    told = {"ticket_id", "received_at", "text", "language", "personal_data", "waiting", "audit", "label_check"}
    assert set(listed) == told and set(held["ticket"]) == told | {"answers", "outcomes"} and listed["audit"] is True
    # The program that sent the ticket gets its category again, as always.
    assert route(agent, ticket_id="one") == answer and agent.get("/tickets/one").json["category"] == RIGHT


def test_a_ticket_for_review_is_no_audit_and_shows_the_suggestion(agent):
    route(agent, UNSURE)
    (listed,) = agent.get("/reviews").json["tickets"]
    assert listed["audit"] is False and listed["category"] and listed["explanation"]
    assert agent.get("/audits").json["weeks"] == []


def test_without_storing_there_is_no_audit(agent):
    route(agent, store=False)
    assert agent.get("/reviews").json["waiting"] == 0 and agent.metric("tickets_audited_total") == 0


def test_the_drawn_tickets_are_a_random_share_and_their_probability_is_kept(address, tfidf, tmp_path):
    with start_agent(tmp_path, tfidf.url, DATABASE_URL=address, AUDIT_SHARE=0.2) as agent:
        for _ in range(10):
            agent.post("/predict/batch", {"texts": [SURE] * 60})
        waiting = agent.get("/reviews").json["waiting"]
        assert agent.metric("tickets_audited_total") == waiting == agent.get("/audits").json["weeks"][0]["drawn"]
    kept = stored(address, "text", "waiting", "audit_probability")
    drawn = [probability for text, waits, probability in kept if (text, waits) == (SURE, True)]
    assert len(drawn) == waiting and all(0 < each < 1 for each in drawn)
    assert {(None, False, None)} == {row for row in kept if row[2] is None}
    # The weights make up the number of all tickets; the deviation of the number drawn is 10, here allowed five times.
    assert 70 <= len(drawn) <= 170 and sum(1 / each for each in drawn) == pytest.approx(600, rel=0.45)


@pytest.mark.parametrize("address", ["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)], indirect=True)
def test_the_live_accuracy_follows_from_the_last_standing_answers(agent):
    audit(agent, right=18, wrong=2)
    pending = route(agent)["ticket_id"]
    week = datetime.now(UTC).strftime("%G-W%V")
    expected = estimate_accuracy(AuditSums(20, 20.0, 20.0, 18.0, 18.0))._asdict() | {"drawn": 21, "answered": 20}
    report = agent.get("/audits").json
    assert [expected | {"week": week, "decided_by": "tfidf aaaaaaaaaaaa"}] == report["weeks"]
    assert [expected | {"days": days, "verdict": "unknown"} for days in (7, 28)] == report["recent"]
    assert {"decided_by": "tfidf aaaaaaaaaaaa", "target_accuracy": TARGET, "needed_answers": 92} == report["deciding"]
    wrong = give(agent, pending, WRONG)
    assert agent.get("/audits").json["recent"][0]["accuracy"] == pytest.approx(18 / 21)
    give(agent, pending, RIGHT)
    assert agent.get("/audits").json["recent"][0]["accuracy"] == pytest.approx(19 / 21), "the last answer counts"
    assert agent.ask("DELETE", f"/feedback/{wrong}").status == 200
    assert agent.get("/audits").json["recent"][0]["accuracy"] == pytest.approx(19 / 21)
    for outcome, answered in (("none", 22), ("not_ticket", 22), ("several", 21)):
        # That none fits says that the model was wrong; of several, it may have named one.
        ended = agent.post("/outcomes", {"ticket_id": route(agent)["ticket_id"], "outcome": outcome, "comment": "why"})
        recent = agent.get("/audits").json["recent"][0]
        assert (recent["answered"], recent["accuracy"]) == (answered, pytest.approx(19 / answered))
        agent.ask("DELETE", f"/outcomes/{ended.json['outcome_id']}")


def test_a_withdrawn_audit_waits_again(agent):
    ticket_id = route(agent)["ticket_id"]
    answer = give(agent, ticket_id, WRONG)
    assert agent.get("/reviews").json["waiting"] == 0
    assert agent.ask("DELETE", f"/feedback/{answer}").status == 200
    assert agent.post("/reviews/next", {"reviewer": "ada"}).json["ticket"]["ticket_id"] == ticket_id
    assert agent.get("/audits").json["recent"][0]["answered"] == 0


def test_the_verdict_says_whether_the_promise_is_kept(agent):
    labels = '{days="28",decided_by="tfidf aaaaaaaaaaaa"}'
    for right, wrong, verdict in ((93, 0, "kept"), (0, 4, "open"), (0, 10, "broken")):
        audit(agent, right, wrong)
        recent = agent.get("/audits").json["recent"][1]
        assert verdict == recent["verdict"]
        agent.until(lambda recent=recent: agent.metric(f"live_accuracy_high{labels}") == recent["high"])
    shown = [agent.metric(f"live_accuracy_{name}{labels}") for name in ("estimate", "low", "answers", "target")]
    assert shown == [recent["accuracy"], recent["low"], recent["effective_answers"], TARGET]
    assert agent.metric(f"live_accuracy_answers_needed{labels}") == 92


def test_a_few_wrong_answers_do_not_break_the_promise(agent):
    audit(agent, 0, 3)
    recent = agent.get("/audits").json["recent"][1]
    assert recent["high"] < TARGET and recent["verdict"] == "unknown"


def test_accuracy_is_reported_for_each_model_and_policy(tfidf, address, tmp_path):
    """The tickets of the policy, which are routed by one model or both, are one group."""
    with start_transformer() as transformer:
        policy = policy_of(tfidf.sha256, transformer.sha256) | {"threshold": 0.5}
        places = {"DATABASE_URL": address, "AUDIT_SHARE": 1}
        with start_agent(tmp_path, tfidf.url, transformer.url, **places) as agent:
            route(agent)
            write_policy(tmp_path / "policy.json", policy)
            agent.until(lambda: agent.get("/status").json["policy"]["in_force"])
            assert {route(agent)["model"], route(agent, UNSURE)["model"]} == {"tfidf", "both"}
            deciding = agent.get("/audits").json["deciding"]
            drawn = {each["decided_by"]: each["drawn"] for each in agent.get("/audits").json["weeks"]}
    assert deciding["decided_by"].startswith("tfidf aaaaaaaaaaaa, policy ")
    assert drawn == {"tfidf aaaaaaaaaaaa": 1, deciding["decided_by"]: 2}


def test_answers_of_the_audit_are_marked_in_the_export(agent, address, tmp_path):
    give(agent, route(agent)["ticket_id"], WRONG)
    give(agent, route(agent, UNSURE)["ticket_id"], WRONG)
    assert export_feedback.main([str(tmp_path / "feedback.csv"), "--database", address]) == 0
    with (tmp_path / "feedback.csv").open(encoding="utf-8", newline="") as file:
        assert [row["audited"] for row in csv.DictReader(file)] == ["yes", "no"]


def test_by_uncertainty_the_least_sure_ticket_comes_first_and_audits_are_mixed_in(agent, tfidf):
    """Of 8 tickets, 4 are audits: one of these comes first in half of the lists; among themselves they are by age."""
    tfidf.says = lambda text: [1 - float(text[-4:]), float(text[-4:]), 0.0]
    try:
        sure = [route(agent, f"a ticket for {share:.2f}")["ticket_id"] for share in (0.97, 0.82, 0.9, 0.85)]
        unsure = [route(agent, f"a ticket for {share:.2f}")["ticket_id"] for share in (0.7, 0.51, 0.79, 0.6)]
    finally:
        tfidf.reset()
    lists = [
        [each["ticket_id"] for each in agent.get(f"/reviews?order={order}").json["tickets"]]
        for order in ["age"] + ["uncertainty"] * 40
    ]
    assert lists[0] == sure + unsure
    least_sure = [unsure[place] for place in (1, 3, 0, 2)]
    assert {tuple(each) for each in lists[1:]} == {(*sure, *least_sure), (*least_sure, *sure)}
    seen, skipped = set(), {}
    for _ in range(8):
        held = agent.post("/reviews/next", {"reviewer": "ada", "order": "uncertainty"} | skipped).json["ticket"]
        seen.add(held["ticket_id"])
        skipped = {"after": held["ticket_id"]}
    assert seen == {*sure, *unsure}
    assert_problem(agent.get("/reviews?order=size"), 422)
    assert_problem(agent.post("/reviews/next", {"reviewer": "ada", "order": "size"}), 422)


def test_an_impossible_share_or_number_of_weeks_is_refused(agent):
    assert fails_to_start(AGENT, AUDIT_SHARE=1.5).startswith("AUDIT_SHARE: ")
    for weeks in ("0", "54", "x"):
        assert_problem(agent.get(f"/audits?weeks={weeks}"), 422)
