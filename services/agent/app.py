"""Serve the agent: it scrubs tickets, asks the models, and asks a person when they are unsure.

    python -m services.agent.app
    curl -H 'Content-Type: application/json' -d '{"text": "my laptop is broken"}' http://127.0.0.1:8002/predict

The environment says whom it asks and where it keeps what people answer: services/agent/settings.py lists it. The TF-IDF
service has to run; the transformer's is asked when TRANSFORMER_URL names it and the policy is of both.
"""

import asyncio
import contextlib
import logging
import sys
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import FastAPI, Path, Query

from services.agent.api import (
    TICKET_ID,
    Answer,
    Feedback,
    Prediction,
    Predictions,
    Review,
    ReviewWish,
    Status,
    Volumes,
    Waiting,
    requests_of,
)
from services.agent.database import connect
from services.agent.desk import Desk, clean
from services.agent.metrics import AgentMetrics
from services.agent.policy import PolicyFile
from services.agent.routing import Router
from services.agent.settings import AgentSettings
from services.agent.store import Store
from services.agent.upstream import Limits, ModelService
from services.common.application import Alive, base_app, describe, serve
from services.common.endpoint import JsonEndpoint, Options
from services.common.gate import Gate
from services.common.problems import Problem, documented

logger = logging.getLogger("services.agent")


def make_router(settings: AgentSettings, policy_file: PolicyFile, metrics: AgentMetrics) -> Router:
    """Return the model services that the settings name, with the policy between them."""
    limits = Limits(
        settings.attempt_seconds, settings.budget_seconds, settings.breaker_failures, settings.breaker_seconds
    )

    def service(name: str) -> ModelService | None:
        url, key = getattr(settings, f"{name}_url"), getattr(settings, f"{name}_api_key")
        return url and ModelService(name, str(url), key and key.get_secret_value(), limits, metrics)

    return Router(service("tfidf"), service("transformer"), policy_file)


def make_app(settings: AgentSettings) -> Gate:
    """Return the service; a ValueError when the settings name no database."""
    metrics, policy_file = AgentMetrics(), PolicyFile(settings.policy_file)
    router = make_router(settings, policy_file, metrics)
    store = Store(connect(settings.database_url.get_secret_value()))
    desk = Desk(router, store, metrics)

    async def look() -> None:
        await asyncio.gather(asyncio.to_thread(policy_file.refresh), *(each.look() for each in router.services))
        metrics.policy_in_force.set(router.policy is not None)
        try:
            await asyncio.to_thread(store.prepare)
            metrics.waiting.set((await asyncio.to_thread(store.waiting, 0))[0])
            if settings.keep_days:
                metrics.deleted.inc(await asyncio.to_thread(store.forget, settings.keep_days))
        except Problem as problem:
            logger.error("database", extra={"trouble": problem.detail})

    async def look_for_ever() -> None:
        while True:
            try:
                await look()
            except Exception as error:
                # Whatever it was: without looking again, nobody would notice that a service has come back.
                logger.error("this is a bug of ours", exc_info=error)
            await asyncio.sleep(settings.poll_seconds)

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        # Reads the model of languages, for which the first ticket would wait.
        await asyncio.to_thread(clean, ["a ticket"])
        looking = asyncio.create_task(look_for_ever())
        yield
        looking.cancel()
        await asyncio.gather(*(each.close() for each in router.services))
        store.close()

    app = base_app("CallCenterAI: agent", metrics, lifespan)
    add_reports(app, router, policy_file, store)
    endpoints = make_endpoints(settings, desk)
    describe(app, endpoints, settings.needs_key)
    return Gate(app, endpoints, settings, metrics)


def make_endpoints(settings: AgentSettings, desk: Desk) -> dict[str, JsonEndpoint]:
    """Return the paths that take a body."""
    ticket, tickets = requests_of(settings)

    async def predict(asked: Any, options: Options) -> Prediction:
        return await desk.predict(asked, options.explain)

    async def predict_batch(asked: Any, options: Options) -> Predictions:
        return {"predictions": await desk.predict_all(asked, options.explain)}

    async def review(asked: Any, _: Options) -> Review:
        return await desk.review(asked, settings.hold_seconds)

    async def feedback(said: Any, _: Options) -> Answer:
        return await desk.feedback(said)

    return {
        "/predict": JsonEndpoint(settings, ticket, Prediction, predict, ("explain",), (409,)),
        "/predict/batch": JsonEndpoint(settings, tickets, Predictions, predict_batch, ("explain",)),
        "/reviews/next": JsonEndpoint(settings, ReviewWish, Review, review, ()),
        "/feedback": JsonEndpoint(settings, Feedback, Answer, feedback, (), (404, 409), 201),
    }


def add_reports(app: FastAPI, router: Router, policy_file: PolicyFile, store: Store) -> None:
    """Add the paths that are asked without a body."""

    @app.get("/ready", summary="Can it answer a ticket?", responses=documented(503))
    async def ready() -> Alive:
        if not any(service.card for service in router.services):
            troubles = "; ".join(f"{service.name}: {service.trouble}" for service in router.services)
            raise Problem(503, f"no model service is ready: {troubles}", {"Retry-After": "2"})
        # Once there, a database that is down for a while does not count: who does not want to store is answered.
        if not store.prepared:
            raise Problem(503, "the tables of the database are not there yet", {"Retry-After": "2"})
        return Alive(status="ready")

    @app.get("/status", summary="How are the model services and the policy?", responses=documented(401, 503))
    async def status() -> Status:
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
        told = {"in_force": router.policy is not None, "detail": router.policy_trouble}
        known = policy.model_dump(include={"ask_below", "threshold", "target_accuracy"}) if policy else {}
        return Status.model_validate({"labels": router.labels, "policy": told | known, "services": services})

    @app.get("/reviews", summary="Which tickets wait for a person?", responses=documented(401, 422, 503))
    def reviews(limit: Annotated[int, Query(ge=1, le=100)] = 20) -> Waiting:
        waiting, found = store.waiting(limit)
        return Waiting(waiting=waiting, tickets=found)

    @app.get("/tickets/{ticket_id}", summary="What was said of a ticket?", responses=documented(401, 404, 422, 503))
    def ticket(ticket_id: Annotated[str, Path(pattern=TICKET_ID)]) -> dict[str, Any]:
        return store.ticket(ticket_id)

    @app.delete("/feedback/{answer_id}", summary="Take an answer back", responses=documented(401, 404, 422, 503))
    def withdraw(answer_id: Annotated[int, Path(ge=1, lt=2**31)]) -> Answer:
        return store.withdraw(answer_id)

    @app.get("/volumes", summary="How many tickets went where?", responses=documented(401, 422, 503))
    def volumes(days: Annotated[int, Query(ge=1, le=366)] = 30) -> Volumes:
        return Volumes.model_validate({"days": store.volumes(days)})


def main() -> int:
    """Serve until the process is told to stop; return the exit code."""
    return serve(make_app, AgentSettings, port=8002)


if __name__ == "__main__":
    sys.exit(main())
