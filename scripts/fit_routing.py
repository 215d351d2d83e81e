"""python scripts/fit_routing.py models/tfidf models/transformer

Learn how the agent answers: when it asks the transformer, how it combines both models, and when a person decides.

    dvc --cd transformer repro
    python scripts/fit_routing.py models/tfidf models/transformer --policy models/agent/policy.json

Reads the section `fit_routing` of params.yaml. The policy is learned from answers to tickets of train and validation by
models that had not learned from these; test is used once, for the figures. The policy names the models that it was
learned for: the agent ignores it when it is served by others.
"""

import argparse
import sys
from pathlib import Path

import _path  # noqa: F401  # it puts the package on the path
from callcenterai.core.cli import run


def main(argv: list[str] | None = None) -> int:
    """Parse the arguments and learn the policy; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tfidf", type=Path, help="folder with the model that answers every ticket")
    parser.add_argument("transformer", type=Path, help="folder with the model that is asked when the first is unsure")
    parser.add_argument("--params", type=Path, default=Path("params.yaml"), help="default: %(default)s")
    parser.add_argument("--data", type=Path, default=Path("data/processed"), help="folder; default: %(default)s")
    parser.add_argument("--policy", type=Path, default=Path("models/agent/policy.json"), help="default: %(default)s")
    parser.add_argument("--metrics", type=Path, default=Path("metrics/routing.json"), help="default: %(default)s")
    args = parser.parse_args(argv)
    return run(lambda: fit(args))


def fit(args: argparse.Namespace) -> None:
    """Learn the policy."""
    from callcenterai.routing import run_fit_routing

    folders = {"tfidf": args.tfidf, "transformer": args.transformer}
    run_fit_routing(folders, args.params, args.data, args.policy, args.metrics)


if __name__ == "__main__":
    sys.exit(main())
