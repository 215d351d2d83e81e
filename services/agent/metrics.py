"""The metrics that Prometheus reads from the agent."""

from prometheus_client import Counter, Gauge, Histogram

from services.common.metrics import CONFIDENCES, LATENCIES, Metrics


class AgentMetrics(Metrics):
    """The agent's metrics, beside those of every service."""

    def __init__(self) -> None:
        """Create them."""
        super().__init__()
        own = self.registry
        self.tickets = Counter(
            "tickets", "Tickets by category, decision and model", ["category", "decision", "model"], registry=own
        )
        self.confidence = Histogram(
            "ticket_confidence", "Probability of the category", buckets=CONFIDENCES, registry=own
        )
        self.degraded = Counter("tickets_degraded", "Tickets that one model answered in place of both", registry=own)
        self.languages = Counter("tickets_by_language", "Tickets by language", ["language"], registry=own)
        self.personal_data = Counter("personal_data", "Findings that were removed, by type", ["type"], registry=own)
        self.answers = Counter("answers", "People's answers, by whether the model agrees", ["agrees"], registry=own)
        self.waiting = Gauge("reviews_waiting", "Tickets that wait for a person", registry=own)
        self.deleted = Counter("tickets_deleted", "Tickets that were deleted after KEEP_DAYS", registry=own)
        self.policy_in_force = Gauge("policy_in_force", "1 when the policy fits the models that serve", registry=own)
        self.service_ready = Gauge(
            "model_service_ready", "1 when a model service has a model", ["service"], registry=own
        )
        self.breaker_open = Gauge(
            "circuit_breaker_open", "1 while the breaker keeps requests from a model service", ["service"], registry=own
        )
        self.retries = Counter("model_service_retries", "Second attempts", ["service"], registry=own)
        self.asking = Histogram(
            "model_service_seconds",
            "Time until a model service answered or was given up",
            ["service", "outcome"],
            buckets=LATENCIES,
            registry=own,
        )

    def asked(self, service: str, outcome: str, seconds: float) -> None:
        """Count a request to a model service."""
        self.labelled(self.asking, service, outcome).observe(seconds)

    def answered(self, category: str, decision: str, model: str, confidence: float, degraded: bool) -> None:
        """Count a ticket."""
        self.labelled(self.tickets, category, decision, model).inc()
        self.confidence.observe(confidence)
        if degraded:
            self.degraded.inc()
