"""What people read about a run in MLflow: its name, its description, its headline figures, and who made it how."""

import getpass
import re
from contextlib import suppress
from typing import Any

from callcenterai.artifact.folder import command_for, kind_named

# MLflow's page cuts longer names.
LONGEST_NAME = 80
# For validation and for test; every other figure is in the run's file metrics/*.json.
HEADLINES = (
    *("tickets", "accuracy", "accuracy_ci95.low", "accuracy_ci95.high", "macro_f1", "macro_f1_ci95.low"),
    *("macro_f1_ci95.high", "weighted_f1", "ece", "log_loss", "accuracy_without_near_duplicates"),
    *("auto_route.threshold", "auto_route.coverage", "auto_route.accuracy"),
)
HEADLINE = re.compile(
    rf"(validation|test)\.({'|'.join(map(re.escape, HEADLINES))})|choice\.\w+\.accuracy|converged|threshold_tickets"
)


def is_headline(name: str) -> bool:
    """Whether a metric, by its dotted name, is logged as a metric of the run."""
    return HEADLINE.fullmatch(name) is not None


def name_run(metadata: dict[str, Any], before: dict[str, str] | None) -> str:
    """Return a name that says how the run's parameters differ from those of the run before, as MLflow has them.

    The first digits of the model's hash end it.
    """
    if before is None:
        said = "first run"
    else:
        parameters = {name: str(value) for name, value in metadata["parameters"].items()}
        changed = [f"{name}={value}" for name, value in parameters.items() if before.get(name) != value]
        said = " ".join(changed) or "same parameters"
    digits = next(iter(metadata["files"].values()))[:8]
    longest = LONGEST_NAME - len(digits) - 1
    name = f"{kind_named(metadata['name'])} {said}"
    return f"{name if len(name) <= longest else name[: longest - 3] + '...'} {digits}"


def describe_run(metadata: dict[str, Any], metrics: dict[str, Any]) -> str:
    """Return a short model card in Markdown: what the model decides, its data, its figures on test and its limits."""
    data, test = metadata["data"], metrics["test"]
    sizes = ", ".join(f"{data[part]['tickets']:,} {part}" for part in data)
    chosen = ", ".join(f"{name} {value}" for name, value in metadata.get("chosen", {}).items())
    threshold = metadata.get("threshold")
    # Since each class may have a threshold of its own, only a single one is shown.
    routed = f"from a confidence of {threshold:.1%}" if isinstance(threshold, float) else "as its metadata says"
    lines = [
        f"**{metadata['name']}** puts a ticket into one of {len(metadata['labels'])} categories: "
        f"{', '.join(metadata['labels'][:20])}{', ...' if len(metadata['labels']) > 20 else ''}.",
        f"- Tickets: {sizes}",
        f"- Accuracy on test: {_with_interval(test, 'accuracy')}; macro F1: {_with_interval(test, 'macro_f1')}",
        (
            f"- Goes without a person {routed}"
            if threshold is not None
            else "- No threshold meets the target: people decide"
        ),
    ]
    if chosen:
        lines.append(f"- Chosen by cross-validation: {chosen}")
    lines.append("- Measured on tickets like those of the training; other tickets need figures of their own")
    return "\n".join(lines)


def source_tags(metadata: dict[str, Any], commit: str | None) -> dict[str, str]:
    """Return MLflow's own tags for who trained, with which command and from which commit."""
    tags = {"mlflow.source.type": "LOCAL", "mlflow.source.name": command_for(metadata)}
    if commit:
        tags["mlflow.source.git.commit"] = commit
    # The user of a container may have no name.
    with suppress(OSError, KeyError, ImportError):
        tags["mlflow.user"] = getpass.getuser()
    return tags


def _with_interval(figures: dict[str, Any], name: str) -> str:
    interval = figures.get(f"{name}_ci95")
    between = f" ({interval['low']:.1%} to {interval['high']:.1%})" if interval else ""
    return f"{figures[name]:.1%}{between}"
