"""scripts/smoke_test.py passes on a working stack, and says in one line what is wrong with any other."""

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import smoke_test
from support.processes import free_port
from support.servers import web as web_world
from support.servers.agent import ModelService, start_agent, tfidf_says
from support.servers.services import Service

KEY, PASSWORD = "sesame", "open the pages"
NAMES = [
    "agent: is alive",
    "agent: a ticket in en",
    "agent: a ticket in fr",
    "agent: a mail address is scrubbed",
    "agent: its database answers",
    "agent: a wrong key is refused",
    "pages: nobody gets in without logging in",
    "pages: logging in with WEB_PASSWORD",
    "pages: a ticket gets the agent's category",
]


class SmokeStack(NamedTuple):
    """A real agent and real pages, with a fake model service behind them."""

    model: ModelService
    agent: Service
    web: Service
    secrets: Path

    def arguments(self, **changes: Any) -> list[str]:
        """Return the arguments that test this stack; changes replace addresses or files."""
        places = {name: f"http://127.0.0.1:{getattr(self, name).port}" for name in ("agent", "web")}
        given = places | {"secrets": self.secrets, "wait": 0} | changes
        return [str(part) for name, value in given.items() for part in (f"--{name}", value)]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmokeStack]:
    folder = tmp_path_factory.mktemp("smoke")
    secrets = folder / ".env"
    secrets.write_text(f"AGENT_API_KEY={KEY}\nWEB_PASSWORD={PASSWORD}\n", encoding="utf-8")
    with ModelService(tfidf_says) as model, start_agent(folder, model.url, API_KEYS=KEY) as agent:
        places = {"AGENT_API_KEY": KEY, "WEB_PASSWORD": PASSWORD}
        with web_world.start(folder, f"http://127.0.0.1:{agent.port}", **places) as web:
            yield SmokeStack(model, agent, web, secrets)


@pytest.fixture
def stack(world: SmokeStack) -> SmokeStack:
    """The stack in working order."""
    world.model.reset()
    world.agent.ready()
    return world


@pytest.fixture
def wrong_line(capsys: pytest.CaptureFixture) -> Callable[[], str]:
    """Returns the one line that the command has written to stderr."""

    def read() -> str:
        message = capsys.readouterr().err
        assert message.startswith("wrong: ") and len(message.splitlines()) == 1, message
        return message.removeprefix("wrong: ").rstrip("\n")

    return read


class TamperingProxy:
    """Passes requests on to a service and changes its answers."""

    def __init__(self, service: Service, tamper: Callable[[str, int, bytes], tuple[int, bytes]]) -> None:
        """Listen on a free port; tamper gets path, status and body, and returns status and body."""

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                length = int(self.headers.get("content-length") or 0)
                body = self.rfile.read(length) if length else None
                passed = {name: text for name, text in self.headers.items() if name.lower() != "host"}
                answer = service.ask(self.command, self.path, body, **passed)
                status, content = tamper(self.path, answer.status, answer.body)
                self.send_response(status)
                for name in ("content-type", "set-cookie", "location"):
                    if answer.headers[name]:
                        self.send_header(name, answer.headers[name])
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_POST = do_GET

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def __enter__(self) -> "TamperingProxy":
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.mark.runs("python scripts/smoke_test.py")
def test_smoke_test_passes_on_a_working_stack(stack, capsys):
    """Each check prints a line with its milliseconds."""
    assert smoke_test.main(stack.arguments(wait=30)) == 0
    captured = capsys.readouterr()
    lines = captured.out.splitlines()
    assert [line[:52].rstrip() for line in lines] == NAMES and captured.err == ""
    assert all(float(line[52:].removesuffix(" ms")) >= 0 for line in lines)


def test_smoke_test_stores_one_ticket(stack, capsys):
    """Only the ticket that is sent through the pages is stored."""

    def kept() -> int:
        days = stack.agent.get("/volumes", Authorization=f"Bearer {KEY}").json["days"]
        return sum(day["tickets"] for day in days)

    before = kept()
    assert smoke_test.main(stack.arguments()) == 0
    assert kept() == before + 1


@pytest.mark.parametrize(
    "path, old, new, message",
    [
        ("/predict", b'"category":"', b'"category":"', None),
        ("/predict", b'"category":', b'"kategorie":', "agent: a ticket in en: the category is None"),
        ("/predict", b'"confidence":', b'"confidence":1', "agent: a ticket in en: the confidence is 1"),
        ("/predict", b'"versions":{"tfidf"', b'"versions":{},"x":{"tfidf"', "no version of a model is named: {}"),
        ("/predict", b'"language":"fr"', b'"language":"de"', "agent: a ticket in fr: the language is 'de'"),
        ("/predict", b'{"email":1}', b"{}", "agent: a mail address is scrubbed: the address is not counted: {}"),
        ("/predict", b"[EMAIL]", b"smoke.test@example.org", "a mail address is scrubbed: the address is in the answer"),
    ],
)
def test_smoke_test_reports_wrong_predictions(stack, path, old, new, message, wrong_line, capsys):
    def tamper(asked: str, status: int, body: bytes) -> tuple[int, bytes]:
        return status, body.replace(old, new) if asked.startswith(path) else body

    with TamperingProxy(stack.agent, tamper) as proxy:
        code = smoke_test.main(stack.arguments(agent=proxy.url))
    assert code == (0 if message is None else 1)
    assert message is None or message in wrong_line()


@pytest.mark.parametrize(
    "path, status, body, message",
    [
        ("/health", 500, b"", "agent: is alive: 500"),
        ("/predict", 200, b"<html>", "agent: a ticket in en: the answer is not JSON: '<html>'"),
        ("/predict", 200, b"[1]", "agent: a ticket in en: the answer is not an object: '[1]'"),
        ("/reviews", 503, b'{"detail": "no database"}', "agent: its database answers: 503 no database"),
    ],
)
def test_smoke_test_reports_broken_agent_answers(stack, path, status, body, message, wrong_line):
    def tamper(asked: str, *answer: Any) -> tuple[int, bytes]:
        return (status, body) if asked.startswith(path) else answer

    with TamperingProxy(stack.agent, tamper) as proxy:
        assert smoke_test.main(stack.arguments(agent=proxy.url)) == 1
    assert message in wrong_line()


def test_smoke_test_reports_an_agent_that_accepts_any_key(stack, wrong_line):
    def tamper(asked: str, status: int, body: bytes) -> tuple[int, bytes]:
        return 200, body

    with TamperingProxy(stack.agent, tamper) as proxy:
        assert smoke_test.main(stack.arguments(agent=proxy.url)) == 1
    assert "agent: a wrong key is refused: it was answered: 200" in wrong_line()


@pytest.mark.parametrize(
    "old, new, message",
    [
        (b'id="category"', b'id="nothing"', "a ticket gets the agent's category: the page shows no category: 200"),
        (b">Hardware</h2>", b">Storage</h2>", "the page shows 'Storage', the agent says 'Hardware'"),
        (b'name="csrf"', b'name="other"', "pages: logging in with WEB_PASSWORD: the page has no form: 200"),
        (b'action="/logout"', b'action="/"', "pages: logging in with WEB_PASSWORD: 200"),
    ],
)
def test_smoke_test_reports_wrong_pages(stack, old, new, message, wrong_line):
    def tamper(asked: str, status: int, body: bytes) -> tuple[int, bytes]:
        return status, body.replace(old, new)

    with TamperingProxy(stack.web, tamper) as proxy:
        assert smoke_test.main(stack.arguments(web=proxy.url)) == 1
    assert message in wrong_line()


def test_smoke_test_reports_pages_without_a_login(stack, tmp_path, wrong_line):
    with web_world.start(tmp_path, f"http://127.0.0.1:{stack.agent.port}", AGENT_API_KEY=KEY) as open_pages:
        assert smoke_test.main(stack.arguments(web=f"http://127.0.0.1:{open_pages.port}")) == 1
    assert "pages: nobody gets in without logging in: 200" in wrong_line()


def test_smoke_test_reports_a_wrong_password(stack, tmp_path, wrong_line):
    """With the text that the page shows."""
    secrets = tmp_path / "other.env"
    secrets.write_text(f"AGENT_API_KEY={KEY}\nWEB_PASSWORD='another'\n", encoding="utf-8")
    assert smoke_test.main(stack.arguments(secrets=secrets)) == 1
    assert "pages: logging in with WEB_PASSWORD: 403" in wrong_line()


def test_smoke_test_reports_an_agent_without_a_model(stack, wrong_line):
    stack.model.stop()
    stack.agent.until(lambda: stack.agent.get("/ready").status == 503)
    assert smoke_test.main(stack.arguments(wait=1)) == 1
    message = wrong_line()
    assert message.startswith("not ready within 1 s: agent: 503 no model") and "pages" not in message


def test_smoke_test_waits_for_the_agent(stack, capsys):
    stack.model.stop()
    stack.agent.until(lambda: stack.agent.get("/ready").status == 503)
    later = threading.Timer(1.5, stack.model.start)
    later.start()
    assert smoke_test.main(stack.arguments(wait=60)) == 0
    later.join()


@pytest.mark.parametrize("down", ["agent", "web"])
def test_smoke_test_reports_which_part_is_down(stack, down, wrong_line):
    assert smoke_test.main(stack.arguments(**{down: f"http://127.0.0.1:{free_port()}"})) == 1
    assert f"{'pages' if down == 'web' else 'agent'}: [Errno " in wrong_line()


def test_smoke_test_says_how_to_start_a_stack_that_is_down(stack, error_line):
    nobody = {name: f"http://127.0.0.1:{free_port()}" for name in ("agent", "web")}
    assert smoke_test.main(stack.arguments(**nobody)) == 2
    assert "nothing answers at" in (message := error_line()) and "docker compose up" in message


@pytest.mark.parametrize(
    "content, message",
    [
        (None, "no such file; `python scripts/make_secrets.py .env`"),
        ("AGENT_API_KEY=sesame\n# WEB_PASSWORD=x\n", "has no WEB_PASSWORD"),
        ("AGENT_API_KEY=other\nWEB_PASSWORD=x\n", "refuses AGENT_API_KEY"),
    ],
)
def test_smoke_test_reports_missing_or_wrong_secrets(stack, tmp_path, content, message, error_line):
    secrets = tmp_path / "given.env"
    if content:
        secrets.write_text(content, encoding="utf-8")
    assert smoke_test.main(stack.arguments(secrets=secrets)) == 2
    assert message in error_line()


def test_smoke_test_reports_an_invalid_address(stack, error_line):
    assert smoke_test.main(stack.arguments(agent="localhost:8002")) == 2
    assert "begin with http://" in error_line()
