"""Logging in to the pages by OpenID Connect, against a real provider that runs in the test."""

import csv
import http.client
import re
import time
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from oidc_provider_mock import User, run_server_in_thread

from support.processes import free_port
from support.servers.services import fails_to_start
from support.servers.web import WEB, Visitor, start

PEOPLE = (
    User(sub="lea", claims={"name": "Lea Lead", "groups": ["callcenter-leads", "staff"]}),
    User(sub="rob", claims={"name": "Rob  Reviewer", "groups": ["callcenter"]}),
    User(sub="eve", claims={"name": "Eve", "groups": []}),
)


@pytest.fixture(scope="module")
def provider():
    with run_server_in_thread(user_claims=PEOPLE) as server:
        yield f"http://localhost:{server.server_port}"


def settings(provider: str, **more):
    port = free_port()
    known = {"OIDC_ISSUER": provider, "OIDC_CLIENT_ID": "pages", "OIDC_CLIENT_SECRET": "a secret"}
    return known | {"PORT": port, "PUBLIC_URL": f"http://localhost:{port}", "OIDC_REVIEWER": "callcenter"} | more


@pytest.fixture
def pages(provider, agent_double, tmp_path):
    agent_double.trouble = None
    agent_double.waiting.clear()
    with start(tmp_path, agent_double.address, **settings(provider)) as running:
        yield running


def consent(address: str, person: str) -> str:
    """Log in at the provider as a person does, and return the path to which it sends them back."""
    parts = urlsplit(address)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=10)
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    connection.request("POST", f"{parts.path}?{parts.query}", urlencode({"sub": person}), form)
    back = urlsplit(connection.getresponse().headers["location"])
    connection.close()
    return f"{back.path}?{back.query}"


def log_in(pages, person: str, path: str = "/login/provider?next=/review"):
    visitor = Visitor(pages)
    to_provider = visitor.get(path)
    assert to_provider.status == 302, to_provider.body
    return visitor, visitor.get(consent(to_provider.headers["location"], person))


@pytest.mark.parametrize("person, name, erases", [("lea", "Lea Lead", True), ("rob", "Rob Reviewer", False)])
def test_people_come_in_under_their_names_and_with_their_roles(pages, agent_double, person, name, erases):
    visitor, answer = log_in(pages, person)
    assert (answer.status, answer.headers["location"]) == (303, "/review")
    agent_double.predict("wifi", True, False)
    page = visitor.get("/review").body.decode()
    assert name in page and ('action="/erase"' in page) == erases


def test_only_a_lead_erases_a_ticket(pages, agent_double):
    ticket = agent_double.predict("wifi", True, False)["ticket_id"]
    reviewer, _ = log_in(pages, "rob")
    assert reviewer.post("/erase", ticket_id=ticket).status == 403 and ticket in agent_double.waiting
    lead, _ = log_in(pages, "lea")
    assert lead.post("/erase", ticket_id=ticket).status == 303 and ticket not in agent_double.waiting


def test_only_a_lead_sees_what_the_team_answers(pages, agent_double):
    """On a page, and as CSV in which no name is a formula."""
    person = {"day": "2026-11-30", "person": "=1+1", "answered": 30, "suggested": 20, "suggested_agreed": 19}
    queue = {"waiting": 12, "oldest": None, "arrived_per_hour": 2, "answered_per_hour": 5}
    correction = {"suggested": "Hardware", "answered": "Network", "tickets": 3}
    agent_double.team = {"people": [person], "corrections": [correction], "queue": queue}
    reviewer, _ = log_in(pages, "rob")
    assert {reviewer.get(path).status for path in ("/team", "/team/answers.csv")} == {404}
    assert "Team" not in reviewer.get("/review").body.decode()
    lead, _ = log_in(pages, "lea")
    page = re.sub(r"<[^>]*>|\s+", " ", lead.get("/team").body.decode())
    assert "95%" in page and "19 of 20" in page and "Hardware → Network" in page
    assert "In about 4 hours at this pace" in page
    agent_double.team["queue"] = queue | {"answered_per_hour": 2}
    assert "Not at this pace" in lead.get("/team?days=1").body.decode()
    table = lead.get("/team/answers.csv")
    assert table.headers["content-disposition"].startswith("attachment")
    (row,) = csv.DictReader(table.body.decode("utf-8-sig").splitlines())
    assert (row["person"], row["answered"], row["suggested_agreed"], row["skipped"]) == ("'=1+1", "30", "19", "0")


def test_somebody_without_a_role_has_no_access(pages):
    visitor, answer = log_in(pages, "eve")
    assert answer.status == 403 and "no access" in answer.body.decode()
    assert visitor.get("/review").status == 303
    assert any(line["message"] == "login failed" and line["reason"] == "role" for line in pages.lines())


def test_a_return_that_nobody_has_asked_for_is_refused(pages):
    """An attacker's own code, put into the browser of another person, would log them in as the attacker."""
    visitor = Visitor(pages)
    to_provider = visitor.get("/login/provider")
    back = consent(to_provider.headers["location"], "lea")
    assert Visitor(pages).get(back).status == 403
    state = parse_qs(urlsplit(back).query)["state"][0]
    assert visitor.get(back.replace(state, "another")).status == 403
    assert visitor.get("/review").status == 303


def test_a_code_is_good_for_one_login(pages):
    visitor = Visitor(pages)
    back = consent(visitor.get("/login/provider").headers["location"], "lea")
    before = visitor.cookie
    assert visitor.get(back).status == 303
    copied = Visitor(pages)
    copied.cookie = before
    assert copied.get(back).status == 403


def test_people_are_sent_to_our_own_pages_alone(pages):
    _, answer = log_in(pages, "rob", "/login/provider?next=//evil.example")
    assert answer.headers["location"] == "/"


def test_a_provider_that_does_not_answer_is_said_on_the_page(agent_double, tmp_path):
    given = settings(f"http://127.0.0.1:{free_port()}")
    with start(tmp_path, agent_double.address, **given) as running:
        started = time.monotonic()
        page = Visitor(running).get("/login/provider")
        assert page.status == 403 and "did not work" in page.body.decode()
        assert time.monotonic() - started < 5


@pytest.mark.parametrize("missing", ["OIDC_CLIENT_ID", "PUBLIC_URL"])
def test_an_incomplete_configuration_is_refused(provider, missing):
    given = {name: value for name, value in settings(provider).items() if name != missing}
    assert "OIDC_ISSUER needs" in fails_to_start(WEB, **given)
