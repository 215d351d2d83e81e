"""An exported transformer with the interface of a scikit-learn classifier, for training, registry and batch scoring.

ONNX Runtime runs it. The service has its own runner for the same files, services/transformer/scorer.py: `model.onnx`
takes input_ids and attention_mask, both int64 of shape (batch, tokens), and returns the calibrated probabilities,
float32 of shape (batch, labels); `tokenizer.json` has the format of the tokenizers library.
"""

from collections.abc import Sequence

import numpy as np
import onnxruntime
from tokenizers import Tokenizer

BATCH = 64


class OnnxClassifier:
    """Tokenizer and exported model."""

    def __init__(self, model: bytes, tokenizer: bytes, labels: Sequence[str]) -> None:
        """Read both; ONNX Runtime and tokenizers raise errors of their own for bytes that they cannot read."""
        self.classes_ = np.array(labels, dtype=object)
        self._tokenizer = Tokenizer.from_buffer(tokenizer)
        added = self._tokenizer.get_added_tokens_decoder()
        self._special = [number for number, token in added.items() if token.special]
        self._session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])

    def predict(self, texts: Sequence[str]) -> np.ndarray:
        """Return the most probable label of each text, shape (n,)."""
        return self.classes_[self.predict_proba(texts).argmax(axis=1)]

    def predict_proba(self, texts: Sequence[str]) -> np.ndarray:
        """Return the probabilities, shape (n, n_labels), float64."""
        found = np.empty((len(texts), len(self.classes_)))
        # Texts of similar length together, since padding costs as much as words.
        order = np.argsort([len(text) for text in texts], kind="stable")
        for start in range(0, len(order), BATCH):
            rows = order[start : start + BATCH]
            found[rows] = self._run([texts[row] for row in rows])
        # In single precision their sum is off by about 1e-7.
        return found / found.sum(axis=1, keepdims=True)

    def find_known(self, texts: Sequence[str]) -> np.ndarray:
        """Return, for each text, whether any of its tokens is in the vocabulary, bool of shape (n,)."""
        found = np.empty(len(texts), dtype=bool)
        for start in range(0, len(texts), BATCH):
            inputs = self.inputs_of(texts[start : start + BATCH])
            seen = (inputs["attention_mask"] > 0) & ~np.isin(inputs["input_ids"], self._special)
            found[start : start + BATCH] = seen.any(axis=1)
        return found

    def inputs_of(self, texts: Sequence[str]) -> dict[str, np.ndarray]:
        """Return a batch of texts as the inputs of the model."""
        # A text from a file may hold lone surrogates, which UTF-8, and so the tokenizer, cannot represent.
        encoded = self._tokenizer.encode_batch_fast([text.encode("utf-8", "replace").decode() for text in texts])
        return {
            "input_ids": np.array([each.ids for each in encoded], dtype=np.int64),
            "attention_mask": np.array([each.attention_mask for each in encoded], dtype=np.int64),
        }

    def _run(self, texts: list[str]) -> np.ndarray:
        (probabilities,) = self._session.run(None, self.inputs_of(texts))
        return probabilities
