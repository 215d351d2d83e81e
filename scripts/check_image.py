"""python scripts/check_image.py tfidf callcenterai-tfidf --model models/tfidf
python scripts/check_image.py web callcenterai-web --engine podman

Start an image as production does, read-only and without privileges, and check that it is what production needs.

One line says what each check found. A model service answers with the model of --model; without one, and the agent and
the pages without the services they ask, it must be alive all the same and say that it is not ready. Exit codes: 0 every
check passed; 1 one did not (the end of the service's log is on stderr); 2 something to mend. The container is removed
in any case. Needs nothing beyond the standard library.
"""

import argparse
import secrets
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import _path  # noqa: F401
from callcenterai.core.cli import UserError, one_line, run
from callcenterai.delivery import engine as containers
from callcenterai.delivery.engine import Answer, Container, EngineError, Limits

SERVICES = {
    "tfidf": Limits(8000, "512m", "1.0", "64m"),
    "transformer": Limits(8001, "1g", "2.0", "64m"),
    "agent": Limits(8002, "512m", "1.0", "256m"),
    "web": Limits(8080, "512m", "1.0", "64m"),
}
WITH_MODEL = ("tfidf", "transformer")
TICKET = {"text": "my laptop is broken, the screen stays black"}
STOP_SECONDS = 15
LOG_LINES = 30
HEALTHCHECK_TRIES = 3


class Failed(Exception):
    """A check did not pass; the message says what was found."""


# What it found, when all is well.
Check = Callable[[Container], str]


def main(argv: list[str] | None = None) -> int:
    """Parse the arguments and check the image; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("service", choices=SERVICES)
    parser.add_argument("image", help="name or id of an image that is on this machine")
    parser.add_argument("--model", type=Path, help="model folder, for tfidf and transformer; mounted read-only")
    parser.add_argument("--engine", choices=containers.ENGINES, help="default: docker if it answers, else podman")
    args = parser.parse_args(argv)
    return run(lambda: check_image(args))


def check_image(args: argparse.Namespace) -> int:
    """Run all checks in a container of their own; return 0 when every one has passed, else 1."""
    if args.model and args.service not in WITH_MODEL:
        raise UserError(f"{args.service} has no model of its own: leave --model out")
    if args.model and not (args.model / "metadata.json").is_file():
        raise UserError(f"{args.model} is no model folder: it has no metadata.json; `dvc repro` makes models/tfidf")
    engine = containers.find_engine(args.engine)
    print(f"ok      size: {containers.size_of(engine, args.image) / 1e6:.0f} MB")
    # A CI job that is cancelled is sent this; the container must not outlive it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    key = secrets.token_hex(16)
    variables = {"WEB_PASSWORD": key} if args.service == "web" else {"API_KEYS": key}
    mounted = {f"/app/models/{args.service}": args.model} if args.model else {}
    try:
        with containers.created(engine, args.image, SERVICES[args.service], variables, mounted) as container:
            passed = carry_out(checks(args.service, bool(args.model), key), container)
            if not passed:
                print(container.logs(LOG_LINES) or "the service has logged nothing", file=sys.stderr)
    except EngineError as error:
        print(f"FAILED  {engine} cannot create a container: {error}")
        return 1
    return 0 if passed else 1


def carry_out(checks: dict[str, Check], container: Container) -> bool:
    """Run the checks in order and print what each found; when the service does not start, no other makes sense."""
    passed = True
    for title, check in checks.items():
        try:
            print(f"ok      {title}: {check(container)}", flush=True)
        except (Failed, EngineError, OSError) as error:
            print(f"FAILED  {title}: {one_line(str(error))}", flush=True)
            passed = False
            if check is starts:
                break
    return passed


def checks(service: str, has_model: bool, key: str) -> dict[str, Check]:
    """Return the checks for a service by what they are called, in the order in which they make sense."""
    ready = 200 if has_model else 503
    before: dict[str, Check] = {
        "user": is_not_root,
        "starts": starts,
        "runs as": runs_unprivileged,
        "HEALTHCHECK": healthcheck_passes,
        "/ready": lambda container: wait_for(container, "/ready", ready),
    }
    if service == "web":
        return before | {"login": asks_for_a_password, "SIGTERM": stops}
    return before | {
        "/predict": lambda container: predicts(container, key) if has_model else says_it_cannot(container, key),
        "/predict with a wrong key": refuses_another_key,
        "SIGTERM": stops,
    }


def is_not_root(container: Container) -> str:
    """The image names a user, and that is not root."""
    user = container.inspect()["Config"].get("User") or ""
    if user.partition(":")[0] in ("", "0", "root"):
        raise Failed(f"the image runs as {user or 'root, since it names nobody'}; its Dockerfile needs a USER")
    return user


def starts(container: Container) -> str:
    """It runs, and answers on /health."""
    started = time.monotonic()
    container.call("start")
    wait_for(container, "/health", 200)
    return f"/health answers after {time.monotonic() - started:.1f} s"


def wait_for(container: Container, path: str, status: int) -> str:
    """The path comes to answer with this status while the container runs."""
    found, pause, end = "no answer", 0.1, time.monotonic() + containers.PATIENCE
    while time.monotonic() < end:
        state = container.inspect()["State"]
        if not state["Running"]:
            raise Failed(f"the container has ended with exit code {state['ExitCode']}")
        try:
            answer = container.ask(path)
            if answer.status == status:
                return f"{status}, as it should be" if status != 200 else "200"
            found = described(answer)
        except (OSError, EngineError) as error:
            found = str(error)
        # Longer and longer, so that the log shows more than our own questions.
        time.sleep(pause := min(1.5 * pause, 5))
    raise Failed(f"{found} instead of {status} after {containers.PATIENCE} s")


def runs_unprivileged(container: Container) -> str:
    """The process itself is not root's, has no capabilities and can get none."""
    lines = container.execute("cat", "/proc/1/status").splitlines()
    status = {name: rest.split() for name, _, rest in (line.partition(":") for line in lines)}
    # Real, effective, saved and that of the file system.
    if "0" in status["Uid"]:
        raise Failed("the process belongs to root")
    if int(status["CapEff"][0], 16) or status["NoNewPrivs"] != ["1"]:
        raise Failed(f"capabilities {status['CapEff'][0]}, NoNewPrivs {status['NoNewPrivs'][0]}: {container.engine}'s?")
    return f"uid {status['Uid'][0]}, without capabilities"


def healthcheck_passes(container: Container) -> str:
    """The image has a HEALTHCHECK, and its command succeeds inside.

    Run by hand: Podman leaves that to systemd, where there is one, and Docker would make us wait for its interval.
    """
    command = containers.health_command(container.inspect()["Config"])
    if not command:
        raise Failed("the image has none, so nobody would notice that the service hangs")
    # Engines call a service unhealthy when it has failed several times in a row.
    for tries_left in reversed(range(HEALTHCHECK_TRIES)):
        try:
            container.execute(*command)
            break
        except EngineError:
            if not tries_left:
                raise
    return "passes"


def predicts(container: Container, key: str) -> str:
    """A ticket is answered with a category."""
    answer = container.ask("/predict", TICKET, key)
    category = (answer.json or {}).get("category") if answer.status == 200 else None
    if not category:
        raise Failed(described(answer))
    return f"200, {category}"


def says_it_cannot(container: Container, key: str) -> str:
    """Without a model a ticket is refused as a problem that programs can read."""
    answer = container.ask("/predict", TICKET, key)
    if answer.status != 503 or answer.kind != "application/problem+json" or (answer.json or {}).get("status") != 503:
        raise Failed(f"{described(answer)}, instead of problem details and 503: there is no model")
    return f"503, {answer.json.get('detail')}"


def refuses_another_key(container: Container) -> str:
    """Who does not know a key gets no answer."""
    answer = container.ask("/predict", TICKET, "wrong")
    if answer.status != 401:
        raise Failed(f"{described(answer)} instead of 401")
    return "401"


def asks_for_a_password(container: Container) -> str:
    """The first page is that on which people log in."""
    answer = container.ask("/login")
    if answer.status != 200 or b'type="password"' not in answer.body:
        raise Failed(f"no page to log in: {described(answer)}")
    return "the page is there"


def stops(container: Container) -> str:
    """It ends by itself when it is asked to."""
    seconds, code = container.stop(STOP_SECONDS)
    # 143: ended by the signal itself. 137: it had to be killed.
    if code not in (0, 143):
        raise Failed(f"exit code {code} after {seconds:.1f} s" + (", killed" if code == 137 else ""))
    return f"stops within {seconds:.1f} s, exit code {code}"


def described(answer: Answer) -> str:
    """Return an answer in a few words."""
    return f"{answer.status}, {answer.kind}: {answer.body[:200].decode(errors='replace')}"


if __name__ == "__main__":
    sys.exit(main())
