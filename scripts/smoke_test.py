"""Ask a running stack what its users ask: the agent as programs do, the pages as a browser does.

    python scripts/smoke_test.py
    python scripts/smoke_test.py --agent http://127.0.0.1:8002 --web http://127.0.0.1:8080 --secrets .env --wait 60

Each check is a line on stdout with its milliseconds. The first wrong answer ends it, and one line on stderr says which
it was and what came. The ticket that is sent through the pages stays in the agent's database, as anybody's does.

Exit codes: 0 every answer is right, 1 one is not or a part is down, 2 something to mend: nothing answers at all, or
the secrets are missing.
"""

import argparse
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path

import _path  # noqa: F401
from callcenterai.core.cli import UserError, one_line, run
from callcenterai.delivery.env_file import parse_env
from callcenterai.delivery.smoke import ENGLISH, PATIENCE, Target, Wrong, checks_of, predict, short, told

PAUSE = 0.5


def main(argv: list[str] | None = None) -> int:
    """Parse the arguments and ask; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--agent", default="http://127.0.0.1:8002", metavar="URL", help="default: %(default)s")
    parser.add_argument("--web", default="http://127.0.0.1:8080", metavar="URL", help="default: %(default)s")
    parser.add_argument("--secrets", type=Path, default=Path(".env"), help="of make_secrets.py; default: %(default)s")
    parser.add_argument("--wait", type=float, default=60, help="seconds until it has to answer; default: %(default)g")
    args = parser.parse_args(argv)
    return run(lambda: ask_all(args))


def ask_all(args: argparse.Namespace) -> int:
    """Wait for the stack and check it; return the exit code."""
    if not args.secrets.is_file():
        raise UserError(f"{args.secrets}: no such file; `python scripts/make_secrets.py .env` makes it for a new stack")
    secrets = parse_env(args.secrets.read_text(encoding="utf-8"))
    target = target_of(args.agent, args.web, secrets, str(args.secrets))
    try:
        wait_until_ready(target, args.wait)
        check_all(target)
    except Wrong as wrong:
        print(f"wrong: {one_line(str(wrong))}", file=sys.stderr)
        return 1
    return 0


def target_of(agent: str, web: str, secrets: dict[str, str], source: str) -> Target:
    """Return the stack at these addresses; a UserError when the secrets, which are from source, lack one."""
    for name in ("AGENT_API_KEY", "WEB_PASSWORD"):
        if not secrets.get(name):
            raise UserError(f"{source} has no {name}; `python scripts/make_secrets.py` writes a file that has")
    for address in (agent, web):
        if not re.match(r"https?://[^/]", address):
            raise UserError(f"{address!r} is no address; one begins with http:// or https://")
    return Target(agent.rstrip("/"), web.rstrip("/"), secrets["AGENT_API_KEY"], secrets["WEB_PASSWORD"])


def wait_until_ready(target: Target, seconds: float) -> None:
    """Wait until the agent classifies and the pages are there.

    Raises a Wrong with what came last when time is up or waiting is no use, a UserError when nothing answers anywhere.
    """
    import requests

    ends = time.monotonic() + seconds
    while True:
        troubles, silent = [], 0
        for name, probe in (("agent", probe_agent), ("pages", probe_pages)):
            try:
                probe(target)
            except requests.RequestException as error:
                silent += isinstance(error, requests.ConnectionError)
                troubles.append(f"{name}: {short(error)}")
            except Wrong as wrong:
                troubles.append(f"{name}: {wrong}")
        if not troubles:
            return
        if time.monotonic() >= ends:
            break
        time.sleep(PAUSE)
    if silent == 2:
        raise UserError(
            f"nothing answers at {target.agent} or {target.web}; `docker compose up --build --detach --wait` starts "
            "the stack"
        )
    raise Wrong(f"not ready within {seconds:g} s: {'; '.join(troubles)}")


def probe_agent(target: Target) -> None:
    """Raise unless the agent classifies a ticket."""
    answer = predict(target, ENGLISH)
    if answer.status_code == 401:
        raise UserError(f"the agent at {target.agent} does not know this AGENT_API_KEY: name its own .env by --secrets")
    if answer.status_code != 200:
        raise Wrong(told(answer))


def probe_pages(target: Target) -> None:
    """Raise unless the pages are there."""
    import requests

    answer = requests.get(f"{target.web}/health", timeout=PATIENCE)
    if answer.status_code != 200:
        raise Wrong(told(answer))


def check_all(target: Target, say: Callable[[str], None] = print) -> None:
    """Say of each check how long it took; a Wrong at the first that fails."""
    import requests

    for name, check in checks_of(target):
        started = time.perf_counter()
        try:
            check()
        except requests.RequestException as error:
            raise Wrong(f"{name}: {short(error)}") from None
        except Wrong as wrong:
            raise Wrong(f"{name}: {wrong}") from None
        say(f"{name:<52}{1000 * (time.perf_counter() - started):7.0f} ms")


if __name__ == "__main__":
    sys.exit(main())
