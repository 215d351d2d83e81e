"""Train a transformer on the prepared tickets, calibrate it, export it to ONNX and evaluate what was exported.

    dvc --cd transformer repro
    python scripts/train_transformer.py --params params.yaml --data data/processed --model models/transformer

Needs `python setup_mlops.py transformer` once, which installs PyTorch. Reads the section `train_transformer` of
params.yaml. The model learns from train and validation, and everything is chosen on answers by members that had not
learned from the ticket; test is evaluated once, through the exported model. A training that was killed resumes after
its last whole epoch. The run is tracked in MLflow.
"""

import argparse
import sys
from pathlib import Path

import _path  # noqa: F401  # it puts the package on the path
from callcenterai.core.cli import run


def main(argv: list[str] | None = None) -> int:
    """Parse the arguments and train; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--params", type=Path, default=Path("params.yaml"), help="default: %(default)s")
    parser.add_argument("--data", type=Path, default=Path("data/processed"), help="folder; default: %(default)s")
    parser.add_argument("--model", type=Path, default=Path("models/transformer"), help="folder; default: %(default)s")
    parser.add_argument("--metrics", type=Path, default=Path("metrics/transformer.json"), help="default: %(default)s")
    parser.add_argument("--plots", type=Path, default=Path("plots/transformer"), help="folder; default: %(default)s")
    args = parser.parse_args(argv)
    folders = {"model": args.model, "metrics": args.metrics, "plots": args.plots}
    return run(lambda: train(args.params, args.data, folders))


def train(params: Path, data: Path, folders: dict[str, Path]) -> None:
    """Run the stage."""
    from callcenterai.transformer.stage import run_transformer_stage

    run_transformer_stage(params, data, folders)


if __name__ == "__main__":
    sys.exit(main())
