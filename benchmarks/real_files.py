"""python benchmarks/real_files.py FOLDER

Compare our classifier with five lines of scikit-learn on every file of a folder, on the same splits.

    python benchmarks/real_files.py ~/exports
    python benchmarks/real_files.py spam.csv:v2:v1 tickets.csv.gz:Document:Topic_group
    python benchmarks/real_files.py train.csv:text:category --test-input test.csv

Columns are proposed as `setup_mlops.py --input` proposes them, unless FILE:TEXT:LABEL names them. Each file goes
through the stages prepare and train_tfidf with params.yaml as it is, changed by --set. The baselines are TF-IDF of
words (1-2) or of characters within words, each with LogisticRegression and LinearSVC, and otherwise scikit-learn's own
parameters; they are fitted on train + validation, as our final model is. Characters are 2-5, and 1-4 where most
tickets have Chinese, Japanese, Korean, Thai or similar letters, whose words are short. Each program runs on one
thread. CPU seconds are those of ours, with the choice of features, and of the baselines, and depend on the machine:
read them as ratios.

A set is under the bar if our accuracy is more than 0.3 points, or our macro F1 more than 1 point, below the best
baseline's; with fewer than 1,000 test tickets, if it is more than two standard errors below. The exit code is 1 if a
set is, or if our mean is not above that of the best baselines.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import _path  # noqa: F401  # it puts the package on the path
from callcenterai.core.cli import UserError, run
from stages import stage_commands, tracking_variables, write_params

BASELINES = ("words, LR", "words, SVC", "characters, LR", "characters, SVC")
FIGURES = ("accuracy", "macro F1")
COLUMNS = ("set", "test tickets", "chosen", "ours", "ECE", "routed", "of them right", *BASELINES, "CPU s", "verdict")
# In points: how far ours may be under the best baseline, and from how many test tickets on.
ALLOWED = {"accuracy": 0.3, "macro F1": 1.0}
LARGE = 1_000
# A 95% interval is so many standard errors wide.
INTERVAL = 3.92
# Korean, beside the scripts without spaces.
HANGUL = "\uac00-\ud7a3"


class Case(NamedTuple):
    """A file with its columns, None where they are to be proposed."""

    path: Path
    text: str | None = None
    label: str | None = None


class Outcome(NamedTuple):
    """The figures of one file, in per cent; baselines hold accuracy, macro F1 and CPU seconds by name."""

    name: str
    ours: dict[str, Any]
    baselines: dict[str, dict[str, float]]

    def difference(self, figure: str) -> float:
        """Return how far ours is above the best baseline, in points."""
        return self.ours[figure] - max(each[figure] for each in self.baselines.values())

    def shortfalls(self) -> list[str]:
        """Return the figures that are under the bar."""
        errors = {figure: 2 * self.ours[f"{figure}, error"] for figure in FIGURES}
        allowed = ALLOWED if self.ours["test"] >= LARGE else errors
        # In hundredths, as they are printed.
        return [figure for figure in FIGURES if round(self.difference(figure), 2) < -round(allowed[figure], 2)]


def main(argv: list[str] | None = None) -> int:
    """Compare on every file and print the table; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", help="folders, files, or FILE:TEXT:LABEL")
    parser.add_argument("--test-input", help="an official test split, for one file")
    parser.add_argument("--set", action="append", default=[], help="NAME=VALUE in section train_tfidf, for ours")
    parser.add_argument("--baselines", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    if args.baselines:
        print(json.dumps(measure_baselines(Path(args.files[0]))))
        return 0
    return run(lambda: compare_files(args))


def compare_files(args: argparse.Namespace) -> int:
    """Compare on every file and print the table; return 0 if the bar is met, else 1."""
    cases = [case for each in args.files for case in find_cases(each)]
    if args.test_input and len(cases) != 1:
        raise UserError("--test-input goes with one file")
    outcomes, refused = [], []
    for case in cases:
        print(f"{case.path} ...", file=sys.stderr)
        with tempfile.TemporaryDirectory() as folder:
            try:
                outcomes.append(compare_file(case, args, Path(folder)))
            except UserError as error:
                refused.append(f"{case.path.name}: {error}")
    if not outcomes:
        raise UserError("; ".join(refused) or "there is no file")
    print_markdown([COLUMNS, ["---"] * len(COLUMNS), *map(_row, outcomes)])
    for line in refused:
        print(f"not compared: {line}")
    means = {figure: sum(each.difference(figure) for each in outcomes) / len(outcomes) for figure in FIGURES}
    print(f"mean difference to the best baseline: {_points(means)}")
    met = all(mean > 0 for mean in means.values()) and not any(outcome.shortfalls() for outcome in outcomes)
    return int(not met)


def find_cases(argument: str) -> list[Case]:
    """Return the files that an argument names."""
    path = Path(argument)
    if path.is_dir():
        return [Case(each) for each in sorted(path.iterdir()) if each.is_file() and not each.name.startswith(".")]
    if path.is_file():
        return [Case(path)]
    name, *columns = argument.rsplit(":", 2)
    if len(columns) != 2 or not Path(name).is_file():
        raise UserError(f"{argument}: neither a folder, nor a file, nor FILE:TEXT:LABEL")
    return [Case(Path(name), *columns)]


def compare_file(case: Case, args: argparse.Namespace, folder: Path) -> Outcome:
    """Prepare a file, train ours and the baselines in folder, and return the figures."""
    import yaml

    changes = {name: yaml.safe_load(value) for name, value in (item.split("=") for item in args.set)}
    test_input = str(Path(args.test_input).resolve()) if args.test_input else None
    write_params(folder, prepare=read_columns(case) | {"test_input": test_input}, train_tfidf=changes)
    commands = stage_commands(folder)
    for script in ("prepare_data.py", "train_tfidf.py"):
        run_python(commands[script], folder)
    baselines = run_python([__file__, "--baselines", str(folder)], folder)
    return Outcome(case.path.name, read_ours(folder), json.loads(baselines))


def read_columns(case: Case) -> dict[str, Any]:
    """Return the parameters of section prepare that read the file."""
    from callcenterai.data.choice import propose_columns
    from callcenterai.formats.reader import ReadOptions

    found = {"input": str(case.path.resolve())}
    if case.text and case.label:
        return found | {"text_column": case.text, "label_column": case.label}
    proposal = propose_columns(case.path, ReadOptions())
    return found | proposal.options._asdict() | {"text_column": proposal.text, "label_column": proposal.label}


def run_python(arguments: list[str], folder: Path) -> str:
    """Run Python on one thread and return what it printed; a UserError with its last line when it fails."""
    one_thread = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    environment = os.environ | one_thread | tracking_variables(folder)
    command = [sys.executable, *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, encoding="utf-8", check=False)
    if done.returncode:
        raise UserError(done.stderr.strip().splitlines()[-1] if done.stderr.strip() else f"exit {done.returncode}")
    return done.stdout


def read_ours(folder: Path) -> dict[str, Any]:
    """Return our figures on test, in per cent, and what was chosen."""
    test = json.loads((folder / "tfidf.json").read_text(encoding="utf-8"))["test"]
    chosen = json.loads((folder / "tfidf" / "metadata.json").read_text(encoding="utf-8"))["chosen"]
    cost = json.loads((folder / "tfidf" / "run.json").read_text(encoding="utf-8"))["fit_cpu_seconds"]
    intervals = {"accuracy": test["accuracy_ci95"], "macro F1": test["macro_f1_ci95"]}
    errors = {f"{name}, error": 100 * (each["high"] - each["low"]) / INTERVAL for name, each in intervals.items()}
    routed = test["auto_route"]
    return {
        "test": test["tickets"],
        "features": ", ".join(str(value) for value in chosen.values()),
        "accuracy": 100 * test["accuracy"],
        "macro F1": 100 * test["macro_f1"],
        "ECE": 100 * test["ece"],
        "routed": 100 * routed["coverage"],
        "right": 100 * routed["accuracy"] if routed["accuracy"] is not None else None,
        "CPU s": cost,
        **errors,
    }


def measure_baselines(folder: Path) -> dict[str, dict[str, float]]:
    """Fit the four baselines and return accuracy and macro F1 on test, in per cent, and the CPU seconds of each."""
    import numpy as np
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import accuracy_score, f1_score
    from sklearn.pipeline import make_pipeline
    from sklearn.svm import LinearSVC

    from callcenterai.data.parts import read_parts

    parts = read_parts(folder / "data")
    texts, labels = (
        np.concatenate([getattr(parts[part], name) for part in ("train", "validation")]) for name in ("texts", "labels")
    )
    test = parts["test"]
    words = {"ngram_range": (1, 2)}
    characters = {"analyzer": "char_wb", "ngram_range": character_range(texts)}
    classifiers = (lambda: LogisticRegression(max_iter=1000), LinearSVC)
    recipes = [(vectorizer, classifier) for vectorizer in (words, characters) for classifier in classifiers]
    found = {}
    for name, (settings, make) in zip(BASELINES, recipes, strict=True):
        started = time.process_time()
        model = make_pipeline(TfidfVectorizer(**settings), make()).fit(texts, labels)
        predicted, seconds = model.predict(test.texts), time.process_time() - started
        f1 = f1_score(test.labels, predicted, labels=np.unique(test.labels), average="macro", zero_division=0.0)
        accuracy = accuracy_score(test.labels, predicted)
        found[name] = {"accuracy": 100 * accuracy, "macro F1": 100 * f1, "CPU s": seconds}
    return found


def character_range(texts: Any) -> tuple[int, int]:
    """Return how many characters the n-grams of the baselines have."""
    from callcenterai.text.normal_form import UNSPACED

    short_words = re.compile(f"{UNSPACED.pattern}|[{HANGUL}]")
    return (1, 4) if 2 * sum(bool(short_words.search(text)) for text in texts) > len(texts) else (2, 5)


def print_markdown(rows: Iterable[Sequence[str]]) -> None:
    """Print a table in Markdown."""
    for row in rows:
        print(f"| {' | '.join(row)} |")


def _row(outcome: Outcome) -> list[str]:
    """Return a row of COLUMNS; accuracy and macro F1 stand together, and so do the CPU seconds of all."""
    ours, others = outcome.ours, outcome.baselines
    right = "" if ours["right"] is None else f"{ours['right']:.1f}"
    both = [f"{each['accuracy']:.2f} / {each['macro F1']:.2f}" for each in (ours, *others.values())]
    seconds = ", ".join(f"{each['CPU s']:.0f}" for each in (ours, *others.values()))
    differences = _points({figure: outcome.difference(figure) for figure in FIGURES})
    under = outcome.shortfalls()
    verdict = f"{differences}: " + (f"UNDER in {' and '.join(under)}" if under else "met")
    start = [
        outcome.name,
        f"{ours['test']:,}",
        ours["features"],
        both[0],
        f"{ours['ECE']:.1f}",
        f"{ours['routed']:.1f}",
    ]
    return [*start, right, *both[1:], seconds, verdict]


def _points(differences: dict[str, float]) -> str:
    return ", ".join(f"{figure} {difference:+.2f}" for figure, difference in differences.items())


if __name__ == "__main__":
    sys.exit(main())
