"""Serve the TF-IDF model.

    python -m services.tfidf.app
    curl -H 'Content-Type: application/json' -d '{"text": "my laptop is broken"}' http://127.0.0.1:8000/predict

The environment says what is served and how: services/common/settings.py lists it. One process, one thread that scores:
a ticket takes a fraction of a millisecond, so more would only make requests wait for each other.
"""

import asyncio
import sys
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, create_model
from typing_extensions import NotRequired, TypedDict  # pydantic reads typing's own from Python 3.12 on only

from services.common.application import create_app, describe, serve
from services.common.endpoint import JsonEndpoint
from services.common.gate import Gate
from services.common.metrics import Metrics
from services.common.model_source import ModelFiles
from services.common.served_model import Loaded
from services.common.settings import Settings
from services.tfidf.scorer import Scorer

SCORER_FILE = "scorer.npz"
BEST = 3
# After so many tickets of a batch, single requests get their turn.
AT_ONCE = 16


Probability = Annotated[float, Field(ge=0, le=1)]


class Choice(TypedDict):
    """A category and how probable it is."""

    category: str
    probability: Probability


class Weight(TypedDict):
    """An n-gram of the ticket, as the model sees it, and what it added to the category's margin."""

    term: str
    weight: float


class Prediction(TypedDict):
    """Where a ticket goes."""

    category: str
    confidence: Annotated[Probability, Field(description="calibrated probability of the category")]
    best: Annotated[list[Choice], Field(description="the three most probable categories")]
    needs_review: Annotated[bool, Field(description="the confidence is under the threshold that training has chosen")]
    model_version: str
    explanation: NotRequired[Annotated[list[Weight], Field(description="with ?explain=true: what weighed most")]]


class Predictions(TypedDict):
    """One prediction for each text of the batch, in its order."""

    predictions: list[Prediction]


def requests_of(settings: Settings) -> tuple[type[BaseModel], type[BaseModel]]:
    """Return the models of a ticket and of a batch, with the limits of these settings."""
    strict = ConfigDict(extra="forbid")
    text = Annotated[str, StringConstraints(min_length=1, max_length=settings.max_text_length, pattern=r"\S")]
    ticket = create_model("Ticket", __config__=strict, __doc__="A ticket as it came.", text=(text, ...))
    texts = Annotated[list[text], Field(min_length=1, max_length=settings.max_batch)]
    batch = create_model("Tickets", __config__=strict, __doc__="Several tickets.", texts=(texts, ...))
    return ticket, batch


def build(files: ModelFiles) -> Scorer:
    """Return the scorer of a model, after it has answered once."""
    scorer = Scorer(files.files[SCORER_FILE])
    if scorer.labels != files.metadata["labels"]:
        raise ValueError("the scorer's labels are not those of the metadata")
    scorer.probabilities("a ticket")
    return scorer


def predict(loaded: Loaded[Scorer], text: str, explain: bool, metrics: Metrics) -> Prediction:
    """Return a ticket's prediction and count it."""
    scorer = loaded.model
    probabilities = scorer.probabilities(text)
    order = (-probabilities).argsort(kind="stable")[:BEST].tolist()
    found = [min(1.0, probability) for probability in probabilities[order].tolist()]
    category, confidence = scorer.labels[order[0]], found[0]
    review = loaded.threshold is None or confidence < loaded.threshold
    metrics.predicted(category, confidence, review)
    prediction: Prediction = {
        "category": category,
        "confidence": confidence,
        "best": [{"category": scorer.labels[at], "probability": found[n]} for n, at in enumerate(order)],
        "needs_review": review,
        "model_version": loaded.version,
    }
    if explain:
        weights = scorer.explain(text, order[0])
        prediction["explanation"] = [{"term": term, "weight": weight} for term, weight in weights]
    return prediction


def make_app(settings: Settings) -> Gate:
    """Return the service; a ValueError when the settings name no source of a model."""
    app, served, metrics = create_app("CallCenterAI: TF-IDF", settings, build, (SCORER_FILE,))
    ticket, batch = requests_of(settings)

    async def predict_one(asked: Any, explain: bool) -> Prediction:
        return predict(served.current, asked.text, explain, metrics)

    async def predict_batch(asked: Any, explain: bool) -> Predictions:
        # One model for the whole batch, even when another is promoted meanwhile.
        loaded, found = served.current, []
        for number, text in enumerate(asked.texts):
            if number % AT_ONCE == AT_ONCE - 1:
                await asyncio.sleep(0)
            found.append(predict(loaded, text, explain, metrics))
        return {"predictions": found}

    endpoints = {
        "/predict": JsonEndpoint(settings, ticket, Prediction, predict_one),
        "/predict/batch": JsonEndpoint(settings, batch, Predictions, predict_batch),
    }
    describe(app, endpoints, settings.needs_key)
    return Gate(app, endpoints, settings, metrics)


def main() -> int:
    """Serve until the process is told to stop; return the exit code."""
    return serve(make_app, port=8000, model_dir="models/tfidf")


if __name__ == "__main__":
    sys.exit(main())
