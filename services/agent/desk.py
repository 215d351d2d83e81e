"""What happens to a ticket: it is scrubbed, its language found, the models asked, and what they say kept."""

import asyncio
import secrets
from typing import Any

from callcenterai.privacy.scrub import Scrubbed, as_the_models_read_it, scrub
from services.agent.api import Answer, Feedback, Prediction, Review, ReviewWish
from services.agent.holds import Wish
from services.agent.language import detect
from services.agent.metrics import AgentMetrics
from services.agent.routing import Routed, Router
from services.agent.store import Store, Ticket
from services.common.problems import Problem


class Desk:
    """Answers tickets and takes people's answers."""

    def __init__(self, router: Router, store: Store, metrics: AgentMetrics) -> None:
        """Nothing is asked yet."""
        self._router, self._store, self._metrics = router, store, metrics

    async def predict(self, asked: Any, explain: bool) -> Prediction:
        """Answer one ticket; one that was answered before gets the same answer again."""
        ticket_id = asked.ticket_id or secrets.token_hex(16)
        (cleaned,) = await asyncio.to_thread(clean, [asked.text])
        if asked.ticket_id and asked.store:
            digest = Ticket(ticket_id, cleaned[0].text, {}, []).digest
            if found := await asyncio.to_thread(self._store.find, ticket_id, digest):
                return found | ({"text": cleaned[0].text, "explanation": []} if explain else {})
        (ticket,) = await self._answer([cleaned], [ticket_id], asked.force_model, explain)
        answer = await asyncio.to_thread(self._store.add_once, ticket) if asked.store else ticket.answer
        # The same ticket may have come in meanwhile, and was counted then.
        if answer is ticket.answer:
            self._count(answer)
        return _explained(answer, ticket) if explain else answer

    async def predict_all(self, asked: Any, explain: bool) -> list[Prediction]:
        """Answer a batch."""
        cleaned = await asyncio.to_thread(clean, asked.texts)
        ids = [secrets.token_hex(16) for _ in asked.texts]
        tickets = await self._answer(cleaned, ids, asked.force_model, explain)
        if asked.store:
            await asyncio.to_thread(self._store.add, tickets)
        for ticket in tickets:
            self._count(ticket.answer)
        return [_explained(ticket.answer, ticket) if explain else ticket.answer for ticket in tickets]

    async def _answer(
        self, cleaned: list[tuple[Scrubbed, str]], ids: list[str], force: str | None, explain: bool
    ) -> list[Ticket]:
        routed = await self._router.route([as_the_models_read_it(each.text) for each, _ in cleaned], force, explain)
        tickets = []
        for ticket_id, (scrubbed, language), found in zip(ids, cleaned, routed, strict=True):
            answer = make_answer(ticket_id, scrubbed, language, found)
            tickets.append(Ticket(ticket_id, scrubbed.text, answer, found.explanation))
        return tickets

    def _count(self, answer: Prediction) -> None:
        """Count a ticket, once it is kept: one that could not be comes again."""
        metrics = self._metrics
        metrics.answered(*(answer[name] for name in ("category", "decision", "model", "confidence", "degraded")))
        metrics.labelled(metrics.languages, answer["language"]).inc()
        for kind, count in answer["personal_data"].items():
            metrics.labelled(metrics.personal_data, kind).inc(count)

    async def review(self, asked: ReviewWish, seconds: float) -> Review:
        """Give a reviewer a waiting ticket for so many seconds."""
        wish = Wish(asked.reviewer, asked.after, asked.ticket_id)
        waiting, ticket = await asyncio.to_thread(self._store.next_review, wish, seconds)
        return {"waiting": waiting, "ticket": ticket}

    async def feedback(self, said: Feedback) -> Answer:
        """Keep a person's answer; a Problem when the category is none that the models know."""
        if said.category not in self._router.labels:
            raise Problem(422, f"the category is none of {', '.join(self._router.labels)}")
        text = (await asyncio.to_thread(scrub, said.text)).text if said.text is not None else None
        answer, agrees = await asyncio.to_thread(self._store.add_answer, said.ticket_id, said.category, said.by, text)
        self._metrics.labelled(self._metrics.answers, str(agrees).lower()).inc()
        return answer


def clean(texts: list[str]) -> list[tuple[Scrubbed, str]]:
    """Return each text without personal data, and its language."""
    scrubbed = [scrub(text) for text in texts]
    return [(each, detect(each.text)) for each in scrubbed]


def make_answer(ticket_id: str, scrubbed: Scrubbed, language: str, found: Routed) -> Prediction:
    """Return the answer to a ticket, without any of its words."""
    best = found.best
    return {
        "ticket_id": ticket_id,
        "category": best[0]["category"],
        "confidence": best[0]["probability"],
        "best": best,
        "decision": "review" if found.review else "auto",
        "model": found.model,
        "reason": found.reason,
        "reason_code": found.code,
        "degraded": found.degraded,
        "language": language,
        "personal_data": scrubbed.counts,
        "versions": found.versions,
    }


def _explained(answer: Prediction, ticket: Ticket) -> Prediction:
    return answer | {"text": ticket.text, "explanation": ticket.explanation}
