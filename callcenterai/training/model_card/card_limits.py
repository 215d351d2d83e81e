"""What the model is for, and what its figures do not say, in sentences made from the facts of the training."""

from typing import Any

from callcenterai.privacy.scrub import KINDS

# Of a class or a slice, fewer test tickets say little.
FEW_TICKETS = 30
MOST_NAMED = 8
# From this share of the test tickets on, a language counts as one that the model was measured on.
LEAST_LANGUAGE_SHARE = 0.01


def intended_use(metadata: dict[str, Any], test: dict[str, Any]) -> list[str]:
    """Return what the model decides, and when a person does."""
    route = test["auto_route"]
    uses = [
        f"It proposes one of {len(metadata['labels']):,} classes for a support ticket, with a probability for each.",
        "It is made for tickets like those that it was trained on: the same desk, the same classes and languages.",
    ]
    if route["threshold"] in (None, {}):
        uses.append("No threshold is proven, so a person decides on every ticket.")
    else:
        right = f", and {route['accuracy']:.1%} of them go to the right class" if route["coverage"] else ""
        uses.append(
            f"{_describe_threshold(route['threshold'])}, tickets may be routed without a person. On test these are "
            f"{route['coverage']:.1%} of the tickets{right}."
        )
        uses.append("A person decides on every other ticket, and on each text of which the model knows nothing.")
    uses.append(
        "It is not made to judge people, to recognise emergencies, or for texts of another kind, such as contracts or "
        "medical records."
    )
    return uses


def list_limits(metadata: dict[str, Any], metrics: dict[str, Any], prepared: dict[str, Any]) -> list[str]:
    """Return what to keep in mind when reading the figures."""
    limits = [
        (
            "Test is the official test split."
            if "test_input" in prepared["files"]
            else "Test was drawn from the same file as the tickets of training, near-duplicates kept together."
        ),
        "Later tickets can differ: drift_report.py compares them with those of test, and the audit measures the "
        "accuracy of what is routed.",
        "The figures compare with the labels of the test tickets. Training does not check those, and a wrong label "
        "counts as an error of the model.",
    ]
    if suspicious := metrics.get("suspicious_labels"):
        limits.append(f"Of the labels that it learned from, {suspicious:,} look wrong.")
    if languages := _languages(metrics):
        limits.append(f"It was measured on {languages}; in other languages it is untested.")
    if few := [label for label, row in metrics["test"]["per_class"].items() if row["tickets"] < FEW_TICKETS]:
        limits.append(f"Fewer than {FEW_TICKETS} test tickets, so that F1 says little: {_name(few)}.")
    limits.append(_describe_privacy(prepared))
    if not metadata.get("converged", True):
        limits.append("The solver stopped before it had converged: these are the figures of an unfinished fit.")
    return limits


def _describe_threshold(threshold: Any) -> str:
    if isinstance(threshold, dict):
        return f"From a confidence of its own for each of {len(threshold):,} classes"
    return f"From a confidence of {threshold:.3f}"


def _describe_privacy(prepared: dict[str, Any]) -> str:
    found = sum(prepared.get("personal_data", {}).values())
    if not found:
        return "No personal data was removed before training: none was found, or prepare.remove_personal_data is off."
    kinds = ", ".join(kind.replace("_", " ") for kind in KINDS if kind in prepared["personal_data"])
    return (
        f"Before training, {found:,} findings of personal data were removed ({kinds}). Rules find them, so some "
        "remain; a first name alone stays."
    )


def _languages(metrics: dict[str, Any]) -> str:
    """Return the languages of the test tickets with their numbers, without those that are too rare or unknown."""
    found = metrics.get("slices", {}).get("language", {})
    least = LEAST_LANGUAGE_SHARE * metrics["test"]["tickets"]
    return _name(
        [f"{name} ({row['tickets']:,})" for name, row in found.items() if name != "und" and row["tickets"] >= least]
    )


def _name(names: list[str]) -> str:
    more = f" and {len(names) - MOST_NAMED:,} more" if len(names) > MOST_NAMED else ""
    return f"{', '.join(name[:60] for name in names[:MOST_NAMED])}{more}"
