"""Remembers which sessions were ended by a logout, until they would have ended by themselves."""

import hashlib
import sqlite3
import time
from pathlib import Path


class EndedSessions:
    """A table of hashed session ids, in a file or, without one, in memory.

    Only logins are in it, each of which needed the password, so nobody else can make it grow.
    """

    def __init__(self, path: Path | None) -> None:
        """Open or make the file; a ValueError when it cannot be used."""
        # Sessions that began before this are known only if there is a file.
        self.since = 0.0 if path else time.time()
        try:
            # Each statement is a transaction of its own. Only the event loop's thread asks.
            self._database = sqlite3.connect(path or ":memory:", isolation_level=None, check_same_thread=False)
            self._database.execute("CREATE TABLE IF NOT EXISTS ended (session TEXT PRIMARY KEY, ends REAL NOT NULL)")
        except sqlite3.Error as error:
            raise ValueError(f"LOGOUTS_FILE {path} cannot be used: {error}") from None

    def add(self, session_id: str, ends: float) -> None:
        """Remember the end of a session until a time in seconds since 1970."""
        self._database.execute("DELETE FROM ended WHERE ends < ?", (time.time(),))
        self._database.execute("INSERT OR REPLACE INTO ended VALUES (?, ?)", (_hashed(session_id), ends))

    def __contains__(self, session_id: str) -> bool:
        """Return whether a session was ended."""
        found = self._database.execute("SELECT 1 FROM ended WHERE session = ?", (_hashed(session_id),))
        return found.fetchone() is not None


def _hashed(session_id: str) -> str:
    """Return what is stored: whoever reads the file cannot make a session of it."""
    return hashlib.sha256(session_id.encode()).hexdigest()
