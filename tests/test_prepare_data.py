"""prepare through its command line: what is kept, set aside, split and said when the input is broken."""

import csv
import gzip
import json
import random
from pathlib import Path

import pytest
import yaml

import prepare_data
from near_duplicates import near_duplicate_groups, word_sets

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared" / "data"
PARTS = ("train", "validation", "test")
NOUNS = [
    f"{a}{b}" for a in ("lap", "scre", "mou", "net", "pri", "vol", "cab") for b in ("ton", "ver", "del", "gor", "mix")
]


def invent(count: int, seed: int = 1) -> list[list[str]]:
    """Return distinct tickets of three classes."""
    generator = random.Random(seed)
    return [
        [" ".join(generator.choices(NOUNS, k=12)) + f" {seed}-{number}", "ABC"[number % 3]] for number in range(count)
    ]


class Prepare:
    """Runs prepare on files of a folder and reads what it left."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.changes: dict = {}

    def write(self, rows, name: str = "tickets.csv") -> Path:
        path = self.folder / name
        with path.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([["text", "category"], *rows])
        return path

    def run(self, path: Path, **changes) -> int:
        params = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
        params["prepare"] |= {"input": str(path)} | changes
        (self.folder / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
        return self.run_as_is()

    def run_as_is(self) -> int:
        at = {name: str(self.folder / name) for name in ("params.yaml", "out", "metrics.json")}
        return prepare_data.main(
            ["--params", at["params.yaml"], "--output", at["out"], "--metrics", at["metrics.json"]]
        )

    def read(self, name: str) -> list[dict]:
        with (self.folder / "out" / f"{name}.csv").open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))

    def metrics(self) -> dict:
        return json.loads((self.folder / "metrics.json").read_text(encoding="utf-8"))

    def part_of(self) -> dict[str, str]:
        return {row["text"]: part for part in PARTS for row in self.read(part)}

    def files(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in (self.folder / "out").iterdir()}


@pytest.fixture
def prepare(tmp_path):
    return Prepare(tmp_path)


def test_rows_in_are_rows_kept_plus_rows_rejected_each_with_its_reason(prepare):
    good = invent(300)
    bad = [
        ["", "A"],
        [" \t\n", "A"],
        ["no label here at all", "  "],
        ["ab", "A"],
        [good[0][0].upper(), good[0][1]],
        ["same words other class", "A"],
        ["Same  words other class", "B"],
        ["nobody else is in this class", "Z"],
    ]
    assert prepare.run(prepare.write(good + bad)) == 0
    rejected = [(int(row["row"]), row["reason"]) for row in prepare.read("rejected")]
    assert rejected == [
        (301, "no_text"),
        (302, "no_text"),
        (303, "no_label"),
        (304, "too_short"),
        (305, "duplicate"),
        (306, "conflicting_labels"),
        (307, "conflicting_labels"),
        (308, "rare_class"),
    ]
    metrics = prepare.metrics()
    assert (metrics["rows_in"], metrics["rows_kept"], metrics["rows_rejected"]) == (308, 300, 8)
    assert sum(metrics["rows"].values()) == 300


def test_texts_stay_as_they_came(prepare):
    odd = ['say "no", then\r\nwait\rfor it\n', "  e\u0301te\u0301 \u00a0 \U0001f600 fin ", "a\x07b\tc d\u2028e"]
    assert prepare.run(prepare.write(invent(300) + [[text, "A"] for text in odd])) == 0
    assert set(odd) <= set(prepare.part_of())


def test_long_texts_are_cut_at_a_word_and_counted(prepare):
    rows = invent(300) + [["word " * 400_000, "A"], ["x" * 2_000_000, "B"]]
    assert prepare.run(prepare.write(rows), max_text_length=1002) == 0
    texts = prepare.part_of()
    assert ("word " * 200).strip() in texts
    assert "x" * 1002 in texts
    assert prepare.metrics()["cut"] == 2


def test_same_bytes_in_same_bytes_out(prepare):
    path = prepare.write(invent(300))
    assert prepare.run(path) == 0
    first = prepare.files()
    assert prepare.run(path) == 0
    assert prepare.files() == first


def test_every_class_has_its_share_of_every_part(prepare):
    assert prepare.run(prepare.write(invent(3000))) == 0
    for counts in prepare.metrics()["classes"].values():
        assert counts["train"] == pytest.approx(650, abs=20)
        assert counts["validation"] == pytest.approx(150, abs=15)
        assert counts["test"] == pytest.approx(200, abs=15)


@pytest.mark.parametrize("more", [60, 600])
def test_appended_tickets_leave_the_old_ones_where_they_were(prepare, more):
    old = invent(600)
    assert prepare.run(prepare.write(old)) == 0
    before = prepare.part_of()
    assert prepare.run(prepare.write(old + invent(more, seed=2))) == 0
    after = prepare.part_of()
    assert sum(after[text] == part for text, part in before.items()) >= 0.99 * len(before)


def test_near_duplicates_share_a_part(prepare):
    rows = invent(300)
    close = [[f"{text} thanks", label] for text, label in rows]
    assert prepare.run(prepare.write(rows + close)) == 0
    parts = prepare.part_of()
    assert all(parts[text] == parts[f"{text} thanks"] for text, _ in rows)
    assert prepare.metrics()["near_duplicates"]["tickets"] == 600


def test_a_template_with_one_changing_word_costs_no_more_per_text(monkeypatch):
    import near_duplicates

    def compared(count):
        seen = []
        exact = near_duplicates._jaccard
        with monkeypatch.context() as patch:
            patch.setattr(near_duplicates, "_jaccard", lambda m, s, le, r: seen.append(len(le)) or exact(m, s, le, r))
            near_duplicate_groups(
                [f"please reset the password of user{n} on the old mail server" for n in range(count)], 0.8
            )
        return sum(seen)

    assert compared(4000) < 4.5 * compared(1000)


def test_formats_read_alike(prepare):
    import pandas as pd

    rows = invent(100)
    frame = pd.DataFrame(rows, columns=["text", "category"])
    frame.to_csv(prepare.folder / "t.tsv", sep="\t", index=False)
    frame.to_json(prepare.folder / "t.jsonl", orient="records", lines=True)
    frame.to_parquet(prepare.folder / "t.parquet")
    (prepare.folder / "t.csv.gz").write_bytes(gzip.compress(prepare.write(rows).read_bytes()))
    outputs = []
    for name in ("tickets.csv", "t.tsv", "t.jsonl", "t.parquet", "t.csv.gz"):
        assert prepare.run(prepare.folder / name) == 0
        outputs.append(prepare.files())
    assert all(output == outputs[0] for output in outputs)


def test_an_official_test_split_stays_whole_and_is_not_trained_on(prepare):
    official = invent(60, seed=9)
    assert prepare.run(prepare.write(invent(300) + official[:5]), test_input=str(prepare.write(official, "o.csv"))) == 0
    assert [row["text"] for row in prepare.read("test")] == [text for text, _ in official]
    assert prepare.metrics()["rejected"] == {"in_official_test": 5}


BAD_INPUTS = {
    "empty file": (b"", "is empty"),
    "header only": (b"text,category\n", "only a header"),
    "missing column": (b"body,category\nhello,A\n", "there are 'body', 'category'"),
    "not UTF-8": (b"text,category\nfine,A\ncaf\xe9,B\n", "byte 0xe9 at offset 24 (line 3)"),
    "broken quoting": (b'text,category\n"never closed,A\n', "broken quoting"),
    "NUL": (b"text,category\nfi\x00ne,A\n", "NUL character in line 2"),
    "ragged": (b"text,category\nfine,A\none,two,three\n", "ends in line 3 has 3 fields"),
    "one class": (
        b"text,category\n" + b"".join(b"ticket number %d,A\n" % n for n in range(50)),
        "at least two classes",
    ),
    "too few": (b"text,category\nhello there,A\ngood bye,B\n", "at least two classes"),
}


def assert_one_line(capsys, expected: str) -> None:
    message = capsys.readouterr().err
    assert message.startswith("error: ") and len(message.splitlines()) == 1
    assert expected in message


@pytest.mark.parametrize("content, expected", BAD_INPUTS.values(), ids=BAD_INPUTS.keys())
def test_bad_input_is_one_line_and_leaves_the_outputs(prepare, capsys, content, expected):
    assert prepare.run(prepare.write(invent(100))) == 0
    before = prepare.files()
    bad = prepare.folder / "bad.csv"
    bad.write_bytes(content)
    assert prepare.run(bad) == 2
    assert_one_line(capsys, expected)
    assert prepare.files() == before


def test_no_file(prepare, capsys):
    assert prepare.run(prepare.folder / "nowhere.csv") == 2
    assert_one_line(capsys, "make_sample_tickets.py")


def test_a_truncated_gzip_file(prepare, capsys):
    path = prepare.folder / "t.csv.gz"
    path.write_bytes(gzip.compress(prepare.write(invent(100)).read_bytes())[:200])
    assert prepare.run(path) == 2
    assert_one_line(capsys, "not a complete gzip file")


@pytest.mark.parametrize(
    "changes, expected",
    [
        ({"test_size": 2}, "prepare.test_size: input should be less than 1 (it is 2)"),
        ({"test_size": "much"}, "prepare.test_size"),
        ({"min_class_count": True}, "prepare.min_class_count"),
        ({"tset_size": 0.2}, "prepare.tset_size is not a parameter; known are input"),
        ({"test_size": 0.6, "validation_size": 0.35}, "must leave at least 0.1 for training"),
    ],
)
def test_a_bad_parameter_is_named(prepare, capsys, changes, expected):
    assert prepare.run(prepare.write(invent(100)), **changes) == 2
    assert_one_line(capsys, expected)


def test_a_full_disk_leaves_the_outputs(prepare, capsys, monkeypatch):
    """The disk refuses the third file: the first two are not put in place either."""
    import errno
    import os

    assert prepare.run(prepare.write(invent(100))) == 0
    before = prepare.files()
    flushed = []

    def full(descriptor):
        flushed.append(descriptor)
        if len(flushed) == 3:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    assert prepare.run(prepare.write(invent(200))) == 2
    assert_one_line(capsys, "No space left on device")
    assert prepare.files() == before


def test_an_output_folder_that_is_a_file(prepare, capsys):
    (prepare.folder / "out").write_text("in the way")
    assert prepare.run(prepare.write(invent(100))) == 2
    assert_one_line(capsys, "out")


def shared(name: str) -> Path:
    path = SHARED / name
    if not path.is_file():
        pytest.skip(f"{name} is not beside this repository: the test needs the real tickets")
    return path


@pytest.mark.slow
def test_real_tickets_no_near_duplicate_straddles_two_parts(prepare):
    """Every pair of 4,000 texts is compared with all others; at most one pair in a thousand may be missed."""
    import numpy as np

    columns = {"text_column": "Document", "label_column": "Topic_group"}
    assert prepare.run(shared("it_tickets.csv.gz"), **columns) == 0
    assert prepare.metrics()["rows_in"] == 38193
    rows = [(row["text"], part) for part in PARTS for row in prepare.read(part)]
    matrix, _ = word_sets([text for text, _ in rows])
    parts = np.array([part for _, part in rows])
    sizes = np.diff(matrix.indptr)
    some = np.random.default_rng(1).choice(len(rows), 4000, replace=False)
    common = (matrix[some] @ matrix.T).tocoo()
    left, right = some[common.row], common.col
    close = (common.data / (sizes[left] + sizes[right] - common.data) >= 0.8) & (left != right)
    assert close.sum() > 1000
    assert (parts[left[close]] != parts[right[close]]).sum() <= 0.001 * close.sum()


def test_banking77_keeps_its_official_test_split(prepare):
    files = shared("banking77_train.csv"), shared("banking77_test.csv")
    assert prepare.run(files[0], test_input=str(files[1])) == 0
    assert prepare.metrics()["rows"]["test"] == 3080
