"""The shapes of the agent's API: the agent answers with them, and the pages read its answers with them."""

from typing import Annotated, Any, Literal, NotRequired

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator
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
# Which waiting tickets come first: those that arrived first, or those of which the models are least sure.
ReviewOrder = Literal["age", "uncertainty"]
# What reviewers may ask for: one of these orders, or the tickets of training whose labels are doubtful, a queue apart.
RequestedOrder = Literal[ReviewOrder, "labels"]


# The most tickets that are listed or answered at once.
MOST_AT_ONCE = 100
# Whoever lists more waiting tickets than these is told that there are more.
MOST_COUNTED = 1000
# Why a ticket waits: the models are unsure of it, it is audited, or training doubts its label.
WaitingKind = Literal["unsure", "audit", "labels"]
WaitingSort = Literal["oldest", "newest", "unsure", "sure"]
# How a review can end without a category; a ticket that was skipped waits for others.
ReviewOutcome = Literal["none", "not_ticket", "several", "skipped"]
SKIPPED: ReviewOutcome = "skipped"
# Whoever reads of several categories or of a skip wants to know which and why.
WITH_COMMENT: frozenset[ReviewOutcome] = frozenset(("several", "skipped"))
Comment = Annotated[str, StringConstraints(max_length=1000)]


class RoutedTicket(TypedDict):
    """The category of a ticket, whether a person has to review it, and why."""

    ticket_id: str
    category: str
    confidence: Annotated[Probability, Field(description="calibrated probability of the category")]
    threshold: NotRequired[
        Annotated[float | None, Field(description="confidence from which no person is asked; null: none is enough")]
    ]
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
    comment: NotRequired[str | None]


class RecordedOutcome(TypedDict):
    """How a person's review ended without a category."""

    outcome_id: int
    ticket_id: str
    outcome: ReviewOutcome
    comment: str | None
    by: str | None
    given_at: str
    withdrawn_at: str | None


class Feedback(BaseModel):
    """The category that a person gives to a ticket."""

    model_config = ConfigDict(extra="forbid")
    ticket_id: TicketId
    category: Category
    by: Person | None = None
    subject: str | None = Field(None, description="of the ticket, if it was sent with one")
    comment: Comment | None = None
    text: str | None = Field(None, description="needed if the ticket was decided automatically: its text was not kept")


class OutcomeRequest(BaseModel):
    """How a review ends without a category: none fits, it is no ticket, several fit, or it is left to others."""

    model_config = ConfigDict(extra="forbid")
    ticket_id: TicketId
    outcome: ReviewOutcome
    by: Person | None = None
    comment: Comment | None = Field(None, description="required for several and skipped")

    @model_validator(mode="after")
    def _has_its_comment(self) -> "OutcomeRequest":
        if self.outcome in WITH_COMMENT and not (self.comment or "").strip():
            raise ValueError(f"the outcome {self.outcome} needs a comment")
        return self


class WaitingTickets(BaseModel):
    """The first tickets that wait for a person, and the number of all that wait."""

    waiting: int
    tickets: list[dict[str, Any]]


class ReviewRequest(BaseModel):
    """Asks for a ticket to review. The reviewer is any id that stays the same while the same person reviews."""

    model_config = ConfigDict(extra="forbid")
    reviewer: Annotated[str, StringConstraints(pattern=TICKET_ID)]
    after: TicketId | None = Field(None, description="the ticket that was skipped: those behind it come first")
    ticket_id: TicketId | None = Field(None, description="give this ticket, if it waits and nobody else holds it")
    order: RequestedOrder | None = Field(
        None, description="which tickets come first, null: as REVIEW_ORDER says; or doubtful labels alone"
    )


class WaitingFilter(BaseModel):
    """Which waiting tickets to list, in which order, and after which one.

    A category, a confidence and an order by it find no blind check: they would tell what the model says of it.
    """

    model_config = ConfigDict(extra="forbid")
    kind: WaitingKind | None = None
    # PostgreSQL compares no text with NUL.
    category: Annotated[str, StringConstraints(min_length=1, max_length=500, pattern=r"^[^\x00]*$")] | None = None
    language: Annotated[str, StringConstraints(pattern=r"^[a-z]{2,3}$")] | None = None
    lowest: Probability | None = Field(None, description="confidence")
    highest: Probability | None = Field(None, description="confidence")
    hours: float | None = Field(None, ge=0, le=100_000, description="that they have waited at least")
    text: Annotated[str, StringConstraints(max_length=200, pattern=r"^[^\x00]*$")] = Field(
        "", description="words that all are in the text, in any case"
    )
    sort: WaitingSort = "oldest"
    after: TicketId | None = Field(None, description="the last ticket of the page before")
    limit: int = Field(25, ge=1, le=MOST_AT_ONCE)
    reviewer: Annotated[str, StringConstraints(pattern=TICKET_ID)] | None = Field(
        None, description="whose own tickets are not held"
    )

    @property
    def tells_the_answer(self) -> bool:
        """Whether finding a ticket would tell what the model says of it."""
        asked = (self.category, self.lowest, self.highest)
        return self.sort in ("unsure", "sure") or any(each is not None for each in asked)


class WaitingRow(TypedDict):
    """A waiting ticket in the list; a blind check comes without category and confidence."""

    ticket_id: str
    received_at: str
    text: Annotated[str, Field(description="its beginning")]
    language: str
    kind: WaitingKind
    category: str | None
    confidence: float | None
    held: Annotated[bool, Field(description="somebody else is reviewing it")]


class WaitingPage(BaseModel):
    """A page of the list: how many tickets the filter finds in all, the page's own, and what the next one is after."""

    count: int = Field(description=f"at most {MOST_COUNTED + 1}: counting more would take longer than finding them")
    tickets: list[WaitingRow]
    next: str | None


class BulkFeedback(BaseModel):
    """One category for several waiting tickets."""

    model_config = ConfigDict(extra="forbid")
    ticket_ids: Annotated[list[TicketId], Field(min_length=1, max_length=MOST_AT_ONCE)]
    category: Category
    reviewer: Annotated[str, StringConstraints(pattern=TICKET_ID)]
    by: Person | None = None


class BulkReviewAnswer(TypedDict):
    """What one answer to several tickets has done; those that others hold or have answered are left out."""

    batch_id: str
    category: str
    answered: int
    left_out: int


class Review(TypedDict):
    """A waiting ticket, held for this reviewer for HOLD_SECONDS; for a check, without what the model says."""

    waiting: Annotated[int, Field(description="number of all that wait in this queue, including those others hold")]
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


class AuditFigures(BaseModel):
    """What people's answers to audited tickets say about all tickets that were routed without a person."""

    drawn: int = Field(ge=0, description="number of audited tickets")
    answered: int = Field(ge=0, description="how many of these a person has answered")
    accuracy: Probability | None = Field(description="estimated from the answers; null if there is none yet")
    low: Probability = Field(description="lower end of the 95% interval")
    high: Probability = Field(description="upper end of the 95% interval")
    effective_answers: float = Field(ge=0, description="answers of a simple random sample that would tell as much")


class WeeklyAudits(AuditFigures):
    """The audits among the tickets of an ISO week (UTC) that the same models and policy decided."""

    week: str = Field(description="for example 2026-W48")
    decided_by: str = Field(description="the models' versions, and the policy if one was in force")


class RecentAudits(AuditFigures):
    """The audits among the tickets of the last days that were decided by what decides now."""

    days: int
    verdict: Literal["kept", "open", "broken", "unknown"] = Field(
        description="the interval is at or above the target, around it, or below it; or there are too few answers"
    )


class AuditTarget(BaseModel):
    """What decides now, and the accuracy that training promised for it."""

    decided_by: str
    target_accuracy: Probability | None
    needed_answers: int | None = Field(description="with fewer effective answers, even a perfect record proves nothing")


class AuditReport(BaseModel):
    """The live accuracy of the tickets that are routed without a person, with 95% intervals."""

    share: Probability = Field(description="the share of these tickets that is audited")
    deciding: AuditTarget | None = Field(description="null while no model is ready")
    recent: list[RecentAudits]
    weeks: list[WeeklyAudits] = Field(description="the latest week first")


class PersonDay(BaseModel):
    """What a person answered on a day (UTC), without what was withdrawn."""

    day: str
    person: str | None = Field(description="null for answers without a name")
    answered: int = Field(0, description="tickets that got a category")
    suggested: int = Field(0, description="of these, with the model's suggestion in sight")
    suggested_agreed: int = Field(0, description="of which so many got the suggested category")
    blind: int = Field(0, description="audits, without a suggestion")
    blind_agreed: int = Field(0, description="of which so many got the category that the model had given")
    without_category: int = Field(0, description="none of these, not a ticket, several")
    skipped: int = Field(0, description="left to others with a reason")


class Correction(BaseModel):
    """How many tickets people moved from the model's category to another one."""

    suggested: str
    answered: str
    tickets: int


class QueueFigures(BaseModel):
    """What waits for people, without doubtful labels, and how fast that changes."""

    waiting: int
    oldest: str | None = Field(description="when the ticket arrived that has waited longest")
    arrived_per_hour: float = Field(description="over the last hours")
    answered_per_hour: float = Field(description="over the same hours, with those that ended without a category")


class TeamReport(BaseModel):
    """What a team has answered, what it corrected, and its queue."""

    people: list[PersonDay] = Field(description="the latest day first")
    corrections: list[Correction] = Field(description="the most frequent first")
    queue: QueueFigures


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
    kept = "keep the decision, and the text without personal data if a person decides or audits"
    store = Annotated[bool, Field(strict=True, description=kept)]
    shared = {"force_model": (ForcedModel | None, None), "store": (store, True)}
    return request_models(settings, {"ticket_id": (TicketId | None, None)}, shared)
