"""Who somebody is: a signed cookie that the server need not remember, and a limit on wrong passwords."""

import hashlib
import hmac
import ipaddress
import secrets
import time
from collections import OrderedDict
from dataclasses import asdict, dataclass, field
from typing import Any

from itsdangerous import BadData, URLSafeTimedSerializer

from services.web.settings import WebSettings

COOKIE = "callcenterai_session"
# How many answers can be taken back; the cookie has to stay small.
REMEMBERED = 8
# Addresses whose failures are remembered; who has more of them at hand makes the oldest forgotten.
MOST_ADDRESSES = 10_000


@dataclass
class Session:
    """What a browser brings back. Answers are [answer_id, ticket_id, page], the latest last."""

    id: str = field(default_factory=lambda: secrets.token_hex(16))
    logged_in: bool = False
    name: str | None = None
    language: str | None = None
    answers: list[list[Any]] = field(default_factory=list)
    # A sentence for the next page: a key of the catalogues and its values.
    said: list[Any] | None = None

    @property
    def reviewer(self) -> str:
        """By which the agent knows this session again, and can do nothing else with it."""
        return hashlib.sha256(f"reviewer {self.id}".encode()).hexdigest()[:32]

    def remember(self, answer_id: int, ticket_id: str, page: str) -> None:
        """Remember an answer, so that it can be taken back."""
        self.answers = [*self.answers, [answer_id, ticket_id, page]][-REMEMBERED:]

    def begin(self, name: str) -> None:
        """Log in under another id: who knew the old one must not get in too."""
        self.id, self.logged_in, self.name = secrets.token_hex(16), True, name

    def end(self) -> None:
        """Log out; nothing stays but the language."""
        self.id, self.logged_in, self.name, self.answers = secrets.token_hex(16), False, None, []


class Sessions:
    """Reads and writes the cookie."""

    def __init__(self, settings: WebSettings) -> None:
        """Without a secret of its own, a service that starts anew makes everybody log in again."""
        given = settings.session_secret
        self._secret = given.get_secret_value() if given else secrets.token_hex(32)
        self._signer = URLSafeTimedSerializer(
            self._secret, salt=COOKIE, signer_kwargs={"digest_method": hashlib.sha256}
        )
        self._seconds = round(3600 * settings.session_hours)

    def read(self, cookie: str | None) -> Session | None:
        """Return the session of a cookie; None when it is missing, old or not ours."""
        try:
            return Session(**self._signer.loads(cookie or "", max_age=self._seconds))
        except (BadData, TypeError):
            return None

    def cookie(self, session: Session, secure: bool) -> str:
        """Return the value of the Set-Cookie header."""
        value = self._signer.dumps(asdict(session))
        text = f"{COOKIE}={value}; Path=/; Max-Age={self._seconds}; HttpOnly; SameSite=Strict"
        return f"{text}; Secure" if secure else text

    def token(self, session: Session) -> str:
        """Return what every form of this session has to bring along."""
        return hmac.new(self._secret.encode(), session.id.encode(), hashlib.sha256).hexdigest()

    def knows(self, session: Session, token: object) -> bool:
        """Return whether a form's token is this session's."""
        return isinstance(token, str) and hmac.compare_digest(token.encode(), self.token(session).encode())


class Attempts:
    """Counts wrong passwords by address."""

    def __init__(self, settings: WebSettings) -> None:
        """Nobody has failed yet."""
        self._most, self._seconds = settings.login_attempts, 60 * settings.login_minutes
        self._failures: OrderedDict[str, list[float]] = OrderedDict()

    def wait(self, address: str) -> float:
        """Return how many seconds an address has to wait, 0 when it may try."""
        recent = self._recent(address)
        return recent[0] + self._seconds - time.monotonic() if len(recent) >= self._most else 0.0

    def failed(self, address: str) -> None:
        """Count a wrong password."""
        self._failures[_network(address)] = [*self._recent(address), time.monotonic()]
        self._failures.move_to_end(_network(address))
        if len(self._failures) > MOST_ADDRESSES:
            self._failures.popitem(last=False)

    def succeeded(self, address: str) -> None:
        """Forget an address's failures."""
        self._failures.pop(_network(address), None)

    def _recent(self, address: str) -> list[float]:
        since = time.monotonic() - self._seconds
        return [at for at in self._failures.get(_network(address), []) if at > since]


def _network(address: str) -> str:
    """Return what one client has for itself: an IPv4 address, or of IPv6 a network of 64 bits."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    return str(found) if found.version == 4 else str(ipaddress.ip_network((int(found), 64), strict=False))
