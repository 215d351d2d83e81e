"""Deploy four images by digest, test them, and go back to what ran before if a test fails.

    python scripts/deploy_staging.py images.env
    python scripts/deploy_staging.py images.env --first-model models/tfidf
    python scripts/deploy_staging.py images.env --host deploy@staging.example --ssh-config ssh_config

images.env holds TFIDF_IMAGE, TRANSFORMER_IMAGE, AGENT_IMAGE and WEB_IMAGE, each as name@sha256:..., because a tag may
name another image tomorrow. MLflow's image is built on the host. The stack is that of compose.yaml, in this folder or,
with --host, in a folder of that machine, to which compose.yaml and what it mounts are sent; the secrets are in the .env
there. --first-model promotes a model through the gates if the registry has none of its kind in Production.

What runs now is asked of docker or podman, so after a deployment was killed you just start it again. Exit codes: 0 the
new images run and answer; 1 they do not, and stderr says what runs now; 2 an error that you can fix, and nothing was
changed.
"""

import argparse
import sys
from pathlib import Path

import _path  # noqa: F401  # it puts the package on the path
from callcenterai.core.cli import run
from callcenterai.core.files import REPOSITORY


def main(argv: list[str] | None = None) -> int:
    """Parse the arguments and deploy; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("images", type=Path, help="images.env")
    parser.add_argument("--host", metavar="USER@HOST", help="deploy there with ssh; default: on this machine")
    parser.add_argument(
        "--ssh-config", type=Path, metavar="FILE", help="for ssh -F: the key, the known hosts, the port"
    )
    parser.add_argument(
        "--folder", help="with compose.yaml and .env; default: this one or, on another host, callcenterai"
    )
    parser.add_argument("--project", default="callcenterai", help="compose's project; default: %(default)s")
    parser.add_argument("--compose", default="docker compose", help="or podman-compose; default: %(default)s")
    parser.add_argument("--first-model", type=Path, action="append", default=[], metavar="models/NAME")
    parser.add_argument(
        "--params", type=Path, default=REPOSITORY / "params.yaml", help="for the gates; default: %(default)s"
    )
    parser.add_argument(
        "--data", type=Path, default=REPOSITORY / "data" / "processed", help="for the gates; default: %(default)s"
    )
    parser.add_argument("--wait", type=float, default=180, help="seconds to wait for the stack; default: %(default)g")
    args = parser.parse_args(argv)
    return run(lambda: deploy(args))


def deploy(args: argparse.Namespace) -> int:
    """Deploy; return the exit code."""
    from callcenterai.delivery.deployment import deploy_staging

    return deploy_staging(
        images_file=args.images,
        first_models=args.first_model,
        host=(args.host, args.folder, args.ssh_config),
        compose=args.compose,
        project=args.project,
        params=args.params,
        data=args.data,
        seconds=args.wait,
    )


if __name__ == "__main__":
    sys.exit(main())
