"""Logs to stderr, one JSON object a line, without the text of any ticket."""

import json
import logging
import sys
import traceback
from datetime import UTC, datetime

from pydantic_core import to_json

STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "color_message"}

ENCODE = json.JSONEncoder(default=str).encode


class JsonFormatter(logging.Formatter):
    """Formats a record, including the fields given as its `extra`."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line. Of an exception it has the type and the place only, since the message may quote a ticket."""
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line = {"at": at, "level": record.levelname.lower(), "logger": record.name, "message": record.getMessage()}
        line |= {name: value for name, value in vars(record).items() if name not in STANDARD}
        if record.exc_info and record.exc_info[0]:
            line["exception"] = record.exc_info[0].__name__
            line["traceback"] = "".join(traceback.format_tb(record.exc_info[2]))
        return ENCODE(line)


def write_access(request_id: str, method: str, path: str, status: int, milliseconds: float) -> None:
    """Log one request. Every request has such a line, so it bypasses logging, whose records cost more than the line."""
    line = {
        "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "level": "info",
        "logger": "services.access",
        "message": "request",
        "request_id": request_id,
        "method": method,
        "path": path,
        "status": status,
        "milliseconds": milliseconds,
    }
    sys.stderr.write(to_json(line).decode() + "\n")


def configure() -> None:
    """Send all logs of this process to stderr as JSON."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    # httpx logs each request, and the registry is asked every two seconds.
    for name in ("httpx", "httpcore"):
        logging.getLogger(name).setLevel(logging.WARNING)
