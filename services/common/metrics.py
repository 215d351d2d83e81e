"""The metrics that Prometheus reads from /metrics."""

from datetime import UTC, datetime
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

LATENCIES = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
CONFIDENCES = tuple(tenth / 10 for tenth in range(1, 10)) + (0.95, 0.99)


class Metrics:
    """The metrics that every service has."""

    def __init__(self) -> None:
        """Create them in a registry of their own, so that several services can run in one process."""
        self.registry = own = CollectorRegistry()
        self._children: dict[tuple[Any, tuple[str, ...]], Any] = {}
        self.requests = Counter("http_requests", "Requests by path and status", ["path", "status"], registry=own)
        self.latency = Histogram(
            "http_request_seconds",
            "Time from the first byte read to the last written",
            ["path"],
            buckets=LATENCIES,
            registry=own,
        )
        self.in_flight = Gauge("http_requests_in_flight", "Requests that are being answered", registry=own)
        self.turned_away = Counter("http_requests_turned_away", "Requests answered 503: too many at once", registry=own)

    def requested(self, path: str, status: int, seconds: float, in_flight: int) -> None:
        """Count a request that was answered."""
        self.labelled(self.requests, path, str(status)).inc()
        self.labelled(self.latency, path).observe(seconds)
        self.in_flight.set(in_flight)

    def labelled(self, metric: Any, *labels: str) -> Any:
        """Return a metric with its labels, from a cache: prometheus_client takes a lock for each lookup."""
        found = self._children.get((metric, labels))
        if found is None:
            found = self._children[metric, labels] = metric.labels(*labels)
        return found

    def text(self) -> bytes:
        """Return all metrics in Prometheus's text format."""
        return generate_latest(self.registry)


class ModelMetrics(Metrics):
    """The metrics of a service that has its own model."""

    def __init__(self) -> None:
        """Create them."""
        super().__init__()
        own = self.registry
        self.predictions = Counter("predictions", "Tickets by predicted category", ["category"], registry=own)
        self.reviews = Counter("predictions_needing_review", "Tickets below the threshold", registry=own)
        self.unknown = Counter("predictions_unknown_texts", "Tickets that the model knows nothing of", registry=own)
        self.confidence = Histogram(
            "prediction_confidence", "Probability of the category", buckets=CONFIDENCES, registry=own
        )
        self.model = Gauge("model_info", "1 for the model in use", ["name", "version", "stage", "sha256"], registry=own)
        self.promoted = Gauge("model_promoted", "0 for a bare folder, which no gate has checked", registry=own)
        self.loaded = Gauge("model_loaded_timestamp_seconds", "When the model in use was loaded", registry=own)
        self.trained = Gauge("model_trained_timestamp_seconds", "When the training began", registry=own)
        self.source_up = Gauge("model_source_up", "1 when registry or folder gave a usable model", registry=own)
        self.load_failures = Counter("model_load_failures", "Attempts that left the last good model", registry=own)

    def model_changed(self, name: str, version: str, stage: str | None, sha256: str, trained: datetime | None) -> None:
        """Record which model is in use from now on; an unknown training time is 0, as the alert rules expect.

        A model without a stage comes from a bare folder.
        """
        self.model.clear()
        self.model.labels(name, version, stage or "", sha256).set(1)
        self.promoted.set(stage is not None)
        self.loaded.set(datetime.now(UTC).timestamp())
        self.trained.set(trained.timestamp() if trained else 0)

    def predicted(self, category: str, confidence: float, review: bool, known: bool) -> None:
        """Count a prediction."""
        self.labelled(self.predictions, category).inc()
        self.confidence.observe(confidence)
        if review:
            self.reviews.inc()
        if not known:
            self.unknown.inc()
