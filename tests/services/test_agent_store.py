"""What the agent stores: tickets for review and people's answers, nothing else; on SQLite and on PostgreSQL."""

import json
import os
import sqlite3
import threading
import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from services.agent.storage import database
from support.servers.agent import LABELS, SURE, UNSURE, start_agent, start_tfidf
from support.servers.services import AGENT, Service, assert_problem, fails_to_start

KINDS = ("sqlite", "postgresql")


@pytest.fixture(scope="module")
def tfidf():
    with start_tfidf() as running:
        yield running


@pytest.fixture(scope="module")
def new_database(request, tmp_path_factory):
    """Returns the address of an empty database of a kind."""

    def make(kind: str) -> str:
        name = f"agent_{uuid.uuid4().hex}"
        if kind == "sqlite":
            return f"sqlite:///{(tmp_path_factory.mktemp('database') / name).as_posix()}"
        address = sa.make_url(request.getfixturevalue("postgresql").address)
        engine = sa.create_engine(address, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.exec_driver_sql(f"CREATE DATABASE {name}")
        engine.dispose()
        return address.set(database=name, drivername="postgresql").render_as_string(hide_password=False)

    return make


@pytest.fixture(scope="module", params=KINDS)
def address(request, new_database):
    return new_database(request.param)


@pytest.fixture(scope="module")
def agent(address, tfidf, tmp_path_factory):
    """An agent with a database of each kind."""
    with start_agent(tmp_path_factory.mktemp("agent"), tfidf.url, DATABASE_URL=address) as running:
        yield running


@pytest.fixture
def fresh(tfidf, tmp_path):
    """An agent with an empty SQLite database, for tests that do not depend on the kind."""
    with start_agent(tmp_path, tfidf.url) as running:
        yield running


def rows(address: str, statement: str) -> list[tuple]:
    engine = database.make_engine(address)
    with engine.connect() as connection:
        found = [tuple(row) for row in connection.exec_driver_sql(statement)]
    engine.dispose()
    return found


def predicted(agent, text: str, ticket_id: str | None = None) -> dict:
    answer = agent.post("/predict", {"text": text} | ({"ticket_id": ticket_id} if ticket_id else {}))
    assert answer.status == 200, answer.body
    return answer.json


def tickets_counted(agent) -> float:
    lines = agent.get("/metrics").body.decode().splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith("tickets_total{"))


def reviewed(agent) -> list[str]:
    return [ticket["ticket_id"] for ticket in agent.get("/reviews?limit=100").json["tickets"]]


def test_the_text_is_stored_only_for_tickets_that_a_person_reviews(agent, address):
    sure, unsure = predicted(agent, SURE), predicted(agent, UNSURE)
    kept = dict(rows(address, "SELECT id, text FROM tickets"))
    assert (kept[sure["ticket_id"]], kept[unsure["ticket_id"]]) == (None, UNSURE)
    shown = agent.get(f"/tickets/{unsure['ticket_id']}").json
    assert shown["text"] == UNSURE and shown["explanation"] and shown["waiting"] and shown["answers"] == []
    assert {name: shown[name] for name in unsure if name in shown} == unsure
    assert agent.get(f"/tickets/{sure['ticket_id']}").json["text"] is None
    assert unsure["ticket_id"] in reviewed(agent) and sure["ticket_id"] not in reviewed(agent)


@pytest.mark.skipif(os.name == "nt", reason="Windows has other permissions")
def test_the_database_can_be_read_by_its_owner_alone(fresh, tmp_path):
    predicted(fresh, UNSURE)
    modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.glob("agent.db*")}
    assert modes and set(modes.values()) == {0o600}


def test_nothing_is_stored_with_store_false(agent, address):
    before = rows(address, "SELECT count(*) FROM tickets")
    found = agent.post("/predict", {"text": UNSURE, "store": False}).json
    agent.post("/predict/batch", {"texts": [UNSURE] * 3, "store": False})
    assert rows(address, "SELECT count(*) FROM tickets") == before
    assert_problem(agent.get(f"/tickets/{found['ticket_id']}"), 404)


def test_each_ticket_of_a_batch_is_stored_under_its_own_id(agent):
    found = agent.post("/predict/batch", {"texts": [UNSURE, SURE, UNSURE]}).json["predictions"]
    assert len({each["ticket_id"] for each in found}) == 3
    for each in found:
        assert agent.get(f"/tickets/{each['ticket_id']}").json["decision"] == each["decision"]


def test_the_same_ticket_sent_again_gets_the_same_answer_without_asking_a_model(agent, tfidf):
    first = predicted(agent, UNSURE, "again-1")
    asked = len(tfidf.asked)
    assert predicted(agent, UNSURE, "again-1") == first and len(tfidf.asked) == asked
    explained = agent.post("/predict?explain=true", {"text": UNSURE, "ticket_id": "again-1"}).json
    assert explained["text"] == UNSURE and {name: explained[name] for name in first} == first
    assert "another text" in assert_problem(agent.post("/predict", {"text": SURE, "ticket_id": "again-1"}), 409)


def test_the_same_ticket_sent_at_the_same_time_is_stored_once_and_gets_one_answer(agent, address):
    """Eight clients send each of twenty tickets at once; if the texts differ, all but the first get a 409."""
    together = threading.Barrier(8)

    def send(number: int) -> list[tuple[int, str]]:
        found = []
        for ticket in range(20):
            together.wait(60)
            text = UNSURE if ticket % 2 else f"{UNSURE} number {number}w"
            answer = agent.post("/predict", {"text": text, "ticket_id": f"twin-{ticket}"})
            found.append((answer.status, json.dumps(answer.json) if ticket % 2 else ""))
        return found

    counted = tickets_counted(agent)
    with ThreadPoolExecutor(8) as threads:
        found = list(zip(*threads.map(send, range(8)), strict=True))
    for ticket, answers in enumerate(found):
        if ticket % 2:
            assert {status for status, _ in answers} == {200} and len(set(answers)) == 1
        else:
            assert sorted(status for status, _ in answers) == [200] + [409] * 7
    assert rows(address, "SELECT count(*) FROM tickets WHERE id LIKE 'twin-%'") == [(20,)]
    assert tickets_counted(agent) == counted + 20


def test_tickets_of_the_same_moment_are_all_stored_also_beside_one_that_cannot_be(agent, address):
    """They share a transaction, which fails as a whole if one of them has the id of an earlier ticket."""
    predicted(agent, UNSURE, "moment-0")

    def send(number: int) -> int:
        repeated = number % 4 == 0
        ticket = {"text": f"{SURE} {number}w", "ticket_id": "moment-0" if repeated else f"moment-{number}"}
        return agent.post("/predict", ticket).status

    with ThreadPoolExecutor(16) as threads:
        assert list(threads.map(send, range(64))) == [409 if number % 4 == 0 else 200 for number in range(64)]
    assert rows(address, "SELECT count(*) FROM tickets WHERE id LIKE 'moment-%'") == [(49,)]


def test_a_ticket_that_could_not_be_stored_is_counted_once_when_it_is_sent_again(fresh, tmp_path):
    with closing(sqlite3.connect(tmp_path / "agent.db")) as connection:
        connection.execute("ALTER TABLE tickets RENAME TO away")
        for _ in range(2):
            assert_problem(fresh.post("/predict", {"text": UNSURE, "ticket_id": "1"}), 503)
            assert_problem(fresh.post("/predict/batch", {"texts": [UNSURE, SURE]}), 503)
        assert tickets_counted(fresh) == fresh.metric("ticket_confidence_count") == 0
        assert fresh.post("/predict", {"text": UNSURE, "store": False}).status == 200
        assert tickets_counted(fresh) == 1
        connection.execute("ALTER TABLE away RENAME TO tickets")
    for _ in range(2):
        predicted(fresh, UNSURE, "1")
    assert fresh.post("/predict/batch", {"texts": [UNSURE, SURE]}).status == 200
    assert tickets_counted(fresh) == fresh.metric("ticket_confidence_count") == 4


def test_people_can_answer_while_no_model_service_is_reachable(tmp_path):
    """The categories that a service reported last stay known."""
    with start_tfidf() as tfidf, start_agent(tmp_path, tfidf.url) as agent:
        ticket_id = predicted(agent, UNSURE)["ticket_id"]
        tfidf.stop()
        agent.until(lambda: agent.get("/ready").status == 503)
        assert agent.post("/feedback", {"ticket_id": ticket_id, "category": "Storage"}).status == 201


def test_an_answered_ticket_no_longer_waits_until_the_answer_is_withdrawn(agent):
    ticket_id = predicted(agent, UNSURE)["ticket_id"]
    waiting = agent.get("/reviews").json["waiting"]
    answer = agent.post("/feedback", {"ticket_id": ticket_id, "category": "Storage", "by": "Ada"})
    assert answer.status == 201
    first = answer.json
    assert (first["ticket_id"], first["category"], first["by"]) == (ticket_id, "Storage", "Ada")
    assert first["withdrawn_at"] is None
    assert datetime.now(UTC) - datetime.fromisoformat(first["answered_at"]) < timedelta(minutes=1)
    assert agent.get("/reviews").json["waiting"] == waiting - 1 and ticket_id not in reviewed(agent)
    second = agent.post("/feedback", {"ticket_id": ticket_id, "category": "Hardware"}).json
    assert second["by"] is None and second["answer_id"] > first["answer_id"]
    undone = agent.ask("DELETE", f"/feedback/{second['answer_id']}")
    assert undone.status == 200 and undone.json["withdrawn_at"] and ticket_id not in reviewed(agent)
    assert agent.ask("DELETE", f"/feedback/{first['answer_id']}").status == 200
    assert ticket_id in reviewed(agent) and agent.get("/reviews").json["waiting"] == waiting
    shown = agent.get(f"/tickets/{ticket_id}").json["answers"]
    assert [(each["category"], each["withdrawn_at"] is None) for each in shown] == [
        ("Storage", False),
        ("Hardware", False),
    ]
    again = agent.ask("DELETE", f"/feedback/{first['answer_id']}").json
    assert again["withdrawn_at"] == shown[0]["withdrawn_at"], "a second withdrawal changes nothing"


def test_a_review_can_end_without_a_category_until_that_is_withdrawn(agent, address):
    """The ticket no longer waits, unless it was skipped: then others get it, with the reason. Comments are scrubbed."""
    ticket_id = predicted(agent, UNSURE)["ticket_id"]
    counted = agent.metric('review_outcomes_total{outcome="none"}') if "none" in str(agent.get("/metrics").body) else 0
    said = {"ticket_id": ticket_id, "by": "Ada", "comment": "ask anna@example.org \x00"}
    ended = {each: agent.post("/outcomes", said | {"outcome": each}) for each in ("skipped", "none")}
    assert [each.status for each in ended.values()] == [201, 201]
    assert ended["none"].json["comment"] == "ask [EMAIL] \ufffd" and ticket_id not in reviewed(agent)
    shown = agent.get(f"/tickets/{ticket_id}").json
    assert shown["outcomes"] == [each.json for each in ended.values()] and shown["answers"] == []
    assert agent.ask("DELETE", f"/outcomes/{ended['none'].json['outcome_id']}").status == 200
    assert ticket_id in reviewed(agent), "a ticket that was skipped waits"
    assert agent.metric('review_outcomes_total{outcome="none"}') == counted + 1
    answer = agent.post("/feedback", {"ticket_id": ticket_id, "category": "Storage", "comment": said["comment"]}).json
    assert answer["comment"] == "ask [EMAIL] \ufffd"
    last = agent.post("/outcomes", said | {"outcome": "not_ticket"}).json
    assert agent.ask("DELETE", f"/feedback/{answer['answer_id']}").status == 200
    assert ticket_id not in reviewed(agent), "the other outcome stands"
    for wrong in ({"outcome": "several", "comment": " "}, {"outcome": "skipped", "comment": None}, {"outcome": "x"}):
        assert_problem(agent.post("/outcomes", said | wrong), 422)
    assert_problem(agent.post("/outcomes", said | {"ticket_id": "nobody", "outcome": "none"}), 404)
    assert_problem(agent.ask("DELETE", "/outcomes/2147483647"), 404)
    assert agent.ask("DELETE", f"/tickets/{ticket_id}").status == 204
    assert rows(address, f"SELECT count(*) FROM outcomes WHERE id = {last['outcome_id']}") == [(0,)]


def test_answers_with_unknown_tickets_categories_or_fields_are_refused(agent):
    ticket_id = predicted(agent, UNSURE)["ticket_id"]
    unknown = agent.post("/feedback", {"ticket_id": ticket_id, "category": "Gardening"})
    assert all(label in assert_problem(unknown, 422) for label in LABELS)
    assert_problem(agent.post("/feedback", {"ticket_id": "nobody", "category": "Storage"}), 404)
    assert_problem(agent.ask("DELETE", "/feedback/2147483647"), 404)
    assert_problem(agent.ask("DELETE", "/feedback/9999999999"), 422)
    assert_problem(agent.get("/tickets/nobody"), 404)
    for wrong in (
        {"ticket_id": "a b"},
        {"ticket_id": ""},
        {"by": ""},
        {"by": "a\x00b"},
        {"by": "x" * 101},
        {"more": 1},
    ):
        body = {"ticket_id": ticket_id, "category": "Storage"} | wrong
        assert_problem(agent.post("/feedback", body), 422)
    assert ticket_id in reviewed(agent)


def test_a_correction_of_an_automatic_ticket_must_include_its_text(agent):
    """Its text was not stored; with the answer it is, so that both can be learned from. The ticket never waits."""
    ticket_id = predicted(agent, SURE)["ticket_id"]
    said = {"ticket_id": ticket_id, "category": "Storage"}
    assert "send the text as well" in assert_problem(agent.post("/feedback", said), 422)
    assert "not the text" in assert_problem(agent.post("/feedback", said | {"text": UNSURE}), 409)
    assert agent.get(f"/tickets/{ticket_id}").json["answers"] == []
    answer = agent.post("/feedback", said | {"text": SURE})
    assert answer.status == 201 and agent.get(f"/tickets/{ticket_id}").json["text"] == SURE
    assert agent.post("/feedback", said).status == 201
    assert agent.ask("DELETE", f"/feedback/{answer.json['answer_id']}").status == 200
    assert ticket_id not in reviewed(agent)


def test_concurrent_answers_and_withdrawals_leave_a_consistent_ticket(agent):
    """Four people answer one ticket and withdraw their answers: there is no error, and in the end it waits again."""
    ticket_id = predicted(agent, UNSURE)["ticket_id"]

    def answer_and_withdraw(category: str) -> list[int]:
        statuses = []
        for _ in range(8):
            answer = agent.post("/feedback", {"ticket_id": ticket_id, "category": category})
            undone = agent.ask("DELETE", f"/feedback/{answer.json['answer_id']}")
            statuses += [answer.status, undone.status]
        return statuses

    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(answer_and_withdraw, [*LABELS, LABELS[0]]))
    assert found == [[201, 200] * 8] * 4
    shown = agent.get(f"/tickets/{ticket_id}").json
    assert len(shown["answers"]) == 32 and all(each["withdrawn_at"] for each in shown["answers"]) and shown["waiting"]


def test_an_erased_ticket_is_gone_with_its_answers(agent):
    ticket_id = agent.post("/predict", {"text": UNSURE}).json["ticket_id"]
    assert agent.post("/feedback", {"ticket_id": ticket_id, "category": LABELS[0]}).status == 201
    assert agent.ask("DELETE", f"/tickets/{ticket_id}").status == 204
    assert_problem(agent.get(f"/tickets/{ticket_id}"), 404)
    assert_problem(agent.ask("DELETE", f"/tickets/{ticket_id}"), 404)


def test_the_hash_of_a_text_differs_from_ticket_to_ticket(agent, address):
    """Otherwise the hashes of likely texts, computed once, would tell who has written what."""
    ids = {predicted(agent, SURE)["ticket_id"] for _ in range(2)}
    digests = [digest for id_, digest in rows(address, "SELECT id, text_sha256 FROM tickets") if id_ in ids]
    assert len(digests) == len(set(digests)) == 2


@pytest.mark.parametrize(
    "text", ["vague nul \x00 inside", "vague \U0001f642 \u202e e\u0301", "vague " + "\ufffe\x1b\x7f"]
)
def test_odd_texts_are_stored_and_found_again(agent, text):
    """PostgreSQL refuses NUL: it is stored as the replacement character, and the ticket is still recognised."""
    ticket_id = predicted(agent, text)["ticket_id"]
    assert agent.get(f"/tickets/{ticket_id}").json["text"] == text.replace("\x00", "\ufffd")
    assert predicted(agent, text, ticket_id)["ticket_id"] == ticket_id
    sure = text.replace("vague", "clear")
    other = predicted(agent, sure)["ticket_id"]
    said = {"ticket_id": other, "category": "Storage", "text": sure}
    assert agent.post("/feedback", said).status == 201
    assert agent.get(f"/tickets/{other}").json["text"] == sure.replace("\x00", "\ufffd")


def test_volumes_count_the_tickets_of_each_day(agent, address):
    def counted(days: int) -> Counter:
        found = agent.get(f"/volumes?days={days}").json["days"]
        return Counter({(each["day"], each["category"], each["decision"]): each["tickets"] for each in found})

    before, today = counted(1), datetime.now(UTC).date()
    for text in (SURE, SURE, UNSURE):
        predicted(agent, text)
    if datetime.now(UTC).date() != today:
        pytest.skip("midnight has just passed")
    new = counted(1) - before
    assert new == {(str(today), "Hardware", "auto"): 2, (str(today), "Hardware", "review"): 1}
    predicted(agent, SURE, "last-year")
    old = today - timedelta(days=20)
    engine = database.make_engine(address)
    with engine.begin() as connection:
        connection.exec_driver_sql(f"UPDATE tickets SET day = '{old}' WHERE id = 'last-year'")
    engine.dispose()
    assert counted(21)[(str(old), "Hardware", "auto")] == 1 and not counted(20)[(str(old), "Hardware", "auto")]
    for wrong in ("0", "367", "x"):
        assert_problem(agent.get(f"/volumes?days={wrong}"), 422)


def test_tickets_that_have_waited_longest_come_first(fresh):
    tickets = [predicted(fresh, UNSURE)["ticket_id"] for _ in range(5)]
    shown = fresh.get("/reviews?limit=3").json
    assert shown["waiting"] == 5 and [ticket["ticket_id"] for ticket in shown["tickets"]] == tickets[:3]
    assert fresh.get("/reviews").json["tickets"][0]["reason"].endswith("not sure enough to go without a person")
    fresh.until(lambda: fresh.metric("reviews_waiting") == 5)
    for ticket_id, category in zip(tickets, ["Hardware", "Storage"], strict=False):
        fresh.post("/feedback", {"ticket_id": ticket_id, "category": category})
    right, wrong = (fresh.metric(f'answers_total{{agrees="{each}",decision="review"}}') for each in ("true", "false"))
    assert right == wrong == 1
    for wrong in ("0", "101", "x", ""):
        assert_problem(fresh.get(f"/reviews?limit={wrong}"), 422)


def review(agent, reviewer: str, **more: str) -> str | None:
    """Return the id of the ticket that is held for a reviewer."""
    answer = agent.post("/reviews/next", {"reviewer": reviewer} | more)
    assert answer.status == 200, answer.body
    return answer.json["ticket"] and answer.json["ticket"]["ticket_id"]


@pytest.fixture
def few(agent):
    """Three tickets, the only ones that wait."""
    while left := reviewed(agent):
        for ticket_id in left:
            agent.post("/feedback", {"ticket_id": ticket_id, "category": "Storage"})
    return [predicted(agent, UNSURE)["ticket_id"] for _ in range(3)]


def test_two_reviewers_get_different_tickets_and_keep_their_own(agent, few):
    assert review(agent, "ada") == few[0] and review(agent, "bob") == few[1]
    assert review(agent, "ada") == few[0] and review(agent, "bob") == few[1]
    asked = agent.post("/reviews/next", {"reviewer": "ada"}).json
    assert asked["waiting"] == agent.get("/reviews").json["waiting"] == 3, "held tickets still count as waiting"
    assert asked["ticket"] == agent.get(f"/tickets/{few[0]}").json and asked["ticket"]["text"] == UNSURE
    assert reviewed(agent) == few


def test_an_answer_ends_a_hold_and_a_withdrawal_frees_the_ticket_for_everybody(agent, few):
    assert review(agent, "ada") == few[0]
    answer = agent.post("/feedback", {"ticket_id": few[0], "category": "Storage"}).json
    assert review(agent, "ada") == few[1] and review(agent, "ada", ticket_id=few[0]) == few[1], "answered"
    agent.ask("DELETE", f"/feedback/{answer['answer_id']}")
    assert review(agent, "ada", ticket_id=few[0]) == few[0], "Ada holds it again instead of the other one"
    assert review(agent, "bob") == few[1]
    assert review(agent, "bob", ticket_id=few[0]) == few[1], "Ada holds it"


def test_a_skipped_ticket_is_free_for_others_and_comes_again_last(agent, few):
    assert review(agent, "ada") == few[0]
    assert review(agent, "ada", after=few[0]) == review(agent, "ada", after=few[0]) == review(agent, "ada") == few[1]
    assert review(agent, "bob") == few[0]
    assert review(agent, "ada", after=few[1]) == few[2]
    agent.post("/feedback", {"ticket_id": few[0], "category": "Storage"})
    assert review(agent, "bob") == few[1]
    assert review(agent, "ada", after=few[2]) == few[2], "no other ticket is free"
    agent.post("/feedback", {"ticket_id": few[2], "category": "Storage"})
    assert review(agent, "ada", after=few[2]) is None
    assert agent.post("/reviews/next", {"reviewer": "ada"}).json == {"waiting": 1, "ticket": None}


def listed(agent, query: str = "") -> list[str]:
    """Return the ids of the waiting tickets that the list has, over all of its pages of two."""
    found, after = [], ""
    while True:
        page = agent.get(f"/reviews/search?limit=2&{query}{after}")
        assert page.status == 200, page.body
        found += [ticket["ticket_id"] for ticket in page.json["tickets"]]
        if page.json["next"] is None:
            assert page.json["count"] == len(found)
            return found
        after = f"&after={page.json['next']}"


def test_waiting_tickets_are_listed_in_pages_by_what_they_are_about(agent, address, few):
    """Blind checks are found neither by category nor by confidence, and are shown without them."""
    paris = predicted(agent, "vague, 100% _raté_ at PARIS")["ticket_id"]
    check, sure = predicted(agent, UNSURE)["ticket_id"], predicted(agent, UNSURE)["ticket_id"]
    engine = database.make_engine(address)
    with engine.begin() as connection:
        connection.exec_driver_sql(f"UPDATE tickets SET audit_probability = 0.5 WHERE id = '{check}'")
        connection.exec_driver_sql(f"UPDATE tickets SET confidence = 0.7 WHERE id = '{sure}'")
    engine.dispose()
    every = [*few, paris, check, sure]
    assert listed(agent) == every and listed(agent, "sort=newest") == every[::-1]
    assert listed(agent, "sort=unsure") == [*few, paris, sure] == listed(agent, "sort=sure")[::-1]
    assert listed(agent, "kind=audit") == [check] and listed(agent, "kind=unsure") == [*few, paris, sure]
    assert listed(agent, "category=Hardware") == [*few, paris, sure] and listed(agent, "category=Storage") == []
    assert listed(agent, "lowest=0.5") == [sure] and listed(agent, "highest=0.5") == [*few, paris]
    assert listed(agent, "text=paris%20100%25") == [paris] and listed(agent, "text=_vague") == []
    assert listed(agent, "hours=0") == every and listed(agent, "hours=1") == []
    assert review(agent, "ada", ticket_id=paris) == paris
    rows_shown = agent.get("/reviews/search?reviewer=bob").json["tickets"]
    assert [each["ticket_id"] for each in rows_shown if each["held"]] == [paris]
    blind = next(each for each in rows_shown if each["ticket_id"] == check)
    assert (blind["kind"], blind["category"], blind["confidence"]) == ("audit", None, None)
    for wrong in ("limit=0", "limit=101", "sort=x", "lowest=2", "language=1", "more=1", "after=a%20b"):
        assert_problem(agent.get(f"/reviews/search?{wrong}"), 422)


def test_one_category_is_given_to_several_tickets_and_withdrawn_from_all(agent, few):
    """Those that somebody else holds or has answered are left out."""
    assert review(agent, "bob") == few[0]
    said = {"ticket_ids": [*few, few[1], "nobody"], "category": "Hardware", "by": "Ada", "reviewer": "ada"}
    given = agent.post("/feedback/bulk", said)
    assert (given.status, given.json["answered"], given.json["left_out"]) == (201, 2, 2)
    assert reviewed(agent) == [few[0]] and agent.get(f"/tickets/{few[1]}").json["answers"][0]["by"] == "Ada"
    assert "others hold or have answered" in assert_problem(agent.post("/feedback/bulk", said), 409)
    batch = f"/feedback/bulk/{given.json['batch_id']}"
    assert agent.ask("DELETE", batch).json == agent.ask("DELETE", batch).json == {"withdrawn": 2}
    assert reviewed(agent) == few
    assert_problem(agent.post("/feedback/bulk", said | {"category": "Gardening"}), 422)
    assert_problem(agent.post("/feedback/bulk", said | {"ticket_ids": []}), 422)
    assert_problem(agent.ask("DELETE", f"/feedback/bulk/{'0' * 32}"), 404)


def test_the_report_on_a_team_says_who_answered_what_and_how_fast_the_queue_shrinks(tfidf, address, tmp_path):
    """Blind checks are counted apart; what was withdrawn is not counted, nor are people's other tickets."""
    with start_agent(tmp_path, tfidf.url, DATABASE_URL=address, AUDIT_SHARE=1) as agent:
        before = agent.get("/team?days=1").json
        unsure, audits = ([predicted(agent, text)["ticket_id"] for _ in range(4)] for text in (UNSURE, SURE))
        for ticket_id, category in [*zip(unsure, ("Hardware", "Storage"), strict=False), (audits[0], "Storage")]:
            agent.post("/feedback", {"ticket_id": ticket_id, "category": category, "by": "Zoé"})
        withdrawn = agent.post("/feedback", {"ticket_id": audits[1], "category": "Storage", "by": "Zoé"}).json
        agent.ask("DELETE", f"/feedback/{withdrawn['answer_id']}")
        for outcome in ("none", "skipped"):
            said = {"ticket_id": unsure[2], "outcome": outcome, "comment": "so", "by": "Zoé"}
            assert agent.post("/outcomes", said).status == 201
        report = agent.get("/team?days=1").json
        (zoe,) = [each for each in report["people"] if each["person"] == "Zoé"]
        answered = {"answered": 3, "suggested": 2, "suggested_agreed": 1, "blind": 1, "blind_agreed": 0}
        today = {"day": datetime.now(UTC).date().isoformat(), "person": "Zoé"}
        assert zoe == today | answered | {"without_category": 1, "skipped": 1}
        corrected = [
            sum(each["tickets"] for each in found["corrections"] if each["answered"] == "Storage")
            for found in (before, report)
        ]
        assert corrected[1] - corrected[0] == 2
        rates, old = report["queue"], before["queue"]
        assert rates["waiting"] - old["waiting"] == 4
        assert rates["oldest"] == agent.get("/reviews?limit=1").json["tickets"][0]["received_at"]
        assert 4 * (rates["arrived_per_hour"] - old["arrived_per_hour"]) == 8
        assert 4 * (rates["answered_per_hour"] - old["answered_per_hour"]) == 4
        assert_problem(agent.get("/team?days=0"), 422)


def test_concurrent_reviewers_never_get_the_same_ticket(agent, few):
    """Eight reviewers take and answer one ticket each at once, five times: then all 32 are answered."""
    tickets = few + [predicted(agent, UNSURE)["ticket_id"] for _ in range(29)]
    together = threading.Barrier(8)

    def work(number: int) -> list[str]:
        found = []
        for _ in range(5):
            together.wait(60)
            if ticket_id := review(agent, f"reviewer-{number}"):
                found.append(ticket_id)
                answer = {"ticket_id": ticket_id, "category": "Storage"}
                assert agent.post("/feedback", answer).status == 201
        return found

    with ThreadPoolExecutor(8) as threads:
        found = [ticket_id for each in threads.map(work, range(8)) for ticket_id in each]
    assert sorted(found) == sorted(tickets)


def test_a_hold_expires(tfidf, tmp_path):
    with start_agent(tmp_path, tfidf.url, HOLD_SECONDS=3) as agent:
        ticket_id = predicted(agent, UNSURE)["ticket_id"]
        assert review(agent, "ada") == ticket_id and review(agent, "bob") is None
        agent.until(lambda: review(agent, "bob") == ticket_id)
        assert review(agent, "ada") is None


def test_invalid_review_requests_are_refused(agent):
    for wrong in ({}, {"reviewer": ""}, {"reviewer": "a b"}, {"reviewer": "a", "after": ""}, {"reviewer": "a", "x": 1}):
        assert_problem(agent.post("/reviews/next", wrong), 422)
    assert review(agent, "ada", after="nobody", ticket_id="nobody") in [None, *reviewed(agent)]


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_database_of_the_first_release_is_migrated_with_its_tickets(kind, new_database, tfidf, tmp_path):
    address = new_database(kind)
    engine = database.make_engine(address)
    database.migrate(engine, "0001")
    old = {"id": "old", "text": UNSURE, "waiting": True, "received_at": datetime.now(UTC), "answer": {}}
    old |= {"day": "2026-11-01", "text_sha256": "0" * 64, "category": "Storage", "confidence": 0.5}
    with engine.begin() as connection:
        connection.execute(sa.insert(database.tickets).values(old | {"decision": "review"}))
    engine.dispose()
    with start_agent(tmp_path, tfidf.url, DATABASE_URL=address) as agent:
        assert review(agent, "ada") == "old" and review(agent, "bob") is None


@pytest.mark.parametrize("kind", KINDS)
def test_an_agent_works_with_the_schema_of_a_later_release(kind, new_database, tfidf, tmp_path):
    """Going back to the release before works, and the schema stays for the next upgrade."""
    address = new_database(kind)
    engine = database.make_engine(address)
    database.migrate(engine)
    with engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE tickets ADD COLUMN later VARCHAR(10)")
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = 'later'")
    engine.dispose()
    with start_agent(tmp_path, tfidf.url, DATABASE_URL=address) as agent:
        assert predicted(agent, UNSURE)["ticket_id"] in reviewed(agent)
        assert [line["schema"] for line in agent.lines() if "schema" in line] == ["later"]
    assert rows(address, "SELECT version_num FROM alembic_version") == [("later",)]


@pytest.mark.parametrize("kind", KINDS)
def test_old_tickets_are_deleted_unless_they_wait(kind, new_database, tfidf, tmp_path):
    """With people's answers, by two agents at once, and more of them than one transaction deletes."""
    address = new_database(kind)
    places = {"TFIDF_URL": tfidf.url, "DATABASE_URL": address}
    with start_agent(tmp_path, tfidf.url, DATABASE_URL=address) as agent:
        waits, answered, recent = (predicted(agent, UNSURE)["ticket_id"] for _ in range(3))
        for ticket_id in (answered, recent):
            assert agent.post("/feedback", {"ticket_id": ticket_id, "category": "Storage"}).status == 201
        assert agent.post("/predict/batch", {"texts": [SURE] * 100}).status == 200
        grow(address, recent, days=8, copies=24)
    with Service(tmp_path, AGENT, **places, KEEP_DAYS=7) as one, Service(tmp_path, AGENT, **places, KEEP_DAYS=7) as two:
        for agent in (one.ready(), two.ready()):
            agent.until(lambda: rows(address, "SELECT COUNT(*) FROM tickets") == [(2,)])
        assert sum(each.metric("tickets_deleted_total") for each in (one, two)) == 100 * 25 + 1
        assert one.get(f"/tickets/{answered}").status == 404 and reviewed(one) == [waits]
        assert [each["category"] for each in one.get(f"/tickets/{recent}").json["answers"]] == ["Storage"]
        for agent in (one, two):
            assert not [line for line in agent.lines() if line["level"] in ("error", "critical")]


def grow(address: str, recent: str, days: int, copies: int) -> None:
    """Make all tickets except one so many days older, and add copies of those that were decided automatically."""
    engine, tickets = database.make_engine(address), database.tickets
    old = datetime.now(UTC) - timedelta(days=days)
    with engine.begin() as connection:
        connection.execute(sa.update(tickets).where(tickets.c.id != recent).values(received_at=old))
        auto = connection.execute(sa.select(tickets).where(tickets.c.decision == "auto")).mappings().all()
        again = [dict(row) | {"id": f"{row['id']}-{number}"} for row in auto for number in range(copies)]
        connection.execute(sa.insert(tickets), again)
    engine.dispose()


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_concurrent_migrations_create_the_schema_that_the_code_expects(kind, new_database, tfidf, tmp_path):
    """Two agents start on an empty database, eight times: both work, the schema is database.metadata, rows stay."""
    address = new_database(kind)
    places = {"TFIDF_URL": tfidf.url, "DATABASE_URL": address}
    with Service(tmp_path, AGENT, **places) as one, Service(tmp_path, AGENT, **places) as other:
        for agent in (one.ready(), other.ready()):
            agent.until(lambda agent=agent: agent.get("/reviews").status == 200)
        ticket_id = predicted(one, UNSURE)["ticket_id"]
        assert ticket_id in reviewed(other)
        for agent in (one, other):
            assert not [line for line in agent.lines() if line["level"] in ("error", "critical")]
    engine = database.make_engine(address)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), database.metadata) == []
    for _ in range(8):
        migrate_concurrently(new_database(kind))
    with Service(tmp_path, AGENT, **places) as later:
        later.ready().until(lambda: reviewed(later) == [ticket_id])
    engine.dispose()


def migrate_concurrently(address: str) -> None:
    """Migrate one empty database from four threads at once, each with connections of its own."""
    together = threading.Barrier(4)

    def upgrade(_: int) -> None:
        engine = database.make_engine(address)
        together.wait(60)
        database.migrate(engine)
        engine.dispose()

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(upgrade, range(4)))
    assert rows(address, "SELECT version_num FROM alembic_version") == [("0009",)]


@pytest.mark.slow
def test_a_locked_database_fails_only_requests_that_store_something(fresh, tmp_path):
    """They are answered with 503, and requests with store=false are answered as ever."""
    lock = sqlite3.connect(tmp_path / "agent.db", isolation_level=None, check_same_thread=False)
    lock.execute("BEGIN EXCLUSIVE")
    with ThreadPoolExecutor(1) as threads:
        stored = threads.submit(fresh.post, "/predict", {"text": SURE, "ticket_id": "locked"})
        assert fresh.post("/predict", {"text": SURE, "store": False}).status == 200
        refused = stored.result()
    assert "nothing was kept" in assert_problem(refused, 503) and refused.headers["retry-after"]
    lock.execute("ROLLBACK")
    lock.close()
    assert predicted(fresh, SURE, "locked")["category"] == "Hardware"


def test_a_postgresql_restart_fails_requests_that_store_something_and_loses_nothing(
    postgresql, new_database, tfidf, tmp_path
):
    """While it is down, store=false is answered; afterwards everything works again, with the stored tickets."""
    with start_agent(tmp_path, tfidf.url, DATABASE_URL=new_database("postgresql")) as agent:
        ticket_id = predicted(agent, UNSURE)["ticket_id"]
        postgresql.stop()
        try:
            for _ in range(3):
                refused = agent.post("/predict", {"text": UNSURE, "ticket_id": "while-down"})
                assert "the database does not answer" in assert_problem(refused, 503) and refused.headers["retry-after"]
                for path in ("/reviews", f"/tickets/{ticket_id}", "/volumes"):
                    assert_problem(agent.get(path), 503)
                body = {"ticket_id": ticket_id, "category": "Storage"}
                assert_problem(agent.post("/feedback", body), 503)
                assert_problem(agent.ask("DELETE", "/feedback/1"), 503)
                assert agent.post("/predict", {"text": UNSURE, "store": False}).status == 200
            assert agent.get("/health").status == agent.get("/ready").status == agent.get("/status").status == 200
        finally:
            postgresql.start()
        agent.until(lambda: agent.get("/reviews").status == 200)
        assert predicted(agent, UNSURE, "while-down")["ticket_id"] == "while-down"
        assert reviewed(agent) == [ticket_id, "while-down"]
        assert "Traceback" not in agent.log.read_text(encoding="utf-8")


def test_an_agent_that_starts_before_its_database_stores_tickets_once_it_is_up(
    postgresql, new_database, tfidf, tmp_path
):
    address = new_database("postgresql")
    postgresql.stop()
    try:
        agent = Service(tmp_path, AGENT, TFIDF_URL=tfidf.url, DATABASE_URL=address)
        agent.until(lambda: agent.post("/predict", {"text": SURE, "store": False}).status == 200)
        assert_problem(agent.post("/predict", {"text": SURE}), 503)
        assert "the tables of the database do not exist yet" in assert_problem(agent.get("/ready"), 503)
    finally:
        postgresql.start()
    with agent:
        # Ready means that tickets can be stored.
        assert agent.ready().post("/predict", {"text": SURE}).status == 200


@pytest.mark.parametrize("wrong", ["nonsense", "mysql://user:sesame@host/name", "sqlite://"])
def test_an_unusable_database_address_is_reported_in_one_line(wrong):
    said = fails_to_start(AGENT, DATABASE_URL=wrong)
    assert "DATABASE_URL must be an address such as" in said and "sesame" not in said
