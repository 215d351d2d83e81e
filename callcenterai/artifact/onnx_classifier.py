"""A trained transformer as the registry and the training judge it: the exported file, run by ONNX Runtime.

It answers as a scikit-learn classifier does. The service has a runner of its own, services/transformer/scorer.py, for
the same files: `model.onnx` takes input_ids and attention_mask, both int64 of shape (batch, tokens), and gives the
calibrated probabilities, float32 of shape (batch, labels); `tokenizer.json` is that of the tokenizers library.
"""

from collections.abc import Sequence

import numpy as np
import onnxruntime
from tokenizers import Tokenizer

BATCH = 64


class OnnxClassifier:
    """Tokenizer and exported model."""

    def __init__(self, model: bytes, tokenizer: bytes, labels: Sequence[str]) -> None:
        """Read both; ONNX Runtime and tokenizers raise their own errors when the bytes are not theirs."""
        self.classes_ = np.array(labels, dtype=object)
        self._tokenizer = Tokenizer.from_buffer(tokenizer)
        self._session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])

    def predict(self, texts: Sequence[str]) -> np.ndarray:
        """Return the most probable label of each text, shape (n,)."""
        return self.classes_[self.predict_proba(texts).argmax(axis=1)]

    def predict_proba(self, texts: Sequence[str]) -> np.ndarray:
        """Return the probabilities, shape (n, n_labels), float64."""
        found = np.empty((len(texts), len(self.classes_)))
        # Texts of one length together: padding costs as much as words.
        order = np.argsort([len(text) for text in texts], kind="stable")
        for start in range(0, len(order), BATCH):
            rows = order[start : start + BATCH]
            found[rows] = self._run([texts[row] for row in rows])
        # Single precision leaves a sum that is off one by 1e-7.
        return found / found.sum(axis=1, keepdims=True)

    def inputs_of(self, texts: Sequence[str]) -> dict[str, np.ndarray]:
        """Return a batch as the model takes it."""
        # A text from a file may hold lone surrogates, which the tokenizer's UTF-8 has no place for.
        encoded = self._tokenizer.encode_batch_fast([text.encode("utf-8", "replace").decode() for text in texts])
        return {
            "input_ids": np.array([each.ids for each in encoded], dtype=np.int64),
            "attention_mask": np.array([each.attention_mask for each in encoded], dtype=np.int64),
        }

    def _run(self, texts: list[str]) -> np.ndarray:
        (probabilities,) = self._session.run(None, self.inputs_of(texts))
        return probabilities
