"""Log a finished training to MLflow, for example when the tracking server was down at its end.

    python scripts/log_run.py
    python scripts/log_run.py --model models/tfidf --metrics metrics/tfidf.json --plots plots/tfidf

Everything is read from the files that the training wrote; nothing is trained and no file is changed. Where run.json is
missing, as after `dvc checkout`, the run does not show when and from which commit the model was trained.
"""

import argparse
import sys
from pathlib import Path

import _path  # noqa: F401
from callcenterai.core.cli import UserError, run


def main(argv: list[str] | None = None) -> int:
    """Parse the arguments and log the run; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=Path("models/tfidf"), help="folder; default: %(default)s")
    parser.add_argument("--metrics", type=Path, default=Path("metrics/tfidf.json"), help="default: %(default)s")
    parser.add_argument("--plots", type=Path, default=Path("plots/tfidf"), help="folder; default: %(default)s")
    args = parser.parse_args(argv)
    return run(lambda: log({"model": args.model, "metrics": args.metrics, "plots": args.plots}))


def log(folders: dict[str, Path]) -> None:
    """Load the model through the safe path and log it with its metadata, metrics and plots."""
    from callcenterai.artifact.folder import RUN_FILE, kind_named, load_model, read_metadata, read_run_facts

    metadata = read_metadata(folders["model"])
    if not read_run_facts(folders["model"]):
        print(
            f"warning: {folders['model'] / RUN_FILE} is missing or belongs to another training: the run will not show "
            "when and from which commit the model was trained",
            file=sys.stderr,
        )
    model = load_model(folders["model"])
    if not folders["metrics"].is_file():
        raise UserError(f"{folders['metrics']}: no such file; `dvc repro` makes it")

    from callcenterai.tracking import store as tracking

    experiment = tracking.connect(kind_named(metadata["name"]))
    print(f"MLflow run {tracking.log_training(experiment, model, metadata, folders)}")


if __name__ == "__main__":
    sys.exit(main())
