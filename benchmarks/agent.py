"""python benchmarks/agent.py

Measure what the agent adds to the cost of a ticket: it scrubs the text, detects its language, chooses the model, and
stores tickets that a person has to decide.

The model is the one in models/tfidf, asked directly and through the agent, whose database is SQLite.
benchmarks/serving.py describes the measurement; here service, agent and client share the cores. Needs Linux, for /proc.
"""

import contextlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from _path import ROOT
from serving import Peer, compare_services, wait_until_ready

SERVICE = [sys.executable, "-m", "services.tfidf.app"]
SERVICE_PORT = 8608


def main(argv: list[str] | None = None) -> int:
    """Measure and print the table; return the exit code."""
    with contextlib.ExitStack() as stack:
        return compare_services("tfidf", lambda model: make_peers(model, stack), __doc__, argv)


def make_peers(model: Path, stack: contextlib.ExitStack) -> list[Peer]:
    """Return the service, and the agent in front of a second instance, which runs until the stack is closed."""
    folder = stack.enter_context(tempfile.TemporaryDirectory())
    variables = os.environ | {"PORT": str(SERVICE_PORT), "MODEL_DIR": str(model)}
    service = subprocess.Popen(SERVICE, cwd=ROOT, env=variables, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    stack.callback(service.wait)
    stack.callback(service.kill)
    url = f"http://127.0.0.1:{SERVICE_PORT}"
    wait_until_ready(f"{url}/ready", service)
    agent = {"TFIDF_URL": url, "DATABASE_URL": f"sqlite:///{folder}/agent.db"}
    return [
        Peer("the tfidf service", SERVICE, 8606, "/ready", "/predict", "text"),
        Peer("the agent", [sys.executable, "-m", "services.agent.app"], 8607, "/ready", "/predict", "text", agent),
    ]


if __name__ == "__main__":
    sys.exit(main())
