"""The smoke test: ask a running stack as programs and browsers do, and check the answers."""

import html
import re
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import requests

from callcenterai.core.cli import UserError, one_line
from callcenterai.delivery.secrets import parse_env

POLL_SECONDS = 0.5
MAIL_ADDRESS = "smoke.test@example.org"
ENGLISH = "Since this morning my laptop does not start any more, the screen stays black"
# By the language that the agent should detect.
TICKETS = {
    "en": ENGLISH,
    "fr": "Depuis ce matin mon ordinateur portable ne démarre plus et l'écran reste noir",
}
WITH_MAIL_ADDRESS = f"Please order a new laptop for our office and send the invoice to {MAIL_ADDRESS}"
# Seconds to connect, and to wait for an answer.
REQUEST_TIMEOUT = (5, 30)


class WrongAnswer(Exception):
    """The stack does not answer as it should; the one-line message says which check failed and what came."""


class SmokeTarget(NamedTuple):
    """A stack to ask: the addresses of agent and pages, the agent's key and the password of the pages."""

    agent: str
    web: str
    key: str
    password: str


def run_smoke_test(agent: str, web: str, secrets_file: Path, seconds: float) -> int:
    """Wait for the stack at these addresses, check it and print a line for each check; return the exit code."""
    if not secrets_file.is_file():
        raise UserError(f"{secrets_file}: no such file; `python scripts/make_secrets.py .env` makes it for a new stack")
    secrets = parse_env(secrets_file.read_text(encoding="utf-8"))
    target = make_target(agent, web, secrets, str(secrets_file))
    try:
        wait_until_ready(target, seconds)
        check_stack(target)
    except WrongAnswer as wrong:
        print(f"wrong: {one_line(str(wrong))}", file=sys.stderr)
        return 1
    return 0


def make_target(agent: str, web: str, secrets: dict[str, str], source: str) -> SmokeTarget:
    """Return the stack at these addresses; raise a UserError if the secrets, which come from source, lack one."""
    for name in ("AGENT_API_KEY", "WEB_PASSWORD"):
        if not secrets.get(name):
            raise UserError(f"{source} has no {name}; `python scripts/make_secrets.py {source}` adds it")
    for address in (agent, web):
        if not re.match(r"https?://[^/]", address):
            raise UserError(f"{address!r} is not an address: it has to begin with http:// or https://")
    return SmokeTarget(agent.rstrip("/"), web.rstrip("/"), secrets["AGENT_API_KEY"], secrets["WEB_PASSWORD"])


def wait_until_ready(target: SmokeTarget, seconds: float) -> None:
    """Wait until the agent classifies a ticket and the pages are up.

    When the time is up, raise a WrongAnswer with the last problems, or a UserError if nothing answers anywhere.
    """
    ends = time.monotonic() + seconds
    while True:
        problems, unreachable = [], 0
        for name, probe in (("agent", probe_agent), ("pages", probe_pages)):
            try:
                probe(target)
            except requests.RequestException as error:
                unreachable += isinstance(error, requests.ConnectionError)
                problems.append(f"{name}: {describe_error(error)}")
            except WrongAnswer as wrong:
                problems.append(f"{name}: {wrong}")
        if not problems:
            return
        if time.monotonic() >= ends:
            break
        time.sleep(POLL_SECONDS)
    if unreachable == 2:
        raise UserError(
            f"nothing answers at {target.agent} or {target.web}; `docker compose up --build --detach --wait` starts "
            "the stack"
        )
    raise WrongAnswer(f"not ready within {seconds:g} s: {'; '.join(problems)}")


def probe_agent(target: SmokeTarget) -> None:
    """Raise unless the agent classifies a ticket."""
    answer = predict(target, ENGLISH)
    if answer.status_code == 401:
        raise UserError(f"the agent at {target.agent} refuses AGENT_API_KEY: give the stack's own .env with --secrets")
    if answer.status_code != 200:
        raise WrongAnswer(describe_answer(answer))


def probe_pages(target: SmokeTarget) -> None:
    """Raise unless the pages are up."""
    answer = new_session().get(f"{target.web}/health", timeout=REQUEST_TIMEOUT)
    if answer.status_code != 200:
        raise WrongAnswer(describe_answer(answer))


def check_stack(target: SmokeTarget, write_line: Callable[[str], None] = print) -> None:
    """Run all checks and write a line with the time of each; raise a WrongAnswer at the first that fails."""
    for name, check in smoke_checks(target):
        started = time.perf_counter()
        try:
            check()
        except requests.RequestException as error:
            raise WrongAnswer(f"{name}: {describe_error(error)}") from None
        except WrongAnswer as wrong:
            raise WrongAnswer(f"{name}: {wrong}") from None
        write_line(f"{name:<52}{1000 * (time.perf_counter() - started):7.0f} ms")


def smoke_checks(target: SmokeTarget) -> Iterator[tuple[str, Callable[[], None]]]:
    """Yield the checks with their titles."""
    browser = new_session()
    yield "agent: is alive", lambda: check_alive(target)
    for language, text in TICKETS.items():
        yield f"agent: a ticket in {language}", partial(check_ticket, target, text, language)
    yield "agent: a mail address is scrubbed", lambda: check_scrubbing(target)
    yield "agent: its database answers", lambda: check_database(target)
    yield "agent: a wrong key is refused", lambda: check_wrong_key(target)
    yield "pages: nobody gets in without logging in", lambda: check_login_required(target)
    yield "pages: logging in with WEB_PASSWORD", lambda: log_in(target, browser)
    yield "pages: a ticket gets the agent's category", lambda: check_ticket_on_page(target, browser)


def new_session() -> requests.Session:
    """Return a client that keeps cookies. Keys and passwords must not go through a proxy that the environment names."""
    session = requests.Session()
    session.trust_env = False
    return session


def predict(target: SmokeTarget, text: str, key: str | None = None) -> requests.Response:
    """Ask the agent for a category, and not to store the ticket."""
    headers = {"Authorization": f"Bearer {target.key if key is None else key}"}
    body: dict[str, Any] = {"text": text, "store": False}
    return new_session().post(
        f"{target.agent}/predict?explain=true", json=body, headers=headers, timeout=REQUEST_TIMEOUT
    )


def read_prediction(answer: requests.Response) -> dict[str, Any]:
    """Return the prediction in an answer; raise a WrongAnswer if it is not a valid one."""
    if answer.status_code != 200:
        raise WrongAnswer(describe_answer(answer))
    try:
        found = answer.json()
    except ValueError:
        raise WrongAnswer(f"the answer is not JSON: {answer.text[:200]!r}") from None
    if not isinstance(found, dict):
        raise WrongAnswer(f"the answer is not an object: {answer.text[:200]!r}")
    confidence, versions = found.get("confidence"), found.get("versions")
    if not isinstance(found.get("category"), str) or not found["category"].strip():
        raise WrongAnswer(f"the category is {found.get('category')!r}")
    if isinstance(confidence, bool) or not isinstance(confidence, int | float) or not 0 <= confidence <= 1:
        raise WrongAnswer(f"the confidence is {confidence!r}, not from 0 to 1")
    if not isinstance(versions, dict) or not versions or not all(versions.values()):
        raise WrongAnswer(f"no version of a model is named: {versions!r}")
    return found


def check_alive(target: SmokeTarget) -> None:
    """Check that the agent answers /health, which needs no key."""
    answer = new_session().get(f"{target.agent}/health", timeout=REQUEST_TIMEOUT)
    if answer.status_code != 200:
        raise WrongAnswer(describe_answer(answer))


def check_ticket(target: SmokeTarget, text: str, language: str) -> None:
    """Check that a ticket gets a category, and that its language is detected."""
    found = read_prediction(predict(target, text))
    if found.get("language") != language:
        raise WrongAnswer(f"the language is {found.get('language')!r}")


def check_scrubbing(target: SmokeTarget) -> None:
    """Check that a mail address is counted as personal data and does not appear in the answer."""
    answer = predict(target, WITH_MAIL_ADDRESS)
    counted = read_prediction(answer).get("personal_data")
    if not isinstance(counted, dict) or not counted.get("email"):
        raise WrongAnswer(f"the address is not counted: {counted!r}")
    if MAIL_ADDRESS in answer.text:
        raise WrongAnswer("the address is in the answer")


def check_database(target: SmokeTarget) -> None:
    """Check that the agent can read its database."""
    headers = {"Authorization": f"Bearer {target.key}"}
    answer = new_session().get(f"{target.agent}/reviews", {"limit": 1}, headers=headers, timeout=REQUEST_TIMEOUT)
    if answer.status_code != 200:
        raise WrongAnswer(describe_answer(answer))


def check_wrong_key(target: SmokeTarget) -> None:
    """Check that the agent refuses a wrong key."""
    answer = predict(target, ENGLISH, key="wrong")
    if answer.status_code != 401:
        raise WrongAnswer(f"it was answered: {describe_answer(answer)}")


def check_login_required(target: SmokeTarget) -> None:
    """Check that the pages send visitors to the login."""
    answer = new_session().get(f"{target.web}/", timeout=REQUEST_TIMEOUT, allow_redirects=False)
    if answer.status_code != 303 or "/login" not in answer.headers.get("location", ""):
        raise WrongAnswer(describe_answer(answer))


def log_in(target: SmokeTarget, browser: requests.Session) -> None:
    """Log in as a browser does: send the form's token and keep the cookie."""
    page = browser.get(f"{target.web}/login", timeout=REQUEST_TIMEOUT)
    form = {"csrf": _csrf_token(page), "name": "smoke test", "password": target.password, "next": "/"}
    answer = browser.post(f"{target.web}/login", form, timeout=REQUEST_TIMEOUT)
    if answer.status_code != 200 or 'action="/logout"' not in answer.text:
        raise WrongAnswer(describe_answer(answer))


def check_ticket_on_page(target: SmokeTarget, browser: requests.Session) -> None:
    """Check that the pages classify a ticket, with the same category as the agent."""
    form = {"csrf": _csrf_token(browser.get(f"{target.web}/", timeout=REQUEST_TIMEOUT)), "text": ENGLISH}
    answer = browser.post(f"{target.web}/", form, timeout=REQUEST_TIMEOUT)
    shown = re.search(r'<h2 id="category"[^>]*>(.*?)</h2>', answer.text, re.DOTALL)
    if answer.status_code != 200 or not shown:
        raise WrongAnswer(f"the page shows no category: {describe_answer(answer)}")
    category, expected = html.unescape(shown[1]).strip(), read_prediction(predict(target, ENGLISH))["category"]
    if category != expected:
        raise WrongAnswer(f"the page shows {category!r}, the agent says {expected!r}")


def _csrf_token(page: requests.Response) -> str:
    found = re.search(r'name="csrf" value="(\w+)"', page.text)
    if page.status_code != 200 or not found:
        raise WrongAnswer(f"the page has no form: {describe_answer(page)}")
    return found[1]


def describe_answer(answer: requests.Response) -> str:
    """Return the status and the most telling text: a problem's detail, a page's alert, or the beginning."""
    if "json" in answer.headers.get("content-type", ""):
        try:
            return f"{answer.status_code} {answer.json()['detail']}"
        except (ValueError, KeyError, TypeError):
            pass  # not problem details: fall back to the beginning of the text
    alert = re.search(r'role="alert">(.*?)</div>', answer.text, re.DOTALL)
    text = one_line(html.unescape(re.sub(r"<[^>]*>", " ", alert[1]))) if alert else answer.text[:200]
    return f"{answer.status_code} {text}"


def describe_error(error: Exception) -> str:
    """Return a network error without the objects that requests prints around it."""
    if isinstance(error, requests.Timeout):
        return f"no answer within {REQUEST_TIMEOUT[1]} s"
    refused = re.search(r"\[Errno -?\d+\] [^'\")]+", str(error))
    return refused[0] if refused else one_line(str(error))[:200]
