"""Ask a running stack what its users ask: the agent as programs do, the pages as a browser does.

    python scripts/smoke_test.py
    python scripts/smoke_test.py --agent http://127.0.0.1:8002 --web http://127.0.0.1:8080 --secrets .env --wait 60

Each check prints a line with its milliseconds on stdout. The first wrong answer ends the test, with one line on stderr
about the check and the answer. The ticket that is sent through the pages stays in the agent's database.

Exit codes: 0 every answer is right, 1 an answer is wrong or a part is down, 2 an error that you can fix: nothing
answers at all, or the secrets are missing.
"""

import argparse
import sys
from pathlib import Path

import _path  # noqa: F401  # it puts the package on the path
from callcenterai.core.cli import run


def main(argv: list[str] | None = None) -> int:
    """Parse the arguments and run the smoke test; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--agent", default="http://127.0.0.1:8002", metavar="URL", help="default: %(default)s")
    parser.add_argument("--web", default="http://127.0.0.1:8080", metavar="URL", help="default: %(default)s")
    parser.add_argument(
        "--secrets", type=Path, default=Path(".env"), help="file of make_secrets.py; default: %(default)s"
    )
    parser.add_argument("--wait", type=float, default=60, help="seconds to wait for the stack; default: %(default)g")
    args = parser.parse_args(argv)
    return run(lambda: smoke_test(args))


def smoke_test(args: argparse.Namespace) -> int:
    """Ask the stack; return the exit code."""
    from callcenterai.delivery.smoke import run_smoke_test

    return run_smoke_test(args.agent, args.web, args.secrets, args.wait)


if __name__ == "__main__":
    sys.exit(main())
