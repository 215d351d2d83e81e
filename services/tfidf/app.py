"""Serve the TF-IDF model.

    python -m services.tfidf.app
    curl -H 'Content-Type: application/json' -d '{"text": "my laptop is broken"}' http://127.0.0.1:8000/predict

Settings come from the environment: services/common/settings.py lists them. One process scores on one thread: a ticket
takes a fraction of a millisecond, so more threads would only make requests wait for each other. Long texts have another
thread, on which they wait for each other alone.
"""

import json
import sys
from typing import Any, NamedTuple

from fastapi import FastAPI

from services.common.application import serve
from services.common.endpoint import Options
from services.common.long_texts import SHORT_TEXT, LongTextThread, in_parts, total_length
from services.common.metrics import ModelMetrics
from services.common.middleware import ServiceMiddleware
from services.common.model_service import (
    ModelReference,
    create_app,
    make_explanation,
    make_model_service,
    make_prediction,
)
from services.common.model_source import ModelArtifact
from services.common.predictions import Prediction
from services.common.problems import Problem, documented
from services.common.served_model import LoadedModel, ServedModel
from services.common.settings import ModelSettings
from services.tfidf.scorer import TfidfScorer

SCORER_FILE, REFERENCE_FILE = "scorer.npz", "reference.json"


class TfidfModel(NamedTuple):
    """What scores tickets, and what the test tickets looked like; a model of before December 2026 has no reference."""

    scorer: TfidfScorer
    reference: dict[str, Any] | None


def files_of(metadata: dict[str, Any]) -> tuple[str, ...]:
    """Return the files that the service reads."""
    return tuple(name for name in (SCORER_FILE, REFERENCE_FILE) if name == SCORER_FILE or name in metadata["files"])


def build_tfidf_model(files: ModelArtifact) -> TfidfModel:
    """Return a model, after a test prediction."""
    scorer = TfidfScorer(files.files[SCORER_FILE])
    if scorer.labels != files.metadata["labels"]:
        raise ValueError("the scorer's labels are not those of the metadata")
    scorer.probabilities("a ticket")
    reference = files.files.get(REFERENCE_FILE)
    return TfidfModel(scorer, json.loads(reference) if reference else None)


def predict_tickets(
    loaded: LoadedModel[TfidfModel], texts: list[str], options: Options, metrics: ModelMetrics
) -> list[Prediction]:
    """Return the predictions of tickets, and count them."""
    return [predict_ticket(loaded, text, options, metrics) for text in texts]


def predict_ticket(loaded: LoadedModel[TfidfModel], text: str, options: Options, metrics: ModelMetrics) -> Prediction:
    """Return the prediction of a ticket, and count it."""
    scorer, text = loaded.model.scorer, loaded.read(text)
    probabilities, known = scorer.score(text)
    prediction, label = make_prediction(loaded, scorer.labels, probabilities, options.top, metrics, known)
    best = prediction["best"]
    if options.explain and prediction["needs_review"] and len(best) > 1:
        # A person compares the first two, so only then is the contrast worth its time.
        second = scorer.labels.index(best[1]["category"])
        prediction["contrast"] = make_explanation(scorer.explain(text, label, against=second))
    if options.explain:
        prediction["explanation"] = make_explanation(scorer.explain(text, label))
        prediction["text_figures"] = {"characters": len(text), "unknown_words": scorer.unknown_words(text)}
    return prediction


def add_reference_route(app: FastAPI, served: ServedModel[TfidfModel]) -> None:
    """Add the route with which the agent finds out whether its tickets have drifted."""

    @app.get("/model/reference", summary="How did the test tickets look to it?", responses=documented(401, 404, 503))
    async def reference() -> ModelReference:
        loaded = served.current
        if loaded.model.reference is None:
            raise Problem(404, "this model was trained before there were references: train again")
        return ModelReference.model_validate(loaded.model.reference | {"version": loaded.version})


def make_app(settings: ModelSettings) -> ServiceMiddleware:
    """Return the service; a ValueError when the settings name no source of a model."""
    app, served, metrics = create_app("CallCenterAI: TF-IDF", settings, build_tfidf_model, files_of)
    add_reference_route(app, served)
    thread = LongTextThread()

    async def predict(texts: list[str], options: Options) -> list[Prediction]:
        loaded, length = served.current, total_length(texts)
        found: list[Prediction] = []
        # After each part, the long texts of another request get their turn.
        for part in in_parts(texts, SHORT_TEXT):
            found += await thread.run(length, predict_tickets, loaded, part, options, metrics)
        return found

    return make_model_service(app, settings, metrics, predict)


def main(argv: list[str] | None = None) -> int:
    """Serve until the process is told to stop; return the exit code."""
    return serve(make_app, ModelSettings, __doc__, argv, port=8000, production_dir="models/production/tfidf")


if __name__ == "__main__":
    sys.exit(main())
