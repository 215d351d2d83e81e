"""Show what a ticket costs on its way through the agent: scrubbed, its language found, routed, kept when unsure.

    python benchmarks/agent.py

The model is the one in models/tfidf, asked directly and through the agent, which keeps what a person has to decide in a
SQLite database. How it is measured is written in benchmarks/serving.py; here service, agent and client share the cores.
Needs Linux, for /proc.
"""

import contextlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from serving import ROOT, Peer, compare, wait_until_ready

SERVICE = [sys.executable, "-m", "services.tfidf.app"]
BEHIND = 8608


def main(argv: list[str] | None = None) -> int:
    """Measure and print the table; return the exit code."""
    with contextlib.ExitStack() as stack:
        return compare("tfidf", lambda model: make_peers(model, stack), __doc__, argv)


def make_peers(model: Path, stack: contextlib.ExitStack) -> list[Peer]:
    """Return the service, and the agent before another one of it that runs until the stack is closed."""
    folder = stack.enter_context(tempfile.TemporaryDirectory())
    variables = os.environ | {"PORT": str(BEHIND), "MODEL_DIR": str(model)}
    behind = subprocess.Popen(SERVICE, cwd=ROOT, env=variables, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    stack.callback(behind.wait)
    stack.callback(behind.kill)
    url = f"http://127.0.0.1:{BEHIND}"
    wait_until_ready(f"{url}/ready", behind)
    agent = {"TFIDF_URL": url, "DATABASE_URL": f"sqlite:///{folder}/agent.db"}
    return [
        Peer("the tfidf service", SERVICE, 8606, "/ready", "/predict", "text"),
        Peer("the agent", [sys.executable, "-m", "services.agent.app"], 8607, "/ready", "/predict", "text", agent),
    ]


if __name__ == "__main__":
    sys.exit(main())
