"""Asks the models for tickets, and decides: which model's word counts, and whether a person has to look."""

from typing import Any, Literal, NamedTuple

from services.agent.policy import Policy, PolicyFile
from services.agent.upstream import ModelAnswer, ModelService, ServiceDown
from services.common.problems import Problem

Model = Literal["tfidf", "transformer", "both"]
BEST = 3
RETRY_SECONDS = "5"


class Routed(NamedTuple):
    """Where a ticket goes; probabilities by label, the reason in words and as a code."""

    probabilities: dict[str, float]
    model: Model
    review: bool
    degraded: bool
    code: str
    reason: str
    versions: dict[str, str]
    explanation: list[dict[str, Any]]

    @property
    def best(self) -> list[dict[str, Any]]:
        """The three most probable categories."""
        order = sorted(self.probabilities, key=self.probabilities.__getitem__, reverse=True)[:BEST]
        return [{"category": label, "probability": min(1.0, self.probabilities[label])} for label in order]


class Said(NamedTuple):
    """What the models said of one ticket; None of one that was not asked, or did not answer."""

    tfidf: ModelAnswer | None
    transformer: ModelAnswer | None


class Router:
    """Both model services and the policy between them."""

    def __init__(self, tfidf: ModelService, transformer: ModelService | None, policy_file: PolicyFile) -> None:
        """Without a transformer, the first service answers alone."""
        self.tfidf, self.transformer, self._policy_file = tfidf, transformer, policy_file

    @property
    def services(self) -> list[ModelService]:
        """The services that there are."""
        return [self.tfidf] + ([self.transformer] if self.transformer else [])

    @property
    def policy(self) -> Policy | None:
        """The policy, when it is of the models that serve now.

        A service that is down has no model that could be another one: its tickets go to the other service, as degraded.
        """
        policy = self._policy_file.policy
        if policy is None or self.transformer is None:
            return None
        wanted = (policy.models.tfidf, policy.models.transformer)
        cards = [(service.card, sha256) for service, sha256 in zip(self.services, wanted, strict=True)]
        known = [card["sha256"] == sha256 for card, sha256 in cards if card]
        return policy if known and all(known) else None

    @property
    def policy_trouble(self) -> str:
        """Why the policy is not in force, or why a newer one is not; empty when all is well."""
        if self._policy_file.trouble or self.policy:
            return self._policy_file.trouble
        return "the models that serve are not those that the policy was learned for: each one's own threshold counts"

    @property
    def labels(self) -> list[str]:
        """The categories that the models know; a Problem while no model has said."""
        for service in self.services:
            if service.card:
                return service.card["labels"]
        if self._policy_file.policy:
            return self._policy_file.policy.labels
        raise Problem(503, "no model service has said yet which categories there are", {"Retry-After": RETRY_SECONDS})

    async def route(self, texts: list[str], force: str | None, explain: bool) -> list[Routed]:
        """Return where each ticket goes; a Problem when no model answers."""
        policy, troubles = None if force else self.policy, []
        if force == "transformer" and self.transformer is None:
            raise Problem(422, "there is no transformer service here: TRANSFORMER_URL names none")
        first: list[ModelAnswer | None] = [None] * len(texts)
        if force != "transformer":
            try:
                # The linear model explains itself at nearly no cost.
                first = list(await self.tfidf.predict(texts, True))
            except ServiceDown as error:
                troubles.append(str(error))
        second: list[ModelAnswer | None] = [None] * len(texts)
        asked = self._for_transformer(first, policy, force)
        if asked and self.transformer:
            try:
                found = await self.transformer.predict([texts[at] for at in asked], explain)
                for at, answer in zip(asked, found, strict=True):
                    second[at] = answer
            except ServiceDown as error:
                troubles.append(str(error))
        if any(a is None and b is None for a, b in zip(first, second, strict=True)):
            raise Problem(503, f"no model answers: {'; '.join(troubles)}", {"Retry-After": RETRY_SECONDS})
        unheard = set(asked) if troubles else set()
        said = [Said(a, b) for a, b in zip(first, second, strict=True)]
        return [
            decide(each, policy if policy and self._is_of(each, policy) else None, force, at in unheard)
            for at, each in enumerate(said)
        ]

    def _is_of(self, said: Said, policy: Policy) -> bool:
        """Whether the models that answered are still those for which the policy was found to be in force."""
        versions = {service.name: service.card and service.card["version"] for service in self.services}
        return all(
            answer is None or (answer.version == versions[name] and answer.probabilities.keys() == set(policy.labels))
            for name, answer in said._asdict().items()
        )

    def _for_transformer(self, first: list[ModelAnswer | None], policy: Policy | None, force: str | None) -> list[int]:
        """Return the places of the tickets for which the transformer is asked."""
        if force == "tfidf":
            return []
        below = policy.ask_below if policy else 0.0
        return [at for at, answer in enumerate(first) if answer is None or answer.confidence < below]


def decide(said: Said, policy: Policy | None, force: str | None, unheard: bool) -> Routed:
    """Return where a ticket goes, of which at least one model has said something.

    unheard: a model that should have been asked did not answer.
    """
    versions = {name: answer.version for name, answer in said._asdict().items() if answer}
    if said.tfidf and said.transformer and policy:
        probabilities = policy.together(said.tfidf.probabilities, said.transformer.probabilities)
        model: Model = "both"
    else:
        model = "tfidf" if said.tfidf else "transformer"
        probabilities = (said.tfidf or said.transformer).probabilities
    confidence = max(probabilities.values())
    alone = said.tfidf or said.transformer
    # The policy's threshold was learned for its own cascade; a model that stands in for it has its own.
    review = policy.needs_review(confidence) if policy and not unheard else alone.needs_review
    code, reason = explain_decision(model, review, unheard, force, policy)
    category = max(probabilities, key=probabilities.__getitem__)
    explanation = next((a.explanation for a in said if a and a.category == category and a.explanation), [])
    return Routed(probabilities, model, review, unheard, code, reason, versions, explanation)


def explain_decision(
    model: Model, review: bool, unheard: bool, force: str | None, policy: Policy | None
) -> tuple[str, str]:
    """Return why a ticket goes where it goes: a code, and plain words."""
    who = {"tfidf": "the TF-IDF model", "transformer": "the transformer", "both": "both models together"}[model]
    if force:
        code, why = "forced", f"{who} was asked for"
    elif unheard:
        missing = "the transformer" if model == "tfidf" else "the TF-IDF model"
        code, why = (
            f"{'transformer' if model == 'tfidf' else 'tfidf'}_down",
            f"{missing} does not answer, so {who} stands in",
        )
    elif policy is None:
        code, why = "alone", f"{who} answers alone"
    elif model == "both":
        code, why = "together", "the TF-IDF model was unsure, so both models answer together"
    else:
        code, why = "sure", f"{who} is sure enough by itself"
    outcome = "not sure enough to go without a person" if review else "sure enough to go without a person"
    return f"{code}_{'review' if review else 'auto'}", f"{why}; {outcome}"
