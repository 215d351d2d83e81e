"""A service as its users run it: a process with environment variables, asked over HTTP."""

import http.client
import json
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from support.fork_server import run_to_end, start
from support.processes import environment, free_port, wait_until
from support.repository import REPOSITORY
from support.thoroughness import rounds

TFIDF = [sys.executable, "-m", "services.tfidf.app"]
TRANSFORMER = [sys.executable, "-m", "services.transformer.app"]
AGENT = [sys.executable, "-m", "services.agent.app"]
JSON = {"Content-Type": "application/json"}


def with_settings(settings: Mapping[str, Any]) -> dict[str, str]:
    """Return the variables of this process and a service's settings."""
    return environment() | {name: str(value) for name, value in settings.items()}


class Answer(NamedTuple):
    """An HTTP response."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Service:
    """A running service; its log is a file in `folder`."""

    def __init__(self, folder: Path, program: list[str] = TFIDF, **variables: Any) -> None:
        self.port = variables.get("PORT") or free_port()
        self.log = folder / f"service-{self.port}.log"
        # The audit is random, so only tests of it have one.
        ours = {"PORT": self.port, "POLL_SECONDS": 0.2, "AUDIT_SHARE": 0} | variables
        with self.log.open("ab") as log:
            self.process = start(program, REPOSITORY, with_settings(ours), log, log)
        self.until(lambda: self.get("/health").status == 200)

    def __enter__(self) -> "Service":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()

    def until(self, happened: Any, seconds: float = 30) -> None:
        """Wait until the condition holds; fail if the service ends before."""

        def here() -> bool:
            assert self.process.poll() is None, self.log.read_text(encoding="utf-8")
            try:
                return happened()
            except OSError:
                return False

        wait_until(here, seconds)

    def ready(self) -> "Service":
        self.until(lambda: self.get("/ready").status == 200)
        return self

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, body, {name.replace("_", "-"): text for name, text in headers.items()})
            answer = connection.getresponse()
            return Answer(answer.status, answer.headers, answer.read())
        finally:
            connection.close()

    def get(self, path: str, **headers: str) -> Answer:
        return self.ask("GET", path, **headers)

    def post(self, path: str, value: Any, **headers: str) -> Answer:
        body = value if isinstance(value, bytes) else json.dumps(value).encode()
        return self.ask("POST", path, body, **({"Content-Type": "application/json"} | headers))

    def metric(self, name: str) -> float:
        """Return a metric by its name and labels as in /metrics; 0 if it is missing."""
        lines = self.get("/metrics").body.decode().splitlines()
        return next((float(line.rpartition(" ")[2]) for line in lines if line.rpartition(" ")[0] == name), 0.0)

    def lines(self) -> list[dict[str, Any]]:
        """Return the lines of the log."""
        return [json.loads(line) for line in self.log.read_text(encoding="utf-8").splitlines()]


class Load:
    """Asks a service continuously from several threads, and records every status and model version."""

    def __init__(self, service: Service, threads: int = 4) -> None:
        self.service, self.found, self._stop = service, [], threading.Event()
        self._threads = [threading.Thread(target=self._ask) for _ in range(threads)]

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _ask(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.service.port, timeout=30)
        while not self._stop.is_set():
            try:
                connection.request("POST", "/predict", b'{"text": "my laptop is broken"}', JSON)
                answer = connection.getresponse()
                self.found.append((answer.status, json.loads(answer.read()).get("model_version")))
            except (OSError, http.client.HTTPException) as error:
                self.found.append((type(error).__name__, None))
                connection.close()
            time.sleep(0.002)
        connection.close()

    def statuses(self) -> set:
        return {status for status, _ in self.found}

    def versions(self) -> list[str]:
        """Return the versions that answered, in the order of their first answer."""
        return list(dict.fromkeys(version for _, version in self.found))


def assert_problem(answer: Answer, status: int) -> str:
    """Check that an answer is problem details of a status, and return its detail."""
    assert (answer.status, answer.headers["content-type"]) == (status, "application/problem+json")
    assert answer.json["status"] == status and answer.json["title"]
    return answer.json["detail"]


def fails_to_start(program: list[str] = TFIDF, **variables: Any) -> str:
    """Return the one-line error with which a service refuses to start."""
    done = run_to_end(program, REPOSITORY, with_settings(variables), timeout=60)
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1, done.stderr
    return done.stderr.removeprefix("error: ").strip()


def assert_fuzzing_finds_nothing(
    service: Service, folder: Path, refusals: Mapping[str, list[str]] = MappingProxyType({})
) -> None:
    """Run schemathesis for half a minute, with a folder for its configuration.

    refusals: the statuses with which an operation such as "POST /predict" may refuse a valid request.
    """
    # A body over the size limit is refused before it is validated.
    config = folder / "schemathesis.toml"
    for check in ("negative_data_rejection", "positive_data_acceptance"):
        with config.open("a", encoding="utf-8") as file:
            statuses = (
                ["2xx", "413"] if check == "positive_data_acceptance" else ["400", "401", "405", "413", "415", "422"]
            )
            file.write(f"[checks.{check}]\nexpected-statuses = {statuses}\n")
    with config.open("a", encoding="utf-8") as file:
        for operation, more in refusals.items():
            file.write(f'[[operations]]\ninclude-name = "{operation}"\n')
            file.write(f"checks.positive_data_acceptance.expected-statuses = {['2xx', '413', *more]}\n")
    command = [Path(sys.executable).with_name("schemathesis"), "--config-file", config, "run"]
    url = f"http://127.0.0.1:{service.port}/openapi.json"
    options = ["--checks", "all", "--max-time", str(rounds(12, 60)), "--generation-database", "none", "--seed", "1"]
    done = subprocess.run(
        [*map(str, command), url, *options], cwd=folder, env=environment(), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout[-3000:]
