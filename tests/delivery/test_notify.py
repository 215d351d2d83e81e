"""scripts/notify.py prints a table, sends it to the webhook, and exits with 0 only if all of it succeeded."""

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


class FakeServices:
    """Stands in for the webhook and GitHub's API: records requests, and answers with the statuses and jobs set."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, dict, bytes]] = []
        self.statuses: list[int] = []
        self.jobs: list[dict] = []
        services = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                services.sent.append((self.path, dict(self.headers), body))
                self.answer(services.statuses.pop(0) if services.statuses else 200, b"ok")

            def do_GET(self) -> None:
                services.sent.append((self.path, dict(self.headers), b""))
                page = int(self.path.rpartition("page=")[2] or 1)
                found = services.jobs[100 * (page - 1) : 100 * page]
                status = services.statuses.pop(0) if services.statuses else 200
                self.answer(status, json.dumps({"total_count": len(services.jobs), "jobs": found}).encode())

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
    def messages(self) -> list[dict]:
        """The messages that the webhook got."""
        return [json.loads(body) for path, _, body in self.sent if path == f"/{SECRET}"]


@pytest.fixture
def services() -> Iterator[FakeServices]:
    found = FakeServices()
    yield found
    found.server.shutdown()
    found.server.server_close()


@pytest.fixture
def run_notify(monkeypatch, capsys):
    """Runs the command on results with these variables and without those of CI; returns (code, stdout, stderr)."""
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
        captured = capsys.readouterr()
        assert SECRET not in captured.out + captured.err and "gh-secret" not in captured.out + captured.err
        return code, captured.out, captured.err

    return run


@pytest.mark.runs("python scripts/notify.py")
def test_webhook_gets_the_printed_table_when_all_jobs_succeed(run_notify, services):
    run = {"GITHUB_WORKFLOW": "ci-cd", "GITHUB_REF_NAME": "main", "GITHUB_SHA": "0123456789abcdef"}
    where = {"GITHUB_SERVER_URL": "https://github.example", "GITHUB_REPOSITORY": "example/desk", "GITHUB_RUN_ID": "77"}
    code, printed, errors = run_notify(ALL_WELL, WEBHOOK_URL=f"{services.address}/{SECRET}", **run, **where)
    assert (code, errors) == (0, "")
    assert services.messages == [{"text": printed.rstrip("\n")}]
    headline, _, *table = printed.splitlines()
    assert headline == "ci-cd succeeded on main (01234567) https://github.example/example/desk/actions/runs/77"
    assert table[2:] == ["| test | success | - |", "| build-image | success | - |"]


@pytest.mark.parametrize("result", ["failure", "cancelled", "skipped", "something new"])
def test_any_result_but_success_fails_and_is_reported(run_notify, services, result):
    code, printed, errors = run_notify(ALL_WELL | {"scan": result}, WEBHOOK_URL=f"{services.address}/{SECRET}")
    assert code == 1 and errors == f"scan: {result}\n"
    assert printed.startswith("CI failed") and f"| scan | {result}" in printed
    assert services.messages == [{"text": printed.rstrip("\n")}]


def test_may_skip_allows_skipping_but_not_failing(run_notify):
    skipped = ALL_WELL | {"deploy-staging": "skipped"}
    code, printed, _ = run_notify(skipped, "--may-skip", "deploy-staging")
    assert code == 0 and "| deploy-staging | skipped, as allowed | - |" in printed
    assert "skipped, but expected to run" in run_notify(skipped, "--may-skip", "test")[1]
    assert run_notify(skipped | {"deploy-staging": "failure"}, "--may-skip", "deploy-staging")[0] == 1


def test_missing_webhook_is_reported_as_a_notice(run_notify):
    code, printed, errors = run_notify(ALL_WELL)
    assert code == 0 and errors.startswith("::notice ") and "WEBHOOK_URL is not set" in errors
    assert "::notice" not in printed
    assert run_notify(ALL_WELL | {"test": "failure"})[0] == 1


def test_temporary_webhook_errors_are_retried(run_notify, services):
    services.statuses = [503, 429]
    code, _, errors = run_notify(ALL_WELL, WEBHOOK_URL=f"{services.address}/{SECRET}")
    assert (code, errors) == (0, "") and len(services.messages) == 3


@pytest.mark.parametrize(("statuses", "tries"), [([500, 500, 500], 3), ([404], 1), ([302], 1)])
def test_permanent_webhook_errors_fail(run_notify, services, statuses, tries):
    """A lost notification must not look sent; a redirected one has reached nobody."""
    services.statuses = list(statuses)
    code, printed, errors = run_notify(ALL_WELL, WEBHOOK_URL=f"{services.address}/{SECRET}")
    assert code == 1 and printed.startswith("CI succeeded")
    assert errors == f"the webhook was not notified: it answers {statuses[0]} (attempt {tries} of 3)\n"
    assert len(services.sent) == tries


@pytest.mark.parametrize(
    "address",
    [f"http://127.0.0.1:{free_port()}/{SECRET}", f"http://hooks.example/{SECRET}", f"https://127.0.0.1:1 2/{SECRET}"],
    ids=["nobody listens", "not https", "no address"],
)
def test_unreachable_webhook_fails_in_one_line(run_notify, address):
    code, _, errors = run_notify(ALL_WELL, WEBHOOK_URL=address)
    assert code == 1 and errors.startswith("the webhook was not notified: ") and errors.count("\n") == 1


def test_table_shows_durations_and_matrix_jobs(run_notify, services):
    """More jobs than fit on one page of the API; the results still come from `needs`."""
    times = {"started_at": "2026-11-25T04:00:00Z", "completed_at": "2026-11-25T04:02:05Z"}
    versions = [{"name": f"test (3.{number}, a|b)", "conclusion": "success", **times} for number in range(120)]
    others = [
        {"name": "build-image", "conclusion": "failure", **times, "completed_at": "2026-11-25T04:00:09Z"},
        {"name": "notify", "conclusion": None, **times, "completed_at": None},
    ]
    services.jobs = [*versions, *others]
    code, printed, _ = run_notify(ALL_WELL | {"build-image": "failure"}, GITHUB_API_URL=services.address, **RUN)
    rows = printed.splitlines()[4:]
    assert code == 1 and len(rows) == 121 and "notify" not in printed
    assert rows[0] == "| test (3.0, a&#124;b) | success | 2 min 5 s |" and rows[-1] == "| build-image | failure | 9 s |"
    paths, headers = [path for path, _, _ in services.sent], services.sent[0][1]
    assert paths == [f"{JOBS}?per_page=100&page={page}" for page in (1, 2)]
    assert headers["Authorization"] == "Bearer gh-secret"


def test_results_are_reported_without_durations(run_notify, services):
    services.statuses = [403]
    code, printed, errors = run_notify(ALL_WELL, GITHUB_API_URL=services.address, **RUN)
    assert code == 0 and "| test | success | - |" in printed
    assert errors.startswith("how long the jobs took is not known: GitHub's API: it answers 403\n")


@pytest.mark.parametrize("text", ["", "{}", "[]", "no json", '{"test": "success"}', '{"test": {}}'])
def test_notify_refuses_input_without_results(tmp_path, error_line, text):
    """An empty `needs` would look like success."""
    (tmp_path / "results.json").write_text(text, encoding="utf-8")
    assert notify.main([str(tmp_path / "results.json")]) == 2
    assert "results.json" in error_line()


def test_may_skip_refuses_unknown_jobs(run_notify):
    """A misspelt name would allow nothing, or hide that a job was removed."""
    code, _, errors = run_notify(ALL_WELL, "--may-skip", "deploy-stagging")
    assert code == 2 and "no job of that name" in errors


def test_notify_reads_a_file_or_standard_input(tmp_path, services):
    needs = json.dumps({"test": {"result": "success"}})
    (tmp_path / "results.json").write_text(needs, encoding="utf-8")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GITHUB_")}
    environment |= {"WEBHOOK_URL": f"{services.address}/{SECRET}"}
    for argument, given in (("-", needs), (str(tmp_path / "results.json"), "")):
        command = [sys.executable, "-S", str(SCRIPTS / "notify.py"), argument]
        done = subprocess.run(command, input=given, env=environment, capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, "") and "| test | success | - |" in done.stdout
    assert len(services.messages) == 2
