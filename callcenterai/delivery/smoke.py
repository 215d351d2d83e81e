"""What a running stack is asked, by programs and by a browser, and what a right answer is."""

import html
import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from callcenterai.core.cli import one_line

if TYPE_CHECKING:
    import requests

ADDRESS = "smoke.test@example.org"
ENGLISH = "Since this morning my laptop does not start any more, the screen stays black"
# By the language that the agent should name.
TICKETS = {
    "en": ENGLISH,
    "fr": "Depuis ce matin mon ordinateur portable ne démarre plus et l'écran reste noir",
}
WITH_ADDRESS = f"Please order a new laptop for our office and send the invoice to {ADDRESS}"
# Seconds to connect, and to wait for an answer.
PATIENCE = (5, 30)


class Wrong(Exception):
    """An answer that is not what users need; its one-line message says which and what came."""


class Target(NamedTuple):
    """A stack to ask: two addresses, the agent's key and the password of the pages."""

    agent: str
    web: str
    key: str
    password: str


def checks_of(target: Target) -> Iterator[tuple[str, Callable[[], None]]]:
    """Yield what is checked, by names for people."""
    import requests

    browser = requests.Session()
    yield "agent: is alive", lambda: check_alive(target)
    for language, text in TICKETS.items():
        yield f"agent: a ticket in {language}", lambda lang=language, text=text: check_ticket(target, text, lang)
    yield "agent: a mail address is scrubbed", lambda: check_scrubbing(target)
    yield "agent: its database answers", lambda: check_database(target)
    yield "agent: a wrong key is refused", lambda: check_wrong_key(target)
    yield "pages: nobody gets in without logging in", lambda: check_closed(target)
    yield "pages: logging in with WEB_PASSWORD", lambda: log_in(target, browser)
    yield "pages: a ticket gets the agent's category", lambda: check_page(target, browser)


def predict(target: Target, text: str, key: str | None = None) -> "requests.Response":
    """Ask the agent for a category; it keeps nothing of the ticket."""
    import requests

    headers = {"Authorization": f"Bearer {target.key if key is None else key}"}
    body = {"text": text, "store": False}
    return requests.post(f"{target.agent}/predict?explain=true", json=body, headers=headers, timeout=PATIENCE)


def prediction_of(answer: "requests.Response") -> dict[str, Any]:
    """Return a prediction; a Wrong when the answer is none."""
    if answer.status_code != 200:
        raise Wrong(told(answer))
    try:
        found = answer.json()
    except ValueError:
        raise Wrong(f"no JSON came: {answer.text[:200]!r}") from None
    if not isinstance(found, dict):
        raise Wrong(f"no object came: {answer.text[:200]!r}")
    confidence, versions = found.get("confidence"), found.get("versions")
    if not isinstance(found.get("category"), str) or not found["category"].strip():
        raise Wrong(f"the category is {found.get('category')!r}")
    if isinstance(confidence, bool) or not isinstance(confidence, int | float) or not 0 <= confidence <= 1:
        raise Wrong(f"the confidence is {confidence!r}, not from 0 to 1")
    if not isinstance(versions, dict) or not versions or not all(versions.values()):
        raise Wrong(f"no version of a model is named: {versions!r}")
    return found


def check_alive(target: Target) -> None:
    """Check that the agent answers /health, which needs no key."""
    import requests

    answer = requests.get(f"{target.agent}/health", timeout=PATIENCE)
    if answer.status_code != 200:
        raise Wrong(told(answer))


def check_ticket(target: Target, text: str, language: str) -> None:
    """Check that a ticket gets a category, and that its language is known."""
    found = prediction_of(predict(target, text))
    if found.get("language") != language:
        raise Wrong(f"the language is {found.get('language')!r}")


def check_scrubbing(target: Target) -> None:
    """Check that an address is counted as personal data, and comes back nowhere."""
    answer = predict(target, WITH_ADDRESS)
    counted = prediction_of(answer).get("personal_data")
    if not isinstance(counted, dict) or not counted.get("email"):
        raise Wrong(f"the address is not counted: {counted!r}")
    if ADDRESS in answer.text:
        raise Wrong("the address is in the answer")


def check_database(target: Target) -> None:
    """Check that the agent reaches what it has kept."""
    import requests

    headers = {"Authorization": f"Bearer {target.key}"}
    answer = requests.get(f"{target.agent}/reviews", {"limit": 1}, headers=headers, timeout=PATIENCE)
    if answer.status_code != 200:
        raise Wrong(told(answer))


def check_wrong_key(target: Target) -> None:
    """Check that a key is needed."""
    answer = predict(target, ENGLISH, key="wrong")
    if answer.status_code != 401:
        raise Wrong(f"it was answered: {told(answer)}")


def check_closed(target: Target) -> None:
    """Check that who has not logged in is sent to do so."""
    import requests

    answer = requests.get(f"{target.web}/", timeout=PATIENCE, allow_redirects=False)
    if answer.status_code != 303 or "/login" not in answer.headers.get("location", ""):
        raise Wrong(told(answer))


def log_in(target: Target, browser: "requests.Session") -> None:
    """Log in as a browser does: with the form's token, and the cookie kept."""
    page = browser.get(f"{target.web}/login", timeout=PATIENCE)
    form = {"csrf": _token(page), "name": "smoke test", "password": target.password, "next": "/"}
    answer = browser.post(f"{target.web}/login", form, timeout=PATIENCE)
    if answer.status_code != 200 or 'action="/logout"' not in answer.text:
        raise Wrong(told(answer))


def check_page(target: Target, browser: "requests.Session") -> None:
    """Check that a page classifies a ticket, and as the agent does."""
    form = {"csrf": _token(browser.get(f"{target.web}/", timeout=PATIENCE)), "text": ENGLISH}
    answer = browser.post(f"{target.web}/", form, timeout=PATIENCE)
    shown = re.search(r'<h2 id="category"[^>]*>(.*?)</h2>', answer.text, re.DOTALL)
    if answer.status_code != 200 or not shown:
        raise Wrong(f"the page shows no category: {told(answer)}")
    category, expected = html.unescape(shown[1]).strip(), prediction_of(predict(target, ENGLISH))["category"]
    if category != expected:
        raise Wrong(f"the page shows {category!r}, the agent says {expected!r}")


def _token(page: "requests.Response") -> str:
    found = re.search(r'name="csrf" value="(\w+)"', page.text)
    if page.status_code != 200 or not found:
        raise Wrong(f"no form came: {told(page)}")
    return found[1]


def told(answer: "requests.Response") -> str:
    """Return the status and what an answer says of itself: a problem's detail, a page's alert, or how it begins."""
    if "json" in answer.headers.get("content-type", ""):
        try:
            return f"{answer.status_code} {answer.json()['detail']}"
        except (ValueError, KeyError, TypeError):
            pass  # it is no problem report; then its beginning has to do
    alert = re.search(r'role="alert">(.*?)</div>', answer.text, re.DOTALL)
    text = one_line(html.unescape(re.sub(r"<[^>]*>", " ", alert[1]))) if alert else answer.text[:200]
    return f"{answer.status_code} {text}"


def short(error: Exception) -> str:
    """Return a network error without the objects that requests prints around it."""
    import requests

    if isinstance(error, requests.Timeout):
        return f"no answer within {PATIENCE[1]} s"
    refused = re.search(r"\[Errno -?\d+\] [^'\")]+", str(error))
    return refused[0] if refused else one_line(str(error))[:200]
