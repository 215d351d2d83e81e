"""python scripts/set_parameters.py prepare.input=data/raw/mine.csv prepare.text_column=Document
python scripts/set_parameters.py train_tfidf.C

Change parameters in params.yaml, or print one when no value is given.

Only the characters of the value itself are replaced, so comments, blank lines and order stay as they are. A parameter
that holds text stays text ("2024" is the name of a column, not a number); other values are read as YAML. Names that
params.yaml does not have are refused; whether a value is valid is checked by the stages.
"""

import argparse
import sys
from pathlib import Path

import _path  # noqa: F401  # it puts the package on the path
from callcenterai.core.cli import run


def main(argv: list[str] | None = None) -> int:
    """Parse the arguments, print and change parameters; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parameters", nargs="+", metavar="SECTION.NAME[=VALUE]")
    parser.add_argument("--params", type=Path, default=Path("params.yaml"), help="default: %(default)s")
    args = parser.parse_args(argv)
    return run(lambda: set_parameters(args))


def set_parameters(args: argparse.Namespace) -> None:
    """Change or print the parameters."""
    from callcenterai.core.params_edit import edit_params_file

    edit_params_file(args.params, args.parameters)


if __name__ == "__main__":
    sys.exit(main())
