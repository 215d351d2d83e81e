"""Repeated texts, short texts and large shares of rejected rows, through the command line."""

import os
import random
import stat

import pytest

import prepare_data
from support.repository import SHARED_DATA
from support.tickets import PARTS, invent

CASES = SHARED_DATA.parent / "cases" / "files"


def case(name: str):
    if not (CASES / name).is_file():
        pytest.skip(f"{name}: the shared cases are not here")
    return CASES / name


def label_of(prepare, text: str) -> list[str]:
    return [row["label"] for part in PARTS for row in prepare.read(part) if row["text"] == text]


@pytest.mark.parametrize("labels, right, reasons", [
    ("AAAB", ["A"], {"conflicting_labels": 1, "duplicate": 2}),
    ("BAAA", ["A"], {"conflicting_labels": 1, "duplicate": 2}),
    ("AAB", [], {"conflicting_labels": 3}),
    ("AB", [], {"conflicting_labels": 2}),
    ("AAABBB", [], {"conflicting_labels": 6}),
    ("A" * 60 + "B", ["A"], {"conflicting_labels": 1, "duplicate": 59}),
    ("A" * 8 + "BC", ["A"], {"conflicting_labels": 2, "duplicate": 7}),
])  # fmt: skip
def test_a_clear_majority_of_equal_texts_wins(prepare, labels, right, reasons):
    rows = invent(60) + [["Unable to connect to VPN", label] for label in labels]
    random.Random(3).shuffle(rows)
    assert prepare.run(prepare.write(rows)) == 0
    assert right == label_of(prepare, "Unable to connect to VPN")
    assert reasons == prepare.metrics()["rejected"]
    outvoted = [row["label"] for row in prepare.read("rejected") if row["reason"] == "conflicting_labels"]
    assert sorted(labels if not right else labels.replace(right[0], "")) == sorted(outvoted)


def test_majority_of_1_sets_every_conflict_aside(prepare):
    rows = invent(60) + [["Unable to connect to VPN", label] for label in "AAAAAAAAB"]
    assert prepare.run(prepare.write(rows), majority=1.0) == 0
    assert {"conflicting_labels": 9} == prepare.metrics()["rejected"]


def test_an_answer_of_people_and_the_official_test_split_go_before_a_majority(prepare):
    rows = invent(60) + [[text, label] for text in ("one", "two") for label in "AAAAB"]
    official = prepare.write(invent(20, seed=2) + [["two", "B"]], "official.csv")
    feedback = prepare.folder / "feedback.csv"
    feedback.write_text("text,label\none,C\n", encoding="utf-8")
    more = {"test_input": str(official), "feedback_input": str(feedback)}
    assert prepare.run(prepare.write(rows), **more) == 0
    assert (["C"], ["B"]) == (label_of(prepare, "one"), label_of(prepare, "two"))
    assert {"answered": 5, "in_official_test": 5} == prepare.metrics()["rejected"]


def test_a_slip_of_the_pen_in_the_shared_case_costs_one_row(prepare):
    assert prepare.run(case("one_slip.csv")) == 0
    assert ["Network"] == label_of(prepare, "Unable to connect to VPN")
    assert 1 == prepare.metrics()["rejected"]["conflicting_labels"]


def copies(texts: int, times: int) -> list[list[str]]:
    return [[text, label] for text, label in invent(texts, labels="AB") for _ in range(times)]


def test_many_copies_of_few_texts_are_named_as_the_trouble(prepare, error_line):
    """The parts of before stay; rejected.csv is that of the failed attempt, which the message names."""
    assert prepare.run(prepare.write(invent(60))) == 0
    before = prepare.files()
    assert prepare.run(prepare.write(copies(8, 40))) == 2
    message = error_line()
    assert "found 'A' (4), 'B' (4): 312 of 320 rows repeat the text of another row, and copies of a text" in message
    assert f"{prepare.output / 'rejected.csv'} has the reason of each row" in message
    reasons = [row["reason"] for row in prepare.read("rejected")]
    assert (312, 8) == (reasons.count("duplicate"), reasons.count("rare_class"))
    assert {name: content for name, content in before.items() if name != "rejected.csv"} == {
        name: content for name, content in prepare.files().items() if name != "rejected.csv"
    }


def test_many_copies_in_the_shared_case(prepare, error_line):
    assert prepare.run(case("canned.csv")) == 2
    assert "292 of 300 rows repeat the text of another row" in error_line()


def test_near_duplicates_are_named_as_the_trouble(prepare, error_line):
    template = [[f"please reset the password of user{n} on the old mail server", "T"] for n in range(50)]
    assert prepare.run(prepare.write(template + invent(20, labels="A"))) == 2
    assert "found 'T' (50, near-duplicates of each other), 'A' (20): " in error_line()


LARGE_SHARES = {
    "no_text": ([["", "A"]] * 40, "have no text: check that prepare.text_column ('text') is the right column"),
    "no_label": ([["some text", ""]] * 40, "have no label: check that prepare.label_column ('category')"),
    "too_short": ([["ab", "A"]] * 40, "have a text under 3 characters: check that prepare.text_column ('text')"),
    "duplicate": ([["one text", "A"]] * 41, "repeat the text of another row, and copies of a text count once"),
    "conflicting_labels": ([["one text", "A"], ["one text", "B"]] * 20, "have a text that others have with another"),
    "rare_class": (
        [[text, str(number % 8)] for number, (text, _) in enumerate(invent(40, seed=8))],
        "belong to classes that are too small",
    ),
}


@pytest.mark.parametrize("reason", LARGE_SHARES)
def test_a_large_share_of_rows_rejected_for_one_reason_is_a_warning(prepare, capsys, reason):
    rows, said = LARGE_SHARES[reason]
    assert prepare.run(prepare.write(invent(60) + rows)) == 0
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("warning: 40 of 10") and said in line
    assert [line.removeprefix("warning: ")] == prepare.metrics()["warnings"]


def test_a_few_rejected_rows_are_no_warning(prepare, capsys):
    assert prepare.run(prepare.write(invent(60) + [["", "A"]] * 10)) == 0
    assert "" == capsys.readouterr().err


SHORT = ["환불", "배송", "退款", "火", "ゴミ", "ไฟ", "आग", "نار", "אש"]


@pytest.mark.parametrize("text", [text for text in SHORT if len(text) > 1])
def test_a_short_text_in_a_script_without_capitals_is_kept(prepare, text):
    assert prepare.run(prepare.write([*invent(60), [text, "A"]])) == 0
    assert ["A"] == label_of(prepare, text)


@pytest.mark.parametrize("text", ["ok", "??", "火", "né", "да", " \u00a0ab "])
def test_other_short_texts_are_rejected(prepare, text):
    assert prepare.run(prepare.write([*invent(60), [text, "A"]])) == 0
    assert {"too_short": 1} == prepare.metrics()["rejected"]


def test_a_set_of_80_tickets_in_4_classes_is_prepared(prepare):
    assert prepare.run(prepare.write(invent(80, labels="ABCD"))) == 0
    classes = prepare.metrics()["classes"]
    assert 4 == len(classes)
    assert all(parts["train"] >= 10 and parts["validation"] >= 1 and parts["test"] >= 1 for parts in classes.values())


def test_the_length_of_a_text_is_that_of_what_is_left_after_cleaning(prepare):
    """Mail programs write style sheets longer than max_text_length before the first word."""
    style = f"<style>{'p {margin: 0} ' * 2_000}</style>"
    rows = [[f"{style}<p>{text}</p>", label] for text, label in invent(60)]
    rows += [["<p>&nbsp;</p>", "A"], ["<p>ab</p>", "A"], [f"<p>{'one word ' * 2_000}</p>", "A"]]
    assert prepare.run(prepare.write(rows), clean="html") == 0
    kept = {row["text"]: int(row["row"]) for part in PARTS for row in prepare.read(part)}
    assert {text for text, number in kept.items() if number <= 60} == {text for text, _ in rows[:60]}
    assert [len(text) for text, number in kept.items() if number == 63] == [9_998]
    assert {"no_text": 1, "too_short": 1} == prepare.metrics()["rejected"] and prepare.metrics()["cut"] == 1


FORMULA = "=1"


def test_no_cell_of_the_rejected_rows_is_a_formula_unless_programs_ask_for_them_raw(prepare):
    """People open the file in a spreadsheet; the parts, which programs read, have their texts as they are."""
    rows = [[f"{start} {text}", label] for start, (text, label) in zip("=+-@" * 50, invent(200), strict=True)]
    prepare.write([["text", "label"], *rows, [FORMULA, rows[0][1]]])
    assert prepare.run(prepare.folder / "tickets.csv", label_column="label") == 0
    assert [f"'{FORMULA}"] == [row["text"] for row in prepare.read("rejected") if row["reason"] == "too_short"]
    assert {row["text"] for part in PARTS for row in prepare.read(part)} <= {text for text, _ in rows}
    assert prepare_data.main([*prepare.arguments(), "--raw"]) == 0
    assert FORMULA in [row["text"] for row in prepare.read("rejected")]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")
def test_only_their_owner_can_read_prepared_tickets(prepare):
    """Texts of customers, also in a folder that others could read before."""
    prepare.output.mkdir(mode=0o755)
    prepare.write([["text", "label"], *invent(200)])
    assert prepare.run(prepare.folder / "tickets.csv", label_column="label") == 0
    assert stat.S_IMODE(prepare.output.stat().st_mode) == 0o700
    assert {0o600} == {stat.S_IMODE(path.stat().st_mode) for path in prepare.output.iterdir()}
