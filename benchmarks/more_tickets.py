"""Make many tickets from those that there are, for the benchmarks."""

import csv
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np

SHARE = 0.3


def draw(path: Path, texts: Sequence[str], count: int) -> Path:
    """Write so many tickets, drawn with replacement, a tenth of the words of each left out; return the path."""
    generator = np.random.default_rng(1)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["text"])
        for number in generator.integers(len(texts), size=count):
            words = texts[number].split()
            kept = generator.random(len(words)) > 0.1
            writer.writerow([" ".join(word for word, stays in zip(words, kept, strict=True) if stays) or texts[number]])
    return path


def multiply(path: Path, texts: Sequence[str], labels: Sequence[str], times: int) -> Path:
    """Write the tickets, and times - 1 perturbed copies of each; return the path.

    In a copy, SHARE of the words are those of another ticket of its category: as different from its original as other
    tickets are, so that it is no near-duplicate (a Jaccard similarity of some 0.3 where 0.8 counts), and still a ticket
    of its category.
    """
    generator = np.random.default_rng(1)
    words = [text.split() for text in texts]
    alike = defaultdict(list)
    for number, label in enumerate(labels):
        alike[label].append(number)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "category"])
        writer.writerows(zip(texts, labels, strict=True))
        for _ in range(times - 1):
            for own, label in zip(words, labels, strict=True):
                other = words[alike[label][generator.integers(len(alike[label]))]]
                writer.writerow([" ".join(_mixed(own, other, generator)), label])
    return path


def _mixed(own: list[str], other: list[str], generator: np.random.Generator) -> list[str]:
    replaced = generator.random(len(own)) < SHARE
    chosen = generator.integers(len(other), size=len(own)) if other else np.zeros(len(own), dtype=int)
    return [other[place] if new and other else word for word, new, place in zip(own, replaced, chosen, strict=True)]
