"""Refuses requests that another site has a browser send: under a name of its own, or from its own pages."""

import ipaddress
import re

from services.common.problems import Problem
from services.common.settings import Settings

READING = frozenset(("GET", "HEAD", "OPTIONS"))
# Probes ask these by the address of the machine, and learn nothing from the answer.
PROBED_PATHS = frozenset(("/health", "/ready"))
# Nothing but a name or an address, and a port: programs read "evil.example@localhost" in different ways.
_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[^\[\]:@/?#\\\s]+)(?::\d{0,5})?")
_ORIGIN = re.compile(r"^https?://")


class HostCheck:
    """Checks the headers Host and Origin.

    On loopback, a page of another site can reach a service by making its own name resolve to 127.0.0.1 (DNS rebinding),
    so only names of this machine are answered there. Elsewhere keys and passwords protect, and any name is answered
    unless ALLOWED_HOSTS lists them.
    """

    def __init__(self, settings: Settings) -> None:
        """ALLOWED_HOSTS adds names on loopback, and is the whole list elsewhere."""
        self._names = {name.lower() for name in settings.allowed_hosts}
        self._local = settings.on_loopback
        self._any = not (self._local or self._names)

    def refusal(self, method: str, path: str, headers: dict[bytes, bytes]) -> Problem | None:
        """Return the problem of a request under a wrong name or from another site's page, or None."""
        host = headers.get(b"host", b"").decode("latin-1").lower()
        name = _name_of(host)
        if not (self._any or path in PROBED_PATHS or self._answers_to(name)):
            return Problem(421, "this service does not answer to that host name; ALLOWED_HOSTS names those it does")
        if method in READING:
            return None
        # Browsers that send Sec-Fetch-Site know more than the headers that a proxy may have changed.
        if site := headers.get(b"sec-fetch-site"):
            foreign = site not in (b"same-origin", b"none")
        else:
            origin = headers.get(b"origin")
            foreign = origin is not None and _ORIGIN.sub("", origin.decode("latin-1").lower()) != host
        return Problem(403, "another site has sent this request") if foreign else None

    def _answers_to(self, name: str) -> bool:
        if name in self._names:
            return True
        try:
            return self._local and ipaddress.ip_address(name).is_loopback
        except ValueError:
            return self._local and (name == "localhost" or name.endswith(".localhost"))


def _name_of(host: str) -> str:
    """Return the name or address in a Host header, without the port and the brackets of IPv6."""
    found = _HOST.fullmatch(host)
    return found[1].strip("[]") if found else ""
