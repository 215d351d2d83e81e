"""Requests that were made to stop a service, to get in, or to stay in; each was seen to work before its defence."""

import os
import re
import socket
import stat
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from support.processes import free_port
from support.servers.services import AGENT, Service, assert_problem, fails_to_start
from support.servers.web import WEB, Visitor, start

PASSWORD = "a long password"
LIMITS = {
    "HEADER_SECONDS": 1,
    "BODY_SECONDS": 4,
    "MAX_HEADER_BYTES": 4_000,
    "MAX_CONNECTIONS": 40,
    "MAX_IN_FLIGHT": 8,
    "MAX_LOGINS": 8,
}


@pytest.fixture(scope="module")
def web(agent_double, tmp_path_factory) -> Iterator[Service]:
    """The pages with a password and small limits."""
    limits = LIMITS | {"WEB_PASSWORD": PASSWORD, "SESSION_HOURS": 0.5, "LOGIN_ATTEMPTS": 3}
    with start(tmp_path_factory.mktemp("web"), agent_double.address, **limits) as running:
        yield running


@pytest.fixture(scope="module")
def agent(tmp_path_factory) -> Iterator[Service]:
    """An agent without model services, whose keys and headers are checked before anything else."""
    folder = tmp_path_factory.mktemp("agent")
    database = f"sqlite:///{(folder / 'agent.db').as_posix()}"
    with Service(folder, AGENT, DATABASE_URL=database, POLICY_FILE=folder / "none") as running:
        yield running


@contextmanager
def connection(service: Service, sent: bytes = b"") -> Iterator[socket.socket]:
    """Open a connection and send some bytes."""
    with socket.create_connection(("127.0.0.1", service.port), timeout=10) as opened:
        opened.sendall(sent)
        yield opened


def answer(opened: socket.socket) -> bytes:
    """Return what arrives until the service closes the connection."""
    received = b""
    try:
        while part := opened.recv(65536):
            received += part
    except ConnectionError:
        pass
    return received


def test_headers_that_never_end_close_the_connection(web):
    with connection(web, b"GET / HTTP/1.1\r\nHost: localhost\r\n") as opened:
        started = time.monotonic()
        assert b"408 Request Timeout" in answer(opened)
        assert time.monotonic() - started < 5


def test_a_connection_on_which_nothing_is_asked_is_closed(web):
    with connection(web) as opened:
        assert b"408" in answer(opened)


def test_a_later_request_of_a_connection_has_the_same_deadline(web):
    with connection(web, b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n") as opened:
        assert b"200 OK" in opened.recv(65536)
        opened.sendall(b"GET /health HTTP/1.1\r\n")
        assert b"408" in answer(opened)


@pytest.mark.parametrize("size", [5_000, 5_000_000])
def test_headers_over_the_limit_are_refused(web, size):
    with connection(web, b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Filler: ") as opened:
        try:
            opened.sendall(b"x" * size + b"\r\n\r\n")
        except ConnectionError:
            # The service has closed before everything was sent.
            return
        assert b"431" in answer(opened)


def test_idle_connections_keep_nobody_out(web):
    with ExitStack() as stack:
        for _ in range(120):
            stack.enter_context(connection(web, b"GET / HT"))
        started = time.monotonic()
        assert web.get("/health").status == 200
        assert time.monotonic() - started < 5


def test_slow_logins_keep_out_neither_those_who_are_in_nor_the_probes(web):
    """From one address only a few are under way, and from many they do not use up what all requests share."""
    inside = log_in(web)
    kind = "Content-Type: application/x-www-form-urlencoded"
    with ExitStack() as stack:
        for number in range(30):
            head = f"POST /login HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: 198.51.100.{number % 15}\r\n{kind}\r\n"
            stack.enter_context(connection(web, head.encode() + b"Content-Length: 5000\r\n\r\nname="))
        web.until(lambda: web.metric('http_requests_total{path="/login",status="503"}') >= 30 - LIMITS["MAX_LOGINS"])
        assert inside.get("/").status == 200 and web.get("/login").status == 200 and web.get("/health").status == 200


def test_slow_logins_of_one_address_leave_room_for_others(web):
    kind = "Content-Type: application/x-www-form-urlencoded"
    head = f"POST /login HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: 198.51.100.77\r\n{kind}\r\n"
    before = web.metric('http_requests_total{path="/login",status="429"}')
    with ExitStack() as stack:
        for _ in range(7):
            stack.enter_context(connection(web, head.encode() + b"Content-Length: 5000\r\n\r\nname="))
        web.until(lambda: web.metric('http_requests_total{path="/login",status="429"}') == before + 3)
        log_in(web)


@pytest.mark.parametrize("codec", ["punycode", "unicode_escape", "undefined", "utf-7", "idna", "rot13", "zlib"])
def test_the_encoding_that_a_client_names_is_not_used(web, codec):
    """Decoding 990 kB as Punycode takes half a minute, in which nobody else is answered."""
    field = b'--edge\r\nContent-Disposition: form-data; name="name"\r\n\r\n' + b"xn-" * 300_000 + b"\r\n--edge--\r\n"
    started = time.monotonic()
    form = web.ask("POST", "/login", field, **{"Content-Type": f"multipart/form-data; charset={codec}; boundary=edge"})
    assert form.status in (400, 403) and time.monotonic() - started < 10
    named = f'multipart/form-data; boundary=edge; CharSet="{codec}"'
    assert web.ask("POST", "/login", field, **{"Content-Type": named}).status in (400, 403)


def test_a_cookie_of_many_quotes_is_read_in_linear_time(agent_double, tmp_path):
    with start(tmp_path, agent_double.address) as running:
        started = time.monotonic()
        assert running.get("/", Cookie='a="' + "\\a" * 15_000).status == 200
        assert time.monotonic() - started < 5


def log_in(web: Service) -> Visitor:
    visitor = Visitor(web)
    assert visitor.post("/login", name="Ada", password=PASSWORD).status == 303
    assert visitor.get("/").status == 200
    return visitor


def test_after_the_logout_a_copy_of_the_cookie_is_worthless(web):
    visitor = log_in(web)
    copied = visitor.cookie
    assert visitor.post("/logout").status == 303
    assert web.get("/", Cookie=copied).status == 303


def test_a_logout_outlives_a_restart_and_so_do_other_logins(agent_double, tmp_path):
    """With a file for logouts, which holds no id of a session and belongs to this user alone."""
    file = tmp_path / "logouts.db"
    kept = {"WEB_PASSWORD": PASSWORD, "SESSION_SECRET": "s" * 32, "LOGOUTS_FILE": file}
    with start(tmp_path, agent_double.address, **kept) as first:
        leaving, staying = log_in(first), log_in(first)
        copied = leaving.cookie
        leaving.post("/logout")
    with start(tmp_path, agent_double.address, **kept) as staying.service:
        assert staying.service.get("/", Cookie=copied).status == 303
        assert staying.get("/").status == 200
    if os.name != "nt":
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_without_a_file_for_logouts_a_restart_ends_every_login(agent_double, tmp_path):
    kept = {"WEB_PASSWORD": PASSWORD, "SESSION_SECRET": "s" * 32}
    with start(tmp_path, agent_double.address, **kept) as first:
        visitor = log_in(first)
    with start(tmp_path, agent_double.address, **kept) as visitor.service:
        assert visitor.get("/").status == 303


def test_a_file_for_logouts_that_cannot_be_used_is_reported_in_one_line(tmp_path):
    assert "LOGOUTS_FILE" in fails_to_start(WEB, LOGOUTS_FILE=tmp_path / "none" / "logouts.db")


def test_a_session_ends_after_its_hours_whatever_is_clicked(agent_double, tmp_path):
    with start(tmp_path, agent_double.address, WEB_PASSWORD=PASSWORD, SESSION_HOURS=3 / 3600) as running:
        visitor = log_in(running)
        ends = time.monotonic() + 6
        while visitor.get("/?lang=fr").status == 200:
            assert time.monotonic() < ends, "clicking has prolonged the session"
            visitor.get("/?lang=en")
            time.sleep(0.2)


def test_another_password_ends_every_session(agent_double, tmp_path):
    secret = {"SESSION_SECRET": "s" * 32, "LOGOUTS_FILE": tmp_path / "logouts.db"}
    with start(tmp_path, agent_double.address, WEB_PASSWORD=PASSWORD, **secret) as first:
        visitor = log_in(first)
    with start(tmp_path, agent_double.address, WEB_PASSWORD=PASSWORD + "!", **secret) as visitor.service:
        assert visitor.get("/").status == 303


def test_under_tls_only_this_host_can_have_set_the_cookie(web):
    """A cookie of another name, which a neighbouring host could set, is no session there."""
    secure = web.get("/login", X_Forwarded_Proto="https")
    cookie, *attributes = secure.headers["set-cookie"].split("; ")
    assert cookie.startswith("__Host-") and {"Secure", "Path=/"} <= set(attributes)
    assert "Domain" not in secure.headers["set-cookie"]
    assert secure.headers["strict-transport-security"].startswith("max-age=")
    assert "strict-transport-security" not in web.get("/login").headers
    inside = log_in(web)
    assert web.get("/", Cookie=inside.cookie, X_Forwarded_Proto="https").status == 303


def test_a_wrong_password_is_logged_with_address_and_name_and_counted(web):
    Visitor(web).post("/login", name="Mallory", password="guess")
    found = [line for line in web.lines() if line["message"] == "login failed"]
    assert [("127.0.0.1", "Mallory")] == [(line["address"], line["person"]) for line in found]
    assert web.metric("logins_failed_total") == 1
    assert "guess" not in web.log.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "host",
    ["evil.example", "127.0.0.1.evil.example:80", "[::ffff:1.2.3.4]", "", "a@localhost", "localhost#evil.example"],
)
def test_on_loopback_only_names_of_this_machine_are_answered(web, agent, host):
    """A page of evil.example, whose name resolves to 127.0.0.1, would read tickets as if it were this machine's."""
    assert web.get("/", Host=host).status == 421
    assert_problem(agent.get("/reviews", Host=host), 421)
    assert_problem(agent.post("/predict", {"text": "hello"}, Host=host), 421)


def test_two_host_headers_are_refused(agent):
    """A proxy in front could have checked the other one."""
    with connection(agent, b"GET /reviews HTTP/1.0\r\nHost: evil.example\r\nHost: localhost\r\n\r\n") as opened:
        assert b" 421 " in answer(opened)


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1234", "127.0.0.1:9", "[::1]:8000", "desk.localhost"])
def test_this_machine_is_answered_under_all_its_names(agent, host):
    assert agent.get("/reviews", Host=host).status == 200


def test_further_names_can_be_allowed(agent_double, tmp_path):
    with start(tmp_path, agent_double.address, ALLOWED_HOSTS="desk.example, other.example") as running:
        assert running.get("/", Host="Desk.Example:443").status == 200
        assert running.get("/", Host="evil.example").status == 421


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        *({"Origin": origin} for origin in ("http://evil.example", "null", "http://[")),
    ],
)
def test_a_page_of_another_site_cannot_send_requests(web, agent, headers):
    assert_problem(agent.post("/predict", {"text": "hello"}, **headers), 403)
    assert web.post("/login", b"", **headers).status == 403


def test_an_address_is_believed_only_from_a_named_proxy():
    assert "TRUSTED_PROXIES" in fails_to_start(WEB, TRUSTED_PROXIES="*")


def test_what_a_client_says_of_its_address_before_the_proxy_is_not_believed(agent_double, tmp_path):
    """A client that sends X-Forwarded-For itself cannot avoid the limit on wrong passwords."""
    with start(tmp_path, agent_double.address, WEB_PASSWORD=PASSWORD, LOGIN_ATTEMPTS=2) as running:
        visitor, statuses = Visitor(running), []
        token = re.search(r'name="csrf" value="(\w+)"', visitor.get("/login").body.decode())[1]  # type: ignore[index]
        for attempt in range(4):
            form = f"csrf={token}&name=Mallory&password=guess".encode()
            headers = {"Content-Type": "application/x-www-form-urlencoded", "Cookie": visitor.cookie}
            forged = f"198.51.100.{attempt}, 203.0.113.9"
            statuses.append(running.ask("POST", "/login", form, X_Forwarded_For=forged, **headers).status)
        assert statuses == [403, 403, 429, 429]


def test_credentials_go_through_no_proxy_that_the_environment_names(agent_double, tmp_path):
    """The pages send the agent's key with each ticket; here the proxy is a port that would accept them."""
    with socket.socket() as proxy:
        proxy.bind(("127.0.0.1", 0))
        proxy.listen()
        proxy.setblocking(False)
        address = f"http://127.0.0.1:{proxy.getsockname()[1]}"
        names = dict.fromkeys(("HTTP_PROXY", "http_proxy", "ALL_PROXY"), address)
        with start(tmp_path, agent_double.address, AGENT_API_KEY=PASSWORD, **names) as running:
            assert Visitor(running).post("/", text="the laptop is slow").status == 200
        with pytest.raises(BlockingIOError):
            proxy.accept()


def test_redirects_stay_on_this_host(web):
    for path in ("/batch/", "//evil.example/", "/review/"):
        location = web.get(path, Host="localhost").headers.get("location", "/")
        assert location.startswith("/") and not location.startswith("//")


def test_beyond_loopback_the_metrics_need_a_key_or_a_port_of_their_own(agent_double, tmp_path):
    key = "k" * 32
    with start(tmp_path, agent_double.address, HOST="0.0.0.0", WEB_PASSWORD=PASSWORD, API_KEYS=key) as running:
        assert running.get("/metrics").status == 401
        assert running.get("/metrics", Authorization=f"Bearer {key}").status == 200
    port = free_port()
    with start(tmp_path, agent_double.address, HOST="0.0.0.0", WEB_PASSWORD=PASSWORD, METRICS_PORT=port) as running:
        assert running.get("/metrics").status == 404
        with connection_to(port) as opened:
            opened.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
            assert b"http_requests_total" in answer(opened)


@contextmanager
def connection_to(port: int) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as opened:
        yield opened


def test_a_port_for_metrics_that_is_taken_is_reported_in_one_line():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert "METRICS_PORT" in fails_to_start(WEB, METRICS_PORT=taken.getsockname()[1], PORT=free_port())


def test_the_documentation_of_an_api_loads_nothing_from_other_hosts(agent):
    page = agent.get("/docs").body.decode()
    addresses = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert len(addresses) >= 2 and all(address.startswith("/") for address in addresses)
    assert all(agent.get(address).status == 200 for address in addresses)
    assert "https://" not in page


@pytest.mark.parametrize("path", ["/health", "/metrics", "/reviews", "/openapi.json", "/status"])
def test_head_is_answered_like_get_without_the_body(agent, path):
    got, head = agent.get(path), agent.ask("HEAD", path)
    assert (head.status, head.body) == (got.status, b"")
    assert head.headers["content-type"] == got.headers["content-type"]
