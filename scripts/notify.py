"""python scripts/notify.py results.json
python scripts/notify.py --may-skip build-and-push deploy-staging

Report how the jobs of a CI run ended: print a Markdown table and send it to the webhook of WEBHOOK_URL.

The results are the output of GitHub's toJSON(needs): a file, `-` for standard input or, by default, the variable NEEDS.
With GITHUB_TOKEN (permission actions: read) and the variables that every GitHub job has, the table also shows how long
each job took. The webhook gets {"text": ...}, which Slack, Mattermost and Teams accept; without WEBHOOK_URL a notice
says that nobody was notified. Exit codes: 0 every job succeeded; 1 a job failed, was cancelled, or was skipped without
--may-skip, or the webhook could not be reached; 2 an error that you can fix. Needs only the standard library.
"""

import argparse
import sys

import _path  # noqa: F401  # it puts the package on the path
from callcenterai.core.cli import run


def main(argv: list[str] | None = None) -> int:
    """Parse the arguments, print the table and send it; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", nargs="?", help="file with toJSON(needs), or -; default: the variable NEEDS")
    parser.add_argument("--may-skip", nargs="+", default=[], metavar="JOB", help="jobs that may be skipped")
    args = parser.parse_args(argv)
    return run(lambda: report_results(args.results, set(args.may_skip)))


def report_results(source: str | None, may_skip: set[str]) -> int:
    """Print and send the results; return the exit code."""
    from callcenterai.delivery.notify import notify

    return notify(source, may_skip)


if __name__ == "__main__":
    sys.exit(main())
