"""Serve the TF-IDF model.

    python -m services.tfidf.app
    curl -H 'Content-Type: application/json' -d '{"text": "my laptop is broken"}' http://127.0.0.1:8000/predict

Settings come from the environment: services/common/settings.py lists them. One process scores on one thread: a ticket
takes a fraction of a millisecond, so more threads would only make requests wait for each other. Long texts have another
thread, on which they wait for each other alone.
"""

import sys

from services.common.application import serve
from services.common.endpoint import Options
from services.common.long_texts import SHORT_TEXT, LongTextThread, in_parts, total_length
from services.common.metrics import ModelMetrics
from services.common.middleware import ServiceMiddleware
from services.common.model_service import create_app, make_explanation, make_model_service, make_prediction
from services.common.model_source import ModelArtifact
from services.common.predictions import Prediction
from services.common.served_model import LoadedModel
from services.common.settings import ModelSettings
from services.tfidf.scorer import TfidfScorer

SCORER_FILE = "scorer.npz"


def build_tfidf_scorer(files: ModelArtifact) -> TfidfScorer:
    """Return the scorer of a model, after a test prediction."""
    scorer = TfidfScorer(files.files[SCORER_FILE])
    if scorer.labels != files.metadata["labels"]:
        raise ValueError("the scorer's labels are not those of the metadata")
    scorer.probabilities("a ticket")
    return scorer


def predict_tickets(
    loaded: LoadedModel[TfidfScorer], texts: list[str], options: Options, metrics: ModelMetrics
) -> list[Prediction]:
    """Return the predictions of tickets, and count them."""
    return [predict_ticket(loaded, text, options, metrics) for text in texts]


def predict_ticket(loaded: LoadedModel[TfidfScorer], text: str, options: Options, metrics: ModelMetrics) -> Prediction:
    """Return the prediction of a ticket, and count it."""
    scorer, text = loaded.model, loaded.read(text)
    probabilities, known = scorer.score(text)
    prediction, label = make_prediction(loaded, scorer.labels, probabilities, options.top, metrics, known)
    if options.explain:
        prediction["explanation"] = make_explanation(scorer.explain(text, label))
        prediction["text_figures"] = {"characters": len(text), "unknown_words": scorer.unknown_words(text)}
    return prediction


def make_app(settings: ModelSettings) -> ServiceMiddleware:
    """Return the service; a ValueError when the settings name no source of a model."""
    app, served, metrics = create_app(
        "CallCenterAI: TF-IDF", settings, build_tfidf_scorer, lambda metadata: (SCORER_FILE,)
    )

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
