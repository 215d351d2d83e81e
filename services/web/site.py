"""What all pages share, and how a page is rendered from its template."""

from hashlib import sha256
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from services.common.long_texts import LongTextThread
from services.common.middleware import current_request_id
from services.web.clients.agent import AgentClient, AgentError
from services.web.clients.registry import RegistryReader
from services.web.jobs import Jobs
from services.web.metrics import WebMetrics
from services.web.pages.descriptions import read_descriptions
from services.web.security.login_attempts import LoginAttempts
from services.web.security.openid import OpenIdLogin
from services.web.security.sessions import Session, Sessions
from services.web.settings import WebSettings
from services.web.table_reading import TableProcesses
from services.web.tables import TableLimits
from services.web.words import Words, choose_language, read_catalogues

HERE = Path(__file__).parent
STATIC_TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
# The pages of the menu, by path, and those among them that only leads see.
PAGES = {"/": "classify", "/review": "review", "/batch": "batch", "/team": "team", "/models": "models"}
LEAD_PAGES = {"/team"}


class Site:
    """The parts of the service, built from its settings."""

    def __init__(self, settings: WebSettings, metrics: WebMetrics) -> None:
        """Reads templates, catalogues and static files; asks nothing yet. A ValueError when a file cannot be used."""
        self.settings, self.metrics = settings, metrics
        self.long_texts = LongTextThread()
        self.agent = AgentClient(settings)
        self.registry = RegistryReader(settings)
        self.jobs = Jobs(self.agent, settings)
        limits = TableLimits(settings.max_rows, settings.max_unpacked_bytes)
        self.tables = TableProcesses(limits, settings.table_seconds)
        self.sessions, self.login_attempts = Sessions(settings), LoginAttempts(settings)
        self.openid = OpenIdLogin(settings) if settings.oidc_issuer else None
        self.descriptions = read_descriptions(settings.category_descriptions)
        self.languages = read_catalogues()
        self.files = {f"/static/{path.name}": StaticFile(path) for path in sorted((HERE / "static").iterdir())}
        self._templates = Environment(
            loader=FileSystemLoader(HERE / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )

    def words(self, request: Request) -> Words:
        """Return the language that the person has chosen, or that the browser prefers."""
        chosen = session_of(request).language
        if chosen not in self.languages:
            chosen = choose_language(self.languages, request.headers.get("accept-language", ""))
        return self.languages[chosen]

    def page(self, request: Request, template: str, status: int = 200, /, **values: Any) -> HTMLResponse:
        """Render the page of a template."""
        session = session_of(request)
        notice, session.notice = session.notice, None
        shared = {
            "t": self.words(request),
            "languages": self.languages,
            "session": session,
            "notice": notice,
            "csrf": self.sessions.token(session),
            "settings": self.settings,
            "files": {path.rpartition("/")[2]: file.address(path) for path, file in self.files.items()},
            "pages": {path: name for path, name in PAGES.items() if session.role == "lead" or path not in LEAD_PAGES},
            "unpromoted": self.agent.unpromoted,
            "path": request.url.path,
            "request_id": current_request_id.get(),
        }
        return HTMLResponse(self._templates.get_template(template).render(shared | values), status)


class StaticFile:
    """A file that is the same for everybody."""

    def __init__(self, path: Path) -> None:
        """Reads the file."""
        self._content, self._kind = path.read_bytes(), STATIC_TYPES[path.suffix]
        self._digest = sha256(self._content).hexdigest()[:12]

    def address(self, path: str) -> str:
        """Return an address that changes with the content, so that browsers can cache the file."""
        return f"{path}?v={self._digest}"

    def respond(self) -> Response:
        """Return the file as a response."""
        return Response(self._content, media_type=self._kind, headers={"Cache-Control": "public, max-age=86400"})


def site_of(request: Request) -> Site:
    """Return the site that answers a request."""
    return request.app.state.site


def session_of(request: Request) -> Session:
    """Return the session that the middleware has read from the cookie."""
    return request.state.session


def redirect(path: str) -> RedirectResponse:
    """Return a redirect after a form, so that reloading the next page does not send the form twice."""
    return RedirectResponse(path, 303)


def page_status(*errors: AgentError | None) -> int:
    """Return the status of the first error, or 200 when there is none."""
    return next((error.status for error in errors if error), 200)
