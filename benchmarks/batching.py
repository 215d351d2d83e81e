"""Show what it gains that the transformer service answers concurrent requests together.

    python benchmarks/batching.py

The model is the one in models/transformer. The service runs as it is, then with BATCH_SIZE=1, so that each request is a
run of the model, and beside them a plain FastAPI service around the same exported model. How it is measured is written
in benchmarks/serving.py. Needs Linux, for /proc.
"""

import sys
from pathlib import Path

from serving import Peer, compare, plain


def main(argv: list[str] | None = None) -> int:
    """Measure and print the table; return the exit code."""
    return compare("transformer", make_peers, __doc__, argv)


def make_peers(model: Path) -> list[Peer]:
    """Return ours, ours without batches, and the plain service."""
    ours = [sys.executable, "-m", "services.transformer.app"]
    return [
        Peer("ours", ours, 8603, "/ready", "/predict", "text"),
        Peer("ours, BATCH_SIZE=1", ours, 8604, "/ready", "/predict", "text", {"BATCH_SIZE": "1"}),
        plain(model),
    ]


if __name__ == "__main__":
    sys.exit(main())
