"""python benchmarks/scrubbing.py

Measure how well personal data and languages are detected in tickets, and what both cost.

    python benchmarks/scrubbing.py --tickets tickets.csv.gz --text-column body

The labelled tickets in tests/support/personal_data.jsonl are invented. A finding counts if its kind, its first and its
last character are right. The detectors were tuned on the part "development". All parts were written by the authors of
the detectors, so a company's own tickets are harder. When first measured, in November 2026, "held-out" had precision
0.977 and recall 0.988 (86 findings), and "later", written to be harder, 0.955 and 0.875 (48 findings) after two of its
labels had been corrected. Since then, only the handling of a bracket and of one way to write American numbers was fixed
because of these two parts.

Milliseconds are CPU time for one sample ticket; a third of the sample tickets have findings.
--tickets prints the share of real tickets that have findings, and their kinds, but nothing of the tickets themselves.
"""

import argparse
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from _path import ROOT
from callcenterai.core.cli import run

# The labelled tickets are part of the tests.
sys.path.append(str(ROOT / "tests"))


def main(argv: list[str] | None = None) -> int:
    """Print the tables; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tickets", type=Path, metavar="FILE", help="tickets, in any format that prepare reads")
    parser.add_argument("--text-column", default="text", help="default: %(default)s")
    args = parser.parse_args(argv)
    return run(lambda: print_scrubbing_tables(args.tickets, args.text_column))


def print_scrubbing_tables(tickets: Path | None, text_column: str) -> None:
    """Measure and print one table after the other."""
    from callcenterai.privacy.scrub import scrub
    from services.agent.language import detect

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
        print(share_with_findings(tickets, text_column))


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
    from services.agent.language import UNKNOWN, detect

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


def share_with_findings(tickets: Path, text_column: str) -> str:
    """Return a sentence on the tickets in which something is found."""
    from callcenterai.formats.reader import stream_tickets
    from callcenterai.privacy.scrub import scrub

    counts = [scrub(ticket.text or "").counts for ticket in stream_tickets(tickets, text_column, text_column)]
    kinds = sum((Counter(each) for each in counts), Counter())
    return f"{sum(map(bool, counts))} of {len(counts)} tickets have findings: {dict(kinds)}"


def print_rows(rows: Iterable[Sequence[str]]) -> None:
    """Print rows as aligned columns, then an empty line."""
    rows = list(rows)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip())
    print()


if __name__ == "__main__":
    sys.exit(main())
