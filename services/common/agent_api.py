"""The shapes of the agent's API: the agent answers with them, and the pages read its answers with them."""

from typing import Annotated, Any, Literal, NotRequired

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from typing_extensions import TypedDict  # pydantic supports typing.TypedDict from Python 3.12 on only

from services.common.predictions import Choice, Probability, Weight, request_models
from services.common.settings import Settings

TICKET_ID = r"^[A-Za-z0-9._-]{1,64}$"
TicketId = Annotated[str, StringConstraints(pattern=TICKET_ID)]
Category = Annotated[str, StringConstraints(min_length=1, max_length=500)]
Person = Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f]*$")]
ForcedModel = Literal["tfidf", "transformer"]
# Which model answered; "both": their probabilities were combined by the policy.
AnsweringModel = Literal["tfidf", "transformer", "both"]


class RoutedTicket(TypedDict):
    """The category of a ticket, whether a person has to review it, and why."""

    ticket_id: str
    category: str
    confidence: Annotated[Probability, Field(description="calibrated probability of the category")]
    best: Annotated[list[Choice], Field(description="the three most probable categories")]
    decision: Annotated[Literal["auto", "review"], Field(description="review: a person decides")]
    model: AnsweringModel
    reason: Annotated[str, Field(description="the reason for the decision, in plain words")]
    reason_code: str
    degraded: Annotated[bool, Field(description="a model that should have been asked did not answer")]
    language: Annotated[str, Field(description="ISO 639-1, or und")]
    personal_data: Annotated[dict[str, int], Field(description="number of findings of each type that were removed")]
    versions: Annotated[dict[str, str], Field(description="of the models that answered")]
    text: NotRequired[Annotated[str, Field(description="with ?explain=true: the ticket without personal data")]]
    explanation: NotRequired[Annotated[list[Weight], Field(description="with ?explain=true: the heaviest terms")]]


class RoutedTickets(TypedDict):
    """One prediction for each text of the batch, in its order."""

    predictions: list[RoutedTicket]


class ReviewAnswer(TypedDict):
    """The category that a person gave to a ticket."""

    answer_id: int
    ticket_id: str
    category: str
    by: str | None
    answered_at: str
    withdrawn_at: str | None


class Feedback(BaseModel):
    """The category that a person gives to a ticket."""

    model_config = ConfigDict(extra="forbid")
    ticket_id: TicketId
    category: Category
    by: Person | None = None
    subject: str | None = Field(None, description="of the ticket, if it was sent with one")
    text: str | None = Field(None, description="needed if the ticket was decided automatically: its text was not kept")


class WaitingTickets(BaseModel):
    """The tickets that have waited longest for a person, and the number of all that wait."""

    waiting: int
    tickets: list[dict[str, Any]]


class ReviewRequest(BaseModel):
    """Asks for a ticket to review. The reviewer is any id that stays the same while the same person reviews."""

    model_config = ConfigDict(extra="forbid")
    reviewer: Annotated[str, StringConstraints(pattern=TICKET_ID)]
    after: TicketId | None = Field(None, description="the ticket that was skipped: those that arrived later come first")
    ticket_id: TicketId | None = Field(None, description="give this ticket, if it waits and nobody else holds it")


class Review(TypedDict):
    """The oldest waiting ticket, held for this reviewer for HOLD_SECONDS."""

    waiting: Annotated[int, Field(description="number of all waiting tickets, including those that others hold")]
    # As it is stored: a ticket of an earlier release may lack fields that were added later.
    ticket: Annotated[dict[str, Any] | None, Field(description="null when none waits, or others hold them all")]


class TicketVolume(BaseModel):
    """The number of tickets of one day with one category and one decision."""

    day: str
    category: str
    decision: str
    tickets: int = Field(ge=0)


class TicketVolumes(BaseModel):
    """Tickets by day, category and decision."""

    days: list[TicketVolume]


class ModelServiceStatus(BaseModel):
    """A model service as the agent sees it."""

    ready: bool
    version: str | None
    breaker: str
    detail: str
    model: dict[str, Any] | None


class AgentStatus(BaseModel):
    """The categories, whether the policy is in force, and the state of the model services."""

    labels: list[str] = Field(description="that the models know or last knew; empty while none has ever answered")
    policy: dict[str, Any]
    services: dict[str, ModelServiceStatus]


def agent_request_models(settings: Settings) -> tuple[type[BaseModel], type[BaseModel]]:
    """Return the pydantic models of a ticket and of a batch, with the limits of these settings."""
    kept = "keep the decision, and the text without personal data if a person decides"
    store = Annotated[bool, Field(strict=True, description=kept)]
    shared = {"force_model": (ForcedModel | None, None), "store": (store, True)}
    return request_models(settings, {"ticket_id": (TicketId | None, None)}, shared)
