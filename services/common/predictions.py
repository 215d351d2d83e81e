"""What every model service takes and gives: a ticket or several, and where each one goes."""

from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, create_model
from typing_extensions import NotRequired, TypedDict  # pydantic reads typing's own from Python 3.12 on only

from services.common.metrics import ModelMetrics
from services.common.served_model import Loaded
from services.common.settings import Settings

# Something but white space. Two characters are named since engines of regular expressions, ours and those of whoever
# reads our description, do not agree whether they are white space.
NOT_BLANK = r"[^\s\u0085\ufeff]"
Probability = Annotated[float, Field(ge=0, le=1)]


class Choice(TypedDict):
    """A category and how probable it is."""

    category: str
    probability: Probability


class Weight(TypedDict):
    """A term of the ticket, as the model sees it, and what it did for the category."""

    term: str
    weight: float


class Prediction(TypedDict):
    """Where a ticket goes."""

    category: str
    confidence: Annotated[Probability, Field(description="calibrated probability of the category")]
    best: Annotated[list[Choice], Field(description="the most probable categories")]
    needs_review: Annotated[bool, Field(description="the confidence is under the threshold that training has chosen")]
    model_version: str
    explanation: NotRequired[Annotated[list[Weight], Field(description="with ?explain=true: what weighed most")]]


class Predictions(TypedDict):
    """One prediction for each text of the batch, in its order."""

    predictions: list[Prediction]


def requests_of(settings: Settings) -> tuple[type[BaseModel], type[BaseModel]]:
    """Return the models of a ticket and of a batch, with the limits of these settings."""
    strict = ConfigDict(extra="forbid")
    text = Annotated[str, StringConstraints(min_length=1, max_length=settings.max_text_length, pattern=NOT_BLANK)]
    ticket = create_model("Ticket", __config__=strict, __doc__="A ticket as it came.", text=(text, ...))
    texts = Annotated[list[text], Field(min_length=1, max_length=settings.max_batch)]
    batch = create_model("Tickets", __config__=strict, __doc__="Several tickets.", texts=(texts, ...))
    return ticket, batch


def make_prediction(
    loaded: Loaded[Any], labels: list[str], probabilities: np.ndarray, top: int, metrics: ModelMetrics
) -> tuple[Prediction, int]:
    """Return the prediction that probabilities, shape (n_labels,), are, and its label's number; count it."""
    every = probabilities.tolist()
    order = sorted(range(len(every)), key=every.__getitem__, reverse=True)[:top]
    found = [min(1.0, every[label]) for label in order]
    category, confidence = labels[order[0]], found[0]
    review = loaded.threshold is None or confidence < loaded.threshold
    metrics.predicted(category, confidence, review)
    prediction: Prediction = {
        "category": category,
        "confidence": confidence,
        "best": [{"category": labels[at], "probability": found[n]} for n, at in enumerate(order)],
        "needs_review": review,
        "model_version": loaded.version,
    }
    return prediction, order[0]


def explanation(weights: list[tuple[str, float]]) -> list[Weight]:
    """Return terms and their weights as they are answered."""
    return [{"term": term, "weight": weight} for term, weight in weights]
