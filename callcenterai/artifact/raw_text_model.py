"""A trained model that takes texts as they arrive: it reads each as the training did."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from callcenterai.text.plain_text import model_text

if TYPE_CHECKING:
    import numpy as np


class RawTextModel:
    """A model, and the cleaning that its texts need; `model` itself expects cleaned texts."""

    def __init__(self, model: Any, clean: str) -> None:
        """Clean is one of plain_text.CLEANINGS."""
        self.model, self._clean = model, clean

    @property
    def classes_(self) -> "np.ndarray":
        """The labels, in the order of the probabilities."""
        return self.model.classes_

    def read(self, texts: Sequence[str]) -> list[str]:
        """Return texts in the form in which the model reads them."""
        return [model_text(text, self._clean) for text in texts]

    def predict(self, texts: Sequence[str]) -> "np.ndarray":
        """Return the most probable label of each text, shape (n,)."""
        return self.model.predict(self.read(texts))

    def predict_proba(self, texts: Sequence[str]) -> "np.ndarray":
        """Return the probabilities, shape (n, n_labels)."""
        return self.model.predict_proba(self.read(texts))
