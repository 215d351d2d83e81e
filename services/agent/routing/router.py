"""Asks the models about tickets, and decides: which model's answer counts, and whether a person has to review it."""

from typing import Any, NamedTuple

from services.agent.routing.policy import Policy, PolicyFile
from services.agent.routing.upstream import ModelAnswer, ModelServiceClient, ServiceDown
from services.common.agent_api import AnsweringModel
from services.common.predictions import Choice, Weight
from services.common.problems import Problem

BEST = 3
RETRY_SECONDS = "5"
# A model that knows nothing of a text answers with its commonest category, which no threshold may send on.
UNKNOWN_TEXT = "unknown_review", "the model knows no word of this text, so a person decides"


class RoutingDecision(NamedTuple):
    """The probabilities by label, whether a person reviews the ticket, and the reason as a code and in words.

    decided_by names whose promise of accuracy the decision rests on: a model, or a model with a policy. first is what
    the TF-IDF model said by itself. threshold is the confidence from which no person is asked; None: none is enough.
    """

    probabilities: dict[str, float]
    model: AnsweringModel
    review: bool
    degraded: bool
    code: str
    reason: str
    versions: dict[str, str]
    explanation: list[Weight]
    decided_by: str
    first: ModelAnswer | None
    threshold: float | None = None

    @property
    def best(self) -> list[Choice]:
        """The three most probable categories."""
        order = sorted(self.probabilities, key=self.probabilities.__getitem__, reverse=True)[:BEST]
        return [{"category": label, "probability": min(1.0, self.probabilities[label])} for label in order]

    @property
    def contrast(self) -> list[Weight]:
        """The heaviest terms for the first category against the second, if the TF-IDF model compared these two."""
        order = [choice["category"] for choice in self.best[:2]]
        compared = self.first.ranking[:2] if self.first else []
        if self.first is None or set(order) != set(compared):
            return []
        sign = 1 if order == compared else -1
        return [{"term": each["term"], "weight": sign * each["weight"]} for each in self.first.contrast]


class ModelAnswers(NamedTuple):
    """The models' answers to one ticket; None for a model that was not asked or did not answer."""

    tfidf: ModelAnswer | None
    transformer: ModelAnswer | None


class Router:
    """Both model services and the policy between them."""

    def __init__(
        self, tfidf: ModelServiceClient, transformer: ModelServiceClient | None, policy_file: PolicyFile
    ) -> None:
        """Without a transformer service, the TF-IDF service answers alone."""
        self.tfidf, self.transformer, self._policy_file = tfidf, transformer, policy_file

    @property
    def services(self) -> list[ModelServiceClient]:
        """The configured services."""
        return [self.tfidf] + ([self.transformer] if self.transformer else [])

    @property
    def policy(self) -> Policy | None:
        """The policy, if it was fitted for the models that serve now.

        A service that is down has no model that could differ: its tickets go to the other service, marked as degraded.
        """
        policy = self._policy_file.policy
        if policy is None or self.transformer is None:
            return None
        wanted = (policy.models.tfidf, policy.models.transformer)
        cards = [(service.card, sha256) for service, sha256 in zip(self.services, wanted, strict=True)]
        known = [card["sha256"] == sha256 for card, sha256 in cards if card]
        return policy if known and all(known) else None

    @property
    def deciding(self) -> tuple[str, float | None] | None:
        """What decides on tickets now, and the accuracy that training promised for it; None while no model is ready."""
        for service in self.services:
            if service.card:
                policy = self.policy if service is self.tfidf else None
                promised = policy.target_accuracy if policy else promised_accuracy(service.card)
                return name_decider(service.name, service.card["version"], policy), promised
        return None

    @property
    def policy_trouble(self) -> str:
        """Why the policy is not in force, or why a newer one could not be read; empty when all is well."""
        if self._policy_file.trouble or self.policy:
            return self._policy_file.trouble
        return "the policy was not fitted for the models that serve: each model's own threshold applies"

    @property
    def known_labels(self) -> list[str]:
        """The categories that the models know or last knew; empty while no model has ever answered."""
        # The sort is stable: a service that is ready comes before one whose labels are from an earlier answer.
        for service in sorted(self.services, key=lambda service: service.card is None):
            if service.labels:
                return service.labels
        return self._policy_file.policy.labels if self._policy_file.policy else []

    @property
    def labels(self) -> list[str]:
        """The known categories; a Problem 503 while there are none."""
        if known := self.known_labels:
            return known
        raise Problem(503, "no model service has reported its categories yet", {"Retry-After": RETRY_SECONDS})

    def check_category(self, category: str) -> None:
        """Raise a Problem 422 when the models do not know a category."""
        if category not in self.labels:
            raise Problem(422, f"the category must be one of {', '.join(self.labels)}")

    async def route(self, texts: list[str], force: str | None, explain: bool) -> list[RoutingDecision]:
        """Return a decision for each text; a Problem 503 when no model answers."""
        policy = None if force else self.policy
        if force == "transformer" and self.transformer is None:
            raise Problem(422, "no transformer service is configured: TRANSFORMER_URL is not set")
        troubles: list[str] = []
        first: list[ModelAnswer | None] = [None] * len(texts)
        if force != "transformer":
            # The linear model explains itself at nearly no cost, so it always does.
            first = await self._ask(self.tfidf, texts, True, troubles)
        asked = self._places_for_transformer(first, policy, force)
        second: list[ModelAnswer | None] = [None] * len(texts)
        if asked and self.transformer:
            found = await self._ask(self.transformer, [texts[at] for at in asked], explain, troubles)
            for at, answer in zip(asked, found, strict=True):
                second[at] = answer
        answers = [ModelAnswers(a, b) for a, b in zip(first, second, strict=True)]
        if any(each.tfidf is None and each.transformer is None for each in answers):
            raise Problem(503, f"no model answers: {'; '.join(troubles)}", {"Retry-After": RETRY_SECONDS})
        degraded = set(asked) if troubles else set()
        return [
            decide_route(each, policy if policy and self._matches(each, policy) else None, force, at in degraded)
            for at, each in enumerate(answers)
        ]

    async def _ask(
        self, service: ModelServiceClient, texts: list[str], explain: bool, troubles: list[str]
    ) -> list[ModelAnswer | None]:
        """Return the service's answers; if it gives none, note why in troubles and return None for each text."""
        try:
            return list(await service.predict(texts, explain))
        except ServiceDown as error:
            troubles.append(str(error))
            return [None] * len(texts)

    def _matches(self, answers: ModelAnswers, policy: Policy) -> bool:
        """Whether the models that answered are still those that the policy was found to be in force for."""
        versions = {service.name: service.card and service.card["version"] for service in self.services}
        return all(
            answer is None or (answer.version == versions[name] and answer.probabilities.keys() == set(policy.labels))
            for name, answer in answers._asdict().items()
        )

    def _places_for_transformer(
        self, first: list[ModelAnswer | None], policy: Policy | None, force: str | None
    ) -> list[int]:
        """Return the positions of the texts that the transformer is asked about."""
        if force == "tfidf":
            return []
        below = policy.ask_below if policy else 0.0
        return [at for at, answer in enumerate(first) if answer is None or answer.confidence < below]


def decide_route(answers: ModelAnswers, policy: Policy | None, force: str | None, degraded: bool) -> RoutingDecision:
    """Return the decision on a ticket that at least one model has answered.

    degraded: a model that should have been asked did not answer.
    """
    versions = {name: answer.version for name, answer in answers._asdict().items() if answer}
    alone = answers.tfidf or answers.transformer
    if alone is None:
        raise ValueError("no model has answered")
    model: AnsweringModel = "tfidf" if answers.tfidf else "transformer"
    probabilities = alone.probabilities
    if answers.tfidf and answers.transformer and policy:
        model = "both"
        probabilities = policy.combine(answers.tfidf.probabilities, answers.transformer.probabilities)
    category = max(probabilities, key=probabilities.__getitem__)
    # The policy's threshold was fitted for its cascade; a model that stands in for the cascade uses its own threshold.
    review, threshold = alone.needs_review, alone.threshold
    if policy and not degraded:
        review, threshold = policy.needs_review(category, probabilities[category]), policy.threshold_of(category)
    if all(answer.known_text for answer in answers if answer):
        code, reason = explain_decision(model, review, degraded, force, policy)
    else:
        review, code, reason = True, *UNKNOWN_TEXT
    # A policy rests on the TF-IDF model's answer; its fingerprint stands for both models, which it names by hash.
    asked_first = "tfidf" if answers.tfidf else "transformer"
    decided_by = name_decider(asked_first, versions[asked_first], None if degraded else policy)
    explanation = next((a.explanation for a in answers if a and a.category == category and a.explanation), [])
    said = (code, reason, versions, explanation, decided_by)
    return RoutingDecision(probabilities, model, review, degraded, *said, answers.tfidf, threshold)


def name_decider(model: str, version: str, policy: Policy | None) -> str:
    """Return what decides on a ticket: a model by its own threshold, or a model and what a policy adds to it."""
    return f"{model} {version}, policy {policy.fingerprint}" if policy else f"{model} {version}"


def promised_accuracy(card: dict[str, Any]) -> float | None:
    """Return the accuracy that training aimed at above the threshold; None if the model's card has none."""
    try:
        promised = card["metrics"]["test"]["auto_route"]["target_accuracy"]
    except (KeyError, TypeError):
        return None
    return promised if isinstance(promised, float) and 0 < promised < 1 else None


def explain_decision(
    model: AnsweringModel, review: bool, degraded: bool, force: str | None, policy: Policy | None
) -> tuple[str, str]:
    """Return the reason for a decision, as a code and in words."""
    who = {"tfidf": "the TF-IDF model", "transformer": "the transformer", "both": "both models together"}[model]
    if force:
        code, why = "forced", f"{who} was asked for"
    elif degraded and model == "tfidf":
        code, why = "transformer_down", f"the transformer does not answer, so {who} stands in"
    elif degraded:
        code, why = "tfidf_down", f"the TF-IDF model does not answer, so {who} stands in"
    elif policy is None:
        code, why = "alone", f"{who} answers alone"
    elif model == "both":
        code, why = "together", "the TF-IDF model was unsure, so both models answer together"
    else:
        code, why = "sure", f"{who} is sure enough by itself"
    outcome = "not sure enough to go without a person" if review else "sure enough to go without a person"
    return f"{code}_{'review' if review else 'auto'}", f"{why}; {outcome}"
