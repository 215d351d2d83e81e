"""What the report on drift holds, its words, and an HTML page of it that needs no other file."""

import html
from datetime import date
from typing import NamedTuple

from callcenterai.agent_data.live_figures.homogeneity import Drift

TITLES = {
    "category": "predicted category",
    "language": "language",
    "confidence": "confidence",
    "characters": "length in characters",
    "unknown_words": "share of unknown words",
}
LEVELS = {"none": "no", "small": "small", "large": "it matters"}
STYLE = """
:root { color-scheme: light dark; --line: #8886; --part: #3b6fb6; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; margin: 0 0 2rem; }
th, td { text-align: left; padding: .25rem .75rem .25rem 0; border-bottom: 1px solid var(--line); }
.number { text-align: right; font-variant-numeric: tabular-nums; }
.large { font-weight: 700; }
rect { fill: var(--part); } svg { width: 8rem; height: .6rem; }
"""
PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Drift</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><style>{style}</style></head>
<body><h1>Drift</h1><p><strong>{summary}</strong></p><p>{basis}.</p>
<table><thead><tr><th>Figure</th><th class="number">Effect size w</th><th class="number">p</th><th>Drift</th></tr>
</thead>
<tbody>{figures}</tbody></table>
{tables}
<p>Drift matters if it is significant (p below 0.01 after Holm's correction) and at least a medium effect (Cohen's w of
0.3 or more).</p></body></html>
"""
FIGURE = """<tr class="{level}"><th scope="row">{title}</th><td class="number">{effect:.3f}</td>
<td class="number">{p_value:.2g}</td><td>{drift}</td></tr>
"""
VALUES = """<h2>{title}</h2><table><thead><tr><th>Value</th><th class="number">Test</th><td></td>
<th class="number">Seen</th><td></td></tr></thead><tbody>
{rows}</tbody></table>
"""
SHARE = """<td class="number">{share:.1%}</td>
<td><svg viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true"><rect width="{width:.1f}" height="8"/></svg>
</td>"""


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


def drift_page(report: DriftReport) -> str:
    """Return the report as HTML without any reference to another file."""
    figures = "".join(
        FIGURE.format(title=TITLES[each.figure], drift=LEVELS[each.level], **each._asdict()) for each in report.drifts
    )
    return PAGE.format(
        style=STYLE,
        summary=html.escape(summary(report)),
        basis=html.escape(basis(report)),
        figures=figures,
        tables="".join(map(_values_table, report.drifts)),
    )


def _values_table(drift: Drift) -> str:
    rows = "".join(
        f'<tr><th scope="row">{html.escape(value)}</th>{_share(expected)}{_share(seen)}</tr>\n'
        for value, expected, seen in drift.relative
    )
    return VALUES.format(title=TITLES[drift.figure].capitalize(), rows=rows)


def _share(share: float) -> str:
    return SHARE.format(share=share, width=100 * share)
