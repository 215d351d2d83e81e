"""One HTTP request of a CI job to the outside, whose failure is said without the address, which may be a secret."""

import http.client
import ipaddress
import ssl
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import urlsplit

SECONDS = 15


class Trouble(Exception):
    """Somebody could not be reached; the message says why."""

    def __init__(self, message: str, passing: bool) -> None:
        """passing: whether another try may help."""
        super().__init__(message)
        self.passing = passing


class NoRedirect(urllib.request.HTTPRedirectHandler):
    """What is sent is for one address alone: a token or a message does not follow a redirection to another."""

    def redirect_request(self, *_: Any) -> None:
        """Refuse."""


def ask(address: str, body: bytes | None, headers: dict[str, str]) -> bytes:
    """Return the answer to a GET, or to a POST of a body; raise Trouble when it is none of success.

    The address has to be https, except on this machine.
    """
    try:
        found = urlsplit(address)
        local = _is_loopback(found.hostname or "")
        if found.scheme != "https" and not (local and found.scheme == "http"):
            raise Trouble("its address is not https", passing=False)
        # A proxy is for what is outside.
        handlers = [NoRedirect, *([urllib.request.ProxyHandler({})] if local else [])]
        request = urllib.request.Request(address, body, headers)
        with urllib.request.build_opener(*handlers).open(request, timeout=SECONDS) as answer:
            return answer.read()
    except urllib.error.HTTPError as error:
        raise Trouble(f"it answers {error.code}", error.code in (408, 429) or error.code >= 500) from None
    except (OSError, http.client.HTTPException) as error:
        raise Trouble(_reason(error), passing=True) from None
    except ValueError:
        raise Trouble("its address is none", passing=False) from None


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _reason(error: BaseException) -> str:
    # Some errors hold the address: their texts are not shown.
    if isinstance(error, urllib.error.URLError) and isinstance(error.reason, BaseException):
        error = error.reason
    if isinstance(error, TimeoutError):
        return f"no answer within {SECONDS} s"
    if isinstance(error, ssl.SSLError):
        return f"TLS: {error.reason}"
    return getattr(error, "strerror", None) or type(error).__name__
