"""Show what classifying many tickets costs: CPU time, memory, and what a second worker gains.

    python benchmarks/scale.py FILE --text-column C
    python benchmarks/scale.py tickets.csv.gz --text-column body --tickets 100000 1000000

FILE's tickets are drawn again and again, a tenth of the words of each left out, until there are enough. Each run is a
process of its own, start included: scripts/predict_batch.py with one worker and with two, and, for the smallest size, a
plain loop of pandas.read_csv and the pipeline's predict_proba. Memory is that of the largest process. Needs Linux or
macOS, for wait4.
"""

import argparse
import csv
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
PLAIN = """
import sys
import pandas as pd
sys.path.insert(0, "scripts")
from pathlib import Path
from model_folder import load_model

model = load_model(Path(sys.argv[2]))
for number, part in enumerate(pd.read_csv(sys.argv[1], chunksize=10_000)):
    probabilities = model.predict_proba(part["text"].astype(str).tolist())
    best = model.classes_[probabilities.argmax(axis=1)]
    answers = pd.DataFrame({"category": best, "confidence": probabilities.max(axis=1)})
    answers.to_parquet(Path(sys.argv[3]) / f"{number}.parquet")
"""


class Cost(NamedTuple):
    """Of a process and its children: on the clock and of CPU time, s; the largest one's memory, MB."""

    seconds: float
    cpu: float
    memory: float


def main(argv: list[str] | None = None) -> int:
    """Measure and print the table; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, help="tickets as .csv or .csv.gz")
    parser.add_argument("--text-column", default="text", help="default: %(default)s")
    parser.add_argument("--model", type=Path, default=Path("models/tfidf"), help="folder; default: %(default)s")
    parser.add_argument("--tickets", type=int, nargs="+", default=[100_000, 1_000_000], help="default: %(default)s")
    args = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        print("\n".join(table(args, Path(folder))))
    return 0


def table(args: argparse.Namespace, folder: Path) -> list[str]:
    """Return the lines of the table."""
    import pandas as pd

    texts = pd.read_csv(args.file, dtype=str, keep_default_na=False)[args.text_column].tolist()
    lines = ["| run | tickets | s | CPU s | tickets a CPU second | MB | times as fast as one worker |"]
    lines.append("|---|---|---|---|---|---|---|")
    for place, count in enumerate(sorted(args.tickets)):
        tickets = write_tickets(folder / f"{count}.csv", texts, count)
        commands = {f"predict_batch.py, {each} at work": ours(tickets, args.model, each) for each in (1, 2)}
        if not place:
            (folder / "plain").mkdir()
            commands["plain loop"] = ["-c", PLAIN, str(tickets), str(args.model), str(folder / "plain")]
        costs = {name: measure(f"{count:,}: {name}", command) for name, command in commands.items()}
        base = next(iter(costs.values()))
        for name, cost in costs.items():
            figures = [f"{count:,}", f"{cost.seconds:.1f}", f"{cost.cpu:.1f}", f"{count / cost.cpu:,.0f}"]
            figures += [f"{cost.memory:.0f}", f"{base.seconds / cost.seconds:.2f}"]
            lines.append(f"| {name} | {' | '.join(figures)} |")
    return lines


def write_tickets(path: Path, texts: list[str], count: int) -> Path:
    """Write so many tickets, drawn with replacement and perturbed, and return the path."""
    import numpy as np

    generator = np.random.default_rng(1)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["text"])
        for number in generator.integers(len(texts), size=count):
            words = texts[number].split()
            kept = generator.random(len(words)) > 0.1
            writer.writerow([" ".join(word for word, stays in zip(words, kept, strict=True) if stays) or texts[number]])
    return path


def ours(tickets: Path, model: Path, workers: int) -> list[str]:
    """Return the arguments of a run of our script."""
    output = tickets.with_name(f"{tickets.stem}-{workers}")
    return ["scripts/predict_batch.py", str(tickets), str(output), "--model", str(model), "--workers", str(workers)]


def measure(name: str, arguments: list[str]) -> Cost:
    """Run Python with these arguments and return what it cost."""
    print(name, file=sys.stderr, flush=True)
    alone = {name: value for name, value in os.environ.items() if name != "DASK_SCHEDULER_ADDRESS"}
    started = time.perf_counter()
    # One thread for each process, ours and the plain one: what is compared is work, not how many cores it finds.
    process = subprocess.Popen(
        [sys.executable, *arguments], cwd=ROOT, env=alone | {"OPENBLAS_NUM_THREADS": "1"}, stdout=subprocess.DEVNULL
    )
    _, status, used = os.wait4(process.pid, 0)
    if status:
        raise RuntimeError(f"{name} failed ({status})")
    # Linux counts in KiB, macOS in bytes.
    memory = used.ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)
    return Cost(time.perf_counter() - started, used.ru_utime + used.ru_stime, memory)


if __name__ == "__main__":
    sys.exit(main())
