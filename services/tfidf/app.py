"""Serve the TF-IDF model.

    python -m services.tfidf.app
    curl -H 'Content-Type: application/json' -d '{"text": "my laptop is broken"}' http://127.0.0.1:8000/predict

The environment says what is served and how: services/common/settings.py lists it. One process, one thread that scores:
a ticket takes a fraction of a millisecond, so more would only make requests wait for each other.
"""

import asyncio
import sys
from typing import Any

from services.common.application import describe, serve
from services.common.endpoint import JsonEndpoint, Options
from services.common.gate import Gate
from services.common.metrics import ModelMetrics
from services.common.model_service import create_app
from services.common.model_source import ModelFiles
from services.common.predictions import Prediction, Predictions, explanation, make_prediction, requests_of
from services.common.served_model import Loaded
from services.common.settings import ModelSettings
from services.tfidf.scorer import Scorer

SCORER_FILE = "scorer.npz"
# After so many tickets of a batch, single requests get their turn.
AT_ONCE = 16


def build(files: ModelFiles) -> Scorer:
    """Return the scorer of a model, after it has answered once."""
    scorer = Scorer(files.files[SCORER_FILE])
    if scorer.labels != files.metadata["labels"]:
        raise ValueError("the scorer's labels are not those of the metadata")
    scorer.probabilities("a ticket")
    return scorer


def predict(loaded: Loaded[Scorer], text: str, options: Options, metrics: ModelMetrics) -> Prediction:
    """Return a ticket's prediction and count it."""
    scorer = loaded.model
    prediction, label = make_prediction(loaded, scorer.labels, scorer.probabilities(text), options.top, metrics)
    if options.explain:
        prediction["explanation"] = explanation(scorer.explain(text, label))
    return prediction


def make_app(settings: ModelSettings) -> Gate:
    """Return the service; a ValueError when the settings name no source of a model."""
    app, served, metrics = create_app("CallCenterAI: TF-IDF", settings, build, lambda metadata: (SCORER_FILE,))
    ticket, batch = requests_of(settings)

    async def predict_one(asked: Any, options: Options) -> Prediction:
        return predict(served.current, asked.text, options, metrics)

    async def predict_batch(asked: Any, options: Options) -> Predictions:
        # One model for the whole batch, even when another is promoted meanwhile.
        loaded, found = served.current, []
        for number, text in enumerate(asked.texts):
            if number % AT_ONCE == AT_ONCE - 1:
                await asyncio.sleep(0)
            found.append(predict(loaded, text, options, metrics))
        return {"predictions": found}

    endpoints = {
        "/predict": JsonEndpoint(settings, ticket, Prediction, predict_one),
        "/predict/batch": JsonEndpoint(settings, batch, Predictions, predict_batch),
    }
    describe(app, endpoints, settings.needs_key)
    return Gate(app, endpoints, settings, metrics)


def main() -> int:
    """Serve until the process is told to stop; return the exit code."""
    return serve(make_app, ModelSettings, port=8000, model_dir="models/tfidf")


if __name__ == "__main__":
    sys.exit(main())
