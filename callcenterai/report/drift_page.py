"""What the report on drift holds, its words, and an HTML page of it that needs no other file."""

from datetime import date
from pathlib import Path
from typing import NamedTuple

from callcenterai.agent_data.live_figures.homogeneity import Drift
from callcenterai.core.html_page import render_page

TITLES = {
    "category": "predicted category",
    "language": "language",
    "confidence": "confidence",
    "characters": "length in characters",
    "unknown_words": "share of unknown words",
}
LEVELS = {"none": "no", "small": "small", "large": "it matters"}
TEMPLATE = Path(__file__).with_name("drift_page.html")


class DriftReport(NamedTuple):
    """What was compared: days, the version of the model, the numbers of tickets, and the drift of each figure."""

    since: date
    until: date
    version: str
    expected: int
    seen: int
    drifts: list[Drift]

    @property
    def matters(self) -> list[Drift]:
        """The figures whose drift is significant and large."""
        return [each for each in self.drifts if each.level == "large"]


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
