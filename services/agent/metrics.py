"""The metrics that Prometheus reads from the agent."""

import math

from prometheus_client import Counter, Gauge, Histogram

from callcenterai.agent_data.live_figures.homogeneity import Drift
from services.common.agent_api import AuditReport
from services.common.metrics import CONFIDENCES, LATENCIES, Metrics

# Of the tickets that were routed without a person in the last days, by what decides now.
LIVE_ACCURACY = {
    "estimate": "Accuracy that the audits show",
    "low": "Lower end of its 95% interval",
    "high": "Upper end of its 95% interval",
    "target": "Accuracy that training promised",
    "answers": "Answers of a simple random sample that would tell as much as the audits",
    "answers_needed": "Answers without which even a perfect record proves nothing",
}


class AgentMetrics(Metrics):
    """The agent's metrics, beside those of every service."""

    def __init__(self) -> None:
        """Create them."""
        super().__init__()
        own = self.registry
        self._audited = ""
        self.tickets = Counter(
            "tickets", "Tickets by category, decision and model", ["category", "decision", "model"], registry=own
        )
        self.confidence = Histogram(
            "ticket_confidence", "Probability of the category", buckets=CONFIDENCES, registry=own
        )
        self.degraded = Counter("tickets_degraded", "Tickets that one model answered in place of both", registry=own)
        self.languages = Counter("tickets_by_language", "Tickets by language", ["language"], registry=own)
        self.personal_data = Counter("personal_data", "Findings that were removed, by type", ["type"], registry=own)
        self.answers = Counter(
            "answers",
            "Answers of people by decision on the ticket (check: a doubtful label) and whether the model agrees",
            ["decision", "agrees"],
            registry=own,
        )
        self.outcomes = Counter(
            "review_outcomes", "Reviews that ended without a category, and skips", ["outcome"], registry=own
        )
        self.audits = Counter("tickets_audited", "Tickets that were drawn for the audit", registry=own)
        by = ["decided_by", "days"]
        self.live = {
            name: Gauge(f"live_accuracy_{name}", description, by, registry=own)
            for name, description in LIVE_ACCURACY.items()
        }
        figure = ["figure"]
        self.drift_effect = Gauge("drift_effect_size", "Cohen's w against the test tickets", figure, registry=own)
        self.drift_p_value = Gauge("drift_p_value", "Probability of such a difference by chance", figure, registry=own)
        self.shadow_skipped = Counter(
            "shadow_tickets_skipped", "Tickets for which the queue to the version in Staging was full", registry=own
        )
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

    def audited(self, report: AuditReport) -> None:
        """Show the live accuracy of what decides now, if its training promised one and tickets are audited."""
        deciding = report.deciding if report.share else None
        shown = deciding.decided_by if deciding and deciding.target_accuracy else ""
        if shown != self._audited:
            self._audited = shown
            for gauge in self.live.values():
                gauge.clear()
        if not deciding or not shown:
            return
        for each in report.recent:
            values = {"low": each.low, "high": each.high, "estimate": each.accuracy, "answers": each.effective_answers}
            values |= {"target": deciding.target_accuracy, "answers_needed": deciding.needed_answers}
            for name, value in values.items():
                self.live[name].labels(shown, str(each.days)).set(math.nan if value is None else value)

    def drifted(self, drifts: list[Drift]) -> None:
        """Show how the tickets differ from those of the training; nothing if there are too few to say."""
        for gauge in (self.drift_effect, self.drift_p_value):
            gauge.clear()
        for each in drifts:
            self.drift_effect.labels(each.figure).set(each.effect)
            self.drift_p_value.labels(each.figure).set(each.p_value)

    def asked(self, service: str, outcome: str, seconds: float) -> None:
        """Count a request to a model service."""
        self.labelled(self.asking, service, outcome).observe(seconds)

    def answered(self, category: str, decision: str, model: str, confidence: float, degraded: bool) -> None:
        """Count a ticket."""
        self.labelled(self.tickets, category, decision, model).inc()
        self.confidence.observe(confidence)
        if degraded:
            self.degraded.inc()
