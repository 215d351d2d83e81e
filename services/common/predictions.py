"""The shapes of a model service's API: a ticket or several come in, a prediction for each goes out."""

from collections.abc import Mapping
from typing import Annotated, Any, NotRequired

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, create_model
from typing_extensions import TypedDict  # pydantic supports typing.TypedDict from Python 3.12 on only

from callcenterai.text.joining import join_texts
from services.common.problems import Problem
from services.common.settings import Settings

# At least one character that is not white space. U+0085 and U+FEFF are listed because regular expression engines (ours,
# and those of clients that read our OpenAPI document) disagree about whether they are white space.
NOT_BLANK = r"[^\s\u0085\ufeff]"
SUBJECT = Field(description="joined before the text, on a line of its own, as training joins columns")
Fields = Mapping[str, tuple[Any, Any]]
NO_FIELDS: Fields = {}
Probability = Annotated[float, Field(ge=0, le=1)]


class Choice(TypedDict):
    """A category and its probability."""

    category: str
    probability: Probability


class Weight(TypedDict):
    """A term of the ticket, as the model sees it, and its contribution to the category."""

    term: str
    weight: float


class TextFigures(TypedDict):
    """What drift is found by: how long the text is as the model reads it, and how many of its words are new."""

    characters: int
    unknown_words: Annotated[
        Probability | None, Field(description="share of the words; null for a model or a text without words")
    ]


class Prediction(TypedDict):
    """The category of a ticket."""

    category: str
    confidence: Annotated[Probability, Field(description="calibrated probability of the category")]
    best: Annotated[list[Choice], Field(description="the most probable categories")]
    needs_review: Annotated[
        bool, Field(description="the confidence is below the threshold that training chose, or the text is unknown")
    ]
    threshold: NotRequired[
        Annotated[float | None, Field(description="of this category, or of all; null if none meets training's target")]
    ]
    known_text: NotRequired[
        Annotated[bool, Field(description="false if the model knows no word and no character sequence of the text")]
    ]
    model_version: str
    explanation: NotRequired[Annotated[list[Weight], Field(description="with ?explain=true: the heaviest terms")]]
    contrast: NotRequired[
        Annotated[list[Weight], Field(description="the heaviest terms for the first category against the second")]
    ]
    text_figures: NotRequired[Annotated[TextFigures, Field(description="TF-IDF with ?explain=true")]]


class Predictions(TypedDict):
    """One prediction for each text of the batch, in its order."""

    predictions: list[Prediction]


def request_models(
    settings: Settings, ticket_fields: Fields = NO_FIELDS, shared_fields: Fields = NO_FIELDS
) -> tuple[type[BaseModel], type[BaseModel]]:
    """Return the pydantic models of a ticket and of a batch, with the limits of these settings.

    ticket_fields are further fields of a ticket, shared_fields those of a ticket and of a batch: (type, default) by
    name.
    """
    strict = ConfigDict(extra="forbid")
    text = Annotated[str, StringConstraints(min_length=1, max_length=settings.max_text_length, pattern=NOT_BLANK)]
    texts = Annotated[list[text], Field(min_length=1, max_length=settings.max_batch)]
    subject = Annotated[str, StringConstraints(max_length=settings.max_text_length), SUBJECT]
    one: dict[str, Any] = {"subject": (subject | None, None), "text": (text, ...), **ticket_fields, **shared_fields}
    several: dict[str, Any] = {"texts": (texts, ...), **shared_fields}
    return (
        create_model("Ticket", __config__=strict, __doc__="A ticket as it arrived.", **one),
        create_model("Tickets", __config__=strict, __doc__="Several tickets.", **several),
    )


def ticket_text(asked: Any, limit: int) -> str:
    """Return the text of a ticket after its subject, as prepare joins columns; a Problem 422 if that is too long."""
    text = join_texts([asked.subject, asked.text])
    if len(text) > limit:
        raise Problem(422, f"the subject and the text together have more than {limit} characters")
    return text
