"""prepare through its command line: what it keeps, rejects, cuts, splits, counts and refuses."""

import csv
import hashlib
import os
import subprocess
import sys

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from callcenterai.data.cleaning import cut
from support.repository import REPOSITORY, SCRIPTS
from support.thoroughness import rounds
from support.tickets import PARTS, invent, write_csv


def test_every_row_is_kept_or_rejected_with_its_reason(prepare):
    good = invent(300)
    bad = [
        ["", "A", "no_text"],
        [" \t\n\u00a0", "A", "no_text"],
        ["no label here at all", "", "no_label"],
        ["blanks for a label", " \u00a0\t", "no_label"],
        [" ab ", "A", "too_short"],
        [good[0][0].upper(), good[0][1], "duplicate"],
        ["  " + good[0][0].replace(" ", " \n"), good[0][1], "duplicate"],
        ["same words, other class", "A", "conflicting_labels"],
        ["Same  words, other class", "B", "conflicting_labels"],
        ["SAME WORDS, other class", "A", "conflicting_labels"],
        ["nobody else is in this class", "Z", "rare_class"],
    ]
    assert prepare.run(prepare.write(good + [row[:2] for row in bad])) == 0
    expected = [
        {"source": "input", "row": str(number), "reason": reason, "text": text}
        for number, (text, _, reason) in enumerate(bad, start=301)
    ]
    assert expected == [{k: v for k, v in row.items() if k != "label"} for row in prepare.read("rejected")]
    kept = {int(row["row"]): [row["text"], row["label"]] for part in PARTS for row in prepare.read(part)}
    assert dict(enumerate(good, start=1)) == kept


def test_metrics_have_every_figure(prepare):
    rows = [row for label in "AB" for row in invent(20, seed=ord(label), labels=label)]
    rows += [["", "A"], ["rare one", "Z"], [f"{rows[0][0]} thanks", "A"], ["A" * 500, "B"], [rows[1][0], "A"]]
    path = prepare.write(rows)
    assert prepare.run(path, max_text_length=200) == 0
    metrics = prepare.metrics()
    lengths = sorted(len(row["text"]) for part in PARTS for row in prepare.read(part))
    assert {"p0": lengths[0], "p50": lengths[21], "p100": 200}.items() <= metrics.pop("text_length").items()
    classes = metrics.pop("classes")
    # test_ways_in.py says what was found out about the file.
    assert metrics.pop("files")["input"]["rows"] == 45
    assert {"A": 21, "B": 21} == {label: sum(parts.values()) for label, parts in classes.items()}
    parts = {part: sum(classes[label][part] for label in "AB") for part in PARTS}
    assert metrics == {
        "rows_in": 45,
        "rows_kept": 42,
        "rows_rejected": 3,
        "rejected": {"duplicate": 1, "no_text": 1, "rare_class": 1},
        "rows": parts,
        "feedback": 0,
        "near_duplicates": {"tickets": 2, "groups": 1, "largest_group": 2},
        "corrected": 0,
        "cut": 1,
        "personal_data": {},
        "labels": {"left_out": {"Z": 1}},
        "warnings": [],
        "input_sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
    }
    assert parts == {part: len(prepare.read(part)) for part in PARTS}


def test_labels_lose_only_the_white_space_around_them(prepare):
    rows = [[text, f' {label} é, "x"\n'] for text, label in invent(60)]
    assert prepare.run(prepare.write(rows)) == 0
    assert {f'{label} é, "x"' for label in "ABC"} == {row["label"] for part in PARTS for row in prepare.read(part)}


ODD = [
    'say "no", then\r\nwait\rfor it\n',
    "wait\rfor it",
    "\r\r\r abc",
    "  e\u0301te\u0301 \u00a0 \U0001f600 fin ",
    "a\x07b\tc d\u2028e",
    "'=1+1', \\n \\",
    "\ufeffmark",
    "???",
]
TEXTS = st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40), max_size=20)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=rounds(10, 25))
@given(texts=TEXTS)
def test_kept_and_rejected_texts_are_unchanged(prepare, texts):
    rows = invent(60) + [[text, "A"] for text in ODD + texts]
    assert prepare.run(prepare.write(rows)) == 0
    out = {int(row["row"]): row["text"] for name in (*PARTS, "rejected") for row in prepare.read(name)}
    assert {number: text for number, (text, _) in enumerate(rows, start=1)} == out
    assert set(ODD) <= set(prepare.part_of())


def test_texts_with_a_carriage_return_are_quoted(prepare):
    assert prepare.run(prepare.write(invent(60) + [["wait\rfor it", "A"]])) == 0
    content = b"".join(prepare.files()[f"{part}.csv"] for part in PARTS)
    assert b'"wait\rfor it"\n' in content
    assert b"\r" not in content.replace(b"wait\rfor it", b"")


CUTS = [
    ("word word xyz", 13, "word word xyz"),
    ("word word xyz", 12, "word word"),
    ("word word xyz", 10, "word word"),
    ("word word xyz", 9, "word word"),
    ("word word xyz", 8, "word"),
    ("word\r\n\u00a0 word", 10, "word"),
    ("x" * 30, 10, "x" * 10),
    ("  " + "x" * 30, 10, "x" * 10),
    (" " * 30 + "word", 10, "word"),
    ("word" + " " * 30, 10, "word"),
    ("  word  ", 10, "  word  "),
]


@pytest.mark.parametrize("text, limit, expected", CUTS)
def test_a_long_text_is_cut_at_the_end_of_a_word(text, limit, expected):
    assert expected == cut(text, limit)


def test_texts_of_2_mb_are_cut_and_counted_not_rejected(prepare):
    rows = invent(60) + [["word " * 400_000, "A"], ["x" * 2_000_000, "B"], ["y" * 10_000, "C"]]
    assert prepare.run(prepare.write(rows)) == 0
    assert {"word " * 1999 + "word", "x" * 10_000, "y" * 10_000} <= set(prepare.part_of())
    assert (63, 2) == (prepare.metrics()["rows_kept"], prepare.metrics()["cut"])


def test_near_duplicates_share_a_part_and_a_group_number(prepare):
    rows = invent(90)
    close = [[f"{text} thanks", "BCA"["ABC".index(label)]] for text, label in rows]
    assert prepare.run(prepare.write(rows + close)) == 0
    place = {row["text"]: (part, row["group"]) for part in PARTS for row in prepare.read(part)}
    assert all(place[text] == place[f"{text} thanks"] for text, _ in rows)
    assert 90 == len(set(place.values()))


def test_a_class_with_too_few_different_tickets_is_rejected(prepare):
    """However many tickets it has: near-duplicates share a part, and a repeated template goes to train."""
    template = [[f"please reset the password of user{n} on the old mail server", "T"] for n in range(90)]
    others = [[f"{text} of mine", "O"] for text, _ in invent(12)]
    assert prepare.run(prepare.write(invent(60) + template + invent(2, seed=3, labels="T") + others)) == 0
    assert {"rare_class": 104} == prepare.metrics()["rejected"]
    assert ["A", "B", "C"] == list(prepare.metrics()["classes"])
    assert all(count > 0 for parts in prepare.metrics()["classes"].values() for count in parts.values())


def test_a_set_of_texts_without_words_can_be_prepared(prepare):
    rows = [["!" * length if number else "?" * length, "AB"[number]] for length in range(3, 20) for number in (0, 1)]
    assert prepare.run(prepare.write(rows)) == 0
    assert 34 == prepare.metrics()["rows_kept"]


ADD = "add tickets or lower prepare.min_class_count"
NOTHING = (
    "1 of 2 rows have no text: check that prepare.text_column ('text') is the right column; "
    "1 of 2 rows have no label: check that prepare.label_column ('category') is the right column"
)


@pytest.mark.parametrize("found, advice, rows", [
    ("'A' (50)", ADD, invent(50, labels="A")),
    ("'A' (9), 'B' (9)", ADD, invent(18, labels="AB")),
    ("'A' (1), 'B' (1)", ADD, [["hello there", "A"], ["good bye", "B"]]),
    ("none", NOTHING, [["", "A"], ["text", ""]]),
])  # fmt: skip
def test_fewer_than_two_usable_classes_are_refused(prepare, error_line, found, advice, rows):
    path = prepare.write(rows)
    assert prepare.run(path) == 2
    assert error_line() == (
        f"{path}: a classifier needs at least two classes of 10 usable tickets, 3 of them clearly different; "
        f"found {found}: {advice}; {prepare.output / 'rejected.csv'} has the reason of each row"
    )
    assert ["rejected.csv"] == list(prepare.files())


def test_an_official_test_split_stays_whole_and_is_not_trained_on(prepare):
    """Even its duplicates, short texts and near-duplicates stay; only rows that cannot be scored are rejected."""
    official = invent(30, seed=9) + [["ok", "A"], ["OK", "A"], ["ok", "B"]]
    unusable = [["", "A"], ["no label", ""], ["a class that is nowhere else", "Z"]]
    near = [[f"{official[0][0]} thanks", "A"]]
    rows = invent(60) + official[:5] + near
    test_input = str(prepare.write(official + unusable, "official.csv"))
    assert prepare.run(prepare.write(rows), test_input=test_input) == 0
    assert official == [[row["text"], row["label"]] for row in prepare.read("test")]
    rejected = [(row["source"], int(row["row"]), row["reason"]) for row in prepare.read("rejected")]
    assert [("input", 61 + n, "in_official_test") for n in range(5)] == rejected[:5]
    assert [(34, "no_text"), (35, "no_label"), (36, "unknown_label")] == [row[1:] for row in rejected[5:]]
    assert {"train", "validation"} == {part for text, part in prepare.part_of().items() if text in dict(rows[:60])}
    group = {row["text"]: row["group"] for part in PARTS for row in prepare.read(part)}
    assert group[near[0][0]] == group[official[0][0]]
    assert "test_input_sha256" in prepare.metrics()


def test_an_unusable_official_test_split_is_refused(prepare, error_line):
    path = prepare.write(invent(60))
    other = prepare.write(invent(60, seed=2, labels="XY"), "other.csv")
    assert prepare.run(path, test_input=str(other)) == 2
    assert f"{other}: no ticket has a class of {path}; there are 'A', 'B', 'C'" == error_line()
    assert prepare.run(path, test_input=str(prepare.folder / "nowhere.csv")) == 2
    assert error_line().startswith(f"{prepare.folder / 'nowhere.csv'} does not exist: no such file; ")


def test_feedback_goes_to_train_and_corrects_labels(prepare):
    """No other ticket moves; feedback whose near-duplicates are in another part goes there."""
    path = prepare.write(invent(90) + [["in doubt", "A"], ["in doubt", "B"]])
    assert prepare.run(path) == 0
    before = prepare.part_of()
    tested = next(row["text"] for row in prepare.read("test") if row["label"] == "A")
    learned = next(row["text"] for row in prepare.read("train") if row["label"] == "A")
    new = invent(20, seed=5)
    answers = new + [[learned.upper(), "C"], [learned, "B"], [tested, "C"], [f"{tested} thanks", "A"]]
    answers += [["a class of its own", "Z"], ["IN DOUBT", "C"]]
    feedback = write_csv(prepare.folder / "feedback.csv", answers, ("text", "label"))
    assert prepare.run(path, feedback_input=str(feedback)) == 0
    after = prepare.part_of()
    assert {"train"} == {after[text] for text, _ in new}
    assert "test" == after[tested] == after[f"{tested} thanks"]
    assert before == {text: part for text, part in after.items() if text in before}
    label = {row["text"]: row["label"] for part in PARTS for row in prepare.read(part)}
    assert ("B", "C", "A") == (label[learned], label[tested], label[f"{tested} thanks"])
    rejected = [(row["reason"], row["text"]) for row in prepare.read("rejected")]
    answered = [("answered", text) for text in (learned.upper(), learned, tested, "in doubt", "in doubt")]
    assert [*answered[:3], ("unknown_label", "a class of its own"), *answered[3:]] == rejected
    assert ("C", "train") == (label["IN DOUBT"], after["IN DOUBT"])
    metrics = prepare.metrics()
    assert (22, 2, 92 + 26) == (metrics["feedback"], metrics["corrected"], metrics["rows_in"])
    assert "feedback_sha256" in metrics


def test_banking77_keeps_its_official_test_split(prepare, shared_data):
    train, test = shared_data("banking77_train.csv"), shared_data("banking77_test.csv")
    assert prepare.run(train, test_input=str(test)) == 0
    metrics = prepare.metrics()
    assert 3080 == metrics["rows"]["test"] == len(prepare.read("test"))
    assert 77 == len(metrics["classes"])
    with train.open(encoding="utf-8", newline="") as file:
        assert 3080 + len(list(csv.DictReader(file))) == metrics["rows_in"]
    assert metrics["rows_in"] == metrics["rows_kept"] + metrics["rows_rejected"]


def script(*arguments: str, **environment: str) -> subprocess.CompletedProcess:
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=REPOSITORY, env=os.environ | environment, capture_output=True, text=True)


def test_the_same_input_gives_the_same_bytes_in_every_process(prepare):
    rows = invent(90)
    path = prepare.write(rows + [[f"{text} thanks", label] for text, label in rows] + [["???", "A"]])
    outputs = []
    for seed in ("1", "2"):
        assert prepare.run(path) == 0
        outputs.append(prepare.files())
        done = script(str(SCRIPTS / "prepare_data.py"), *prepare.arguments(), PYTHONHASHSEED=seed)
        assert (0, "") == (done.returncode, done.stderr)
        assert done.stdout.startswith("181 rows in: ")
        outputs.append(prepare.files())
    assert all(outputs[0] == output for output in outputs)


def test_help_loads_no_heavy_library():
    done = script("-X", "importtime", str(SCRIPTS / "prepare_data.py"), "--help")
    assert 0 == done.returncode
    assert "rows in = rows kept + rows rejected" in done.stdout
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "argparse" in loaded
    assert set() == loaded & {"numpy", "pandas", "scipy", "sklearn", "pyarrow", "pydantic", "yaml", "tqdm"}


def test_a_bug_keeps_its_traceback(prepare, monkeypatch):
    def broken(*_):
        raise ZeroDivisionError

    monkeypatch.setattr("callcenterai.data.prepare.reject_repeated_texts", broken)
    with pytest.raises(ZeroDivisionError):
        prepare.run(prepare.write(invent(60)))


def test_an_interruption_prints_one_word_and_leaves_the_outputs(prepare, monkeypatch, capsys):
    assert prepare.run(prepare.write(invent(60))) == 0
    before = prepare.files()

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("callcenterai.data.prepare.assign_parts", interrupted)
    assert prepare.run(prepare.write(invent(90))) == 130
    assert "interrupted\n" == capsys.readouterr().err
    assert before == prepare.files()
