"""Show how cost grows with the number of tickets: classifying them and, with --label-column, preparing and training.

    python benchmarks/scale.py FILE --text-column C
    python benchmarks/scale.py tickets.csv.gz --text-column body --tickets 100000 1000000 5000000 --rounds 3
    python benchmarks/scale.py tickets.csv.gz --text-column body --label-column topic --tickets --times 1 10 50

Each run is a process of its own, start included, and memory is that of the largest. Classifying: FILE's tickets are
drawn again and again, a tenth of the words of each left out, for scripts/predict_batch.py with one worker, two, and
with all of it on one core; for the smallest number also beside a plain loop of pandas.read_csv and the pipeline's
predict_proba. They take turns in each of --rounds, and the fastest run of each is shown: a machine that others use too
is slower at times. Preparing and training: the tickets and copies of them, in which a third of the words are those of
another ticket of the same category. Needs Linux or macOS.
"""

import argparse
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from process_cost import ROOT, Cost, measure
from stages import commands, tracked_in, write_params

sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]

PLAIN = """
import sys
import pandas as pd
sys.path.insert(0, ".")
from pathlib import Path
from callcenterai.artifact.folder import load_model

model = load_model(Path(sys.argv[2]))
for number, part in enumerate(pd.read_csv(sys.argv[1], chunksize=10_000)):
    probabilities = model.predict_proba(part["text"].astype(str).tolist())
    best = model.classes_[probabilities.argmax(axis=1)]
    answers = pd.DataFrame({"category": best, "confidence": probabilities.max(axis=1)})
    answers.to_parquet(Path(sys.argv[3]) / f"{number}.parquet")
"""
COLUMNS = ("run", "tickets", "s", "CPU s", "tickets a CPU second", "MB")


def main(argv: list[str] | None = None) -> int:
    """Parse the arguments, measure and print the tables; return the exit code."""
    from callcenterai.core.cli import positive, run

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, help="tickets as .csv or .csv.gz")
    parser.add_argument("--text-column", default="text", help="default: %(default)s")
    parser.add_argument("--label-column", help="prepare and train too")
    parser.add_argument("--model", type=Path, default=Path("models/tfidf"), help="folder; default: %(default)s")
    counts = [100_000, 1_000_000]
    parser.add_argument("--tickets", type=positive, nargs="*", default=counts, help="default: %(default)s")
    parser.add_argument("--times", type=positive, nargs="+", default=[1, 10], help="default: %(default)s")
    parser.add_argument("--rounds", type=positive, default=1, help="of classifying; default: %(default)s")
    parser.add_argument("--only-prepare", action="store_true", help="do not train")
    args = parser.parse_args(argv)
    return run(lambda: print_tables(args))


def print_tables(args: argparse.Namespace) -> None:
    """Print a table of classifying and, if asked for, one of preparing and training."""
    if args.tickets:
        print(header("times as fast as one worker"), flush=True)
        classify(args)
    if args.label_column:
        print(header("s a ticket, against the first"), flush=True)
        prepare_and_train(args)


def header(last: str) -> str:
    """Return the first two lines of a table."""
    names = (*COLUMNS, last)
    return f"| {' | '.join(names)} |\n|{'---|' * len(names)}"


def row(name: str, count: int, cost: Cost, ratio: float) -> None:
    """Print a line of a table."""
    figures = [f"{count:,}", f"{cost.seconds:.1f}", f"{cost.cpu:.1f}", f"{count / cost.cpu:,.0f}", f"{cost.memory:.0f}"]
    print(f"| {name} | {' | '.join(figures)} | {ratio:.2f} |", flush=True)


def read(args: argparse.Namespace) -> Any:
    """Return FILE as a data frame of texts."""
    import pandas as pd

    return pd.read_csv(args.file, dtype=str, keep_default_na=False)


def classify(args: argparse.Namespace) -> None:
    """Measure classifying, one number of tickets after the other."""
    from more_tickets import draw

    texts = read(args)[args.text_column].tolist()
    for place, count in enumerate(sorted(args.tickets)):
        with tempfile.TemporaryDirectory() as folder:
            tickets = draw(Path(folder) / "tickets.csv", texts, count)
            runs = {f"predict_batch.py, {each} at work": (ours(tickets, args.model, each), None) for each in (1, 2)}
            if hasattr(os, "sched_setaffinity"):
                one = {min(os.sched_getaffinity(0))}
                runs["predict_batch.py, 1 at work, all on one core"] = ours(tickets, args.model, 1), one
            if not place:
                runs["plain loop"] = ["-c", PLAIN, str(tickets), str(args.model), folder], None
            fastest: dict[str, Cost] = {}
            for _ in range(args.rounds):
                for name, (command, cores) in runs.items():
                    cost = measure(f"{count:,}: {name}", command, cores)
                    fastest[name] = min(cost, fastest.get(name, cost))
                    shutil.rmtree(Path(folder) / "predictions", ignore_errors=True)
            base, *_ = fastest.values()
            for name, cost in fastest.items():
                row(name, count, cost, base.seconds / cost.seconds)


def ours(tickets: Path, model: Path, workers: int) -> list[str]:
    """Return the arguments of a run of predict_batch.py."""
    output = tickets.with_name("predictions")
    return ["scripts/predict_batch.py", str(tickets), str(output), "--model", str(model), "--workers", str(workers)]


def prepare_and_train(args: argparse.Namespace) -> None:
    """Measure the pipeline's two stages, one multiple of the tickets after the other."""
    from more_tickets import multiply

    frame = read(args)
    texts, labels = frame[args.text_column].tolist(), frame[args.label_column].tolist()
    first: dict[str, float] = {}
    for times in sorted(args.times):
        with tempfile.TemporaryDirectory() as folder:
            multiply(Path(folder) / "tickets.csv", texts, labels, times)
            count = len(texts) * times
            columns = {"text_column": "text", "label_column": "category"}
            write_params(Path(folder), prepare=columns | {"input": str(Path(folder) / "tickets.csv")})
            for name in ["prepare_data.py"] if args.only_prepare else ["prepare_data.py", "train_tfidf.py"]:
                cost = measure(f"{count:,}: {name}", commands(Path(folder))[name], **tracked_in(Path(folder)))
                each = cost.seconds / count
                row(f"{name}, {times} times", count, cost, each / first.setdefault(name, each))


if __name__ == "__main__":
    sys.exit(main())
