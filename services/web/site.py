"""What all pages share, and how one is made of its template."""

from hashlib import sha256
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from services.common.gate import request_id_now
from services.web.agent import Agent, AgentTrouble
from services.web.jobs import Jobs
from services.web.registry import RegistryReader
from services.web.sessions import Attempts, Session, Sessions
from services.web.settings import WebSettings
from services.web.words import Words, choose, read_catalogues

HERE = Path(__file__).parent
STATIC_TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
# Pages of the menu, by their path.
PAGES = {"/": "classify", "/review": "review", "/batch": "batch", "/models": "models"}


class Site:
    """The parts of the service, made of its settings."""

    def __init__(self, settings: WebSettings) -> None:
        """Nothing is asked yet; templates, catalogues and static files are read."""
        self.settings = settings
        self.agent = Agent(settings)
        self.registry = RegistryReader(settings)
        self.jobs = Jobs(self.agent, settings)
        self.sessions, self.attempts = Sessions(settings), Attempts(settings)
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
            chosen = choose(self.languages, request.headers.get("accept-language", ""))
        return self.languages[chosen]

    def page(self, request: Request, template: str, status: int = 200, /, **values: Any) -> HTMLResponse:
        """Return the page of a template."""
        session = session_of(request)
        said, session.said = session.said, None
        shared = {
            "t": self.words(request),
            "languages": self.languages,
            "session": session,
            "said": said,
            "csrf": self.sessions.token(session),
            "settings": self.settings,
            "files": {path.rpartition("/")[2]: file.address(path) for path, file in self.files.items()},
            "pages": PAGES,
            "path": request.url.path,
            "request_id": request_id_now.get(),
        }
        return HTMLResponse(self._templates.get_template(template).render(shared | values), status)


class StaticFile:
    """A file that is the same for everybody."""

    def __init__(self, path: Path) -> None:
        """Read it."""
        self._content, self._kind = path.read_bytes(), STATIC_TYPES[path.suffix]
        self._digest = sha256(self._content).hexdigest()[:12]

    def address(self, path: str) -> str:
        """Return an address that changes with the content, so that browsers need not ask again."""
        return f"{path}?v={self._digest}"

    def respond(self) -> Response:
        """Return the response that has it."""
        return Response(self._content, media_type=self._kind, headers={"Cache-Control": "public, max-age=86400"})


def session_of(request: Request) -> Session:
    """Return the session that the guard has read."""
    return request.state.session


def see(path: str) -> RedirectResponse:
    """Return a redirect after a form: reloading the page it leads to sends nothing twice."""
    return RedirectResponse(path, 303)


def trouble_status(*troubles: AgentTrouble | None) -> int:
    """Return the status of a page that lacks something, 200 when it lacks nothing."""
    return next((trouble.status for trouble in troubles if trouble), 200)
