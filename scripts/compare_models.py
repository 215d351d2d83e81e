"""python scripts/compare_models.py models/tfidf models/transformer

Show how two models differ on the test tickets: how often they agree, which is right, and how good both are together.

    python scripts/compare_models.py models/tfidf models/transformer --metrics metrics/agreement.json

Two models help each other when they are wrong about different tickets. "together" is the label with the highest mean of
the two logarithmic probabilities, equally weighted: a rule without a number that could have been tuned on test.
"""

import argparse
import sys
from pathlib import Path

import _path  # noqa: F401  # it puts the package on the path
from callcenterai.core.cli import run


def main(argv: list[str] | None = None) -> int:
    """Parse the arguments and compare; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("first", type=Path, help="folder with a model")
    parser.add_argument("second", type=Path, help="folder with another model")
    parser.add_argument("--data", type=Path, default=Path("data/processed"), help="folder; default: %(default)s")
    parser.add_argument("--metrics", type=Path, help="also write the figures to this file")
    args = parser.parse_args(argv)
    return run(lambda: compare(args))


def compare(args: argparse.Namespace) -> None:
    """Compare the two models."""
    from callcenterai.routing import run_compare

    run_compare(args.first, args.second, args.data, args.metrics)


if __name__ == "__main__":
    sys.exit(main())
