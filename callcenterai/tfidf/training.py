"""Train the TF-IDF model, then evaluate, write and log it as every training does."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from callcenterai.artifact.folder import MODEL_FILE, SCORER_FILE
from callcenterai.artifact.scorer_format import read_arrays, scorer_bytes, vectorizers
from callcenterai.artifact.skops_writer import model_bytes
from callcenterai.core.params import TrainTfidfParameters
from callcenterai.data.parts import Part
from callcenterai.tfidf.choice import FeatureChoice
from callcenterai.tfidf.model import FittedPipeline, count_known, fit_pipeline
from callcenterai.tfidf.telling_words import TellingWord, find_telling_words
from callcenterai.training.evaluation import EvaluatedModel
from callcenterai.training.label_errors import (
    SuspiciousLabel,
    find_label_errors,
    list_suspicious_labels,
    suspicious_csv,
)
from callcenterai.training.model_card.card_page import CardSources, model_card
from callcenterai.training.stage import TrainedModel, run_training

LIBRARIES = ("scikit-learn", "numpy", "scipy", "skops")
# The columns that suspicious.csv and the report repeat.
TICKET_COLUMNS = ("source", "row", "text")


def train_tfidf(
    parts: dict[str, Part],
    params: TrainTfidfParameters,
    clean: str,
    folders: dict[str, Path],
    suspicious: Path,
    choice: FeatureChoice | None = None,
    prepared: dict[str, Any] | None = None,
) -> None:
    """Train, evaluate, write and log the model; folders: "model", "metrics" (a file) and "plots", and
    the files "headline" and "report" if these are wanted.

    clean is how the texts of the parts were cleaned; without choice, parameters that are auto are chosen here.
    suspicious is the file for likely label errors; the parts need TICKET_COLUMNS for it. prepared is what the report
    says of the data: the figures of prepare.
    """
    run_training(
        "tfidf", parts, params, folders, lambda: train_model(parts, params, clean, suspicious, choice, prepared)
    )


def train_model(
    parts: dict[str, Part],
    params: TrainTfidfParameters,
    clean: str,
    suspicious: Path,
    choice: FeatureChoice | None = None,
    prepared: dict[str, Any] | None = None,
) -> TrainedModel:
    """Return the trained pipeline with its files: the pipeline itself, and its arrays for the service."""
    fitted = fit_pipeline(parts["train"], parts["validation"], params, choice)
    features = sum(len(vectorizer.vocabulary_) for vectorizer in vectorizers(fitted.pipeline))
    used = {name: getattr(fitted.params, name) for name in (*params.open, "calibration")}
    tried = {"tickets": fitted.choice.tickets, "tried": fitted.choice.tried} if fitted.choice else {}
    errors = list_label_errors(fitted, parts)
    scorer = scorer_bytes(fitted.pipeline)
    return TrainedModel(
        fitted.pipeline,
        {MODEL_FILE: model_bytes(fitted.pipeline), SCORER_FILE: scorer},
        fitted.validation,
        LIBRARIES,
        fitted.cpu_seconds,
        refit=params.refit,
        held_out=fitted.held_out,
        find_known=lambda texts: count_known(fitted.pipeline, texts),
        unknown_words=word_counter(vectorizers(fitted.pipeline)),
        metrics={
            "suspicious_labels": len(errors),
            "converged": int(fitted.converged),
            "features": features,
            "choice": _best_scores(fitted.choice),
        },
        metadata={"clean": clean, "converged": fitted.converged, "chosen": used, "cross_validation": tried},
        tables={suspicious: suspicious_csv(errors)},
        notes=[f"{len(errors):,} labels look wrong: see {suspicious}"] if errors else [],
        report=partial(describe_model, fitted.pipeline, scorer, parts, errors, prepared) if prepared else None,
    )


def describe_model(
    pipeline: Any,
    scorer: bytes,
    parts: dict[str, Part],
    errors: list[SuspiciousLabel],
    prepared: dict[str, Any],
    evaluated: EvaluatedModel,
) -> bytes:
    """Return the report on the model; scorer is its content for the service, prepared has the figures of prepare."""
    arrays = read_arrays(scorer)

    def find_words(labels: list[str]) -> dict[str, list[TellingWord]]:
        return find_telling_words(pipeline, arrays, parts["train"].texts, labels)

    return model_card(evaluated, CardSources(parts["test"], prepared, errors, find_words))


def list_label_errors(fitted: FittedPipeline, parts: dict[str, Part]) -> list[SuspiciousLabel]:
    """Return the labels of train and validation that look wrong, the likeliest error first."""
    columns = {
        name: np.concatenate([parts[part].columns[name] for part in ("train", "validation")])[fitted.held_out_rows]
        for name in TICKET_COLUMNS
    }
    return list_suspicious_labels(fitted.held_out, find_label_errors(fitted.held_out), columns)


def word_counter(fitted: list[Any]) -> Callable[[np.ndarray], np.ndarray] | None:
    """Return a function from texts to the share of each one's words that no vectorizer of words knows.

    The share is that of services/tfidf/scorer.py, NaN for a text without a word; None if the model counts no words.
    """
    counting = [each for each in fitted if each.analyzer == "word" and each.ngram_range[0] == 1]
    if not counting:
        return None
    read, tokenize, known = counting[0].build_preprocessor(), counting[0].build_tokenizer(), counting[0].vocabulary_

    def share(text: str) -> float:
        words = tokenize(read(text))
        return sum(word not in known for word in words) / len(words) if words else np.nan

    return lambda texts: np.array([share(text) for text in texts])


def _best_scores(choice: FeatureChoice | None) -> dict[str, dict[str, float]]:
    """Return accuracy and macro F1 of each kind of feature that was tried on all folds, with its best settings."""
    best: dict[str, dict[str, float]] = {}
    for row in choice.tried if choice else []:
        if row["folds"] > 1:
            best.setdefault(row["features"], {name: row[name] for name in ("accuracy", "macro_f1")})
    return best
