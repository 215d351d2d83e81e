"""Serve the agent: it removes personal data from tickets, asks the models, and asks a person when they are unsure.

    python -m services.agent.app
    curl -H 'Content-Type: application/json' -d '{"text": "my laptop is broken"}' http://127.0.0.1:8002/predict

Settings come from the environment: services/agent/settings.py lists them, among them the addresses of the model
services and of the database. The TF-IDF service must run. The transformer service is asked if TRANSFORMER_URL is set
and the routing policy was fitted for the two models that serve.
"""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator
from typing import Annotated, Any, NamedTuple

from fastapi import FastAPI, Path, Query
from pydantic import AnyHttpUrl, SecretStr

from services.agent.audit.report import AuditReporter
from services.agent.audit.sampling import AuditSampler
from services.agent.drift import DriftWatcher
from services.agent.examination import TextExaminer
from services.agent.metrics import AgentMetrics
from services.agent.reviews.outcomes import OutcomeRecorder, add_outcome_routes, outcome_endpoint
from services.agent.reviews.team import add_team_routes
from services.agent.reviews.waiting import add_waiting_routes, bulk_endpoint
from services.agent.routing.policy import PolicyFile
from services.agent.routing.router import Router
from services.agent.routing.upstream import ModelServiceClient, RequestLimits
from services.agent.settings import AgentSettings
from services.agent.shadow import Shadow
from services.agent.storage.bulk_answers import BulkAnswers
from services.agent.storage.database import make_engine
from services.agent.storage.outcomes import OutcomeStore
from services.agent.storage.store import TicketStore
from services.agent.tickets import TicketProcessor
from services.agent.upkeep import Upkeep
from services.common.agent_api import (
    TICKET_ID,
    AgentStatus,
    AuditReport,
    Feedback,
    RequestedOrder,
    Review,
    ReviewAnswer,
    ReviewOrder,
    ReviewRequest,
    RoutedTicket,
    RoutedTickets,
    TicketVolumes,
    WaitingTickets,
    agent_request_models,
)
from services.common.application import Alive, base_app, describe_endpoints, serve
from services.common.endpoint import JsonEndpoint, Options
from services.common.middleware import ServiceMiddleware
from services.common.problems import Problem, documented


class ModelServices(NamedTuple):
    """The clients of the model services that the settings name."""

    tfidf: ModelServiceClient
    transformer: ModelServiceClient | None
    shadow: ModelServiceClient | None


def make_clients(settings: AgentSettings, metrics: AgentMetrics) -> ModelServices:
    """Return the clients; a ValueError when a share of the tickets is for a service that the settings do not name."""
    limits = RequestLimits(
        settings.attempt_seconds, settings.budget_seconds, settings.breaker_failures, settings.breaker_seconds
    )

    def client(name: str, url: AnyHttpUrl, key: SecretStr | None) -> ModelServiceClient:
        return ModelServiceClient(name, str(url), key.get_secret_value() if key else None, limits, metrics)

    second, shadow = settings.transformer_url, settings.shadow_url
    if settings.shadow_share and not shadow:
        raise ValueError("SHADOW_SHARE needs SHADOW_URL, a TF-IDF service that serves the version in Staging")
    return ModelServices(
        client("tfidf", settings.tfidf_url, settings.tfidf_api_key),
        client("transformer", second, settings.transformer_api_key) if second else None,
        client("shadow", shadow, settings.shadow_api_key) if shadow else None,
    )


def make_app(settings: AgentSettings) -> ServiceMiddleware:
    """Return the service; a ValueError when DATABASE_URL is not an address that it can use."""
    metrics, policy_file = AgentMetrics(), PolicyFile(settings.policy_file)
    clients = make_clients(settings, metrics)
    router = Router(clients.tfidf, clients.transformer, policy_file)
    store = TicketStore(make_engine(settings.database_url.get_secret_value()))
    sampler, examiner = AuditSampler(settings.audit_share), TextExaminer(settings.text_seconds, settings.spacy_model)
    shadow = Shadow(clients.shadow, store, metrics, settings.shadow_share)
    processor = TicketProcessor(examiner, router, store, metrics, sampler, shadow, settings.max_text_length)
    reporter = AuditReporter(router, store, settings.audit_share)
    watcher = DriftWatcher(router.tfidf, store, metrics, settings.drift_days)
    upkeep = Upkeep(router, policy_file, store, metrics, reporter, watcher)

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await examiner.prepare()
        recurring = (
            upkeep.repeat(settings.poll_seconds, settings.keep_days),
            upkeep.repeat_audits(settings.audit_seconds),
            upkeep.repeat_drift(settings.drift_seconds),
            shadow.ask_for_ever(),
        )
        tasks = [asyncio.create_task(work) for work in recurring]
        yield
        for task in tasks:
            task.cancel()
        await asyncio.gather(*(client.close() for client in clients if client))
        store.close()

    app = base_app("CallCenterAI: agent", metrics, lifespan)
    add_status_routes(app, router, policy_file, store)
    add_ticket_routes(app, store, reporter, settings.review_order)
    outcomes = OutcomeStore(store)
    add_outcome_routes(app, outcomes)
    endpoints = make_endpoints(settings, processor)
    bulk = BulkAnswers(store)
    add_waiting_routes(app, store, bulk)
    add_team_routes(app, store)
    endpoints["/feedback/bulk"] = bulk_endpoint(settings, bulk, router, metrics)
    endpoints["/outcomes"] = outcome_endpoint(settings, OutcomeRecorder(examiner, outcomes, metrics))
    describe_endpoints(app, endpoints, settings.needs_key)
    return ServiceMiddleware(app, endpoints, settings, metrics)


def make_endpoints(settings: AgentSettings, processor: TicketProcessor) -> dict[str, JsonEndpoint]:
    """Return the endpoints that take a JSON body, by path."""
    ticket, tickets = agent_request_models(settings)

    async def predict(asked: Any, options: Options) -> RoutedTicket:
        return await processor.predict(asked, options.explain)

    async def predict_batch(asked: Any, options: Options) -> RoutedTickets:
        return {"predictions": await processor.predict_all(asked, options.explain)}

    async def next_review(asked: Any, _: Options) -> Review:
        return await processor.next_review(asked, settings.hold_seconds, settings.review_order)

    async def feedback(given: Any, _: Options) -> ReviewAnswer:
        return await processor.add_feedback(given)

    return {
        "/predict": JsonEndpoint(settings, ticket, RoutedTicket, predict, options=("explain",), failures=(409,)),
        "/predict/batch": JsonEndpoint(settings, tickets, RoutedTickets, predict_batch, options=("explain",)),
        "/reviews/next": JsonEndpoint(settings, ReviewRequest, Review, next_review, options=()),
        "/feedback": JsonEndpoint(
            settings, Feedback, ReviewAnswer, feedback, options=(), failures=(404, 409), status=201
        ),
    }


def add_status_routes(app: FastAPI, router: Router, policy_file: PolicyFile, store: TicketStore) -> None:
    """Add the routes that report the state of the agent."""

    @app.get("/ready", summary="Can the agent answer a ticket?", responses=documented(503))
    async def ready() -> Alive:
        if not any(service.card for service in router.services):
            troubles = "; ".join(f"{service.name}: {service.trouble}" for service in router.services)
            raise Problem(503, f"no model service is ready: {troubles}", {"Retry-After": "2"})
        # A database that fails later does not count: requests with store=false are still answered.
        if not store.prepared:
            raise Problem(503, "the tables of the database do not exist yet", {"Retry-After": "2"})
        return Alive(status="ready")

    @app.get("/status", summary="How are the model services and the policy?", responses=documented(401))
    async def status() -> AgentStatus:
        services = {
            each.name: {
                "ready": each.card is not None,
                "version": each.card and each.card["version"],
                "breaker": each.breaker,
                "detail": each.trouble,
                "model": each.card,
            }
            for each in router.services
        }
        policy = policy_file.policy
        state = {"in_force": router.policy is not None, "detail": router.policy_trouble}
        shown = {"ask_below", "threshold", "class_thresholds", "target_accuracy"}
        known = policy.model_dump(include=shown) if policy else {}
        return AgentStatus.model_validate(
            {"labels": router.known_labels, "policy": state | known, "services": services}
        )


def add_ticket_routes(app: FastAPI, store: TicketStore, reporter: AuditReporter, review_order: ReviewOrder) -> None:
    """Add the routes that read stored tickets, and the one that withdraws an answer."""

    @app.get("/reviews", summary="Which tickets wait for a person?", responses=documented(401, 422, 503))
    def reviews(
        limit: Annotated[int, Query(ge=1, le=100)] = 20, order: RequestedOrder = review_order
    ) -> WaitingTickets:
        waiting, found = store.waiting(limit, order)
        return WaitingTickets(waiting=waiting, tickets=found)

    @app.get("/tickets/{ticket_id}", summary="A ticket and its answers", responses=documented(401, 404, 422, 503))
    def ticket(ticket_id: Annotated[str, Path(pattern=TICKET_ID)]) -> dict[str, Any]:
        return store.ticket(ticket_id)

    @app.delete(
        "/tickets/{ticket_id}", summary="Erase a ticket", status_code=204, responses=documented(401, 404, 422, 503)
    )
    def erase(ticket_id: Annotated[str, Path(pattern=TICKET_ID)]) -> None:
        """Erase a ticket with people's answers; files that were exported before still have them."""
        store.erase(ticket_id)

    @app.delete("/feedback/{answer_id}", summary="Withdraw an answer", responses=documented(401, 404, 422, 503))
    def withdraw(answer_id: Annotated[int, Path(ge=1, lt=2**31)]) -> ReviewAnswer:
        return store.withdraw(answer_id)

    @app.get("/volumes", summary="How many tickets went where?", responses=documented(401, 422, 503))
    def volumes(days: Annotated[int, Query(ge=1, le=366)] = 30) -> TicketVolumes:
        return TicketVolumes.model_validate({"days": store.volumes(days)})

    @app.get("/audits", summary="How right are the tickets without a person?", responses=documented(401, 422, 503))
    def audits(weeks: Annotated[int, Query(ge=1, le=53)] = 8) -> AuditReport:
        return reporter.report(weeks)


def main(argv: list[str] | None = None) -> int:
    """Serve until the process is told to stop; return the exit code."""
    return serve(make_app, AgentSettings, __doc__, argv, port=8002)


if __name__ == "__main__":
    sys.exit(main())
