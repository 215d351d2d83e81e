"""The metrics of the pages, beside those of every service."""

from prometheus_client import Counter

from services.common.metrics import Metrics


class WebMetrics(Metrics):
    """What Prometheus reads from the pages."""

    def __init__(self) -> None:
        """Create them."""
        super().__init__()
        self.failed_logins = Counter("logins_failed", "Logins with a wrong password", registry=self.registry)
