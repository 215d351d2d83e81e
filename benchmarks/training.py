"""python benchmarks/training.py FILE --text-column C --label-column C

Compare our classifier with two public baselines on the same split.

    python benchmarks/training.py tickets.csv.gz --text-column Document --label-column Topic_group

The baselines are trained on train + validation, as our final model is. Each model runs in its own process, so that peak
memory is its own, and on one thread, because the waiting of a second thread would count as CPU time. CPU seconds depend
on the machine: read them as ratios.

    (a) TF-IDF, 5,000 features, SVC(kernel="linear", max_iter=1000): what many published examples configure
    (b) TF-IDF 1-2 grams, 100,000 features, balanced logistic regression, 5-fold sigmoid calibration
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import _path  # noqa: F401  # it puts the package on the path
from stages import stage_commands, write_params

NAMES = {"ours": "ours", "a": "(a) SVC, 5,000 features", "b": "(b) balanced LR, calibrated"}


def main(argv: list[str] | None = None) -> int:
    """Parse the arguments, prepare the split, measure each model in its own process, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("input", help="tickets, in any format that prepare reads")
    parser.add_argument("--test-input", help="an official test split")
    parser.add_argument("--text-column", default="text", help="default: %(default)s")
    parser.add_argument("--label-column", default="category", help="default: %(default)s")
    parser.add_argument("--set", action="append", default=[], help="NAME=VALUE in section train_tfidf, for ours")
    parser.add_argument("--only", choices=NAMES, help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    if args.only:
        print(json.dumps(measure_model(args.only, Path(args.input))))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        prepare_split(args, Path(folder))
        command = [sys.executable, __file__, folder, "--only"]
        one_thread = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        results = {name: json.loads(subprocess.check_output([*command, name], env=one_thread)) for name in NAMES}
    print_results(results)
    return 0


def prepare_split(args: argparse.Namespace, folder: Path) -> None:
    """Write params.yaml and the split into folder."""
    import yaml

    columns = {"text_column": args.text_column, "label_column": args.label_column}
    inputs = {"input": args.input, "test_input": args.test_input}
    changes = {name: yaml.safe_load(value) for name, value in (item.split("=") for item in args.set)}
    write_params(folder, prepare=columns | inputs, train_tfidf=changes)
    done = subprocess.run([sys.executable, *stage_commands(folder)["prepare_data.py"]], stdout=sys.stderr, check=False)
    if done.returncode:
        sys.exit(done.returncode)


def measure_model(name: str, folder: Path) -> dict[str, float]:
    """Fit one model and return accuracy, macro F1, CPU seconds, peak memory (MB), size (MB) and latencies (ms)."""
    import numpy as np
    import skops.io
    from sklearn.metrics import accuracy_score, f1_score

    from callcenterai.data.parts import read_part

    parts = {part: read_part(folder / "data", part) for part in ("train", "validation", "test")}
    started = time.process_time()
    model = fit_model(name, parts, folder)
    seconds = time.process_time() - started
    memory = peak_megabytes()
    texts, true = parts["test"].texts, parts["test"].labels
    started = time.perf_counter()
    predicted = model.predict(texts)
    batch = 1000 * (time.perf_counter() - started) / len(texts)
    singles = []
    for text in texts[:200]:
        started = time.perf_counter()
        model.predict([text])
        singles.append(1000 * (time.perf_counter() - started))
    return {
        "accuracy": 100 * accuracy_score(true, predicted),
        "macro F1": 100 * f1_score(true, predicted, average="macro"),
        "fit, CPU s": seconds,
        "peak MB": memory,
        "model MB": len(skops.io.dumps(model)) / 1e6,
        "one ticket, ms": float(np.median(singles)),
        "in a batch, ms": batch,
    }


def peak_megabytes() -> float:
    """Return this process's peak memory, or nan on Windows, which has no getrusage."""
    try:
        import resource
    except ImportError:
        return float("nan")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6


def fit_model(name: str, parts: dict, folder: Path) -> Any:
    """Return the fitted model."""
    import warnings

    import numpy as np
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.svm import SVC

    if name == "ours":
        from callcenterai.core.params import TrainTfidfParameters, read_parameters
        from callcenterai.tfidf import model as tfidf_model

        params = read_parameters(folder / "params.yaml", "train_tfidf", TrainTfidfParameters)
        return tfidf_model.fit_pipeline(parts["train"], parts["validation"], params).pipeline
    texts = np.concatenate([parts["train"].texts, parts["validation"].texts])
    labels = np.concatenate([parts["train"].labels, parts["validation"].labels])
    if name == "a":
        # 1,000 iterations are too few to converge, but that is what the published examples use.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = make_pipeline(TfidfVectorizer(max_features=5000), SVC(kernel="linear", max_iter=1000))
    else:
        regression = LogisticRegression(class_weight="balanced", max_iter=1000)
        vectorizer = TfidfVectorizer(ngram_range=(1, 2), max_features=100_000)
        model = make_pipeline(vectorizer, CalibratedClassifierCV(regression, method="sigmoid", cv=5))
    return model.fit(texts, labels)


def print_results(results: dict[str, dict[str, float]]) -> None:
    """Print the results as a Markdown table, and below it how ours compares with each baseline."""
    columns = list(results["ours"])
    print("| model | " + " | ".join(columns) + " |")
    print("|---|" + "---|" * len(columns))
    for name, figures in results.items():
        print(f"| {NAMES[name]} | " + " | ".join(f"{figures[column]:.2f}" for column in columns) + " |")
    ours = results["ours"]
    for name in ("a", "b"):
        other = results[name]
        print(
            f"\nAgainst ({name}): accuracy {ours['accuracy'] - other['accuracy']:+.2f} points, "
            f"macro F1 {ours['macro F1'] - other['macro F1']:+.2f} points, "
            f"fit {ours['fit, CPU s'] / other['fit, CPU s']:.3f} x the CPU time"
        )


if __name__ == "__main__":
    sys.exit(main())
