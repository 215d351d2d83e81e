"""Every kind of file of tickets gives the same tickets, to training and to classification alike."""

import csv
import gzip
import io
import json
from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import predict_batch
from support.file_cases import CASES, TEXTS, TICKETS, FileCase, workbook
from support.tickets import PARTS, invent

# The classes of the tickets are small, and the texts alike on purpose.
GENEROUS = {"min_class_count": 5, "near_duplicate_similarity": 1.0, "max_unreadable": 0.02}


def parameters(case: FileCase) -> dict:
    text, label = case.columns
    return GENEROUS | case.options._asdict() | {"text_column": text, "label_column": label}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_prepare_reads_every_kind_of_file(prepare, capsys, case):
    """All tickets with every letter, and each row that cannot be read in rejected.csv."""
    path = prepare.folder / case.name
    path.write_bytes(case.content)
    assert prepare.run(path, **parameters(case)) == 0, capsys.readouterr().err
    found = [(row["text"], row["label"]) for part in PARTS for row in prepare.read(part)]
    assert Counter(found) == Counter((text, label) for _, text, label in TICKETS)
    rejected = prepare.read("rejected")
    assert [row["row"] for row in rejected] == [str(61 + n) for n in range(case.unreadable)]
    assert all(row["text"] for row in rejected)
    about = prepare.metrics()["files"]["input"]
    assert about["rows"] == 60 + case.unreadable and about["unreadable"] == case.unreadable and about["kind"]


@pytest.fixture(scope="module")
def expected(folders, scheduler, tmp_path_factory) -> list[tuple]:
    """The predictions for the plain file."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DASK_SCHEDULER_ADDRESS", scheduler)
        return predict(folders["good"], tmp_path_factory.mktemp("plain"), CASES["plain"])[0]


def predict(model: Path, folder: Path, case: FileCase) -> tuple[list[tuple], list[tuple]]:
    """Return (row, category, confidence) of each prediction and (row, reason) of each rejected row."""
    path, output = folder / case.name, folder / "out"
    path.write_bytes(case.content)
    options = [f"--{name}={value}" for name, value in case.options._asdict().items() if value and name != "header"]
    options += [] if case.options.header else ["--no-header"]
    command = [str(path), str(output), "--model", str(model), f"--text-column={case.columns[0]}", *options]
    assert predict_batch.main([*command, "--rows", "25"]) == 0
    found = [row for part in sorted(output.glob("*.parquet")) for row in pq.read_table(part).to_pylist()]
    bad = [row for part in sorted(output.glob("_rejected/*.parquet")) for row in pq.read_table(part).to_pylist()]
    return (
        [(row["row"], row["category"], row["confidence"]) for row in found],
        [(row["row"], row["reason"]) for row in bad],
    )


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_predict_batch_reads_every_kind_of_file(folders, scheduler, monkeypatch, tmp_path, expected, case):
    monkeypatch.setenv("DASK_SCHEDULER_ADDRESS", scheduler)
    found, rejected = predict(folders["good"], tmp_path, case)
    assert found == expected and len(found) == len(TEXTS)
    assert [row for row, _ in rejected] == list(range(61, 61 + case.unreadable)) and all(why for _, why in rejected)


def test_one_unclosed_quote_loses_only_its_own_row(prepare):
    """The rows after it are read, although the quote seems to go on."""
    lines = ["text,category", *(f"a printer {n} is broken,{'AB'[n % 2]}" for n in range(200))]
    lines[50] = '"never closed,A'
    path = prepare.folder / "t.csv"
    path.write_text("\n".join(lines), encoding="utf-8")
    assert prepare.run(path) == 0
    assert [(row["row"], row["reason"], row["text"]) for row in prepare.read("rejected")][0] == (
        *("50", "broken_quoting"),
        '"never closed,A',
    )
    assert prepare.metrics()["rejected"]["broken_quoting"] == 1 and prepare.metrics()["rows_in"] == 200


def test_too_many_unreadable_rows_stop_prepare_with_their_look_and_a_remedy(prepare, error_line):
    lines = ["text,category", *(f"printer {n}, broken,A" if n % 10 else f"fine {n},B" for n in range(100))]
    path = prepare.folder / "t.csv"
    path.write_text("\n".join(lines), encoding="utf-8")
    assert prepare.run(path) == 2
    message = error_line()
    assert "90 unreadable rows of 100" in message and "90 field_count" in message and "'printer 1, broken,A'" in message
    assert "in quotes" in message and "max_unreadable" in message
    assert not prepare.output.exists() or not list(prepare.output.iterdir())


def test_several_text_columns_are_joined_in_their_order(prepare):
    rows = [[f"subject {n}", f"body {n} of the ticket" if n % 3 else "", "AB"[n % 2]] for n in range(60)]
    path = prepare.folder / "t.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([["subject", "body", "queue"], *rows])
    assert prepare.run(path, text_column=["body", "subject"], label_column="queue") == 0
    texts = {row["text"] for part in (*PARTS, "rejected") for row in prepare.read(part)}
    assert {"body 1 of the ticket\nsubject 1", "subject 3"} <= texts


REAL = {
    "spam.csv": ("v2", "v1", {}, "cp1252"),
    "hwu_watson.csv": ("1", "2", {"header": False}, "utf-8"),
    "ko_chatbot.csv": ("Q", "label", {}, "utf-8"),
    "th_wisesight.tsv": ("text", "label", {}, "utf-8"),
    "karolzak_sample.csv": ("body", "category", {}, "utf-8"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", REAL)
def test_real_files_are_read_as_they_were_published(prepare, shared_data, name):
    text, label, more, encoding = REAL[name]
    path = shared_data(f"real/{name}")
    code = prepare.run(path, text_column=text, label_column=label, **more)
    assert code == 0
    about = prepare.metrics()["files"]["input"]
    assert about["encoding"] == encoding and about["unreadable"] <= 0.01 * about["rows"]


def test_what_was_found_out_about_a_file_is_recorded(prepare):
    case = CASES["semicolons"]
    path = prepare.folder / case.name
    path.write_bytes(case.content.decode().encode("cp1252"))
    assert prepare.run(path, **parameters(case)) == 0
    assert json.loads((prepare.folder / "metrics" / "prepare.json").read_text())["files"] == {
        "input": {
            "kind": "delimited",
            "encoding": "cp1252",
            "delimiter": ";",
            "header": True,
            "rows": 60,
            "unreadable": 0,
        }
    }


@pytest.mark.parametrize("name", ["semicolons", "UTF-16", "workbook", "gzip"])
def test_answers_are_read_in_every_kind_of_file_too(prepare, name):
    """People open the exported file in a spreadsheet, and save it as their program likes."""
    answers = [(f"answer {n} about the printer", "AB"[n % 2]) for n in range(20)]
    buffer = io.StringIO(newline="")
    csv.writer(buffer, delimiter=";" if name == "semicolons" else ",").writerows([("text", "label"), *answers])
    text = buffer.getvalue().encode("utf-16" if name == "UTF-16" else "utf-8")
    content = {"workbook": workbook({"S": [("text", "label"), *answers]}), "gzip": gzip.compress(text)}.get(name, text)
    path = prepare.folder / "answers.csv"
    path.write_bytes(content)
    tickets = prepare.write(invent(60, labels="AB"))
    changes = {"near_duplicate_similarity": 1.0, "encoding": "cp1252", "delimiter": ","}
    assert prepare.run(tickets, feedback_input=str(path), **changes) == 0
    assert prepare.metrics()["feedback"] == 20 and prepare.metrics()["files"]["feedback"]["rows"] == 20
