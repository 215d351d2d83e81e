"""Many synthetic tickets made from real ones, for the benchmarks."""

import csv
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np

# The share of words that a copy replaces.
REPLACED_SHARE = 0.3


def draw_tickets(path: Path, texts: Sequence[str], count: int) -> Path:
    """Write `count` tickets, drawn with replacement and without a tenth of their words; return the path."""
    generator = np.random.default_rng(1)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["text"])
        for number in generator.integers(len(texts), size=count):
            words = texts[number].split()
            kept = generator.random(len(words)) > 0.1
            writer.writerow([" ".join(word for word, stays in zip(words, kept, strict=True) if stays) or texts[number]])
    return path


def multiply_tickets(path: Path, texts: Sequence[str], labels: Sequence[str], times: int) -> Path:
    """Write the tickets, and times - 1 perturbed copies of each; return the path.

    In a copy, REPLACED_SHARE of the words come from another ticket of the same category. So a copy still belongs to its
    category, but differs from its original as much as other tickets do: the Jaccard similarity is about 0.3, and
    near-duplicates start at 0.8.
    """
    generator = np.random.default_rng(1)
    words = [text.split() for text in texts]
    same_label = defaultdict(list)
    for number, label in enumerate(labels):
        same_label[label].append(number)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "category"])
        writer.writerows(zip(texts, labels, strict=True))
        for _ in range(times - 1):
            for own, label in zip(words, labels, strict=True):
                other = words[same_label[label][generator.integers(len(same_label[label]))]]
                writer.writerow([" ".join(_mix_words(own, other, generator)), label])
    return path


def _mix_words(own: list[str], other: list[str], generator: np.random.Generator) -> list[str]:
    replaced = generator.random(len(own)) < REPLACED_SHARE
    chosen = generator.integers(len(other), size=len(own)) if other else np.zeros(len(own), dtype=int)
    return [other[place] if new and other else word for word, new, place in zip(own, replaced, chosen, strict=True)]
