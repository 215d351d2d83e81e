"""Report how the jobs of a CI run ended: a Markdown table, sent to a webhook as well.

CI runs this before anything is installed, so it uses the standard library only.
"""

import http.client
import ipaddress
import itertools
import json
import os
import ssl
import sys
import time
import urllib.error
import urllib.request
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from callcenterai.core.cli import UserError
from callcenterai.report.markdown import escape_text, table

REQUEST_SECONDS = 15
# Seconds before the second and the third attempt.
RETRY_DELAYS = (1, 4)
PER_PAGE = 100
JOBS = "{GITHUB_API_URL}/repos/{GITHUB_REPOSITORY}/actions/runs/{GITHUB_RUN_ID}/attempts/{GITHUB_RUN_ATTEMPT}/jobs"
API_VARIABLES = ("GITHUB_TOKEN", "GITHUB_API_URL", "GITHUB_REPOSITORY", "GITHUB_RUN_ID", "GITHUB_RUN_ATTEMPT")
RUN_VARIABLES = ("GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "GITHUB_RUN_ID")


class RequestFailed(Exception):
    """A request to the outside failed; the message says why without the address, which may be a secret."""

    def __init__(self, message: str, retryable: bool) -> None:
        """retryable: whether another attempt may succeed."""
        super().__init__(message)
        self.retryable = retryable


class NoRedirect(urllib.request.HTTPRedirectHandler):
    """Refuses redirects: a token or a message must not reach another address than the one configured."""

    def redirect_request(self, *_: Any) -> None:
        """Refuse."""


class JobRow(NamedTuple):
    """One line of the table."""

    job: str
    result: str
    took: str


def notify(source: str | None, may_skip: set[str]) -> int:
    """Print how the jobs ended and send it to the webhook; return 0 if all jobs and the sending succeeded, else 1."""
    results = read_results(source)
    if may_skip - set(results):
        raise UserError(f"--may-skip {', '.join(sorted(may_skip - set(results)))}: no job of that name in the results")
    bad = [job for job, result in results.items() if not is_good(job, result, may_skip)]
    text = "\n\n".join([headline(bad), table(JobRow._fields, table_rows(results, may_skip, fetch_job_rows()))])
    print(text, flush=True)
    for job in bad:
        print(f"{job}: {results[job]}", file=sys.stderr)
    return 0 if send_to_webhook(text) and not bad else 1


def read_results(source: str | None) -> dict[str, str]:
    """Return the result of each job; raise a UserError if there are none, because that would look like success."""
    if source is None:
        text, origin = os.environ.get("NEEDS", ""), "the variable NEEDS"
    elif source == "-":
        text, origin = sys.stdin.read(), "standard input"
    else:
        # Invalid UTF-8 is replaced, so that it is reported as invalid JSON below.
        text, origin = Path(source).read_text(encoding="utf-8", errors="replace"), source
    try:
        needs = json.loads(text)
        results = {str(job): str(need["result"]) for job, need in needs.items()}
    except (ValueError, AttributeError, TypeError, KeyError):
        raise UserError(f"{origin} does not hold the results of jobs as toJSON(needs) writes them") from None
    if not results:
        raise UserError(f"{origin} names no job: list every job in the `needs` of this one")
    return results


def is_good(job: str, result: str, may_skip: set[str]) -> bool:
    """Whether a job succeeded, or was skipped and may be."""
    return result == "success" or (result == "skipped" and job in may_skip)


def headline(bad: list[str]) -> str:
    """Return one line with the outcome, the run and its address, as far as the environment names them."""
    words = [os.environ.get("GITHUB_WORKFLOW", "CI"), "failed" if bad else "succeeded"]
    if "GITHUB_REF_NAME" in os.environ:
        words.append(f"on {os.environ['GITHUB_REF_NAME']}")
    if "GITHUB_SHA" in os.environ:
        words.append(f"({os.environ['GITHUB_SHA'][:8]})")
    line = escape_text(" ".join(words))
    if all(os.environ.get(name) for name in RUN_VARIABLES):
        line += " {GITHUB_SERVER_URL}/{GITHUB_REPOSITORY}/actions/runs/{GITHUB_RUN_ID}".format_map(os.environ)
    return line


def table_rows(results: dict[str, str], may_skip: set[str], fetched: list[JobRow]) -> list[JobRow]:
    """Return a row for each job or, if GitHub's API has listed them, for each job of its matrix."""
    rows = []
    for job, result in results.items():
        if result == "skipped":
            result = "skipped, as allowed" if job in may_skip else "skipped, but expected to run"
            rows.append(JobRow(job, result, "-"))
        else:
            rows += [row for row in fetched if is_name_of_job(row.job, job)] or [JobRow(job, result, "-")]
    return [JobRow(*map(escape_text, row)) for row in rows]


def is_name_of_job(name: str, job: str) -> bool:
    """Whether GitHub's name belongs to this job, to one of its matrix, or to one of the workflow that it calls."""
    return name == job or name.startswith((f"{job} (", f"{job} / "))


def fetch_job_rows() -> list[JobRow]:
    """Return the jobs of this run from GitHub's API; empty if it cannot be reached, as the table works without it."""
    if not all(os.environ.get(name) for name in API_VARIABLES):
        return []
    address, rows = JOBS.format_map(os.environ), []
    headers = {"Accept": "application/vnd.github+json", "Authorization": f"Bearer {os.environ['GITHUB_TOKEN']}"}
    try:
        for page in itertools.count(1):
            answer = json.loads(send_request(f"{address}?per_page={PER_PAGE}&page={page}", None, headers))
            rows += [JobRow(job["name"], str(job["conclusion"]), duration(job)) for job in answer["jobs"]]
            if not answer["jobs"] or len(rows) >= answer["total_count"]:
                return rows
    except RequestFailed as error:
        print(f"how long the jobs took is not known: GitHub's API: {error}", file=sys.stderr)
    except (ValueError, KeyError, TypeError):
        print("how long the jobs took is not known: GitHub's API did not answer with jobs", file=sys.stderr)
    return []


def duration(job: dict[str, Any]) -> str:
    """Return how long a job took."""
    if not (job.get("started_at") and job.get("completed_at")):
        return "-"
    started, completed = (datetime.fromisoformat(job[name]) for name in ("started_at", "completed_at"))
    minutes, seconds = divmod(round((completed - started).total_seconds()), 60)
    return f"{minutes} min {seconds} s" if minutes else f"{seconds} s"


def send_to_webhook(text: str) -> bool:
    """Send the text to the webhook, if one is configured; return False if it could not be sent."""
    address = os.environ.get("WEBHOOK_URL", "")
    if not address:
        # GitHub shows this beside the run.
        print("::notice title=No webhook::WEBHOOK_URL is not set, so nobody was notified", file=sys.stderr)
        return True
    body, attempts = json.dumps({"text": text}).encode(), len(RETRY_DELAYS) + 1
    for attempt, delay in enumerate((*RETRY_DELAYS, None), 1):
        try:
            send_request(address, body, {"Content-Type": "application/json"})
            return True
        except RequestFailed as error:
            if not error.retryable or delay is None:
                print(f"the webhook was not notified: {error} (attempt {attempt} of {attempts})", file=sys.stderr)
                return False
        time.sleep(delay)
    return False


def send_request(address: str, body: bytes | None, headers: dict[str, str]) -> bytes:
    """Send a GET or, with a body, a POST, and return the answer's body; raise RequestFailed if it does not succeed.

    The address has to be https, except on this machine.
    """
    try:
        parts = urlsplit(address)
        is_local = _is_loopback(parts.hostname or "")
        if parts.scheme != "https" and not (is_local and parts.scheme == "http"):
            raise RequestFailed("its address is not https", retryable=False)
        # A configured proxy must not get requests to this machine.
        handlers = [NoRedirect(), *([urllib.request.ProxyHandler({})] if is_local else [])]
        request = urllib.request.Request(address, body, headers)
        with urllib.request.build_opener(*handlers).open(request, timeout=REQUEST_SECONDS) as answer:
            return answer.read()
    except urllib.error.HTTPError as error:
        raise RequestFailed(f"it answers {error.code}", error.code in (408, 429) or error.code >= 500) from None
    except (OSError, http.client.HTTPException) as error:
        raise RequestFailed(_reason(error), retryable=True) from None
    except ValueError:
        raise RequestFailed("its address is not a valid URL", retryable=False) from None


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _reason(error: BaseException) -> str:
    # Never str(error): the texts of some errors contain the address.
    if isinstance(error, urllib.error.URLError) and isinstance(error.reason, BaseException):
        error = error.reason
    if isinstance(error, TimeoutError):
        return f"no answer within {REQUEST_SECONDS} s"
    if isinstance(error, ssl.SSLError):
        return f"TLS: {error.reason}"
    return getattr(error, "strerror", None) or type(error).__name__
