"""Lets `mlflow.pyfunc` classify texts: one, a list, an array, a Series, or a data frame with one column.

    mlflow.pyfunc.load_model("models:/callcenterai-tfidf-classifier@production").predict(["my laptop is broken"])

MLflow turns each of these into a data frame, and scikit-learn's pipeline would take its column names for the texts. A
copy of this file lies in each logged model, in its folder `code`, so that the package need not be installed there.
"""

from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd


class TextClassifier:
    """A scikit-learn pipeline over raw texts, for data as MLflow passes it on."""

    def __init__(self, pipeline: Any) -> None:
        """Keep a fitted pipeline."""
        self.pipeline = pipeline

    def predict(self, data: Any, params: dict[str, Any] | None = None) -> np.ndarray:
        """Return the category of each text, shape (n,). By the signature, MLflow passes on the first column only."""
        texts = data.iloc[:, 0].to_numpy() if isinstance(data, pd.DataFrame) else data
        return self.pipeline.predict(texts)


def _load_pyfunc(path: str) -> TextClassifier:
    """Return the model of an MLflow folder; mlflow.pyfunc calls this with the folder or the model's file in it."""
    folder = Path(path) if Path(path).is_dir() else Path(path).parent
    return TextClassifier(mlflow.sklearn.load_model(str(folder)))
