"""How a CI run ended is told: a table, the webhook, and an exit code that is 0 only when all is well and was told."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

import notify
from support.processes import free_port
from support.repository import SCRIPTS

SECRET = "T0KEN-of-the-hook"
RUN = {
    "GITHUB_REPOSITORY": "example/desk",
    "GITHUB_RUN_ID": "77",
    "GITHUB_RUN_ATTEMPT": "2",
    "GITHUB_TOKEN": "gh-secret",
}
JOBS = "/repos/example/desk/actions/runs/77/attempts/2/jobs"
ALL_WELL = {"test": "success", "build-image": "success"}


class Outside:
    """Both the webhook and GitHub's API: keeps what it is sent, answers with the statuses and jobs it is given."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, dict, bytes]] = []
        self.statuses: list[int] = []
        self.jobs: list[dict] = []
        outside = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outside.sent.append((self.path, dict(self.headers), body))
                self.answer(outside.statuses.pop(0) if outside.statuses else 200, b"ok")

            def do_GET(self) -> None:
                outside.sent.append((self.path, dict(self.headers), b""))
                page = int(self.path.rpartition("page=")[2] or 1)
                found = outside.jobs[100 * (page - 1) : 100 * page]
                status = outside.statuses.pop(0) if outside.statuses else 200
                self.answer(status, json.dumps({"total_count": len(outside.jobs), "jobs": found}).encode())

            def answer(self, status: int, body: bytes) -> None:
                self.send_response(status)
                if status == 302:
                    self.send_header("Location", "/elsewhere")
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def told(self) -> list[dict]:
        """What the webhook was sent."""
        return [json.loads(body) for path, _, body in self.sent if path == f"/{SECRET}"]


@pytest.fixture
def outside() -> Iterator[Outside]:
    found = Outside()
    yield found
    found.server.shutdown()
    found.server.server_close()


@pytest.fixture
def end(monkeypatch, capsys):
    """Runs the script on results, with these variables and none that CI has; returns (exit code, stdout, stderr)."""
    for name in os.environ:
        if name.startswith("GITHUB_") or name in ("NEEDS", "WEBHOOK_URL"):
            monkeypatch.delenv(name)
    monkeypatch.setattr("callcenterai.delivery.notify.RETRY_DELAYS", (0.01, 0.01))

    def run(results: dict[str, str], *arguments: str, **variables: str) -> tuple[int, str, str]:
        needs = {job: {"result": result, "outputs": {}} for job, result in results.items()}
        for name, value in ({"NEEDS": json.dumps(needs)} | variables).items():
            monkeypatch.setenv(name, value)
        capsys.readouterr()
        code = notify.main(list(arguments))
        said = capsys.readouterr()
        assert SECRET not in said.out + said.err and "gh-secret" not in said.out + said.err
        return code, said.out, said.err

    return run


@pytest.mark.runs("python scripts/notify.py")
def test_when_all_jobs_succeed_the_webhook_is_sent_what_is_printed(end, outside):
    run = {"GITHUB_WORKFLOW": "ci-cd", "GITHUB_REF_NAME": "main", "GITHUB_SHA": "0123456789abcdef"}
    where = {"GITHUB_SERVER_URL": "https://github.example", "GITHUB_REPOSITORY": "example/desk", "GITHUB_RUN_ID": "77"}
    code, printed, said = end(ALL_WELL, WEBHOOK_URL=f"{outside.address}/{SECRET}", **run, **where)
    assert (code, said) == (0, "")
    assert outside.told == [{"text": printed.rstrip("\n")}]
    headline, _, *table = printed.splitlines()
    assert headline == "ci-cd succeeded on main (01234567) https://github.example/example/desk/actions/runs/77"
    assert table[2:] == ["| test | success | - |", "| build-image | success | - |"]


@pytest.mark.parametrize("result", ["failure", "cancelled", "skipped", "something new"])
def test_whatever_is_no_success_fails_and_is_told(end, outside, result):
    code, printed, said = end(ALL_WELL | {"scan": result}, WEBHOOK_URL=f"{outside.address}/{SECRET}")
    assert code == 1 and said == f"scan: {result}\n"
    assert printed.startswith("CI failed") and f"| scan | {result}" in printed
    assert outside.told == [{"text": printed.rstrip("\n")}]


def test_a_job_that_may_be_skipped_may_be_skipped_and_not_fail(end):
    skipped = ALL_WELL | {"deploy-staging": "skipped"}
    code, printed, _ = end(skipped, "--may-skip", "deploy-staging")
    assert code == 0 and "| deploy-staging | skipped, as allowed | - |" in printed
    assert "skipped, but expected to run" in end(skipped, "--may-skip", "test")[1]
    assert end(skipped | {"deploy-staging": "failure"}, "--may-skip", "deploy-staging")[0] == 1


def test_without_a_webhook_a_notice_says_that_nobody_was_told(end):
    code, printed, said = end(ALL_WELL)
    assert code == 0 and said.startswith("::notice ") and "WEBHOOK_URL is not set" in said
    assert "::notice" not in printed
    assert end(ALL_WELL | {"test": "failure"})[0] == 1


def test_a_webhook_that_stumbles_is_tried_again_and_told_once(end, outside):
    outside.statuses = [503, 429]
    code, _, said = end(ALL_WELL, WEBHOOK_URL=f"{outside.address}/{SECRET}")
    assert (code, said) == (0, "") and len(outside.told) == 3


@pytest.mark.parametrize(("statuses", "tries"), [([500, 500, 500], 3), ([404], 1), ([302], 1)])
def test_a_webhook_that_refuses_is_a_failure(end, outside, statuses, tries):
    """A notification that is lost must not look sent; one that is redirected has gone to nobody."""
    outside.statuses = list(statuses)
    code, printed, said = end(ALL_WELL, WEBHOOK_URL=f"{outside.address}/{SECRET}")
    assert code == 1 and printed.startswith("CI succeeded")
    assert said == f"the webhook was not notified: it answers {statuses[0]} (attempt {tries} of 3)\n"
    assert len(outside.sent) == tries


@pytest.mark.parametrize(
    "address",
    [f"http://127.0.0.1:{free_port()}/{SECRET}", f"http://hooks.example/{SECRET}", f"https://127.0.0.1:1 2/{SECRET}"],
    ids=["nobody listens", "not https", "no address"],
)
def test_a_webhook_that_cannot_be_reached_is_a_failure_in_one_line(end, address):
    code, _, said = end(ALL_WELL, WEBHOOK_URL=address)
    assert code == 1 and said.startswith("the webhook was not notified: ") and said.count("\n") == 1


def test_the_table_has_the_times_and_the_jobs_of_a_matrix(end, outside):
    """More than one page of them; results come from `needs` even so."""
    times = {"started_at": "2026-11-25T04:00:00Z", "completed_at": "2026-11-25T04:02:05Z"}
    versions = [{"name": f"test (3.{number}, a|b)", "conclusion": "success", **times} for number in range(120)]
    others = [
        {"name": "build-image", "conclusion": "failure", **times, "completed_at": "2026-11-25T04:00:09Z"},
        {"name": "notify", "conclusion": None, **times, "completed_at": None},
    ]
    outside.jobs = [*versions, *others]
    code, printed, _ = end(ALL_WELL | {"build-image": "failure"}, GITHUB_API_URL=outside.address, **RUN)
    rows = printed.splitlines()[4:]
    assert code == 1 and len(rows) == 121 and "notify" not in printed
    assert rows[0] == "| test (3.0, a&#124;b) | success | 2 min 5 s |" and rows[-1] == "| build-image | failure | 9 s |"
    paths, headers = [path for path, _, _ in outside.sent], outside.sent[0][1]
    assert paths == [f"{JOBS}?per_page=100&page={page}" for page in (1, 2)]
    assert headers["Authorization"] == "Bearer gh-secret"


def test_without_the_times_the_results_are_told_all_the_same(end, outside):
    outside.statuses = [403]
    code, printed, said = end(ALL_WELL, GITHUB_API_URL=outside.address, **RUN)
    assert code == 0 and "| test | success | - |" in printed
    assert said.startswith("how long the jobs took is not known: GitHub's API: it answers 403\n")


@pytest.mark.parametrize("text", ["", "{}", "[]", "no json", '{"test": "success"}', '{"test": {}}'])
def test_what_holds_no_results_is_refused(tmp_path, error_line, text):
    """An empty `needs` would look like success."""
    (tmp_path / "results.json").write_text(text, encoding="utf-8")
    assert notify.main([str(tmp_path / "results.json")]) == 2
    assert "results.json" in error_line()


def test_a_job_that_may_be_skipped_has_to_exist(end):
    """A misspelt name would let nothing be skipped, or hide that a job is gone."""
    code, _, said = end(ALL_WELL, "--may-skip", "deploy-stagging")
    assert code == 2 and "no job of that name" in said


def test_results_come_from_a_file_or_standard_input_too(tmp_path, outside):
    needs = json.dumps({"test": {"result": "success"}})
    (tmp_path / "results.json").write_text(needs, encoding="utf-8")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GITHUB_")}
    environment |= {"WEBHOOK_URL": f"{outside.address}/{SECRET}"}
    for argument, given in (("-", needs), (str(tmp_path / "results.json"), "")):
        command = [sys.executable, "-S", str(SCRIPTS / "notify.py"), argument]
        done = subprocess.run(command, input=given, env=environment, capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, "") and "| test | success | - |" in done.stdout
    assert len(outside.told) == 2
