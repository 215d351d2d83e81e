"""python scripts/notify.py results.json
python scripts/notify.py --may-skip deploy-staging

Tell how the jobs of a CI run ended: a table in Markdown on stdout, and the same to the webhook of WEBHOOK_URL.

The results are those of GitHub's toJSON(needs): a file, `-` for standard input or, without one, the variable NEEDS.
With GITHUB_TOKEN (permission actions: read) and the variables that every GitHub job has, the table also says how long
each job took. The webhook is sent {"text": ...}, which Slack, Mattermost and Teams take; without one, a notice says
that nobody was told. Exit codes: 0 every job succeeded; 1 one did not, was cancelled, or was skipped without
--may-skip, or the webhook could not be reached; 2 something to mend. Needs nothing beyond the standard library.
"""

import argparse
import itertools
import json
import os
import sys
import time
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import _path  # noqa: F401
from callcenterai.core.cli import UserError, run
from callcenterai.delivery.http_calls import Trouble, ask
from callcenterai.report.markdown import literal, table

# Before the second and the third try.
WAITS = (1, 4)
PER_PAGE = 100
JOBS = "{GITHUB_API_URL}/repos/{GITHUB_REPOSITORY}/actions/runs/{GITHUB_RUN_ID}/attempts/{GITHUB_RUN_ATTEMPT}/jobs"
API_VARIABLES = ("GITHUB_TOKEN", "GITHUB_API_URL", "GITHUB_REPOSITORY", "GITHUB_RUN_ID", "GITHUB_RUN_ATTEMPT")
RUN_VARIABLES = ("GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "GITHUB_RUN_ID")


class Row(NamedTuple):
    """One line of the table."""

    job: str
    result: str
    took: str


def main(argv: list[str] | None = None) -> int:
    """Parse the arguments, print the table and send it; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", nargs="?", help="file with toJSON(needs), or -; default: the variable NEEDS")
    parser.add_argument("--may-skip", action="append", default=[], metavar="JOB", help="a job that need not have run")
    args = parser.parse_args(argv)
    return run(lambda: notify(args.results, set(args.may_skip)))


def notify(source: str | None, may_skip: set[str]) -> int:
    """Print how the jobs ended and tell the webhook; return 0 when all is well and was told, else 1."""
    results = read_results(source)
    if may_skip - set(results):
        raise UserError(f"--may-skip {', '.join(sorted(may_skip - set(results)))}: no job of that name in the results")
    bad = [job for job, result in results.items() if not is_good(job, result, may_skip)]
    text = "\n\n".join([headline(bad), table(Row._fields, rows(results, may_skip, own_jobs()))])
    print(text, flush=True)
    for job in bad:
        print(f"{job}: {results[job]}", file=sys.stderr)
    return 0 if told(text) and not bad else 1


def read_results(source: str | None) -> dict[str, str]:
    """Return the result of each job; a UserError when there are none, which would look like success."""
    if source is None:
        text, named = os.environ.get("NEEDS", ""), "the variable NEEDS"
    else:
        text, named = (sys.stdin.read(), "standard input") if source == "-" else (read_text(Path(source)), source)
    try:
        needs = json.loads(text)
        results = {str(job): str(need["result"]) for job, need in needs.items()}
    except (ValueError, AttributeError, TypeError, KeyError):
        raise UserError(f"{named} does not hold the results of jobs, as toJSON(needs) writes them") from None
    if not results:
        raise UserError(f"{named} names no job: list every job in the `needs` of this one")
    return results


def read_text(path: Path) -> str:
    """Return a file's text; what is not UTF-8 is no JSON either, and said to be none."""
    return path.read_text(encoding="utf-8", errors="replace")


def is_good(job: str, result: str, may_skip: set[str]) -> bool:
    """Whether a job has succeeded, or did not have to run."""
    return result == "success" or (result == "skipped" and job in may_skip)


def headline(bad: list[str]) -> str:
    """Return one line: how the run ended, which run it is, and its address, as far as the environment tells."""
    words = [os.environ.get("GITHUB_WORKFLOW", "CI"), "failed" if bad else "succeeded"]
    if "GITHUB_REF_NAME" in os.environ:
        words.append(f"on {os.environ['GITHUB_REF_NAME']}")
    if "GITHUB_SHA" in os.environ:
        words.append(f"({os.environ['GITHUB_SHA'][:8]})")
    line = literal(" ".join(words))
    if all(os.environ.get(name) for name in RUN_VARIABLES):
        line += " {GITHUB_SERVER_URL}/{GITHUB_REPOSITORY}/actions/runs/{GITHUB_RUN_ID}".format_map(os.environ)
    return line


def rows(results: dict[str, str], may_skip: set[str], jobs: list[Row]) -> list[Row]:
    """Return a row for each job or, where GitHub has told of them, for each job of its matrix."""
    found = []
    for job, result in results.items():
        if result == "skipped":
            result = "skipped, as it may be" if job in may_skip else "skipped, though it was expected to run"
            found.append(Row(job, result, "-"))
        else:
            found += [each for each in jobs if is_of(job, each.job)] or [Row(job, result, "-")]
    return [Row(*map(literal, row)) for row in found]


def is_of(job: str, name: str) -> bool:
    """Whether this is how GitHub calls a job, one of its matrix, or one of the workflow that it calls."""
    return name == job or name.startswith((f"{job} (", f"{job} / "))


def own_jobs() -> list[Row]:
    """Return what GitHub says of the jobs of this run, nothing where it cannot be asked; the results do not need it."""
    if not all(os.environ.get(name) for name in API_VARIABLES):
        return []
    address, jobs = JOBS.format_map(os.environ), []
    headers = {"Accept": "application/vnd.github+json", "Authorization": f"Bearer {os.environ['GITHUB_TOKEN']}"}
    try:
        for page in itertools.count(1):
            answer = json.loads(ask(f"{address}?per_page={PER_PAGE}&page={page}", None, headers))
            jobs += [Row(each["name"], str(each["conclusion"]), took(each)) for each in answer["jobs"]]
            if not answer["jobs"] or len(jobs) >= answer["total_count"]:
                return jobs
    except Trouble as trouble:
        print(f"how long the jobs took is not known: GitHub's API: {trouble}", file=sys.stderr)
    except (ValueError, KeyError, TypeError):
        print("how long the jobs took is not known: GitHub's API did not answer with jobs", file=sys.stderr)
    return []


def took(job: dict[str, Any]) -> str:
    """Return how long a job took."""
    if not (job.get("started_at") and job.get("completed_at")):
        return "-"
    started, completed = (datetime.fromisoformat(job[name]) for name in ("started_at", "completed_at"))
    minutes, seconds = divmod(round((completed - started).total_seconds()), 60)
    return f"{minutes} min {seconds} s" if minutes else f"{seconds} s"


def told(text: str) -> bool:
    """Send the text to the webhook, if there is one; return False when it could not be."""
    address = os.environ.get("WEBHOOK_URL", "")
    if not address:
        # GitHub shows this beside the run.
        print("::notice title=Nobody was told::WEBHOOK_URL is not set; this summary is all there is", file=sys.stderr)
        return True
    body, tries = json.dumps({"text": text}).encode(), len(WAITS) + 1
    for number in range(tries):
        try:
            ask(address, body, {"Content-Type": "application/json"})
            return True
        except Trouble as trouble:
            if not trouble.passing or number == len(WAITS):
                print(f"the webhook was not told: {trouble} (try {number + 1} of {tries})", file=sys.stderr)
                return False
        time.sleep(WAITS[number])
    return False


if __name__ == "__main__":
    sys.exit(main())
