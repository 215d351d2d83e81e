"""python scripts/model_report.py main
python scripts/model_report.py HEAD~1 > report.md

Print a report on the model in Markdown: its figures now and at a git revision, and what has changed in between.

The report reads what the pipeline writes (metrics/, plots/, dvc.lock); it is meant for a pull request or the summary of
a CI job. Exit codes: 0 no worse than at the revision, or nothing there to compare with (the report says so); 1 worse
than params.yaml, section `registry`, allows, or a metric is missing (stderr says which); 2 an error that you can fix.
"""

import argparse
import sys
from pathlib import Path

import _path  # noqa: F401  # it puts the package on the path
from callcenterai.core.cli import run

PATHS = (
    ("metrics", "metrics/tfidf.json", "figures of the model"),
    ("prepared", "metrics/prepare.json", "figures of the split"),
    ("lock", "dvc.lock", "hashes of the outputs"),
    ("data", "data/processed", "folder of the parts, as in dvc.lock"),
    ("plots", "plots/tfidf", "folder of the plots"),
    ("params", "params.yaml", "how much worse is allowed: section registry"),
)


def main(argv: list[str] | None = None) -> int:
    """Parse the arguments and print the report; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("revision", nargs="?", default="main", help="git revision to compare with; default: main")
    for name, path, what in PATHS:
        parser.add_argument(f"--{name}", type=Path, default=Path(path), help=f"{what}; default: {path}")
    args = parser.parse_args(argv)
    return run(lambda: report(args))


def report(args: argparse.Namespace) -> int:
    """Print the report; return the exit code."""
    from callcenterai.report.comparison import ReportPaths, print_report

    return print_report(ReportPaths(*(getattr(args, name) for name, _, _ in PATHS)), args.revision)


if __name__ == "__main__":
    sys.exit(main())
