"""python scripts/retrain.py
python scripts/retrain.py --database postgresql://agent@db.example.com/agent > report.md

Train on what people have answered, register the result, and commit it to a branch that people can merge.

It exports the answers, runs `dvc repro`, registers that run, and prints a report in Markdown: whether the gates would
let the version into Production, and how the model compares with that of HEAD. The branch, retraining-YYYY-MM-DD, has
one commit with dvc.lock, the metrics, and DVC's pointer to the answers. Nothing is promoted. All of this happens in a
working tree of its own, so your files stay as they are. If nobody has answered anything new, stderr says so and there
is no branch. Exit codes: 0 done, or nothing to do; 2 an error that you can fix, after which everything is as before.
"""

import argparse
import os
import sys
from pathlib import Path

import _path  # noqa: F401  # it puts the package on the path
from callcenterai.core.cli import run

DEFAULT = "sqlite:///agent.db"


def main(argv: list[str] | None = None) -> int:
    """Parse the arguments and retrain; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    shown = "DATABASE_URL, else " + DEFAULT
    parser.add_argument("--database", default=os.environ.get("DATABASE_URL", DEFAULT), help=f"default: {shown}")
    args = parser.parse_args(argv)
    return run(lambda: retrain(args))


def retrain(args: argparse.Namespace) -> int:
    """Retrain; return the exit code."""
    from callcenterai.delivery import retraining

    return retraining.retrain(Path.cwd(), args.database)


if __name__ == "__main__":
    sys.exit(main())
