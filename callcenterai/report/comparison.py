"""Compare the model of the working tree with that of a git revision, and decide whether it has become worse."""

import re
import sys
from pathlib import Path
from typing import NamedTuple

from callcenterai.core.cli import UserError, one_line
from callcenterai.core.params import RegistryParameters, read_parameters
from callcenterai.registry.gates import OVERALL, Reference, Verdict, check_regression
from callcenterai.report.figures import Figures, read_figures, read_working_tree, reader_at
from callcenterai.report.sections import render_report

ADVICE = "make it better again, or allow more in params.yaml, section registry"
COMMIT_HASH = re.compile("[0-9a-f]{40}|[0-9a-f]{64}")


class ReportPaths(NamedTuple):
    """Where the report finds what the pipeline has written."""

    metrics: Path
    prepared: Path
    lock: Path
    data: Path
    plots: Path
    params: Path


def print_report(paths: ReportPaths, revision: str) -> int:
    """Print the report and, on stderr, the gates that refuse; return the exit code."""
    params = read_parameters(paths.params, "registry", RegistryParameters)
    files = paths.metrics, paths.prepared, paths.lock
    now = read_figures(*files, read_working_tree)
    if now is None:
        raise UserError(f"{paths.metrics} or {paths.prepared} is not there; `dvc repro` makes both")
    # Before the first push of a branch GitHub gives a commit of zeros.
    is_first_push = COMMIT_HASH.fullmatch(revision) and set(revision) == {"0"}
    then = None if is_first_push else read_figures(*files, reader_at(revision))
    shown_revision = revision[:8] if COMMIT_HASH.fullmatch(revision) else revision
    verdicts = compare_figures(now, then, shown_revision, paths.data, params)
    print(render_report(now, then, shown_revision, verdicts, paths.data, paths.plots))
    refused = [verdict for verdict in verdicts if not verdict.passed]
    for verdict in refused:
        print(f"{verdict.gate}: {one_line(verdict.message)}", file=sys.stderr)
    return 1 if refused else 0


def compare_figures(
    now: Figures, then: Figures | None, revision: str, data: Path, params: RegistryParameters
) -> list[Verdict]:
    """Return the verdicts: every metric is there, and the gated ones are no worse than at the revision."""
    missing = now.missing_metrics()
    if missing:
        return [Verdict(name, False, "this metric is missing; `dvc repro` measures it") for name in missing]
    if then is None or then.missing_metrics():
        return []
    if now.has_same_output(then, f"{data.as_posix()}/test.csv"):
        return check_regression(now.gated(), Reference(revision, then.gated(), ADVICE), params)
    return compare_intervals(now, then, revision)


def compare_intervals(now: Figures, then: Figures, revision: str) -> list[Verdict]:
    """Return a verdict on each overall figure: it fails if its 95% interval lies below the earlier one.

    The tolerance applies to the same test tickets only: on others, an equally good model can be worse by more.
    """
    verdicts = []
    for title, name in OVERALL:
        high, low = now.test[f"{name}_ci95"]["high"], then.test[f"{name}_ci95"]["low"]
        found = f"at most {high:.4f}, {revision} has at least {low:.4f} on other tickets"
        worse = "" if high >= low else f": more than chance explains; {ADVICE}"
        verdicts.append(Verdict(f"{title} against {revision}", high >= low, found + worse))
    return verdicts
