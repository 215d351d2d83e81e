"""Runs the exported transformer that scripts/train_transformer.py writes.

`model.onnx` (or model.int8.onnx) takes input_ids and attention_mask, both int64 of shape (texts, tokens), and returns
the calibrated probabilities, float32 of shape (texts, labels). `tokenizer.json` turns a text into tokens.
"""

import numpy as np
import onnxruntime
from tokenizers import Encoding, Tokenizer

# How many variants of a text are scored at once to explain it.
VARIANTS_PER_RUN = 32


class TransformerScorer:
    """Tokenizer and exported model; safe to use from several threads."""

    def __init__(self, model: bytes, tokenizer: bytes, labels: list[str], mask: int | None) -> None:
        """Read both; mask is the id of the token that hides a word, None when the tokenizer has none."""
        self.labels, self._mask = labels, mask
        self._tokenizer = Tokenizer.from_buffer(tokenizer)
        added = self._tokenizer.get_added_tokens_decoder()
        self._special = {number for number, token in added.items() if token.special}
        options = onnxruntime.SessionOptions()
        # One core for each run: the caller has several runs in parallel.
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        if self.probabilities(["a ticket"]).shape != (1, len(labels)):
            raise ValueError("the model does not give a probability for every label")

    def probabilities(self, texts: list[str]) -> np.ndarray:
        """Return the probabilities of the texts, shape (n_texts, n_labels), in the order of labels."""
        encoded = self._tokenizer.encode_batch_fast(texts)
        ids = np.array([each.ids for each in encoded], dtype=np.int64)
        return self._run(ids, np.array([each.attention_mask for each in encoded], dtype=np.int64))

    def knows(self, text: str) -> bool:
        """Return whether any token of the text is in the vocabulary."""
        return not self._special.issuperset(self._tokenizer.encode(text).ids)

    def explain(self, text: str, label: int, most: int = 10) -> list[tuple[str, float]]:
        """Return the heaviest words: by how much hiding a word lowers the logarithm of the label's probability.

        This is occlusion (Zeiler and Fergus 2014), applied to all occurrences of a word at once.
        """
        encoded = self._tokenizer.encode(text)
        places = _places_of_words(encoded, text)
        if not places:
            return []
        ids = np.array([encoded.ids] * (1 + len(places)), dtype=np.int64)
        seen = np.array([encoded.attention_mask] * (1 + len(places)), dtype=np.int64)
        for row, tokens in enumerate(places.values(), 1):
            if self._mask is None:
                seen[row, tokens] = 0
            else:
                ids[row, tokens] = self._mask
        runs = [slice(at, at + VARIANTS_PER_RUN) for at in range(0, len(ids), VARIANTS_PER_RUN)]
        found = [self._run(ids[run], seen[run]) for run in runs]
        logarithms = np.log(np.maximum(np.concatenate(found)[:, label], 1e-12))
        weights = logarithms[0] - logarithms[1:]
        order = np.argsort(-np.abs(weights), kind="stable")[:most]
        words = list(places)
        return [(words[place], float(weights[place])) for place in order]

    def _run(self, ids: np.ndarray, seen: np.ndarray) -> np.ndarray:
        (found,) = self._session.run(None, {"input_ids": ids, "attention_mask": seen})
        # In single precision the probabilities sum to 1 only within 1e-7.
        return found / found.sum(axis=1, keepdims=True, dtype=np.float64)


def _places_of_words(encoded: Encoding, text: str) -> dict[str, list[int]]:
    """Return the positions of the tokens of each distinct word, in lower case."""
    spans: dict[int, list[int]] = {}
    for token, word in enumerate(encoded.word_ids):
        if word is not None:
            spans.setdefault(word, []).append(token)
    places: dict[str, list[int]] = {}
    for tokens in spans.values():
        start, end = encoded.offsets[tokens[0]][0], encoded.offsets[tokens[-1]][1]
        places.setdefault(text[start:end].lower(), []).extend(tokens)
    return places
