"""Log a finished training to MLflow, for example when the tracking server was down at its end.

    python scripts/log_run.py
    python scripts/log_run.py --model models/tfidf --metrics metrics/tfidf.json --plots plots/tfidf

Everything is read from the files that the training wrote; nothing is trained and no file is changed. Where run.json is
missing, as after `dvc checkout`, the run does not show when and from which commit the model was trained. A report that
does not describe this model is left out.
"""

import argparse
import sys
from pathlib import Path

import _path  # noqa: F401  # it puts the package on the path
from callcenterai.core.cli import run


def main(argv: list[str] | None = None) -> int:
    """Parse the arguments and log the run; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=Path("models/tfidf"), help="folder; default: %(default)s")
    parser.add_argument("--metrics", type=Path, default=Path("metrics/tfidf.json"), help="default: %(default)s")
    parser.add_argument("--plots", type=Path, default=Path("plots/tfidf"), help="folder; default: %(default)s")
    report = Path("reports/model_report.html")
    parser.add_argument("--report", type=Path, default=report, help="page of the model; default: %(default)s")
    args = parser.parse_args(argv)
    return run(lambda: log_run(vars(args)))


def log_run(folders: dict[str, Path]) -> None:
    """Log the training's files and print the id of the run."""
    from callcenterai.tracking.runs import log_model_folder

    print(f"MLflow run {log_model_folder(folders)}")


if __name__ == "__main__":
    sys.exit(main())
