"""Train the TF-IDF model, then evaluate, write and log it as every training does."""

from pathlib import Path

from callcenterai.artifact.folder import MODEL_FILE, SCORER_FILE
from callcenterai.artifact.scorer_format import scorer_bytes, vectorizers
from callcenterai.artifact.skops_writer import model_bytes
from callcenterai.core.params import TrainTfidfParameters
from callcenterai.data.parts import Part
from callcenterai.tfidf.model import fit_pipeline
from callcenterai.training.stage import TrainedModel, run_training

LIBRARIES = ("scikit-learn", "numpy", "scipy", "skops")


def train_tfidf(parts: dict[str, Part], params: TrainTfidfParameters, folders: dict[str, Path]) -> None:
    """Train, evaluate, write and log the model; folders: "model", "metrics" (a file) and "plots"."""
    run_training("tfidf", parts, params, folders, lambda: train_model(parts, params))


def train_model(parts: dict[str, Part], params: TrainTfidfParameters) -> TrainedModel:
    """Return the trained pipeline with its files: the pipeline itself, and its arrays for the service."""
    fitted = fit_pipeline(parts["train"], parts["validation"], params)
    features = sum(len(vectorizer.vocabulary_) for vectorizer in vectorizers(fitted.pipeline))
    return TrainedModel(
        fitted.pipeline,
        {MODEL_FILE: model_bytes(fitted.pipeline), SCORER_FILE: scorer_bytes(fitted.pipeline)},
        fitted.validation,
        LIBRARIES,
        fitted.cpu_seconds,
        refit=params.refit,
        metrics={"converged": int(fitted.converged), "features": features},
        metadata={"converged": fitted.converged},
    )
