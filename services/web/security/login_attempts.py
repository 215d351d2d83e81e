"""Limits wrong passwords, and logins at once, by address."""

import ipaddress
import time
from collections import Counter, OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager

from services.common.problems import Problem
from services.web.settings import WebSettings

# Logins that one address may have under way; more than a person needs, so that slow ones do not take up all of them.
MOST_AT_ONCE = 4
# How many addresses are remembered. An attacker with more of them can make the oldest forgotten.
MAX_ADDRESSES = 10_000


class LoginAttempts:
    """Counts wrong passwords and logins under way by address."""

    def __init__(self, settings: WebSettings) -> None:
        """Starts without any failures."""
        self._limit, self._seconds = settings.login_attempts, 60 * settings.login_minutes
        self._failures: OrderedDict[str, list[float]] = OrderedDict()
        self._under_way: Counter[str] = Counter()

    @contextmanager
    def under_way(self, address: str) -> Iterator[None]:
        """Count a login while it lasts; a Problem when the address has too many."""
        network = network_of(address)
        if self._under_way[network] >= MOST_AT_ONCE:
            raise Problem(429, "too many logins at once from this address", {"Retry-After": "1"})
        self._under_way[network] += 1
        try:
            yield
        finally:
            self._under_way[network] -= 1
            self._under_way += Counter()  # without those at zero

    def wait(self, address: str) -> float:
        """Return how many seconds an address has to wait; 0 when it may try now."""
        recent = self._recent(address)
        return recent[0] + self._seconds - time.monotonic() if len(recent) >= self._limit else 0.0

    def failed(self, address: str) -> None:
        """Count a wrong password."""
        self._failures[network_of(address)] = [*self._recent(address), time.monotonic()]
        self._failures.move_to_end(network_of(address))
        if len(self._failures) > MAX_ADDRESSES:
            self._failures.popitem(last=False)

    def succeeded(self, address: str) -> None:
        """Forget the failures of an address."""
        self._failures.pop(network_of(address), None)

    def _recent(self, address: str) -> list[float]:
        since = time.monotonic() - self._seconds
        return [at for at in self._failures.get(network_of(address), []) if at > since]


def network_of(address: str) -> str:
    """Return the network that one client has for itself: its IPv4 address, or the first 64 bits of its IPv6 address."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    return str(found) if found.version == 4 else str(ipaddress.ip_network((int(found), 64), strict=False))
