"""Sessions in a signed cookie, of which only logouts are stored, and the token that protects forms."""

import hashlib
import hmac
import secrets
import time
from dataclasses import asdict, dataclass, field
from typing import Any

from itsdangerous import BadData, URLSafeSerializer

from services.web.security.ended_sessions import EndedSessions
from services.web.settings import WebSettings

COOKIE = "callcenterai_session"
# Browsers take a cookie with this prefix only over TLS, from this very host, and for all of its paths.
SECURE_COOKIE = f"__Host-{COOKIE}"
# How many answers can be withdrawn; the cookie has to stay small.
MAX_ANSWERS = 8


@dataclass
class Session:
    """The content of the cookie. Answers are [address at the agent, ticket_id, page], the latest last.

    Cookies of the release before have the number of an answer instead of its address.
    """

    id: str = field(default_factory=lambda: secrets.token_hex(16))
    # When the session or, later, the login began, in seconds since 1970; what is clicked later does not prolong it.
    since: float = field(default_factory=time.time)
    logged_in: bool = False
    name: str | None = None
    # "reviewer" or "lead".
    role: str = "reviewer"
    # What authlib needs to know again when the provider sends a person back.
    openid: dict[str, Any] = field(default_factory=dict)
    language: str | None = None
    # Which waiting tickets come first; None leaves it to the agent.
    review_order: str | None = None
    answers: list[list[Any]] = field(default_factory=list)
    # A notice for the next page: a key of the catalogues, and values for the text.
    notice: list[Any] | None = None

    @property
    def reviewer(self) -> str:
        """The id by which the agent recognises this session; it reveals nothing else about it."""
        return hashlib.sha256(f"reviewer {self.id}".encode()).hexdigest()[:32]

    def remember(self, address: str, ticket_id: str, page: str) -> None:
        """Remember an answer by its address at the agent, so that it can be withdrawn."""
        self.answers = [*self.answers, [address, ticket_id, page]][-MAX_ANSWERS:]

    def begin(self, name: str, role: str = "reviewer") -> None:
        """Log in under a new id: whoever knew the old one must not be logged in too."""
        self.id, self.since, self.logged_in = secrets.token_hex(16), time.time(), True
        self.name, self.role, self.openid = name, role, {}

    def end(self) -> None:
        """Begin again without a login; only the language stays."""
        self.id, self.since = secrets.token_hex(16), time.time()
        self.logged_in, self.name, self.role, self.answers = False, None, "reviewer", []


def cookie_name(secure: bool) -> str:
    """Return the name of the cookie; under TLS nobody but this host can set it."""
    return SECURE_COOKIE if secure else COOKIE


class Sessions:
    """Reads and writes the cookie."""

    def __init__(self, settings: WebSettings) -> None:
        """Without SESSION_SECRET and LOGOUTS_FILE, everybody has to log in again after a restart.

        With another password, everybody always has to. A ValueError when LOGOUTS_FILE cannot be used.
        """
        given, password = settings.session_secret, settings.web_password
        secret = given.get_secret_value() if given else secrets.token_hex(32)
        known = password.get_secret_value() if password else ""
        self._secret = hmac.new(secret.encode(), known.encode(), hashlib.sha256).hexdigest()
        self._signer = URLSafeSerializer(self._secret, salt=COOKIE, signer_kwargs={"digest_method": hashlib.sha256})
        self._seconds = 3600 * settings.session_hours
        # With Strict, a browser does not send the cookie when the provider sends the person back.
        self._same_site = "Lax" if settings.oidc_issuer else "Strict"
        self._ended = EndedSessions(settings.logouts_file)

    def read(self, cookie: str | None) -> Session | None:
        """Return the session of a cookie; None when it is missing, has ended or is not signed by us."""
        try:
            session = Session(**self._signer.loads(cookie or ""))
        except (BadData, TypeError):
            return None
        # Who had logged out before this process began is known only from a file.
        unknown = session.logged_in and session.since < self._ended.since
        return None if unknown or self._remaining(session) <= 0 or session.id in self._ended else session

    def cookie(self, session: Session, secure: bool) -> str:
        """Return the value of the Set-Cookie header."""
        value, seconds = self._signer.dumps(asdict(session)), max(0, round(self._remaining(session)))
        text = f"{cookie_name(secure)}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite={self._same_site}"
        return f"{text}; Secure" if secure else text

    def end(self, session: Session) -> None:
        """Log out: from now on no copy of the session's cookie is accepted."""
        if session.logged_in:
            self._ended.add(session.id, session.since + self._seconds)
        session.end()

    def _remaining(self, session: Session) -> float:
        return session.since + self._seconds - time.time()

    def token(self, session: Session) -> str:
        """Return the token that every form of this session must contain."""
        return hmac.new(self._secret.encode(), session.id.encode(), hashlib.sha256).hexdigest()

    def has_token(self, session: Session, token: object) -> bool:
        """Return whether a form's token belongs to this session."""
        return isinstance(token, str) and hmac.compare_digest(token.encode(), self.token(session).encode())
