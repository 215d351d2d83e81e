"""Erase tickets from the agent's database, with people's answers to them.

    python scripts/erase.py --ticket-id 5f0c2a
    printf %s "Anna Schmidt" | sha256sum
    python scripts/erase.py --contains-sha256 5b0b... --dry-run

--contains-sha256 finds tickets whose stored text has these words, without the words standing in the shell's history:
the SHA-256 of up to 12 words in a row, as they are written. The agent stores the texts of those tickets alone that a
person reviews or corrects. Prints the id of each ticket. Files that export_feedback.py wrote before still have the
answers: write them again, then run `dvc repro`.
"""

import argparse
import os
import re
import sys

import _path  # noqa: F401  # it puts the package on the path
from callcenterai.core.cli import UserError, run

DEFAULT = "sqlite:///agent.db"


def main(argv: list[str] | None = None) -> int:
    """Parse the arguments and erase; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ticket-id", action="append", default=[], metavar="ID", help="may be given several times")
    parser.add_argument("--contains-sha256", action="append", default=[], metavar="HEX", help="also several times")
    parser.add_argument("--dry-run", action="store_true", help="only print what would be erased")
    shown = "DATABASE_URL, else " + DEFAULT
    parser.add_argument("--database", default=os.environ.get("DATABASE_URL", DEFAULT), help=f"default: {shown}")
    args = parser.parse_args(argv)
    return run(lambda: _erase(args))


def _erase(args: argparse.Namespace) -> None:
    if not args.ticket_id and not args.contains_sha256:
        raise UserError("name what to erase with --ticket-id or --contains-sha256")
    for digest in args.contains_sha256:
        if not re.fullmatch(r"[0-9a-fA-F]{64}", digest):
            raise UserError("--contains-sha256 needs 64 hexadecimal digits, as sha256sum prints them")
    from callcenterai.agent_data.erasure import erase_tickets

    erased = erase_tickets(args.database, args.ticket_id, args.contains_sha256, args.dry_run)
    for ticket_id in erased:
        print(ticket_id)
    print(f"{'would be erased' if args.dry_run else 'erased'}: {len(erased)}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
