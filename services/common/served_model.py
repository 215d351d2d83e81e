"""The model in use, and the loop that replaces it when the source has a new one."""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from callcenterai.text.plain_text import CLEANINGS, model_text
from services.common.metrics import ModelMetrics
from services.common.model_source import ModelArtifact, ModelSource, SourceError
from services.common.problems import Problem

logger = logging.getLogger("services.model")
Model = TypeVar("Model")


@dataclass(frozen=True)
class LoadedModel(Generic[Model]):
    """A model that has answered a test request, and what is known about it."""

    model: Model
    metadata: dict[str, Any]
    version: str
    stage: str | None
    sha256: str

    @property
    def threshold(self) -> float | None:
        """The confidence from which a ticket is routed without a human; None when none meets training's target."""
        return self.metadata.get("threshold")

    @property
    def class_thresholds(self) -> dict[str, float | None] | None:
        """The same for each predicted category, if training chose one for each; threshold is None then."""
        return self.metadata.get("class_thresholds")

    def threshold_of(self, category: str) -> float | None:
        """Return the threshold for tickets with this prediction; None when every one of them needs a person."""
        return self.threshold if self.class_thresholds is None else self.class_thresholds.get(category)

    def needs_review(self, category: str, confidence: float) -> bool:
        """Whether a person has to review a ticket with this prediction."""
        threshold = self.threshold_of(category)
        return threshold is None or confidence < threshold

    def read(self, text: str) -> str:
        """Return a text in the form in which the model reads it."""
        return model_text(text, self.metadata.get("clean", CLEANINGS[0]))


class ServedModel(Generic[Model]):
    """Holds the last good model, which keeps serving whatever goes wrong with the source."""

    def __init__(self, source: ModelSource, build: Callable[[ModelArtifact], Model], metrics: ModelMetrics) -> None:
        """build makes a model from its files and tests it."""
        self._source, self._build, self._metrics = source, build, metrics
        self._current: LoadedModel[Model] | None = None
        self._seen: object = None
        self._trouble: str | None = None

    @property
    def loaded(self) -> LoadedModel[Model] | None:
        """The model in use, None while there is none."""
        return self._current

    @property
    def current(self) -> LoadedModel[Model]:
        """The model in use; a Problem 503 while there is none."""
        if self._current is None:
            why = self._trouble or "it is being loaded"
            raise Problem(503, f"there is no model yet: {why}", {"Retry-After": "2"})
        return self._current

    async def watch(self, seconds: float) -> None:
        """Check for a new model for ever."""
        while True:
            await asyncio.to_thread(self.refresh)
            await asyncio.sleep(seconds)

    def refresh(self) -> None:
        """Load the source's model if it has changed. Only one thread may call this at a time."""
        try:
            found = self._source.current()
            if found != self._seen:
                self._take(self._source.load(found))
                self._seen = found
            self._metrics.source_up.set(1)
            self._trouble = None
        except SourceError as error:
            self._report(str(error), None)
        except Exception as error:
            # A broken artifact can make a library raise anything; the last good model keeps serving.
            self._report(f"the model cannot be used ({type(error).__name__})", error)

    def _take(self, files: ModelArtifact) -> None:
        # The first file is the trained model itself; `mlflow_registry.py list` shows the same hash.
        sha256 = next(iter(files.metadata["files"].values()))
        version = files.version or sha256[:12]
        started = time.perf_counter()
        loaded = LoadedModel(self._build(files), files.metadata, version, files.stage, sha256)
        name = files.metadata["name"]
        # Nothing can fail after this line, so a model is either in use or reported as unusable, never both.
        self._current = loaded
        self._metrics.model_changed(name, version, files.stage, sha256, files.trained)
        milliseconds = round(1000 * (time.perf_counter() - started))
        facts = {"version": version, "stage": files.stage, "sha256": sha256, "milliseconds": milliseconds}
        logger.info("model loaded", extra=facts)
        if files.stage is None:
            logger.warning("this model was not promoted: it is served from a bare folder, which no gate has checked")

    def _report(self, message: str, error: Exception | None) -> None:
        self._metrics.source_up.set(0)
        self._metrics.load_failures.inc()
        # The same error every two seconds is logged once.
        if message != self._trouble:
            serving = self._current.version if self._current else None
            logger.error(message, extra={"still_serving": serving}, exc_info=error)
        self._trouble = message
