"""Write people's answers about tickets to a file that prepare reads.

    python scripts/export_feedback.py data/raw/feedback.csv
    python scripts/export_feedback.py data/raw/feedback.csv --database postgresql://agent@db.example.com/agent

Then set `prepare.feedback_input` in params.yaml to that file. Of several answers to one ticket, or to tickets with the
same text, the last one counts; withdrawn answers do not count. The texts are as the models see them: without personal
data. The same database gives the same bytes.
"""

import argparse
import os
import sys
from pathlib import Path

import _path  # noqa: F401  # it puts the package on the path
from callcenterai.core.cli import run

DEFAULT = "sqlite:///agent.db"


def main(argv: list[str] | None = None) -> int:
    """Parse the arguments and export the answers; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=Path, help="CSV file to write")
    shown = "DATABASE_URL, else " + DEFAULT
    parser.add_argument("--database", default=os.environ.get("DATABASE_URL", DEFAULT), help=f"default: {shown}")
    args = parser.parse_args(argv)
    return run(lambda: _export(args))


def _export(args: argparse.Namespace) -> None:
    from callcenterai.agent_data.feedback import export_feedback

    export_feedback(args.database, args.output)


if __name__ == "__main__":
    sys.exit(main())
