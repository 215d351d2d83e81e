"""What the agent answers, as far as the pages show it."""

from typing import Any, Literal

from pydantic import BaseModel, Field


class Choice(BaseModel):
    """A category and how probable it is, from 0 to 1."""

    category: str
    probability: float


class Weight(BaseModel):
    """An n-gram, in lower case without accents, and what it did for the category."""

    term: str
    weight: float


class Prediction(BaseModel):
    """Where a ticket goes, and why."""

    ticket_id: str
    category: str
    confidence: float
    best: list[Choice]
    decision: Literal["auto", "review"]
    model: str
    reason: str
    reason_code: str = ""
    degraded: bool
    language: str
    personal_data: dict[str, int]
    versions: dict[str, str | None]
    text: str = ""
    explanation: list[Weight] = []


class Predictions(BaseModel):
    """One prediction for each text, in its order."""

    predictions: list[Prediction]


class WaitingTicket(BaseModel):
    """A ticket that waits for somebody's answer; its text is scrubbed."""

    ticket_id: str
    received_at: str
    text: str
    language: str
    category: str
    confidence: float
    best: list[Choice]
    reason: str
    reason_code: str = ""
    model: str
    explanation: list[Weight] | None = None


class Review(BaseModel):
    """A ticket that waits and that nobody else is given now, if there is one, and how many wait in all."""

    waiting: int
    ticket: WaitingTicket | None


class GivenAnswer(BaseModel):
    """Somebody's answer as the agent has noted it."""

    answer_id: int
    ticket_id: str
    category: str


class DayVolume(BaseModel):
    """How many tickets of one day were given a category by one decision."""

    day: str
    category: str
    decision: str
    tickets: int = Field(ge=0)


class Volumes(BaseModel):
    """Counts by day, category and decision."""

    days: list[DayVolume]


class ServiceStatus(BaseModel):
    """A model service as the agent sees it; model is what the service says of its model."""

    ready: bool
    version: str | None = None
    breaker: str = "closed"
    detail: str | None = None
    model: dict[str, Any] | None = None


class Status(BaseModel):
    """The categories, and how the model services are."""

    labels: list[str]
    services: dict[str, ServiceStatus]
