"""python scripts/choose_input.py --input mine.csv --text-column subject --text-column body --label-column queue

Choose the tickets to train on: reads the files as a whole and then changes section `prepare` of params.yaml.

Nothing is changed when a file cannot be read. Without column names it proposes the likeliest ones, with examples, and
asks on a terminal; otherwise it says the command to run. `python setup_mlops.py --input ...` calls it.
"""

import argparse
import sys
from pathlib import Path

import _path  # noqa: F401  # it puts the package on the path
from callcenterai.core.cli import run


def main(argv: list[str] | None = None) -> int:
    """Parse the arguments, read the files and change the parameters; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--input", type=Path, help="a file of tickets; default: the one that params.yaml names")
    parser.add_argument("--test-input", help="a file with an official test split, or none")
    parser.add_argument("--text-column", action="append", help="repeat it to join several in this order")
    parser.add_argument("--label-column")
    parser.add_argument("--encoding", help="default: the content tells it")
    parser.add_argument("--delimiter", help="of delimited text; default: the content tells it")
    parser.add_argument("--sheet", help="of a workbook; default: the only one that has the columns")
    parser.add_argument("--no-header", action="store_true", help="columns are named by their numbers from 1 on")
    parser.add_argument("--keep-in", type=Path, metavar="FOLDER", help="copy the files there and read them there")
    parser.add_argument("--params", type=Path, default=Path("params.yaml"), help="default: %(default)s")
    args = parser.parse_args(argv)
    return run(lambda: choose(args))


def choose(args: argparse.Namespace) -> None:
    """Choose the tickets."""
    from callcenterai.data import choice

    options = choice.ReadOptions(args.encoding, args.delimiter, args.sheet, not args.no_header)
    chosen = choice.Choice(args.input, args.test_input, args.text_column, args.label_column, options)
    choice.choose_input(args.params, chosen, input if sys.stdin.isatty() else None, args.keep_in)


if __name__ == "__main__":
    sys.exit(main())
