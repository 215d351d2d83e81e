"""What a worker finds out about a partition of tickets: all that prepare needs of their texts to decide about them."""

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from callcenterai.data.near_duplicates import Signatures, fold, sign
from callcenterai.data.split import draw


class Examined(NamedTuple):
    """Of each text a hash, uint64 of shape (n, 2), what `draw` gives, float64 (n,), and the near-duplicate signature.

    The hash, 128 bits, is the same where a model sees no difference.
    """

    hashes: np.ndarray
    draws: np.ndarray
    signatures: Signatures


def examine(texts: Sequence[str], seed: int) -> Examined:
    """Examine a partition; the result for a text does not depend on the others."""
    folded = [fold(text) for text in texts]
    # White space apart, too: nothing that a model sees.
    digests = b"".join(hashlib.blake2b(" ".join(text.split()).encode(), digest_size=16).digest() for text in folded)
    draws = np.array([draw(text, seed) for text in texts])
    return Examined(np.frombuffer(digests, dtype=np.uint64).reshape(-1, 2), draws, sign(folded))
