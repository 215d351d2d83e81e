"""python scripts/check_image.py tfidf callcenterai-tfidf --model models/tfidf
python scripts/check_image.py web callcenterai-web --engine podman

Start an image as production does, read-only and without privileges, and check that it is fit for production.

Each check prints one line. With --model, a model service must answer a ticket. Without a model, it must be alive and
report that it is not ready; so must the agent and the pages, which run here without the services that they ask. The
container is always removed. Exit codes: 0 every check passed; 1 a check failed (the end of the service's log is on
stderr); 2 an error that you can fix. Needs only the standard library.
"""

import argparse
import sys
from pathlib import Path

import _path  # noqa: F401  # it puts the package on the path
from callcenterai.core.cli import run
from callcenterai.delivery.engine import ENGINES
from callcenterai.delivery.image_checks import SERVICE_LIMITS, check_image


def main(argv: list[str] | None = None) -> int:
    """Parse the arguments and check the image; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("service", choices=SERVICE_LIMITS)
    parser.add_argument("image", help="name or id of a local image")
    parser.add_argument("--model", type=Path, help="model folder for tfidf and transformer; mounted read-only")
    parser.add_argument("--engine", choices=ENGINES, help="default: docker if it responds, else podman")
    args = parser.parse_args(argv)
    return run(lambda: check_image(args.service, args.image, args.model, args.engine))


if __name__ == "__main__":
    sys.exit(main())
