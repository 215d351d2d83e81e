"""python benchmarks/audit.py

Simulate the audit: a desk whose tickets change after ten days, and how long the alert "the promise is broken" takes.

    python benchmarks/audit.py --tickets 2000 --share 0.01 --target 0.95

Each day so many tickets are routed without a person, as confident as tickets above a threshold are. At first their
accuracy is --accuracy. From day 10 on it is another one: everywhere alike, or because the model is wrong about tickets
of which it is sure, as when a new kind of ticket appears. Tickets are drawn by the agent's rule, and all are answered
on the same day; the estimate is the agent's own. The rule is that of the alert LiveAccuracyTooLow: each evening, it
fires if the upper end of the interval over the last 28 days is below the target. In the second table nothing changes:
it shows false alarms. Needs no model and no tickets.
"""

import argparse
import sys


def main(argv: list[str] | None = None) -> int:
    """Simulate and print the tables; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tickets", type=int, default=2000, help="routed without a person each day; default: 2000")
    parser.add_argument("--share", type=float, default=0.01, help="AUDIT_SHARE; default: %(default)s")
    parser.add_argument("--target", type=float, default=0.95, help="promised accuracy; default: %(default)s")
    parser.add_argument("--accuracy", type=float, default=0.962, help="accuracy before; default: %(default)s")
    parser.add_argument("--days", type=int, default=28, help="how far the alert looks back; default: %(default)s")
    parser.add_argument("--repeats", type=int, default=500, help="default: %(default)s")
    args = parser.parse_args(argv)
    from audit_simulation import Desk, print_tables

    print_tables(Desk(args.tickets, args.share, args.target, args.days, args.repeats), args.accuracy)
    return 0


if __name__ == "__main__":
    sys.exit(main())
