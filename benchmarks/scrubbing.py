"""python benchmarks/scrubbing.py

Measure how well personal data and languages are detected in tickets, and what both cost.

    python benchmarks/scrubbing.py --tickets tickets.csv.gz --text-column body
    python benchmarks/scrubbing.py --tickets tickets.csv.gz --text-column body --against v1.0

The labelled tickets in tests/support are invented. A finding counts if its kind, its first and its last character are
right. The detectors were tuned on the parts "development". All parts were written by the authors of the detectors, so a
company's own tickets are harder. BENCHMARKS.md has the figures of the first look at each other part, after which only
what is named there was changed because of them.

Times are CPU time for one ticket; a third of the sample tickets have findings.
--tickets prints the share of real tickets that have findings, and their kinds, but nothing of the tickets themselves.
--against compares the time with that of another revision, on these tickets or on the sample; it needs git.
"""

import argparse
import io
import json
import subprocess
import sys
import tarfile
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from _path import ROOT
from callcenterai.core.cli import run

# The labelled tickets are part of the tests.
sys.path.append(str(ROOT / "tests"))

# Tickets whose time is compared with another revision's, and how often.
MOST_TIMED, ROUNDS = 4000, 3
TIMING = """
import json, sys, time
sys.path.insert(0, sys.argv[1])
from callcenterai.privacy.scrub import scrub
times = []
for text in json.load(sys.stdin):
    started = time.thread_time()
    scrub(text)
    times.append(time.thread_time() - started)
times.sort()
print(json.dumps([times[len(times) // 2], times[len(times) * 99 // 100], sum(times) / len(times)]))
"""


def main(argv: list[str] | None = None) -> int:
    """Print the tables; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tickets", type=Path, metavar="FILE", help="tickets, in any format that prepare reads")
    parser.add_argument("--text-column", default="text", help="default: %(default)s")
    parser.add_argument("--against", metavar="REVISION", help="compare the time with that of a revision in git")
    args = parser.parse_args(argv)
    return run(lambda: print_scrubbing_tables(args.tickets, args.text_column, args.against))


def print_scrubbing_tables(tickets: Path | None, text_column: str, against: str | None) -> None:
    """Measure and print one table after the other."""
    from callcenterai.privacy.scrub import scrub
    from callcenterai.text.language import detect

    print_rows(quality_rows())
    samples = {language: sample_texts(share) for language, share in (("en", 0.0), ("fr", 1.0))}
    print_rows([("language", "right", "undetermined", "wrong"), *(language_row(*item) for item in samples.items())])
    texts = [text for each in samples.values() for text in each]
    times = [
        ("ms of CPU per ticket", "p50", "p99"),
        time_row("scrub", scrub, texts),
        time_row("language", detect, texts),
    ]
    print_rows(times)
    if tickets is not None:
        texts = read_texts(tickets, text_column)
        print(share_with_findings(texts))
    if against is not None:
        print_rows(rows_against(against, texts[:: max(1, len(texts) // MOST_TIMED)]))


def quality_rows() -> Iterable[Sequence[str]]:
    """Yield a header, then precision and recall for each kind in each part."""
    from callcenterai.privacy.scrub import find_personal_data
    from support.scrubbing_cases import PARTS, Score, read_cases, score

    yield "part", "kind", "findings", "precision", "recall"
    for part in PARTS:
        scores = score((case for case in read_cases() if case.part == part), find_personal_data)
        scores["all"] = Score(*(sum(column) for column in zip(*scores.values(), strict=True)))
        for kind, found in scores.items():
            yield part, kind, str(found.right + found.missed), f"{found.precision:.3f}", f"{found.recall:.3f}"


def sample_texts(french: float) -> list[str]:
    """Return 2,000 sample tickets, a share of which is French and the others are English."""
    from callcenterai.sample import generator

    generator.FRENCH_SHARE, generator.MIXED_SHARE = french, 0.0
    return [ticket.text for ticket in generator.make_tickets(2000, 7)]


def language_row(language: str, texts: list[str]) -> Sequence[str]:
    """Return the shares of the texts whose language is detected, undetermined and wrong."""
    from callcenterai.text.language import UNKNOWN, detect

    found = Counter(map(detect, texts))
    right, unknown = found[language], found[UNKNOWN]
    return language, *(f"{count / len(texts):.1%}" for count in (right, unknown, len(texts) - right - unknown))


def time_row(name: str, function: Callable[[str], object], texts: list[str]) -> Sequence[str]:
    """Return the median and the 99th percentile of the CPU time for one text, in milliseconds."""
    times = []
    for text in texts:
        started = time.thread_time()
        function(text)
        times.append(1000 * (time.thread_time() - started))
    times.sort()
    return name, f"{times[len(times) // 2]:.2f}", f"{times[len(times) * 99 // 100]:.2f}"


def read_texts(tickets: Path, text_column: str) -> list[str]:
    """Return the texts of a file; unreadable rows are left out."""
    from callcenterai.formats.reader import open_tickets

    with open_tickets(tickets, [text_column]) as file:
        return [row.values[0] or "" for row in file.rows() if row.values]


def share_with_findings(texts: list[str]) -> str:
    """Return a sentence on the tickets in which something is found."""
    from callcenterai.privacy.scrub import scrub

    counts = [scrub(text).counts for text in texts]
    kinds = sum((Counter(each) for each in counts), Counter())
    return f"{sum(map(bool, counts))} of {len(counts)} tickets have findings: {dict(kinds)}"


def rows_against(revision: str, texts: list[str]) -> Iterable[Sequence[str]]:
    """Yield the times of this working tree and of a revision, and how many times as fast this one is.

    Both are measured in processes of their own, in turns; the fastest of the rounds counts for each.
    """
    with tempfile.TemporaryDirectory() as folder:
        archive = subprocess.run(
            ["git", "archive", revision, "callcenterai"], cwd=ROOT, capture_output=True, check=True
        )
        with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as files:
            files.extractall(folder, filter="data")
        times = [[seconds_in(ROOT, texts), seconds_in(Path(folder), texts)] for _ in range(ROUNDS)]
    new, old = ([min(column) for column in zip(*rounds, strict=True)] for rounds in zip(*times, strict=True))
    yield "us of CPU per ticket", "p50", "p99", "mean"
    yield "now", *(f"{1e6 * seconds:.0f}" for seconds in new)
    yield revision, *(f"{1e6 * seconds:.0f}" for seconds in old)
    yield "times as fast", *(f"{before / now:.1f}" for now, before in zip(new, old, strict=True))


def seconds_in(root: Path, texts: list[str]) -> list[float]:
    """Return the median, the 99th percentile and the mean of scrubbing a text with the code in a folder."""
    command = [sys.executable, "-c", TIMING, str(root)]
    done = subprocess.run(command, input=json.dumps(texts), capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def print_rows(rows: Iterable[Sequence[str]]) -> None:
    """Print rows as aligned columns, then an empty line."""
    rows = list(rows)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip())
    print()


if __name__ == "__main__":
    sys.exit(main())
