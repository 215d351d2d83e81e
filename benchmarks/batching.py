"""python benchmarks/batching.py

Measure what the transformer service gains by answering concurrent requests in batches.

The model is the one in models/transformer. Three services take turns: ours as it is, ours with BATCH_SIZE=1, so that
each request is a run of the model, and a plain FastAPI service around the same exported model. benchmarks/serving.py
describes the measurement. Needs Linux, for /proc.
"""

import sys
from pathlib import Path

from serving import Peer, compare_services, plain_peer


def main(argv: list[str] | None = None) -> int:
    """Measure and print the table; return the exit code."""
    return compare_services("transformer", make_peers, __doc__, argv)


def make_peers(model: Path) -> list[Peer]:
    """Return our service, our service without batches, and the plain one."""
    ours = [sys.executable, "-m", "services.transformer.app"]
    return [
        Peer("ours", ours, 8603, "/ready", "/predict", "text"),
        Peer("ours, BATCH_SIZE=1", ours, 8604, "/ready", "/predict", "text", {"BATCH_SIZE": "1"}),
        plain_peer(model),
    ]


if __name__ == "__main__":
    sys.exit(main())
