"""The smoke test passes on a sound stack, and says in one line what is wrong with any other."""

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import smoke_test
from support import web as web_world
from support.agent import ModelService, start_agent, tfidf_says
from support.processes import free_port
from support.services import Service

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


class Stack(NamedTuple):
    """A real agent and real pages, in front of a model service that misbehaves on command."""

    model: ModelService
    agent: Service
    web: Service
    secrets: Path

    def arguments(self, **changes: Any) -> list[str]:
        """Return the command line that asks it; changes name another address or file."""
        places = {name: f"http://127.0.0.1:{getattr(self, name).port}" for name in ("agent", "web")}
        given = places | {"secrets": self.secrets, "wait": 0} | changes
        return [str(part) for name, value in given.items() for part in (f"--{name}", value)]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("smoke")
    secrets = folder / ".env"
    secrets.write_text(f"AGENT_API_KEY={KEY}\nWEB_PASSWORD={PASSWORD}\n", encoding="utf-8")
    with ModelService(tfidf_says) as model, start_agent(folder, model.url, API_KEYS=KEY) as agent:
        places = {"AGENT_API_KEY": KEY, "WEB_PASSWORD": PASSWORD}
        with web_world.start(folder, f"http://127.0.0.1:{agent.port}", **places) as web:
            yield Stack(model, agent, web, secrets)


@pytest.fixture
def stack(world: Stack) -> Stack:
    """The sound stack."""
    world.model.reset()
    world.agent.ready()
    return world


@pytest.fixture
def wrong_line(capsys: pytest.CaptureFixture) -> Callable[[], str]:
    """Returns the one line on stderr that says what is wrong."""

    def read() -> str:
        said = capsys.readouterr().err
        assert said.startswith("wrong: ") and len(said.splitlines()) == 1, said
        return said.removeprefix("wrong: ").rstrip("\n")

    return read


class Liar:
    """Passes requests on to a service and changes what it answers."""

    def __init__(self, service: Service, lie: Callable[[str, int, bytes], tuple[int, bytes]]) -> None:
        """Listen on a free port; lie gets path, status and body, and returns status and body."""

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                length = int(self.headers.get("content-length") or 0)
                body = self.rfile.read(length) if length else None
                passed = {name: text for name, text in self.headers.items() if name.lower() != "host"}
                answer = service.ask(self.command, self.path, body, **passed)
                status, content = lie(self.path, answer.status, answer.body)
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

    def __enter__(self) -> "Liar":
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.mark.runs("python scripts/smoke_test.py")
def test_a_sound_stack_passes_every_check(stack, capsys):
    """And each is a line with its milliseconds."""
    assert smoke_test.main(stack.arguments(wait=30)) == 0
    said = capsys.readouterr()
    lines = said.out.splitlines()
    assert [line[:52].rstrip() for line in lines] == NAMES and said.err == ""
    assert all(float(line[52:].removesuffix(" ms")) >= 0 for line in lines)


def test_it_leaves_one_ticket_that_of_the_pages(stack, capsys):
    """What the agent is asked directly is not kept."""

    def kept() -> int:
        days = stack.agent.get("/volumes", Authorization=f"Bearer {KEY}").json["days"]
        return sum(day["tickets"] for day in days)

    before = kept()
    assert smoke_test.main(stack.arguments()) == 0
    assert kept() == before + 1


@pytest.mark.parametrize(
    "path, old, new, said",
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
def test_nonsense_of_the_agent_is_told(stack, path, old, new, said, wrong_line, capsys):
    def lie(asked: str, status: int, body: bytes) -> tuple[int, bytes]:
        return status, body.replace(old, new) if asked.startswith(path) else body

    with Liar(stack.agent, lie) as liar:
        code = smoke_test.main(stack.arguments(agent=liar.url))
    assert code == (0 if said is None else 1)
    assert said is None or said in wrong_line()


@pytest.mark.parametrize(
    "path, status, body, said",
    [
        ("/health", 500, b"", "agent: is alive: 500"),
        ("/predict", 200, b"<html>", "agent: a ticket in en: the answer is not JSON: '<html>'"),
        ("/predict", 200, b"[1]", "agent: a ticket in en: the answer is not an object: '[1]'"),
        ("/reviews", 503, b'{"detail": "no database"}', "agent: its database answers: 503 no database"),
    ],
)
def test_a_broken_answer_of_the_agent_is_told(stack, path, status, body, said, wrong_line):
    def lie(asked: str, *answer: Any) -> tuple[int, bytes]:
        return (status, body) if asked.startswith(path) else answer

    with Liar(stack.agent, lie) as liar:
        assert smoke_test.main(stack.arguments(agent=liar.url)) == 1
    assert said in wrong_line()


def test_an_agent_that_takes_any_key_is_told(stack, wrong_line):
    def lie(asked: str, status: int, body: bytes) -> tuple[int, bytes]:
        return 200, body

    with Liar(stack.agent, lie) as liar:
        assert smoke_test.main(stack.arguments(agent=liar.url)) == 1
    assert "agent: a wrong key is refused: it was answered: 200" in wrong_line()


@pytest.mark.parametrize(
    "old, new, said",
    [
        (b'id="category"', b'id="nothing"', "a ticket gets the agent's category: the page shows no category: 200"),
        (b">Hardware</h2>", b">Storage</h2>", "the page shows 'Storage', the agent says 'Hardware'"),
        (b'name="csrf"', b'name="other"', "pages: logging in with WEB_PASSWORD: the page has no form: 200"),
        (b'action="/logout"', b'action="/"', "pages: logging in with WEB_PASSWORD: 200"),
    ],
)
def test_pages_that_do_not_show_what_they_should_are_told(stack, old, new, said, wrong_line):
    def lie(asked: str, status: int, body: bytes) -> tuple[int, bytes]:
        return status, body.replace(old, new)

    with Liar(stack.web, lie) as liar:
        assert smoke_test.main(stack.arguments(web=liar.url)) == 1
    assert said in wrong_line()


def test_pages_that_let_everybody_in_are_told(stack, tmp_path, wrong_line):
    with web_world.start(tmp_path, f"http://127.0.0.1:{stack.agent.port}", AGENT_API_KEY=KEY) as open_pages:
        assert smoke_test.main(stack.arguments(web=f"http://127.0.0.1:{open_pages.port}")) == 1
    assert "pages: nobody gets in without logging in: 200" in wrong_line()


def test_a_password_of_others_is_told(stack, tmp_path, wrong_line):
    """As the page itself says it."""
    secrets = tmp_path / "other.env"
    secrets.write_text(f"AGENT_API_KEY={KEY}\nWEB_PASSWORD='another'\n", encoding="utf-8")
    assert smoke_test.main(stack.arguments(secrets=secrets)) == 1
    assert "pages: logging in with WEB_PASSWORD: 403" in wrong_line()


def test_an_agent_without_a_model_is_told_when_the_time_is_up(stack, wrong_line):
    stack.model.stop()
    stack.agent.until(lambda: stack.agent.get("/ready").status == 503)
    assert smoke_test.main(stack.arguments(wait=1)) == 1
    said = wrong_line()
    assert said.startswith("not ready within 1 s: agent: 503 no model") and "pages" not in said


def test_it_waits_until_the_agent_answers(stack, capsys):
    stack.model.stop()
    stack.agent.until(lambda: stack.agent.get("/ready").status == 503)
    later = threading.Timer(1.5, stack.model.start)
    later.start()
    assert smoke_test.main(stack.arguments(wait=60)) == 0
    later.join()


@pytest.mark.parametrize("down", ["agent", "web"])
def test_a_part_that_is_down_is_told(stack, down, wrong_line):
    assert smoke_test.main(stack.arguments(**{down: f"http://127.0.0.1:{free_port()}"})) == 1
    assert f"{'pages' if down == 'web' else 'agent'}: [Errno " in wrong_line()


def test_where_nothing_answers_it_says_how_to_start(stack, error_line):
    nobody = {name: f"http://127.0.0.1:{free_port()}" for name in ("agent", "web")}
    assert smoke_test.main(stack.arguments(**nobody)) == 2
    assert "nothing answers at" in (said := error_line()) and "docker compose up" in said


@pytest.mark.parametrize(
    "content, said",
    [
        (None, "no such file; `python scripts/make_secrets.py .env`"),
        ("AGENT_API_KEY=sesame\n# WEB_PASSWORD=x\n", "has no WEB_PASSWORD"),
        ("AGENT_API_KEY=other\nWEB_PASSWORD=x\n", "refuses AGENT_API_KEY"),
    ],
)
def test_secrets_that_are_missing_or_of_another_stack_are_told(stack, tmp_path, content, said, error_line):
    secrets = tmp_path / "given.env"
    if content:
        secrets.write_text(content, encoding="utf-8")
    assert smoke_test.main(stack.arguments(secrets=secrets)) == 2
    assert said in error_line()


def test_what_is_no_address_is_told(stack, error_line):
    assert smoke_test.main(stack.arguments(agent="localhost:8002")) == 2
    assert "begin with http://" in error_line()
