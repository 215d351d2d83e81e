"""What an image must show before it is pushed: it starts hardened, answers, and stops when it is asked to.

CI runs this before anything is installed, so it uses the standard library only.
"""

import secrets
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from callcenterai.core.cli import UserError, one_line
from callcenterai.delivery.engine import (
    TIMEOUT_SECONDS,
    Container,
    EngineError,
    HttpAnswer,
    ServiceLimits,
    create_container,
    find_engine,
    health_command,
    image_size,
)

# The same as in compose.yaml: tests/delivery/test_check_image.py compares them.
SERVICE_LIMITS = {
    "tfidf": ServiceLimits(8000, "512m", "1.0", "64m"),
    "transformer": ServiceLimits(8001, "1g", "2.0", "64m"),
    "agent": ServiceLimits(8002, "768m", "1.0", "256m"),
    "web": ServiceLimits(8080, "512m", "1.0", "64m"),
}
SERVICES_WITH_MODEL = ("tfidf", "transformer")
TICKET = {"text": "my laptop is broken, the screen stays black"}
STOP_SECONDS = 15
LOG_LINES = 30
HEALTHCHECK_ATTEMPTS = 3


class CheckFailed(Exception):
    """A check did not pass; the message says what was found."""


# A check returns what it found, or raises CheckFailed.
Check = Callable[[Container], str]


def check_image(service: str, image: str, model: Path | None, wanted_engine: str | None) -> int:
    """Start the image, run all checks and print a line for each; return 0 if every check passed, else 1."""
    if model and service not in SERVICES_WITH_MODEL:
        raise UserError(f"{service} has no model of its own: leave --model out")
    if model and not (model / "metadata.json").is_file():
        raise UserError(f"{model} is not a model folder: it has no metadata.json; `dvc repro` makes models/tfidf")
    engine = find_engine(wanted_engine)
    print(f"ok      size: {image_size(engine, image) / 1e6:.0f} MB")
    # A cancelled CI job gets SIGTERM; exit through the context manager, so that the container is removed.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    key = secrets.token_hex(16)
    variables = {"WEB_PASSWORD": key} if service == "web" else {"API_KEYS": key}
    mounts = {f"/app/models/{service}": model} if model else {}
    try:
        with create_container(engine, image, SERVICE_LIMITS[service], variables, mounts) as container:
            passed = run_checks(checks_for(service, bool(model), key), container)
            if not passed:
                print(container.logs(LOG_LINES) or "the service has logged nothing", file=sys.stderr)
    except EngineError as error:
        print(f"FAILED  {engine} cannot create a container: {error}")
        return 1
    return 0 if passed else 1


def run_checks(checks: dict[str, Check], container: Container) -> bool:
    """Run the checks in order and print what each found; stop if the service does not start."""
    passed = True
    for title, check in checks.items():
        try:
            print(f"ok      {title}: {check(container)}", flush=True)
        except (CheckFailed, EngineError, OSError) as error:
            print(f"FAILED  {title}: {one_line(str(error))}", flush=True)
            passed = False
            if check is starts_service:
                break
    return passed


def checks_for(service: str, has_model: bool, key: str) -> dict[str, Check]:
    """Return the checks for a service by title, in the order in which they have to run."""
    ready = 200 if has_model else 503
    common: dict[str, Check] = {
        "user": names_unprivileged_user,
        "starts": starts_service,
        "runs as": runs_unprivileged,
        "HEALTHCHECK": passes_healthcheck,
        "/ready": lambda container: wait_for_status(container, "/ready", ready),
    }
    if service == "web":
        return common | {"login": asks_for_password, "SIGTERM": stops_on_sigterm}
    return common | {
        "/predict": lambda container: predicts(container, key) if has_model else reports_missing_model(container, key),
        "/predict with a wrong key": refuses_wrong_key,
        "SIGTERM": stops_on_sigterm,
    }


def names_unprivileged_user(container: Container) -> str:
    """Check that the image names a user other than root."""
    user = container.inspect()["Config"].get("User") or ""
    if user.partition(":")[0] in ("", "0", "root"):
        raise CheckFailed(f"the image runs as {user or 'root, the default'}; add USER to its Dockerfile")
    return user


def starts_service(container: Container) -> str:
    """Start the container and check that /health answers."""
    started = time.monotonic()
    container.start()
    wait_for_status(container, "/health", 200)
    return f"/health answers after {time.monotonic() - started:.1f} s"


def wait_for_status(container: Container, path: str, status: int) -> str:
    """Wait until the path answers with this status; fail early if the container ends."""
    found, pause, end = "no answer", 0.1, time.monotonic() + TIMEOUT_SECONDS
    while time.monotonic() < end:
        state = container.inspect()["State"]
        if not state["Running"]:
            raise CheckFailed(f"the container has ended with exit code {state['ExitCode']}")
        try:
            answer = container.request(path)
            if answer.status == status:
                return f"{status}, as expected" if status != 200 else "200"
            found = describe(answer)
        except (OSError, EngineError) as error:
            found = str(error)
        # Back off, so that our own requests do not fill the log.
        time.sleep(pause := min(1.5 * pause, 5))
    raise CheckFailed(f"{found} instead of {status} after {TIMEOUT_SECONDS} s")


def runs_unprivileged(container: Container) -> str:
    """Check that the running process is not root's, has no capabilities and cannot gain any."""
    lines = container.execute("cat", "/proc/1/status").splitlines()
    status = {name: rest.split() for name, _, rest in (line.partition(":") for line in lines)}
    # Real, effective, saved and file system user id.
    if "0" in status["Uid"]:
        raise CheckFailed("the process belongs to root")
    if int(status["CapEff"][0], 16) or status["NoNewPrivs"] != ["1"]:
        raise CheckFailed(
            f"the process has capabilities {status['CapEff'][0]} and NoNewPrivs {status['NoNewPrivs'][0]}; "
            f"{container.engine} has ignored an option"
        )
    return f"uid {status['Uid'][0]}, without capabilities"


def passes_healthcheck(container: Container) -> str:
    """Check that the image has a HEALTHCHECK and that its command succeeds inside the container.

    The command is run by hand: Podman needs systemd for health checks, and Docker would make us wait for the interval.
    """
    command = health_command(container.inspect()["Config"])
    if not command:
        raise CheckFailed("the image has none, so nobody would notice that the service hangs")
    # An engine marks a container unhealthy only after several failures in a row.
    for attempts_left in reversed(range(HEALTHCHECK_ATTEMPTS)):
        try:
            container.execute(*command)
            break
        except EngineError:
            if not attempts_left:
                raise
    return "passes"


def predicts(container: Container, key: str) -> str:
    """Check that a ticket gets a category."""
    answer = container.request("/predict", TICKET, key)
    category = (answer.json or {}).get("category") if answer.status == 200 else None
    if not category:
        raise CheckFailed(describe(answer))
    return f"200, {category}"


def reports_missing_model(container: Container, key: str) -> str:
    """Check that a service without a model refuses a ticket with 503 and machine-readable problem details."""
    answer = container.request("/predict", TICKET, key)
    is_problem = answer.content_type == "application/problem+json"
    if answer.status != 503 or not is_problem or (answer.json or {}).get("status") != 503:
        raise CheckFailed(f"{describe(answer)}, instead of problem details and 503: there is no model")
    return f"503, {answer.json.get('detail')}"


def refuses_wrong_key(container: Container) -> str:
    """Check that a wrong key is refused."""
    answer = container.request("/predict", TICKET, "wrong")
    if answer.status != 401:
        raise CheckFailed(f"{describe(answer)} instead of 401")
    return "401"


def asks_for_password(container: Container) -> str:
    """Check that /login shows a form with a password field."""
    answer = container.request("/login")
    if answer.status != 200 or b'type="password"' not in answer.body:
        raise CheckFailed(f"no login page: {describe(answer)}")
    return "the page is there"


def stops_on_sigterm(container: Container) -> str:
    """Check that the service ends by itself on SIGTERM."""
    seconds, code = container.stop(STOP_SECONDS)
    # 143: ended by SIGTERM. 137: killed, because it did not end in time.
    if code not in (0, 143):
        raise CheckFailed(f"exit code {code} after {seconds:.1f} s" + (", killed" if code == 137 else ""))
    return f"stops within {seconds:.1f} s, exit code {code}"


def describe(answer: HttpAnswer) -> str:
    """Return status, content type and the beginning of the body."""
    return f"{answer.status}, {answer.content_type}: {answer.body[:200].decode(errors='replace')}"
