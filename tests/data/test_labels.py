"""Labels through the command line: what label_map does, which spellings are one class, and what is reported."""

import time
import unicodedata

import pytest
import yaml

from support.repository import SHARED_DATA
from support.tickets import PARTS, invent

CASES = SHARED_DATA.parent / "cases" / "files"


def relabel(rows: list[list[str]], *names: str) -> list[list[str]]:
    """Return the tickets with these labels in turn."""
    return [[text, names[number % len(names)]] for number, (text, _) in enumerate(rows)]


def classes(prepare) -> dict[str, int]:
    return {label: sum(parts.values()) for label, parts in prepare.metrics()["classes"].items()}


def rejected(prepare) -> set[tuple[str, str]]:
    return {(row["label"], row["reason"]) for row in prepare.read("rejected")}


def test_label_map_renames_merges_and_drops_classes(prepare):
    rows = relabel(invent(120), "Laptop", "PC", "Access", "Test")
    changes = {"Laptop": "Hardware", "PC": "Hardware", "Test": None}
    assert prepare.run(prepare.write(rows), label_map=changes) == 0
    assert {"Access": 30, "Hardware": 60} == classes(prepare)
    assert {("Test", "dropped_label")} == rejected(prepare)
    mapped = {"mapped": {"Hardware": {"Laptop": 30, "PC": 30}}, "dropped": {"Test": 30}}
    assert mapped == prepare.metrics()["labels"]


FILES = {
    "map.yaml": "Laptop: Hardware\nPC: Hardware\nNO: Access\nTest:\n",
    "map.csv": "label,class\r\nLaptop,Hardware\r\nPC,Hardware\r\nNO,Access\r\nTest,\r\n",
    "semicolons.csv": "\ufeffLaptop;Hardware\nPC;Hardware\nNO;Access\nTest;\n",
}


@pytest.mark.parametrize("name", FILES)
def test_label_map_can_be_a_file(prepare, name):
    path = prepare.folder / name
    path.write_text(FILES[name], encoding="utf-8")
    rows = relabel(invent(120), "Laptop", "PC", "NO", "Test")
    assert prepare.run(prepare.write(rows), label_map_file=str(path)) == 0
    assert {"Access": 30, "Hardware": 60} == classes(prepare)


def test_entries_of_params_yaml_go_before_those_of_the_file(prepare):
    path = prepare.folder / "map.csv"
    path.write_text("A,Z\nB,Y\n", encoding="utf-8")
    assert prepare.run(prepare.write(invent(60)), label_map={"A": "X"}, label_map_file=str(path)) == 0
    assert {"C", "X", "Y"} == set(classes(prepare))


@pytest.mark.parametrize("name, content, said", [
    ("map.csv", "A,B,C\n", "the row that begins with 'A' has 3 columns and needs 2"),
    ("map.csv", "A,B\nA,C\n", "names 'A' twice, with different classes"),
    ("map.csv", '"A,B\n', "row 1, '\"A,B', cannot be read; it needs two columns"),
    ("map.csv", " ", "is empty; check the export that made it"),
    ("map.xlsx", "PK\x03\x04 no zip", ""),
    ("map.yaml", "A: B\nA: C\n", "names 'A' twice, with different classes"),
    ("map.yaml", "- A\n", "must hold lines such as `old label: new label`"),
    ("map.yaml", "A: [B]\n", "must hold lines such as `old label: new label`"),
    ("map.yaml", "A: {", "is not valid YAML"),
    ("other.csv", "", "no such file"),
])  # fmt: skip
def test_a_broken_label_map_file_is_refused_before_anything_is_written(prepare, error_line, name, content, said):
    if content:
        (prepare.folder / name).write_text(content, encoding="utf-8")
    assert prepare.run(prepare.write(invent(60)), label_map_file=str(prepare.folder / name)) == 2
    message = error_line()
    assert message.startswith(f"prepare.label_map_file: {prepare.folder / name}") and said in message
    assert {} == prepare.files()


def test_an_entry_that_matches_no_label_is_named(prepare, capsys):
    assert prepare.run(prepare.write(invent(60)), label_map={"Lapptop": "Hardware", "a": "First"}) == 0
    message = "label_map: no ticket has the label 'Lapptop'; check the spelling, or remove the entry"
    assert f"warning: {message}\n" == capsys.readouterr().err
    assert [message] == prepare.metrics()["warnings"]
    assert {"B", "C", "First"} == set(classes(prepare)), "an entry matches whatever the case"


def test_two_labels_can_be_exchanged(prepare):
    """Entries apply once. An answer that people gave has the name of a class already."""
    feedback = prepare.folder / "feedback.csv"
    feedback.write_text("text,label\na question of its own,A\n", encoding="utf-8")
    rows = relabel(invent(61), "A", "A", "B")
    assert prepare.run(prepare.write(rows), label_map={"A": "B", "B": "A"}, feedback_input=str(feedback)) == 0
    label = {row["text"]: row["label"] for part in PARTS for row in prepare.read(part)}
    assert all({"A": "B", "B": "A"}[before] == label[text] for text, before in rows)
    assert "A" == label["a question of its own"]


SPELLINGS = {
    "case": ("Hardware", "HARDWARE"),
    "blanks": ("Office supplies", "Office  supplies\u00a0"),
    "line ends": ("Office supplies", "Office\r\nsupplies"),
    "zero-width space": ("Network", "Net\u200bwork"),
    "soft hyphen": ("Network", "Net\u00adwork"),
    "byte order mark": ("Network", "\ufeffNetwork"),
    "form of an emoji": ("❤ Health", "❤\ufe0f Health"),
    "list of one": ("Access", "['Access']"),
    "JSON list of one": ("Access", '["access"]'),
    "normalisation": (unicodedata.normalize("NFC", "Réseau"), unicodedata.normalize("NFD", "Réseau")),
    "numbers": ("1", "1.0"),
    "full width": ("ＶＰＮ １２", "VPN 12"),
    "half-width katakana": ("プリンタ", "ﾌﾟﾘﾝﾀ"),
    "one label twice": ("Access", "access; Access"),
}


@pytest.mark.parametrize("often, seldom", SPELLINGS.values(), ids=list(SPELLINGS))
def test_spellings_of_a_label_are_one_class_with_the_most_frequent_name(prepare, capsys, often, seldom):
    rows = relabel(invent(80), seldom, often, often, "Else")
    assert prepare.run(prepare.write(rows)) == 0
    shown = often.strip()
    assert {shown: 60, "Else": 20} == classes(prepare)
    assert {shown: {seldom.strip(): 20}} == prepare.metrics()["labels"]["unified"]
    assert capsys.readouterr().err.startswith("note: labels that differ only in case, blanks or encoding are one class")


@pytest.mark.parametrize("label, name", [
    ("\u200bOffice\u00a0 supplies\ufeff", "Office supplies"),
    (unicodedata.normalize("NFD", "Réseau"), "Réseau"),
    ("می\u200cخواهم", "می\u200cخواهم"),
    ("Access; Access", "Access"),
    ("1.0", "1.0"),
])  # fmt: skip
def test_the_name_of_a_class_has_nothing_that_nobody_sees(prepare, label, name):
    assert prepare.run(prepare.write(relabel(invent(40), label, "Else"))) == 0
    assert {name: 20, "Else": 20} == classes(prepare)


def test_a_label_of_invisible_characters_is_missing(prepare):
    assert prepare.run(prepare.write(relabel(invent(90), "A", "B", "\u200b\ufeff"))) == 0
    assert {"A": 30, "B": 30} == classes(prepare)
    assert {"no_label": 30} == prepare.metrics()["rejected"]


def test_of_equally_frequent_spellings_the_first_wins(prepare):
    assert prepare.run(prepare.write(relabel(invent(60), "else", "access", "Access"))) == 0
    assert {"access": 40, "else": 20} == classes(prepare)


def test_label_map_can_keep_two_spellings_apart(prepare):
    rows = relabel(invent(80), "IT", "it", "fr")
    assert prepare.run(prepare.write(rows), label_map={"IT": "IT", "it": "it"}) == 0
    assert {"IT", "it", "fr"} == set(classes(prepare))


def test_equal_texts_of_one_class_do_not_conflict_because_of_its_spelling(prepare):
    rows = invent(60, labels="AB") + [["the same text", "A"], ["the same text", "a "]]
    assert prepare.run(prepare.write(rows)) == 0
    assert {"duplicate": 1} == prepare.metrics()["rejected"]


@pytest.mark.parametrize("first, second", [
    ("Réseau", "Reseau"), ("E-mail", "email"), ("01", "1"), ("x²", "x2"), ("Hardware", "Hardware."),
    ("Can't log in", "Can’t log in"), ("Hardware", '"Hardware"'), ("Hardware", "💻 Hardware"), ("R&D", "R&amp;D"),
    ("Access > VPN", "Access/VPN"), ("Straße", "STRASSE"), ("Réseau", "RÃ©seau"), ("Réseau", "R\ufffdseau"),
    ("Réseau", "R?seau"), ("Hardware", "H\u0430rdware"), ("Hardware", "Harware"), ("Network", "Netwrok"),
    ("Printer", "Printers"), ("Сеть офиса", "Сеть офис"),
])  # fmt: skip
def test_similar_names_stay_apart_and_are_reported(prepare, capsys, first, second):
    assert prepare.run(prepare.write(relabel(invent(60), first, second))) == 0
    assert {first: 30, second: 30} == classes(prepare)
    assert [[first, second]] == prepare.metrics()["labels"]["look_alikes"]
    warning = capsys.readouterr().err
    assert "warning: classes with similar names: " in warning and f"{first!r}" in warning
    example = yaml.safe_load(warning[warning.rindex("such as {") + len("such as ") :])
    assert {second: first} == example, "the warning says what to write, also where the difference cannot be seen"


def test_the_rarer_of_similar_names_is_the_one_to_rename(prepare, capsys):
    assert prepare.run(prepare.write(relabel(invent(80), "Netwrok", "Network", "Network", "x"))) == 0
    assert "such as {'Netwrok': 'Network'}\n" in capsys.readouterr().err


@pytest.mark.parametrize("names", [
    ("C", "C++", "C#"), ("1.1", "11"), ("की", "का"), ("+", "*"), ("硬件", "网络"), ("💻", "📶"), ("true", "false"),
    ("Level 1", "Level 2", "Level 11"), ("import", "export"), ("Legal", "Illegal"), ("typical", "atypical"),
    ("from", "form"), ("无法登录系统", "无法登录子系统"), ("Is it?", "It is"),
])  # fmt: skip
def test_different_names_are_not_reported(prepare, capsys, names):
    assert prepare.run(prepare.write(relabel(invent(90), *names))) == 0
    assert set(names) == set(classes(prepare))
    assert "" == capsys.readouterr().err


@pytest.mark.parametrize("mark", ["nan", "NULL", "<NA>", "#N/A", "#REF!", "[]"])
def test_a_label_that_stands_for_a_missing_value_is_none(prepare, capsys, mark):
    rows = relabel(invent(90), "A", "B", mark)
    assert prepare.run(prepare.write(rows)) == 0
    assert {"A": 30, "B": 30} == classes(prepare)
    assert f"labels that stand for a missing value count as none: {mark!r} (30); " in capsys.readouterr().err
    assert prepare.run(prepare.write(rows), label_map={mark: "Nothing"}) == 0
    assert {"A", "B", "Nothing"} == set(classes(prepare))


@pytest.mark.parametrize("mark", ["N/A", "None", "-", "?"])
def test_a_label_that_may_stand_for_a_missing_value_is_reported(prepare, capsys, mark):
    assert prepare.run(prepare.write(relabel(invent(90), "A", "B", mark))) == 0
    assert {"A": 30, "B": 30, mark: 30} == classes(prepare)
    warning = f"a label may stand for a missing value: {mark!r} (30); if so, drop it with prepare.label_map, such as "
    assert f"{warning}{{{mark!r}: null}}" in capsys.readouterr().err


@pytest.mark.parametrize("cell", [
    "A; B", "A|B", "A, B", "a/b", "B；A", "A、B", "A + B", "A & B", "A and B", "B und A", "A\nB", "['A', 'B']",
    '["A","B"]',
])  # fmt: skip
def test_a_cell_with_several_labels_is_reported_with_what_to_do(prepare, capsys, cell):
    rows = relabel(invent(90), "A", "B", cell)
    assert prepare.run(prepare.write(rows)) == 0
    assert {cell: 30} == prepare.metrics()["labels"]["several"]
    warning = capsys.readouterr().err
    assert "30 tickets have several labels in one cell, and each combination is a class of its own: " in warning
    example = yaml.safe_load(warning[warning.rindex("such as {") + len("such as ") :])
    assert {cell: "One class"} == example
    assert prepare.run(prepare.write(rows), label_map={cell: "A"}) == 0
    assert {"A": 60, "B": 30} == classes(prepare)
    assert "" == capsys.readouterr().err


def test_labels_that_occur_only_together_are_recognised_too(prepare):
    assert prepare.run(prepare.write(relabel(invent(90), "red;round", "red;flat", "blue;round", "blue;flat"))) == 0
    assert 4 == len(prepare.metrics()["labels"]["several"])


@pytest.mark.parametrize("names", [
    ("Sales, EMEA", "Sales, APAC"), ("Input/output", "Network"), ("a;b", "c"), ("[VIP]", "[Guest]"), ("R&D", "Sales"),
    ("Ask and answer", "Network"),
])  # fmt: skip
def test_a_separator_alone_makes_no_several_labels(prepare, names):
    assert prepare.run(prepare.write(relabel(invent(60), *names))) == 0
    assert {} == prepare.metrics()["labels"]


EXPECTED = {
    "case_labels.csv": {"Hardware": 80, "Access": 80, "Purchase": 80},
    "zh_labels.csv": {"硬件": 60, "网络": 60},
    "multilabel_cells.csv": {"Access": 80, "Hardware": 64, "Purchase": 64}
    | {"Hardware; Access": 16, "Purchase; Access": 16},
}


@pytest.mark.parametrize("name", EXPECTED)
def test_shared_case(prepare, name):
    if not (CASES / name).is_file():
        pytest.skip(f"{name}: the shared cases are not here")
    assert prepare.run(CASES / name) == 0
    assert EXPECTED[name] == classes(prepare)


def test_shared_case_of_spellings(prepare, capsys):
    if not (CASES / "label_spelling.csv").is_file():
        pytest.skip("the shared cases are not here")
    assert prepare.run(CASES / "label_spelling.csv", label_map={"Reseau": "Réseau"}) == 0
    assert {"Hardware", "Réseau"} == set(classes(prepare))
    printed = capsys.readouterr().err
    assert "'nan' (14), 'NULL' (12)" in printed and "similar names" not in printed


def numbered(name: str, count: int) -> list[str]:
    return [f"{name}{100_000 + number}" for number in range(count)]


WRONG_COLUMNS = {
    "a number for each ticket": (numbered("INC", 400), "400 different labels in 400 tickets, such as 'INC100000', "),
    "few tickets for each number": (numbered("INC", 110), "110 different labels in 400 tickets, such as 'INC100000', "),
    "dates": (["2024-01-01", "2024-01-02 10:00", "2024-01-03"], "the labels are dates, such as '2024-01-01': check"),
    "dates of Europe": (["1.2.2024", "3.12.24"], "the labels are dates, such as '1.2.2024': check that prepare.label"),
    "texts": (["x " * 200, "y " * 200], "2 labels are longer than 200 characters: check that prepare.label_column"),
}


@pytest.mark.parametrize("labels, said", WRONG_COLUMNS.values(), ids=WRONG_COLUMNS)
def test_labels_that_are_no_classes_are_a_sign_of_a_wrong_column(prepare, capsys, labels, said):
    code = prepare.run(prepare.write(relabel(invent(400), *labels)))
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line and "prepare.label_column ('category') is the right column" in line
    assert (code, line.split(": ")[0]) == ((2, "error") if len(labels) > 100 else (0, "warning"))


def test_one_class_of_nearly_all_tickets_is_a_warning(prepare, capsys):
    assert prepare.run(prepare.write(relabel(invent(1000), *"A" * 97, *"BCD"))) == 0
    assert "warning: 970 of 1,000 tickets have the label 'A': a model that always" in capsys.readouterr().err


def test_classes_that_are_too_small_are_named(prepare, capsys):
    rows = invent(90) + [[text, f"small {number % 7}"] for number, (text, _) in enumerate(invent(20, seed=4))]
    assert prepare.run(prepare.write(rows)) == 0
    note = "note: 7 classes are too small and left out: 'small 0' (3), 'small 1' (3), 'small 2' (3), 'small 3' (3), "
    assert capsys.readouterr().err.startswith(f"{note}'small 4' (3) and 2 more; add tickets, merge classes with ")
    assert {f"small {number}": 3 if number < 6 else 2 for number in range(7)} == prepare.metrics()["labels"]["left_out"]


def test_similar_names_among_very_many_labels_are_found_in_seconds(prepare):
    """Labels of 300 characters, each with a slip of its neighbour, would take hours if all were compared with all."""
    rows = relabel(invent(8_000), *(f"{noun} {number:x} {'y' * 80}" for noun in "ab" for number in range(2_000)))
    started = time.perf_counter()
    assert prepare.run(prepare.write(rows), min_class_count=1) == 2
    assert time.perf_counter() - started < 60
