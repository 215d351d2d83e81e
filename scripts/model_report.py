"""python scripts/model_report.py main
python scripts/model_report.py HEAD~1 > report.md

Print a report on the model in Markdown: its figures now and at a git revision, and what has changed in between.

It is made from what the pipeline writes (metrics/, plots/, dvc.lock), for a pull request and the summary of a CI job.
Exit codes: 0 no worse than at the revision, or nothing there to compare with (the report says so); 1 worse than
params.yaml, section `registry`, allows, or a metric is missing (stderr says which); 2 something to mend.
"""

import argparse
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import _path  # noqa: F401
from callcenterai.core.cli import UserError, one_line, run

if TYPE_CHECKING:
    from callcenterai.core.params import RegistryParameters
    from callcenterai.registry.gates import Verdict
    from callcenterai.report.figures import Figures

PLACES = (
    ("--metrics", "metrics/tfidf.json", "figures of the model"),
    ("--prepared", "metrics/prepare.json", "figures of the split"),
    ("--lock", "dvc.lock", "hashes of the outputs"),
    ("--data", "data/processed", "where dvc.lock has the parts"),
    ("--plots", "plots/tfidf", "folder of the plots"),
    ("--params", "params.yaml", "what is allowed, in section registry"),
)
ADVICE = "make it better again, or allow more in params.yaml, section registry"
HASH = re.compile("[0-9a-f]{40}|[0-9a-f]{64}")


def main(argv: list[str] | None = None) -> int:
    """Parse the arguments and print the report; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("revision", nargs="?", default="main", help="to compare with, as git knows it; default: main")
    for option, place, what in PLACES:
        parser.add_argument(option, type=Path, default=Path(place), help=f"{what}; default: {place}")
    args = parser.parse_args(argv)
    return run(lambda: report(args))


def report(args: argparse.Namespace) -> int:
    """Print the report and, on stderr, what refuses; return the exit code."""
    from callcenterai.core.params import RegistryParameters, read_parameters
    from callcenterai.report import figures as model_figures
    from callcenterai.report.sections import document

    params = read_parameters(args.params, "registry", RegistryParameters)
    files = args.metrics, args.prepared, args.lock
    now = model_figures.read_figures(*files, model_figures.now)
    if now is None:
        raise UserError(f"{args.metrics} or {args.prepared} is not there; `dvc repro` makes both")
    then = None
    # All zeros is what GitHub says was there before the first push of a branch.
    if not (HASH.fullmatch(args.revision) and set(args.revision) == {"0"}):
        then = model_figures.read_figures(*files, model_figures.reader_at(args.revision))
    # Nobody reads all 40 digits of a commit.
    revision = args.revision[:8] if HASH.fullmatch(args.revision) else args.revision
    verdicts = judge(now, then, revision, args.data, params)
    print(document(now, then, revision, verdicts, args.data, args.plots))
    refused = [verdict for verdict in verdicts if not verdict.passed]
    for verdict in refused:
        print(f"{verdict.gate}: {one_line(verdict.message)}", file=sys.stderr)
    return 1 if refused else 0


def judge(
    now: "Figures", then: "Figures | None", revision: str, data: Path, params: "RegistryParameters"
) -> "list[Verdict]":
    """Return the verdicts: whether every metric is there, and whether those that are gated are no worse than before."""
    from callcenterai.registry.gates import Reference, Verdict, check_regression

    missing = now.absent()
    if missing:
        return [Verdict(name, False, "this metric is missing; `dvc repro` measures it") for name in missing]
    if then is None or then.absent():
        return []
    if now.has_output_of(then, f"{data.as_posix()}/test.csv"):
        return check_regression(now.judged(), Reference(revision, then.judged(), ADVICE), params)
    return on_other_tickets(now, then, revision)


def on_other_tickets(now: "Figures", then: "Figures", revision: str) -> "list[Verdict]":
    """Return a verdict on each figure as a whole: worse than chance explains is, whose 95% interval lies below.

    The tolerance is for the same test tickets. On others a model that is as good can be worse by more than that.
    """
    from callcenterai.registry.gates import OVERALL, Verdict

    verdicts = []
    for title, name in OVERALL:
        high, low = now.test[f"{name}_ci95"]["high"], then.test[f"{name}_ci95"]["low"]
        found = f"at most {high:.4f}, {revision} has at least {low:.4f} on other tickets"
        worse = "" if high >= low else f": more than chance explains; {ADVICE}"
        verdicts.append(Verdict(f"{title} against {revision}", high >= low, found + worse))
    return verdicts


if __name__ == "__main__":
    sys.exit(main())
