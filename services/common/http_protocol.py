"""The connections of every service, with the limits that uvicorn does not have: for headers, and for open connections.

Based on uvicorn 0.54's HttpToolsProtocol, of which it overrides connection_made, connection_lost, data_received and the
parser's callbacks on_message_begin and on_headers_complete.
"""

import asyncio
from typing import Any, NamedTuple

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol


class ConnectionLimits(NamedTuple):
    """What a client may do before its request is complete."""

    header_bytes: int
    header_seconds: float
    connections: int


class BoundedHttpProtocol(HttpToolsProtocol):
    """A connection that is closed when the headers of a request are too large or too slow, or too many are open.

    Of too many connections, the one that has waited longest for a request is closed: clients that hold connections open
    without asking anything cannot keep others out.
    """

    limits: ConnectionLimits

    def __init__(self, *args: Any, **options: Any) -> None:
        """Take what uvicorn gives."""
        super().__init__(*args, **options)
        self._reads_headers, self._header_bytes, self._waits_since = True, 0, self.loop.time()
        self._completed = 0
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Accept a connection, if necessary in place of another one."""
        super().connection_made(transport)
        self._expect_headers()
        if len(self.connections) > self.limits.connections:
            # Those that have never sent a request go first; this one is among them.
            idle = [each for each in self.connections if isinstance(each, BoundedHttpProtocol) and each._is_idle()]
            min(idle, key=lambda each: (each.cycle is not None, each._waits_since)).transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what has arrived."""
        if self._reads_headers and self._deadline is None:
            # The next request of a connection that was kept alive; uvicorn bounds the time until it begins.
            self._expect_headers()
        completed = self._completed
        super().data_received(data)
        # What ends one request and begins the next is not counted: it is at most what one read from the socket returns.
        if self._reads_headers and self._completed == completed:
            self._header_bytes += len(data)
            if self._header_bytes > self.limits.header_bytes:
                self._refuse(431, "the headers are too large")

    def on_message_begin(self) -> None:
        """Begin to count the headers of a request."""
        super().on_message_begin()
        self._reads_headers, self._header_bytes = True, 0

    def on_headers_complete(self) -> None:
        """Answer a request, unless its headers arrived at once and are too large."""
        self._stop_waiting()
        self._reads_headers = False
        size = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
        if size > self.limits.header_bytes:
            self._refuse(431, "the headers are too large")
        else:
            super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Wait for the next request."""
        if self.cycle is not None:
            super().on_message_complete()
        self._completed += 1
        self._reads_headers, self._header_bytes, self._waits_since = True, 0, self.loop.time()

    def on_body(self, body: bytes) -> None:
        """Take a part of the body, unless the request was refused."""
        if self.cycle is not None:
            super().on_body(body)

    def _is_idle(self) -> bool:
        return self._reads_headers and (self.cycle is None or self.cycle.response_complete)

    def _expect_headers(self) -> None:
        self._waits_since = self.loop.time()
        self._deadline = self.loop.call_later(self.limits.header_seconds, self._refuse, 408, "the headers are too slow")

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _refuse(self, status: int, reason: str) -> None:
        """Answer without the application, which knows nothing of this request, and close."""
        self._stop_waiting()
        if self.transport.is_closing():
            return
        if self.cycle is not None and not self.cycle.response_complete:
            # The answer to an earlier request is on its way.
            self.transport.abort()
            return
        head = [STATUS_LINE[status], b"content-type: text/plain; charset=utf-8\r\n", b"connection: close\r\n"]
        length = b"content-length: %d\r\n\r\n" % len(reason)
        self.transport.write(b"".join(head) + length + reason.encode())
        self.transport.close()


def bound_protocol(limits: ConnectionLimits) -> type[BoundedHttpProtocol]:
    """Return the protocol with these limits, as uvicorn wants it: a class."""
    return type("BoundedHttpProtocol", (BoundedHttpProtocol,), {"limits": limits})
