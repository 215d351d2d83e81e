"""The report on drift as an HTML page that needs no other file, and its words."""

from pathlib import Path

from callcenterai.core.html_page import render_page
from callcenterai.report.drift import DriftReport

TITLES = {
    "category": "predicted category",
    "language": "language",
    "confidence": "confidence",
    "characters": "length in characters",
    "unknown_words": "share of unknown words",
}
LEVELS = {"none": "no", "small": "small", "large": "it matters"}
TEMPLATE = Path(__file__).with_name("drift_page.html")


def summary(report: DriftReport) -> str:
    """Return the first sentence of the report."""
    if matters := report.matters:
        return (
            f"The tickets have changed: {', '.join(TITLES[each.figure] for each in matters)}. Train on newer tickets."
        )
    return "The tickets are like those that the model was tested on."


def basis(report: DriftReport) -> str:
    """Return what was compared with what."""
    return (
        f"{report.seen:,} tickets from {report.since} to {report.until}, as version {report.version} of the TF-IDF "
        f"model saw them, against the {report.expected:,} test tickets of its training"
    )


def drift_page(report: DriftReport) -> bytes:
    """Return the report as HTML without any reference to another file."""
    return render_page(
        TEMPLATE, summary=summary(report), basis=basis(report), drifts=report.drifts, titles=TITLES, levels=LEVELS
    )
