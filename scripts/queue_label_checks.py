"""Ask people about the labels that training doubts: they find them on the page Review, under "Doubtful labels".

    python scripts/queue_label_checks.py data/processed/suspicious.csv
    python scripts/queue_label_checks.py data/processed/suspicious.csv --most 50 --database postgresql://agent@db/agent

The likeliest errors come first. Reviewers see the text, neither its label nor what the model says. What they answer
comes back with export_feedback.py and replaces the label at the next `dvc repro`. A text that was queued before is not
queued again. --database is the agent's DATABASE_URL.
"""

import argparse
import os
import sys
from pathlib import Path

import _path  # noqa: F401  # it puts the package on the path
from callcenterai.core.cli import positive, run

DEFAULT = "sqlite:///agent.db"


def main(argv: list[str] | None = None) -> int:
    """Parse the arguments and queue the tickets; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("suspicious", type=Path, help="the file of likely label errors that training wrote")
    parser.add_argument("--most", type=positive, default=200, help="queue only the first; default: %(default)s")
    shown = "DATABASE_URL, else " + DEFAULT
    parser.add_argument("--database", default=os.environ.get("DATABASE_URL", DEFAULT), help=f"default: {shown}")
    args = parser.parse_args(argv)
    return run(lambda: queue(args))


def queue(args: argparse.Namespace) -> None:
    """Queue the tickets and say how many are new."""
    from callcenterai.agent_data.label_checks import queue_label_checks

    print(f"tickets queued for review: {queue_label_checks(args.suspicious, args.database, args.most)}")


if __name__ == "__main__":
    sys.exit(main())
