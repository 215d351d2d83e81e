"""Choose the features of the TF-IDF model by cross-validation on the prepared training tickets.

    dvc repro choose_features
    python scripts/choose_features.py --params params.yaml --data data/processed

Tries words, characters and both, with and without class_spread and with several C, as far as section `train_tfidf` of
params.yaml leaves them open with `auto`, and writes the choice and the figures of all that were tried. Neither
validation nor test is read. train_tfidf.py takes the file, so that another C does not repeat the choice.
"""

import argparse
import sys
from pathlib import Path

import _path  # noqa: F401  # it puts the package on the path
from callcenterai.core.cli import run


def main(argv: list[str] | None = None) -> int:
    """Parse the arguments and choose; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--params", type=Path, default=Path("params.yaml"), help="default: %(default)s")
    parser.add_argument("--data", type=Path, default=Path("data/processed"), help="folder; default: %(default)s")
    parser.add_argument("--output", type=Path, default=Path("metrics/features.json"), help="default: %(default)s")
    args = parser.parse_args(argv)
    return run(lambda: choose(args.params, args.data, args.output))


def choose(params: Path, data: Path, output: Path) -> None:
    """Run the stage."""
    from callcenterai.tfidf.choice_stage import run_choice_stage

    run_choice_stage(params, data, output)


if __name__ == "__main__":
    sys.exit(main())
