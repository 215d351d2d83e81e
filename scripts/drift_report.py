"""Compare the tickets that the agent has seen with those of the model's training.

    python scripts/drift_report.py
    python scripts/drift_report.py --days 7 --database postgresql://agent@db.example.com/agent

The agent keeps, for every ticket, the category and the confidence of the TF-IDF model, the language, the length and
the share of unknown words; no text is needed. The report goes to stdout as tables, to a folder as a page and as JSON,
and to MLflow as a run. Exit codes: 0 no drift that matters; 1 drift that matters, for a scheduled job to report; 2 an
error that you can fix.
"""

import argparse
import os
import sys
from pathlib import Path

import _path  # noqa: F401  # it puts the package on the path
from callcenterai.core.cli import run

DEFAULT = "sqlite:///agent.db"


def main(argv: list[str] | None = None) -> int:
    """Parse the arguments and report; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=Path("models/tfidf"), help="model folder; default: %(default)s")
    shown = "DATABASE_URL, else " + DEFAULT
    parser.add_argument("--database", default=os.environ.get("DATABASE_URL", DEFAULT), help=f"default: {shown}")
    parser.add_argument("--days", type=int, default=28, help="how many days to look back; default: %(default)s")
    parser.add_argument("--version", help="the model's version at the agent, if it asked several")
    parser.add_argument("--output", type=Path, default=Path("drift_report"), help="folder; default: %(default)s")
    parser.add_argument("--no-run", action="store_true", help="do not log an MLflow run")
    args = parser.parse_args(argv)
    return run(lambda: report(args))


def report(args: argparse.Namespace) -> int:
    """Write the report; return the exit code."""
    from callcenterai.report.drift_report import run_drift_report

    return run_drift_report(args.model, args.database, args.days, args.version, args.output, not args.no_run)


if __name__ == "__main__":
    sys.exit(main())
