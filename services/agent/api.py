"""What the agent takes and gives."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, create_model
from typing_extensions import NotRequired, TypedDict  # pydantic reads typing's own from Python 3.12 on only

from services.common.predictions import NOT_BLANK, Choice, Probability, Weight
from services.common.settings import Settings

TICKET_ID = r"^[A-Za-z0-9._-]{1,64}$"
TicketId = Annotated[str, StringConstraints(pattern=TICKET_ID)]
Category = Annotated[str, StringConstraints(min_length=1, max_length=500)]
Person = Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f]*$")]
ForcedModel = Literal["tfidf", "transformer"]


class Prediction(TypedDict):
    """Where a ticket goes, who said so and why."""

    ticket_id: str
    category: str
    confidence: Annotated[Probability, Field(description="calibrated probability of the category")]
    best: Annotated[list[Choice], Field(description="the three most probable categories")]
    decision: Annotated[Literal["auto", "review"], Field(description="review: a person decides")]
    model: Literal["tfidf", "transformer", "both"]
    reason: Annotated[str, Field(description="why, in plain words")]
    reason_code: str
    degraded: Annotated[bool, Field(description="a model that should have been asked did not answer")]
    language: Annotated[str, Field(description="ISO 639-1, or und")]
    personal_data: Annotated[dict[str, int], Field(description="how many findings of each type were scrubbed")]
    versions: Annotated[dict[str, str], Field(description="of the models that answered")]
    text: NotRequired[Annotated[str, Field(description="with ?explain=true: the ticket as the models saw it")]]
    explanation: NotRequired[Annotated[list[Weight], Field(description="with ?explain=true: what weighed most")]]


class Predictions(TypedDict):
    """One prediction for each text of the batch, in its order."""

    predictions: list[Prediction]


class Answer(TypedDict):
    """A person's answer."""

    answer_id: int
    ticket_id: str
    category: str
    by: str | None
    answered_at: str
    withdrawn_at: str | None


class Feedback(BaseModel):
    """What a person says of a ticket."""

    model_config = ConfigDict(extra="forbid")
    ticket_id: TicketId
    category: Category
    by: Person | None = None
    text: str | None = Field(None, description="only for a ticket whose text was not kept: decided without a person")


class Waiting(BaseModel):
    """The tickets that have waited longest for a person, and how many wait in all."""

    waiting: int
    tickets: list[dict[str, Any]]


class ReviewWish(BaseModel):
    """Who asks for a ticket to decide: any id, by which the same person is known for as long as they review."""

    model_config = ConfigDict(extra="forbid")
    reviewer: Annotated[str, StringConstraints(pattern=TICKET_ID)]
    after: TicketId | None = Field(None, description="passed over: what came behind this one goes first")
    ticket_id: TicketId | None = Field(None, description="this one, when it waits and nobody else has it")


class Review(TypedDict):
    """A waiting ticket that nobody else is given for HOLD_SECONDS, the oldest first."""

    waiting: Annotated[int, Field(description="how many wait in all, those of others too")]
    ticket: Annotated[dict[str, Any] | None, Field(description="null when none waits, or others have them all")]


class Volume(BaseModel):
    """How many tickets of a day went where, and how."""

    day: str
    category: str
    decision: str
    tickets: int


class Volumes(BaseModel):
    """Tickets by day, category and decision."""

    days: list[Volume]


class ServiceStatus(BaseModel):
    """A model service as the agent sees it."""

    ready: bool
    version: str | None
    breaker: str
    detail: str
    model: dict[str, Any] | None


class Status(BaseModel):
    """Which categories there are, whether the policy is in force, and how the model services are."""

    labels: list[str]
    policy: dict[str, Any]
    services: dict[str, ServiceStatus]


def requests_of(settings: Settings) -> tuple[type[BaseModel], type[BaseModel]]:
    """Return the models of a ticket and of a batch, with the limits of these settings."""
    strict = ConfigDict(extra="forbid")
    text = Annotated[str, StringConstraints(min_length=1, max_length=settings.max_text_length, pattern=NOT_BLANK)]
    texts = Annotated[list[text], Field(min_length=1, max_length=settings.max_batch)]
    kept = "keep the decision, and the scrubbed text when a person decides"
    store = Annotated[bool, Field(strict=True, description=kept)]
    more: dict[str, Any] = {"force_model": (ForcedModel | None, None), "store": (store, True)}
    ticket = create_model(
        "Ticket",
        __config__=strict,
        __doc__="A ticket as it came.",
        text=(text, ...),
        ticket_id=(TicketId | None, None),
        **more,
    )
    return ticket, create_model("Tickets", __config__=strict, __doc__="Several.", texts=(texts, ...), **more)
