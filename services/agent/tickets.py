"""The work on a ticket: remove personal data, detect the language, ask the models, store the result."""

import asyncio
import secrets
from typing import Any

from callcenterai.privacy.scrub import Scrubbed, without_placeholders
from services.agent.audit.sampling import AuditSampler
from services.agent.examination import ExaminedText, TextExaminer
from services.agent.metrics import AgentMetrics
from services.agent.routing.router import Router, RoutingDecision
from services.agent.routing.upstream import ModelAnswer
from services.agent.shadow import Shadow
from services.agent.storage.holds import HoldRequest
from services.agent.storage.store import DriftFigures, StoredTicket, TicketStore
from services.agent.storage.writer import TicketWriter
from services.common.agent_api import Feedback, Review, ReviewAnswer, ReviewOrder, ReviewRequest, RoutedTicket
from services.common.predictions import ticket_text


class TicketProcessor:
    """Answers tickets, gives them to reviewers, and stores what the reviewers answer."""

    def __init__(
        self,
        examiner: TextExaminer,
        router: Router,
        store: TicketStore,
        metrics: AgentMetrics,
        sampler: AuditSampler,
        shadow: Shadow,
        max_text_length: int,
    ) -> None:
        """Asks nothing yet."""
        self._examiner, self._router, self._store = examiner, router, store
        self._metrics, self._sampler, self._shadow = metrics, sampler, shadow
        self._max_text_length = max_text_length
        self._writer = TicketWriter(store)

    async def predict(self, asked: Any, explain: bool) -> RoutedTicket:
        """Answer one ticket; the same ticket sent again gets the same answer."""
        ticket_id = asked.ticket_id or secrets.token_hex(16)
        texts = [ticket_text(asked, self._max_text_length)]
        async with self._examiner.turn(texts):
            (examined,) = await self._examiner.examine(texts)
            text = examined.scrubbed.text
            may_be_repeated = asked.ticket_id and asked.store
            if may_be_repeated and (earlier := await asyncio.to_thread(self._store.find, ticket_id, text)):
                return {**earlier, "text": text, "explanation": []} if explain else earlier
            (ticket,) = await self._route([examined], [ticket_id], asked, explain)
        answer = await self._writer.add_once(ticket) if asked.store else ticket.answer
        # If the same ticket arrived meanwhile, its answer is returned, and it has been counted already.
        if answer is ticket.answer:
            self._count(ticket)
            self._offer(ticket, asked.store)
        return _explained(answer, ticket) if explain else answer

    async def predict_all(self, asked: Any, explain: bool) -> list[RoutedTicket]:
        """Answer a batch."""
        ids = [secrets.token_hex(16) for _ in asked.texts]
        async with self._examiner.turn(asked.texts):
            examined = await self._examiner.examine(asked.texts)
            tickets = await self._route(examined, ids, asked, explain)
        if asked.store:
            await asyncio.to_thread(self._store.add, tickets)
        for ticket in tickets:
            self._count(ticket)
            self._offer(ticket, asked.store)
        return [_explained(ticket.answer, ticket) if explain else ticket.answer for ticket in tickets]

    async def _route(self, texts: list[ExaminedText], ids: list[str], asked: Any, explain: bool) -> list[StoredTicket]:
        plain = [without_placeholders(each.scrubbed.text) for each in texts]
        routes = await self._router.route(plain, asked.force_model, explain)
        tickets = []
        for ticket_id, (scrubbed, language), route in zip(ids, texts, routes, strict=True):
            answer = make_answer(ticket_id, scrubbed, language, route)
            # What is not stored cannot be audited.
            audit = self._sampler.draw(answer["confidence"]) if asked.store and not route.review else None
            kept = (scrubbed.text, answer, route.explanation, route.decided_by, audit, drift_figures(route.first))
            tickets.append(StoredTicket(ticket_id, *kept, contrast=route.contrast))
        return tickets

    def _count(self, ticket: StoredTicket) -> None:
        """Count a ticket. Only stored tickets are counted: one that could not be stored is sent again."""
        metrics, answer = self._metrics, ticket.answer
        if ticket.audit_probability is not None:
            metrics.audits.inc()
        metrics.answered(
            answer["category"], answer["decision"], answer["model"], answer["confidence"], answer["degraded"]
        )
        metrics.labelled(metrics.languages, answer["language"]).inc()
        for kind, count in answer["personal_data"].items():
            metrics.labelled(metrics.personal_data, kind).inc(count)

    def _offer(self, ticket: StoredTicket, stored: bool) -> None:
        """Let the version in Staging have a ticket whose answer it can be compared with: that of the TF-IDF model."""
        if stored and ticket.figures.first_category is not None:
            self._shadow.offer(ticket.id, without_placeholders(ticket.text))

    async def next_review(self, asked: ReviewRequest, seconds: float, order: ReviewOrder) -> Review:
        """Give a reviewer a waiting ticket, in this order unless they ask for another, and hold it so many seconds."""
        request = HoldRequest(asked.reviewer, asked.after, asked.ticket_id, asked.order or order)
        waiting, ticket = await asyncio.to_thread(self._store.next_review, request, seconds)
        return {"waiting": waiting, "ticket": ticket}

    async def add_feedback(self, given: Feedback) -> ReviewAnswer:
        """Store a person's answer; a Problem 422 when the models do not know the category."""
        self._router.check_category(given.category)
        text = None
        if given.text is not None:
            texts = [ticket_text(given, self._max_text_length)]
            async with self._examiner.turn(texts):
                text = (await self._examiner.scrub(texts))[0].text
        comment = await self._examiner.scrub_comment(given.comment)
        said = (given.ticket_id, given.category, given.by, text, comment)
        stored = await asyncio.to_thread(self._store.add_answer, *said)
        self._metrics.labelled(self._metrics.answers, stored.decision, str(stored.agrees).lower()).inc()
        return stored.answer


def make_answer(ticket_id: str, scrubbed: Scrubbed, language: str, route: RoutingDecision) -> RoutedTicket:
    """Return the answer to a ticket, which contains none of its text."""
    best = route.best
    return {
        "ticket_id": ticket_id,
        "category": best[0]["category"],
        "confidence": best[0]["probability"],
        "threshold": route.threshold,
        "best": best,
        "decision": "review" if route.review else "auto",
        "model": route.model,
        "reason": route.reason,
        "reason_code": route.code,
        "degraded": route.degraded,
        "language": language,
        "personal_data": scrubbed.counts,
        "versions": route.versions,
    }


def drift_figures(first: ModelAnswer | None) -> DriftFigures:
    """Return what drift is found by; a model service of the release before gives no figures of the text."""
    if first is None:
        return DriftFigures()
    text = first.text_figures or {"characters": None, "unknown_words": None}
    return DriftFigures(first.category, first.confidence, text["characters"], text["unknown_words"])


def _explained(answer: RoutedTicket, ticket: StoredTicket) -> RoutedTicket:
    return {**answer, "text": ticket.text, "explanation": ticket.explanation}
