"""Serve the transformer.

    python -m services.transformer.app
    curl -H 'Content-Type: application/json' -d '{"text": "my laptop is broken"}' http://127.0.0.1:8001/predict

Settings come from the environment: services/common/settings.py lists them. One process runs the model on every core;
requests that arrive at the same time are answered together.
"""

import sys
from typing import Any

from services.common.application import describe, serve
from services.common.endpoint import JsonEndpoint, Options
from services.common.middleware import ServiceMiddleware
from services.common.model_service import create_app, make_explanation, make_prediction
from services.common.model_source import ModelFiles
from services.common.predictions import Prediction, Predictions, request_models
from services.common.settings import ModelSettings
from services.transformer.batching import Batcher
from services.transformer.scorer import TransformerScorer

TOKENIZER_FILE = "tokenizer.json"
EXPORTS = ("model.onnx", "model.int8.onnx")


def files_of(metadata: dict[str, Any]) -> tuple[str, str]:
    """Return the files that are served: the export that training evaluated, and the tokenizer."""
    if metadata["serves"] not in EXPORTS:
        raise ValueError(f"the metadata names none of {', '.join(EXPORTS)}")
    return metadata["serves"], TOKENIZER_FILE


def build(files: ModelFiles) -> TransformerScorer:
    """Return the scorer of a model, after a test prediction."""
    model, tokenizer = (files.files[name] for name in files_of(files.metadata))
    return TransformerScorer(model, tokenizer, files.metadata["labels"], files.metadata["mask_id"])


def make_app(settings: ModelSettings) -> ServiceMiddleware:
    """Return the service; a ValueError when the settings name no source of a model."""
    app, served, metrics = create_app("CallCenterAI: transformer", settings, build, files_of)
    ticket, tickets = request_models(settings)
    batcher = Batcher(settings.batch_size, metrics.registry)

    async def predict_all(texts: list[str], options: Options) -> list[Prediction]:
        # One model answers the whole request, even if another is promoted meanwhile.
        loaded = served.current
        found: list[Prediction] = []
        for text, probabilities in zip(texts, await batcher.probabilities(loaded.model, texts), strict=True):
            prediction, label = make_prediction(loaded, loaded.model.labels, probabilities, options.top, metrics)
            if options.explain:
                prediction["explanation"] = make_explanation(await batcher.run(loaded.model.explain, text, label))
            found.append(prediction)
        return found

    async def predict_one(asked: Any, options: Options) -> Prediction:
        (prediction,) = await predict_all([asked.text], options)
        return prediction

    async def predict_batch(asked: Any, options: Options) -> Predictions:
        return {"predictions": await predict_all(asked.texts, options)}

    endpoints = {
        "/predict": JsonEndpoint(settings, ticket, Prediction, predict_one),
        "/predict/batch": JsonEndpoint(settings, tickets, Predictions, predict_batch),
    }
    describe(app, endpoints, settings.needs_key)
    return ServiceMiddleware(app, endpoints, settings, metrics)


def main() -> int:
    """Serve until the process is told to stop; return the exit code."""
    return serve(make_app, ModelSettings, port=8001, model_dir="models/transformer")


if __name__ == "__main__":
    sys.exit(main())
