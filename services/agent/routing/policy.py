"""Applies the routing policy that scripts/fit_routing.py writes: which model to ask, and when a person decides.

Both models' answers are combined as in callcenterai/routing.py: a softmax of their weighted logarithmic probabilities
and a bias for each label.
"""

import hashlib
import logging
import math
from collections.abc import Hashable
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

logger = logging.getLogger("services.agent")
# Probabilities are clipped here before their logarithm is taken, as in callcenterai/routing.py.
LEAST_PROBABILITY = 1e-6
Finite = Annotated[float, Field(allow_inf_nan=False)]
Limit = Annotated[Finite, Field(ge=0, le=1)]


class ModelHashes(BaseModel):
    """The SHA-256 of each model."""

    tfidf: str
    transformer: str


class ModelWeights(BaseModel):
    """The weight of each model's logarithmic probabilities."""

    tfidf: Annotated[Finite, Field(ge=0)]
    transformer: Annotated[Finite, Field(ge=0)]


class Policy(BaseModel):
    """The file that fit_routing.py writes."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    format: Literal[1]
    labels: list[str]
    models: ModelHashes = Field(description="the models that it was fitted for")
    ask_below: Annotated[Finite, Field(ge=0, le=1)]
    weights: ModelWeights
    biases: list[Finite]
    threshold: Limit | None
    class_thresholds: dict[str, Limit | None] | None = None
    target_accuracy: Finite

    @model_validator(mode="after")
    def _one_bias_for_each_label(self) -> "Policy":
        if len(self.biases) != len(self.labels):
            raise ValueError("there must be one bias for each label")
        return self

    @cached_property
    def fingerprint(self) -> str:
        """The first digits of a hash of what the policy says."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:8]

    def combine(self, tfidf: dict[str, float], transformer: dict[str, float]) -> dict[str, float]:
        """Combine both models' probabilities by label."""
        scores = [
            self.weights.tfidf * math.log(max(tfidf[label], LEAST_PROBABILITY))
            + self.weights.transformer * math.log(max(transformer[label], LEAST_PROBABILITY))
            + bias
            for label, bias in zip(self.labels, self.biases, strict=True)
        ]
        highest = max(scores)
        parts = [math.exp(score - highest) for score in scores]
        total = sum(parts)
        return {label: part / total for label, part in zip(self.labels, parts, strict=True)}

    def threshold_of(self, category: str) -> float | None:
        """Return the threshold of a category, or of all; None when a person has to review every such ticket."""
        return self.threshold if self.class_thresholds is None else self.class_thresholds.get(category)

    def needs_review(self, category: str, confidence: float) -> bool:
        """Whether a person has to review the ticket."""
        threshold = self.threshold_of(category)
        return threshold is None or confidence < threshold


class PolicyFile:
    """The policy's file, read again when it changes; a broken file leaves the last good policy in use."""

    def __init__(self, path: Path) -> None:
        """Reads nothing yet."""
        self._path = path
        self._seen: Hashable = None
        self.policy: Policy | None = None
        self.trouble = "not read yet"

    def refresh(self) -> None:
        """Read the file if it has changed."""
        try:
            found = self._path.stat()
            seen = found.st_mtime_ns, found.st_ino, found.st_size
            if seen == self._seen:
                return
            self.policy = Policy.model_validate_json(self._path.read_bytes())
            self._seen, trouble = seen, ""
            logger.info("policy loaded", extra={"ask_below": self.policy.ask_below, "threshold": self.policy.threshold})
        except FileNotFoundError:
            trouble = f"{self._path} is not there: each model's own threshold applies"
            self.policy = self._seen = None
        except (OSError, ValidationError) as error:
            trouble = f"{self._path} is not what fit_routing.py writes ({type(error).__name__})"
        if trouble and trouble != self.trouble:
            logger.warning("policy", extra={"trouble": trouble})
        self.trouble = trouble
