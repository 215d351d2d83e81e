"""What the page says beside its charts: figures, classes, slices, the data, and the hashes of everything."""

import hashlib
import json
from pathlib import Path
from typing import Any, NamedTuple

from callcenterai.core.files import REPOSITORY
from callcenterai.training.evaluation import share_interval
from callcenterai.training.plots import worst_classes

# The figures of a part: title, key, whether it is a share, and what it means.
FIGURES = (
    ("Accuracy", "accuracy", True, "tickets with the right class"),
    ("Macro F1", "macro_f1", True, "mean of the F1 of the classes, each counting the same"),
    ("Weighted F1", "weighted_f1", True, "the same, weighted by tickets"),
    ("Calibration error (ECE)", "ece", True, "mean difference between confidence and accuracy; less is better"),
    ("Log loss", "log_loss", False, "mean surprise at the right class; less is better"),
    ("Accuracy without near-duplicates", "accuracy_without_near_duplicates", True, "of tickets in training"),
    ("Accuracy of the largest class", "majority_accuracy", True, "what always answering it would reach"),
)
PARTS = ("train", "validation", "test")
# Why prepare sets rows aside; docs/pipeline.md has the same list.
REJECTIONS = {
    "no_text": "no text",
    "no_label": "no label",
    "too_short": "text too short",
    "duplicate": "same text as an earlier row, ignoring case, accents and spaces",
    "conflicting_labels": "same text as another row with another label, and nothing shows which one is right",
    "rare_class": "class with too few tickets",
    "answered": "a person has labelled this text; the label is at the row that was kept",
    "in_official_test": "also in the official test split",
    "unknown_label": "label that is never trained on",
    "dropped_label": "label that prepare.label_map drops",
}
# The folders of callcenterai whose code decides on the model and on this page; dvc.yaml has them all.
CODE_FOLDERS = ("artifact", "core", "data", "privacy", "text", "tfidf", "training")


class Figure(NamedTuple):
    """A figure of both parts, each with its 95% interval where there is one, as text."""

    title: str
    meaning: str
    validation: str
    test: str


class ClassRow(NamedTuple):
    """A class: its tickets in each part, and its scores on test."""

    label: str
    tickets: dict[str, int]
    scores: dict[str, float]


def list_figures(metrics: dict[str, Any]) -> list[Figure]:
    """Return the figures of validation and test."""
    parts = [metrics["validation"], metrics["test"]]
    rows = [
        Figure(title, meaning, *(_with_interval(part.get(key), part.get(f"{key}_ci95"), is_share) for part in parts))
        for title, key, is_share, meaning in FIGURES
    ]
    routes = [routed_shares(part) for part in parts]
    rows.append(Figure("Routed without a person", "coverage at the threshold", *(each["coverage"] for each in routes)))
    rows.append(Figure("Accuracy of routed tickets", "at the threshold", *(each["accuracy"] for each in routes)))
    unknown = [f"{part['unknown_texts']:,}" for part in parts]
    return [*rows, Figure("Unknown texts", "tickets of which the model knows nothing: a person decides", *unknown)]


def routed_shares(part: dict[str, Any]) -> dict[str, str]:
    """Return coverage and accuracy at the threshold with exact 95% intervals; a dash where nothing is routed."""
    route, tickets = part["auto_route"], part["tickets"]
    chosen = round(route["coverage"] * tickets)
    shown = {"coverage": _with_exact_interval(chosen, tickets), "accuracy": "–"}
    if chosen:
        shown["accuracy"] = _with_exact_interval(round(route["accuracy"] * chosen), chosen)
    return shown


def list_classes(metrics: dict[str, Any], prepared: dict[str, Any]) -> list[ClassRow]:
    """Return every class, those with the lowest F1 first."""
    scores = metrics["test"]["per_class"]
    return [
        ClassRow(label, _sizes(prepared, label) | {"test": scores[label]["tickets"]}, scores[label])
        for label, _ in worst_classes(scores, len(scores))
    ]


def order_by_size(classes: list[ClassRow]) -> list[tuple[str, int]]:
    """Return the classes with their tickets in all parts, the largest first."""
    sizes = ((row.label, sum(row.tickets.values())) for row in classes)
    return sorted(sizes, key=lambda each: (-each[1], each[0]))


def list_rejections(prepared: dict[str, Any]) -> list[tuple[str, int]]:
    """Return why rows were rejected and how many, the most frequent reason first."""
    found = sorted(prepared["rejected"].items(), key=lambda each: -each[1])
    return [(REJECTIONS.get(reason, reason.replace("_", " ")), rows) for reason, rows in found]


def list_parameters(metadata: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Return the name of each parameter, its value, and what was chosen for it if it was auto."""
    chosen = metadata.get("chosen", {})
    return [(name, _plain(value), _plain(chosen.get(name, ""))) for name, value in metadata["parameters"].items()]


def code_sha256() -> str:
    """Return a hash over the files of CODE_FOLDERS; their line ends do not count."""
    digest = hashlib.sha256()
    package = REPOSITORY / "callcenterai"
    for path in sorted(path for folder in CODE_FOLDERS for path in (package / folder).rglob("*") if _is_code(path)):
        digest.update(f"{path.relative_to(package).as_posix()}\0".encode())
        digest.update(path.read_bytes().replace(b"\r\n", b"\n") + b"\0")
    return digest.hexdigest()


def _is_code(path: Path) -> bool:
    return path.suffix in (".py", ".html", ".css")


def _sizes(prepared: dict[str, Any], label: str) -> dict[str, int]:
    counts = prepared["classes"].get(label, {})
    return {part: counts.get(part, 0) for part in PARTS}


def _with_interval(value: float | None, interval: dict[str, float] | None, is_share: bool) -> str:
    if value is None:
        return "–"
    shown = f"{value:.1%}" if is_share else f"{value:.3f}"
    return f"{shown} ({100 * interval['low']:.1f} to {100 * interval['high']:.1f})" if interval else shown


def _with_exact_interval(right: int, count: int) -> str:
    low, high = share_interval(right, count)
    return _with_interval(right / count, {"low": low, "high": high}, True)


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
