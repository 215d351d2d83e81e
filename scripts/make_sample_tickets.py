"""Write invented, labelled service desk tickets, English and French, as a CSV file.

    python scripts/make_sample_tickets.py data/raw/tickets.csv
    python scripts/make_sample_tickets.py /tmp/tickets.csv --tickets 500 --seed 7 --force

The pipeline needs labelled tickets, and real ones hold names, phone numbers and secrets, so none are shipped. These
are put together from the phrases in callcenterai/sample and resemble real ones in what makes the task hard: typos,
signatures, quoted mails, an aside about something else, tickets that fit two categories, and a few wrong labels. A
linear model therefore scores well below 100% on them, as it would on yours.

The same options give the same bytes on every machine. An existing file with other contents may be your own data: it
is only replaced with --force. The stage in data/raw/dvc.yaml runs this with --if-missing, for a first `dvc repro`.
"""

import argparse
import sys
from pathlib import Path

import _path  # noqa: F401  # it puts the package on the path
from callcenterai.core.cli import run


def main(argv: list[str] | None = None) -> int:
    """Parse the arguments and write the sample; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=Path, help="the CSV file to write, for example data/raw/tickets.csv")
    parser.add_argument("--tickets", type=int, default=12_000, help="how many; default: %(default)s")
    parser.add_argument("--seed", type=int, default=42, help="another number gives other tickets; default: %(default)s")
    existing = parser.add_mutually_exclusive_group()
    existing.add_argument("--force", action="store_true", help="replace an existing file whatever it holds")
    existing.add_argument("--if-missing", action="store_true", help="leave an existing file alone whatever it holds")
    args = parser.parse_args(argv)
    return run(lambda: _write(args))


def _write(args: argparse.Namespace) -> None:
    from callcenterai.sample.generator import write_sample

    write_sample(args.output, args.tickets, args.seed, args.force, args.if_missing)


if __name__ == "__main__":
    sys.exit(main())
