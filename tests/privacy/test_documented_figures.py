"""BENCHMARKS.md has the precision and recall of each kind that the code has on the labelled tickets."""

import re

from callcenterai.privacy.scrub import KINDS, find_personal_data
from support.repository import REPOSITORY
from support.scrubbing_cases import Score, read_cases, score

ROW = re.compile(r"^\| ([a-z_]+) \| (\d+ \| [\d.]* ?\| [\d.]* ?\| \d+ \| [\d.]* ?\| [\d.]* ?)\|$", re.MULTILINE)
HEADER = "| kind | findings, held-out | precision | recall | findings, generated held-out | precision | recall |"
NONE = Score(0, 0, 0)


def figures(found: Score) -> list[str]:
    findings = found.right + found.missed
    return [str(findings), *([f"{found.precision:.3f}", f"{found.recall:.3f}"] if findings else ["", ""])]


def test_the_table_of_kinds_is_that_of_the_code():
    text = (REPOSITORY / "BENCHMARKS.md").read_text(encoding="utf-8")
    table = text[text.index(HEADER) :].split("\n\n")[0]
    documented = {kind: [cell.strip() for cell in cells.split("|")] for kind, cells in ROW.findall(table)}
    cases = read_cases()
    parts = ("held-out", "generated held-out")
    scores = [score((case for case in cases if case.part == part), find_personal_data) for part in parts]
    assert documented == {kind: sum((figures(each.get(kind, NONE)) for each in scores), []) for kind in KINDS}
