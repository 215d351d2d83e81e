"""Invented tickets, and CSV files with them."""

import csv
import random
from collections.abc import Iterable
from pathlib import Path

PARTS = ("train", "validation", "test")
STEMS = ("lap", "scre", "mou", "net", "pri", "vol", "cab")
NOUNS = [stem + ending for stem in STEMS for ending in ("ton", "ver", "del", "gor", "mix")]


def invent(count: int, seed: int = 1, labels: str = "ABC") -> list[list[str]]:
    """Return distinct tickets, [text, label], of which no two are near-duplicates."""
    generator = random.Random(seed)
    return [
        [" ".join(generator.choices(NOUNS, k=12)) + f" {seed}-{number}", labels[number % len(labels)]]
        for number in range(count)
    ]


def write_csv(path: Path, rows: Iterable[Iterable], header: tuple[str, ...] = ("text", "category")) -> Path:
    """Write rows with a header and return the path."""
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return path


def read_csv(path: Path) -> list[dict[str, str]]:
    """Return the rows of a CSV file with a header."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
