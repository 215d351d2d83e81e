"""Which n-grams stand in which texts, counted by numpy.

Each distinct word becomes an integer once, an n-gram is the number of its beginning and that of its last word, and
counting them is numpy's work. An n-gram that stands less than min_df times in all texts together is forgotten at once,
and with it whatever is longer: no fit on some of the texts could keep it. Numbers have 32 bits, and 64 where the texts
hold 2**31 n-grams or more, which liblinear would not take.
"""

import re
from array import array
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import sparse

if TYPE_CHECKING:
    from sklearn.feature_extraction.text import TfidfVectorizer

# Letters and digits only, so that white space and control characters make no difference.
WORDS = r"\w+"


def count_ngrams(
    vectorizer: "TfidfVectorizer", texts: Sequence[str]
) -> tuple[sparse.csr_matrix, np.ndarray, list[str]]:
    """Return the counts, shape (n_texts, n_ngrams), the members of each n-gram, and the words that these number.

    N-grams are those of the vectorizer's own preprocessing and token pattern, shorter ones first, and each size in the
    order in which they come in the texts. members has shape (n_ngrams, longest), filled up with len(words).
    """
    numbers, ends, words = _number_words(vectorizer, texts)
    blocks = list(_count(numbers, ends, len(words), vectorizer))
    members = np.concatenate([members for _, members in blocks])
    return sparse.hstack([counts for counts, _ in blocks], format="csr"), members, words


def _number_words(vectorizer: "TfidfVectorizer", texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Return the words of all texts as numbers, -1 for one too rare, where each text ends, and the words by number."""
    preprocess = vectorizer.build_preprocessor()
    find = re.compile(vectorizer.token_pattern).findall
    number_of: defaultdict[str, int] = defaultdict()
    number_of.default_factory = number_of.__len__
    # No list of all words: strings of their own take fifteen times as much.
    numbers = array("i")
    ends = np.zeros(len(texts) + 1, dtype=np.int64)
    for place, text in enumerate(texts, start=1):
        numbers.extend(map(number_of.__getitem__, find(preprocess(text))))
        ends[place] = len(numbers)
    words = np.asarray(numbers)
    new, kept = _common(words, len(number_of), vectorizer.min_df)
    names = list(number_of)
    return new[words], ends, [names[number] for number in kept]


def _count(
    words: np.ndarray, ends: np.ndarray, distinct: int, vectorizer: "TfidfVectorizer"
) -> Iterator[tuple[sparse.csr_matrix, np.ndarray]]:
    """Yield, for each size of n-gram, how often each stands in each text, and the words of each."""
    smallest, largest = vectorizer.ngram_range
    last_of_text = np.zeros(len(words), dtype=bool)
    last_of_text[ends[1:][np.diff(ends) > 0] - 1] = True
    # Of the n-gram that begins at each word: its number, or -1.
    grams, members = words, np.arange(distinct, dtype=np.int32)[:, np.newaxis]
    for size in range(1, largest + 1):
        if size > 1:
            grams, members = _extend(grams, members, words, last_of_text, distinct, vectorizer.min_df)
        if size >= smallest:
            padding = np.full((len(members), largest - size), distinct, dtype=np.int32)
            yield _by_text(grams, ends, len(members)), np.hstack([members, padding])


def _extend(
    grams: np.ndarray, members: np.ndarray, words: np.ndarray, last_of_text: np.ndarray, distinct: int, least: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the n-grams that are one word longer, as numbers by their first word, and the words of each."""
    size = members.shape[1]
    goes_on = (grams[:-size] >= 0) & (words[size:] >= 0) & ~last_of_text[size - 1 : -1]
    # Both factors are numbers of what there is, so the product stays far below 2**63.
    pairs = grams[:-size][goes_on] * np.int64(distinct) + words[size:][goes_on]
    numbers, pairs = pd.factorize(pairs)
    new, kept = _common(numbers, len(pairs), least)
    extended = np.full(len(grams), -1, dtype=new.dtype)
    extended[:-size][goes_on] = new[numbers]
    before, last = np.divmod(pairs[kept], max(1, distinct))
    return extended, np.column_stack([members[before], last.astype(np.int32)])


def _common(numbers: np.ndarray, distinct: int, least: int) -> tuple[np.ndarray, np.ndarray]:
    """Return a new number for each, in the same order, -1 where it stands there too seldom; and which got one."""
    kept = np.flatnonzero(np.bincount(numbers, minlength=distinct) >= least)
    new = np.full(distinct, -1, dtype=sparse.get_index_dtype(maxval=distinct))
    new[kept] = np.arange(len(kept))
    return new, kept


def _by_text(grams: np.ndarray, ends: np.ndarray, distinct: int) -> sparse.csr_matrix:
    """Return how often each n-gram stands in each text, shape (n_texts, distinct)."""
    there = grams >= 0
    before = np.zeros(len(grams) + 1, dtype=np.int64)
    np.cumsum(there, out=before[1:])
    ones = np.ones(before[-1], dtype=np.int32)
    counts = sparse.csr_matrix((ones, grams[there], before[ends]), shape=(len(ends) - 1, distinct))
    counts.sum_duplicates()
    counts.data = counts.data.astype(np.min_scalar_type(counts.data.max(initial=0)))
    return counts
