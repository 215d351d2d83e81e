"""Sessions in a signed cookie, so that the server stores nothing, and the token that protects forms."""

import hashlib
import hmac
import secrets
from dataclasses import asdict, dataclass, field
from typing import Any

from itsdangerous import BadData, URLSafeTimedSerializer

from services.web.settings import WebSettings

COOKIE = "callcenterai_session"
# How many answers can be withdrawn; the cookie has to stay small.
MAX_ANSWERS = 8


@dataclass
class Session:
    """The content of the cookie. Answers are [answer_id, ticket_id, page], the latest last."""

    id: str = field(default_factory=lambda: secrets.token_hex(16))
    logged_in: bool = False
    name: str | None = None
    language: str | None = None
    answers: list[list[Any]] = field(default_factory=list)
    # A notice for the next page: a key of the catalogues, and values for the text.
    notice: list[Any] | None = None

    @property
    def reviewer(self) -> str:
        """The id by which the agent recognises this session; it reveals nothing else about it."""
        return hashlib.sha256(f"reviewer {self.id}".encode()).hexdigest()[:32]

    def remember(self, answer_id: int, ticket_id: str, page: str) -> None:
        """Remember an answer, so that it can be withdrawn."""
        self.answers = [*self.answers, [answer_id, ticket_id, page]][-MAX_ANSWERS:]

    def begin(self, name: str) -> None:
        """Log in under a new id: whoever knew the old one must not be logged in too."""
        self.id, self.logged_in, self.name = secrets.token_hex(16), True, name

    def end(self) -> None:
        """Log out; only the language stays."""
        self.id, self.logged_in, self.name, self.answers = secrets.token_hex(16), False, None, []


class Sessions:
    """Reads and writes the cookie."""

    def __init__(self, settings: WebSettings) -> None:
        """Without SESSION_SECRET, everybody has to log in again after a restart."""
        given = settings.session_secret
        self._secret = given.get_secret_value() if given else secrets.token_hex(32)
        self._signer = URLSafeTimedSerializer(
            self._secret, salt=COOKIE, signer_kwargs={"digest_method": hashlib.sha256}
        )
        self._seconds = round(3600 * settings.session_hours)

    def read(self, cookie: str | None) -> Session | None:
        """Return the session of a cookie; None when it is missing, expired or not signed by us."""
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
        """Return the token that every form of this session must contain."""
        return hmac.new(self._secret.encode(), session.id.encode(), hashlib.sha256).hexdigest()

    def has_token(self, session: Session, token: object) -> bool:
        """Return whether a form's token belongs to this session."""
        return isinstance(token, str) and hmac.compare_digest(token.encode(), self.token(session).encode())
