"""The pages as a process, over HTTP: errors, files, sessions, the login, and the log."""

import csv
import gzip
import html
import io
import json
import os
import re
import socket
import string
import struct
import time
import tomllib
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

import pytest

from callcenterai.formats.kinds import DOCUMENTS
from callcenterai.formats.opening import BINARY
from callcenterai.formats.problems import MESSAGES, Fault
from services.web.words import read_catalogues
from support.file_cases import CASES, TEXTS, workbook
from support.processes import free_port
from support.registry import NAME, RegistryCommands
from support.repository import REPOSITORY
from support.servers.mlflow_server import TrackingServer
from support.servers.services import assert_problem, fails_to_start
from support.servers.web import LABELS, WEB, Visitor, start

TICKET = "The laptop of anna@example.org does not start"
SECRET = "Zanzibar-4711"
PASSWORD = "a long password"
# A file in which no column is certain to have the tickets, so it waits for a choice.
UNCLEAR = b"id,message\n1,laptop screen\n"
PAGES = ("/", "/review", "/batch", "/models")
POSTS = ("/", "/answer", "/undo", "/review", "/batch", "/batch/column", "/batch/continue", "/batch/delete", "/logout")


@pytest.fixture(scope="module")
def web(agent_double, tmp_path_factory):
    """The pages, with small limits."""
    limits = {
        "MAX_UPLOAD_BYTES": 50_000,
        "MAX_UNPACKED_BYTES": 1_000_000,
        "MAX_ROWS": 300,
        "MAX_BATCH": 50,
        "AGENT_SECONDS": 1,
        "MAX_TEXT_LENGTH": 2_000,
        "MAX_JOBS": 12,
        "TICKET_URL": "https://desk.example.org/tickets/{ticket_id}/edit",
    }
    with start(tmp_path_factory.mktemp("web"), agent_double.address, **limits) as running:
        yield running.ready()


@pytest.fixture
def visitor(web, agent_double):
    """A visitor with a new session; the agent works, and no ticket waits."""
    agent_double.trouble, agent_double.pause = None, 0
    agent_double.waiting.clear()
    return Visitor(web)


@pytest.fixture
def with_password(agent_double, tmp_path):
    agent_double.trouble = None
    limits = {"LOGIN_ATTEMPTS": 3, "LOGIN_MINUTES": 0.05}
    with start(tmp_path, agent_double.address, WEB_PASSWORD=PASSWORD, **limits) as running:
        yield running


def read(answer) -> str:
    """Return the text of a page."""
    return html.unescape(re.sub(r"<[^>]*>", " ", answer.body.decode()))


def follow(visitor: Visitor, answer):
    """Return the page that a form redirects to."""
    assert answer.status == 303, answer.body
    return visitor.get(answer.headers["location"])


def finish(visitor: Visitor, answer, state: str = "done") -> str:
    """Wait until an uploaded file has a state, and return its id."""
    assert answer.status == 303, read(answer)
    job = answer.headers["location"].partition("?id=")[2]
    visitor.service.until(lambda: visitor.get(f"/batch/progress?id={job}").json["state"] == state)
    return job


def test_a_classified_ticket_shows_its_category_and_the_marked_words(visitor):
    page = visitor.post("/", text="Accès refusé: NE\u0301! le Laptop d'anna@example.org")
    body = page.body.decode()
    assert page.status == 200 and "Access" in body
    assert '<mark class="for s3">Accès</mark>' in body and '<mark class="against s' in body
    assert '<span class="scrubbed">[EMAIL]</span>' in body and "1\u00a0× email address" in html.unescape(body)
    assert "French" in body and "This model answers alone" in body


def test_a_subject_is_sent_with_the_text_and_repeated_in_a_correction(visitor, agent_double):
    page = visitor.post("/", subject="wifi", text="the laptop is slow").body.decode()
    assert agent_double.texts[-1] == "wifi\nthe laptop is slow"
    assert 'name="subject" value="wifi"' in page and ">\nthe laptop is slow</textarea>" in page
    ticket = re.search(r'name="ticket_id" value="([^"]+)"', page)[1]
    text = html.unescape(re.search(r'type="hidden" name="text" value="([^"]+)"', page)[1])
    assert visitor.post("/answer", ticket_id=ticket, category="Network", text=text).status == 303
    assert agent_double.answers[-1]["text"] == "wifi\nthe laptop is slow"
    long = visitor.post("/", subject="x" * 1500, text="y" * 1500)
    assert long.status == 422 and "too long" in read(long)


@pytest.mark.parametrize("text, said", [("", "no text yet"), (" \n", "no text yet"), ("x" * 2001, "too long")])
def test_a_text_that_cannot_be_classified_stays_in_its_field(visitor, text, said):
    page = visitor.post("/", text=text)
    assert page.status == 422 and said in read(page)
    assert f">\n{text}</textarea>" in page.body.decode()


@pytest.mark.parametrize(
    "trouble, status, said",
    [
        ("slow", 504, "takes too long"),
        ("nonsense", 502, "no usable answer"),
        (500, 502, "no usable answer"),
        (503, 503, "no model to answer with"),
        (401, 502, "AGENT_API_KEY"),
        (409, 409, "another text"),
        (422, 422, "told to fail"),
    ],
)
def test_when_the_agent_fails_the_page_says_so_and_keeps_the_text(visitor, agent_double, trouble, status, said):
    agent_double.trouble = trouble
    page = visitor.post("/", text=TICKET)
    assert page.status == status and said in read(page)
    assert f">\n{TICKET}</textarea>" in page.body.decode()
    assert page.headers["x-request-id"] in read(page)


def test_without_an_agent_the_pages_are_alive_and_not_ready_and_say_why(tmp_path):
    with start(tmp_path, f"http://127.0.0.1:{free_port()}") as web:
        visitor = Visitor(web)
        assert web.get("/health").status == 200
        refused = web.get("/ready")
        assert refused.status == 503 and refused.headers["content-type"] == "application/problem+json"
        assert visitor.post("/", text=TICKET).status == 502
        for path in ("/review", "/models"):
            page = visitor.get(path)
            assert page.status == 502 and "cannot be reached" in read(page)
        assert visitor.get("/batch").status == 200


def test_the_request_id_is_sent_to_the_agent_and_no_ticket_is_logged(visitor, agent_double, web):
    body = f"csrf={visitor.token()}&text={SECRET}".encode()
    form = {"Content-Type": "application/x-www-form-urlencoded", "X-Request-ID": "desk-7", "Cookie": visitor.cookie}
    assert web.ask("POST", "/", body, **form).status == 200
    assert agent_double.asked[-1][2]["X-Request-ID"] == "desk-7"
    agent_double.trouble = "nonsense"
    visitor.post("/", text=SECRET)
    agent_double.trouble = None
    finish(visitor, visitor.upload(f"text\n{SECRET}\n".encode(), name=f"{SECRET}.csv"))
    line = next(line for line in web.lines() if line.get("request_id") == "desk-7")
    assert (line["path"], line["status"]) == ("/", 200)
    assert SECRET not in web.log.read_text(encoding="utf-8")
    assert web.metric('http_requests_total{path="/batch/progress",status="200"}') >= 1


def test_a_correction_is_stored_with_its_text_and_can_be_withdrawn(visitor, agent_double):
    text = TICKET + "\nsecond line "
    form = visitor.post("/", text=text).body.decode()
    ticket = re.search(r'name="ticket_id" value="([^"]+)"', form)[1]
    page = follow(
        visitor, visitor.post("/answer", ticket_id=ticket, category="Network", text=text.replace("\n", "\r\n"))
    )
    assert "Noted: Network." in read(page)
    noted = agent_double.answers[-1]
    assert (noted["ticket_id"], noted["category"], noted["text"]) == (ticket, "Network", text)
    assert "was withdrawn" in read(follow(visitor, visitor.post("/undo")))
    assert noted["withdrawn"]
    assert "no answer to withdraw" in read(follow(visitor, visitor.post("/undo")))


def test_a_session_can_withdraw_only_its_own_answers(visitor, agent_double, web):
    agent_double.predict("wifi", True, False)
    ticket = next(iter(agent_double.waiting))
    assert visitor.post("/review", ticket_id=ticket, category="Network").status == 303
    other = Visitor(web)
    assert "no answer to withdraw" in read(follow(other, other.post("/undo")))
    assert not agent_double.answers[-1]["withdrawn"]


def test_a_ticket_is_held_for_a_session_across_processes(visitor, agent_double, tmp_path):
    """The pages store nothing; the agent gets an id that reveals neither the session nor the person."""
    for text in ("wifi", "printer"):
        agent_double.predict(text, True, False)
    secret = {"SESSION_SECRET": "s" * 32, "WEB_PASSWORD": PASSWORD}
    with (
        start(tmp_path, agent_double.address, **secret) as first,
        start(tmp_path, agent_double.address, **secret) as second,
    ):
        ada, bob = Visitor(first), Visitor(first)
        for person, text in ((ada, "wifi"), (bob, "printer")):
            person.post("/login", name="Ada Lovelace", password=PASSWORD)
            for person.service in (first, second, first):
                assert f">{text}" in re.sub(r"</?mark[^>]*>", "", person.get("/review").body.decode())
    for reviewer in agent_double.holds:
        assert re.fullmatch("[0-9a-f]{32}", reviewer) and reviewer not in ada.cookie + bob.cookie


def test_an_unknown_category_is_refused_with_the_list_of_known_ones(visitor, agent_double):
    agent_double.predict("wifi", True, False)
    page = visitor.post("/review", ticket_id=next(iter(agent_double.waiting)), category="Nonsense")
    assert page.status == 422 and ", ".join(LABELS) in read(page)


@pytest.mark.parametrize("path", POSTS)
def test_a_form_without_the_token_of_its_session_is_refused(visitor, web, path):
    other = Visitor(web)
    visitor.get("/")
    for token in ("", "0" * 64, other.token()):
        assert visitor.post(path, token=token, text=TICKET).status == 403
    cross = {"Cookie": visitor.cookie, "Content-Type": "application/x-www-form-urlencoded"}
    assert (
        web.ask("POST", path, b"csrf=" + visitor.token().encode(), Sec_Fetch_Site="cross-site", **cross).status == 403
    )


@pytest.mark.parametrize("path", [*PAGES, "/nothing", "/login", "/static/pages.css"])
def test_every_page_has_security_headers(visitor, path):
    headers = visitor.get(path).headers
    policy = dict(part.split(" ", 1) for part in headers["content-security-policy"].split("; "))
    assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == "'self'"
    assert (headers["x-content-type-options"], headers["referrer-policy"]) == ("nosniff", "same-origin")


def test_unknown_paths_and_methods_get_error_pages_and_there_is_no_openapi_document(visitor, web):
    assert visitor.get("/nothing").status == visitor.get("/docs").status == visitor.get("/openapi.json").status == 404
    assert "no such page" in read(visitor.get("/nothing"))
    assert web.ask("PUT", "/").status == 405
    assert web.ask("POST", "/", b"x" * 1_100_000, Content_Type="application/x-www-form-urlencoded").status == 413


def test_an_overload_is_a_page_in_the_persons_language_and_problem_details_for_a_program(agent_double, tmp_path):
    """Without a login as well: a refused request goes no further."""
    agent_double.trouble = None
    html, french = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}, {"Accept_Language": "fr"}
    with start(tmp_path, agent_double.address, MAX_IN_FLIGHT=1) as web, ThreadPoolExecutor(1) as threads:
        visitor = Visitor(web)
        visitor.get("/?lang=fr")
        token, asked, agent_double.trouble = visitor.token(), len(agent_double.asked), "slow"
        slow = threads.submit(visitor.post, "/", token, text=TICKET)
        web.until(lambda: len(agent_double.asked) > asked)
        page = visitor.get("/", **html)
        assert page.status == 503 and page.headers["retry-after"] and '<html lang="fr">' in page.body.decode()
        assert "Trop de requêtes" in read(page) and page.headers["x-request-id"] in read(page)
        assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
        stranger = web.ask("POST", "/", b"x", **html, **french)
        assert stranger.status == 503 and "Trop de requêtes" in read(stranger)
        for path, accept in (("/", "application/json"), ("/static/pages.css", "text/css,*/*;q=0.1")):
            refused = web.get(path, Accept=accept)
            assert "too many requests" in assert_problem(refused, 503) and refused.headers["retry-after"]
        assert web.get("/health").status == 200
        assert slow.result().status == 200
    agent_double.trouble = None


@pytest.mark.parametrize(
    "method, path, status", [("GET", "/nothing", 404), ("PUT", "/", 405), ("POST", "/", 403), ("POST", "/review", 413)]
)
def test_every_error_is_a_page_for_people_and_problem_details_for_programs(web, method, path, status):
    body = b"x" * (1_100_000 if status == 413 else 0)
    form = {"Content_Type": "application/x-www-form-urlencoded"}
    page = web.ask(method, path, body, Accept="text/html", Accept_Language="fr", **form)
    assert page.status == status and '<html lang="fr">' in page.body.decode()
    for accept in ("*/*", "text/html;q=0.5, application/json"):
        assert b"<html" in web.ask(method, path, body, Accept=accept, **form).body
    for accept in ("application/json", "application/problem+json, */*;q=0.1"):
        assert_problem(web.ask(method, path, body, Accept=accept, **form), status)


def test_markup_in_a_ticket_is_escaped(visitor, agent_double):
    for text in ("<script>alert(1)</script> laptop", '"><img src=x onerror=alert(1)> wifi'):
        page = visitor.post("/", text=text).body.decode()
        agent_double.predict(text, True, False)
        for body in (page, visitor.get("/review").body.decode()):
            assert "<script>alert" not in body and "<img" not in body


class TestLogin:
    """With WEB_PASSWORD set, people log in with their name."""

    def test_pages_need_a_login_and_answers_carry_the_name(self, with_password, agent_double):
        visitor = Visitor(with_password)
        for path in (*PAGES, "/batch/job?id=1", "/nothing"):
            answer = visitor.get(path)
            assert answer.status == 303 and answer.headers["location"].startswith("/login")
        assert visitor.post("/", text=TICKET).status == 401 and visitor.get("/ready").status != 303
        before = visitor.cookie
        answer = visitor.post("/login", name=" Ada  Lovelace ", password=PASSWORD, next="/review")
        assert (answer.status, answer.headers["location"]) == (303, "/review") and visitor.cookie != before
        agent_double.predict("wifi", True, False)
        assert visitor.post("/review", ticket_id=list(agent_double.waiting)[-1], category="Network").status == 303
        assert agent_double.answers[-1]["by"] == "Ada Lovelace"
        assert visitor.post("/logout").headers["location"] == "/login"
        assert visitor.get("/").status == 303

    def test_too_many_wrong_passwords_have_to_wait(self, with_password):
        visitor = Visitor(with_password)
        for _ in range(3):
            page = visitor.post("/login", name="Ada", password="wrong one")
            assert page.status == 403 and "Wrong password" in read(page)
        waiting = visitor.post("/login", name="Ada", password=PASSWORD)
        assert waiting.status == 429 and 0 < int(waiting.headers["retry-after"]) <= 3
        time.sleep(3.1)
        assert visitor.post("/login", name="Ada", password=PASSWORD).status == 303

    def test_a_login_needs_a_name_and_redirects_only_to_our_pages(self, with_password):
        visitor = Visitor(with_password)
        for name in ("", " ", "x" * 81, "a\x00b"):
            assert visitor.post("/login", name=name, password=PASSWORD).status == 422
        for target in ("https://example.org", "//example.org", "/\\example.org"):
            answer = visitor.post("/login", name="Ada", password=PASSWORD, next=target)
            assert answer.headers["location"] == "/"

    def test_the_session_cookie_is_protected_and_cannot_be_changed(self, with_password):
        answer = Visitor(with_password).get("/login")
        cookie = answer.headers["set-cookie"]
        assert "HttpOnly" in cookie and "SameSite=Strict" in cookie and "Secure" not in cookie
        behind_tls = with_password.get("/login", X_Forwarded_Proto="https")
        assert "; Secure" in behind_tls.headers["set-cookie"]
        visitor = Visitor(with_password)
        visitor.post("/login", name="Ada", password=PASSWORD)
        assert visitor.get("/").status == 200
        visitor.cookie = visitor.cookie[:-3] + "abc"
        assert visitor.get("/").status == 303


def test_beyond_loopback_a_password_is_required_unless_anonymous_access_is_allowed(agent_double, tmp_path):
    assert "WEB_PASSWORD is needed" in fails_to_start(WEB, HOST="0.0.0.0")
    assert "WEB_PASSWORD is needed" in fails_to_start(WEB, HOST="0.0.0.0", WEB_PASSWORD="")
    with start(tmp_path, agent_double.address, HOST="0.0.0.0", ALLOW_ANONYMOUS="true") as web:
        assert web.get("/").status == 200


@pytest.mark.parametrize(
    "variables, said",
    [
        ({"AGENT_URL": "agent:8002"}, "AGENT_URL: Value error, must be an address"),
        ({"WEB_PASSWORD": "short"}, "WEB_PASSWORD: "),
        ({"SESSION_SECRET": "short"}, "SESSION_SECRET: "),
        ({"CATEGORY_DESCRIPTIONS": "missing.yaml"}, "CATEGORY_DESCRIPTIONS: missing.yaml cannot be read"),
        ({"TICKET_URL": "javascript:alert({ticket_id})"}, "TICKET_URL: Value error, must be an address"),
        ({"TICKET_URL": "https://{ticket_id}/{ticket_id}"}, "TICKET_URL: Value error, must be an address"),
    ],
)
def test_invalid_settings_of_the_pages_are_reported_in_one_line_without_secrets(variables, said):
    line = fails_to_start(WEB, **variables)
    assert said in line and "short" not in line.partition(":")[2].replace("shorter", "")


def test_a_session_outlives_a_restart_when_its_secret_and_the_logouts_are_kept(agent_double, tmp_path):
    agent_double.trouble = None
    variables = {"WEB_PASSWORD": PASSWORD, "SESSION_SECRET": "s" * 32, "LOGOUTS_FILE": tmp_path / "logouts.db"}
    with start(tmp_path, agent_double.address, **variables) as first:
        visitor = Visitor(first)
        visitor.post("/login", name="Ada", password=PASSWORD)
    with start(tmp_path, agent_double.address, **variables) as visitor.service:
        assert visitor.get("/").status == 200


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGTERM that a process could answer")
def test_the_pages_stop_on_sigterm_even_while_a_file_is_being_classified(agent_double, tmp_path):
    agent_double.trouble, agent_double.pause = None, 0.3
    with start(tmp_path, agent_double.address, MAX_BATCH=1) as web:
        assert Visitor(web).upload(b"text\n" + b"wifi\n" * 50).status == 303
        web.process.terminate()
        assert web.process.wait(10) == 0
    agent_double.pause = 0


class TestFile:
    """A file is returned with its rows, its columns and ours."""

    def fetch(self, visitor, content, raw="", **fields):
        """Upload a file, and return it with predictions."""
        job = finish(visitor, visitor.upload(content, **fields))
        return visitor.get(f"/batch/download?id={job}&raw={raw}")

    @pytest.mark.parametrize("delimiter", [",", ";", "\t"])
    def test_rows_and_cells_of_a_file_for_programs_stay_unchanged(self, visitor, agent_double, delimiter):
        rows = [[str(n), f"wifi laptop laptop {n}", "=1+1"] for n in range(140)]
        rows[3][1], rows[4][1], rows[5][1] = 'say "laptop"\nand\r\nwifi, laptop; x\ty', " ", "x" * 2001
        buffer = io.StringIO(newline="")
        csv.writer(buffer, delimiter=delimiter).writerows([["id", "Text", "note"], *rows])
        answer = self.fetch(visitor, b"\xef\xbb\xbf" + buffer.getvalue().encode(), name="été.csv", raw="yes")
        assert answer.headers["content-disposition"].endswith("filename*=UTF-8''%C3%A9t%C3%A9-categories.csv")
        assert answer.body.startswith(b"\xef\xbb\xbfid")
        text = io.StringIO(answer.body.decode("utf-8-sig"), newline="")
        header, *found = csv.reader(text, delimiter=delimiter)
        assert header == ["id", "Text", "note", "category", "confidence", "decision", "model"]
        assert [row[:3] for row in found] == rows
        assert found[0][3:] == ["Hardware", "0.6538", "auto", "tfidf"]
        assert found[4][3:] == ["", "", "empty", ""] and found[5][3:] == ["", "", "too long", ""]
        assert not agent_double.waiting

    def test_no_cell_of_the_file_for_people_is_a_formula(self, visitor):
        """A spreadsheet would run =HYPERLINK(...) of a ticket, which sends the other cells to a stranger."""
        starts = ["=1+1", "+1+1", "-1+1", "@SUM(1)", "\t=1+1", "\r=1+1", "\n=1", "＝1+1", "1-1", "a=1", ""]
        buffer = io.StringIO(newline="")
        csv.writer(buffer).writerows([["text", "=note"], *(["wifi laptop", start] for start in starts)])
        answer = self.fetch(visitor, buffer.getvalue().encode())
        header, *rows = csv.reader(io.StringIO(answer.body.decode("utf-8-sig"), newline=""))
        assert header[:2] == ["text", "'=note"]
        assert [row[1] for row in rows] == [f"'{start}" for start in starts[:8]] + starts[8:]

    def test_a_column_of_the_file_called_category_is_not_overwritten(self, visitor):
        answer = self.fetch(visitor, b"category,text\nmine,wifi\n")
        assert answer.body.splitlines()[0] == b"category,text,predicted_category,confidence,decision,model"
        assert answer.body.splitlines()[1].startswith(b"mine,wifi,Network,")

    def test_unsure_tickets_of_a_file_are_sent_to_review_if_requested(self, visitor, agent_double):
        finish(visitor, visitor.upload(b"text\nwifi\nlaptop screen\n", store="yes"))
        assert [ticket["text"] for ticket in agent_double.waiting.values()] == ["wifi"]

    def test_a_row_that_the_agent_refuses_does_not_affect_the_others(self, visitor):
        answer = self.fetch(visitor, b"text\n" + b"wifi\n" * 20 + b"REFUSE ME\n" + b"laptop\n" * 20)
        decisions = [row["decision"] for row in csv.DictReader(io.StringIO(answer.body.decode()))]
        assert decisions.count("refused") == 1 and decisions[20] == "refused" and len(decisions) == 41

    def test_one_person_in_many_sessions_leaves_room_for_others(self, agent_double, tmp_path):
        """Without names that a provider confirms, an address is a person; half of six is the most."""
        with start(tmp_path, agent_double.address) as web:
            mine = [Visitor(web, X_Forwarded_For=f"2001:db8:0:1::{number}") for number in range(5)]
            assert [visitor.upload(UNCLEAR).status for visitor in mine] == [303, 303, 303, 503, 503]
            assert Visitor(web, X_Forwarded_For="2001:db8:0:2::1").upload(UNCLEAR).status == 303

    def test_files_that_are_still_arriving_count(self, agent_double, tmp_path):
        head = b"POST /batch HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: 198.51.100.1\r\nContent-Length: 9999\r\n"
        head += b"Content-Type: multipart/form-data; boundary=edge\r\n\r\n--edge\r\n"
        with start(tmp_path, agent_double.address) as web, ExitStack() as stack:
            for _ in range(3):
                slow = stack.enter_context(socket.create_connection(("127.0.0.1", web.port)))
                slow.sendall(head)
            web.until(lambda: Visitor(web, X_Forwarded_For="198.51.100.1").upload(UNCLEAR).status == 503)
            assert Visitor(web, X_Forwarded_For="198.51.100.2").upload(UNCLEAR).status == 303

    def test_a_file_stops_after_its_time_and_can_be_continued(self, agent_double, tmp_path):
        agent_double.pause = 0.3
        with start(tmp_path, agent_double.address, RUN_MINUTES=0.01, MAX_BATCH=10) as web:
            visitor = Visitor(web)
            job = finish(visitor, visitor.upload(b"text\n" + b"wifi\n" * 60), "stopped")
            done = visitor.get(f"/batch/progress?id={job}").json["done"]
            assert 0 < done < 60 and "too long" in read(visitor.get(f"/batch/job?id={job}"))
            agent_double.pause = 0
            visitor.post("/batch/continue", id=job)
            web.until(lambda: visitor.get(f"/batch/progress?id={job}").json["state"] == "done")

    def test_without_a_text_column_the_person_chooses_one(self, visitor):
        answer = visitor.upload(b"id,message\n1,laptop screen\n")
        job = finish(visitor, answer, "column")
        page = read(visitor.get(answer.headers["location"]))
        assert "message" in page and "laptop screen" in page
        for wrong in ("2", "-1", "x"):
            visitor.post("/batch/column", id=job, column=wrong)
            assert visitor.get(f"/batch/progress?id={job}").json["state"] == "column"
        visitor.post("/batch/column", id=job, column="1")
        visitor.service.until(lambda: visitor.get(f"/batch/progress?id={job}").json["state"] == "done")
        assert b"1,laptop screen,Hardware," in visitor.get(f"/batch/download?id={job}").body

    @pytest.mark.parametrize(
        "content, status, said",
        [
            (b"", 422, "The file is empty"),
            (b"\xef\xbb\xbf \n", 422, "The file is empty"),
            (b"text\n", 422, "a header but no rows"),
            (
                b"id,text\n1,2,3\n4,5,6\n",
                422,
                "None of the 2 rows can be read; the first begins with “1,2,3”: it has more",
            ),
            (b'text\n"open\n', 422, "its quotation marks do not match"),
            (b"<html><table><tr><td>a</td></tr></table>", 422, "a web page (HTML)"),
            (b"%PDF-1.7 \xff", 422, "The file is a PDF"),
            (gzip.compress(b"text\nwifi\n", mtime=0)[:-9], 422, "not a complete gzip file"),
            (gzip.compress(b"text\n" + b"a\n" * 200_000, mtime=0), 413, "more than 300 rows"),
            (gzip.compress(b"text\n" + b"wifi" * 500_000 + b"\n", mtime=0), 413, "Unpacked, the file has more than"),
            (
                workbook({"A": [["text"], ["wifi"]], "B": [["text"], ["wifi"]]}),
                422,
                "has 2 sheets: 'A', 'B'. Name below",
            ),
            (b"text\n" + b"a\n" * 301, 413, "more than 300 rows"),
            (b"text\n" + b"a" * 60_000, 413, "larger than 50,000 bytes"),
            (b"text\n" + b"a" * 400_000, 413, "larger than 50,000 bytes"),
        ],
        ids=lambda value: repr(value)[:24] if len(repr(value)) < 1000 else "long",
    )
    def test_a_bad_file_says_what_is_wrong_with_it(self, visitor, content, status, said):
        page = visitor.upload(content)
        assert page.status == status and said in re.sub(r"\s+", " ", read(page))

    def test_a_file_that_cannot_be_read_in_time_ends_only_its_own_process(self, agent_double, tmp_path):
        """Within a millisecond nothing is read; the next file gets a new process, and other pages are answered."""
        with start(tmp_path, agent_double.address, TABLE_SECONDS=0.001) as running:
            visitor = Visitor(running)
            for _ in range(2):
                page = visitor.upload(b"text\nwifi\n")
                assert page.status == 422 and "too much time or memory" in read(page)
            assert visitor.get("/").status == 200

    def test_a_workbook_that_asks_for_more_memory_than_there_is_ends_only_its_own_process(self, visitor):
        """The library that reads .xls ends its process then: here the last cell of the file stands far away."""
        content = (REPOSITORY / "tests" / "support" / "tickets.xls").read_bytes()
        last_cell = struct.pack("<HHHH", 0xFD, 10, 60, 2)
        assert content.count(last_cell) == 1
        page = visitor.upload(content.replace(last_cell, struct.pack("<HHHH", 0xFD, 10, 0xFFFF, 0xFFFF)), "far.xls")
        assert page.status == 422 and "too much time or memory" in read(page)
        assert visitor.upload(b"text\nwifi\n").status == 303

    def test_a_file_with_a_subject_asks_which_columns_belong_to_a_ticket(self, visitor, agent_double):
        answer = visitor.upload(b"id,text,Subject\n1,the laptop,wifi\n2,,printer\n")
        job = finish(visitor, answer, "column")
        boxes = re.findall(r'name="column" value="(\d)"( checked)?', visitor.get(f"/batch/job?id={job}").body.decode())
        assert boxes == [("0", ""), ("1", " checked"), ("2", " checked")]
        both = f"csrf={visitor.token()}&id={job}&column=1&column=2".encode()
        form = {"Content-Type": "application/x-www-form-urlencoded", "Cookie": visitor.cookie}
        assert visitor.service.ask("POST", "/batch/column", both, **form).status == 303
        visitor.service.until(lambda: visitor.get(f"/batch/progress?id={job}").json["state"] == "done")
        assert agent_double.texts[-2:] == ["wifi\nthe laptop", "printer"]

    def test_a_file_without_a_header_is_recognised_and_stays_without_one(self, visitor):
        answer = visitor.upload(b"wifi laptop laptop,7,A\nprinter screen here,8,B\nwifi here,9,A\n")
        job = finish(visitor, answer, "column")
        assert "column 1, unnamed wifi laptop laptop" in re.sub(r"\s+", " ", read(visitor.get(f"/batch/job?id={job}")))
        visitor.post("/batch/column", id=job, column="0")
        visitor.service.until(lambda: visitor.get(f"/batch/progress?id={job}").json["state"] == "done")
        body = visitor.get(f"/batch/download?id={job}").body
        assert body.startswith(b"wifi laptop laptop,7,A,Hardware,") and len(body.splitlines()) == 3

    def test_rows_that_cannot_be_read_keep_their_place_and_are_reported(self, visitor):
        answer = visitor.upload(b"id,text\n1,wifi\n2,one,two\n3,laptop screen\n")
        job = finish(visitor, answer)
        page = re.sub(r"\s+", " ", read(visitor.get(f"/batch/job?id={job}")))
        assert (
            "1 row cannot be read and gets no category: row 2, since it has more or fewer cells than the header."
            in page
        )
        rows = list(csv.reader(io.StringIO(visitor.get(f"/batch/download?id={job}").body.decode())))
        assert rows[2] == ["2,one,two", "", "", "", "unreadable", ""]
        assert [row[4] for row in rows[1:]] == ["review", "unreadable", "auto"]

    @pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
    def test_every_kind_of_file_gets_the_same_predictions(self, visitor, case):
        """As prepare and predict_batch read them; each row that cannot be read is reported and keeps its place."""
        options = {name: str(value) for name, value in case.options._asdict().items() if value and name != "header"}
        options |= {} if case.options.header else {"no_header": "yes"}
        answer = visitor.upload(case.content, case.name, **options)
        assert answer.status == 303, read(answer)
        job = answer.headers["location"].partition("?id=")[2]
        if visitor.get(f"/batch/progress?id={job}").json["state"] == "column":
            visitor.post("/batch/column", id=job, column=str(int(case.columns[0]) - 1))
        visitor.service.until(lambda: visitor.get(f"/batch/progress?id={job}").json["state"] == "done")
        page, content = read(visitor.get(answer.headers["location"])), visitor.get(f"/batch/download?id={job}").body
        text = content.decode("utf-8-sig")
        # Our columns come last, after the delimiter of the file.
        delimiter = text.splitlines()[0][-len("model") - 1] if case.options.header else ","
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))
        rows = rows[1:] if case.options.header else rows
        texts = [cell for row in rows for cell in row if cell in TEXTS]
        assert texts == TEXTS and len(rows) == len(TEXTS) + case.unreadable
        decisions = [row[-2] for row in rows]
        assert decisions.count("unreadable") == case.unreadable and set(decisions[: len(TEXTS)]) <= {"auto", "review"}
        assert ("cannot be read and get" in page) == bool(case.unreadable)

    def test_an_upload_without_a_file_is_refused(self, visitor):
        page = visitor.post("/batch")
        assert page.status == 422 and "No file was uploaded" in read(page)

    def test_a_file_stops_when_the_agent_fails_and_continues_from_there(self, visitor, agent_double):
        agent_double.trouble = 500
        job = finish(visitor, visitor.upload(b"text\n" + b"laptop screen\n" * 120), "stopped")
        page = visitor.get(f"/batch/job?id={job}")
        assert "no usable answer" in read(page) and visitor.get(f"/batch/download?id={job}").status == 303
        agent_double.trouble = None
        assert visitor.post("/batch/continue", id=job).status == 303
        visitor.service.until(lambda: visitor.get(f"/batch/progress?id={job}").json["state"] == "done")
        assert visitor.get(f"/batch/download?id={job}").body.count(b"Hardware") == 120

    def test_files_are_private_limited_in_number_and_can_be_deleted(self, visitor, web):
        jobs = [finish(visitor, visitor.upload(b"text\nwifi\n")) for _ in range(2)]
        page = visitor.upload(b"text\nwifi\n")
        assert page.status == 503 and "limit of files per person" in read(page)
        stranger = Visitor(web)
        stranger.get("/")
        for path in ("job", "progress", "download"):
            assert stranger.get(f"/batch/{path}?id={jobs[0]}").status == 404
        assert stranger.post("/batch/delete", id=jobs[0]).status == 404
        assert "deleted" in read(follow(visitor, visitor.post("/batch/delete", id=jobs[0])))
        assert visitor.get(f"/batch/job?id={jobs[0]}").status == 404
        assert visitor.upload(b"text\nwifi\n").status == 303

    def test_a_file_is_deleted_after_its_time_without_a_visit(self, agent_double, tmp_path):
        agent_double.trouble = None
        with start(tmp_path, agent_double.address, JOB_MINUTES=0.03, MAX_JOBS_EACH=1) as web:
            visitor = Visitor(web)
            finish(visitor, visitor.upload(b"text\nwifi\n"))
            assert visitor.upload(b"text\nwifi\n").status == 503
            time.sleep(4.5)
            assert visitor.upload(b"text\nwifi\n").status == 303


def test_every_language_has_the_same_keys_and_placeholders():
    """A text that one language lacks would break the page in that language."""

    def flat(table, prefix=""):
        for key, value in table.items():
            yield from flat(value, f"{prefix}{key}.") if isinstance(value, dict) else [(prefix + key, value)]

    folder = REPOSITORY / "services" / "web" / "languages"
    catalogues = [dict(flat(tomllib.loads(path.read_text(encoding="utf-8")))) for path in sorted(folder.glob("*.toml"))]
    assert len(catalogues) == 2
    places = [
        {key: {field for _, field, _, _ in string.Formatter().parse(text) if field} for key, text in each.items()}
        for each in catalogues
    ]
    assert places[0] == places[1]


def test_every_problem_of_a_file_has_a_text_in_every_language():
    """What depends on columns that a person names cannot happen: the page reads all of them."""
    named = {"missing", "no_column", "column_twice", "no_header", "not_a_number", "unreadable"}
    code = {"callcenterai/formats/opening.py", "callcenterai/formats/kinds.py", "callcenterai/formats/encodings.py"}
    whats = {what for path in code for what in re.findall(r'what="([^"]+)"', (REPOSITORY / path).read_text("utf-8"))}
    whats |= {*BINARY.values(), *DOCUMENTS.values(), "a Word document", "a packed file"}
    expected = {f"table.{kind}.{part}" for kind in set(MESSAGES) - named for part in ("what", "then")}
    expected |= {f"file.{what}" for what in whats} | {f"fault.{fault}" for fault in Fault}
    for language in read_catalogues().values():
        assert expected - language.keys == set()


@pytest.mark.parametrize(
    "accepted, language",
    {"fr-CH, fr;q=0.9, en;q=0.8": "fr", "de, en;q=0.5": "en", "en;q=0.1, fr;q=0.2": "fr", "x": "en"}.items(),
)
def test_the_language_is_the_browsers_until_another_is_chosen(visitor, accepted, language):
    assert f'<html lang="{language}">' in visitor.get("/", Accept_Language=accepted).body.decode()
    other = "en" if language == "fr" else "fr"
    visitor.get(f"/?lang={other}", Accept_Language=accepted)
    assert f'<html lang="{other}">' in visitor.get("/batch", Accept_Language=accepted).body.decode()


def test_an_unreachable_registry_is_reported_and_the_rest_is_shown(agent_double, tmp_path):
    agent_double.trouble = None
    dead = f"http://127.0.0.1:{free_port()}"
    with start(tmp_path, agent_double.address, MLFLOW_TRACKING_URI=dead) as web:
        page = web.get("/models")
        assert page.status == 200 and "registry cannot be reached" in read(page) and "93.8%" in read(page)


@pytest.mark.slow
def test_the_registry_shows_stages_figures_confusion_and_history(trained, agent_double, tmp_path, monkeypatch, capsys):
    """With a real MLflow server and real promotions."""
    agent_double.trouble = None
    registry_commands = RegistryCommands(trained, tmp_path, monkeypatch, capsys)
    stores = ("--backend-store-uri", f"sqlite:///{(tmp_path / 'r.db').as_posix()}", "--artifacts-destination", "a")
    with TrackingServer(tmp_path, *stores) as server:
        for _ in range(2):
            registry_commands.register_in(server.address)
        registry_commands.run("production", "--version", "1", "--force", "--reason", "<b>first</b>")
        registry_commands.run("staging", "--version", "2", "--force", "--reason", "a trial")
        with start(tmp_path, agent_double.address, MLFLOW_TRACKING_URI=server.address) as web:
            page = web.get("/models")
            body, text = page.body.decode(), re.sub(r"\s+", " ", read(page))
            links = [html.unescape(link) for link in re.findall(r'href="(/models/report[^"]+)"', body)]
            report = web.get(links[0])
            missing = [web.get(f"/models/report?name={name}&version=9").status for name in (NAME, "other")]
    assert page.status == 200 and NAME in text
    assert links == [f"/models/report?name={NAME}&version={version}" for version in ("1", "2")]
    assert report.body == (trained.folder / "reports" / "model_report.html").read_bytes() and missing == [404, 404]
    policy = report.headers["content-security-policy"]
    assert "default-src 'none'; style-src 'sha256-" in policy and "sandbox" in policy and "script" not in policy
    assert "Version 1 Production" in text and "Version 2 Staging" in text
    metrics = json.loads((trained.folder / "m.json").read_text(encoding="utf-8"))["test"]
    assert f"{100 * metrics['accuracy']:.1f}%" in text
    assert "Confusion matrix of version 1 (Production)" in text and "History: 4 moves" in text
    assert "&lt;b&gt;first&lt;/b&gt;" in body and "<b>first" not in body and "Forced past" in text
    with (trained.folder / "plots" / "confusion.csv").open(encoding="utf-8", newline="") as file:
        pairs = [(row["actual"], row["predicted"]) for row in csv.DictReader(file)]
    row = re.search(r'<th scope="row">Hardware</th>(.*?)</tr>', body)[1]
    assert sum(map(int, re.findall(r">(\d+)</td>", row))) == sum(actual == "Hardware" for actual, _ in pairs)


def test_an_audited_ticket_is_reviewed_without_the_models_answer(visitor, agent_double):
    agent_double.holds.clear()
    agent_double.waiting = {"t-1": {"ticket_id": "t-1", "received_at": "2026-11-24T09:00:00+00:00", "audit": True}}
    agent_double.waiting["t-1"] |= {"text": "the lift is stuck", "language": "en"}
    page = read(visitor.get("/review"))
    assert "the lift is stuck" in page and "Choose the right category" in page and "routed already" in page
    assert "Suggestion" not in page and "Accept" not in page and "%" not in page
    assert "desk.example.org" not in visitor.get("/review").body.decode()
    assert visitor.post("/review", ticket_id="t-1", category="Hardware").status == 303
    assert agent_double.answers[-1]["ticket_id"] == "t-1"


def test_a_waiting_ticket_is_shown_with_its_age_its_helpdesk_address_and_the_words_that_say_something(
    visitor, agent_double
):
    """Words without weight and function words are not coloured."""
    ticket = agent_double.predict("the laptop with the wifi of today", True, False)
    waiting = agent_double.waiting[ticket["ticket_id"]]
    waiting["received_at"] = (datetime.now(UTC) - timedelta(hours=3, minutes=30)).isoformat()
    weights = {"laptop": 1.0, "with the wifi": -0.8, "the": 0.9, "today": 0.05}
    waiting["contrast"] = [{"term": term, "weight": weight} for term, weight in weights.items()]
    page = visitor.get("/review")
    assert "Waiting for 3 hours" in read(page)
    assert f'href="https://desk.example.org/tickets/{ticket["ticket_id"]}/edit"' in page.body.decode()
    shown = re.search(r'<p class="ticket"[^>]*>(.*?)</p>', page.body.decode())[1]
    assert re.findall(r"<mark[^>]*>(.*?)</mark>", shown) == ["laptop", "wifi"]


def test_the_models_page_shows_the_live_accuracy_and_what_it_says_of_the_target(visitor, agent_double):
    figures = {"drawn": 130, "answered": 120, "accuracy": 0.9, "low": 0.83, "high": 0.94, "effective_answers": 101.5}
    deciding = {"decided_by": "tfidf 3, policy 5f0c2a1b", "target_accuracy": 0.95, "needed_answers": 92}
    agent_double.audits = {"share": 0.01, "deciding": deciding}
    agent_double.audits["recent"] = [figures | {"days": 28, "verdict": "broken"}]
    agent_double.audits["weeks"] = [figures | {"week": "2026-W48", "decided_by": "tfidf 2"}]
    page = re.sub(r"\s+", " ", read(visitor.get("/models")))
    assert "Last 28 days Below the target" in page and "90.0% (83.0% to 94.0%)" in page
    assert "Target of the training 95.0%" in page and "120 of 130 drawn" in page and "tfidf 3, policy 5f0c2a1b" in page
    assert "2026-W48 tfidf 2" in page


def test_the_chosen_order_of_the_review_stays_for_the_session(visitor, agent_double):
    assert 'aria-current="true">Least certain first' in visitor.get("/review?order=uncertainty").body.decode()
    visitor.get("/review")
    assert agent_double.order == "uncertainty"
    visitor.get("/review?order=nonsense")
    assert agent_double.order == "uncertainty"
