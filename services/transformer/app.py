"""Serve the transformer.

    python -m services.transformer.app
    curl -H 'Content-Type: application/json' -d '{"text": "my laptop is broken"}' http://127.0.0.1:8001/predict

Settings come from the environment: services/common/settings.py lists them. One process runs the model on every core;
requests that arrive at the same time are answered together.
"""

import sys
from typing import Any

from services.common.application import serve
from services.common.endpoint import Options
from services.common.long_texts import LongTextThread, total_length
from services.common.middleware import ServiceMiddleware
from services.common.model_service import create_app, make_explanation, make_model_service, make_prediction
from services.common.model_source import ModelArtifact
from services.common.predictions import Prediction
from services.common.settings import ModelSettings
from services.transformer.batching import Batcher
from services.transformer.scorer import TransformerScorer

TOKENIZER_FILE = "tokenizer.json"
EXPORTS = ("model.onnx", "model.int8.onnx")


def served_files(metadata: dict[str, Any]) -> tuple[str, str]:
    """Return the files that are served: the export that training evaluated, and the tokenizer."""
    if metadata["serves"] not in EXPORTS:
        raise ValueError(f"the metadata names none of {', '.join(EXPORTS)}")
    return metadata["serves"], TOKENIZER_FILE


def build_transformer_scorer(files: ModelArtifact) -> TransformerScorer:
    """Return the scorer of a model, after a test prediction."""
    model, tokenizer = (files.files[name] for name in served_files(files.metadata))
    return TransformerScorer(model, tokenizer, files.metadata["labels"], files.metadata["mask_id"])


def make_app(settings: ModelSettings) -> ServiceMiddleware:
    """Return the service; a ValueError when the settings name no source of a model."""
    app, served, metrics = create_app("CallCenterAI: transformer", settings, build_transformer_scorer, served_files)
    batcher = Batcher(settings.batch_size, metrics.registry)

    thread = LongTextThread()

    async def predict(texts: list[str], options: Options) -> list[Prediction]:
        loaded, length = served.current, total_length(texts)
        found: list[Prediction] = []
        read = await thread.run(length, lambda: [(text, loaded.model.knows(text)) for text in map(loaded.read, texts)])
        every = await batcher.probabilities(loaded.model, [text for text, _ in read])
        for (text, known), probabilities in zip(read, every, strict=True):
            prediction, label = make_prediction(loaded, loaded.model.labels, probabilities, options.top, metrics, known)
            if options.explain:
                prediction["explanation"] = make_explanation(await batcher.run(loaded.model.explain, text, label))
            found.append(prediction)
        return found

    return make_model_service(app, settings, metrics, predict)


def main(argv: list[str] | None = None) -> int:
    """Serve until the process is told to stop; return the exit code."""
    return serve(make_app, ModelSettings, __doc__, argv, port=8001, production_dir="models/production/transformer")


if __name__ == "__main__":
    sys.exit(main())
