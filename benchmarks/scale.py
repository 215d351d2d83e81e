"""python benchmarks/scale.py FILE --text-column C

Measure how cost grows with the number of tickets: classifying them and, with --label-column, preparing and training.

    python benchmarks/scale.py tickets.csv.gz --text-column body --tickets 100000 1000000 5000000 --rounds 3
    python benchmarks/scale.py tickets.csv.gz --text-column body --label-column topic --tickets --times 1 10 50

Each run is a process; its start counts, and memory is that of the largest process. To classify, tickets are drawn from
FILE with replacement and without a tenth of their words. scripts/predict_batch.py runs with one worker, with two, and
with everything on one core; for the smallest number, a plain loop of pandas.read_csv and the pipeline's predict_proba
runs too. They take turns in each of --rounds, and the table shows the fastest run of each, because other programs may
slow the machine down at times. To prepare and train, the tickets are multiplied by copies in which a third of the words
come from another ticket of the same category. Needs Linux or macOS.
"""

import argparse
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import _path  # noqa: F401  # it puts the package on the path
from callcenterai.core.cli import positive, run
from process_cost import Cost, measure_process
from stages import stage_commands, tracking_variables, write_params

PLAIN_LOOP = """
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
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, help="tickets as .csv or .csv.gz")
    parser.add_argument("--text-column", default="text", help="default: %(default)s")
    parser.add_argument("--label-column", help="also prepare and train")
    parser.add_argument("--model", type=Path, default=Path("models/tfidf"), help="folder; default: %(default)s")
    counts = [100_000, 1_000_000]
    parser.add_argument("--tickets", type=positive, nargs="*", default=counts, help="default: %(default)s")
    parser.add_argument("--times", type=positive, nargs="+", default=[1, 10], help="default: %(default)s")
    parser.add_argument("--rounds", type=positive, default=1, help="how often to classify; default: %(default)s")
    parser.add_argument("--only-prepare", action="store_true", help="do not train")
    args = parser.parse_args(argv)
    return run(lambda: print_scale_tables(args))


def print_scale_tables(args: argparse.Namespace) -> None:
    """Print the table of classifying and, with --label-column, that of preparing and training."""
    if args.tickets:
        print(table_header("times as fast as one worker"), flush=True)
        measure_classifying(args)
    if args.label_column:
        print(table_header("s a ticket, against the first"), flush=True)
        measure_stages(args)


def table_header(last: str) -> str:
    """Return the first two lines of a table."""
    names = (*COLUMNS, last)
    return f"| {' | '.join(names)} |\n|{'---|' * len(names)}"


def print_cost(name: str, count: int, cost: Cost, ratio: float) -> None:
    """Print a line of a table."""
    figures = [f"{count:,}", f"{cost.seconds:.1f}", f"{cost.cpu:.1f}", f"{count / cost.cpu:,.0f}", f"{cost.memory:.0f}"]
    print(f"| {name} | {' | '.join(figures)} | {ratio:.2f} |", flush=True)


def read_frame(args: argparse.Namespace) -> Any:
    """Return FILE as a data frame of text columns."""
    import pandas as pd

    return pd.read_csv(args.file, dtype=str, keep_default_na=False)


def measure_classifying(args: argparse.Namespace) -> None:
    """Measure classifying for each number of tickets."""
    from synthetic_tickets import draw_tickets

    texts = read_frame(args)[args.text_column].tolist()
    for place, count in enumerate(sorted(args.tickets)):
        with tempfile.TemporaryDirectory() as folder:
            tickets = draw_tickets(Path(folder) / "tickets.csv", texts, count)
            runs = {
                f"predict_batch.py, {each} at work": (batch_arguments(tickets, args.model, each), None)
                for each in (1, 2)
            }
            if hasattr(os, "sched_setaffinity"):
                one = {min(os.sched_getaffinity(0))}
                runs["predict_batch.py, 1 at work, all on one core"] = batch_arguments(tickets, args.model, 1), one
            if not place:
                runs["plain loop"] = ["-c", PLAIN_LOOP, str(tickets), str(args.model), folder], None
            fastest: dict[str, Cost] = {}
            for _ in range(args.rounds):
                for name, (command, cores) in runs.items():
                    cost = measure_process(f"{count:,}: {name}", command, cores)
                    fastest[name] = min(cost, fastest.get(name, cost))
                    shutil.rmtree(Path(folder) / "predictions", ignore_errors=True)
            base, *_ = fastest.values()
            for name, cost in fastest.items():
                print_cost(name, count, cost, base.seconds / cost.seconds)


def batch_arguments(tickets: Path, model: Path, workers: int) -> list[str]:
    """Return the arguments of a run of predict_batch.py."""
    output = tickets.with_name("predictions")
    return ["scripts/predict_batch.py", str(tickets), str(output), "--model", str(model), "--workers", str(workers)]


def measure_stages(args: argparse.Namespace) -> None:
    """Measure the stages prepare and train_tfidf for each multiple of the tickets."""
    from synthetic_tickets import multiply_tickets

    frame = read_frame(args)
    texts, labels = frame[args.text_column].tolist(), frame[args.label_column].tolist()
    first: dict[str, float] = {}
    for times in sorted(args.times):
        with tempfile.TemporaryDirectory() as folder:
            multiply_tickets(Path(folder) / "tickets.csv", texts, labels, times)
            count = len(texts) * times
            columns = {"text_column": "text", "label_column": "category"}
            write_params(Path(folder), prepare=columns | {"input": str(Path(folder) / "tickets.csv")})
            for name in ["prepare_data.py"] if args.only_prepare else ["prepare_data.py", "train_tfidf.py"]:
                cost = measure_process(
                    f"{count:,}: {name}", stage_commands(Path(folder))[name], **tracking_variables(Path(folder))
                )
                each = cost.seconds / count
                print_cost(f"{name}, {times} times", count, cost, each / first.setdefault(name, each))


if __name__ == "__main__":
    sys.exit(main())
